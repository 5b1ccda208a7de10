//! The machines of `proto-ftp` behind the traits of [`shape`], and FTP's lines as codecs.

use crate::shape;
use core::time::Duration;
use proto_ftp::{TlsInfo, Transmit, client, server};

crate::stream_machine!(server::Session, server::Event, server::Error, Transmit { Data(data), Urgent(data), StartTls, StopTls, Shutdown }, tls_info);
crate::stream_machine!(client::Session, client::Event, client::Error, Transmit { Data(data), Urgent(data), StartTls, StopTls, Shutdown }, tls_info);

/// What TLS established, in the type of `proto-ftp`.
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

/// Silence on a data connection before it is given up.
pub const DATA_STALL: Duration = Duration::from_secs(120);

#[cfg(feature = "tokio")]
pub use codec::{FtpCommandCodec, FtpError, FtpReplyCodec};

#[cfg(feature = "tokio")]
mod codec {
    use bytes::BytesMut;
    use proto_ftp::wire::{Arg, Frame, LineDecoder, Reply, ReplyDecoder, ReplyError, Verb};
    use tokio_util::codec::{Decoder, Encoder};

    /// Commands: a server decodes lines without Telnet in them, a client encodes.
    ///
    /// A line that is too long is an item, not an error, because `Framed` ends after the first
    /// error: a server answers it with 500 and goes on.
    #[derive(Clone, Debug)]
    pub struct FtpCommandCodec {
        decoder: LineDecoder,
    }

    impl FtpCommandCodec {
        /// A codec for lines of at most 8 KiB.
        #[must_use]
        pub fn new() -> Self {
            Self::with_max_len(8 * 1024)
        }

        /// A codec for lines of at most `max_len` octets, their ends included.
        #[must_use]
        pub fn with_max_len(max_len: usize) -> Self {
            Self {
                decoder: LineDecoder::new(max_len),
            }
        }
    }

    impl Default for FtpCommandCodec {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Decoder for FtpCommandCodec {
        type Item = Frame;
        type Error = FtpError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FtpError> {
            Ok(self.decoder.decode(src))
        }
    }

    impl Encoder<(Verb, Option<&Arg>)> for FtpCommandCodec {
        type Error = FtpError;

        fn encode(
            &mut self,
            (verb, arg): (Verb, Option<&Arg>),
            dst: &mut BytesMut,
        ) -> Result<(), FtpError> {
            verb.encode(arg, dst);
            Ok(())
        }
    }

    /// Replies: a client decodes, a server encodes.
    #[derive(Clone, Debug)]
    pub struct FtpReplyCodec {
        decoder: ReplyDecoder,
    }

    impl FtpReplyCodec {
        /// A codec for lines of 8 KiB and replies of 64 KiB and 1024 lines.
        #[must_use]
        pub fn new() -> Self {
            Self {
                decoder: ReplyDecoder::new(8 * 1024, 64 * 1024, 1024),
            }
        }
    }

    impl Default for FtpReplyCodec {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Decoder for FtpReplyCodec {
        type Item = Reply;
        type Error = FtpError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Reply>, FtpError> {
            Ok(self.decoder.decode(src)?)
        }
    }

    impl Encoder<&Reply> for FtpReplyCodec {
        type Error = FtpError;

        fn encode(&mut self, reply: &Reply, dst: &mut BytesMut) -> Result<(), FtpError> {
            reply.encode(dst);
            Ok(())
        }
    }

    /// Why a stream of lines ended.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum FtpError {
        /// The transport failed, or ended inside a line.
        #[error(transparent)]
        Io(#[from] std::io::Error),
        /// What came is no reply; where the next one begins is not known.
        #[error(transparent)]
        Reply(#[from] ReplyError),
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn lines_and_replies_make_the_round_trip() {
            let mut wire = BytesMut::new();
            let arg = Arg::copy_from(b"a\xffb").unwrap();
            let mut codec = FtpCommandCodec::with_max_len(12);
            codec.encode((Verb::Retr, Some(&arg)), &mut wire).unwrap();
            wire.extend_from_slice(b"DELE aaaaaaaaaaaaaa\r\n");
            let line = codec.decode(&mut wire).unwrap();
            assert_eq!(line, Some(Frame::Line(b"RETR a\xffb".to_vec())));
            assert_eq!(codec.decode(&mut wire).unwrap(), Some(Frame::TooLong));
            let (mut codec, reply) = (FtpReplyCodec::new(), Reply::new(211, "a\nb\nc"));
            codec.encode(&reply, &mut wire).unwrap();
            assert_eq!(codec.decode(&mut wire).unwrap(), Some(reply));
        }
    }
}
