//! Connections of peers that have nothing to do.

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::peer::{Bitfield, Config, Connection, Event, Pieces, Torrent};
use proto_bittorrent::stream::Transmit;
use proto_bittorrent::wire::Block;
use std::sync::{Arc, LazyLock};

const NOW: Duration = Duration::from_secs(1);

/// One configuration serves all connections.
static SETUP: LazyLock<(Arc<Config>, Arc<Limits>)> = LazyLock::new(|| {
    (
        Config::new(PeerId(*b"-XX0001-abcdefghijkl")).into(),
        Limits::default().into(),
    )
});

/// Carries what one side says to the other until both are quiet.
fn settle(a: &mut Connection, b: &mut Connection, events: &mut Vec<Event>) {
    let (mut to_a, mut to_b) = (BytesMut::new(), BytesMut::new());
    loop {
        let mut is_quiet = true;
        while let Some(Transmit::Data(data)) = a.poll_transmit(NOW, usize::MAX) {
            (is_quiet, _) = (false, to_b.extend_from_slice(&data));
        }
        while let Some(Transmit::Data(data)) = b.poll_transmit(NOW, usize::MAX) {
            (is_quiet, _) = (false, to_a.extend_from_slice(&data));
        }
        while let Some(event) = a.poll_event(NOW, &mut to_a).expect("no fault") {
            events.push(event);
        }
        while let Some(event) = b.poll_event(NOW, &mut to_b).expect("no fault") {
            events.push(event);
        }
        if is_quiet {
            return;
        }
    }
}

/// A connection whose peer has every other piece, and with which a block was exchanged; nothing is
/// open any more.
#[must_use]
pub fn idle_peer(pieces: u32) -> Connection {
    let (config, limits) = SETUP.clone();
    let mut torrent = Torrent::new(Sha1Hash::of(b"a torrent"));
    torrent.pieces = Some(Pieces {
        count: pieces,
        len: 16 * 1024,
    });
    let mut other = Config::new(PeerId(*b"-XX0001-lkjihgfedcba"));
    other.client = Some("another client 1.0".into());
    let mut ours = Connection::incoming(NOW, config, limits.clone(), 1);
    let mut peer = Connection::outgoing(NOW, other, limits, torrent.clone());
    let mut events = Vec::new();
    settle(&mut peer, &mut ours, &mut events);
    let asked = events
        .iter()
        .position(|event| matches!(event, Event::Incoming { .. }));
    let Event::Incoming { ask, .. } = events.swap_remove(asked.expect("a handshake")) else {
        panic!("no handshake");
    };
    ours.accept(ask, torrent)
        .expect("the torrent that was asked for");
    settle(&mut peer, &mut ours, &mut events);
    let mut half = Bitfield::new(pieces);
    for piece in (0..pieces).step_by(2) {
        half.set(piece, true);
    }
    peer.tell_pieces(&half).expect("an open connection");
    ours.tell_pieces(&half).expect("an open connection");
    peer.interested().expect("an open connection");
    ours.unchoke().expect("an open connection");
    settle(&mut peer, &mut ours, &mut events);
    let block = Block::new(0, 0, 16 * 1024);
    peer.request(block).expect("an unchoked connection");
    settle(&mut peer, &mut ours, &mut events);
    ours.send_block(block, Bytes::from_static(&[0; 16 * 1024]))
        .expect("an open request");
    settle(&mut peer, &mut ours, &mut events);
    assert!(ours.peer_has(0), "the peer has told what it has");
    ours
}

/// A connection that was accepted, and over which nothing has come.
#[must_use]
pub fn idle_incoming() -> Connection {
    let (config, limits) = SETUP.clone();
    Connection::incoming(NOW, config, limits, 1)
}
