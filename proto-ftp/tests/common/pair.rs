//! Both sessions and their data connections, without a network.

use super::{Store, T0, address, new_client, new_server};
use bytes::{Bytes, BytesMut};
use proto_ftp::client::{CommandId, Event, Fault};
use proto_ftp::data::{DataEvent, DataLimits, Format, Receiver, Sender};
use proto_ftp::wire::Reply;
use proto_ftp::{ClientLimits, DataTransmit, ServerLimits, TlsInfo, Transmit, client, server};
use std::collections::BTreeMap;

/// A client and a server that hear each other at once.
pub struct Pair {
    pub client: client::Session,
    pub server: server::Session,
    pub store: Store,
    to_client: BytesMut,
    to_server: BytesMut,
    /// What a command of the client sends.
    pub uploads: BTreeMap<CommandId, Vec<u8>>,
    pub downloads: BTreeMap<CommandId, Vec<u8>>,
    pub ends: BTreeMap<CommandId, Result<(Reply, u64), Fault>>,
    pub client_events: Vec<Event>,
    pub markers: Vec<Bytes>,
    pub client_error: Option<client::Error>,
    pub server_error: Option<server::Error>,
    /// All that both said, in order.
    pub talk: Vec<u8>,
    /// Whether the data channel's TLS resumes the session of the control connection.
    pub resumes: bool,
    /// Markers that the client's sender puts between octets.
    pub marks: Vec<(usize, &'static [u8])>,
    /// How many wishes there were to move octets.
    pub pumped: usize,
    client_data: Option<client::DataId>,
    server_data: Option<server::DataId>,
    client_start: Option<(client::DataId, CommandId, client::Direction, Format)>,
    server_start: Option<(server::DataId, server::Direction, Format)>,
    is_linked: bool,
}

impl Pair {
    pub fn new(client: &client::Config, server: &server::Config) -> Self {
        Self {
            client: new_client(T0, client, &ClientLimits::default()),
            server: new_server(T0, server, &ServerLimits::default()),
            store: Store::new(),
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            uploads: BTreeMap::new(),
            downloads: BTreeMap::new(),
            ends: BTreeMap::new(),
            client_events: Vec::new(),
            markers: Vec::new(),
            client_error: None,
            server_error: None,
            talk: Vec::new(),
            resumes: true,
            marks: Vec::new(),
            pumped: 0,
            client_data: None,
            server_data: None,
            client_start: None,
            server_start: None,
            is_linked: false,
        }
    }

    /// Runs until nothing moves any more.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Runs, and says how a command ended.
    pub fn end_of(&mut self, id: CommandId) -> Result<(Reply, u64), Fault> {
        self.run();
        self.ends
            .remove(&id)
            .unwrap_or_else(|| panic!("no end of {id:?}: {}", self.shown()))
    }

    /// As [`end_of`](Self::end_of): the code of the last reply.
    pub fn code_of(&mut self, id: CommandId) -> u16 {
        let end = self.end_of(id);
        let shown = self.shown();
        end.unwrap_or_else(|fault| panic!("{fault}: {shown}"))
            .0
            .code()
    }

    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.talk).into_owned()
    }

    fn step(&mut self) -> bool {
        let mut moved = false;
        while let Some(step) = self.client.poll_transmit(T0, 700) {
            moved = true;
            match step {
                Transmit::Data(data) | Transmit::Urgent(data) => {
                    self.talk.extend_from_slice(&data);
                    self.to_server.extend_from_slice(&data);
                }
                // The server's StartTls does it for both.
                Transmit::StartTls | Transmit::StopTls => {}
                Transmit::Shutdown => self.server.handle_eof(T0),
            }
        }
        while let Some(step) = self.server.poll_transmit(T0, 700) {
            moved = true;
            match step {
                Transmit::Data(data) | Transmit::Urgent(data) => {
                    self.talk.extend_from_slice(&data);
                    self.to_client.extend_from_slice(&data);
                }
                Transmit::StartTls => {
                    self.hear_client();
                    assert_eq!(self.client.poll_transmit(T0, 700), Some(Transmit::StartTls));
                    self.server.handle_tls_established(T0, TlsInfo::default());
                    self.client.handle_tls_established(T0, TlsInfo::default());
                }
                Transmit::StopTls => {
                    self.hear_client();
                    assert_eq!(self.client.poll_transmit(T0, 700), Some(Transmit::StopTls));
                }
                Transmit::Shutdown => self.client.handle_eof(T0),
            }
        }
        moved |= self.hear_client();
        loop {
            match self.server.poll_event(T0, &mut self.to_server) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    moved = true;
                    // An answer to a question that is over is no fault here.
                    let _ = self.store.handle(&mut self.server, event);
                }
                Err(error) => self.server_error = Some(error),
            }
        }
        while let Some(action) = self.server.poll_action(T0) {
            moved = true;
            self.serve(action);
        }
        while let Some(action) = self.client.poll_action(T0) {
            moved = true;
            self.wish(action);
        }
        moved | self.link() | self.transfer()
    }

    fn hear_client(&mut self) -> bool {
        let mut moved = false;
        loop {
            match self.client.poll_event(T0, &mut self.to_client) {
                Ok(None) => return moved,
                Ok(Some(event)) => {
                    moved = true;
                    match &event {
                        Event::Done { id, reply, octets } => {
                            let end = Ok((reply.clone(), *octets));
                            assert!(self.ends.insert(*id, end).is_none(), "a second end");
                        }
                        Event::Failed { id, fault } => {
                            let end = Err(fault.clone());
                            assert!(self.ends.insert(*id, end).is_none(), "a second end");
                        }
                        _ => {}
                    }
                    self.client_events.push(event);
                }
                Err(error) => self.client_error = Some(error),
            }
        }
    }

    fn serve(&mut self, action: server::Action) {
        match action {
            server::Action::Listen { id, .. } => {
                self.server_data = Some(id);
                self.is_linked = false;
                self.server
                    .handle_listening(T0, id, address("192.0.2.1:50000"));
            }
            server::Action::Connect { id, to } => {
                self.server_data = Some(id);
                self.server.handle_connected(T0, id, to);
                if let Some(id) = self.client_data {
                    let from = address("192.0.2.1:20");
                    self.client.handle_connected(T0, id, from);
                }
                self.is_linked = true;
            }
            server::Action::Secure { id } => {
                let mut tls = TlsInfo::default();
                tls.resumed = self.resumes;
                self.server.handle_data_tls(T0, id, &tls);
            }
            server::Action::Start {
                id,
                direction,
                format,
            } => self.server_start = Some((id, direction, format)),
            server::Action::Pump { id, direction, .. } => {
                self.pumped += 1;
                self.server_start = Some((id, direction, Format::IMAGE));
            }
            server::Action::Close { id, .. } => {
                if self.server_data == Some(id) {
                    self.server_data = None;
                }
                if let Some((client, ..)) = self.client_start.take() {
                    self.client.handle_transferred(T0, client, 0, false);
                }
                self.server_start = None;
            }
            server::Action::Refuse { .. } => {}
        }
    }

    fn wish(&mut self, action: client::Action) {
        match action {
            client::Action::Connect { id, .. } => {
                self.client_data = Some(id);
                self.is_linked = false;
            }
            client::Action::Listen { id, on } => {
                self.client_data = Some(id);
                let at = (on, 41000).into();
                self.client.handle_listening(T0, id, at);
            }
            client::Action::Secure { id } => self.client.handle_data_tls(T0, id),
            client::Action::Start {
                id,
                command,
                direction,
                format,
            } => self.client_start = Some((id, command, direction, format)),
            client::Action::Pump {
                id,
                command,
                direction,
                max,
            } => {
                self.pumped += 1;
                // The file is moved as a whole; the first step of it is told of before.
                if self.client_start.is_none() {
                    self.client_start = Some((id, command, direction, Format::IMAGE));
                    self.client.handle_pumped(T0, id, max);
                }
            }
            client::Action::Close { id } => {
                if self.client_data == Some(id) {
                    self.client_data = None;
                }
                if let Some((server, ..)) = self.server_start.take() {
                    let fault = server::TransferFault::Disconnected;
                    self.server.handle_transferred(T0, server, Err(fault));
                }
                self.client_start = None;
            }
            client::Action::Refuse { .. } => {}
        }
    }

    fn link(&mut self) -> bool {
        let (Some(client), Some(server), false) =
            (self.client_data, self.server_data, self.is_linked)
        else {
            return false;
        };
        self.is_linked = true;
        self.server
            .handle_connected(T0, server, address("192.0.2.9:41000"));
        self.client
            .handle_connected(T0, client, address("192.0.2.1:50000"));
        true
    }

    /// Once both sides are ready, the file travels through both data machines.
    fn transfer(&mut self) -> bool {
        if self.client_start.is_none() || self.server_start.is_none() {
            return false;
        }
        let (Some((here, command, direction, format)), Some((there, _, other))) =
            (self.client_start.take(), self.server_start.take())
        else {
            return false;
        };
        assert_eq!(format, other, "{}", self.shown());
        self.is_linked = false;
        match direction {
            client::Direction::Receive => {
                let file = self.store.outgoing.remove(&there).unwrap_or_default();
                let sent = u64::try_from(file.len()).unwrap();
                let (content, _) = travel(format, &file, &[]);
                let got = u64::try_from(content.len()).unwrap();
                self.downloads.insert(command, content);
                self.server.handle_transferred(T0, there, Ok(sent));
                self.client.handle_transferred(T0, here, got, true);
            }
            client::Direction::Send => {
                let file = self.uploads.remove(&command).unwrap_or_default();
                let marks = core::mem::take(&mut self.marks);
                let (content, markers) = travel(format, &file, &marks);
                let got = u64::try_from(content.len()).unwrap();
                for (octets, marker) in markers {
                    self.server
                        .handle_marker(T0, there, &marker, octets.to_string().as_bytes());
                    self.markers.push(marker);
                }
                self.store.received.insert(there, content);
                self.client.handle_transferred(T0, here, got, true);
                self.server.handle_transferred(T0, there, Ok(got));
            }
        }
        true
    }
}

/// Sends a file through both data machines; returns what arrived, and the markers with the octets
/// before them.
pub fn travel(
    format: Format,
    file: &[u8],
    marks: &[(usize, &[u8])],
) -> (Vec<u8>, Vec<(u64, Bytes)>) {
    let mut sender = Sender::new(format, DataLimits::default());
    let mut receiver = Receiver::new(format, DataLimits::default());
    let (mut wire, mut content, mut markers) = (BytesMut::new(), Vec::new(), Vec::new());
    let mut at = 0;
    for &(mark, marker) in marks {
        let mut piece = Bytes::copy_from_slice(&file[at..mark]);
        at = mark;
        assert!(sender.send_data(&mut piece, false));
        sender.send_marker(marker);
    }
    let mut rest = Bytes::copy_from_slice(&file[at..]);
    loop {
        sender.send_data(&mut rest, true);
        while let Some(step) = sender.poll_transmit(T0, 999) {
            match step {
                DataTransmit::Data(data) => wire.extend_from_slice(&data),
                DataTransmit::Shutdown => receiver.handle_eof(T0),
                DataTransmit::Abort => panic!("nobody aborted"),
            }
        }
        while let Some(event) = receiver.poll_event(T0, &mut wire).unwrap() {
            match event {
                DataEvent::Chunk(data) => content.extend_from_slice(&data),
                DataEvent::Marker(marker) => {
                    markers.push((u64::try_from(content.len()).unwrap(), marker));
                }
                DataEvent::End => return (content, markers),
                _ => {}
            }
        }
    }
}
