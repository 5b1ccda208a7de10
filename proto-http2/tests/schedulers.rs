//! The three schedulers, alone: known orders, shares by weight, and a slow model of the tree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use proto_http2::priority::{Fair, Priority, Scheduler, Signal, Tree, Urgency};
use proto_http2::wire::StreamDependency;
use std::collections::BTreeMap;

fn on(on: u32, weight: u16, exclusive: bool) -> Signal {
    Signal::Dependency(StreamDependency {
        on,
        weight,
        exclusive,
    })
}

fn urgency(urgency: u8, incremental: bool) -> Signal {
    Signal::Urgency(Priority {
        urgency,
        incremental,
    })
}

/// Sends so many frames of 1000 octets; who sent them.
fn send(scheduler: &mut impl Scheduler, frames: usize) -> Vec<u32> {
    let mut order = Vec::new();
    for _ in 0..frames {
        let Some(stream) = scheduler.next() else {
            break;
        };
        assert_eq!(scheduler.next(), Some(stream), "the same until it has sent");
        scheduler.sent(stream, 1000);
        order.push(stream);
    }
    order
}

fn shares(order: &[u32]) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    for stream in order {
        *shares.entry(*stream).or_default() += 1;
    }
    shares
}

#[test]
fn fair_goes_round() {
    let mut fair = Fair::new();
    for stream in [1, 3, 5] {
        fair.open(stream, None);
        fair.ready(stream);
    }
    assert_eq!(send(&mut fair, 7), [1, 3, 5, 1, 3, 5, 1]);
    fair.rest(5);
    assert_eq!(send(&mut fair, 4), [3, 1, 3, 1]);
    fair.ready(5);
    assert_eq!(send(&mut fair, 3), [3, 1, 5]);
    for stream in [1, 3, 5] {
        fair.rest(stream);
        fair.close(stream);
    }
    assert_eq!(fair.next(), None);
}

/// RFC 9218 section 10.
#[test]
fn urgency_orders_by_level_then_request_or_turn() {
    let mut scheduler = Urgency::new();
    for (stream, signal) in [
        (1, urgency(5, false)),
        (3, urgency(3, true)),
        (5, urgency(3, true)),
        (9, urgency(3, false)),
        (7, urgency(3, false)),
        (11, urgency(0, false)),
    ] {
        scheduler.open(stream, Some(signal));
        scheduler.ready(stream);
    }
    let mut order = Vec::new();
    // Each has three frames.
    let mut left = BTreeMap::from([(1, 3), (3, 3), (5, 3), (7, 3), (9, 3), (11, 3)]);
    while let Some(stream) = scheduler.next() {
        scheduler.sent(stream, 1000);
        order.push(stream);
        let left = left.get_mut(&stream).unwrap();
        *left -= 1;
        if *left == 0 {
            scheduler.rest(stream);
            scheduler.close(stream);
        }
    }
    assert_eq!(
        order,
        [11, 11, 11, 7, 7, 7, 9, 9, 9, 3, 5, 3, 5, 3, 5, 1, 1, 1]
    );
}

/// A priority may change while a stream waits, while it rests, and before it is opened.
#[test]
fn urgency_follows_changes() {
    let mut scheduler = Urgency::new();
    scheduler.reprioritise(3, urgency(1, false));
    for stream in [1, 3, 5] {
        scheduler.open(stream, None);
        scheduler.ready(stream);
    }
    assert_eq!(scheduler.next(), Some(3));
    scheduler.reprioritise(5, urgency(0, false));
    assert_eq!(scheduler.next(), Some(5));
    scheduler.rest(5);
    scheduler.reprioritise(5, urgency(7, false));
    scheduler.ready(5);
    scheduler.rest(3);
    scheduler.close(3);
    assert_eq!(send(&mut scheduler, 2), [1, 1]);
    // The other scheme says nothing here.
    scheduler.reprioritise(5, on(0, 256, true));
    assert_eq!(scheduler.next(), Some(1));
    scheduler.rest(1);
    assert_eq!(scheduler.next(), Some(5));
    assert!(!format!("{scheduler:?}").contains("99"));
}

/// RFC 7540 section 5.3.2: siblings share in proportion to their weights.
#[test]
fn the_tree_splits_by_weight() {
    let mut tree = Tree::new(10);
    let weights = [(1, 1), (3, 16), (5, 64), (7, 256)];
    for (stream, weight) in weights {
        tree.open(stream, Some(on(0, weight, false)));
        tree.ready(stream);
    }
    let frames = 33_700;
    let shares = shares(&send(&mut tree, frames));
    for (stream, weight) in weights {
        let expected = frames * usize::from(weight) / 337;
        let share = shares[&stream];
        assert!(
            share.abs_diff(expected) * 100 <= frames,
            "{stream} of weight {weight}: {share}, not {expected}"
        );
    }
}

/// What depends on a stream is sent when that has nothing to send, and shares its weight.
#[test]
fn the_tree_sends_parents_first() {
    let mut tree = Tree::new(10);
    tree.open(1, Some(on(0, 16, false)));
    tree.open(3, Some(on(1, 100, false)));
    tree.open(5, Some(on(1, 100, false)));
    tree.open(7, Some(on(0, 16, false)));
    for stream in [3, 5, 7] {
        tree.ready(stream);
    }
    let shared = shares(&send(&mut tree, 4000));
    assert_eq!(shared, BTreeMap::from([(3, 1000), (5, 1000), (7, 2000)]));
    tree.ready(1);
    let shared = shares(&send(&mut tree, 1000));
    assert_eq!(shared, BTreeMap::from([(1, 500), (7, 500)]));
}

/// RFC 7540 section 5.3.4: who closes leaves its weight to its children.
#[test]
fn the_tree_keeps_shares_when_a_parent_goes() {
    let mut tree = Tree::new(0);
    tree.open(1, Some(on(0, 30, false)));
    tree.open(3, Some(on(1, 10, false)));
    tree.open(5, Some(on(1, 20, false)));
    tree.close(1);
    assert_eq!(tree.dependency(1), None);
    assert_eq!(tree.dependency(3), Some((0, 10)));
    assert_eq!(tree.dependency(5), Some((0, 20)));
}

/// RFC 7540 section 5.3.1: the drawings of it.
#[test]
fn the_tree_depends_and_reprioritises_as_drawn() {
    let mut tree = Tree::new(10);
    // B and C depend on A; D comes, exclusively.
    let (a, b, c, d, e, f) = (1, 3, 5, 7, 9, 11);
    tree.open(a, None);
    tree.open(b, Some(on(a, 16, false)));
    tree.open(c, Some(on(a, 16, false)));
    tree.open(d, Some(on(a, 16, true)));
    let parent = |tree: &Tree, stream| tree.dependency(stream).unwrap().0;
    assert_eq!([b, c, d].map(|stream| parent(&tree, stream)), [d, d, a]);
    // Section 5.3.3: A - (B, C), C - (D, E), D - F; A is to depend on D.
    let mut tree = Tree::new(10);
    tree.open(a, None);
    tree.open(b, Some(on(a, 16, false)));
    tree.open(c, Some(on(a, 16, false)));
    tree.open(d, Some(on(c, 16, false)));
    tree.open(e, Some(on(c, 16, false)));
    tree.open(f, Some(on(d, 16, false)));
    let mut exclusive = tree.clone();
    tree.reprioritise(a, on(d, 16, false));
    let all = [a, b, c, d, e, f];
    let parents = all.map(|stream| parent(&tree, stream));
    assert_eq!(parents, [d, a, a, 0, c, d]);
    exclusive.reprioritise(a, on(d, 16, true));
    let parents = all.map(|stream| parent(&exclusive, stream));
    assert_eq!(parents, [d, a, a, 0, c, a]);
}

/// Groups of idle streams work, and are bounded.
#[test]
fn the_tree_remembers_so_many_that_are_not_open() {
    let mut tree = Tree::new(5);
    // As a browser of old does: idle streams as groups.
    tree.reprioritise(3, on(0, 201, false));
    tree.reprioritise(5, on(0, 101, false));
    tree.open(13, Some(on(3, 16, false)));
    tree.open(15, Some(on(5, 16, false)));
    tree.ready(13);
    tree.ready(15);
    let shared = shares(&send(&mut tree, 302));
    assert!(shared[&13].abs_diff(201) <= 2, "{shared:?}");
    for stream in (101..5001).step_by(2) {
        tree.reprioritise(stream, on(stream - 2, 9, true));
    }
    assert!(tree.len() <= 2 + 5, "{}", tree.len());
    let mut none = Tree::new(0);
    none.reprioritise(3, on(5, 9, true));
    assert!(none.len() <= 1);
}

/// A chain as deep as there are streams costs no stack, and sends.
#[test]
fn the_tree_walks_chains_by_loops() {
    let mut tree = Tree::new(0);
    for stream in 1..100_000 {
        tree.open(stream, Some(on(stream - 1, 16, false)));
    }
    tree.ready(99_999);
    assert_eq!(send(&mut tree, 3), [99_999; 3]);
}

/// Found by the model below: who was made active while it stood in no place stayed in the list of
/// its former parent, and whoever was chosen through that list had nothing to send.
#[test]
fn the_tree_forgets_who_moved_over_ready_siblings() {
    let mut tree = Tree::new(0);
    for (stream, parent) in [(1, 0), (3, 1), (5, 0)] {
        tree.open(stream, Some(on(parent, 16, false)));
    }
    tree.ready(5);
    tree.reprioritise(3, on(0, 16, true));
    assert_eq!(tree.next(), Some(5));
    tree.rest(5);
    assert_eq!(tree.next(), None);
    tree.open(7, Some(on(0, 1, false)));
    tree.ready(7);
    assert_eq!(send(&mut tree, 3), [7; 3]);
}

#[derive(Clone, Debug)]
enum Act {
    Open(u32, Option<(u32, u16, bool)>),
    Depend(u32, (u32, u16, bool)),
    Ready(u32),
    Rest(u32),
    Sent,
    Close(u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let stream = 1..12u32;
    let signal = (0..12u32, 1..=256u16, any::<bool>());
    let act = prop_oneof![
        2 => (stream.clone(), prop::option::of(signal.clone())).prop_map(|(s, d)| Act::Open(s, d)),
        3 => (stream.clone(), signal).prop_map(|(s, d)| Act::Depend(s, d)),
        3 => stream.clone().prop_map(Act::Ready),
        1 => stream.clone().prop_map(Act::Rest),
        3 => Just(Act::Sent),
        1 => stream.prop_map(Act::Close),
    ];
    prop::collection::vec(act, 1..80)
}

/// Holds a scheduler to its interface: it gives who is ready and no other, as long as there is one.
fn model(scheduler: &mut dyn Scheduler, acts: &[Act], mut check: impl FnMut(&[u32], Option<u32>)) {
    let mut open: BTreeMap<u32, bool> = BTreeMap::new();
    let urgent = |(on, weight, flag): (u32, u16, bool)| {
        let _ = on;
        urgency((weight % 8) as u8, flag)
    };
    for act in acts {
        match *act {
            Act::Open(stream, depends) => {
                if open.insert(stream, false).is_none() {
                    let signal = depends.map(|(to, weight, flag)| on(to, weight, flag));
                    scheduler.open(stream, signal);
                    if let Some(depends) = depends {
                        scheduler.reprioritise(stream, urgent(depends));
                    }
                } else {
                    open.insert(stream, true);
                    scheduler.rest(stream);
                    scheduler.ready(stream);
                }
            }
            Act::Depend(stream, depends) => {
                let (to, weight, flag) = depends;
                scheduler.reprioritise(stream, on(to, weight, flag));
                if open.contains_key(&stream) {
                    scheduler.reprioritise(stream, urgent(depends));
                }
            }
            Act::Ready(stream) => {
                if let Some(ready) = open.get_mut(&stream).filter(|ready| !**ready) {
                    *ready = true;
                    scheduler.ready(stream);
                }
            }
            Act::Rest(stream) => {
                if let Some(ready) = open.get_mut(&stream).filter(|ready| **ready) {
                    *ready = false;
                    scheduler.rest(stream);
                }
            }
            Act::Sent => {
                if let Some(stream) = scheduler.next() {
                    scheduler.sent(stream, 500);
                }
            }
            Act::Close(stream) => {
                if let Some(ready) = open.remove(&stream) {
                    if ready {
                        scheduler.rest(stream);
                    }
                    scheduler.close(stream);
                }
            }
        }
        let ready: Vec<u32> = open
            .iter()
            .filter(|(_, ready)| **ready)
            .map(|(s, _)| *s)
            .collect();
        let next = scheduler.next();
        assert_eq!(
            next.is_some(),
            !ready.is_empty(),
            "{act:?}: {next:?} of {ready:?}"
        );
        assert!(
            next.is_none_or(|next| ready.contains(&next)),
            "{act:?}: {next:?} of {ready:?}"
        );
        check(&ready, next);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn fair_gives_who_is_ready(acts in acts()) {
        model(&mut Fair::new(), &acts, |_, _| {});
    }

    #[test]
    fn urgency_gives_who_is_ready(acts in acts()) {
        model(&mut Urgency::new(), &acts, |_, _| {});
    }

    #[test]
    fn the_tree_gives_who_is_ready(acts in acts(), retained in 0..6usize) {
        model(&mut Tree::new(retained), &acts, |_, _| {});
    }

    /// No cycle is made, nobody is lost, and who is ready never waits for one that depends on it.
    #[test]
    fn the_tree_stays_a_tree(acts in acts(), retained in 0..6usize) {
        let mut tree = Tree::new(retained);
        let mut open = std::collections::BTreeSet::new();
        for act in &acts {
            match *act {
                Act::Open(stream, depends) if open.insert(stream) => {
                    tree.open(stream, depends.map(|(to, weight, flag)| on(to, weight, flag)));
                }
                Act::Depend(stream, (to, weight, flag)) => {
                    tree.reprioritise(stream, on(to, weight, flag));
                }
                Act::Close(stream) if open.remove(&stream) => tree.close(stream),
                _ => {}
            }
            prop_assert!(tree.len() <= open.len() + retained);
            for stream in 1..12u32 {
                let Some((mut parent, weight)) = tree.dependency(stream) else {
                    prop_assert!(!open.contains(&stream), "{stream} is lost");
                    continue;
                };
                prop_assert!((1..=256).contains(&weight));
                for _ in 0..20 {
                    prop_assert!(parent != stream, "{stream} depends on itself");
                    if parent == 0 {
                        break;
                    }
                    parent = tree.dependency(parent).expect("a parent is known").0;
                }
                prop_assert_eq!(parent, 0, "no way up from {}", stream);
            }
        }
    }
}
