//! Prints what idle machines hold: octets of the value itself and of the heap behind it.

#![forbid(unsafe_code)]

use allocation_counter::measure;
use benches::{bittorrent, idle};
use core::hint::black_box;

fn main() {
    println!(
        "octets that a machine holds\n{:<44}{:>8}{:>8}",
        "", "itself", "heap"
    );
    show("POP3 server session", idle::pop3_server);
    show("POP3 server session, maildrop of 10", || {
        idle::pop3_server_logged_in(10)
    });
    show("POP3 server session, maildrop of 1000", || {
        idle::pop3_server_logged_in(1000)
    });
    show("POP3 client session", idle::pop3_client);
    show("HTTP/2 server connection", || idle::http2_server(0));
    show("HTTP/2 server connection, 20 requests later", || {
        idle::http2_server(20)
    });
    let (empty, full) = (
        heap(|| idle::http2_server(0)),
        heap(|| idle::http2_server_busy(100)),
    );
    println!(
        "{:<44}{:>8}{:>8}",
        "HTTP/2 server connection, each open stream",
        "",
        (full - empty) / 100
    );
    show("FTP server session, logged in", benches::ftp::logged_in);
    show("DNS stub", || idle::stub(0));
    let (empty, full) = (heap(|| idle::stub(0)), heap(|| idle::stub(100)));
    println!(
        "{:<44}{:>8}{:>8}",
        "DNS stub, each query under way",
        "",
        (full - empty) / 100
    );
    show("DNS client connection", idle::dns_client_stream);
    show("DNS server connection", idle::dns_server_stream);
    show("DNS server, UDP", idle::dns_server_datagram);
    show("BitTorrent peer, nothing said", bittorrent::idle_incoming);
    show("BitTorrent peer, 1000 pieces", || {
        bittorrent::idle_peer(1000)
    });
    show("BitTorrent peer, 100 000 pieces", || {
        bittorrent::idle_peer(100_000)
    });
}

fn show<M>(name: &str, make: impl Fn() -> M) {
    println!("{name:<44}{:>8}{:>8}", size_of::<M>(), heap(make));
}

/// Octets still allocated when the machine is the only thing left.
fn heap<M>(make: impl Fn() -> M) -> i64 {
    // What is made once for all machines is not counted.
    drop(black_box(make()));
    let mut made = None;
    let counted = measure(|| made = Some(black_box(make())));
    drop(made);
    counted.bytes_current
}
