//! The outgoing queue in a small world: a table for the DNS, servers that are machines of this
//! crate or do not answer at all, a store, and a clock that jumps to the next deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod rules;
mod world;

use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_mail::smtp::client::Envelope;
use proto_mail::smtp::queue::{
    Action, ConnectionId, Event, Limits, LookupFailure, MessageId, Queue, Record,
};
use proto_mail::smtp::wire::{BodyType, Notify, Ret, ReversePath};
use proto_mail::smtp::{Protocol, UsageError, client};
use std::collections::VecDeque;

use world::{Host, MINUTE, TEXT, UNIX, World, mail, world};

#[test]
fn a_message_goes_to_the_best_exchanger_and_is_forgotten() {
    let mut world = world();
    world.domain(
        "hamburger.edu",
        &[
            (20, "b.example", 2, Host::Good),
            (10, "a.example", 1, Host::Good),
        ],
    );
    let id = world.submit(mail(&["bob@Hamburger.EDU"]), TEXT);
    world.settle();
    assert_eq!(world.asked, ["MX hamburger.edu", "A a.example"]);
    assert_eq!(world.arrived.len(), 1);
    assert_eq!(world.arrived[0].at, "10.0.0.1:25".parse().unwrap());
    assert_eq!(world.arrived[0].text, TEXT.as_bytes());
    assert_eq!(world.arrived[0].to, ["bob@Hamburger.EDU"]);
    assert!(matches!(
        world.events[..],
        [Event::Delivered { .. }, Event::Finished { message }] if message == id
    ));
    world.pass(MINUTE);
    world.assert_done();
}

#[test]
fn the_next_exchanger_and_the_next_address_are_tried_whatever_is_wrong_with_the_first() {
    for bad in [
        Host::Refuses,
        Host::Silent,
        Host::Mute,
        Host::Unfriendly,
        Host::HangsUp,
    ] {
        let mut world = world();
        world.domain(
            "hamburger.edu",
            &[(10, "a.example", 1, bad), (20, "b.example", 2, Host::Good)],
        );
        let second = IpAddr::from([10, 0, 0, 3]);
        world.a.get_mut("a.example").unwrap().push(second);
        world.hosts.insert(SocketAddr::new(second, 25), bad);
        world.submit(mail(&["bob@hamburger.edu"]), TEXT);
        world.pass(MINUTE * 30);
        let tried: Vec<_> = world
            .connected
            .iter()
            .map(|it| it.ip().to_string())
            .collect();
        assert_eq!(tried, ["10.0.0.1", "10.0.0.3", "10.0.0.2"], "{bad:?}");
        assert_eq!(world.delivered(), 1, "{bad:?}");
        world.assert_done();
    }
}

#[test]
fn exchangers_of_one_preference_are_tried_in_random_order() {
    let mut firsts = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let mut world = world();
        let config = world.queue.config().clone();
        world.queue = Queue::new(world.now, config, Limits::default(), [seed; 32]);
        world.domain(
            "d.example",
            &[
                (10, "a.example", 1, Host::Good),
                (10, "b.example", 2, Host::Good),
            ],
        );
        world.submit(mail(&["bob@d.example"]), TEXT);
        world.settle();
        firsts.insert(world.connected[0]);
    }
    assert_eq!(firsts.len(), 2);
}

#[test]
fn a_domain_without_exchangers_takes_mail_itself_and_a_literal_asks_nobody() {
    let mut world = world();
    world.mx.insert("d.example".into(), Ok(vec![]));
    world
        .a
        .insert("d.example".into(), vec![IpAddr::from([10, 0, 0, 9])]);
    world
        .hosts
        .insert("10.0.0.9:25".parse().unwrap(), Host::Good);
    world
        .hosts
        .insert("[2001:db8::1]:25".parse().unwrap(), Host::Good);
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.settle();
    assert_eq!(world.asked, ["MX d.example", "A d.example"]);
    world.submit(mail(&["bob@[10.0.0.9]"]), TEXT);
    world.submit(mail(&["bob@[IPv6:2001:db8::1]"]), TEXT);
    world.pass(MINUTE);
    assert_eq!((world.asked.len(), world.delivered()), (2, 3));
    world.assert_done();
}

#[test]
fn what_can_never_be_delivered_bounces_at_once() {
    type Change = fn(&mut World);
    let cases: [(&str, &str, Change); 7] = [
        ("no such domain", "bob@nowhere.example 5.1.2", |_| {}),
        (
            "null MX (RFC 7505)",
            "bob@nowhere.example 5.1.10",
            |world| {
                world.mx.insert("nowhere.example".into(), Ok(vec![(0, "")]));
            },
        ),
        (
            "we are the best exchanger",
            "bob@nowhere.example 5.4.6",
            |world| {
                let exchangers = vec![(10, "crepes.fr"), (20, "worse.example")];
                world.mx.insert("nowhere.example".into(), Ok(exchangers));
            },
        ),
        (
            "no exchanger has an address",
            "bob@nowhere.example 5.4.4",
            |world| {
                world
                    .mx
                    .insert("nowhere.example".into(), Ok(vec![(10, "gone.example")]));
            },
        ),
        ("550 to RCPT", "bob@nowhere.example 5.0.0", |world| {
            world.domain("nowhere.example", &[(10, "a.example", 1, Host::Rcpt(550))]);
        }),
        ("554 to the message", "bob@nowhere.example 5.0.0", |world| {
            world.domain("nowhere.example", &[(10, "a.example", 1, Host::Data(554))]);
        }),
        ("a literal that is none", "bob@[x:y] 5.1.2", |_| {}),
    ];
    for (name, failure, change) in cases {
        let mut world = world();
        world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
        change(&mut world);
        let to = failure.split(' ').next().unwrap();
        let id = world.submit(mail(&[to]), TEXT);
        world.pass(MINUTE);
        assert_eq!(world.failures(), [failure], "{name}");
        // The notification arrives, and comes from nobody.
        assert_eq!(world.arrived.len(), 1, "{name}");
        let bounce = &world.arrived[0];
        assert_eq!(bounce.from, "", "{name}");
        assert_eq!(bounce.to, ["alice@crepes.fr"], "{name}");
        let text = String::from_utf8(bounce.text.clone()).unwrap();
        assert!(text.contains("\r\nAction: failed\r\n"), "{name}: {text}");
        assert!(
            text.contains("Subject: dinner\r\n"),
            "{name}: the header came back"
        );
        assert!(!text.contains("ketchup"), "{name}: and nothing else");
        assert_eq!(
            world.count(|it| matches!(it, Event::Notified { about, .. } if *about == id)),
            1
        );
        world.assert_done();
    }
}

#[test]
fn what_fails_for_now_is_tried_at_growing_intervals_and_bounces_at_its_expiry() {
    for host in [
        Host::Refuses,
        Host::Silent,
        Host::Rcpt(450),
        Host::Data(451),
        Host::HangsUp,
        Host::Mute,
        Host::Unfriendly,
    ] {
        let mut world = world();
        world.domain("d.example", &[(10, "a.example", 1, host)]);
        world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
        let begin = world.now;
        world.submit(mail(&["bob@d.example"]), TEXT);
        world.pass(Duration::from_secs(6 * 86_400));
        let mut last = begin;
        let mut gaps = Vec::new();
        for event in &world.events {
            if let Event::Delayed { until, .. } = event {
                gaps.push((*until - last).as_secs() / 60);
                last = *until;
            }
        }
        assert!(
            gaps[0] >= 5 && gaps[1] >= 10 && gaps[2] >= 20,
            "{host:?} {gaps:?}"
        );
        assert!(gaps.iter().all(|gap| *gap <= 140), "{host:?} {gaps:?}");
        assert!((55..80).contains(&gaps.len()), "{host:?} {}", gaps.len());
        assert_eq!(world.failures(), ["bob@d.example 5.4.7"], "{host:?}");
        // One warning, and one notification at the end.
        let actions: Vec<_> = world
            .arrived
            .iter()
            .map(|it| {
                let text = String::from_utf8(it.text.clone()).unwrap();
                let line = text.lines().find(|line| line.starts_with("Action: "));
                line.unwrap().to_owned()
            })
            .collect();
        assert_eq!(actions, ["Action: delayed", "Action: failed"], "{host:?}");
        world.assert_done();
    }
}

#[test]
fn a_server_that_comes_back_gets_what_waited() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Refuses)]);
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.pass(MINUTE);
    let address = "10.0.0.1:25".parse().unwrap();
    world.hosts.insert(address, Host::Good);
    world.pass(MINUTE);
    assert_eq!(world.delivered(), 0, "not before its time");
    world.queue.flush();
    world.pass(MINUTE);
    assert_eq!(world.delivered(), 1, "but when it is told to");
    world.assert_done();
}

#[test]
fn a_lookup_that_fails_for_now_is_no_bounce() {
    let mut world = world();
    world
        .mx
        .insert("d.example".into(), Err(LookupFailure::TryLater));
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.pass(MINUTE);
    assert_eq!((world.failures().len(), world.queue.len()), (0, 1));
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    world.pass(MINUTE * 10);
    assert_eq!(world.delivered(), 1);
    world.assert_done();
}

#[test]
fn recipients_of_one_message_have_each_their_own_fate() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    world.domain("e.example", &[(10, "b.example", 2, Host::Good)]);
    world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
    let to = [
        "bob@d.example",
        "nobody@d.example",
        "busy@d.example",
        "eve@e.example",
    ];
    let id = world.submit(mail(&to), TEXT);
    world.pass(MINUTE);
    assert_eq!(world.delivered(), 3, "bob, eve, and Alice's notification");
    assert_eq!(world.failures(), ["nobody@d.example 5.0.0"]);
    // Bob and Eve have it, and Alice was told of nobody: whatever happens now, only busy is left.
    let left: Vec<_> = world.store[&id]
        .0
        .recipients
        .iter()
        .map(|it| it.0.to_string())
        .collect();
    assert_eq!(left, ["busy@d.example"]);
    let bounce = world.arrived.iter().find(|it| it.from.is_empty()).unwrap();
    let text = String::from_utf8(bounce.text.clone()).unwrap();
    assert!(text.contains("Final-Recipient: rfc822; nobody@d.example\r\n"));
    assert!(text.contains("Remote-MTA: dns; a.example\r\n"));
    assert!(text.contains("Diagnostic-Code: smtp; 550 said the server\r\n"));
    assert!(!text.contains("busy@") && !text.contains("bob@"));
}

#[test]
fn lmtp_recipients_whose_mailbox_is_full_are_tried_again_and_the_others_are_not() {
    let mut world = World::new(
        |config| {
            let mut client = client::Config::default();
            client.protocol = Protocol::Lmtp;
            config.client = client.into();
            config.smart_host = Some("store.example".into());
        },
        Limits::default(),
    );
    world.server.protocol = Protocol::Lmtp;
    world
        .a
        .insert("store.example".into(), vec![IpAddr::from([10, 0, 0, 1])]);
    world
        .hosts
        .insert("10.0.0.1:25".parse().unwrap(), Host::Good);
    world.submit(mail(&["bob@d.example", "full@e.example"]), TEXT);
    world.pass(MINUTE * 6);
    assert_eq!(
        world.asked,
        ["A store.example", "A store.example"],
        "no exchangers"
    );
    let to: Vec<_> = world.arrived.iter().map(|it| it.to.clone()).collect();
    assert_eq!(to, [vec!["bob@d.example".to_owned()], vec![]]);
}

#[test]
fn one_connection_carries_several_messages_and_is_kept_for_a_moment() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    for _ in 0..5 {
        world.submit(mail(&["bob@d.example"]), TEXT);
    }
    world.settle();
    assert_eq!((world.connected.len(), world.arrived.len()), (1, 5));
    // A sixth comes while the connection is kept.
    world.pass(Duration::from_secs(1));
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.settle();
    assert_eq!((world.connected.len(), world.arrived.len()), (1, 6));
    // And a seventh after it was closed.
    world.pass(MINUTE);
    assert!(world.links.is_empty(), "QUIT was said");
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.pass(MINUTE);
    assert_eq!((world.connected.len(), world.arrived.len()), (2, 7));
    assert_eq!(world.queue.stats().reused, 5);
    world.assert_done();
}

#[test]
fn limits_of_transactions_and_connections_hold() {
    let mut limits = Limits::default();
    limits.max_recipients_at_once = 2;
    limits.max_messages_at_once = 3;
    limits.max_connections = 2;
    limits.max_messages = 12;
    let mut world = World::new(|_| {}, limits);
    for number in 1..=5 {
        let host: &'static str = ["a", "b", "c", "d", "e"][usize::from(number) - 1];
        let domain = format!("{host}.example");
        world.domain(&domain, &[(10, host, number, Host::Good)]);
    }
    // Seven recipients in four transactions, over two connections.
    let to: Vec<String> = (0..7)
        .map(|number| format!("u{number}@a.example"))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    world.submit(mail(&to), TEXT);
    world.pass(MINUTE);
    let sizes: Vec<_> = world.arrived.iter().map(|it| it.to.len()).collect();
    assert_eq!(sizes, [2, 2, 2, 1]);
    assert_eq!(world.connected.len(), 2);
    world.assert_done();
    // Five destinations, two at a time.
    for domain in ["a", "b", "c", "d", "e"] {
        world.submit(mail(&[&format!("bob@{domain}.example")]), TEXT);
    }
    for _ in 0..50 {
        if let Some(action) = world.queue.poll_action(world.now) {
            world.act(action);
        }
        assert!(world.links.len() <= 2);
    }
    world.pass(MINUTE);
    assert_eq!(world.arrived.len(), 9);
    world.assert_done();
    for _ in 0..12 {
        world.queue.submit(mail(&["bob@a.example"]), 1).unwrap();
    }
    assert_eq!(
        world.queue.submit(mail(&["bob@a.example"]), 1),
        Err(UsageError::QueueFull { limit: 12 })
    );
}

#[test]
fn a_message_without_a_possible_recipient_is_not_taken() {
    let mut world = world();
    for to in [&[][..], &["postmaster"]] {
        assert_eq!(
            world.queue.submit(mail(to), 1),
            Err(UsageError::InvalidValue)
        );
    }
    let many = vec!["bob@d.example"; 1001];
    assert_eq!(
        world.queue.submit(mail(&many), 1),
        Err(UsageError::InvalidValue)
    );
    assert!(world.queue.is_empty());
}

#[test]
fn row_20_what_comes_from_nobody_bounces_to_nobody() {
    let mut world = world();
    let envelope = Envelope::new(ReversePath::Null).to("bob@nowhere.example".parse().unwrap());
    world.submit(envelope, TEXT);
    world.pass(MINUTE);
    assert_eq!(world.failures().len(), 1);
    assert_eq!(world.queue.stats().notifications, 0);
    world.assert_done();
}

#[test]
fn notifications_come_as_dsn_asks_for_them() {
    let never = Notify::Never;
    let delay = Notify::When {
        success: false,
        failure: false,
        delay: true,
    };
    let success = Notify::When {
        success: true,
        failure: false,
        delay: false,
    };
    for (notify, expected) in [
        (Some(never), [0, 0, 0]),
        (Some(delay), [0, 1, 0]),
        (Some(success), [0, 0, 1]),
        (None, [1, 1, 0]),
    ] {
        let count = |host: Host| {
            let mut world = world();
            world.domain("d.example", &[(10, "a.example", 1, host)]);
            world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
            let mut envelope = mail(&["bob@d.example"]);
            envelope.recipients[0].1.notify = notify;
            world.submit(envelope, TEXT);
            world.pass(MINUTE * 60 * 12);
            world.queue.stats().notifications
        };
        let found = [
            count(Host::Rcpt(550)),
            count(Host::Rcpt(450)),
            count(Host::Good),
        ];
        assert_eq!(found, expected, "{notify:?}");
    }
}

#[test]
fn nothing_is_lost_wherever_the_queue_is_restarted() {
    // After each number of actions the queue is thrown away and made again from what was stored.
    for steps in 0..60 {
        let mut world = world();
        world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
        world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
        world.submit(mail(&["bob@d.example", "nobody@d.example"]), TEXT);
        for _ in 0..steps {
            if let Some(action) = world.queue.poll_action(world.now) {
                world.act(action);
            }
            let ids: Vec<_> = world.links.keys().copied().collect();
            for id in ids {
                world.turn(id);
            }
        }
        let config = world.queue.config().clone();
        world.queue = Queue::new(world.now, config, Limits::default(), [2; 32]);
        world.queue.handle_clock(world.now, UNIX);
        world.links.clear();
        for (id, (record, _)) in world.store.clone() {
            let record = Record::decode(&record.encode()).unwrap();
            world.queue.restore(id, record).unwrap();
        }
        world.pass(MINUTE);
        let bobs = world.arrived.iter().filter(|it| it.to == ["bob@d.example"]);
        let bounces = world.arrived.iter().filter(|it| it.from.is_empty());
        let (bobs, bounces) = (bobs.count(), bounces.count());
        assert!((1..=2).contains(&bobs), "{steps}: {bobs}");
        assert!((1..=2).contains(&bounces), "{steps}: {bounces}");
        world.assert_done();
    }
}

#[test]
fn a_message_that_is_restored_late_has_not_grown_younger() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Rcpt(450))]);
    world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
    let id = MessageId(7);
    let envelope = mail(&["bob@d.example"]);
    let record = Record {
        arrived: UNIX.as_secs() - 6 * 86_400,
        octets: 3,
        from: envelope.from,
        params: envelope.params,
        recipients: envelope.recipients,
    };
    world
        .store
        .insert(id, (record.clone(), Bytes::from_static(b"x\r\n")));
    world.queue.restore(id, record.clone()).unwrap();
    assert_eq!(
        world.queue.restore(id, record),
        Err(UsageError::InvalidValue)
    );
    world.pass(MINUTE);
    assert_eq!(world.failures(), ["bob@d.example 5.4.7"]);
    let next = world.queue.submit(mail(&["bob@d.example"]), 1).unwrap();
    assert!(next > MessageId(7), "names are not used twice");
}

#[test]
fn what_cannot_be_stored_is_not_sent_and_what_cannot_be_read_is_put_off() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    world.cannot_store = true;
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.settle();
    assert!(world.queue.is_empty() && world.connected.is_empty());
    world.cannot_store = false;
    world.store.clear();
    let id = world.submit(mail(&["bob@d.example"]), TEXT);
    world.unreadable.push(id);
    world.pass(MINUTE);
    assert_eq!(
        (world.arrived.len(), world.connected.len()),
        (0, 1),
        "and not in a loop"
    );
    world.unreadable.clear();
    world.pass(MINUTE * 10);
    assert_eq!(world.delivered(), 1);
    world.assert_done();
}

#[test]
fn octets_that_no_server_takes_bounce_and_do_not_block_what_is_behind_them() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
    world.submit(mail(&["bob@d.example"]), "Subject: x\r\n\r\na\0b\r\n");
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.pass(MINUTE);
    assert_eq!(world.failures(), ["bob@d.example 5.6.0"]);
    assert_eq!(
        world.arrived.len(),
        2,
        "the other one, and the notification"
    );
    world.assert_done();
}

#[test]
fn what_the_next_server_cannot_take_bounces() {
    for (change, status) in [
        (
            (|it: &mut Envelope| it.params.body = Some(BodyType::BinaryMime)) as fn(&mut _),
            "5.6.3",
        ),
        (|it| it.params.require_tls = true, "5.7.30"),
    ] {
        let mut world = world();
        world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
        world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
        let mut envelope = mail(&["bob@d.example"]);
        change(&mut envelope);
        world.submit(envelope, TEXT);
        world.settle();
        assert_eq!(world.failures(), [format!("bob@d.example {status}")]);
    }
}

#[test]
fn large_messages_are_read_piece_by_piece() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    let text = "..dots and lines\r\n".repeat(20_000);
    world.submit(mail(&["bob@d.example"]), &text);
    world.settle();
    assert_eq!(world.arrived[0].text, text.as_bytes());
}

#[test]
fn row_54_a_notification_holds_what_it_is_told_and_no_line_more() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Rcpt(550))]);
    world.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
    let mut envelope = mail(&["\"a\\\"b\"@d.example"]);
    envelope.params.envid = Some("x y=z".into());
    envelope.params.ret = Some(Ret::Full);
    let text = "Subject: x\nBcc: a\rb\n\n--report-\n.\nSm\u{f6}rg\n";
    world.submit(envelope, text);
    world.pass(MINUTE);
    let bounce = world.arrived.iter().find(|it| it.from.is_empty()).unwrap();
    let text = String::from_utf8(bounce.text.clone()).unwrap();
    assert!(text.is_ascii());
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
    assert!(text.lines().all(|line| line.len() <= 998));
    assert!(text.contains("Original-Envelope-Id: x y=z\r\n"));
    assert!(text.contains(
        "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nBcc: a b\r\n\r\n--report-\r\n.\r\n"
    ));
    assert!(text.starts_with("Date: Tue, 14 Nov 2023 22:13:"), "{text}");
    // Three parts between their boundaries, and one end.
    let boundary = text
        .split("boundary=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(text.matches(&format!("\r\n--{boundary}\r\n")).count(), 3);
    assert!(text.ends_with(&format!("\r\n--{boundary}--\r\n")));
}

#[test]
fn a_server_cannot_write_into_a_notification() {
    // The reply goes through the client, as a hostile server would send it.
    let mut queue = world();
    queue.domain("crepes.fr", &[(10, "mx.crepes.fr", 7, Host::Good)]);
    queue
        .mx
        .insert("evil.example".into(), Ok(vec![(1, "evil")]));
    queue
        .a
        .insert("evil".into(), vec![IpAddr::from([10, 0, 0, 66])]);
    queue.submit(mail(&["bob@evil.example"]), TEXT);
    let mut id = None;
    while id.is_none() {
        match queue.queue.poll_action(queue.now).unwrap() {
            Action::Connect { id: it, .. } => id = Some(it),
            action => queue.act(action),
        }
    }
    let (id, now) = (id.unwrap(), queue.now);
    queue.queue.handle_connected(now, id);
    let long = "x".repeat(1500);
    let lines = [
        "220 x\r\n".to_owned(),
        "250 x\r\n".to_owned(),
        "250 ok\r\n".to_owned(),
        format!(
            "550-\x1b[31mred\x07\t{long}\r\n550-Action: delivered\r\n550-\r\n550 --report-0\r\n"
        ),
    ];
    for line in lines {
        while queue.queue.poll_transmit(now, id, 1500).is_some() {}
        queue
            .queue
            .recv(now, id, &mut BytesMut::from(line.as_str()));
    }
    queue.pass(MINUTE);
    let bounce = queue.arrived.iter().find(|it| it.from.is_empty()).unwrap();
    let text = String::from_utf8(bounce.text.clone()).unwrap();
    assert!(!text.contains(['\x1b', '\x07']));
    assert_eq!(text.matches("\r\nAction: ").count(), 1, "{text}");
    assert!(text.lines().all(|line| line.len() <= 200), "{text}");
}

#[test]
fn many_messages_for_one_domain_go_in_the_order_in_which_they_came() {
    let mut limits = Limits::default();
    limits.max_messages_at_once = 5000;
    let mut world = World::new(|_| {}, limits);
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    for number in 0..3000 {
        world.submit(mail(&[&format!("u{number}@d.example")]), "x\r\n");
    }
    // One wish after the other: more than the rounds of `settle`.
    while !world.queue.is_empty() {
        while let Some(action) = world.queue.poll_action(world.now) {
            world.act(action);
        }
        for id in world.links.keys().copied().collect::<Vec<_>>() {
            world.turn(id);
        }
    }
    assert_eq!((world.connected.len(), world.arrived.len()), (1, 3000));
    let to = |index: usize| world.arrived[index].to[0].as_str();
    assert_eq!((to(0), to(2999)), ("u0@d.example", "u2999@d.example"));
}

#[test]
fn a_notification_for_a_user_of_this_server_need_not_leave_it() {
    let mut world = world();
    let id = world.submit(mail(&["bob@nowhere.example"]), TEXT);
    let mut created = None;
    while let Some(action) = world.queue.poll_action(world.now) {
        match action {
            Action::Create { message, .. } => {
                created = Some(message);
                world.queue.handle_delivered(world.now, message);
            }
            action => world.act(action),
        }
    }
    world.settle();
    let finished =
        |wanted| world.count(|it| matches!(it, Event::Finished { message } if *message == wanted));
    assert_eq!((finished(created.unwrap()), finished(id)), (1, 1));
    world.assert_done();
}

#[test]
fn facts_about_what_is_gone_change_nothing() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Good)]);
    let id = world.submit(mail(&["bob@d.example"]), TEXT);
    let mut old = VecDeque::new();
    for _ in 0..100 {
        if let Some(action) = world.queue.poll_action(world.now) {
            match &action {
                Action::Exchangers { id, .. } => old.push_back(Old::Exchangers(*id)),
                Action::Addresses { id, .. } => old.push_back(Old::Addresses(*id)),
                Action::Connect { id, .. } => old.push_back(Old::Connection(*id)),
                Action::Read { id, .. } => old.push_back(Old::Read(*id)),
                _ => {}
            }
            world.act(action);
        }
        let ids: Vec<_> = world.links.keys().copied().collect();
        for id in ids {
            world.turn(id);
        }
    }
    world.pass(MINUTE);
    world.assert_done();
    let stats = world.queue.stats();
    let now = world.now;
    for old in old {
        match old {
            Old::Exchangers(id) => world.queue.handle_exchangers(now, id, Ok(vec![])),
            Old::Addresses(id) => world.queue.handle_addresses(now, id, Ok(vec![])),
            Old::Read(id) => world
                .queue
                .handle_read(now, id, Bytes::from_static(b"x"), true),
            Old::Connection(id) => {
                world.queue.handle_connected(now, id);
                world.queue.recv(now, id, &mut BytesMut::from("220 x\r\n"));
                world.queue.handle_eof(now, id);
                world.queue.handle_disconnect(now, id);
                world.queue.handle_connection_timeout(now, id);
                assert_eq!(world.queue.poll_transmit(now, id, 100), None);
                assert!(world.queue.is_closed(id) && !world.queue.wants_read(id));
            }
        }
    }
    world.queue.handle_stored(now, id);
    world.queue.handle_store_failed(now, id);
    assert_eq!(
        (world.queue.stats(), world.queue.poll_action(now)),
        (stats, None)
    );
}

enum Old {
    Exchangers(proto_mail::smtp::queue::LookupId),
    Addresses(proto_mail::smtp::queue::LookupId),
    Connection(ConnectionId),
    Read(proto_mail::smtp::queue::ReadId),
}

#[test]
fn r2_time_that_runs_backwards_stands_still() {
    let mut world = world();
    world.domain("d.example", &[(10, "a.example", 1, Host::Refuses)]);
    world.submit(mail(&["bob@d.example"]), TEXT);
    world.settle();
    let deadline = world.queue.poll_timeout().unwrap();
    world.queue.handle_timeout(Duration::ZERO);
    assert_eq!(world.queue.poll_timeout(), Some(deadline));
    assert_eq!(world.queue.poll_action(Duration::ZERO), None);
}
