//! What every machine has in common, held by the compiler.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use bytes::BytesMut;
use core::fmt::Debug;
use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::{self, Action, ConnectionId, QueryOptions, Stub};
use proto_dns::datagram::{self, LocalId};
use proto_dns::server;
use proto_dns::wire::{Message, MessageBuf, Name, Question};
use proto_dns::{Config, DecodeError, Error, Limits, QueryId, UsageError, stream};

type PollEvent<M, E> = fn(&mut M, Duration, &mut BytesMut) -> Result<Option<E>, Error>;

macro_rules! is_stream {
    ($machine:ty, $event:ty, $stats:ty) => {
        let _: PollEvent<$machine, $event> = <$machine>::poll_event;
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
    is_stream!(client::Stream, client::stream::Event, client::stream::Stats);
    is_stream!(server::Stream, server::stream::Event, server::stream::Stats);
    is_datagram!(Stub, client::stub::Event, client::stub::Stats);
    is_datagram!(
        server::Datagram,
        server::datagram::Event,
        server::datagram::Stats
    );
}

#[test]
fn the_stub_coordinates() {
    let _: fn(&mut Stub, Question, QueryOptions) -> Result<QueryId, UsageError> = Stub::query;
    let _: fn(&mut Stub, QueryId) = Stub::cancel;
    let _: fn(&mut Stub, Duration) -> Option<Action> = Stub::poll_action;
    let _: fn(&mut Stub, Duration, ConnectionId) = Stub::handle_connected;
    let _: fn(&mut Stub, Duration, ConnectionId) = Stub::handle_connect_failed;
    let _: fn(&mut Stub, Duration, ConnectionId, &[u8]) = Stub::handle_message;
    let _: fn(&mut Stub, Duration, ConnectionId) = Stub::handle_closed;
}

#[test]
fn values_can_be_shared_and_errors_are_errors() {
    is_value::<server::Authority>();
    is_value::<server::Zone>();
    is_value::<MessageBuf>();
    is_value::<Message<'static>>();
    is_value::<Name>();
    is_value::<Config>();
    is_value::<Limits>();
    is_error::<Error>();
    is_error::<UsageError>();
    is_error::<DecodeError>();
    is_error::<proto_dns::BuildError>();
    is_error::<proto_dns::NameError>();
    is_error::<proto_dns::ZoneError>();
    is_error::<proto_dns::Failure>();
}
