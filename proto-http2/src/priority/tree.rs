//! The dependency tree of RFC 7540 section 5.3.
//!
//! Nodes live in a map by stream. Each keeps its children that have something to send, themselves or
//! below, ordered by how much they were served: octets divided by weight. So choosing walks down from
//! the root and takes the least-served child at each step. All walks are loops, and no cycle can be
//! made: a stream that is to depend on its own descendant is moved as section 5.3.3 says.

use super::{Scheduler, Signal};
use crate::wire::StreamDependency;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

/// The scheduler of RFC 7540.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<u32, Node>,
    /// Idle and closed streams that are still nodes, oldest first.
    retained: VecDeque<u32>,
    max_retained: usize,
    max_depth: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    parent: u32,
    weight: u16,
    children: BTreeSet<u32>,
    /// Children with something to send, by what they got.
    active: BTreeSet<(u64, u32)>,
    /// What it got from its parent, in octets by weight.
    served: u64,
    is_ready: bool,
    is_open: bool,
}

impl Node {
    fn is_active(&self) -> bool {
        self.is_ready || !self.active.is_empty()
    }
}

impl Tree {
    /// A tree that remembers at most `max_retained` streams which are not open: grouping nodes of
    /// idle streams, and closed ones (RFC 7540 section 5.3.4).
    #[must_use]
    pub fn new(max_retained: usize) -> Self {
        let mut nodes = BTreeMap::new();
        nodes.insert(0, Node::default());
        Self {
            nodes,
            retained: VecDeque::new(),
            max_retained,
            max_depth: 64,
        }
    }

    /// How many streams it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a stream depends on and its weight.
    #[must_use]
    pub fn dependency(&self, stream: u32) -> Option<(u32, u16)> {
        let node = self.nodes.get(&stream).filter(|_| stream != 0)?;
        Some((node.parent, node.weight))
    }

    /// Takes a node, with all below it, out of its parent's lists.
    fn detach(&mut self, stream: u32) {
        let Some(node) = self.nodes.get(&stream) else {
            return;
        };
        let (parent, served, is_active) = (node.parent, node.served, node.is_active());
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children.remove(&stream);
        }
        if is_active {
            self.deactivate(parent, served, stream);
        }
    }

    fn attach(&mut self, stream: u32, parent: u32) {
        let least = self
            .nodes
            .get(&parent)
            .and_then(|node| node.active.first())
            .map_or(0, |&(served, _)| served);
        let Some(node) = self.nodes.get_mut(&stream) else {
            return;
        };
        node.parent = parent;
        node.served = least;
        let is_active = node.is_active();
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children.insert(stream);
        }
        if is_active {
            self.activate(stream);
        }
    }

    /// Enters a node that has become active into its parent's list, and so on upwards.
    fn activate(&mut self, mut stream: u32) {
        while stream != 0 {
            let Some(node) = self.nodes.get(&stream) else {
                return;
            };
            let (parent, mut served) = (node.parent, node.served);
            let Some(above) = self.nodes.get_mut(&parent) else {
                return;
            };
            let was_active = above.is_active();
            // Who rested does not catch up.
            if let Some(&(least, _)) = above.active.first() {
                served = served.max(least);
            }
            above.active.insert((served, stream));
            if let Some(node) = self.nodes.get_mut(&stream) {
                node.served = served;
            }
            if was_active {
                return;
            }
            stream = parent;
        }
    }

    /// Takes a child out of the list of `parent`, and so on upwards.
    fn deactivate(&mut self, mut parent: u32, mut served: u64, mut stream: u32) {
        loop {
            let Some(node) = self.nodes.get_mut(&parent) else {
                return;
            };
            node.active.remove(&(served, stream));
            if node.is_active() || parent == 0 {
                return;
            }
            (stream, served, parent) = (parent, node.served, node.parent);
        }
    }

    fn is_below(&self, mut stream: u32, ancestor: u32) -> bool {
        // The tree is no deeper than it has nodes.
        for _ in 0..self.nodes.len() {
            if stream == ancestor {
                return true;
            }
            let Some(node) = self.nodes.get(&stream).filter(|_| stream != 0) else {
                return false;
            };
            stream = node.parent;
        }
        false
    }

    fn depth(&self, mut stream: u32) -> usize {
        let mut depth = 0usize;
        while let Some(node) = self.nodes.get(&stream).filter(|_| stream != 0) {
            stream = node.parent;
            depth = depth.saturating_add(1);
            if depth > self.max_depth {
                break;
            }
        }
        depth
    }

    fn insert(&mut self, stream: u32) {
        let node = Node {
            weight: 16,
            ..Node::default()
        };
        self.nodes.insert(stream, node);
        self.attach(stream, 0);
    }

    /// Remembers a stream that is not open, and forgets the oldest such beyond the limit.
    fn retain(&mut self, stream: u32) {
        self.retained.push_back(stream);
        while self.retained.len() > self.max_retained {
            if let Some(oldest) = self.retained.pop_front() {
                self.remove(oldest);
            }
        }
    }

    /// RFC 7540 section 5.3.4: the children of a removed node move to its parent and share its
    /// weight.
    fn remove(&mut self, stream: u32) {
        let Some(node) = self.nodes.get(&stream) else {
            return;
        };
        let (parent, weight) = (node.parent, node.weight);
        let children = node.children.clone();
        self.detach(stream);
        let total: u64 = children
            .iter()
            .filter_map(|child| self.nodes.get(child))
            .fold(0, |sum, child| sum.saturating_add(u64::from(child.weight)));
        self.nodes.remove(&stream);
        for child in children {
            if let Some(node) = self.nodes.get_mut(&child) {
                let share = u64::from(node.weight).saturating_mul(u64::from(weight));
                let share = share.checked_div(total).unwrap_or(1);
                node.weight = u16::try_from(share).unwrap_or(256).clamp(1, 256);
            }
            self.attach(child, parent);
        }
    }

    fn depend(&mut self, stream: u32, on: StreamDependency) {
        if on.on == stream || stream == 0 {
            return;
        }
        // RFC 7540 section 5.3.1: an unknown one is as the root, or an idle one made for grouping.
        if on.on != 0 && !self.nodes.contains_key(&on.on) {
            self.insert(on.on);
            self.retain(on.on);
        }
        let mut parent = if self.nodes.contains_key(&on.on) {
            on.on
        } else {
            0
        };
        if self.depth(parent) >= self.max_depth {
            parent = 0;
        }
        if parent != 0 && self.is_below(parent, stream) {
            // RFC 7540 section 5.3.3: the descendant moves up first.
            let above = self.nodes.get(&stream).map_or(0, |node| node.parent);
            self.detach(parent);
            self.attach(parent, above);
        }
        self.detach(stream);
        if let Some(node) = self.nodes.get_mut(&stream) {
            node.weight = on.weight.clamp(1, 256);
        }
        let siblings = match self.nodes.get(&parent) {
            Some(node) if on.exclusive => node.children.clone(),
            _ => BTreeSet::new(),
        };
        // First it has its place: who moves below it may make it active, which it tells its parent.
        self.attach(stream, parent);
        for sibling in siblings {
            self.detach(sibling);
            self.attach(sibling, stream);
        }
    }
}

impl Scheduler for Tree {
    fn open(&mut self, stream: u32, signal: Option<Signal>) {
        if self.nodes.contains_key(&stream) {
            self.retained.retain(|&other| other != stream);
        } else {
            self.insert(stream);
        }
        if let Some(node) = self.nodes.get_mut(&stream) {
            node.is_open = true;
        }
        if let Some(signal) = signal {
            self.reprioritise(stream, signal);
        }
    }

    fn reprioritise(&mut self, stream: u32, signal: Signal) {
        let Signal::Dependency(on) = signal else {
            return;
        };
        if !self.nodes.contains_key(&stream) && stream != 0 {
            if self.max_retained == 0 {
                return;
            }
            self.insert(stream);
            self.retain(stream);
        }
        if self.nodes.contains_key(&stream) {
            self.depend(stream, on);
        }
    }

    fn ready(&mut self, stream: u32) {
        let Some(node) = self.nodes.get_mut(&stream) else {
            return;
        };
        let was_active = node.is_active();
        node.is_ready = true;
        if !was_active {
            self.activate(stream);
        }
    }

    fn rest(&mut self, stream: u32) {
        let Some(node) = self.nodes.get_mut(&stream) else {
            return;
        };
        node.is_ready = false;
        if !node.is_active() {
            let (parent, served) = (node.parent, node.served);
            self.deactivate(parent, served, stream);
        }
    }

    fn next(&mut self) -> Option<u32> {
        let mut stream = 0;
        loop {
            let node = self.nodes.get(&stream)?;
            if node.is_ready {
                return Some(stream);
            }
            stream = node.active.first()?.1;
        }
    }

    fn sent(&mut self, mut stream: u32, octets: usize) {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX).max(1);
        while stream != 0 {
            let Some(node) = self.nodes.get_mut(&stream) else {
                return;
            };
            let old = node.served;
            let share = octets
                .saturating_mul(256)
                .checked_div(u64::from(node.weight));
            node.served = old.saturating_add(share.unwrap_or(octets).max(1));
            let (parent, new, is_active) = (node.parent, node.served, node.is_active());
            if is_active && let Some(above) = self.nodes.get_mut(&parent) {
                above.active.remove(&(old, stream));
                above.active.insert((new, stream));
            }
            stream = parent;
        }
    }

    fn close(&mut self, stream: u32) {
        let Some(node) = self.nodes.get_mut(&stream).filter(|_| stream != 0) else {
            return;
        };
        node.is_open = false;
        if node.is_ready {
            self.rest(stream);
        }
        self.retain(stream);
    }
}
