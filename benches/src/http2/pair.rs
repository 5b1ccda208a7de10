//! Both ends of a connection of ours, in memory.

use super::{REQUEST, RESPONSE};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_http2::{Config, Connection, Event, Fields, Limits, StreamEnd, Transmit};

const NOW: Duration = Duration::from_secs(1);

/// What a read or a write moves at most.
const CHUNK: usize = 64 * 1024;

/// A client, a server, and the octets between them.
#[derive(Debug)]
pub struct Pair {
    client: Connection,
    server: Connection,
    to_client: BytesMut,
    to_server: BytesMut,
    request: Fields,
    response: Fields,
    body: Bytes,
    /// Bodies of which not all was taken.
    waiting: Vec<(proto_http2::StreamId, Bytes)>,
}

impl Pair {
    /// A pair whose server answers with so many octets.
    #[must_use]
    pub fn new(body: usize) -> Self {
        let config = || {
            let mut config = Config::default();
            // As large as the peers have them.
            config.stream_window = 16 << 20;
            config.connection_window = 1 << 30;
            config
        };
        let limits = || {
            let mut limits = Limits::default();
            limits.max_send_buffer = 16 << 20;
            limits.max_stream_send_buffer = 1 << 20;
            limits
        };
        Self {
            client: Connection::client(NOW, config(), limits()),
            server: Connection::server(NOW, config(), limits()),
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            request: REQUEST.into_iter().collect(),
            response: RESPONSE.into_iter().collect(),
            body: vec![b'x'; body].into(),
            waiting: Vec::new(),
        }
    }

    /// So many requests at once; gives the octets of all bodies, and one for each stream.
    pub fn run(&mut self, streams: usize) -> u64 {
        for _ in 0..streams {
            self.client.request(&self.request, true).unwrap();
        }
        let (mut octets, mut open) = (0, streams);
        while open > 0 {
            while let Some(Transmit::Data(data)) = self.client.poll_transmit(NOW, CHUNK) {
                self.to_server.extend_from_slice(&data);
            }
            while let Some(event) = self.server.poll_event(NOW, &mut self.to_server).unwrap() {
                self.serve(event);
            }
            while let Some(Transmit::Data(data)) = self.server.poll_transmit(NOW, CHUNK) {
                self.to_client.extend_from_slice(&data);
                while let Some(event) = self.client.poll_event(NOW, &mut self.to_client).unwrap() {
                    match event {
                        Event::Data { data, .. } => octets += data.len(),
                        Event::Closed { end, .. } => {
                            assert_eq!(end, StreamEnd::Complete);
                            open -= 1;
                        }
                        _ => {}
                    }
                }
            }
        }
        (octets + streams) as u64
    }

    fn serve(&mut self, event: Event) {
        match event {
            Event::Headers { id, .. } => {
                let is_empty = self.body.is_empty();
                self.server.respond(id, &self.response, is_empty).unwrap();
                if !is_empty {
                    let mut rest = self.body.clone();
                    self.server.send_data(id, &mut rest, true).unwrap();
                    if !rest.is_empty() {
                        self.waiting.push((id, rest));
                    }
                }
            }
            Event::Writable { id } => {
                let place = self.waiting.iter().position(|(other, _)| *other == id);
                let (id, mut rest) = self.waiting.swap_remove(place.unwrap());
                self.server.send_data(id, &mut rest, true).unwrap();
                if !rest.is_empty() {
                    self.waiting.push((id, rest));
                }
            }
            _ => {}
        }
    }
}
