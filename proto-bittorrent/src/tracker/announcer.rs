//! When to announce a torrent, and to which of its trackers (BEP 12).
//!
//! ```text
//!            start()                     handle_announced
//!   Idle -----------> Announcing ----------------------------> Waiting(interval)
//!                     |   ^   |  handle_failed: the next one      |     |
//!                     |   +---+  of the tier, then the next tier  |     | complete(), stop()
//!                     |   all failed                              |     | at once
//!                     +------------> Waiting(back-off) -----------+-----+--> Announcing
//! ```
//!
//! Within a tier the order is shuffled once; a tracker that answers moves to the front of its tier.
//! Intervals are kept between bounds whatever a tracker says, failures wait longer and longer, and
//! a bit of chance keeps the peers of a swarm from coming all at once.

use super::{Announce, AnnounceEvent, Announced, TrackerUrl};
use crate::random::Random;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// How patient an [`Announcer`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnouncerConfig {
    /// The shortest interval, whatever a tracker says. Default a minute.
    pub min_interval: Duration,
    /// The longest interval, whatever a tracker says. Default a day.
    pub max_interval: Duration,
    /// The wait after all trackers failed; it doubles each time. Default 30 seconds.
    pub first_retry: Duration,
    /// The longest such wait. Default an hour.
    pub max_retry: Duration,
    /// Trackers that are taken from the tiers. Default 256.
    pub max_trackers: usize,
}

impl Default for AnnouncerConfig {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_secs(60),
            max_interval: Duration::from_secs(24 * 60 * 60),
            first_retry: Duration::from_secs(30),
            max_retry: Duration::from_secs(60 * 60),
            max_trackers: 256,
        }
    }
}

/// One announce to one tracker. Facts about an old one are harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(u64);

/// What the embedder is to do.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Announce, by [`http::Client`](super::http::Client) or [`udp::Client`](super::udp::Client),
    /// and say what came of it.
    Announce {
        /// Which attempt.
        id: AttemptId,
        /// Whom to ask. Look at its risk first.
        tracker: TrackerUrl,
        /// What to say.
        announce: Announce,
        /// What the tracker gave last time (HTTP only).
        tracker_id: Option<Vec<u8>>,
    },
}

/// What an announcer has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnnouncerEvent {
    /// A tracker answered.
    Announced {
        /// Which.
        tracker: TrackerUrl,
        /// What it says.
        response: Announced,
    },
    /// All trackers failed; it will be tried again.
    AllFailed {
        /// When.
        retry_at: Duration,
    },
    /// The last word was said, or nobody would hear it. Emitted once.
    Stopped,
}

/// How far a peer is: what announces tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Octets sent since it began.
    pub uploaded: u64,
    /// Octets got since it began.
    pub downloaded: u64,
    /// Octets still wanted.
    pub left: u64,
}

#[derive(Debug)]
struct Tracker {
    url: TrackerUrl,
    /// Whether it knows that we began.
    is_told: bool,
    tracker_id: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// An attempt is to be made, or under way.
    Announcing {
        tier: usize,
        index: usize,
    },
    Waiting {
        until: Duration,
    },
    Stopped,
}

/// Announces one torrent, now and then, to one of its trackers.
///
/// ```
/// use core::time::Duration;
/// use proto_bittorrent::hash::{PeerId, Sha1Hash};
/// use proto_bittorrent::tracker::{Action, Announce, Announcer, AnnouncerConfig};
///
/// let now = Duration::ZERO;
/// let announce = Announce::new(Sha1Hash::of(b"info"), PeerId([7; 20]), 6881);
/// let tiers = [vec!["http://a.example/announce"], vec!["udp://b.example:80"]];
/// let mut announcer = Announcer::new(now, AnnouncerConfig::default(), announce, tiers, [1; 32]);
/// announcer.start();
/// let Some(Action::Announce { id, tracker, .. }) = announcer.poll_action(now) else { panic!() };
/// assert_eq!(tracker.host(), "a.example");
/// announcer.handle_failed(now, id); // so the next tier is tried
/// let Some(Action::Announce { tracker, .. }) = announcer.poll_action(now) else { panic!() };
/// assert_eq!(tracker.host(), "b.example");
/// ```
#[derive(Debug)]
pub struct Announcer {
    config: Arc<AnnouncerConfig>,
    random: Random,
    now: Duration,
    announce: Announce,
    tiers: Vec<Vec<Tracker>>,
    state: State,
    /// The attempt under way, and what it says.
    attempt: Option<(AttemptId, AnnounceEvent)>,
    next_attempt: u64,
    is_complete: bool,
    /// What the next announce has to say before it says nothing special.
    pending: AnnounceEvent,
    failures: u32,
    /// Before this time no tracker wants to be asked again.
    not_before: Duration,
    events: VecDeque<AnnouncerEvent>,
}

impl Announcer {
    /// An announcer. Addresses that are none are left out; tiers that are then empty too.
    #[must_use]
    pub fn new<'a, T>(
        now: Duration,
        config: impl Into<Arc<AnnouncerConfig>>,
        announce: Announce,
        tiers: impl IntoIterator<Item = T>,
        seed: [u8; 32],
    ) -> Self
    where
        T: IntoIterator<Item = &'a str>,
    {
        let config = config.into();
        let mut random = Random::new(seed);
        let mut room = config.max_trackers;
        let mut lists = Vec::new();
        for tier in tiers {
            let urls = tier
                .into_iter()
                .filter_map(|url| url.parse().ok())
                .take(room);
            let mut list: Vec<Tracker> = urls
                .map(|url| Tracker {
                    url,
                    is_told: false,
                    tracker_id: None,
                })
                .collect();
            room = room.saturating_sub(list.len());
            // BEP 12: shuffled once, when first read.
            random.shuffle(&mut list);
            if !list.is_empty() {
                lists.push(list);
            }
        }
        Self {
            config,
            random,
            now,
            announce,
            tiers: lists,
            state: State::Idle,
            attempt: None,
            next_attempt: 0,
            is_complete: false,
            pending: AnnounceEvent::Started,
            failures: 0,
            not_before: now,
            events: VecDeque::new(),
        }
    }

    /// Begins to announce.
    pub fn start(&mut self) {
        if self.state == State::Idle && !self.tiers.is_empty() {
            self.begin();
        }
    }

    /// Says how far the peer is; the next announce tells it.
    pub fn progress(&mut self, progress: Progress) {
        self.announce.uploaded = progress.uploaded;
        self.announce.downloaded = progress.downloaded;
        self.announce.left = progress.left;
    }

    /// The last piece is there: announced at once, and once.
    pub fn complete(&mut self) {
        self.announce.left = 0;
        let was_complete = core::mem::replace(&mut self.is_complete, true);
        if !was_complete && self.pending != AnnounceEvent::Stopped {
            self.pending = AnnounceEvent::Completed;
            if let State::Waiting { .. } = self.state {
                self.begin();
            }
        }
    }

    /// Asks for more peers before it is time, but not before the tracker wants it.
    pub fn hurry(&mut self) {
        if let State::Waiting { until } = self.state {
            let until = until.min(self.not_before.max(self.now));
            self.state = State::Waiting { until };
        }
    }

    /// Says good-bye to the tracker that knows of us. [`AnnouncerEvent::Stopped`] follows.
    pub fn stop(&mut self) {
        if self.state == State::Stopped || self.pending == AnnounceEvent::Stopped {
            return;
        }
        self.pending = AnnounceEvent::Stopped;
        self.attempt = None;
        let told = self.tiers.iter().enumerate().find_map(|(tier, list)| {
            let index = list.iter().position(|tracker| tracker.is_told)?;
            Some((tier, index))
        });
        match told {
            Some((tier, index)) => self.state = State::Announcing { tier, index },
            None => self.end(),
        }
    }

    /// The next wish, if there is one.
    #[must_use]
    pub fn poll_action(&mut self, now: Duration) -> Option<Action> {
        self.advance_to(now);
        let State::Announcing { tier, index } = self.state else {
            return None;
        };
        if self.attempt.is_some() {
            return None;
        }
        let tracker = self.tiers.get(tier)?.get(index)?;
        let id = AttemptId(self.next_attempt);
        self.next_attempt = self.next_attempt.wrapping_add(1);
        let mut announce = self.announce.clone();
        // A tracker that does not know of us is told that we began, whatever else there is to tell.
        announce.event = match self.pending {
            AnnounceEvent::Stopped => AnnounceEvent::Stopped,
            _ if !tracker.is_told => AnnounceEvent::Started,
            AnnounceEvent::Started => AnnounceEvent::None,
            other => other,
        };
        if announce.event == AnnounceEvent::Stopped {
            announce.want = Some(0);
        }
        self.attempt = Some((id, announce.event));
        Some(Action::Announce {
            id,
            tracker: tracker.url.clone(),
            announce,
            tracker_id: tracker.tracker_id.clone(),
        })
    }

    /// A tracker answered.
    pub fn handle_announced(&mut self, now: Duration, id: AttemptId, response: Announced) {
        self.advance_to(now);
        let State::Announcing { tier, index } = self.state else {
            return;
        };
        let Some((_, said)) = self.attempt.take_if(|(attempt, _)| *attempt == id) else {
            return;
        };
        self.failures = 0;
        if self.pending == AnnounceEvent::Stopped {
            return self.end();
        }
        let Some(list) = self.tiers.get_mut(tier) else {
            return;
        };
        let Some(tracker) = list.get_mut(index) else {
            return;
        };
        tracker.is_told = true;
        if response.tracker_id.is_some() {
            tracker.tracker_id.clone_from(&response.tracker_id);
        }
        let url = tracker.url.clone();
        // BEP 12: who answers moves to the front of its tier.
        if let Some(front) = list.get_mut(..=index) {
            front.rotate_right(1);
        }
        let interval = response
            .interval
            .clamp(self.config.min_interval, self.config.max_interval);
        let min_interval = response.min_interval.unwrap_or(self.config.min_interval);
        let min_interval = min_interval.clamp(self.config.min_interval, interval);
        self.not_before = self.now.saturating_add(min_interval);
        // Up to a tenth later, so that a swarm does not come all at once.
        let tenth = usize::try_from(interval.as_secs() / 10).unwrap_or(0);
        let later = u64::try_from(self.random.below(tenth.max(1))).unwrap_or(0);
        let until = self.now.saturating_add(interval);
        let until = until.saturating_add(Duration::from_secs(later));
        self.state = State::Waiting { until };
        if self.pending == AnnounceEvent::Completed && said != AnnounceEvent::Completed {
            // It has heard something else meanwhile: that we began, or nothing special.
            self.begin();
        } else {
            self.pending = AnnounceEvent::None;
        }
        self.events.push_back(AnnouncerEvent::Announced {
            tracker: url,
            response,
        });
    }

    /// A tracker did not answer, refused, or was not asked.
    pub fn handle_failed(&mut self, now: Duration, id: AttemptId) {
        self.advance_to(now);
        let State::Announcing { tier, index } = self.state else {
            return;
        };
        if self
            .attempt
            .take_if(|(attempt, _)| *attempt == id)
            .is_none()
        {
            return;
        }
        if self.pending == AnnounceEvent::Stopped {
            // Who does not hear a good-bye forgets us by and by.
            return self.end();
        }
        let next = index.saturating_add(1);
        let has_next = self.tiers.get(tier).is_some_and(|list| next < list.len());
        let below = tier.saturating_add(1);
        if has_next {
            self.state = State::Announcing { tier, index: next };
        } else if below < self.tiers.len() {
            self.state = State::Announcing {
                tier: below,
                index: 0,
            };
        } else {
            let doubled = 1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX);
            let wait = self.config.first_retry.saturating_mul(doubled);
            let wait = wait.min(self.config.max_retry);
            let quarter = usize::try_from(wait.as_millis() / 4).unwrap_or(0);
            let later = u64::try_from(self.random.below(quarter.max(1))).unwrap_or(0);
            let until = self.now.saturating_add(wait);
            let until = until.saturating_add(Duration::from_millis(later));
            self.failures = self.failures.saturating_add(1);
            self.state = State::Waiting { until };
            self.events
                .push_back(AnnouncerEvent::AllFailed { retry_at: until });
        }
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<AnnouncerEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        if let State::Waiting { until } = self.state
            && until <= self.now
        {
            self.begin();
        }
    }

    /// The bounds that were set.
    #[must_use]
    pub fn config(&self) -> &AnnouncerConfig {
        &self.config
    }

    /// Time never runs backwards, whatever the caller says.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn begin(&mut self) {
        self.attempt = None;
        self.state = State::Announcing { tier: 0, index: 0 };
    }

    fn end(&mut self) {
        self.state = State::Stopped;
        self.events.push_back(AnnouncerEvent::Stopped);
    }
}
