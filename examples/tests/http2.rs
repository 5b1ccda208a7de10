//! HTTP/2 with real programs: curl, nghttp, h2load, httpwg, Python and Chromium read from our server,
//! our client reads from nghttpd and Node.

mod support;

use examples::http2::PAGE;
use std::path::Path;
use std::process::Command;
use support::{
    OurServer, Process, certificate, find, find_peer, free_port, run, run_ok, skip, wait_for,
};
use tempfile::tempdir;

fn serve(more: &[&str]) -> OurServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_h2-serve"));
    OurServer::start(command.args(["--listen", "127.0.0.1:0"]).args(more), 1)
}

fn get(arguments: &[&str]) -> String {
    run_ok(Command::new(env!("CARGO_BIN_EXE_h2-get")).args(arguments))
}

#[test]
fn our_client_reads_from_our_server() {
    let server = serve(&["--push", "/=/object/5"]);
    let url = format!("http://{}", server.address("h2c"));
    assert_eq!(get(&[&format!("{url}/")]), PAGE);
    assert_eq!(get(&["--upgrade", &format!("{url}/")]), PAGE);
    assert_eq!(
        get(&["--data", "hello", &format!("{url}/")]),
        "received 5 octets\n"
    );
    let both = get(&[&format!("{url}/object/100000"), &format!("{url}/object/3")]);
    assert_eq!(both.len(), 100_003);
    let pushed =
        run(Command::new(env!("CARGO_BIN_EXE_h2-get")).args(["--push", &format!("{url}/")]));
    assert_eq!(
        String::from_utf8_lossy(&pushed.stderr),
        "pushed /object/5\n"
    );
    assert_eq!(String::from_utf8_lossy(&pushed.stdout), PAGE);
    let none = run(Command::new(env!("CARGO_BIN_EXE_h2-get")).arg(format!("{url}/none")));
    assert!(!none.status.success());
}

#[test]
fn curl_speaks_in_every_way() {
    let Some(curl) = find("curl") else {
        skip!("curl")
    };
    let folder = tempdir().expect("a folder");
    certificate(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let plain = serve(&[]);
    let secure = serve(&[
        "--tls",
        "--cert",
        &path("cert.pem"),
        "--key",
        &path("key.pem"),
    ]);
    let curl = |more: &[&str]| {
        let told = "\n%{http_version} %{http_code}";
        run_ok(
            Command::new(&curl)
                .args(["-sS", "--max-time", "20", "-w", told])
                .args(more),
        )
    };
    let url = format!("http://{}/", plain.address("h2c"));
    let expected = format!("{PAGE}\n2 200");
    assert_eq!(curl(&["--http2-prior-knowledge", &url]), expected);
    assert_eq!(curl(&["--http2", &url]), expected, "by Upgrade");
    assert_eq!(
        curl(&["--http2-prior-knowledge", "-d", "abc", &url]),
        "received 3 octets\n\n2 200"
    );
    let url = format!("https://localhost:{}/", secure.address("h2").port());
    assert_eq!(curl(&["--cacert", &path("cert.pem"), &url]), expected);
}

#[test]
fn nghttp_takes_pages_and_pushes() {
    let Some(nghttp) = find("nghttp") else {
        skip!("nghttp")
    };
    let server = serve(&["--push", "/=/object/1000"]);
    let url = format!("http://{}/", server.address("h2c"));
    for more in [&["-v"][..], &["-v", "-u"], &["-v", "--no-dep"]] {
        let told = run_ok(Command::new(&nghttp).args(more).arg(&url));
        assert!(told.contains("Hello from Utopia"), "{told}");
        assert!(
            told.contains("PUSH_PROMISE") && told.contains("promised_stream_id=2"),
            "{told}"
        );
        assert!(!told.contains("PROTOCOL_ERROR"), "{told}");
    }
}

#[test]
fn h2load_counts_no_failure() {
    let Some(h2load) = find("h2load") else {
        skip!("h2load")
    };
    let server = serve(&[]);
    let url = format!("http://{}/", server.address("h2c"));
    let told =
        run_ok(Command::new(h2load).args(["-n", "2000", "-c", "4", "-m", "50", "-t", "1", &url]));
    assert!(
        told.contains("2000 succeeded, 0 failed, 0 errored"),
        "{told}"
    );
}

#[test]
fn httpwg_passes_every_case() {
    let Some(httpwg) = find_peer("cargo/bin/httpwg") else {
        skip!("httpwg")
    };
    let server = serve(&[]);
    // Its own 250 ms to wait for a frame are too short for a busy machine.
    let output = run(Command::new(httpwg)
        .args(["-a", &server.address("h2c").to_string()])
        .args(["--frame-timeout", "10000"]));
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    let passed = told.matches("Test passed").count();
    assert!(
        output.status.success() && passed >= 107 && !told.contains("Test failed"),
        "{told}"
    );
}

#[test]
fn python_reads_from_our_server() {
    let Some(python) = find_peer("python/bin/python3") else {
        skip!("Python with httpx")
    };
    let server = serve(&[]);
    let script = format!(
        "import httpx\nwith httpx.Client(http1=False, http2=True) as c:\n r = c.get('http://{}/')\n print(r.http_version, r.status_code, len(r.content))",
        server.address("h2c")
    );
    let told = run_ok(Command::new(python).args(["-c", &script]));
    assert_eq!(told.trim(), format!("HTTP/2 200 {}", PAGE.len()));
}

/// h2 for Python is a Sans-I/O machine too: it checks what we send more strictly than most.
#[test]
fn pythons_h2_talks_to_both_our_sides() {
    let Some(python) = find_peer("python/bin/python3") else {
        skip!("Python with h2")
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/h2_session.py");
    let server = serve(&[]);
    let port = server.address("h2c").port().to_string();
    let told = run_ok(Command::new(&python).args([script, "CLIENT", &port]));
    let expected = format!("200 300000 200 received 10000 octets 200 {}", PAGE.len());
    assert_eq!(told.trim(), expected);

    let port = free_port();
    let mut command = Command::new(&python);
    let mut process = Process::start(command.args([script, "SERVER", &port.to_string()]));
    let address = ([127, 0, 0, 1], port).into();
    wait_for(&mut process, address);
    let body = format!("python says /a{}", ".".repeat(100_000));
    assert_eq!(get(&[&format!("http://{address}/a")]), body);
}

/// nghttpx in front of our server: a proxy, which speaks HTTP/2 to both sides.
#[test]
fn nghttpx_stands_before_our_server() {
    let (Some(nghttpx), Some(curl)) = (find("nghttpx"), find("curl")) else {
        skip!("nghttpx and curl")
    };
    let server = serve(&[]);
    let folder = tempdir().expect("a folder");
    let configuration = folder.path().join("nghttpx.conf");
    std::fs::write(&configuration, "").expect("a file");
    let behind = server.address("h2c");
    let port = free_port();
    let mut command = Command::new(nghttpx);
    command.arg(format!("--conf={}", configuration.display()));
    command.arg(format!("--frontend=127.0.0.1,{port};no-tls"));
    command.arg(format!("--backend=127.0.0.1,{};;proto=h2", behind.port()));
    command.args(["--workers=1", "--errorlog-file=/dev/null"]);
    let mut process = Process::start(&mut command);
    let address: std::net::SocketAddr = ([127, 0, 0, 1], port).into();
    wait_for(&mut process, address);
    // Through it with a client of others, and with ours.
    let url = format!("http://{address}");
    for (version, path, octets) in [
        ("--http2-prior-knowledge", "/object/200000", 200_000),
        ("--http1.1", "/", PAGE.len()),
    ] {
        let get = ["-sS", "-m", "20", version];
        let output = run_ok(Command::new(&curl).args(get).arg(format!("{url}{path}")));
        assert_eq!(output.len(), octets, "{version} {path}");
    }
    let post = ["-sS", "-m", "20", "--http2-prior-knowledge", "-d", "a=b"];
    let told = run_ok(Command::new(&curl).args(post).arg(format!("{url}/")));
    assert_eq!(told, "received 3 octets\n");
    assert_eq!(
        get(&[&format!("{url}/"), &format!("{url}/object/10")]),
        PAGE.to_owned() + "oooooooooo"
    );
    // A proxy gives the same connection to many clients.
    if let Some(h2load) = find("h2load") {
        let load = ["-n", "1000", "-c", "4", "-m", "20", "-t", "1"];
        let told = run_ok(Command::new(h2load).args(load).arg(format!("{url}/")));
        assert!(told.contains("1000 succeeded, 0 failed"), "{told}");
    }
}

#[test]
fn our_client_reads_from_nghttpd() {
    let Some(nghttpd) = find("nghttpd") else {
        skip!("nghttpd")
    };
    let folder = tempdir().expect("a folder");
    let large: String = "utopia ".repeat(100_000);
    std::fs::write(folder.path().join("index.html"), PAGE).expect("a file");
    std::fs::write(folder.path().join("large.txt"), &large).expect("a file");
    let port = free_port();
    let mut command = Command::new(nghttpd);
    command.args([
        "--no-tls",
        "-a",
        "127.0.0.1",
        "-p",
        "/index.html=/large.txt",
        "-d",
    ]);
    let mut process = Process::start(command.arg(folder.path()).arg(port.to_string()));
    let address = ([127, 0, 0, 1], port).into();
    wait_for(&mut process, address);
    let url = format!("http://{address}");
    assert_eq!(get(&[&format!("{url}/index.html")]), PAGE);
    let both = get(&[&format!("{url}/large.txt"), &format!("{url}/index.html")]);
    assert_eq!(both, large + PAGE);
    let pushed =
        run(Command::new(env!("CARGO_BIN_EXE_h2-get"))
            .args(["--push", &format!("{url}/index.html")]));
    assert_eq!(
        String::from_utf8_lossy(&pushed.stderr),
        "pushed /large.txt\n"
    );
}

#[test]
fn our_client_reads_from_node() {
    let Some(node) = find("node") else {
        skip!("node")
    };
    let port = free_port();
    let script = format!(
        "require('http2').createServer((q,s)=>{{s.writeHead(200,{{'x-a':'b'}});s.end('node says '+q.url)}}).listen({port},'127.0.0.1')"
    );
    let mut process = Process::start(Command::new(node).args(["-e", &script]));
    let address = ([127, 0, 0, 1], port).into();
    wait_for(&mut process, address);
    let told = get(&[
        &format!("http://{address}/one"),
        &format!("http://{address}/two"),
    ]);
    assert_eq!(told, "node says /onenode says /two");
}

#[test]
fn chromium_loads_a_page_over_h2() {
    let Some(chromium) = find("chromium") else {
        skip!("chromium")
    };
    let root = tempdir().expect("a folder");
    let page = "<!doctype html><title>-</title><link rel=\"icon\" href=\"data:,\"><p id=p>-</p><script>p.textContent='protocol '+performance.getEntriesByType('navigation')[0].nextHopProtocol</script>";
    std::fs::write(root.path().join("index.html"), page).expect("a file");
    let server = serve(&["--tls", "--root", &root.path().display().to_string()]);
    let profile = tempdir().expect("a folder");
    let profile: &Path = profile.path();
    let output = run(Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args([
            "--ignore-certificate-errors",
            "--disable-background-networking",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("https://{}/", server.address("h2"))));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("protocol h2"),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
