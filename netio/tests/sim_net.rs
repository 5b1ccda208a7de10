//! The virtual network: streams, datagrams, shared links, failures, and the same run from the same
//! seed.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::sim::{
    Context, DatagramConfig, Fact, HostConfig, HostId, Net, Node, NodeId, PathConfig, RunLimits,
    SimError, Split, StreamConfig, StreamId,
};

const MS: Duration = Duration::from_millis(1);

/// A node that a closure plays; it logs what it was told.
struct Actor<S> {
    play: fn(&mut S, &mut Context<'_>, &Fact),
    state: S,
    told: Vec<(Duration, Fact)>,
    wake: Option<Duration>,
}

impl<S> fmt::Debug for Actor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("told", &self.told).finish()
    }
}

impl<S: 'static> Node for Actor<S> {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        if fact == Fact::Timer {
            self.wake = None;
        }
        (self.play)(&mut self.state, net, &fact);
        self.told.push((net.now(), fact));
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.wake
    }
}

fn actor<S>(state: S, play: fn(&mut S, &mut Context<'_>, &Fact)) -> Actor<S> {
    Actor {
        play,
        state,
        told: Vec::new(),
        wake: None,
    }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(ip(last), port)
}

/// Sends what it has to, and reads all that comes; at the end of the peer's side it ends its own.
#[derive(Default)]
struct Talker {
    to: Option<SocketAddr>,
    say: Bytes,
    ends: bool,
    stream: Option<StreamId>,
    heard: BytesMut,
    /// How many octets each read gave.
    reads: Vec<usize>,
    first: Option<Duration>,
    last: Duration,
}

fn talk(talker: &mut Talker, net: &mut Context<'_>, fact: &Fact) {
    match fact {
        Fact::Started | Fact::Restarted => match talker.to {
            Some(to) => talker.stream = Some(net.connect(to)),
            None => assert!(net.listen(80)),
        },
        Fact::Connected { stream } | Fact::Accepted { stream, .. } => talker.stream = Some(*stream),
        _ => {}
    }
    let Some(stream) = talker.stream else { return };
    loop {
        let len = net.read(stream, &mut talker.heard);
        if len == 0 {
            break;
        }
        talker.reads.push(len);
        talker.first.get_or_insert(net.now());
        talker.last = net.now();
    }
    while !talker.say.is_empty() {
        let len = net.write(stream, &talker.say);
        if len == 0 {
            break;
        }
        let _said = talker.say.split_to(len);
    }
    if talker.say.is_empty() && (talker.ends || net.at_eof(stream)) {
        net.shutdown(stream);
    }
}

fn text(len: usize) -> Bytes {
    (0..len)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect::<Vec<u8>>()
        .into()
}

/// Two hosts with a path of this kind, and a talker on each.
fn two(seed: u64, stream: &StreamConfig, up: &str, down: &str) -> (Net, NodeId, NodeId) {
    let mut net = Net::new(seed);
    let hosts: Vec<HostId> = (1..=2)
        .map(|n| net.add_host(&format!("h{n}"), &HostConfig::default(), [ip(n)]))
        .collect();
    let mut path = PathConfig::default();
    path.stream = stream.clone();
    net.set_default_path(path);
    let server = net.add_node(
        hosts[1],
        "server",
        actor(
            Talker {
                say: Bytes::copy_from_slice(down.as_bytes()),
                ..Talker::default()
            },
            talk,
        ),
    );
    let client = net.add_node(
        hosts[0],
        "client",
        actor(
            Talker {
                to: Some(at(2, 80)),
                say: Bytes::copy_from_slice(up.as_bytes()),
                ends: true,
                ..Talker::default()
            },
            talk,
        ),
    );
    (net, client, server)
}

fn talker(net: &Net, id: NodeId) -> &Talker {
    &net.node::<Actor<Talker>>(id).unwrap().state
}

fn told(net: &Net, id: NodeId) -> Vec<String> {
    net.node::<Actor<Talker>>(id)
        .unwrap()
        .told
        .iter()
        .map(|(time, fact)| {
            let fact = format!("{fact:?}");
            let name = fact.split([' ', '{']).next().unwrap();
            format!("{} {name}", time.as_millis())
        })
        .collect()
}

#[test]
fn a_stream_takes_its_latency_both_ways_and_ends_in_order() {
    let (mut net, client, server) = two(1, &StreamConfig::default(), "hello", "welcome");
    net.run_until_idle().unwrap();
    assert_eq!(
        told(&net, client),
        ["0 Started", "20 Connected", "20 Readable", "40 Eof"]
    );
    assert_eq!(
        told(&net, server),
        ["0 Started", "10 Accepted", "30 Readable", "30 Eof"]
    );
    assert_eq!(talker(&net, client).heard, "welcome");
    assert_eq!(talker(&net, server).heard, "hello");
}

#[test]
fn every_split_loss_and_buffer_gives_the_same_octets() {
    let up = "up".repeat(5000);
    let down = "down".repeat(3000);
    for seed in 0..5 {
        for split in [Split::Whole, Split::Octet, Split::Segment, Split::Random(9)] {
            for loss in [0, 200_000] {
                let mut stream = StreamConfig::torn();
                (stream.split, stream.loss) = (split, loss);
                let (mut net, client, server) = two(seed, &stream, &up, &down);
                net.run_until_idle().unwrap();
                assert_eq!(talker(&net, server).heard, up, "{split:?}");
                assert_eq!(talker(&net, client).heard, down, "{split:?}");
                assert_eq!(net.stats().lost > 0, loss > 0);
            }
        }
    }
}

#[test]
fn reads_are_cut_as_asked() {
    let mut stream = StreamConfig::default();
    for (split, least, most) in [
        (Split::Octet, 1, 1),
        (Split::Segment, 1460, 1460),
        (Split::Whole, 1460, usize::MAX),
        (Split::Random(10), 1, 10),
    ] {
        stream.split = split;
        let (mut net, _, server) = two(1, &stream, &"x".repeat(14_600), "");
        net.run_until_idle().unwrap();
        let reads = &talker(&net, server).reads;
        assert!(
            reads[..reads.len() - 1]
                .iter()
                .all(|len| (least..=most).contains(len)),
            "{split:?} {reads:?}"
        );
        assert_eq!(reads.iter().sum::<usize>(), 14_600);
    }
}

#[test]
fn a_lost_segment_stalls_what_is_behind_it() {
    let mut stream = StreamConfig::default();
    stream.loss = 300_000;
    let stalled = (0..20)
        .filter(|seed| {
            let (mut net, _, server) = two(*seed, &stream, &"x".repeat(3000), "");
            net.run_until_idle().unwrap();
            let talker = talker(&net, server);
            assert_eq!(talker.heard.len(), 3000);
            // Nothing is handed over before what was lost came again, 200 ms later.
            if talker.first.unwrap() >= 230 * MS {
                assert!(talker.last >= talker.first.unwrap());
                true
            } else {
                false
            }
        })
        .count();
    assert!((2..=12).contains(&stalled), "{stalled} of 20");
}

#[test]
fn a_stream_has_no_more_than_its_bandwidth_and_its_window() {
    let mut stream = StreamConfig::default();
    stream.bandwidth = Some(100_000);
    let (mut net, _, server) = two(1, &stream, &"x".repeat(50_000), "");
    net.run_until_idle().unwrap();
    // 20 ms to connect, half a second of octets, 10 ms on the way.
    assert_eq!(talker(&net, server).last, 530 * MS);

    let mut stream = StreamConfig::default();
    stream.receive_buffer = 1000;
    let (mut net, _, server) = two(1, &stream, &"x".repeat(50_000), "");
    net.run_until_idle().unwrap();
    // A window of 1000 octets a round trip of 20 ms.
    assert_eq!(talker(&net, server).last, 30 * MS + 49 * 20 * MS);
}

#[test]
fn a_reader_that_does_not_read_holds_the_writer_back() {
    let mut net = Net::new(1);
    let hosts = [1, 2].map(|n| net.add_host("h", &HostConfig::default(), [ip(n)]));
    net.add_node(
        hosts[1],
        "deaf",
        actor((), |(), net, fact| {
            if *fact == Fact::Started {
                net.listen(80);
            }
        }),
    );
    let client = net.add_node(
        hosts[0],
        "client",
        actor(
            Talker {
                to: Some(at(2, 80)),
                say: text(1_000_000),
                ..Talker::default()
            },
            talk,
        ),
    );
    net.run_until_idle().unwrap();
    let left = talker(&net, client).say.len();
    assert_eq!(left, 1_000_000 - 2 * 65_536, "one buffer on each side");
}

#[test]
fn a_port_where_nobody_listens_refuses_and_an_address_without_a_host_is_silent() {
    let (mut net, ..) = two(1, &StreamConfig::default(), "", "");
    let host = net.add_host("h3", &HostConfig::default(), [ip(3)]);
    let dial = |to| {
        actor(
            Talker {
                to: Some(to),
                ..Talker::default()
            },
            talk,
        )
    };
    let refused = net.add_node(host, "refused", dial(at(2, 81)));
    let silent = net.add_node(host, "silent", dial(at(99, 80)));
    net.run_until_idle().unwrap();
    assert_eq!(told(&net, refused), ["0 Started", "20 Refused"]);
    assert_eq!(told(&net, silent), ["0 Started", "30000 Reset"]);
}

#[test]
fn closing_with_unread_octets_resets_and_aborting_too() {
    for abort in [false, true] {
        let mut net = Net::new(1);
        let hosts = [1, 2].map(|n| net.add_host("h", &HostConfig::default(), [ip(n)]));
        let rude = net.add_node(
            hosts[1],
            "rude",
            actor(abort, |abort, net, fact| match fact {
                Fact::Started => {
                    net.listen(80);
                }
                Fact::Readable { stream } => {
                    net.write(*stream, b"farewell");
                    match *abort {
                        true => net.abort(*stream),
                        false => net.close(*stream),
                    }
                    assert_eq!(net.write(*stream, b"late"), 0);
                    net.close(*stream);
                }
                _ => {}
            }),
        );
        let client = net.add_node(
            hosts[0],
            "client",
            actor(
                Talker {
                    to: Some(at(2, 80)),
                    say: "hello".into(),
                    ..Talker::default()
                },
                talk,
            ),
        );
        net.run_until_idle().unwrap();
        assert!(net.node::<Actor<bool>>(rude).is_some());
        assert!(net.node::<Actor<()>>(rude).is_none(), "another type");
        let told = told(&net, client);
        assert_eq!(told.last().unwrap(), "40 Reset", "{told:?}");
    }
}

/// Sends datagrams, or counts those that it gets.
#[derive(Default)]
struct Gun {
    to: Option<SocketAddr>,
    count: usize,
    size: usize,
    got: Vec<(Duration, usize)>,
    ports: Vec<u16>,
}

fn shoot(gun: &mut Gun, net: &mut Context<'_>, fact: &Fact) {
    match fact {
        Fact::Started => {
            let socket = match gun.to {
                Some(_) => net.bind(None).unwrap(),
                None => net.bind(Some(53)).unwrap(),
            };
            gun.ports.push(net.socket_address(socket).unwrap().port());
            for number in 0..gun.count {
                let mut data = vec![0; gun.size.max(4)];
                data[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
                net.send(socket, gun.to.unwrap(), data.into());
            }
        }
        Fact::Datagram { data, from, .. } => {
            let number = u32::from_be_bytes(data[..4].try_into().unwrap());
            gun.got.push((net.now(), usize::try_from(number).unwrap()));
            gun.ports.push(from.port());
        }
        _ => {}
    }
}

fn guns(
    seed: u64,
    datagram: &DatagramConfig,
    host: &HostConfig,
    count: usize,
    size: usize,
) -> (Net, NodeId) {
    let mut net = Net::new(seed);
    let one = net.add_host("one", host, [ip(1)]);
    let two = net.add_host("two", &HostConfig::default(), [ip(2)]);
    let mut path = PathConfig::default();
    path.datagram = datagram.clone();
    net.set_path_both(one, two, path);
    let target = net.add_node(two, "target", actor(Gun::default(), shoot));
    let gun = Gun {
        to: Some(at(2, 53)),
        count,
        size,
        ..Gun::default()
    };
    net.add_node(one, "gun", actor(gun, shoot));
    net.run_until_idle().unwrap();
    (net, target)
}

fn got(net: &Net, id: NodeId) -> &Gun {
    &net.node::<Actor<Gun>>(id).unwrap().state
}

#[test]
fn datagrams_are_lost_doubled_and_overtaken_as_often_as_asked() {
    let plain = DatagramConfig::default();
    let host = HostConfig::default();
    let (net, target) = guns(1, &plain, &host, 1000, 4);
    assert_eq!(got(&net, target).got.len(), 1000);
    assert!(got(&net, target).got.is_sorted());

    let mut lossy = plain.clone();
    lossy.loss = 100_000;
    let (net, target) = guns(1, &lossy, &host, 1000, 4);
    assert!((860..940).contains(&got(&net, target).got.len()));

    let mut twice = plain.clone();
    twice.duplicate = 100_000;
    let (net, target) = guns(1, &twice, &host, 1000, 4);
    assert!((1060..1140).contains(&got(&net, target).got.len()));
    assert_eq!(
        net.stats().duplicated,
        u64::try_from(got(&net, target).got.len()).unwrap() - 1000
    );

    let mut late = plain.clone();
    late.reorder = 100_000;
    let (net, target) = guns(1, &late, &host, 1000, 4);
    let overtaken = got(&net, target)
        .got
        .iter()
        .filter(|(time, _)| *time == 60 * MS);
    assert!((60..140).contains(&overtaken.count()));

    let mut jittery = plain;
    jittery.jitter = 5 * MS;
    let (net, target) = guns(1, &jittery, &host, 1000, 4);
    let got = &got(&net, target).got;
    assert!(
        got.iter()
            .all(|(time, _)| (10 * MS..15 * MS).contains(time))
    );
    assert!(!got.iter().map(|(_, number)| number).is_sorted());
}

#[test]
fn datagrams_that_are_too_large_or_too_many_for_the_queue_are_gone() {
    let mut narrow = DatagramConfig::default();
    narrow.largest = 512;
    let host = HostConfig::default();
    assert_eq!(got_count(&narrow, &host, 5, 513), 0);
    assert_eq!(got_count(&narrow, &host, 5, 512), 5);
    let mut slow = HostConfig::rates(1000, 1000);
    slow.queue = 1000;
    // One is on the link, ten wait.
    assert_eq!(got_count(&DatagramConfig::default(), &slow, 50, 100), 11);
}

fn got_count(datagram: &DatagramConfig, host: &HostConfig, count: usize, size: usize) -> usize {
    let (net, target) = guns(1, datagram, host, count, size);
    got(&net, target).got.len()
}

#[test]
fn ports_are_random_and_decided_by_the_seed() {
    let port = |seed| {
        let config = DatagramConfig::default();
        let (net, target) = guns(seed, &config, &HostConfig::default(), 1, 4);
        got(&net, target).ports[1]
    };
    assert_eq!(port(1), port(1));
    let ports: std::collections::BTreeSet<u16> = (0..20).map(port).collect();
    assert!(ports.len() > 15);
    assert!(ports.iter().all(|port| *port >= 49_152));
}

/// A server whose link many share: each client sends `octets`, when is which done?
fn share(rates: &HostConfig, octets: &[usize]) -> Vec<Duration> {
    let mut net = Net::new(1);
    let host = net.add_host("source", rates, [ip(1)]);
    let mut readers = Vec::new();
    for (number, octets) in octets.iter().enumerate() {
        let number = u8::try_from(number).unwrap() + 2;
        let there = net.add_host("sink", &HostConfig::default(), [ip(number)]);
        readers.push(net.add_node(there, "sink", actor(Talker::default(), talk)));
        let talker = Talker {
            to: Some(at(number, 80)),
            say: text(*octets),
            ends: true,
            ..Talker::default()
        };
        net.add_node(host, "source", actor(talker, talk));
    }
    net.run_until_idle().unwrap();
    for (reader, octets) in readers.iter().zip(octets) {
        assert_eq!(talker(&net, *reader).heard, text(*octets));
    }
    let sum: usize = octets.iter().sum();
    assert_eq!(
        net.host_octets(host).unwrap().0,
        u64::try_from(sum).unwrap()
    );
    readers
        .iter()
        .map(|reader| talker(&net, *reader).last)
        .collect()
}

#[test]
fn flows_share_a_link_and_none_starves() {
    let rates = HostConfig::rates(100_000, 100_000);
    let alone = share(&rates, &[100_000]);
    assert_eq!(alone, [1030 * MS]);
    let both = share(&rates, &[100_000, 100_000]);
    // Each has half: both are done after two seconds.
    assert!(
        both.iter()
            .all(|time| (2000 * MS..2060 * MS).contains(time)),
        "{both:?}"
    );
    // One segment waits for one of the other's at most, not for all 64 KiB of its window.
    let small = share(&rates, &[500_000, 1000]);
    assert!(small[1] < 80 * MS, "{small:?}");
}

#[test]
fn a_host_that_fails_breaks_its_streams_and_comes_back_empty() {
    // The peer learns of it after some time without an answer.
    let (mut net, client, server) = two(1, &StreamConfig::default(), "hello", "");
    let host = HostId::clone(&net.host_of(server).unwrap());
    net.fail_at(25 * MS, host);
    net.run_until_idle().unwrap();
    assert_eq!(told(&net, client).last().unwrap(), "30025 Reset");
    assert_eq!(told(&net, server), ["0 Started", "10 Accepted"]);
    assert!(net.stats().dropped > 0, "what arrived at the dead host");

    // Or when it has come back.
    let (mut net, client, server) = two(1, &StreamConfig::default(), "hello", "");
    net.fail_at(25 * MS, host);
    net.recover_at(500 * MS, host);
    net.run_until_idle().unwrap();
    assert_eq!(told(&net, client).last().unwrap(), "510 Reset");
    assert_eq!(
        told(&net, server),
        ["0 Started", "10 Accepted", "500 Restarted"]
    );
    // It listens again, as it does when it is told.
    let host = net.host_of(client).unwrap();
    let again = Talker {
        to: Some(at(2, 80)),
        ..Talker::default()
    };
    let again = net.add_node(host, "again", actor(again, talk));
    net.run_until(net.now() + 100 * MS).unwrap();
    assert!(told(&net, again)[1].ends_with("Connected"));

    // And to a host that is down nobody connects.
    let (mut net, client, server) = two(1, &StreamConfig::default(), "hello", "");
    let host = net.host_of(server).unwrap();
    net.fail(host);
    net.run_until_idle().unwrap();
    assert_eq!(told(&net, client), ["0 Started", "30000 Reset"]);
}

#[test]
fn a_cut_path_stalls_streams_until_it_is_mended_or_they_are_given_up() {
    let run = |mend: bool| {
        let (mut net, client, server) = two(1, &StreamConfig::default(), "hello", "welcome");
        let hosts = [client, server].map(|node| net.host_of(node).unwrap());
        net.run_until(20 * MS).unwrap();
        net.cut(hosts[0], hosts[1]);
        net.run_until(Duration::from_secs(1)).unwrap();
        if mend {
            net.mend(hosts[0], hosts[1]);
        }
        net.run_until_idle().unwrap();
        (
            told(&net, client).pop().unwrap(),
            told(&net, server).pop().unwrap(),
            talker(&net, server).heard.clone(),
        )
    };
    // The client said hello before the cut, and what is on the way still arrives; the end of the
    // server's side is lost.
    let (client, server, heard) = run(true);
    assert_eq!(heard, "hello");
    assert!(client.ends_with("Eof"), "{client}");
    assert!(server.ends_with("Eof"), "{server}");
    let (client, ..) = run(false);
    assert!(client.ends_with("Reset"), "{client}");
}

#[test]
fn tls_is_a_meeting_of_both_sides() {
    let run = |pipelined: &'static [u8], impatient: bool| {
        let mut net = Net::new(1);
        let hosts = [1, 2].map(|n| net.add_host("h", &HostConfig::default(), [ip(n)]));
        net.add_node(
            hosts[1],
            "server",
            actor(BytesMut::new(), |input, net, fact| match fact {
                Fact::Started => {
                    net.listen(80);
                }
                Fact::Readable { stream } => {
                    while net.read(*stream, input) > 0 {
                        if input.split().ends_with(b"TLS") {
                            net.start_tls(*stream);
                        }
                    }
                }
                Fact::Secured { stream } => {
                    net.write(*stream, b"secret");
                }
                _ => {}
            }),
        );
        let client = net.add_node(
            hosts[0],
            "client",
            actor(
                (pipelined, impatient, None, BytesMut::new()),
                |(pipelined, impatient, secured, heard), net, fact| match fact {
                    Fact::Started => {
                        net.connect(at(2, 80));
                    }
                    Fact::Connected { stream } => {
                        net.write(*stream, b"TLS");
                        net.write(*stream, pipelined);
                        net.start_tls(*stream);
                        if *impatient {
                            net.write(*stream, b"too early");
                        }
                    }
                    Fact::Secured { .. } => *secured = Some(net.now()),
                    Fact::Readable { stream } => {
                        net.read(*stream, heard);
                    }
                    _ => {}
                },
            ),
        );
        let outcome = net.run_until_idle();
        type State = (&'static [u8], bool, Option<Duration>, BytesMut);
        let state = &net.node::<Actor<State>>(client).unwrap().state;
        (outcome, state.2, state.3.clone())
    };
    let (outcome, secured, heard) = run(b"", false);
    assert_eq!(outcome, Ok(()));
    assert_eq!(secured, Some(40 * MS));
    assert_eq!(heard, "secret");
    // What comes in plaintext after the upgrade line breaks the handshake.
    let (outcome, secured, heard) = run(b"injected", false);
    assert_eq!((outcome, secured), (Ok(()), None));
    assert_eq!(heard, "");
    let (outcome, ..) = run(b"", true);
    assert_eq!(
        outcome,
        Err(SimError::Plaintext {
            node: "client".into(),
            at: 20 * MS
        })
    );
}

#[test]
fn going_back_to_plaintext_keeps_the_order() {
    let (mut net, client, server) = two(1, &StreamConfig::default(), "", "");
    let stream = |net: &Net| talker(net, client).stream.unwrap();
    net.with(client, |node: &mut Actor<Talker>, _| {
        node.state.ends = false
    })
    .unwrap();
    net.run_until(50 * MS).unwrap();
    let id = stream(&net);
    net.with(client, |_: &mut Actor<Talker>, net| {
        net.write(id, b"secret");
        net.stop_tls(id);
        net.write(id, b", plain");
    })
    .unwrap();
    net.run_until(100 * MS).unwrap();
    assert_eq!(talker(&net, server).heard, "secret, plain");
}

#[test]
fn endless_chatter_ends_in_an_error_that_names_the_node() {
    let mut limits = RunLimits::default();
    limits.chatter = 1000;
    let mut net = Net::new(1);
    net.set_limits(limits.clone());
    let host = net.add_host("h", &HostConfig::default(), [ip(1)]);
    // A timer that is due whenever it is asked for.
    #[derive(Debug)]
    struct Hot;
    impl Node for Hot {
        fn handle(&mut self, _: &mut Context<'_>, _: Fact) {}
        fn poll_timeout(&self) -> Option<Duration> {
            Some(Duration::from_millis(3))
        }
    }
    net.add_node(host, "hot", Hot);
    let error = net.run_until_idle().unwrap_err();
    assert_eq!(
        error,
        SimError::Chatter {
            node: "hot".into(),
            at: 3 * MS,
            last: "Timer".into()
        }
    );
    assert_eq!(
        error.to_string(),
        "node hot chatters without end at 3ms; last it was told Timer"
    );

    // Two that answer each other for ever, while the clock advances: a budget for the whole run.
    limits.wakeups = 5000;
    let mut net = Net::new(1);
    net.set_limits(limits);
    let hosts = [1, 2].map(|n| net.add_host("h", &HostConfig::default(), [ip(n)]));
    for (host, other) in hosts.into_iter().zip([2, 1]) {
        net.add_node(
            host,
            "parrot",
            actor(other, |other, net, fact| match fact {
                Fact::Started => {
                    let socket = net.bind(Some(53)).unwrap();
                    net.send(socket, at(*other, 53), "hi".into());
                }
                Fact::Datagram { socket, from, data } => {
                    net.send(*socket, *from, data.clone());
                }
                _ => {}
            }),
        );
    }
    let error = net.run_until_idle().unwrap_err();
    assert!(matches!(&error, SimError::Endless { node, .. } if node == "parrot"));
    assert!(error.to_string().starts_with("no end after 5001 wake-ups"));
}

#[test]
fn the_clock_does_not_move_for_what_no_longer_matters() {
    let (mut net, ..) = two(1, &StreamConfig::default(), "hello", "welcome");
    net.run_until_idle().unwrap();
    // The timeout of the connect lay at 30 s.
    assert_eq!(net.now(), 40 * MS);
    net.run_until(Duration::from_secs(1)).unwrap();
    assert_eq!(net.now(), Duration::from_secs(1));
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    let run = |seed| {
        let mut stream = StreamConfig::torn();
        stream.loss = 100_000;
        let (mut net, ..) = two(seed, &stream, &"x".repeat(3000), &"y".repeat(3000));
        net.keep_transcript();
        net.run_until_idle().unwrap();
        net.transcript().unwrap().to_string()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    assert!(run(7).lines().count() > 100);
    assert!(!run(7).is_empty());
}
