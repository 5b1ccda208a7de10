//! One reliable, ordered byte stream.

use bytes::{Bytes, BytesMut};
use core::fmt::Debug;
use core::time::Duration;

/// A machine that speaks over one reliable, ordered byte stream.
///
/// Any call may be made at any time; a call left out delays and never corrupts. After *any* call
/// with `&mut self`, [`poll_event`](Self::poll_event), [`poll_transmit`](Self::poll_transmit),
/// [`poll_timeout`](Self::poll_timeout) and [`wants_read`](Self::wants_read) may have changed.
pub trait StreamMachine: Debug {
    /// What the machine has to say.
    type Event: Debug;
    /// Why it ended.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Consumes a prefix of `input` and returns the next event, if there is one.
    ///
    /// `input` is the read buffer of the embedder: the same one in every call, changed in between
    /// only by appending what the peer sent.
    ///
    /// # Errors
    ///
    /// Once, after every event before it; from then on the machine only discards input.
    fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Self::Event>, Self::Error>;

    /// The next step of output, to be carried out in order; data holds at most `budget` octets.
    fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<StreamTransmit>;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called: a time point, not a delay.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Tells that time has passed. Early calls do nothing.
    fn handle_timeout(&mut self, now: Duration);

    /// The peer ended its side in order; `input` may still hold octets.
    fn handle_eof(&mut self, now: Duration);

    /// The transport is dead in both directions.
    fn handle_disconnect(&mut self, now: Duration);

    /// The TLS handshake is done: after [`StreamTransmit::StartTls`], or as the first call of all
    /// on a connection that is TLS from its start. Machines that TLS does not concern ignore it.
    fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        let _ = (now, tls);
    }

    /// Ends our side in order, once all that is queued has left.
    fn close(&mut self);

    /// False while nothing that may arrive could be handled.
    fn wants_read(&self) -> bool;

    /// True when the connection can be dropped.
    fn is_closed(&self) -> bool;
}

/// One step of output of a stream machine. Steps are to be carried out in the order they come in.
///
/// The union of what the protocols need; a protocol crate's own enum has only the variants that it
/// uses. Exhaustive on purpose: a driver that forgets a step should not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamTransmit {
    /// Octets for the peer.
    Data(Bytes),
    /// Octets of which the last is sent as TCP urgent data (Telnet Synch).
    Urgent(Bytes),
    /// Start the TLS handshake: as client or server, whichever this machine is.
    StartTls,
    /// Send `close_notify` and go on in plaintext on the same socket.
    StopTls,
    /// Nothing follows: close the writing side.
    Shutdown,
    /// Reset the connection.
    Abort,
}

/// What a TLS handshake established, as far as a protocol may want to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol chosen by ALPN (RFC 7301).
    pub alpn: Option<Bytes>,
    /// The server name that the client asked for (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The end-entity certificate that the peer proved to own, in DER.
    pub peer_certificate: Option<Bytes>,
    /// The channel binding `tls-exporter` (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Implements [`StreamMachine`](crate::shape::StreamMachine) by calling the inherent methods of the
/// same names.
///
/// The block names the variants of the machine's own transmit type. What may follow it is a
/// function that turns a [`TlsInfo`](crate::shape::TlsInfo) into the machine's own; without it the
/// machine is not told of TLS.
///
/// ```text
/// netio::stream_machine!(Session, Event, Error, Transmit { Data(data), StartTls, Shutdown }, tls_info);
/// ```
#[macro_export]
macro_rules! stream_machine {
    ($machine:ty, $event:ty, $error:ty,
     $transmit:ident { $($step:ident $(($data:ident))?),+ $(,)? } $(, $tls:path)?) => {
        impl $crate::shape::StreamMachine for $machine {
            type Event = $event;
            type Error = $error;

            fn poll_event(
                &mut self,
                now: ::core::time::Duration,
                input: &mut ::bytes::BytesMut,
            ) -> ::core::result::Result<::core::option::Option<$event>, $error> {
                <$machine>::poll_event(self, now, input)
            }

            fn poll_transmit(
                &mut self,
                now: ::core::time::Duration,
                budget: usize,
            ) -> ::core::option::Option<$crate::shape::StreamTransmit> {
                <$machine>::poll_transmit(self, now, budget).map(|step| match step {
                    $($transmit::$step $(($data))? =>
                        $crate::shape::StreamTransmit::$step $(($data))?,)+
                })
            }

            fn poll_timeout(&self) -> ::core::option::Option<::core::time::Duration> {
                <$machine>::poll_timeout(self)
            }

            fn handle_timeout(&mut self, now: ::core::time::Duration) {
                <$machine>::handle_timeout(self, now);
            }

            fn handle_eof(&mut self, now: ::core::time::Duration) {
                <$machine>::handle_eof(self, now);
            }

            fn handle_disconnect(&mut self, now: ::core::time::Duration) {
                <$machine>::handle_disconnect(self, now);
            }

            $(fn handle_tls_established(
                &mut self,
                now: ::core::time::Duration,
                tls: $crate::shape::TlsInfo,
            ) {
                <$machine>::handle_tls_established(self, now, $tls(tls));
            })?

            fn close(&mut self) {
                <$machine>::close(self);
            }

            fn wants_read(&self) -> bool {
                <$machine>::wants_read(self)
            }

            fn is_closed(&self) -> bool {
                <$machine>::is_closed(self)
            }
        }
    };
}
