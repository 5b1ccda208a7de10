//! The machines of `proto-dns` behind the traits of [`shape`](crate::shape), and its framing as a
//! codec.

use proto_dns::client::{self, Stub};
use proto_dns::stream::Transmit;
use proto_dns::{Error, datagram, server};

crate::datagram_machine!(datagram, Stub, client::stub::Event);
crate::datagram_machine!(datagram, server::Datagram, server::datagram::Event);
crate::stream_machine!(client::Stream, client::stream::Event, Error, Transmit { Data(data), Shutdown });
crate::stream_machine!(server::Stream, server::stream::Event, Error, Transmit { Data(data), Shutdown });

#[cfg(feature = "tokio")]
pub use codec::{DnsTcpCodec, DnsTcpError};

#[cfg(feature = "tokio")]
mod codec {
    use bytes::{Bytes, BytesMut};
    use proto_dns::wire::tcp::{self, FrameError};
    use tokio_util::codec::{Decoder, Encoder};

    /// DNS messages on a stream, two octets of length in front of each (RFC 1035 section 4.2.2).
    ///
    /// Items are whole messages without their length; what they hold is not looked at.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DnsTcpCodec;

    impl DnsTcpCodec {
        /// A codec. It has no state.
        #[must_use]
        pub const fn new() -> Self {
            Self
        }
    }

    /// Why a stream of messages ended.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum DnsTcpError {
        /// A length that no message has. The other side is out of step: there is no way on.
        #[error(transparent)]
        Frame(#[from] FrameError),
        /// The transport failed, or ended inside a message.
        #[error(transparent)]
        Io(#[from] std::io::Error),
    }

    impl Decoder for DnsTcpCodec {
        type Item = Bytes;
        type Error = DnsTcpError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, DnsTcpError> {
            Ok(tcp::decode(src)?)
        }
    }

    impl<T: AsRef<[u8]>> Encoder<T> for DnsTcpCodec {
        type Error = DnsTcpError;

        fn encode(&mut self, message: T, dst: &mut BytesMut) -> Result<(), DnsTcpError> {
            Ok(tcp::encode(message.as_ref(), dst)?)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut() {
            let messages = [vec![1; 12], vec![2; 4096], vec![3; 65_535]];
            let mut wire = BytesMut::new();
            for message in &messages {
                DnsTcpCodec::new().encode(message, &mut wire).unwrap();
            }
            for cut in [1, 7, 5000, usize::MAX] {
                let (mut input, mut out) = (BytesMut::new(), Vec::new());
                for piece in wire.chunks(cut.min(wire.len())) {
                    input.extend_from_slice(piece);
                    while let Some(message) = DnsTcpCodec::new().decode(&mut input).unwrap() {
                        out.push(message.to_vec());
                    }
                }
                assert_eq!(out, messages);
                assert!(DnsTcpCodec::new().decode_eof(&mut input).unwrap().is_none());
            }
        }

        #[test]
        fn lengths_that_no_message_has_are_errors() {
            let mut input = BytesMut::from(&[0, 11][..]);
            assert!(matches!(
                DnsTcpCodec::new().decode(&mut input),
                Err(DnsTcpError::Frame(FrameError { len: 11 }))
            ));
            let mut half = BytesMut::from(&[0, 12, 0][..]);
            assert!(matches!(
                DnsTcpCodec::new().decode_eof(&mut half),
                Err(DnsTcpError::Io(_))
            ));
            let mut out = BytesMut::new();
            for len in [0, 11, 65_536] {
                assert!(DnsTcpCodec::new().encode(vec![0; len], &mut out).is_err());
            }
            assert!(out.is_empty());
        }
    }
}
