//! Head-of-line blocking in a simulated network: one large object and three small ones, as
//! HTTP/1.1 pipelined and as HTTP/2 under each scheduler.
//!
//! The stream of the network is in order: a lost segment holds up all that was sent after it, until
//! it was sent again. There is no congestion control. So what is compared is the order in which the
//! server writes, and what a loss costs on top.

use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;
use netio::shape::{StreamMachine, StreamTransmit};
use netio::sim::{Pair, SimError, StreamApp, StreamConfig};
use proto_http2::priority::Priority;
use proto_http2::{Config, Connection, Event, Fields, Limits, Scheduling, StreamId};
use std::collections::HashMap;

/// Octets of the objects: the large one is asked for first.
pub const OBJECTS: [usize; 4] = [1_000_000, 20_000, 20_000, 20_000];
/// Octets per second of the link.
const BANDWIDTH: u64 = 1_000_000;

/// How the objects are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1, all requests at once, responses in their order.
    Http1,
    /// HTTP/2 with this scheduler.
    Http2(Scheduling),
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Http1,
        Self::Http2(Scheduling::Fair),
        Self::Http2(Scheduling::Tree),
        Self::Http2(Scheduling::Urgency),
    ];

    /// What a person calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1 pipelined",
            Self::Http2(Scheduling::Tree) => "HTTP/2 RFC 7540 tree",
            Self::Http2(Scheduling::Urgency) => "HTTP/2 RFC 9218 urgency",
            Self::Http2(_) => "HTTP/2 round robin",
        }
    }
}

/// What came when: time, object, octets.
pub type Timeline = Vec<(Duration, usize, usize)>;

/// When each object was complete.
#[must_use]
pub fn completions(timeline: &Timeline) -> [Duration; 4] {
    let mut done = [Duration::ZERO; 4];
    for &(at, object, _) in timeline {
        done[object] = at;
    }
    done
}

/// Fetches the objects once. `loss` is in millionths of the segments.
///
/// # Errors
///
/// When the network finds that a machine never rests.
pub fn run(scheme: Scheme, loss: u32, seed: u64) -> Result<Timeline, SimError> {
    let mut stream = StreamConfig::default();
    stream.latency = Duration::from_millis(25);
    stream.bandwidth = Some(BANDWIDTH);
    // What lies in a socket cannot be reordered any more.
    stream.send_buffer = 16 * 1024;
    stream.loss = loss;
    let end = Duration::from_secs(60);
    match scheme {
        Scheme::Http1 => {
            let mut pair = Pair::new(
                seed,
                (Pipeline::client(), Seen::default()),
                (Pipeline::server(), |_, _: &mut Pipeline, _: Piece| {}),
            )
            .stream(stream);
            pair.run_until(end)?;
            Ok(pair
                .client()
                .map(|node| node.app().timeline.clone())
                .unwrap_or_default())
        }
        Scheme::Http2(scheduling) => {
            let mut config = Config::default();
            config.scheduling = scheduling;
            let mut limits = Limits::trusted();
            limits.max_stream_send_buffer = 2_000_000;
            let zero = Duration::ZERO;
            let mut ours = Config::default();
            ours.stream_window = 4_000_000;
            ours.connection_window = 8_000_000;
            let client = Connection::client(zero, ours, Limits::default());
            let server = Connection::server(zero, config, limits);
            let mut pair = Pair::new(
                seed,
                (client, Seen::default()),
                (
                    server,
                    |_: Duration, machine: &mut Connection, event: Event| {
                        if let Event::Headers { id, fields, .. } = event {
                            let object = fields.path().and_then(|path| path.get(1)).copied();
                            let object = usize::from(object.unwrap_or(b'0') - b'0');
                            let _ = machine.respond(id, &Fields::response(200), false);
                            let mut body = Bytes::from(vec![b'o'; OBJECTS[object]]);
                            let _ = machine.send_data(id, &mut body, true);
                        }
                    },
                ),
            )
            .stream(stream);
            pair.run_until(end)?;
            Ok(pair
                .client()
                .map(|node| node.app().timeline.clone())
                .unwrap_or_default())
        }
    }
}

/// Asks for the objects and notes what comes.
#[derive(Debug, Default)]
struct Seen {
    objects: HashMap<StreamId, usize>,
    timeline: Timeline,
}

impl StreamApp<Connection> for Seen {
    fn start(&mut self, _: Duration, machine: &mut Connection) {
        for object in 0..OBJECTS.len() {
            let mut fields =
                Fields::request("GET", "http", "utopia.example", &format!("/{object}"));
            // What a browser says of an image and of what it needs to show the page.
            let urgency = if object == 0 { 5 } else { 1 };
            fields.push("priority", format!("u={urgency}"));
            let Ok(id) = machine.request(&fields, true) else {
                continue;
            };
            let _ = machine.prioritise(
                id,
                Priority {
                    urgency,
                    incremental: false,
                },
            );
            // In the scheme of RFC 7540: by weight.
            let weight = if object == 0 { 1 } else { 256 };
            let _ = machine.depend(id, weight);
            self.objects.insert(id, object);
        }
    }

    fn on_event(&mut self, now: Duration, _: &mut Connection, event: Event) {
        if let Event::Data { id, data, .. } = event
            && let Some(object) = self.objects.get(&id)
        {
            self.timeline.push((now, *object, data.len()));
        }
    }
}

impl StreamApp<Pipeline> for Seen {
    fn on_event(&mut self, now: Duration, _: &mut Pipeline, piece: Piece) {
        self.timeline.push((now, piece.object, piece.octets));
    }
}

/// A piece of a response.
#[derive(Debug)]
struct Piece {
    object: usize,
    octets: usize,
}

/// As much of HTTP/1.1 as it takes to pipeline four requests: both sides know the objects.
#[derive(Debug)]
struct Pipeline {
    is_client: bool,
    output: BytesMut,
    /// The object that is coming in, what is left of it, and whether its head was seen.
    object: usize,
    left: usize,
}

impl Pipeline {
    fn client() -> Self {
        let mut output = BytesMut::new();
        for object in 0..OBJECTS.len() {
            let request = format!("GET /{object} HTTP/1.1\r\nhost: utopia.example\r\n\r\n");
            output.extend_from_slice(request.as_bytes());
        }
        Self {
            is_client: true,
            output,
            object: 0,
            left: 0,
        }
    }

    fn server() -> Self {
        Self {
            is_client: false,
            output: BytesMut::new(),
            object: 0,
            left: 0,
        }
    }

    /// Takes a head off the front of `input`.
    fn head(input: &mut BytesMut) -> bool {
        match input.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => {
                input.advance(end + 4);
                true
            }
            None => false,
        }
    }
}

impl StreamMachine for Pipeline {
    type Event = Piece;
    type Error = core::convert::Infallible;

    fn poll_event(
        &mut self,
        _: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Piece>, Self::Error> {
        if !self.is_client {
            while Self::head(input) {
                let len = OBJECTS[self.object];
                self.object += 1;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n");
                self.output.extend_from_slice(head.as_bytes());
                self.output.resize(self.output.len() + len, b'o');
            }
            return Ok(None);
        }
        if self.left == 0 {
            if self.object == OBJECTS.len() || !Self::head(input) {
                return Ok(None);
            }
            self.left = OBJECTS[self.object];
            self.object += 1;
        }
        let octets = self.left.min(input.len());
        if octets == 0 {
            return Ok(None);
        }
        input.advance(octets);
        self.left -= octets;
        Ok(Some(Piece {
            object: self.object - 1,
            octets,
        }))
    }

    fn poll_transmit(&mut self, _: Duration, budget: usize) -> Option<StreamTransmit> {
        let len = self.output.len().min(budget);
        (len > 0).then(|| StreamTransmit::Data(self.output.split_to(len).freeze()))
    }

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn handle_timeout(&mut self, _: Duration) {}

    fn handle_eof(&mut self, _: Duration) {}

    fn handle_disconnect(&mut self, _: Duration) {}

    fn close(&mut self) {}

    fn wants_read(&self) -> bool {
        true
    }

    fn is_closed(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_finish_first_where_they_may() {
        let first = run(Scheme::Http1, 0, 1).unwrap();
        let blocked = completions(&first);
        assert!(blocked[1] > blocked[0]);
        for scheme in &Scheme::ALL[1..] {
            let timeline = run(*scheme, 0, 1).unwrap();
            let total: usize = timeline.iter().map(|(_, _, octets)| octets).sum();
            assert_eq!(total, OBJECTS.iter().sum::<usize>(), "{scheme:?}");
            let done = completions(&timeline);
            assert!(
                done[1..].iter().all(|small| *small * 4 < done[0]),
                "{scheme:?} {done:?}"
            );
            assert!(done[3] * 4 < blocked[3], "{scheme:?} {done:?}");
        }
    }
}
