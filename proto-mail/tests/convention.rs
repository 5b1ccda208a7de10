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
use proto_mail::pop3::{Deleted, Maildrop, UsageError, client, memory, server, wire};
use proto_mail::{Secret, TlsInfo, Transmit};

macro_rules! stream_machine {
    ($name:ident, $module:ident) => {
        #[test]
        fn $name() {
            use $module::{Error, Event, Limits, Session, Stats};
            let _: fn(&mut Session, Duration, &mut BytesMut) -> Result<Option<Event>, Error> =
                Session::poll_event;
            let _: fn(&mut Session, Duration, usize) -> Option<Transmit> = Session::poll_transmit;
            let _: fn(&Session) -> Option<Duration> = Session::poll_timeout;
            let _: fn(&mut Session, Duration) = Session::handle_timeout;
            let _: fn(&mut Session, Duration) = Session::handle_eof;
            let _: fn(&mut Session, Duration) = Session::handle_disconnect;
            let _: fn(&mut Session, Duration, TlsInfo) = Session::handle_tls_established;
            let _: fn(&mut Session) = Session::close;
            let _: fn(&Session) -> bool = Session::wants_read;
            let _: fn(&Session) -> bool = Session::is_closed;
            let _: fn(&Session) -> Stats = Session::stats;
            let _: fn(&Session) -> &Limits = Session::limits;
            is_plain::<Session>();
            is_plain::<Event>();
            is_value::<$module::Config>();
            is_value::<Limits>();
            is_value::<Stats>();
            is_error::<Error>();
        }
    };
}

stream_machine!(the_server_session_has_the_stream_shape, server);
stream_machine!(the_client_session_has_the_stream_shape, client);

fn is_plain<T: Send + Sync + Debug + 'static>() {}
fn is_value<T: Send + Sync + Debug + Clone + Default + 'static>() {}
fn is_error<T: core::error::Error + Send + Sync + Clone + PartialEq + 'static>() {}

#[test]
fn values_are_plain_and_errors_are_errors() {
    is_value::<Maildrop>();
    is_value::<Deleted>();
    is_value::<Secret>();
    is_value::<TlsInfo>();
    is_value::<wire::Capabilities>();
    is_plain::<memory::MemoryStore>();
    is_plain::<memory::Connection>();
    is_plain::<wire::Reply>();
    is_error::<UsageError>();
    is_error::<wire::CommandError>();
    is_error::<wire::ReplyError>();
    is_error::<wire::InvalidArgument>();
    fn is_copy<T: Copy>() {}
    is_copy::<wire::CommandError>();
    is_copy::<wire::ReplyError>();
    is_copy::<server::Stats>();
    is_copy::<client::Stats>();
}

/// The same seed gives the same output, another one another timestamp.
#[test]
fn r9_the_seed_alone_makes_the_timestamp() {
    let greeting = |seed| {
        let mut config = server::Config::default();
        config.apop = true;
        let limits = server::Limits::default();
        let mut session = server::Session::new(Duration::ZERO, config, limits, seed);
        match session.poll_transmit(Duration::ZERO, 999) {
            Some(Transmit::Data(data)) => data,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(greeting([1; 32]), greeting([1; 32]));
    assert_ne!(greeting([1; 32]), greeting([2; 32]));
    let shown = String::from_utf8(greeting([1; 32]).to_vec()).unwrap();
    assert!(
        !shown.contains("01010101"),
        "the seed itself does not show: {shown}"
    );
}
