//! Answers that do not fit their questions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Server, full_server};
use proto_ftp::server::{Answer, Ask, Event, UsageError};

fn ask(server: &mut Server) -> Ask {
    match server.open.remove(0) {
        Event::Size { ask, .. } | Event::Delete { ask, .. } | Event::Commit { ask, .. } => ask,
        event => panic!("{event:?}"),
    }
}

#[test]
fn r10_a_wrong_answer_leaves_the_question_open() {
    let mut server = Server::logged_in(&full_server());
    server.answers = false;
    assert_eq!(server.session.open_ask(), None);

    assert_eq!(server.say("TYPE I\r\nSIZE file\r\n"), "200 Type set\r\n");
    let size = ask(&mut server);
    assert_eq!(server.session.accept(size), Err(UsageError::WrongAnswer));
    let size = server.session.open_ask().unwrap();
    let wrong = server.session.accept_with(size, Answer::NeedPassword);
    assert_eq!(wrong, Err(UsageError::WrongAnswer));
    let (size, again) = (
        server.session.open_ask().unwrap(),
        server.session.open_ask(),
    );
    assert_eq!(server.session.accept_with(size, Answer::Size(7)), Ok(()));
    assert_eq!(server.turn(), "213 7\r\n");
    let late = server.session.accept_with(again.unwrap(), Answer::Size(7));
    assert_eq!(late, Err(UsageError::Stale));

    assert_eq!(server.say("DELE file\r\n"), "");
    let dele = ask(&mut server);
    let wrong = server.session.accept_with(dele, Answer::Size(1));
    assert_eq!(wrong, Err(UsageError::WrongAnswer));
    let dele = server.session.open_ask().unwrap();
    assert_eq!(server.session.accept(dele), Ok(()));
    assert_eq!(server.turn(), "250 File deleted\r\n");
}

#[test]
fn r10_a_wrong_answer_leaves_a_commit_open() {
    let mut server = Server::logged_in(&full_server());
    server.answers = false;
    server.say("EPSV\r\nSTOR new\r\n");
    let Event::Store { ask: store, .. } = server.open.remove(0) else {
        panic!("no question");
    };
    server.session.accept(store).unwrap();
    server.turn();
    let commit = ask(&mut server);
    let wrong = server.session.accept_with(commit, Answer::Size(1));
    assert_eq!(wrong, Err(UsageError::WrongAnswer));
    let commit = server.session.open_ask().unwrap();
    assert_eq!(server.session.accept(commit), Ok(()));
    assert_eq!(server.turn(), "226 Transfer complete\r\n");
}
