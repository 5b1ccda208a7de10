//! The shapes of machines, as traits. No runtime.
//!
//! A protocol crate gives its machines inherent methods and depends on nothing but `core`, `alloc`
//! and `bytes`. Generic code (a driver, a simulator, a test kit) needs the same methods as a trait;
//! those traits live here, with one cargo feature per protocol family for the implementations.
//!
//! Write against the inherent methods when you drive one protocol from a loop of your own; write
//! against these traits when one loop is to drive several. A machine of your own joins in by
//! implementing the trait; [`stream_machine!`](crate::stream_machine) and
//! [`datagram_machine!`](crate::datagram_machine) do so for a type whose inherent methods follow
//! the convention.
//!
//! Time is a [`Duration`](core::time::Duration) since an epoch that the embedder picked, the same
//! for all calls to one machine.

mod datagram;
mod stream;

pub use datagram::{DatagramMachine, DatagramTransmit, Local, LocalId};
pub use stream::{StreamMachine, StreamTransmit, TlsInfo};
