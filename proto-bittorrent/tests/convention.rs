//! What every machine has in common, held by the compiler.

use bytes::BytesMut;
use core::fmt::Debug;
use core::net::SocketAddr;
use core::time::Duration;
use proto_bittorrent::datagram::{self, LocalId};
use proto_bittorrent::tracker::{
    Action, Announced, Announcer, AnnouncerEvent, AttemptId, Store, http, udp,
};
use proto_bittorrent::{Limits, bencode, magnet, metainfo, peer, stream, wire};

type PollEvent<M, V, E> = fn(&mut M, Duration, &mut BytesMut) -> Result<Option<V>, E>;

macro_rules! is_stream {
    ($machine:ty, $event:ty, $error:ty, $stats:ty) => {
        let _: PollEvent<$machine, $event, $error> = <$machine>::poll_event;
        let _: fn(&mut $machine, Duration, usize) -> Option<stream::Transmit> =
            <$machine>::poll_transmit;
        let _: fn(&$machine) -> Option<Duration> = <$machine>::poll_timeout;
        let _: fn(&mut $machine, Duration) = <$machine>::handle_timeout;
        let _: fn(&mut $machine, Duration) = <$machine>::handle_eof;
        let _: fn(&mut $machine, Duration) = <$machine>::handle_disconnect;
        let _: fn(&mut $machine) = <$machine>::close;
        let _: fn(&$machine) -> bool = <$machine>::wants_read;
        let _: fn(&$machine) -> bool = <$machine>::is_closed;
        let _: fn(&$machine) -> &Limits = <$machine>::limits;
        let _: fn(&$machine) -> $stats = <$machine>::stats;
        is_value::<$machine>();
        is_plain::<$stats>();
        is_error::<$error>();
    };
}

macro_rules! is_datagram {
    ($machine:ty, $event:ty, $stats:ty) => {
        let _: fn(&mut $machine, Duration, LocalId, SocketAddr, &[u8]) =
            <$machine>::handle_datagram;
        let _: fn(&mut $machine) -> Option<$event> = <$machine>::poll_event;
        let _: fn(&mut $machine, Duration) -> Option<datagram::Transmit> =
            <$machine>::poll_transmit;
        let _: fn(&$machine) -> Option<Duration> = <$machine>::poll_timeout;
        let _: fn(&mut $machine, Duration) = <$machine>::handle_timeout;
        let _: fn(&$machine) -> &Limits = <$machine>::limits;
        let _: fn(&$machine) -> $stats = <$machine>::stats;
        is_value::<$machine>();
        is_plain::<$stats>();
    };
}

fn is_value<T: Send + Sync + Debug + 'static>() {}
fn is_plain<T: Copy + Default + Debug + PartialEq + Send + Sync>() {}
fn is_error<T: core::error::Error + Copy + Send + Sync + 'static>() {}

#[test]
fn machines_have_the_methods_of_their_shape() {
    is_stream!(peer::Connection, peer::Event, peer::Error, peer::Stats);
    is_stream!(
        http::Client,
        http::ClientEvent,
        http::ClientError,
        http::ClientStats
    );
    is_stream!(
        http::Server,
        http::ServerEvent,
        http::ServerError,
        http::ServerStats
    );
    is_datagram!(udp::Client, udp::ClientEvent, udp::ClientStats);
    is_datagram!(udp::Server, udp::ServerEvent, udp::ServerStats);
}

#[test]
fn the_announcer_coordinates() {
    let _: fn(&mut Announcer, Duration) -> Option<Action> = Announcer::poll_action;
    let _: fn(&mut Announcer, Duration, AttemptId, Announced) = Announcer::handle_announced;
    let _: fn(&mut Announcer, Duration, AttemptId) = Announcer::handle_failed;
    let _: fn(&mut Announcer) -> Option<AnnouncerEvent> = Announcer::poll_event;
    let _: fn(&Announcer) -> Option<Duration> = Announcer::poll_timeout;
    let _: fn(&mut Announcer, Duration) = Announcer::handle_timeout;
    is_value::<Announcer>();
    is_value::<Store>();
}

#[test]
fn errors_are_small_and_tell_what_happened() {
    is_error::<bencode::DecodeError>();
    is_error::<bencode::WriteError>();
    is_error::<metainfo::MetainfoError>();
    is_error::<metainfo::DraftError>();
    is_error::<magnet::MagnetError>();
    is_error::<wire::DecodeError>();
    is_error::<wire::HandshakeError>();
    is_error::<peer::UsageError>();
    is_error::<udp::UsageError>();
    is_error::<http::UsageError>();
    is_error::<http::QueryError>();
}
