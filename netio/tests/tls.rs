//! TLS under the drivers: from the start and in mid-stream.

#![cfg(feature = "tls")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/echo.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod echo;

use core::time::Duration;
use echo::{Event, Lines};
use netio::driver::{Error, Stream};
use netio::shape::{StreamMachine as _, TlsInfo};
use netio::tls;
use std::sync::Arc;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tls::tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio::io::DuplexStream;

struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

fn configs() -> Configs {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let certificate = made.cert.pem();
    Configs {
        client: tls::client_config(certificate.as_bytes(), &[b"lines/1"]).unwrap(),
        server: tls::server_config(
            certificate.as_bytes(),
            made.signing_key.serialize_pem().as_bytes(),
            &[b"other", b"lines/1"],
        )
        .unwrap(),
    }
}

type Io = tls::Stream<DuplexStream>;

fn pair(name: &'static str) -> (Io, Io) {
    let configs = configs();
    let (near, far) = tokio::io::duplex(256);
    (
        Io::client(near, configs.client, ServerName::try_from(name).unwrap()),
        Io::server(far, configs.server),
    )
}

async fn tls_info(driver: &mut Stream<Lines, Io>) -> TlsInfo {
    match driver.next().await.unwrap() {
        Some(Event::Tls(info)) => info,
        event => panic!("{event:?} instead of TLS"),
    }
}

#[tokio::test]
async fn r8_tls_starts_in_mid_stream_and_both_sides_agree_on_it() {
    let (near, far) = pair("localhost");
    let mut client = Stream::new(Lines::default(), near);
    let mut server = Stream::new(Lines::default(), far);
    client.machine_mut().send("in the clear");
    client.machine_mut().start_tls();
    let serve = async {
        let line = server.next().await.unwrap();
        assert_eq!(line, Some(Event::Line("in the clear".into())));
        assert!(!server.transport().is_tls());
        let info = tls_info(&mut server).await;
        assert!(server.transport().is_tls());
        let line = server.next().await.unwrap();
        assert_eq!(line, Some(Event::Line("under TLS".into())));
        server.machine_mut().send("heard");
        assert_eq!(server.next().await.unwrap(), Some(Event::PeerClosed));
        server.close(Duration::from_secs(5)).await.unwrap();
        info
    };
    let ask = async {
        let info = tls_info(&mut client).await;
        client.machine_mut().send("under TLS");
        assert_eq!(
            client.next().await.unwrap(),
            Some(Event::Line("heard".into()))
        );
        client.close(Duration::from_secs(5)).await.unwrap();
        info
    };
    let (server, client) = tokio::join!(serve, ask);
    assert_eq!(client.alpn.as_deref(), Some(&b"lines/1"[..]));
    assert_eq!(client.alpn, server.alpn);
    assert_eq!(server.server_name.as_deref(), Some("localhost"));
    assert!(client.peer_certificate.is_some() && server.peer_certificate.is_none());
    assert!(client.exporter.is_some(), "TLS 1.3 has a channel binding");
    assert_eq!(client.exporter, server.exporter);
    assert!(!client.resumed && !server.resumed);
}

#[tokio::test]
async fn implicit_tls_is_told_to_the_machine_before_anything_else() {
    let (near, far) = pair("localhost");
    let mut client = Stream::implicit_tls(Lines::default(), near);
    let mut server = Stream::implicit_tls(Lines::default(), far);
    server.machine_mut().send("greeting");
    let ask = async {
        tls_info(&mut client).await;
        assert_eq!(
            client.next().await.unwrap(),
            Some(Event::Line("greeting".into()))
        );
        client.machine_mut().close();
        while client.next().await.unwrap().is_some() {}
    };
    let serve = async {
        tls_info(&mut server).await;
        assert_eq!(server.next().await.unwrap(), Some(Event::PeerClosed));
        server.close(Duration::from_secs(5)).await.unwrap();
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_the_machine_learns_that_its_transport_is_dead()
 {
    let (near, far) = pair("example.org");
    let mut client = Stream::implicit_tls(Lines::default(), near);
    let mut server = Stream::implicit_tls(Lines::default(), far);
    let (client_end, server_end) = tokio::join!(client.next(), server.next());
    assert!(matches!(client_end, Err(Error::Io(_))), "{client_end:?}");
    assert!(matches!(server_end, Err(Error::Io(_))), "{server_end:?}");
    assert!(client.machine().is_closed() && server.machine().is_closed());
    assert_eq!(client.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_transport_without_tls_says_so() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut driver = Stream::new(Lines::default(), near);
    tokio::io::AsyncWriteExt::write_all(&mut far, b"!go\n")
        .await
        .unwrap();
    let error = driver.next().await.unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::Unsupported));
}

#[tokio::test]
async fn an_end_without_close_notify_is_a_dead_transport_and_no_orderly_end() {
    let (near, far) = pair("localhost");
    let mut client = Stream::implicit_tls(Lines::default(), near);
    let mut server = Stream::implicit_tls(Lines::default(), far);
    let (_, _) = tokio::join!(tls_info(&mut client), tls_info(&mut server));
    drop(server); // a FIN, but no close_notify: an attacker can do as much
    let error = client.next().await.unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof));
}
