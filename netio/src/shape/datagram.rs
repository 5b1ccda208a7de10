//! Many peers, timers, loss.

use bytes::Bytes;
use core::fmt::Debug;
use core::net::SocketAddr;
use core::time::Duration;

/// A machine that exchanges datagrams with many peers. It has no fatal error.
pub trait DatagramMachine: Debug {
    /// What the machine has to say.
    type Event: Debug;

    /// Takes a datagram that came `from` a peer to the socket `local`. Never fails: what the
    /// machine cannot use is counted and dropped.
    fn handle_datagram(&mut self, now: Duration, local: LocalId, from: SocketAddr, data: &[u8]);

    /// The next event, if there is one.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// The next step of output.
    fn poll_transmit(&mut self, now: Duration) -> Option<DatagramTransmit>;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called: a time point, not a delay.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Tells that time has passed. Early calls do nothing.
    fn handle_timeout(&mut self, now: Duration);
}

/// The name that a local socket has between a machine and its driver. [`LocalId::MAIN`] is the one
/// that the embedder bound; the others are chosen by the machine with [`Local::Fresh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u64);

impl LocalId {
    /// The first, or only, socket of the embedder.
    pub const MAIN: Self = Self(0);
}

/// By which socket a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// By any socket of the embedder.
    Any,
    /// By this one: answers leave by the socket that was asked.
    Id(LocalId),
    /// Bind a new socket on a random port, and keep it under this id until it is released.
    Fresh(LocalId),
}

/// One step of output of a datagram machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatagramTransmit {
    /// Send this. A datagram that cannot be sent is lost, as any other may be.
    Datagram {
        /// By which socket.
        local: Local,
        /// To whom.
        to: SocketAddr,
        /// One datagram.
        payload: Bytes,
    },
    /// The socket is not needed any more: drop it.
    Release(LocalId),
}

/// Implements [`DatagramMachine`](crate::shape::DatagramMachine) by calling the inherent methods of
/// the same names.
///
/// `$module` is a module in scope that holds the protocol's own `LocalId`, `Local` and `Transmit`.
#[macro_export]
macro_rules! datagram_machine {
    ($module:ident, $machine:ty, $event:ty) => {
        impl $crate::shape::DatagramMachine for $machine {
            type Event = $event;

            fn handle_datagram(
                &mut self,
                now: ::core::time::Duration,
                local: $crate::shape::LocalId,
                from: ::core::net::SocketAddr,
                data: &[u8],
            ) {
                <$machine>::handle_datagram(self, now, $module::LocalId(local.0), from, data);
            }

            fn poll_event(&mut self) -> ::core::option::Option<$event> {
                <$machine>::poll_event(self)
            }

            fn poll_transmit(
                &mut self,
                now: ::core::time::Duration,
            ) -> ::core::option::Option<$crate::shape::DatagramTransmit> {
                use $crate::shape::{DatagramTransmit, Local, LocalId};
                <$machine>::poll_transmit(self, now).map(|step| match step {
                    $module::Transmit::Datagram { local, to, payload } => {
                        DatagramTransmit::Datagram {
                            local: match local {
                                $module::Local::Any => Local::Any,
                                $module::Local::Id(id) => Local::Id(LocalId(id.0)),
                                $module::Local::Fresh(id) => Local::Fresh(LocalId(id.0)),
                            },
                            to,
                            payload,
                        }
                    }
                    $module::Transmit::Release(id) => DatagramTransmit::Release(LocalId(id.0)),
                })
            }

            fn poll_timeout(&self) -> ::core::option::Option<::core::time::Duration> {
                <$machine>::poll_timeout(self)
            }

            fn handle_timeout(&mut self, now: ::core::time::Duration) {
                <$machine>::handle_timeout(self, now);
            }
        }
    };
}
