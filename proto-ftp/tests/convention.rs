//! Every machine has the methods of the convention, with exactly these types.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::BytesMut;
use core::fmt::Debug;
use core::time::Duration;
use proto_ftp::data::{DataError, DataEvent, DataLimits, Format, Receiver, Sender};
use proto_ftp::{
    ClientLimits, DataTransmit, Secret, ServerLimits, TlsInfo, Transmit, client, listing, server,
    wire,
};

macro_rules! coordinator {
    ($name:ident, $module:ident) => {
        #[test]
        fn $name() {
            use $module::{Action, Error, Event, Session, Stats};
            let _: fn(&mut Session, Duration, &mut BytesMut) -> Result<Option<Event>, Error> =
                Session::poll_event;
            let _: fn(&mut Session, Duration, usize) -> Option<Transmit> = Session::poll_transmit;
            let _: fn(&mut Session, Duration) -> Option<Action> = Session::poll_action;
            let _: fn(&Session) -> Option<Duration> = Session::poll_timeout;
            let _: fn(&mut Session, Duration) = Session::handle_timeout;
            let _: fn(&mut Session, Duration) = Session::handle_eof;
            let _: fn(&mut Session, Duration) = Session::handle_disconnect;
            let _: fn(&mut Session, Duration, TlsInfo) = Session::handle_tls_established;
            let _: fn(&mut Session) = Session::close;
            let _: fn(&Session) -> bool = Session::wants_read;
            let _: fn(&Session) -> bool = Session::is_closed;
            let _: fn(&Session) -> Stats = Session::stats;
            is_plain::<Session>();
            is_plain::<Event>();
            is_value::<$module::Config>();
            is_value::<Stats>();
            is_error::<Error>();
            is_copy::<Stats>();
            is_copy::<$module::DataId>();
            is_plain::<Action>();
            is_error::<$module::UsageError>();
            is_copy::<$module::UsageError>();
        }
    };
}

coordinator!(the_server_session_has_the_shape_of_a_coordinator, server);
coordinator!(the_client_session_has_the_shape_of_a_coordinator, client);

fn is_plain<T: Send + Sync + Debug + 'static>() {}
fn is_value<T: Send + Sync + Debug + Clone + Default + 'static>() {}
fn is_error<T: core::error::Error + Send + Sync + Clone + PartialEq + 'static>() {}
fn is_copy<T: Copy>() {}

#[test]
fn the_data_machines_have_the_verbs_of_a_stream() {
    let _: fn(&mut Receiver, Duration, &mut BytesMut) -> Result<Option<DataEvent>, DataError> =
        Receiver::poll_event;
    let _: fn(&mut Receiver, Duration) = Receiver::handle_eof;
    let _: fn(&mut Receiver, Duration) = Receiver::handle_disconnect;
    let _: fn(&Receiver) -> bool = Receiver::wants_read;
    let _: fn(&Receiver) -> bool = Receiver::is_closed;
    let _: fn(&mut Sender, Duration, usize) -> Option<DataTransmit> = Sender::poll_transmit;
    let _: fn(&mut Sender, Duration) = Sender::handle_disconnect;
    let _: fn(&Sender) -> bool = Sender::is_closed;
    is_plain::<Receiver>();
    is_plain::<Sender>();
    is_error::<DataError>();
    is_copy::<DataError>();
}

#[test]
fn values_are_plain_and_errors_are_errors() {
    is_value::<ServerLimits>();
    is_value::<ClientLimits>();
    is_value::<DataLimits>();
    is_value::<Format>();
    is_value::<Secret>();
    is_value::<TlsInfo>();
    is_plain::<wire::Reply>();
    is_plain::<wire::VirtualPath>();
    is_plain::<listing::Parser>();
    is_error::<wire::CommandError>();
    is_error::<wire::ArgError>();
    is_error::<wire::ReplyError>();
    is_error::<wire::PathError>();
    is_error::<wire::HostPortError>();
    is_copy::<wire::CommandError>();
    is_copy::<wire::ReplyError>();
    is_copy::<wire::HostPortError>();
}
