//! The SMTP client against servers that refuse, stumble, lie and fall silent, each dialogue by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::smtp::client::{
    CommandId, Config, Envelope, Error, Event, FailReason, Limits, Session,
};
use proto_mail::smtp::wire::{BodyType, Mailbox};
use proto_mail::smtp::{Protocol, UsageError};

const T0: Duration = Duration::from_secs(1000);

/// A client session, driven by hand.
struct Client {
    session: Session,
    input: BytesMut,
    error: Option<Error>,
}

impl Client {
    /// Ready, with these extensions offered.
    fn ready(mut config: Config, extensions: &[&str]) -> Self {
        config.allow_plaintext_auth = true;
        let mut client = Self {
            session: Session::new(T0, config, Limits::default()),
            input: BytesMut::new(),
            error: None,
        };
        client.hear("220 mx.example\r\n");
        client.sent();
        client.hear("250-mx.example\r\n");
        for extension in extensions {
            client.hear(&format!("250-{extension}\r\n"));
        }
        let events = client.hear("250 HELP\r\n");
        assert!(events.contains(&Event::Ready), "{events:?}");
        client
    }

    fn plain(extensions: &[&str]) -> Self {
        Self::ready(Config::default(), extensions)
    }

    fn hear(&mut self, text: &str) -> Vec<Event> {
        self.input.extend_from_slice(text.as_bytes());
        self.events()
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.session.poll_event(T0, &mut self.input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return events,
                Err(error) => assert!(self.error.replace(error).is_none(), "a second error"),
            }
        }
    }

    fn sent(&mut self) -> String {
        let mut sent = Vec::new();
        while let Some(step) = self.session.poll_transmit(T0, 100_000) {
            match step {
                Transmit::Data(data) => sent.extend_from_slice(&data),
                step => sent.extend_from_slice(format!("[{step:?}]").as_bytes()),
            }
        }
        String::from_utf8(sent).unwrap()
    }

    fn give(&mut self, id: CommandId, text: &'static str, end: bool) {
        let mut data = Bytes::from_static(text.as_bytes());
        self.session.send_data(id, &mut data, end).unwrap();
        assert!(data.is_empty());
    }
}

fn to(recipients: &[&str]) -> Envelope {
    let from: Mailbox = "a@b".parse().unwrap();
    recipients.iter().fold(Envelope::new(from), |envelope, to| {
        envelope.to(to.parse().unwrap())
    })
}

fn chunking() -> Config {
    let mut config = Config::default();
    config.prefer_chunking = true;
    config
}

/// What ended how: codes of replies, 0 without one.
fn ends(events: &[Event]) -> Vec<(CommandId, u16)> {
    let ends = events.iter().filter_map(|event| match event {
        Event::Done { id, reply } => Some((*id, reply.code())),
        Event::Failed { id, .. } => Some((*id, 0)),
        _ => None,
    });
    ends.collect()
}

#[test]
fn the_replies_to_chunks_behind_a_refused_one_belong_to_nobody_else() {
    let mut client = Client::ready(chunking(), &["PIPELINING", "CHUNKING"]);
    let first = client.session.send(to(&["c@d"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n250 ok\r\n");
    for _ in 0..3 {
        client.give(first, "part\r\n", false);
    }
    assert_eq!(client.sent(), "BDAT 6\r\npart\r\n".repeat(3));
    let noop = client.session.noop().unwrap();
    let second = client.session.send(to(&["c@d"])).unwrap();
    // The first chunk is refused; its answer ends the message while two answers are still to come.
    let events = client.hear("452 4.3.1 full\r\n");
    assert_eq!(ends(&events), [(first, 452)]);
    assert_eq!(client.sent(), "RSET\r\n");
    assert_eq!(client.hear("503 5.5.1 no\r\n"), []);
    assert_eq!(client.hear("503 5.5.1 no\r\n"), []);
    assert_eq!(client.hear("250 2.0.0 reset\r\n"), []);
    assert_eq!(client.sent(), "NOOP\r\n");
    assert_eq!(ends(&client.hear("250 2.0.0 ok\r\n")), [(noop, 250)]);
    assert!(client.sent().starts_with("MAIL FROM:<a@b>\r\n"));
    client.hear("250 ok\r\n250 ok\r\n");
    client.give(second, "whole\r\n", true);
    assert_eq!(ends(&client.hear("250 taken\r\n")), [(second, 250)]);
    assert_eq!(client.error, None);
}

#[test]
fn a_refused_chunk_followed_by_the_last_one_is_one_answer_to_the_message() {
    let mut client = Client::ready(chunking(), &["CHUNKING"]);
    let id = client.session.send(to(&["c@d"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n");
    client.sent();
    client.hear("250 ok\r\n");
    client.give(id, "part\r\n", false);
    client.give(id, "end\r\n", true);
    assert_eq!(client.sent(), "BDAT 6\r\npart\r\nBDAT 5 LAST\r\nend\r\n");
    assert_eq!(client.hear("552 too large\r\n"), []);
    assert_eq!(ends(&client.hear("503 no\r\n")), [(id, 552)]);
    let noop = client.session.noop().unwrap();
    client.sent();
    assert_eq!(ends(&client.hear("250 ok\r\n")), [(noop, 250)]);
}

#[test]
fn row_22_after_a_refused_chunk_lmtp_answers_are_not_counted_but_the_session_given_up() {
    let mut config = chunking();
    config.protocol = Protocol::Lmtp;
    let mut client = Client::ready(config, &["PIPELINING", "CHUNKING"]);
    let id = client.session.send(to(&["c@d", "e@f"])).unwrap();
    let next = client.session.send(to(&["g@h"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n250 ok\r\n250 ok\r\n");
    client.give(id, "part\r\n", false);
    client.give(id, "end\r\n", true);
    client.sent();
    let events = client.hear("452 full\r\n503 no\r\n");
    assert_eq!(ends(&events), [(id, 452), (next, 0)]);
    assert_eq!(client.sent(), "[Shutdown]");
}

#[test]
fn row_22_fewer_lmtp_answers_than_recipients_are_an_error() {
    let mut config = Config::default();
    config.protocol = Protocol::Lmtp;
    let mut client = Client::ready(config, &["PIPELINING"]);
    let id = client.session.send(to(&["c@d", "e@f"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    client.give(id, "text\r\n", true);
    client.sent();
    let events = client.hear("250 first\r\n");
    assert!(matches!(events[..], [Event::Delivery { index: 0, .. }]));
    client.session.handle_eof(T0);
    assert_eq!(ends(&client.events()), [(id, 0)]);
    assert_eq!(client.error, Some(Error::UnexpectedEof { pending: 0 }));
}

#[test]
fn row_22_one_answer_more_than_recipients_is_an_error() {
    let mut config = Config::default();
    config.protocol = Protocol::Lmtp;
    let mut client = Client::ready(config, &["PIPELINING"]);
    let id = client.session.send(to(&["c@d", "e@f"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n");
    client.give(id, "text\r\n", true);
    client.sent();
    // One recipient was accepted: one answer is right, the second one is nobody's.
    assert_eq!(ends(&client.hear("250 first\r\n")), [(id, 250)]);
    client.hear("250 second\r\n");
    assert!(matches!(client.error, Some(Error::Unsolicited { .. })));
}

#[test]
fn all_recipients_refused_and_354_all_the_same_sends_an_empty_message() {
    let mut client = Client::plain(&["PIPELINING"]);
    let id = client.session.send(to(&["nobody@d"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
    assert_eq!(client.sent(), ".\r\n");
    assert_eq!(ends(&client.hear("554 no recipients\r\n")), [(id, 550)]);
    assert_eq!(client.error, None);
}

#[test]
fn a_reply_in_the_middle_of_data_ends_the_session_without_the_dot() {
    let mut client = Client::plain(&[]);
    let id = client.session.send(to(&["c@d"])).unwrap();
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
        client.sent();
        client.hear(reply);
    }
    client.give(id, "half of it\r\n", false);
    assert_eq!(client.sent(), "half of it\r\n");
    assert_eq!(ends(&client.hear("451 disk full\r\n")), [(id, 451)]);
    assert_eq!(client.sent(), "[Shutdown]");
}

#[test]
fn r5_the_error_comes_once_after_the_ends_of_all_commands() {
    for (bad, is_fatal) in [
        ("nonsense\r\n", true),
        ("999 what\r\n", true),
        ("250-a\r\n251 b\r\n", true),
        ("354 go ahead\r\n", true),
        ("334 \r\n", true),
        ("250 ok\r\n250 unasked\r\n250 unasked\r\n", true),
        ("250 ok\r\n", false),
    ] {
        let mut client = Client::plain(&[]);
        let first = client.session.noop().unwrap();
        let second = client.session.noop().unwrap();
        client.sent();
        let mut events = client.hear(bad);
        assert_eq!(client.error.is_some(), is_fatal, "{bad}");
        if is_fatal {
            let names: Vec<_> = ends(&events).iter().map(|(id, _)| *id).collect();
            assert_eq!(names, [first, second], "{bad}");
            // Fused: whatever comes is discarded, and nothing can be queued any more.
            events = client.hear("250 ok\r\n220 hello\r\n");
            assert_eq!(events, []);
            assert_eq!(client.session.noop(), Err(UsageError::Closed));
            assert_eq!(client.sent(), "[Shutdown]", "{bad}");
            assert!(!client.session.is_closed());
            client.session.handle_eof(T0);
            assert!(client.session.is_closed());
        }
    }
}

#[test]
fn a_silent_server_fails_what_is_open_after_the_limit() {
    let mut client = Client::plain(&[]);
    let id = client.session.noop().unwrap();
    client.sent();
    let deadline = client.session.poll_timeout().unwrap();
    assert_eq!(deadline, T0 + Limits::default().reply);
    client.session.handle_timeout(deadline);
    assert_eq!(ends(&client.events()), [(id, 0)]);
    assert_eq!(client.error, Some(Error::ReplyTimeout));
}

#[test]
fn an_idle_session_waits_for_ever_and_takes_a_421() {
    let mut client = Client::plain(&[]);
    assert_eq!(client.session.poll_timeout(), None);
    assert_eq!(client.hear("421 4.3.2 going down\r\n"), []);
    assert_eq!(client.sent(), "[Shutdown]");
    assert_eq!(client.error, None);
}

#[test]
fn what_the_server_does_not_offer_is_left_out_or_fails_without_a_word() {
    let mut client = Client::plain(&["SIZE 1000"]);
    for (change, reason) in [
        (
            (|it: &mut Envelope| it.params.body = Some(BodyType::EightBitMime)) as fn(&mut _),
            FailReason::Unsupported(proto_mail::smtp::wire::Extension::EightBitMime),
        ),
        (
            |it| it.params.body = Some(BodyType::BinaryMime),
            FailReason::Unsupported(proto_mail::smtp::wire::Extension::Chunking),
        ),
        (
            |it| it.params.require_tls = true,
            FailReason::Unsupported(proto_mail::smtp::wire::Extension::RequireTls),
        ),
        (|it| it.params.size = Some(1001), FailReason::TooLarge),
        (
            |it| it.recipients[0].0 = "jos\u{e9}@d".parse().unwrap(),
            FailReason::Unsupported(proto_mail::smtp::wire::Extension::SmtpUtf8),
        ),
    ] {
        let mut envelope = to(&["c@d"]);
        change(&mut envelope);
        let id = client.session.send(envelope).unwrap();
        assert_eq!(client.sent(), "");
        assert_eq!(client.events(), [Event::Failed { id, reason }]);
    }
    let mut envelope = to(&["c@d"]);
    envelope.params.size = Some(999);
    envelope.params.priority = Some(3);
    envelope.recipients[0].1.notify = Some(proto_mail::smtp::wire::Notify::Never);
    client.session.send(envelope).unwrap();
    assert_eq!(client.sent(), "MAIL FROM:<a@b> SIZE=999\r\n");
}

#[test]
fn row_2_nul_is_refused_and_nothing_of_it_is_taken() {
    let mut client = Client::plain(&["PIPELINING"]);
    let id = client.session.send(to(&["c@d"])).unwrap();
    client.sent();
    client.hear("250 ok\r\n250 ok\r\n354 go\r\n");
    let mut data = Bytes::from_static(b"ab\0c");
    let error = client.session.send_data(id, &mut data, true);
    assert_eq!(error, Err(UsageError::InvalidArgument { offset: 2 }));
    assert_eq!((data.len(), client.sent().as_str()), (4, ""));
}
