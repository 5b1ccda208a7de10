//! Both machines together against a model of a maildrop that is too simple to be wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::BytesMut;
use common::{T0, plaintext_client, plaintext_server};
use proptest::collection::vec;
use proptest::prelude::*;
use proto_mail::Transmit;
use proto_mail::pop3::client::{CommandId, Event};
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    Top(u32, u64),
    Dele(u32),
    Noop,
    Rset,
    Capa,
}

fn op() -> impl Strategy<Value = Op> {
    let message = 1..7_u32;
    prop_oneof![
        Just(Op::Stat),
        proptest::option::of(message.clone()).prop_map(Op::List),
        proptest::option::of(message.clone()).prop_map(Op::Uidl),
        message.clone().prop_map(Op::Retr),
        (message.clone(), 0..5_u64).prop_map(|(message, lines)| Op::Top(message, lines)),
        message.prop_map(Op::Dele),
        Just(Op::Noop),
        Just(Op::Rset),
        Just(Op::Capa),
    ]
}

/// A message of header lines, an empty line, and body lines, CRLF throughout.
fn message() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    (
        vec("[A-Z]: [a-z.]{0,20}", 1..3),
        vec("[a.\r]{0,12}|x{5000}", 0..6),
    )
        .prop_map(|(header, body)| {
            // A CR at the very end of a line would make the line end ambiguous to look at.
            let body = body
                .iter()
                .map(|line| line.trim_end_matches('\r').to_owned());
            (header, body.collect())
        })
}

fn text(header: &[String], body: &[String]) -> String {
    let empty = String::new();
    let lines = header.iter().chain([&empty]).chain(body);
    lines.map(|line| format!("{line}\r\n")).collect()
}

/// What each command has to give: all that its events say, and whether it ends with `+OK`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    items: Vec<(u32, String)>,
    body: String,
    is_ok: bool,
}

struct Model {
    messages: Vec<(Vec<String>, Vec<String>)>,
    deleted: Vec<bool>,
}

impl Model {
    fn present(&self) -> impl Iterator<Item = (u32, String)> {
        let present = (1..).zip(&self.messages).zip(&self.deleted);
        present
            .filter(|(_, deleted)| !**deleted)
            .map(|((number, (header, body)), _)| (number, text(header, body)))
    }

    fn run(&mut self, op: &Op) -> Answer {
        let present: BTreeMap<u32, String> = self.present().collect();
        let size = |text: &String| text.len().to_string();
        let id = |number: u32| format!("{number:016x}");
        let mut answer = Answer {
            is_ok: true,
            ..Answer::default()
        };
        match op {
            Op::Noop | Op::Capa => {}
            Op::Stat => {
                let octets: usize = present.values().map(String::len).sum();
                let count = u32::try_from(present.len()).unwrap();
                answer.items = vec![(count, octets.to_string())];
            }
            Op::List(None) => {
                answer.items = present
                    .iter()
                    .map(|(number, text)| (*number, size(text)))
                    .collect();
            }
            Op::Uidl(None) => {
                answer.items = present
                    .keys()
                    .map(|number| (*number, id(*number)))
                    .collect();
            }
            Op::Rset => self.deleted.fill(false),
            Op::List(Some(number))
            | Op::Uidl(Some(number))
            | Op::Retr(number)
            | Op::Top(number, _)
            | Op::Dele(number) => match (present.get(number), op) {
                (None, _) => answer.is_ok = false,
                (Some(text), Op::List(_)) => answer.items = vec![(*number, size(text))],
                (Some(_), Op::Uidl(_)) => answer.items = vec![(*number, id(*number))],
                (Some(text), Op::Retr(_)) => answer.body = text.clone(),
                (Some(_), Op::Top(_, lines)) => {
                    let (header, body) = &self.messages[usize::try_from(*number).unwrap() - 1];
                    let lines = usize::try_from(*lines).unwrap().min(body.len());
                    answer.body = text(header, &body[..lines]);
                }
                (Some(_), _) => self.deleted[usize::try_from(*number).unwrap() - 1] = true,
            },
        }
        answer
    }
}

fn issue(client: &mut client::Session, op: &Op) -> CommandId {
    match op {
        Op::Stat => client.stat(),
        Op::List(message) => client.list(*message),
        Op::Uidl(message) => client.uidl(*message),
        Op::Retr(message) => client.retr(*message),
        Op::Top(message, lines) => client.top(*message, *lines),
        Op::Dele(message) => client.dele(*message),
        Op::Noop => client.noop(),
        Op::Rset => client.rset(),
        Op::Capa => client.capa(),
    }
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_the_client_hears_is_what_the_maildrop_holds(
        messages in vec(message(), 0..6),
        ops in vec(op(), 0..40),
        budgets in vec(1..3000_usize, 1..20),
        queue in 20..9000_usize,
        ends_with_quit in any::<bool>(),
    ) {
        let mut store = MemoryStore::new();
        store.add_user("bob", "hungry");
        for (header, body) in &messages {
            store.deliver("bob", text(header, body));
        }
        let mut model = Model { deleted: vec![false; messages.len()], messages };
        let mut limits = server::Limits::default();
        limits.max_queued_output = queue;
        let mut server = server::Session::new(T0, plaintext_server(), limits, [7; 32]);
        let mut client = client::Session::new(T0, plaintext_client(), client::Limits::default());
        let login = client.login("bob", "hungry").unwrap();
        client.capa().unwrap();
        let expected: Vec<_> = ops
            .iter()
            .map(|op| (issue(&mut client, op), model.run(op)))
            .collect();
        if ends_with_quit {
            client.quit().unwrap();
        }

        let mut connection = Connection::new();
        let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
        let mut answers: BTreeMap<CommandId, Answer> = BTreeMap::new();
        let mut budgets = budgets.iter().copied().cycle();
        loop {
            let budget = budgets.next().unwrap();
            let mut moved = false;
            if let Some(Transmit::Data(data)) = client.poll_transmit(T0, budget) {
                to_server.extend_from_slice(&data);
                moved = true;
            }
            while let Some(event) = server.poll_event(T0, &mut to_server).unwrap() {
                store.handle(&mut connection, &mut server, event).unwrap();
            }
            if let Some(Transmit::Data(data)) = server.poll_transmit(T0, budget) {
                prop_assert!(data.len() <= budget);
                to_client.extend_from_slice(&data);
                moved = true;
            }
            while let Some(event) = client.poll_event(T0, &mut to_client).unwrap() {
                match event {
                    Event::Stat { id, messages, octets } => {
                        let item = (messages, octets.to_string());
                        answers.entry(id).or_default().items.push(item);
                    }
                    Event::ListItem { id, message, octets } => {
                        let item = (message, octets.to_string());
                        answers.entry(id).or_default().items.push(item);
                    }
                    Event::UniqueIdItem { id, message, unique_id } => {
                        let item = (message, unique_id.to_string());
                        answers.entry(id).or_default().items.push(item);
                    }
                    Event::BodyChunk { id, data } => {
                        let part = std::str::from_utf8(&data).unwrap();
                        answers.entry(id).or_default().body.push_str(part);
                    }
                    Event::Done { id, reply } => {
                        answers.entry(id).or_default().is_ok = reply.is_ok();
                    }
                    Event::Greeting { .. } | Event::Capabilities { .. } => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            if !moved {
                break;
            }
        }
        prop_assert_eq!(client.open_commands(), 0);
        prop_assert!(answers[&login].is_ok);
        for (id, answer) in &expected {
            prop_assert_eq!(&answers[id], answer, "{:?} of {:?}", id, ops);
        }
        let left: Vec<String> = match ends_with_quit {
            true => model.present().map(|(_, text)| text).collect(),
            false => model.messages.iter().map(|(header, body)| text(header, body)).collect(),
        };
        let stored: Vec<_> = store.messages("bob").map(|data| data.to_vec()).collect();
        let left: Vec<_> = left.into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(stored, left);
    }
}
