//! The machine of `proto-http2` behind the traits of [`shape`], and frames as a codec.

use crate::shape;
use proto_http2::{Connection, Error, Event, TlsInfo, Transmit};

crate::stream_machine!(Connection, Event, Error, Transmit { Data(data), Shutdown }, tls_info);

/// What TLS established, in the type of `proto-http2`.
#[must_use]
pub fn tls_info(tls: shape::TlsInfo) -> TlsInfo {
    let mut info = TlsInfo::default();
    info.alpn = tls.alpn;
    info.server_name = tls.server_name;
    info.peer_certificate = tls.peer_certificate;
    info.exporter = tls.exporter;
    info.resumed = tls.resumed;
    info
}

#[cfg(feature = "tokio")]
pub use codec::{Http2FrameCodec, Http2FrameError};

#[cfg(feature = "tokio")]
mod codec {
    use bytes::BytesMut;
    use proto_http2::wire::{DecodeError, RawFrame};
    use tokio_util::codec::{Decoder, Encoder};

    /// Frames, without their meaning. The client's preface is not a frame: take it off first.
    #[derive(Clone, Debug)]
    pub struct Http2FrameCodec {
        max_frame_size: u32,
    }

    impl Http2FrameCodec {
        /// A codec for payloads of at most 16,384 octets, as RFC 9113 section 4.2 has it at first.
        #[must_use]
        pub fn new() -> Self {
            Self::with_max_frame_size(proto_http2::wire::DEFAULT_MAX_FRAME_SIZE)
        }

        /// A codec for payloads of at most `max_frame_size` octets.
        #[must_use]
        pub fn with_max_frame_size(max_frame_size: u32) -> Self {
            Self { max_frame_size }
        }
    }

    impl Default for Http2FrameCodec {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Decoder for Http2FrameCodec {
        type Item = RawFrame;
        type Error = Http2FrameError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<RawFrame>, Http2FrameError> {
            Ok(RawFrame::decode(src, self.max_frame_size)?)
        }
    }

    impl Encoder<&RawFrame> for Http2FrameCodec {
        type Error = Http2FrameError;

        fn encode(&mut self, frame: &RawFrame, dst: &mut BytesMut) -> Result<(), Http2FrameError> {
            frame.encode(dst);
            Ok(())
        }
    }

    /// Why a stream of frames ended.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum Http2FrameError {
        /// The transport failed, or ended inside a frame.
        #[error(transparent)]
        Io(#[from] std::io::Error),
        /// A header that no frame may have: what follows cannot be told apart.
        #[error(transparent)]
        Frame(#[from] DecodeError),
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proto_http2::wire::{Frame, PREFACE};

        #[test]
        fn what_is_encoded_is_decoded_and_the_verdict_comes_from_the_header() {
            let mut wire = BytesMut::new();
            Frame::Ping {
                ack: false,
                opaque: *b"lecture!",
            }
            .encode(&mut wire);
            let mut codec = Http2FrameCodec::new();
            let frame = codec.decode(&mut wire).unwrap().unwrap();
            let expected = Frame::Ping {
                ack: false,
                opaque: *b"lecture!",
            };
            assert_eq!(frame.frame(), Ok(expected));
            let mut again = BytesMut::new();
            codec.encode(&frame, &mut again).unwrap();
            assert_eq!(&again[9..], b"lecture!");
            wire.extend_from_slice(&PREFACE[..9]);
            assert!(codec.decode(&mut wire).is_err());
        }
    }
}
