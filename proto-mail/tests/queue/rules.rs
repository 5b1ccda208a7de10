//! The rules of the convention that concern the queue.

use crate::world::{Host, MINUTE, TEXT, World, mail, world};
use proto_mail::smtp::queue::Event;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Whatever may become of a message, in one story: it is delivered, to several recipients, at the
/// second exchanger, at the second attempt; it bounces; nobody answers until it expires.
fn story(change: impl FnOnce(&mut World)) -> World {
    let mut world = world();
    change(&mut world);
    world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
    world.domain("good.example", &[(10, "a.example", 1, Host::Good)]);
    world.domain(
        "second.example",
        &[
            (10, "b.example", 2, Host::Refuses),
            (20, "c.example", 3, Host::Good),
        ],
    );
    world.domain("later.example", &[(10, "d.example", 4, Host::Data(451))]);
    world.domain("never.example", &[(10, "e.example", 5, Host::Silent)]);
    let large = TEXT.repeat(700);
    for (to, text) in [
        (&["bob@good.example", "eve@good.example"][..], TEXT),
        (&["nobody@good.example"], TEXT),
        (&["bob@second.example"], &large),
        (&["bob@second.example"], TEXT),
    ] {
        world.submit(mail(to), text);
    }
    world.pass(MINUTE);
    world.submit(mail(&["bob@later.example"]), &large);
    world.pass(Duration::from_secs(3600));
    let later = "10.0.0.4:25".parse().unwrap();
    world.hosts.insert(later, Host::Good);
    world.pass(DAY);
    world.submit(mail(&["bob@never.example"]), TEXT);
    world.pass(6 * DAY);
    assert_eq!(world.delivered(), 5 + 3, "and three notifications");
    world.assert_done();
    world
}

/// What came of it, whatever came first. Numbers are given to messages, connections and reads alike,
/// so that a message is named after its recipient here.
fn outcome(world: &World) -> Vec<String> {
    let mut names = BTreeMap::new();
    for event in &world.events {
        if let Event::Delivered {
            message, recipient, ..
        }
        | Event::Delayed {
            message, recipient, ..
        }
        | Event::Failed {
            message, recipient, ..
        } = event
        {
            names.insert(format!("{message:?}"), format!("the one to {recipient}"));
        }
    }
    let named = |text: String| {
        let rename = |text: String, (id, name): (&String, &String)| text.replace(id, name);
        names.iter().fold(text, rename)
    };
    let events = world.events.iter().map(|it| named(format!("{it:?}")));
    let arrived = world.arrived.iter().map(|it| {
        let text = String::from_utf8_lossy(&it.text);
        format!("{} {} {:?}\n{text}", it.at, it.from, it.to)
    });
    let stats = [format!("{:?}", world.queue.stats())];
    let mut told: Vec<_> = events.chain(arrived).chain(stats).collect();
    told.sort();
    told
}

/// Shows the first difference alone.
fn assert_same(told: &[String], expected: &[String], what: &str) {
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told, expected, "{what}");
    }
    assert_eq!(told.len(), expected.len(), "{what}");
}

#[test]
fn same_inputs_and_seed_give_the_same_output() {
    for chance in [None, Some(9)] {
        let again = || story(|world| world.chance = chance);
        let (first, second) = (again(), again());
        assert!(first.log.len() > 200, "{}", first.log.len());
        assert_eq!(first.log, second.log);
    }
}

#[test]
fn r1_polls_in_any_order_give_the_same_events() {
    let expected = outcome(&story(|_| {}));
    for chance in 1..=40 {
        let told = outcome(&story(|world| world.chance = Some(chance)));
        assert_same(&told, &expected, &format!("order {chance}"));
    }
}

#[test]
fn r13_pieces_of_any_size_give_the_same_events() {
    let expected = outcome(&story(|_| {}));
    for piece in [1, 2, 3, 7, 100, 4096, 1 << 20] {
        let told = outcome(&story(|world| world.piece = piece));
        assert_same(&told, &expected, &format!("pieces of {piece}"));
    }
}

#[test]
fn r3_a_queue_without_work_has_no_deadline_and_one_with_work_has_one() {
    let mut world = world();
    assert_eq!(world.deadline(), None);
    world.domain("d.example", &[(10, "a.example", 1, Host::Refuses)]);
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.settle();
    let deadline = world.deadline();
    assert!(deadline > Some(world.now), "{deadline:?}");
    // Late is as good as in time.
    world.now = deadline.unwrap() + DAY;
    world.queue.handle_timeout(world.now);
    world.settle();
    assert_eq!(world.connected.len(), 2, "it was tried again");
    assert!(world.deadline() > Some(world.now));
}
