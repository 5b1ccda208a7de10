//! A site over HTTP/2: what answers the events of a connection.

use crate::app::StreamApp;
use bytes::Bytes;
use core::time::Duration;
use proto_http2::{Connection, Event, Fields, StreamId};
use std::collections::HashMap;
use std::sync::Arc;

pub use crate::site::{PAGE, Site};

/// Answers the requests of one connection.
#[derive(Debug)]
pub struct Pages {
    site: Arc<Site>,
    /// Octets of a request's body so far.
    received: HashMap<StreamId, u64>,
    /// What is left of a response's body.
    bodies: HashMap<StreamId, Bytes>,
}

impl Pages {
    /// For a new connection.
    #[must_use]
    pub fn new(site: &Arc<Site>) -> Self {
        Self {
            site: Arc::clone(site),
            received: HashMap::new(),
            bodies: HashMap::new(),
        }
    }

    /// What a request asks for goes out. A `UsageError` says that the stream is gone meanwhile.
    fn answer(&mut self, machine: &mut Connection, id: StreamId, fields: &Fields) {
        let path = fields
            .path()
            .map(|path| String::from_utf8_lossy(path).into_owned());
        let path = path.unwrap_or_default();
        let found = match fields.method() {
            Some(b"GET" | b"HEAD") => self.site.find(&path),
            _ => {
                let _ = machine.respond(id, &Fields::response(405), true);
                return;
            }
        };
        let Some((kind, body)) = found else {
            let _ = machine.respond(id, &Fields::response(404), true);
            return;
        };
        let head = Fields::response(200)
            .with("content-type", kind)
            .with("content-length", body.len().to_string());
        if fields.method() == Some(b"HEAD") {
            let _ = machine.respond(id, &head, true);
            return;
        }
        self.push_with(machine, id, fields, &path);
        if machine.respond(id, &head, false).is_ok() {
            self.send(machine, id, body);
        }
    }

    fn push_with(&mut self, machine: &mut Connection, id: StreamId, fields: &Fields, path: &str) {
        let site = Arc::clone(&self.site);
        let text = |name| String::from_utf8_lossy(fields.value(name).unwrap_or_default());
        for pushed in site.pushed_with(path) {
            let Some((kind, body)) = site.find(pushed) else {
                continue;
            };
            let request = Fields::request("GET", &text(":scheme"), &text(":authority"), pushed);
            let Ok(promised) = machine.push(id, &request) else {
                return;
            };
            let head = Fields::response(200)
                .with("content-type", kind)
                .with("content-length", body.len().to_string());
            if machine.respond(promised, &head, false).is_ok() {
                self.send(machine, promised, body);
            }
        }
    }

    fn send(&mut self, machine: &mut Connection, id: StreamId, mut body: Bytes) {
        if machine.send_data(id, &mut body, true).is_ok() && !body.is_empty() {
            self.bodies.insert(id, body);
        }
    }

    fn received_all(&mut self, machine: &mut Connection, id: StreamId) {
        let Some(octets) = self.received.remove(&id) else {
            return;
        };
        let body = Bytes::from(format!("received {octets} octets\n"));
        let head = Fields::response(200)
            .with("content-type", "text/plain")
            .with("content-length", body.len().to_string());
        if machine.respond(id, &head, false).is_ok() {
            self.send(machine, id, body);
        }
    }
}

impl StreamApp for Pages {
    type Machine = Connection;

    fn on_event(&mut self, _: Duration, machine: &mut Connection, event: Event) {
        match event {
            Event::Headers { id, fields, end } => {
                if matches!(fields.method(), Some(b"POST" | b"PUT")) {
                    self.received.insert(id, 0);
                    if fields.value("expect") == Some(b"100-continue") {
                        let _ = machine.inform(id, &Fields::response(100));
                    }
                    if end {
                        self.received_all(machine, id);
                    }
                } else {
                    self.answer(machine, id, &fields);
                }
            }
            Event::Data { id, data, end } => {
                if let Some(sum) = self.received.get_mut(&id) {
                    *sum += data.len() as u64;
                }
                if end {
                    self.received_all(machine, id);
                }
            }
            Event::Trailers { id, .. } => self.received_all(machine, id),
            Event::Writable { id } => {
                if let Some(body) = self.bodies.remove(&id) {
                    self.send(machine, id, body);
                }
            }
            Event::Closed { id, .. } => {
                self.received.remove(&id);
                self.bodies.remove(&id);
            }
            _ => {}
        }
    }
}
