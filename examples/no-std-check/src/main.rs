//! Machines without std: the program that an embedded user would write, on a system where it can be
//! run. It has its own allocator and panic handler, so that it links only if no protocol crate
//! brings std along.
//!
//! It reads a mailbox over POP3, client and server machine against each other, and has an authority
//! answer a DNS query; an HTTP/2 client gets a page, an FTP session says where it is. The status is 0
//! when all did what they should.
#![no_std]
#![no_main]

extern crate alloc;

mod system;

use alloc::string::ToString;
use bytes::BytesMut;
use core::error::Error;
use core::time::Duration;
use proto_dns::server::{Authority, Zone};
use proto_dns::wire::{Builder, Class, Flags, Message, Name, RData, Soa, Type};
use proto_mail::Transmit;
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};

#[unsafe(no_mangle)]
extern "C" fn main() -> core::ffi::c_int {
    let results = [
        ("pop3", read_mail()),
        ("smtp", send_mail()),
        ("dns", ask()),
        ("bittorrent", share()),
        ("http2", get()),
        ("ftp", list()),
    ];
    let mut status = 0;
    for (name, result) in results {
        match result {
            Ok(()) => system::print(name),
            Err(error) => {
                system::print(name);
                system::print(&error.to_string());
                status = 1;
            }
        }
    }
    status
}

/// The server of SMTP takes a message that was typed in.
fn send_mail() -> Result<(), alloc::boxed::Box<dyn Error>> {
    use proto_mail::smtp::server::{Config, Event, Limits, Session};
    let now = Duration::ZERO;
    let mut session = Session::new(now, Config::default(), Limits::default());
    let mut input =
        BytesMut::from("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\r\n.\r\n");
    let mut octets = 0;
    while let Some(event) = session.poll_event(now, &mut input)? {
        match event {
            Event::Mail { ask, .. } => session.accept(ask)?,
            Event::Rcpt { ask, .. } => session.accept(ask)?,
            Event::BodyChunk(data) => octets += data.len(),
            Event::MessageEnd { ask, .. } => session.accept(ask)?,
            _ => {}
        }
    }
    match octets {
        4 => queue_mail(),
        _ => Err("another message".into()),
    }
}

/// A queue wishes to store what it was given, and then for the exchangers of the domain.
fn queue_mail() -> Result<(), alloc::boxed::Box<dyn Error>> {
    use proto_mail::smtp::client::Envelope;
    use proto_mail::smtp::queue::{Action, Config, Limits, Queue};
    use proto_mail::smtp::wire::Mailbox;
    let now = Duration::ZERO;
    let mut queue = Queue::new(now, Config::default(), Limits::default(), [7; 32]);
    let from: Mailbox = "a@b".parse()?;
    let id = queue.submit(Envelope::new(from).to("c@d".parse()?), 4)?;
    let Some(Action::Store { .. }) = queue.poll_action(now) else {
        return Err("nothing to store".into());
    };
    queue.handle_stored(now, id);
    match queue.poll_action(now) {
        Some(Action::Exchangers { domain, .. }) if domain == "d" => Ok(()),
        _ => Err("another wish".into()),
    }
}

/// A torrent is made and read, and two peers shake hands about it.
fn share() -> Result<(), alloc::boxed::Box<dyn Error>> {
    use proto_bittorrent::Limits;
    use proto_bittorrent::hash::PeerId;
    use proto_bittorrent::metainfo::{self, Draft, Metainfo, Versions};
    use proto_bittorrent::peer::{Config, Connection, Event, Torrent};
    use proto_bittorrent::stream::Transmit;
    let now = Duration::ZERO;
    let mut draft = Draft::new("board", 16 * 1024, Versions::Hybrid)?;
    let mut file = draft.file(&[], 5)?;
    file.update(b"hello");
    file.finish()?;
    let torrent = Metainfo::parse(draft.finish()?, &metainfo::Limits::default())?;
    let mut near = Connection::outgoing(
        now,
        Config::new(PeerId([1; 20])),
        Limits::default(),
        Torrent::of(&torrent),
    );
    let mut far = Connection::incoming(now, Config::new(PeerId([2; 20])), Limits::default(), 1);
    let mut input = BytesMut::new();
    while let Some(Transmit::Data(data)) = near.poll_transmit(now, 64) {
        input.extend_from_slice(&data);
    }
    match far.poll_event(now, &mut input)? {
        Some(Event::Incoming { handshake, .. }) if handshake.info_hash == torrent.swarm_hash() => {
            Ok(())
        }
        _ => Err("no handshake".into()),
    }
}

/// The client gets a page from the server.
fn get() -> Result<(), alloc::boxed::Box<dyn Error>> {
    use proto_http2::{Config, Connection, Event, Fields, Limits, Transmit};
    let now = Duration::ZERO;
    let limits = Limits::embedded;
    let mut client = Connection::client(now, Config::default(), limits());
    let mut server = Connection::server(now, Config::default(), limits());
    client.request(&Fields::request("GET", "http", "board.example", "/"), true)?;
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    for _ in 0..100 {
        while let Some(Transmit::Data(data)) = client.poll_transmit(now, 64) {
            to_server.extend_from_slice(&data);
        }
        while let Some(event) = server.poll_event(now, &mut to_server)? {
            if let Event::Headers { id, .. } = event {
                server.respond(id, &Fields::response(204), true)?;
            }
        }
        while let Some(Transmit::Data(data)) = server.poll_transmit(now, 64) {
            to_client.extend_from_slice(&data);
        }
        while let Some(event) = client.poll_event(now, &mut to_client)? {
            if let Event::Headers { fields, .. } = event
                && fields.status() == Some(204)
            {
                return Ok(());
            }
        }
    }
    Err("no answer".into())
}

/// A session logs in and asks where it is; a line of a listing is read.
fn list() -> Result<(), alloc::boxed::Box<dyn Error>> {
    use proto_ftp::server::{Config, Event, Session};
    use proto_ftp::wire::DateTime;
    use proto_ftp::{ServerLimits, Transmit, listing};
    let now = Duration::ZERO;
    let (local, peer) = ("192.0.2.1:21".parse()?, "192.0.2.9:4000".parse()?);
    let mut session = Session::new(now, Config::default(), ServerLimits::default(), local, peer);
    let mut input = BytesMut::from("USER bob\r\nPASS hungry\r\nPWD\r\nQUIT\r\n");
    let mut said = BytesMut::new();
    while let Some(event) = session.poll_event(now, &mut input)? {
        if let Event::Login { ask, .. } = event {
            session.accept(ask)?;
        }
    }
    while let Some(Transmit::Data(data)) = session.poll_transmit(now, 64) {
        said.extend_from_slice(&data);
    }
    let mut parser = listing::Parser::new(DateTime::from_unix(0));
    let entry = parser.parse_line(b"-rw-r--r-- 1 bob bob 42 Jan  2  2020 page.txt");
    let size = entry.and_then(|entry| entry.size);
    match (said.ends_with(b"257 \"/\"\r\n221 Goodbye\r\n"), size) {
        (true, Some(42)) => Ok(()),
        _ => Err("another reply, or another file".into()),
    }
}

/// The client reads Bob's only message from the server.
fn read_mail() -> Result<(), alloc::boxed::Box<dyn Error>> {
    const MESSAGE: &[u8] = b"Subject: dinner\r\n\r\n.Do you like ketchup?\r\n";
    let now = Duration::ZERO; // a board would read its timer
    let mut store = MemoryStore::new();
    store.add_user("bob", "hungry");
    store.deliver("bob", MESSAGE);
    let mut config = server::Config::default();
    config.allow_plaintext_auth = true;
    let mut server = server::Session::new(now, config, server::Limits::default(), [7; 32]);
    let mut connection = Connection::new();
    let mut config = client::Config::default();
    config.require_tls = false;
    let mut client = client::Session::new(now, config, client::Limits::default());
    client.login("bob", "hungry")?;
    let wanted = client.retr(1)?;
    client.quit()?;

    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let mut body = BytesMut::new();
    while !(client.is_closed() && server.is_closed()) {
        while let Some(step) = client.poll_transmit(now, 64) {
            match step {
                Transmit::Data(data) => to_server.extend_from_slice(&data),
                Transmit::Shutdown => server.handle_eof(now),
                Transmit::StartTls => return Err("no TLS here".into()),
            }
        }
        while let Some(event) = server.poll_event(now, &mut to_server)? {
            store.handle(&mut connection, &mut server, event)?;
        }
        while let Some(step) = server.poll_transmit(now, 64) {
            match step {
                Transmit::Data(data) => to_client.extend_from_slice(&data),
                Transmit::Shutdown => client.handle_eof(now),
                Transmit::StartTls => return Err("no TLS here".into()),
            }
        }
        while let Some(event) = client.poll_event(now, &mut to_client)? {
            match event {
                client::Event::BodyChunk { id, data } if id == wanted => {
                    body.extend_from_slice(&data);
                }
                client::Event::Done { reply, .. } if !reply.is_ok() => {
                    return Err("a command was refused".into());
                }
                _ => {}
            }
        }
    }
    if body != MESSAGE {
        return Err("the message differs".into());
    }
    Ok(())
}

/// An authority for one name is asked for it.
fn ask() -> Result<(), alloc::boxed::Box<dyn Error>> {
    let origin: Name = "board.test".parse()?;
    let mut zone = Zone::builder(origin.clone());
    zone.add(
        &origin,
        60,
        &RData::Soa(Soa {
            mname: origin.view(),
            rname: origin.view(),
            serial: 1,
            refresh: 60,
            retry: 60,
            expire: 60,
            minimum: 60,
        }),
    )?;
    zone.add(&origin, 60, &RData::Ns(origin.view()))?;
    zone.add(&origin, 60, &RData::A([127, 0, 0, 1].into()))?;
    let mut authority = Authority::default();
    authority.insert(zone.build()?)?;

    let mut query = [0; 64];
    let mut query = Builder::new(&mut query, 7, Flags::RD)?;
    query.push_question(origin.view(), Type::A, Class::IN)?;
    let mut reply = [0; 512];
    let reply = authority
        .answer(query.finish(), proto_dns::Transport::Udp, &mut reply)
        .ok_or("no reply")?;
    let reply = Message::parse(reply)?;
    let answer = reply.answers().next().ok_or("no answer")?;
    if answer.data()? != RData::A([127, 0, 0, 1].into()) {
        return Err("another address".into());
    }
    Ok(())
}
