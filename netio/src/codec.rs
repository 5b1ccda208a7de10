//! The wire layers as `tokio_util` codecs.
//!
//! For those who want framed messages without a machine: a proxy, a recorder, a test. The types are
//! newtypes because a codec of a protocol crate and the traits of tokio-util are both foreign here.
//! What a protocol survives (a line too long, an unknown command) is an item: `Framed` ends after
//! the first error.

#[cfg(feature = "bittorrent")]
pub use crate::bittorrent::{
    BtPeerCodec, BtPeerError, BtPeerItem, BtTrackerClientCodec, BtTrackerServerCodec,
};
#[cfg(feature = "dns")]
pub use crate::dns::{DnsTcpCodec, DnsTcpError};
#[cfg(feature = "ftp")]
pub use crate::ftp::{FtpCommandCodec, FtpError, FtpReplyCodec};
#[cfg(feature = "http2")]
pub use crate::http2::{Http2FrameCodec, Http2FrameError};
#[cfg(feature = "mail")]
pub use crate::mail::{Pop3CommandCodec, Pop3Error, Pop3ReplyCodec};
