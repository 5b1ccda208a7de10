//! Frames: parsing and encoding without state (RFC 9113 sections 4 and 6, RFC 7838, 8336, 9218).
//!
//! [`FrameHeader`] is the nine octets before each frame; [`FrameHeader::check`] gives the verdict on
//! a length from them alone, before the payload is there. [`Frame`] is a payload taken apart, over
//! borrowed octets. [`RawFrame`] owns its payload, for codecs.

mod code;
mod frame;
mod header;
mod settings;

pub use code::ErrorCode;
pub use frame::{Frame, RawFrame, StreamDependency};
pub use header::{DecodeError, FrameFault, FrameHeader, FrameType, Scope, flags};
pub use settings::{Setting, SettingId, Settings};

/// What a client sends first (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The protocol's name in ALPN, over TLS (RFC 9113 section 3.2).
pub const ALPN_H2: &[u8] = b"h2";
/// The token for cleartext in the Upgrade field (RFC 7540 section 3.2).
pub const UPGRADE_H2C: &[u8] = b"h2c";
/// Octets of a frame header.
pub const HEADER_LEN: usize = 9;
/// What SETTINGS_MAX_FRAME_SIZE is at first, and at least.
pub const DEFAULT_MAX_FRAME_SIZE: u32 = 16_384;
/// What SETTINGS_MAX_FRAME_SIZE is at most.
pub const MAX_MAX_FRAME_SIZE: u32 = 16_777_215;
/// What windows are at first.
pub const DEFAULT_WINDOW: u32 = 65_535;
/// What windows are at most.
pub const MAX_WINDOW: u32 = 0x7fff_ffff;
/// The largest stream identifier.
pub const MAX_STREAM_ID: u32 = 0x7fff_ffff;
