//! Chapter: HTTP/2 over one connection: objects side by side, priorities, push.

use crate::report::Report;
use core::time::Duration;
use examples::hol::{self, Scheme};
use examples::http2::{PAGE, Pages, Site};
use examples::serve;
use netio::driver::Stream;
use proto_http2::priority::Priority;
use proto_http2::{Config, Connection, Event, Fields, Limits, StreamId};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};

const ROUNDS: u32 = 5_000;

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.chapter("http2", "HTTP/2: many objects over one connection");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let site = Arc::new(Site::new(
        None,
        vec![("/".to_owned(), vec!["/object/5".to_owned()])],
    ));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let make = move |socket| {
        let machine = Connection::server(Duration::ZERO, Config::default(), Limits::default());
        (Stream::new(machine, socket), Pages::new(&site))
    };
    let server = tokio::spawn(serve::streams(listener, 16, make, async {
        stopped.await.unwrap_or_default();
    }));
    let mut config = Config::default();
    config.enable_push = true;
    let machine = Connection::client(Duration::ZERO, config, Limits::default());
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut client = Stream::new(machine, socket);

    report.exchanged(format_args!(
        "GET http://{address}/, and what comes with it"
    ));
    let (bodies, pushed, _) = fetch(&mut client, &["/"], &[]).await?;
    report.check(
        "the page is the page",
        bodies[0].as_slice(),
        PAGE.as_bytes(),
    );
    report.check(
        "one object was pushed with it",
        pushed,
        vec![("/object/5".to_owned(), 5)],
    );

    report.exchanged("GET /object/2000000, /object/10, /object/20, /object/30 at once");
    let paths = ["/object/2000000", "/object/10", "/object/20", "/object/30"];
    let urgencies = [6, 1, 1, 1];
    let (bodies, _, order) = fetch(&mut client, &paths, &urgencies).await?;
    let lengths: Vec<_> = bodies.iter().map(Vec::len).collect();
    report.check(
        "every object is whole",
        lengths,
        vec![2_000_000, 10, 20, 30],
    );
    report.check(
        "the urgent ones do not wait for the large one",
        order.last(),
        Some(&0),
    );

    // In a simulated network, so that times are fixed.
    for scheme in Scheme::ALL {
        let done = hol::completions(&hol::run(scheme, 0, 1)?).map(|at| at.as_millis());
        report.exchanged(format_args!(
            "{}: large {} ms, small {} {} {} ms",
            scheme.name(),
            done[0],
            done[1],
            done[2],
            done[3]
        ));
        let is_blocked = done[3] > done[0];
        report.check(scheme.name(), is_blocked, scheme == Scheme::Http1);
    }

    let begin = Instant::now();
    let mut answers = 0;
    for _ in 0..ROUNDS {
        let (bodies, _, _) = fetch(&mut client, &["/object/1"], &[]).await?;
        answers += u32::from(bodies[0] == b"o");
    }
    report.check("every request of a long row is answered", answers, ROUNDS);
    report.speed(
        "requests, one at a time",
        f64::from(ROUNDS),
        "requests",
        begin.elapsed(),
    );
    client.close(Duration::from_secs(5)).await?;
    let _ = stop.send(());
    server.await?;
    Ok(())
}

/// Bodies, pushed paths with their octets, and the order in which the requests were complete.
type Fetched = (Vec<Vec<u8>>, Vec<(String, usize)>, Vec<usize>);

/// Asks for all paths at once and waits for all of them.
async fn fetch(
    client: &mut Stream<Connection, TcpStream>,
    paths: &[&str],
    urgencies: &[u8],
) -> Result<Fetched, Box<dyn Error>> {
    let mut ids: Vec<StreamId> = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let machine = client.machine_mut();
        let mut fields = Fields::request("GET", "http", "utopia.example", path);
        if let Some(urgency) = urgencies.get(index) {
            fields.push("priority", format!("u={urgency}"));
        }
        let id = machine.request(&fields, true)?;
        if let Some(&urgency) = urgencies.get(index) {
            let incremental = false;
            machine.prioritise(
                id,
                Priority {
                    urgency,
                    incremental,
                },
            )?;
        }
        ids.push(id);
    }
    let mut bodies = vec![Vec::new(); paths.len()];
    let mut pushed: BTreeMap<StreamId, (String, usize)> = BTreeMap::new();
    let (mut order, mut open) = (Vec::new(), paths.len());
    while open > 0 {
        let next = tokio::time::timeout(Duration::from_secs(10), client.next()).await??;
        match next.ok_or("the connection ended")? {
            Event::Push { id, fields, .. } => {
                let path = String::from_utf8_lossy(fields.path().unwrap_or_default()).into_owned();
                pushed.insert(id, (path, 0));
                open += 1;
            }
            Event::Data { id, data, .. } => match ids.iter().position(|other| *other == id) {
                Some(place) => bodies[place].extend_from_slice(&data),
                None => {
                    if let Some((_, octets)) = pushed.get_mut(&id) {
                        *octets += data.len();
                    }
                }
            },
            Event::Closed { id, .. } => {
                open -= 1;
                order.extend(ids.iter().position(|other| *other == id));
            }
            _ => {}
        }
    }
    Ok((bodies, pushed.into_values().collect(), order))
}
