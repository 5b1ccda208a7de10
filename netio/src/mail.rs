//! The machines of `proto-mail` behind the traits of [`shape`], and POP3's lines as
//! codecs.

use crate::shape;
use proto_mail::pop3::{client, server};
use proto_mail::smtp;
use proto_mail::{TlsInfo, Transmit};

crate::stream_machine!(server::Session, server::Event, server::Error, Transmit { Data(data), StartTls, Shutdown }, tls_info);
crate::stream_machine!(client::Session, client::Event, client::Error, Transmit { Data(data), StartTls, Shutdown }, tls_info);
crate::stream_machine!(smtp::server::Session, smtp::server::Event, smtp::server::Error, Transmit { Data(data), StartTls, Shutdown }, tls_info);
crate::stream_machine!(smtp::client::Session, smtp::client::Event, smtp::client::Error, Transmit { Data(data), StartTls, Shutdown }, tls_info);

/// What TLS established, in the type of `proto-mail`.
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
pub use codec::{Pop3CommandCodec, Pop3Error, Pop3ReplyCodec};

#[cfg(feature = "tokio")]
mod codec {
    use bytes::BytesMut;
    use proto_mail::pop3::wire::{
        Command, CommandDecoder, CommandError, CommandLine, Reply, ReplyDecoder, ReplyError,
        ReplyLine,
    };
    use tokio_util::codec::{Decoder, Encoder};

    /// Longest command in octets, its end included (RFC 2449 section 4).
    const MAX_COMMAND: usize = 255;
    /// Longest reply: twice what RFC 1939 section 3 allows.
    const MAX_REPLY: usize = 1024;

    /// Lines of a POP3 client: a server decodes them, a client encodes them.
    ///
    /// A line that is no line (too long, a bare CR or LF, NUL) is an item, not an error, because
    /// `Framed` ends after the first error: a server answers it with `-ERR` and goes on.
    #[derive(Clone, Debug)]
    pub struct Pop3CommandCodec {
        decoder: CommandDecoder,
    }

    impl Pop3CommandCodec {
        /// A codec for lines of at most 255 octets, as RFC 2449 section 4 has it.
        #[must_use]
        pub fn new() -> Self {
            Self::with_max_len(MAX_COMMAND)
        }

        /// A codec for lines of at most `max_len` octets, their ends included. AUTH needs more than
        /// 255.
        #[must_use]
        pub fn with_max_len(max_len: usize) -> Self {
            Self {
                decoder: CommandDecoder::new(max_len),
            }
        }
    }

    impl Default for Pop3CommandCodec {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Decoder for Pop3CommandCodec {
        type Item = Result<CommandLine, CommandError>;
        type Error = Pop3Error;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Pop3Error> {
            Ok(self.decoder.decode(src).transpose())
        }
    }

    impl Encoder<Command<'_>> for Pop3CommandCodec {
        type Error = Pop3Error;

        fn encode(&mut self, command: Command<'_>, dst: &mut BytesMut) -> Result<(), Pop3Error> {
            command.encode(dst);
            Ok(())
        }
    }

    /// Lines of a POP3 server: a client decodes them, a server encodes replies.
    ///
    /// Whether lines follow a `+OK` depends on the command that it answers: see
    /// [`expect_lines`](Self::expect_lines).
    #[derive(Clone, Debug)]
    pub struct Pop3ReplyCodec {
        decoder: ReplyDecoder,
    }

    impl Pop3ReplyCodec {
        /// A codec for lines of at most 1024 octets. Lines of messages may be longer: for messages
        /// use the machine, which streams them.
        #[must_use]
        pub fn new() -> Self {
            Self::with_max_len(MAX_REPLY)
        }

        /// A codec for lines of at most `max_len` octets, their ends included.
        #[must_use]
        pub fn with_max_len(max_len: usize) -> Self {
            Self {
                decoder: ReplyDecoder::new(max_len),
            }
        }

        /// Says that the next reply belongs to a command with a multi-line answer.
        pub fn expect_lines(&mut self) {
            self.decoder.expect_lines();
        }
    }

    impl Default for Pop3ReplyCodec {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Decoder for Pop3ReplyCodec {
        type Item = Result<ReplyLine, ReplyError>;
        type Error = Pop3Error;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, Pop3Error> {
            Ok(self.decoder.decode(src).transpose())
        }
    }

    impl Encoder<&Reply> for Pop3ReplyCodec {
        type Error = Pop3Error;

        fn encode(&mut self, reply: &Reply, dst: &mut BytesMut) -> Result<(), Pop3Error> {
            reply.encode(dst);
            Ok(())
        }
    }

    /// Why a stream of lines ended: only the transport can end it.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum Pop3Error {
        /// The transport failed, or ended inside a line.
        #[error(transparent)]
        Io(#[from] std::io::Error),
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proto_mail::pop3::wire::CommandFault;

        #[test]
        fn a_faulty_line_is_an_item_and_the_next_one_is_read() {
            let mut codec = Pop3CommandCodec::with_max_len(10);
            let mut src = BytesMut::from("NOOP way too long\r\nNO\nOP\r\nSTAT\r\nQU");
            let mut items = Vec::new();
            while let Some(item) = codec.decode(&mut src).unwrap() {
                items.push(item);
            }
            assert_eq!(items[0], Err(CommandFault::TooLong { limit: 10 }.at(10)));
            assert_eq!(items[1], Err(CommandFault::ForbiddenOctet.at(2)));
            let line = items[2].as_ref().unwrap();
            assert_eq!(line.command(), Ok(Command::Stat));
            assert_eq!((items.len(), &src[..]), (3, &b"QU"[..]));
        }

        #[test]
        fn lines_follow_only_where_they_are_expected() {
            let mut codec = Pop3ReplyCodec::new();
            let mut src = BytesMut::from("+OK hi\r\n+OK\r\n..a\r\n.\r\n-ERR no\r\n");
            let mut next = |codec: &mut Pop3ReplyCodec| codec.decode(&mut src).unwrap().unwrap();
            assert_eq!(next(&mut codec), Ok(ReplyLine::Reply(Reply::ok("hi"))));
            codec.expect_lines();
            assert_eq!(next(&mut codec), Ok(ReplyLine::Reply(Reply::ok(""))));
            assert_eq!(next(&mut codec), Ok(ReplyLine::Text(".a".into())));
            assert_eq!(next(&mut codec), Ok(ReplyLine::End));
            codec.expect_lines();
            assert_eq!(next(&mut codec), Ok(ReplyLine::Reply(Reply::err("no"))));
        }

        #[test]
        fn what_is_encoded_is_decoded() {
            let mut codec = Pop3CommandCodec::new();
            let mut wire = BytesMut::new();
            codec.encode(Command::Quit, &mut wire).unwrap();
            let line = codec.decode(&mut wire).unwrap().unwrap().unwrap();
            assert_eq!(line.command(), Ok(Command::Quit));
        }
    }
}
