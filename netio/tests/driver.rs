//! The drivers on tokio, over pipes, loopback sockets and a paused clock.

#![cfg(feature = "tokio")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

#[path = "support/echo.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod echo;

use bytes::Bytes;
use core::task::Poll;
use core::time::Duration;
use echo::{BadLine, Datagrams, Event, Lines};
use netio::driver::{Datagram, Error, Server, Stream};
use netio::shape::{Local, LocalId, StreamMachine as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// For an orderly end that comes at once, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(30);

fn line(text: &str) -> Event {
    Event::Line(text.into())
}

#[tokio::test]
async fn lines_cross_a_pipe_of_three_octets_both_ways() {
    let (near, far) = tokio::io::duplex(3);
    let (mut client, mut server) = (
        Stream::new(Lines::default(), near),
        Stream::new(Lines::default(), far),
    );
    client.machine_mut().send("hello");
    let serve = async {
        while let Some(event) = server.next().await.unwrap() {
            match event {
                Event::Line(text) => server.machine_mut().send(&text.to_uppercase()),
                Event::PeerClosed => server.machine_mut().close(),
                Event::Tls(_) => panic!("no TLS here"),
            }
        }
    };
    let ask = async {
        assert_eq!(client.next().await.unwrap(), Some(line("HELLO")));
        client.close(PATIENCE).await.unwrap();
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn next_can_be_dropped_at_any_point() {
    let (near, far) = tokio::io::duplex(1);
    let (mut client, mut server) = (
        Stream::new(Lines::default(), near),
        Stream::new(Lines::default(), far),
    );
    let expected: Vec<_> = (0..50).map(|number| format!("line {number}")).collect();
    for text in &expected {
        client.machine_mut().send(text);
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        // Each turn polls both sides once and then drops both futures.
        tokio::select! {
            biased;
            event = server.next() => seen.push(event.unwrap().unwrap()),
            _ = client.next() => panic!("the server says nothing"),
            () = tokio::task::yield_now() => {}
        }
    }
    let expected: Vec<_> = expected.iter().map(|text| line(text)).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn r4_two_sides_that_flood_each_other_do_not_deadlock() {
    const LINES: usize = 2000;
    let text = "x".repeat(1000);
    let run = async |io| {
        let mut driver = Stream::new(Lines::default(), io);
        for _ in 0..LINES {
            driver.machine_mut().send(&text);
        }
        let mut received = 0;
        loop {
            match driver.next().await.unwrap() {
                Some(Event::Line(_)) => {
                    received += 1;
                    if received == LINES {
                        driver.machine_mut().close();
                    }
                }
                Some(_) => {}
                None => return received,
            }
        }
    };
    let (near, far) = tokio::io::duplex(1024);
    assert_eq!(tokio::join!(run(near), run(far)), (LINES, LINES));
}

#[tokio::test]
async fn r5_the_farewell_is_written_after_the_error() {
    let (near, far) = tokio::io::duplex(64);
    let (mut client, mut server) = (
        Stream::new(Lines::default(), near),
        Stream::new(Lines::default(), far),
    );
    client.machine_mut().send("one");
    client.machine_mut().send("!bad");
    client.machine_mut().send("never seen");
    let serve = async {
        assert_eq!(server.next().await.unwrap(), Some(line("one")));
        assert!(matches!(server.next().await, Err(Error::Machine(BadLine))));
        assert_eq!(server.next().await.unwrap(), None);
    };
    let ask = async {
        assert_eq!(client.next().await.unwrap(), Some(line("farewell")));
        assert_eq!(client.next().await.unwrap(), Some(Event::PeerClosed));
        client.close(PATIENCE).await.unwrap();
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn what_the_peer_said_before_it_closed_is_read_although_our_write_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut peer, b"go away\n")
        .await
        .unwrap();
    drop(peer);
    let mut client = Stream::new(Lines::default(), client);
    client
        .machine_mut()
        .send_bytes(Bytes::from(vec![b'x'; 1 << 20]));
    let mut seen = Vec::new();
    let error = loop {
        match client.next().await {
            Ok(Some(event)) => seen.push(event),
            Ok(None) => panic!("a failed write was not told"),
            Err(error) => break error,
        }
    };
    assert_eq!(seen.first(), Some(&line("go away")));
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    assert_eq!(client.next().await.unwrap(), None, "told once");
}

#[tokio::test(start_paused = true)]
async fn r3_timers_work_under_a_paused_clock() {
    let (near, far) = tokio::io::duplex(64);
    let machine = Lines::with_idle(Duration::from_secs(600));
    let (mut client, mut server) = (
        Stream::new(Lines::default(), near),
        Stream::new(machine, far),
    );
    let start = tokio::time::Instant::now();
    let serve = async { while server.next().await.unwrap().is_some() {} };
    let ask = async {
        assert_eq!(client.next().await.unwrap(), Some(line("idle")));
        client.close(PATIENCE).await.unwrap();
    };
    tokio::join!(serve, ask);
    assert_eq!(start.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_when_the_peer_does_not_end() {
    let (near, _far) = tokio::io::duplex(64);
    let mut driver = Stream::new(Lines::default(), near);
    let error = driver.close(PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut));
}

#[tokio::test]
async fn a_busy_driver_yields_to_other_tasks() {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let mut driver = Stream::new(Lines::default(), near);
    tokio::io::AsyncWriteExt::write_all(&mut far, "x\n".repeat(10_000).as_bytes())
        .await
        .unwrap();
    let (mut events, mut turns) = (0, 0);
    while events < 10_000 {
        match core::future::poll_fn(|cx| Poll::Ready(driver.poll_next(cx))).await {
            Poll::Ready(_) => events += 1,
            Poll::Pending => turns += 1,
        }
    }
    assert!(
        turns >= 10_000 / 64,
        "the driver yielded {turns} times only"
    );
}

#[tokio::test]
async fn a_server_bounds_its_connections_and_ends_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = Server::new(listener, 2).run(
        |socket, _, mut closing| async move {
            let mut driver = Stream::new(Lines::default(), socket);
            loop {
                tokio::select! {
                    () = closing.wait() => break,
                    event = driver.next() => match event.unwrap() {
                        Some(Event::Line(text)) => driver.machine_mut().send(&text.to_uppercase()),
                        Some(_) => driver.machine_mut().close(),
                        None => return,
                    },
                }
            }
            driver.machine_mut().send("closing");
            driver.close(PATIENCE).await.unwrap();
        },
        async { stopped.await.unwrap() },
    );
    let server = tokio::spawn(server);
    let connect =
        async || Stream::new(Lines::default(), TcpStream::connect(address).await.unwrap());
    let (mut first, mut second, mut third) = (connect().await, connect().await, connect().await);
    for client in [&mut first, &mut second, &mut third] {
        client.machine_mut().send("hello");
    }
    assert_eq!(first.next().await.unwrap(), Some(line("HELLO")));
    assert_eq!(second.next().await.unwrap(), Some(line("HELLO")));
    let waiting = tokio::time::timeout(Duration::from_millis(100), third.next()).await;
    assert!(waiting.is_err(), "a third connection waits for a place");
    first.close(PATIENCE).await.unwrap();
    assert_eq!(third.next().await.unwrap(), Some(line("HELLO")));
    stop.send(()).unwrap();
    for client in [&mut second, &mut third] {
        assert_eq!(client.next().await.unwrap(), Some(line("closing")));
        client.close(PATIENCE).await.unwrap();
    }
    server.await.unwrap();
}

#[tokio::test]
async fn answers_leave_by_the_socket_that_was_asked_and_fresh_sockets_have_their_own_port() {
    let bind = async || UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut server = Datagram::new(Datagrams::echoing(), bind().await);
    let address = server.local_addr().unwrap();
    let mut client = Datagram::new(Datagrams::default(), bind().await);
    let main = client.local_addr().unwrap();
    let fresh = LocalId(7);
    client
        .machine_mut()
        .send(Local::Any, address, "by the main one");
    client
        .machine_mut()
        .send(Local::Fresh(fresh), address, "by a fresh one");
    let serve = async {
        let mut seen = [server.next().await, server.next().await];
        seen.sort_by(|a, b| b.2.cmp(&a.2));
        assert_eq!((seen[0].1, seen[0].2.as_str()), (main, "by the main one"));
        assert_ne!(seen[1].1.port(), main.port());
        server.next().await // never: the client says no more; but the echoes leave
    };
    let ask = async {
        let mut seen = [client.next().await, client.next().await];
        seen.sort_by(|a, b| b.2.cmp(&a.2));
        assert_eq!(seen[0], (LocalId::MAIN, address, "BY THE MAIN ONE".into()));
        assert_eq!(seen[1], (fresh, address, "BY A FRESH ONE".into()));
        client.machine_mut().release(fresh);
        client
            .machine_mut()
            .send(Local::Id(fresh), address, "by one that is gone");
        let _ = tokio::time::timeout(Duration::from_millis(50), client.next()).await;
        assert_eq!(
            (client.socket_stats().sent, client.socket_stats().unsent),
            (2, 1)
        );
    };
    tokio::select! {
        _ = serve => panic!("a datagram from a socket that is gone"),
        () = ask => {}
    }
}

#[tokio::test]
async fn debug_shows_nothing_of_what_travels() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut driver = Stream::new(Lines::default(), near);
    tokio::io::AsyncWriteExt::write_all(&mut far, b"PASS hungry, and more to come")
        .await
        .unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(10), driver.next()).await;
    let shown = format!("{driver:?}");
    assert!(shown.contains("input_len: 29"), "{shown}");
    assert!(!shown.contains("hungry"), "{shown}");
}
