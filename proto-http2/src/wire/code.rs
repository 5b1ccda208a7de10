//! Error codes.

use core::fmt;

/// A code of RST_STREAM and GOAWAY (RFC 9113 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($name:ident = $value:literal, $text:literal;)+) => {
        impl ErrorCode {
            $(#[doc = $text] pub const $name: Self = Self($value);)+

            /// Its name in the registry, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    NO_ERROR = 0, "A graceful end.";
    PROTOCOL_ERROR = 1, "An unspecific violation of the protocol.";
    INTERNAL_ERROR = 2, "A fault of the sender's own.";
    FLOW_CONTROL_ERROR = 3, "The peer broke flow control.";
    SETTINGS_TIMEOUT = 4, "Settings were not acknowledged in time.";
    STREAM_CLOSED = 5, "A frame came for a stream that is half-closed or closed.";
    FRAME_SIZE_ERROR = 6, "A frame has a wrong size.";
    REFUSED_STREAM = 7, "Nothing was done with the stream: it may be tried again.";
    CANCEL = 8, "The stream is not needed any more.";
    COMPRESSION_ERROR = 9, "The compression context cannot be kept.";
    CONNECT_ERROR = 10, "The connection behind a CONNECT broke.";
    ENHANCE_YOUR_CALM = 11, "The peer causes too much load.";
    INADEQUATE_SECURITY = 12, "The transport is not secure enough.";
    HTTP_1_1_REQUIRED = 13, "HTTP/1.1 is wanted instead.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "code {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
