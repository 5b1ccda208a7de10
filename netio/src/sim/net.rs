//! The network as a whole, and its clock.

use super::config::{HostConfig, PathConfig, RunLimits};
use super::node::{Context, Fact, Node};
use super::transcript::{Call, Transcript};
use super::world::{Wake, World};
use super::{HostId, NodeId, Rng, Seed, SimError, Stats};
use core::any::Any;
use core::net::IpAddr;
use core::time::Duration;

/// A virtual network with its hosts, nodes and clock. One seed decides everything that is random.
///
/// See the [module](super) for an example.
#[derive(Debug)]
pub struct Net {
    world: World,
    nodes: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    host: HostId,
    node: Option<Box<dyn Node>>,
    armed: Option<Duration>,
    /// How often it was called at the time beside it.
    calls: (Duration, u64),
    all_calls: u64,
}

impl Net {
    /// An empty network at time zero.
    pub fn new(seed: impl Into<Seed>) -> Self {
        Self {
            world: World::new(Rng::new(seed)),
            nodes: Vec::new(),
        }
    }

    /// Sets the path between hosts that have none of their own. Streams that exist keep theirs.
    pub fn set_default_path(&mut self, path: PathConfig) {
        self.world.path = path;
    }

    /// Sets the path from one host to another, for this direction.
    pub fn set_path(&mut self, from: HostId, to: HostId, path: PathConfig) {
        self.world.set_path(from, to, path);
    }

    /// Sets the path between two hosts, for both directions.
    pub fn set_path_both(&mut self, one: HostId, other: HostId, path: PathConfig) {
        self.world.set_path(one, other, path.clone());
        self.world.set_path(other, one, path);
    }

    /// Sets the bounds of a run.
    pub fn set_limits(&mut self, limits: RunLimits) {
        self.world.limits = limits;
    }

    /// Keeps a [`Transcript`] from now on.
    pub fn keep_transcript(&mut self) {
        self.world.transcript.get_or_insert_default();
    }

    /// Adds a host. Its addresses can be any; nothing leaves this process.
    pub fn add_host(
        &mut self,
        name: &str,
        config: &HostConfig,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> HostId {
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        self.world.add_host(name, config, &addresses)
    }

    /// Adds a node to a host. It gets [`Fact::Started`] at once, that is when the clock next runs.
    pub fn add_node(&mut self, host: HostId, name: &str, node: impl Node) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Slot {
            name: name.to_string(),
            host,
            node: Some(Box::new(node)),
            armed: None,
            calls: (Duration::ZERO, 0),
            all_calls: 0,
        });
        if let Some(host) = self.world.hosts.get_mut(host.0) {
            host.nodes.push(id);
        }
        let now = self.world.now;
        self.world.queue.push(now, Wake::Start(id));
        id
    }

    /// A host fails now: its sockets and what waits in it are gone, its nodes hear nothing. Peers of
    /// its streams learn of it after [`StreamConfig::give_up`](super::StreamConfig::give_up), or
    /// when it recovers.
    pub fn fail(&mut self, host: HostId) {
        self.world.fail(host);
    }

    /// A host comes back now; its nodes get [`Fact::Restarted`].
    pub fn recover(&mut self, host: HostId) {
        let now = self.world.now;
        self.world.queue.push(now, Wake::Recover(host));
    }

    /// A host fails at a time.
    pub fn fail_at(&mut self, at: Duration, host: HostId) {
        let at = at.max(self.world.now);
        self.world.queue.push(at, Wake::Fail(host));
    }

    /// A host comes back at a time.
    pub fn recover_at(&mut self, at: Duration, host: HostId) {
        let at = at.max(self.world.now);
        self.world.queue.push(at, Wake::Recover(host));
    }

    /// Lets the next thing happen; false when there is none.
    ///
    /// # Errors
    ///
    /// [`SimError`] when a node chatters without end, or breaks a rule of the network.
    pub fn step(&mut self) -> Result<bool, SimError> {
        self.drop_stale();
        let Some((at, wake)) = self.world.queue.pop() else {
            return Ok(false);
        };
        self.world.now = self.world.now.max(at);
        self.world.stats.wakeups = self.world.stats.wakeups.saturating_add(1);
        if let Wake::Timer(node, _) = wake
            && let Some(slot) = self.nodes.get_mut(node.0)
        {
            slot.armed = None;
        }
        self.world.handle(wake);
        while let Some((node, fact)) = self.world.facts.pop_front() {
            self.call(node, fact)?;
        }
        if self.world.stats.wakeups > self.world.limits.wakeups {
            let busiest = self.nodes.iter().max_by_key(|slot| slot.all_calls);
            return Err(SimError::Endless {
                node: busiest.map_or_else(String::new, |slot| slot.name.clone()),
                at: self.world.now,
                wakeups: self.world.stats.wakeups,
            });
        }
        Ok(true)
    }

    /// Runs up to and including a time, and leaves the clock there.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn run_until(&mut self, until: Duration) -> Result<(), SimError> {
        self.drop_stale();
        while self.next_time().is_some_and(|next| next <= until) {
            self.step()?;
            self.drop_stale();
        }
        self.world.now = self.world.now.max(until);
        Ok(())
    }

    /// Runs until nothing more can happen.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step); nodes that wake for ever run into [`RunLimits::wakeups`].
    pub fn run_until_idle(&mut self) -> Result<(), SimError> {
        while self.step()? {}
        Ok(())
    }

    /// Lets nothing pass between two hosts, in both directions, until [`mend`](Self::mend): datagrams
    /// are lost, segments are sent again and again until the stream is given up, and nobody connects.
    /// Resets still arrive, as they stand for what a host finds out by itself.
    pub fn cut(&mut self, one: HostId, other: HostId) {
        self.world.set_cut(one, other, true);
        self.world.set_cut(other, one, true);
    }

    /// Ends [`cut`](Self::cut).
    pub fn mend(&mut self, one: HostId, other: HostId) {
        self.world.set_cut(one, other, false);
        self.world.set_cut(other, one, false);
    }

    /// Calls into a node, as if its embedder acted now.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn with<N: Node, T>(
        &mut self,
        id: NodeId,
        act: impl FnOnce(&mut N, &mut Context<'_>) -> T,
    ) -> Result<Option<T>, SimError> {
        let Some(mut node) = self.take(id) else {
            return Ok(None);
        };
        let mut done = None;
        if let Some(slot) = self.nodes.get_mut(id.0) {
            let mut context = Context {
                world: &mut self.world,
                node: id,
                name: &slot.name,
                host: slot.host,
            };
            let any: &mut dyn Any = &mut *node;
            done = any.downcast_mut::<N>().map(|node| act(node, &mut context));
        }
        self.put_back(id, node);
        while let Some((node, fact)) = self.world.facts.pop_front() {
            self.call(node, fact)?;
        }
        self.world.failure.take().map_or(Ok(done), Err)
    }

    /// A node, by the type that it was added with.
    #[must_use]
    pub fn node<N: Node>(&self, id: NodeId) -> Option<&N> {
        let node: &dyn Any = &**self.nodes.get(id.0)?.node.as_ref()?;
        node.downcast_ref()
    }

    /// The host of a node.
    #[must_use]
    pub fn host_of(&self, node: NodeId) -> Option<HostId> {
        self.nodes.get(node.0).map(|slot| slot.host)
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_time(&self) -> Option<Duration> {
        self.world.queue.next_time()
    }

    /// Counters of the whole network.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.world.stats
    }

    /// Octets that left and that reached a host, through its links.
    #[must_use]
    pub fn host_octets(&self, host: HostId) -> Option<(u64, u64)> {
        let host = self.world.host(host)?;
        Some((host.up.octets, host.down.octets))
    }

    /// A host's name.
    #[must_use]
    pub fn host_name(&self, host: HostId) -> Option<&str> {
        self.world.host(host).map(|host| host.name.as_str())
    }

    /// The transcript so far, if one is kept.
    #[must_use]
    pub fn transcript(&self) -> Option<&Transcript> {
        self.world.transcript.as_ref()
    }

    /// Drops what would change nothing from the front of the queue, so that the clock does not move
    /// for it.
    fn drop_stale(&mut self) {
        while let Some(wake) = self.world.queue.peek() {
            let stale = match wake {
                Wake::Timer(node, time) => self
                    .nodes
                    .get(node.0)
                    .is_none_or(|slot| slot.armed != Some(*time)),
                wake => self.world.is_stale(wake),
            };
            if !stale {
                return;
            }
            self.world.queue.pop();
        }
    }

    fn call(&mut self, id: NodeId, fact: Fact) -> Result<(), SimError> {
        let up = self
            .nodes
            .get(id.0)
            .and_then(|slot| self.world.host(slot.host))
            .is_some_and(|host| host.is_up);
        if !up {
            return Ok(());
        }
        let Some(mut node) = self.take(id) else {
            return Ok(());
        };
        let now = self.world.now;
        let mut endless = None;
        if let Some(slot) = self.nodes.get_mut(id.0) {
            slot.all_calls = slot.all_calls.saturating_add(1);
            slot.calls = match slot.calls {
                (time, calls) if time == now => (time, calls.saturating_add(1)),
                _ => (now, 1),
            };
            if slot.calls.1 > self.world.limits.chatter {
                endless = Some(SimError::Chatter {
                    node: slot.name.clone(),
                    at: now,
                    last: format!("{fact:?}"),
                });
            } else {
                let mut context = Context {
                    world: &mut self.world,
                    node: id,
                    name: &slot.name,
                    host: slot.host,
                };
                if context.records() {
                    context.record(None, Call::Note(format!("{fact:?}")));
                }
                node.handle(&mut context, fact);
            }
        }
        self.put_back(id, node);
        match endless.or_else(|| self.world.failure.take()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn take(&mut self, id: NodeId) -> Option<Box<dyn Node>> {
        self.nodes.get_mut(id.0)?.node.take()
    }

    /// Puts a node back, and arms its timer anew.
    fn put_back(&mut self, id: NodeId, node: Box<dyn Node>) {
        let wish = node.poll_timeout();
        let Some(slot) = self.nodes.get_mut(id.0) else {
            return;
        };
        slot.node = Some(node);
        let wish = wish.map(|at| at.max(self.world.now));
        if slot.armed != wish {
            slot.armed = wish;
            if let Some(at) = wish {
                self.world.queue.push(at, Wake::Timer(id, at));
            }
        }
    }
}
