//! The machines of `proto-mail` behind the traits of [`shape`], and the lines of POP3 and SMTP as
//! codecs.

use crate::shape::{self, StreamMachine, StreamTransmit};
use bytes::BytesMut;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;
use proto_mail::pop3::{client, server};
use proto_mail::smtp;
use proto_mail::smtp::queue::{ConnectionId, Queue};
use proto_mail::{TlsInfo, Transmit};
use std::sync::{Arc, Mutex, PoisonError};

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

/// One connection of an outgoing queue, as a machine of its own that has nothing to say: what
/// happens on it, the queue says.
pub struct QueueConnection {
    queue: Arc<Mutex<Queue>>,
    id: ConnectionId,
}

impl QueueConnection {
    /// The connection of this name.
    #[must_use]
    pub fn new(queue: Arc<Mutex<Queue>>, id: ConnectionId) -> Self {
        Self { queue, id }
    }

    fn with<R>(&self, tell: impl FnOnce(&mut Queue, ConnectionId) -> R) -> R {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&mut queue, self.id)
    }
}

impl fmt::Debug for QueueConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl StreamMachine for QueueConnection {
    type Event = Infallible;
    type Error = Infallible;

    fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Infallible>, Infallible> {
        self.with(|queue, id| queue.recv(now, id, input));
        Ok(None)
    }

    fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<StreamTransmit> {
        let step = self.with(|queue, id| queue.poll_transmit(now, id, budget))?;
        Some(match step {
            Transmit::Data(data) => StreamTransmit::Data(data),
            Transmit::StartTls => StreamTransmit::StartTls,
            Transmit::Shutdown => StreamTransmit::Shutdown,
        })
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.with(|queue, id| queue.connection_timeout(id))
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.with(|queue, id| queue.handle_connection_timeout(now, id));
    }

    fn handle_eof(&mut self, now: Duration) {
        self.with(|queue, id| queue.handle_eof(now, id));
    }

    fn handle_disconnect(&mut self, now: Duration) {
        self.with(|queue, id| queue.handle_disconnect(now, id));
    }

    fn handle_tls_established(&mut self, now: Duration, tls: shape::TlsInfo) {
        let tls = tls_info(tls);
        self.with(|queue, id| queue.handle_tls_established(now, id, tls));
    }

    fn close(&mut self) {
        self.with(|queue, id| queue.close(id));
    }

    fn wants_read(&self) -> bool {
        self.with(|queue, id| queue.wants_read(id))
    }

    fn is_closed(&self) -> bool {
        self.with(|queue, id| queue.is_closed(id))
    }
}

#[cfg(feature = "tokio")]
pub use codec::{Pop3CommandCodec, Pop3Error, Pop3ReplyCodec};
#[cfg(feature = "tokio")]
pub use smtp_codec::{SmtpCommandCodec, SmtpCommandLine, SmtpError, SmtpReplyCodec};

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

#[cfg(feature = "tokio")]
mod smtp_codec {
    use bytes::{Buf, Bytes, BytesMut};
    use proto_mail::line::{Frame, LineDecoder, LineEnd};
    use proto_mail::smtp::wire::{
        Command, CommandError, CommandFault, Reply, ReplyDecoder, ReplyError,
    };
    use tokio_util::codec::{Decoder, Encoder};

    /// Longest command in octets, its end included: RFC 5321 section 4.5.3.1.4 and what extensions
    /// add to it.
    const MAX_COMMAND: usize = 2048;
    /// Longest line of a reply, and longest reply.
    const MAX_REPLY: (usize, usize) = (2048, 32 * 1024);

    /// One line of a client.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SmtpCommandLine(Bytes);

    impl SmtpCommandLine {
        /// What it says.
        ///
        /// # Errors
        ///
        /// [`CommandError`] when it is no command.
        pub fn command(&self) -> Result<Command<'_>, CommandError> {
            Command::parse(&self.0, true)
        }

        /// The octets, without the end of the line.
        #[must_use]
        pub fn as_bytes(&self) -> &[u8] {
            &self.0
        }
    }

    /// Lines of an SMTP or LMTP client: a server decodes them, a client encodes them. Messages,
    /// which follow DATA and BDAT, are not lines of that kind: use the machine, which streams them.
    ///
    /// A line that is too long is an item, not an error, because `Framed` ends after the first
    /// error: a server answers it with 500 and goes on.
    #[derive(Clone, Debug)]
    pub struct SmtpCommandCodec {
        lines: LineDecoder,
        max_len: usize,
    }

    impl SmtpCommandCodec {
        /// A codec for lines of at most 2048 octets.
        #[must_use]
        pub fn new() -> Self {
            Self::with_max_len(MAX_COMMAND)
        }

        /// A codec for lines of at most `max_len` octets, their ends included.
        #[must_use]
        pub fn with_max_len(max_len: usize) -> Self {
            Self {
                lines: LineDecoder::new(LineEnd::CrLf),
                max_len,
            }
        }
    }

    impl Default for SmtpCommandCodec {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Decoder for SmtpCommandCodec {
        type Item = Result<SmtpCommandLine, CommandError>;
        type Error = SmtpError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, SmtpError> {
            let limit = self.max_len;
            Ok(match self.lines.scan(src, limit) {
                None => None,
                Some(Frame::TooLong) => Some(Err(CommandFault::TooLong { limit }.at(limit))),
                Some(Frame::Line { text, len }) => {
                    let line = Bytes::copy_from_slice(src.get(..text).unwrap_or_default());
                    src.advance(len.min(src.len()));
                    Some(Ok(SmtpCommandLine(line)))
                }
            })
        }
    }

    impl Encoder<&Command<'_>> for SmtpCommandCodec {
        type Error = SmtpError;

        fn encode(&mut self, command: &Command<'_>, dst: &mut BytesMut) -> Result<(), SmtpError> {
            command.encode(dst);
            Ok(())
        }
    }

    /// Replies of an SMTP or LMTP server, all their lines put together: a client decodes them, a
    /// server encodes them.
    #[derive(Clone, Debug, Default)]
    pub struct SmtpReplyCodec {
        decoder: ReplyDecoder,
        without_enhanced: bool,
    }

    impl SmtpReplyCodec {
        /// A codec for lines of at most 2048 octets and replies of at most 32 KiB.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }

        /// Leaves enhanced codes out when it encodes, as before EHLO (RFC 2034 section 4).
        #[must_use]
        pub fn without_enhanced_codes(mut self) -> Self {
            self.without_enhanced = true;
            self
        }
    }

    impl Decoder for SmtpReplyCodec {
        type Item = Reply;
        type Error = SmtpError;

        fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Reply>, SmtpError> {
            let (max_line, max_reply) = MAX_REPLY;
            Ok(self.decoder.decode(src, max_line, max_reply)?)
        }
    }

    impl Encoder<&Reply> for SmtpReplyCodec {
        type Error = SmtpError;

        fn encode(&mut self, reply: &Reply, dst: &mut BytesMut) -> Result<(), SmtpError> {
            reply.encode(!self.without_enhanced, dst);
            Ok(())
        }
    }

    /// Why a stream of lines ended.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum SmtpError {
        /// The transport failed, or ended inside a line.
        #[error(transparent)]
        Io(#[from] std::io::Error),
        /// What a server says is no reply: nothing that follows can be trusted.
        #[error(transparent)]
        Reply(#[from] ReplyError),
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proto_mail::smtp::wire::EnhancedCode;

        #[test]
        fn a_line_that_is_too_long_is_an_item_and_the_next_one_is_read() {
            let mut codec = SmtpCommandCodec::with_max_len(12);
            let mut src = BytesMut::from("NOOP way too long\r\nWHAT\r\nQUIT\r\nMA");
            let mut items = Vec::new();
            while let Some(item) = codec.decode(&mut src).unwrap() {
                items.push(item);
            }
            assert_eq!(items.len(), 3);
            assert_eq!(items[0], Err(CommandFault::TooLong { limit: 12 }.at(12)));
            assert!(items[1].as_ref().unwrap().command().is_err());
            let line = items[2].as_ref().unwrap();
            assert_eq!(
                (line.as_bytes(), line.command()),
                (&b"QUIT"[..], Ok(Command::Quit))
            );
            assert_eq!(&src[..], b"MA");
        }

        #[test]
        fn what_is_encoded_is_decoded() {
            let mut codec = SmtpCommandCodec::new();
            let mut wire = BytesMut::new();
            codec.encode(&Command::Data, &mut wire).unwrap();
            let line = codec.decode(&mut wire).unwrap().unwrap().unwrap();
            assert_eq!(line.command(), Ok(Command::Data));
            let reply = Reply::new(250, Some(EnhancedCode::new(2, 0, 0)), "one\ntwo");
            SmtpReplyCodec::new().encode(&reply, &mut wire).unwrap();
            assert_eq!(&wire[..], b"250-2.0.0 one\r\n250 2.0.0 two\r\n");
            let mut codec = SmtpReplyCodec::new();
            let mut rest = wire.split_off(20);
            assert_eq!(codec.decode(&mut wire).unwrap(), None);
            wire.unsplit(rest.split());
            assert_eq!(codec.decode(&mut wire).unwrap(), Some(reply.clone()));
            let mut codec = SmtpReplyCodec::new().without_enhanced_codes();
            codec.encode(&reply, &mut wire).unwrap();
            assert_eq!(&wire[..], b"250-one\r\n250 two\r\n");
        }

        #[test]
        fn what_is_no_reply_ends_the_stream() {
            let mut src = BytesMut::from("250-a\r\n251 b\r\n");
            assert!(matches!(
                SmtpReplyCodec::new().decode(&mut src),
                Err(SmtpError::Reply(_))
            ));
        }
    }
}
