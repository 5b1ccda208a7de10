//! The way to a domain: mail exchangers in their order, and the addresses of each.

use super::event::{
    Action, Addresses, ConnectionId, Exchanger, LookupFailure, LookupId, MessageId,
};
use super::{Queue, Reason, RecipientState, Verdict};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use rand_core::Rng;

/// A domain, and the messages for it.
#[derive(Debug, Default)]
pub(super) struct Destination {
    pub(super) jobs: Jobs,
    pub(super) stage: Stage,
}

/// When each message of a destination is to be tried next.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    due: BTreeMap<MessageId, Duration>,
    order: BTreeSet<(Duration, MessageId)>,
}

impl Jobs {
    /// Says when a message is to be tried, or that it is not.
    fn set(&mut self, id: MessageId, due: Option<Duration>) {
        let before = match due {
            Some(due) => self.due.insert(id, due),
            None => self.due.remove(&id),
        };
        if let Some(before) = before {
            self.order.remove(&(before, id));
        }
        if let Some(due) = due {
            self.order.insert((due, id));
        }
    }

    /// The time at which the first one is due.
    fn first(&self) -> Option<Duration> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Those that are due, the longest waiting first.
    pub(super) fn due(&self, now: Duration) -> impl Iterator<Item = MessageId> {
        let due = self.order.iter().take_while(move |(due, _)| *due <= now);
        due.map(|(_, id)| *id)
    }
}

#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nothing is being tried; entered in the schedule at this time.
    #[default]
    Idle,
    Scheduled(Duration),
    /// The domain's exchangers are being looked for.
    Exchangers(LookupId),
    /// The addresses of the first of these hosts are being looked for.
    Addresses(LookupId, Route),
    Connected(ConnectionId, Route),
}

/// What can still be tried.
#[derive(Debug, Default)]
pub(super) struct Route {
    hosts: VecDeque<String>,
    /// Of the host at hand.
    addresses: VecDeque<IpAddr>,
    host: String,
    tried: usize,
    /// Why it has not worked so far.
    last: Option<Reason>,
}

impl Queue {
    /// A message has recipients there.
    pub(super) fn enter(&mut self, domain: String, id: MessageId, due: Duration) {
        let destination = self.destinations.entry(domain.clone()).or_default();
        destination.jobs.set(id, Some(due));
        match destination.stage {
            Stage::Idle | Stage::Scheduled(_) => self.rest(domain),
            // A connection that is kept takes it at once.
            Stage::Connected(connection, _) => self.next_message(connection),
            Stage::Exchangers(_) | Stage::Addresses(..) => {}
        }
    }

    /// Nothing is being tried at this destination: waits for what is due next, or forgets it.
    pub(super) fn rest(&mut self, domain: String) {
        let Some(destination) = self.destinations.get_mut(&domain) else {
            return;
        };
        if let Stage::Scheduled(at) = destination.stage {
            self.schedule.remove(&(at, domain.clone()));
        }
        let due = destination.jobs.first();
        destination.stage = due.map_or(Stage::Idle, Stage::Scheduled);
        match due {
            Some(due) => {
                self.schedule.insert((due, domain));
            }
            None => {
                self.destinations.remove(&domain);
            }
        }
    }

    /// Begins with destinations whose time has come, as far as connections may be made.
    pub(super) fn begin_what_is_due(&mut self) {
        while let Some((due, _)) = self.schedule.first() {
            if *due > self.now || !self.has_room() {
                return;
            }
            let Some((_, domain)) = self.schedule.pop_first() else {
                return;
            };
            if let Some(destination) = self.destinations.get_mut(&domain) {
                destination.stage = Stage::Idle;
            }
            self.begin(domain);
        }
    }

    /// Whether one destination more can be begun with.
    pub(super) fn has_room(&self) -> bool {
        let busy = self.connections.len().saturating_add(self.lookups.len());
        busy < self.limits.max_connections
    }

    fn begin(&mut self, domain: String) {
        // RFC 5321 section 5.1: an address literal is an address, and names no exchangers.
        if let Some(address) = literal(&domain) {
            let mut route = Route {
                host: domain.clone(),
                ..Route::default()
            };
            match address {
                Some(address) => route.addresses.push_back(address),
                None => {
                    let text = "such an address cannot be reached";
                    route.last = Some(Reason::own(5, 1, 2, text));
                }
            }
            return self.try_next(domain, route);
        }
        if self.config.smart_host.is_some() {
            let route = Route {
                hosts: [domain.clone()].into(),
                ..Route::default()
            };
            return self.try_next(domain, route);
        }
        let id = LookupId(self.next_id());
        self.lookups.insert(id, domain.clone());
        if let Some(destination) = self.destinations.get_mut(&domain) {
            destination.stage = Stage::Exchangers(id);
        }
        self.actions.push_back(Action::Exchangers { id, domain });
    }

    /// What the DNS says of a domain's mail exchangers, in any order. An empty answer means that
    /// the domain has none, and so takes mail itself (RFC 5321 section 5.1).
    pub fn handle_exchangers(
        &mut self,
        now: Duration,
        id: LookupId,
        found: Result<Vec<Exchanger>, LookupFailure>,
    ) {
        self.advance_to(now);
        let Some(domain) = self.lookups.get(&id).cloned() else {
            return;
        };
        let stage = self.destinations.get(&domain).map(|it| &it.stage);
        if !matches!(stage, Some(Stage::Exchangers(wanted)) if *wanted == id) {
            return;
        }
        self.lookups.remove(&id);
        let mut route = Route::default();
        match found {
            Err(LookupFailure::NoSuchName) => {
                route.last = Some(Reason::own(5, 1, 2, "there is no such domain"));
            }
            Err(LookupFailure::TryLater) => {
                let text = "the mail exchangers of the domain could not be found";
                route.last = Some(Reason::own(4, 4, 3, text));
            }
            Ok(exchangers) => self.order(&domain, exchangers, &mut route),
        }
        self.try_next(domain, route);
    }

    /// The order in which exchangers are tried.
    fn order(&mut self, domain: &str, mut exchangers: Vec<Exchanger>, route: &mut Route) {
        for exchanger in &mut exchangers {
            let host = exchanger.host.strip_suffix('.').unwrap_or(&exchanger.host);
            exchanger.host = host.to_ascii_lowercase();
        }
        // RFC 7505 section 3: it takes no mail.
        if let [only] = &exchangers[..]
            && only.host.is_empty()
        {
            route.last = Some(Reason::own(5, 1, 10, "the domain takes no mail"));
            return;
        }
        exchangers.retain(|it| !it.host.is_empty());
        if exchangers.is_empty() {
            route.hosts.push_back(domain.into());
            return;
        }
        // RFC 5321 section 5.1: whoever finds itself leaves out itself and all that are no better,
        // or the message would go in circles.
        let ours = exchangers
            .iter()
            .filter(|it| it.host.eq_ignore_ascii_case(&self.config.host))
            .map(|it| it.preference)
            .min();
        if let Some(ours) = ours {
            exchangers.retain(|it| it.preference < ours);
            if exchangers.is_empty() {
                let text =
                    "the mail exchanger of the domain is this server, which does not know it";
                route.last = Some(Reason::own(5, 4, 6, text));
                return;
            }
        }
        // Those of the same preference in random order.
        let mut keyed: Vec<_> = exchangers
            .into_iter()
            .map(|it| (it.preference, self.random.next_u64(), it.host))
            .collect();
        keyed.sort_unstable();
        for (_, _, host) in keyed.into_iter().take(self.limits.max_exchangers) {
            if !route.hosts.contains(&host) {
                route.hosts.push_back(host);
            }
        }
    }

    /// What the DNS says of a host's addresses, best first.
    pub fn handle_addresses(
        &mut self,
        now: Duration,
        id: LookupId,
        found: Result<Addresses, LookupFailure>,
    ) {
        self.advance_to(now);
        let Some(domain) = self.lookups.get(&id).cloned() else {
            return;
        };
        let Some(destination) = self.destinations.get_mut(&domain) else {
            return;
        };
        let mut route = match core::mem::take(&mut destination.stage) {
            Stage::Addresses(wanted, route) if wanted == id => route,
            stage => return destination.stage = stage,
        };
        self.lookups.remove(&id);
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                route.addresses = addresses.into();
                route.addresses.truncate(self.limits.max_addresses);
            }
            // Another exchanger may have one: nothing is permanent before all were seen.
            Ok(_) | Err(LookupFailure::NoSuchName) => {
                let text = "the mail exchanger has no address";
                let is_better = route.last.as_ref().is_some_and(|it| !it.is_permanent());
                if !is_better {
                    route.last = Some(Reason::own(5, 4, 4, text).at(&route.host));
                }
            }
            Err(LookupFailure::TryLater) => {
                let text = "the address of the mail exchanger could not be found";
                route.last = Some(Reason::own(4, 4, 3, text).at(&route.host));
            }
        }
        self.try_next(domain, route);
    }

    /// The next address, the next host, or nothing more for now.
    pub(super) fn try_next(&mut self, domain: String, mut route: Route) {
        if let Some(address) = route.addresses.pop_front() {
            if route.tried < self.limits.max_addresses {
                route.tried = route.tried.saturating_add(1);
                return self.connect(domain, address, route);
            }
            route.hosts.clear();
        }
        if let Some(host) = route.hosts.pop_front() {
            route.host.clone_from(&host);
            if let Some(address) = literal(&host).flatten() {
                route.addresses.push_back(address);
                return self.try_next(domain, route);
            }
            let id = LookupId(self.next_id());
            self.lookups.insert(id, domain.clone());
            if let Some(destination) = self.destinations.get_mut(&domain) {
                destination.stage = Stage::Addresses(id, route);
            }
            return self.actions.push_back(Action::Addresses { id, host });
        }
        let text = "no server could be reached";
        let reason = route.last.take();
        let reason = reason.unwrap_or_else(|| Reason::own(4, 4, 1, text));
        self.put_off(domain, &reason);
    }

    fn connect(&mut self, domain: String, address: IpAddr, route: Route) {
        let id = ConnectionId(self.next_id());
        let host = route.host.clone();
        let connection = self.new_connection(domain.clone(), host.clone());
        self.connections.insert(id, connection);
        self.stats.connections = self.stats.connections.saturating_add(1);
        if let Some(destination) = self.destinations.get_mut(&domain) {
            destination.stage = Stage::Connected(id, route);
        }
        let to = SocketAddr::new(address, self.config.port);
        self.actions.push_back(Action::Connect { id, to, host });
    }

    /// A connection was of no use: the next one is tried, unless nothing is due any more.
    pub(super) fn connection_failed(&mut self, domain: String, id: ConnectionId, reason: Reason) {
        let Some(destination) = self.destinations.get_mut(&domain) else {
            return;
        };
        let mut route = match core::mem::take(&mut destination.stage) {
            Stage::Connected(open, route) if open == id => route,
            stage => return destination.stage = stage,
        };
        route.last = Some(reason);
        match destination.jobs.first().is_some_and(|due| due <= self.now) {
            true => self.try_next(domain, route),
            false => self.rest(domain),
        }
    }

    /// A connection is done with.
    pub(super) fn connection_done(&mut self, domain: String, id: ConnectionId) {
        if let Some(destination) = self.destinations.get_mut(&domain)
            && matches!(destination.stage, Stage::Connected(open, _) if open == id)
        {
            destination.stage = Stage::Idle;
            self.rest(domain);
        }
    }

    /// Nothing could be sent to this destination: so it is for all that was due.
    fn put_off(&mut self, domain: String, reason: &Reason) {
        let Some(destination) = self.destinations.get_mut(&domain) else {
            return;
        };
        destination.stage = Stage::Idle;
        let now = self.now;
        let due: Vec<_> = destination.jobs.due(now).collect();
        let host = reason.host.clone().unwrap_or_default();
        for id in due {
            let verdict = match reason.is_permanent() {
                true => Verdict::Never(reason.clone()),
                false => Verdict::NotNow(reason.clone()),
            };
            let verdicts = self.due_recipients(id, &domain, usize::MAX);
            let verdicts = verdicts.into_iter().map(|it| (it, verdict.clone()));
            self.settle(id, &host, verdicts.collect());
            self.update_job(&domain, id);
        }
        self.rest(domain);
    }

    /// Places of the recipients of a message that are to be tried there now.
    pub(super) fn due_recipients(&self, id: MessageId, domain: &str, max: usize) -> Vec<usize> {
        let Some(message) = self.messages.get(&id) else {
            return Vec::new();
        };
        let is_due =
            |state| matches!(state, RecipientState::Waiting { due, .. } if due <= self.now);
        let recipients = message.recipients.iter().enumerate();
        recipients
            .filter(|(_, it)| it.domain == domain && is_due(it.state))
            .map(|(index, _)| index)
            .take(max)
            .collect()
    }

    /// When a message is to be tried next at a destination, after an attempt.
    pub(super) fn update_job(&mut self, domain: &str, id: MessageId) {
        let recipients = self.messages.get(&id).map(|it| &it.recipients);
        let due = recipients
            .into_iter()
            .flatten()
            .filter(|it| it.domain == domain)
            .filter_map(|it| match it.state {
                RecipientState::Waiting { due, .. } => Some(due),
                _ => None,
            })
            .min();
        if let Some(destination) = self.destinations.get_mut(domain) {
            destination.jobs.set(id, due);
        }
    }
}

/// Whether it is an address literal, and of which address.
fn literal(domain: &str) -> Option<Option<IpAddr>> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    if let Ok(address) = inner.parse() {
        return Some(Some(IpAddr::V4(address)));
    }
    let tag = inner
        .get(..5)
        .filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    let address = tag.and_then(|_| inner.get(5..)).map(str::parse);
    Some(address.and_then(Result::ok).map(IpAddr::V6))
}
