//! Transfers in which the system moves the octets and the sessions only count.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::pair::Pair;
use common::{Server, T0, full_server, plaintext_client};
use proto_ftp::client::Event;
use proto_ftp::data::Type;
use proto_ftp::server::{Action, DataId, Direction};

/// What is wished for last after some lines, in a session that has a passive connection.
fn wish_after(server: &mut Server, lines: &str) -> Action {
    server.auto = true;
    server.say("EPSV\r\n");
    server.auto = false;
    server.say(lines);
    server.actions.last().unwrap().clone()
}

fn steps(server: &Server, id: DataId) -> usize {
    let is_step = |action: &&Action| {
        matches!(
            action,
            Action::Pump {
                max: 4,
                direction: Direction::Send,
                ..
            }
        ) && action.id() == id
    };
    server.actions.iter().filter(is_step).count()
}

#[test]
fn a_wish_follows_once_all_of_the_last_one_was_moved() {
    let mut server = Server::logged_in(&full_server());
    server.session.set_pump(4);
    let wish = wish_after(&mut server, "TYPE I\r\nRETR file\r\n");
    let id = wish.id();
    assert_eq!(steps(&server, id), 1, "{wish:?}");
    server.session.handle_pumped(T0, id, 3);
    server.turn();
    assert_eq!(steps(&server, id), 1, "one octet may still be moved");
    // More than was wished for is not counted.
    server.session.handle_pumped(T0, id, 100);
    server.turn();
    assert_eq!(steps(&server, id), 2);
    server.session.handle_pumped(T0, id, 2);
    server.session.handle_transferred(T0, id, Ok(6));
    assert_eq!(server.turn(), "226 Transfer complete\r\n");
    // A fact about a transfer that is over.
    server.session.handle_pumped(T0, id, 2);
    assert_eq!(server.turn(), "");
    assert_eq!(steps(&server, id), 2);
}

#[test]
fn what_is_changed_on_its_way_is_not_pumped() {
    for lines in [
        "TYPE A\r\nRETR file\r\n",
        "TYPE I\r\nMODE B\r\nRETR file\r\n",
        "TYPE I\r\nSTRU R\r\nSTOR new\r\n",
        "TYPE I\r\nLIST\r\n",
    ] {
        let mut server = Server::logged_in(&full_server());
        server.session.set_pump(4);
        let wish = wish_after(&mut server, lines);
        assert!(matches!(wish, Action::Start { .. }), "{lines}: {wish:?}");
    }
    let mut server = Server::logged_in(&full_server());
    let wish = wish_after(&mut server, "TYPE I\r\nRETR file\r\n");
    assert!(
        matches!(wish, Action::Start { .. }),
        "not asked for: {wish:?}"
    );
}

#[test]
fn under_tls_nothing_is_pumped() {
    let mut config = plaintext_client();
    config.require_tls = true;
    let mut pair = Pair::new(&config, &full_server());
    pair.server.set_pump(4);
    pair.client.set_pump(4);
    pair.client.auth_tls().unwrap();
    pair.run();
    pair.client.login("bob", "hungry").unwrap();
    let get = pair.client.retr("file", Type::Image, 0).unwrap();
    assert_eq!(pair.code_of(get), 226);
    assert_eq!(pair.pumped, 0);
}

#[test]
fn both_sides_pump_and_count() {
    let mut pair = Pair::new(&plaintext_client(), &full_server());
    pair.server.set_pump(4);
    pair.client.set_pump(4);
    pair.client.login("bob", "hungry").unwrap();
    let put = pair.client.stor("new", Type::Image, 0).unwrap();
    pair.uploads.insert(put, b"eight and more".to_vec());
    assert_eq!(pair.end_of(put).unwrap().1, 14);
    let get = pair.client.retr("new", Type::Image, 0).unwrap();
    assert_eq!(pair.end_of(get).unwrap().1, 14);
    assert_eq!(pair.downloads[&get], b"eight and more");
    assert!(pair.pumped >= 4, "{}", pair.pumped);
    let seen = |event: &Event| matches!(event, Event::Progress { octets: 4, .. });
    assert!(
        pair.client_events.iter().any(seen),
        "{:?}",
        pair.client_events
    );
}
