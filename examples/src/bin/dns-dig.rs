//! Asks a DNS server, as dig does: the stub of proto-dns on netio.

use clap::Parser;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use examples::{cli, tls_any};
use netio::driver::{Lookup, LookupError, Stub};
use netio::tls;
use proto_dns::client::QueryOptions;
use proto_dns::client::stub::Event;
use proto_dns::tsig::{Key, Transaction};
use proto_dns::wire::{
    Builder, Class, ClientSubnet, Edns, EdnsOption, Flags, Message, MessageBuf, Name, Opt,
    OptionCode, Options, Question, RData, Rcode, Record, Section, Soa, Type,
};
use proto_dns::{Config, Limits, UnixTime};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tls::tokio_rustls::TlsConnector;
use tls::tokio_rustls::rustls::ClientConfig;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Asks a DNS server and prints its answer in the way of dig.
///
/// Words that begin with + are switches, with no in front to switch off: +short, +tcp, +tls,
/// +tls-ca=FILE, +tls-hostname=NAME, +dnssec (+do),
/// +recurse, +cdflag (+cd), +edns, +nsid, +expire, +keepalive, +zoneversion, +cookie, +padding=N, +subnet=ADDR/PREFIX,
/// +ednsopt=CODE:HEX, +bufsize=N, +time=SECONDS, +tries=N, +retry=N, +search, +ndots=N, +domain=NAME,
/// +trace; and for what is printed +all, +cmd, +comments, +question, +answer, +authority, +additional,
/// +stats, +ttlid, +class. The types AXFR and IXFR=SERIAL transfer a zone.
#[derive(Parser)]
#[command(
    version,
    override_usage = "dns-dig @ADDR[:PORT] [-p PORT] NAME [TYPE] [CLASS] [+SWITCH ...]"
)]
struct Arguments {
    /// The port of the server: 53 unless this says otherwise, 853 with +tls.
    #[arg(short)]
    port: Option<u16>,
    /// Sign with a key, and check signatures.
    #[arg(short = 'y', value_name = "[ALG:]NAME:SECRET", value_parser = read_key)]
    key: Option<Key>,
    /// The type.
    #[arg(short = 't', value_name = "TYPE")]
    qtype: Option<String>,
    /// The class.
    #[arg(short = 'c', value_name = "CLASS")]
    qclass: Option<Class>,
    /// The name, when it looks like something else.
    #[arg(short = 'q', value_name = "NAME")]
    qname: Option<String>,
    /// Ask for the name of an address (PTR).
    #[arg(short = 'x', value_name = "ADDR")]
    reverse: Option<IpAddr>,
    /// The server, the name, the type, the class and the switches, in any order.
    words: Vec<String>,
}

/// What the words of the command line ask for.
struct Request {
    question: Question,
    options: QueryOptions,
    config: Config,
    show: Show,
    server: SocketAddr,
    key: Option<Key>,
    /// The version that an incremental transfer begins with.
    serial: Option<u32>,
    trace: bool,
    /// The name as it was written, for the search list.
    search: Option<String>,
    tls: Tls,
}

/// DNS over TLS: whether, and whom to trust.
#[derive(Clone, Debug, Default)]
struct Tls {
    wanted: bool,
    /// Certificates that are trusted, as PEM; without them any certificate will do, as with dig.
    roots: Option<String>,
    /// The name that the server must prove; its address otherwise.
    name: Option<String>,
}

impl Tls {
    fn client(&self, server: IpAddr) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        let config = match &self.roots {
            None => tls_any::client_config().map_err(|error| error.to_string())?,
            Some(file) => {
                let roots = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
                tls::client_config(&roots, &[b"dot"]).map_err(|error| format!("{file}: {error}"))?
            }
        };
        let name = match &self.name {
            None => ServerName::from(server),
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|error| format!("+tls-hostname={name}: {error}"))?,
        };
        Ok((config, name))
    }

    /// A stub that asks over TLS if that is wanted.
    fn dress(&self, stub: Stub, server: IpAddr) -> Result<Stub, String> {
        if !self.wanted {
            return Ok(stub);
        }
        let (config, name) = self.client(server)?;
        Ok(stub.over_tls(config, name))
    }
}

/// A connection, in plaintext or under TLS.
trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// What is printed.
#[derive(Clone, Copy, Debug)]
struct Show {
    short: bool,
    comments: bool,
    question: bool,
    answer: bool,
    authority: bool,
    additional: bool,
    stats: bool,
    ttl: bool,
    class: bool,
}

impl Show {
    const fn all(on: bool) -> Self {
        Self {
            short: false,
            comments: on,
            question: on,
            answer: on,
            authority: on,
            additional: on,
            stats: on,
            ttl: true,
            class: true,
        }
    }

    /// Takes a switch; false when it is another one's.
    fn switch(&mut self, switch: &str, on: bool) -> bool {
        match switch {
            "all" => {
                *self = Self {
                    short: self.short,
                    ttl: self.ttl,
                    class: self.class,
                    ..Self::all(on)
                }
            }
            "short" => self.short = on,
            "comments" | "cmd" => self.comments = on,
            "question" => self.question = on,
            "answer" => self.answer = on,
            "authority" => self.authority = on,
            "additional" => self.additional = on,
            "stats" => self.stats = on,
            "ttlid" | "ttl" => self.ttl = on,
            "class" | "cl" => self.class = on,
            _ => return false,
        }
        true
    }

    fn record(self, record: &Record<'_>) {
        let data = match record.data() {
            Ok(data) => data.to_string(),
            Err(_) => RData::from_wire(Type(65_280), record.rdata())
                .map_or_else(|_| String::new(), |data| data.to_string()),
        };
        print!("{}", record.owner);
        if self.ttl {
            print!("\t{}", record.ttl);
        }
        if self.class {
            print!("\t{}", record.class);
        }
        println!("\t{}\t{data}", record.rtype);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let request = match Request::read(Arguments::parse()) {
        Ok(request) => request,
        Err(message) => {
            eprintln!("dns-dig: {message}");
            return ExitCode::from(2);
        }
    };
    cli::exit("dns-dig", run(request).await)
}

async fn run(request: Request) -> Result<(), Box<dyn Error>> {
    let transfer = matches!(request.question.qtype, Type::AXFR | Type::IXFR);
    if request.trace {
        return trace(request).await;
    }
    if transfer || request.key.is_some() {
        return exchange(&request, transfer).await;
    }
    let show = request.show;
    let stub = Stub::new(request.config, Limits::default(), cli::seed());
    let mut stub = request.tls.dress(stub, request.server.ip())?;
    if let Some(text) = request.search {
        let found = search(&mut stub, &text, request.question.qtype, request.options).await?;
        if show.short {
            print_short(&found.view())?;
        } else {
            print_message(show, &found.view());
        }
        return Ok(());
    }
    match stub.lookup(request.question, request.options).await {
        Ok(found) if show.short => print_short(&found.message.view())?,
        Ok(found) => {
            print_message(show, &found.message.view());
            if show.stats {
                print_footer(&found);
            }
        }
        // A refusal is an answer, to whoever asks with dig.
        Err(LookupError::Failed {
            reply: Some(reply), ..
        }) if !show.short => print_message(show, &reply.view()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn search(
    stub: &mut Stub,
    text: &str,
    qtype: Type,
    options: QueryOptions,
) -> Result<MessageBuf, Box<dyn Error>> {
    let wanted = stub.machine_mut().search(text, qtype, options)?;
    loop {
        match stub.next().await {
            Event::Answer { id, message, .. } if id == wanted => return Ok(message),
            Event::Failed { id, reason, reply } if id == wanted => {
                return Err(LookupError::Failed { reason, reply }.into());
            }
            _ => {}
        }
    }
}

/// Asks from one server to the next, beginning with the one that was named, as a resolver would
/// (RFC 1034 section 5.3.3, without its care: only addresses that come along are followed).
async fn trace(request: Request) -> Result<(), Box<dyn Error>> {
    let mut server = request.server;
    let mut options = request.options;
    options.recursion_desired = false;
    for _ in 0..16 {
        let mut config = request.config.clone();
        config.servers = vec![server];
        let stub = Stub::new(config, Limits::default(), cli::seed());
        let mut stub = request.tls.dress(stub, server.ip())?;
        let found = stub.lookup(request.question.clone(), options).await?;
        let message = found.message.view();
        let records = message.answers().chain(message.authorities());
        for record in records {
            request.show.record(&record);
        }
        println!(";; from {server}, {} msec\n", found.took.as_millis());
        let is_answer = message.answers().next().is_some()
            || message.header().flags.contains(Flags::AA)
            || message.rcode() != Rcode::NOERROR;
        let next = message
            .additionals()
            .find_map(|record| match record.data() {
                Ok(RData::A(address)) => Some(IpAddr::from(address)),
                Ok(RData::Aaaa(address)) => Some(IpAddr::from(address)),
                _ => None,
            });
        match next {
            Some(next) if !is_answer => server = SocketAddr::new(next, server.port()),
            _ => return Ok(()),
        }
    }
    Err("too many referrals".into())
}

/// One question on a connection of its own: a transfer, or one that is signed.
async fn exchange(request: &Request, transfer: bool) -> Result<(), Box<dyn Error>> {
    let wait = request.config.tcp_timeout;
    let mut message = question_message(request)?;
    let unix = || -> Result<UnixTime, Box<dyn Error>> {
        Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.into())
    };
    let mut signed = match &request.key {
        Some(key) => Some(Transaction::request(key, &mut message, unix()?)?),
        None => None,
    };
    let connecting = tokio::time::timeout(wait, connect(request));
    let mut stream = connecting.await.map_err(|_| "no connection in time")??;
    let len = u16::try_from(message.len())?;
    stream
        .write_all(&[&len.to_be_bytes(), message.as_slice()].concat())
        .await?;
    let (mut soas, mut records, mut messages, mut octets) = (0, 0usize, 0, 0usize);
    let (mut first_soa, mut incremental) = (None, false);
    loop {
        let reading = async {
            let len = stream.read_u16().await?;
            let mut reply = vec![0; len.into()];
            stream.read_exact(&mut reply).await?;
            std::io::Result::Ok(reply)
        };
        let reply = tokio::time::timeout(wait, reading).await;
        let reply = reply.map_err(|_| "no answer in time")??;
        messages += 1;
        octets += reply.len();
        let bare = match &mut signed {
            Some(signed) => signed.verify(&reply, unix()?)?,
            None => reply,
        };
        let reply = Message::parse(&bare)?;
        if !transfer {
            if request.show.short {
                print_short(&reply)?;
            } else {
                print_message(request.show, &reply);
            }
            return Ok(());
        }
        if reply.rcode() != Rcode::NOERROR {
            return Err(format!("transfer failed: {}", reply.rcode()).into());
        }
        let mut alone = true;
        for record in reply.answers() {
            records += 1;
            request.show.record(&record);
            if let Ok(RData::Soa(soa)) = record.data() {
                first_soa.get_or_insert(soa.serial);
                soas += u32::from(first_soa == Some(soa.serial));
            }
            alone = records == 1;
        }
        // The newest SOA record ends it; changes bear it once more before what comes.
        if messages == 1 {
            incremental = request.question.qtype == Type::IXFR && is_incremental(&reply);
        }
        let enough = if incremental { 3 } else { 2 };
        let up_to_date = alone && request.serial.is_some() && request.serial == first_soa;
        if soas >= enough || up_to_date || records == 0 {
            println!(";; XFR size: {records} records (messages {messages}, bytes {octets})");
            return Ok(());
        }
    }
}

async fn connect(request: &Request) -> Result<Box<dyn Io>, Box<dyn Error>> {
    let socket = TcpStream::connect(request.server).await?;
    if !request.tls.wanted {
        return Ok(Box::new(socket));
    }
    let (config, name) = request.tls.client(request.server.ip())?;
    let stream = TlsConnector::from(config).connect(name, socket).await?;
    Ok(Box::new(stream))
}

/// Whether the first message of a transfer holds changes: its second record is a SOA record too.
fn is_incremental(message: &Message<'_>) -> bool {
    let second = message.answers().nth(1);
    second.is_some_and(|record| record.rtype == Type::SOA)
}

fn question_message(request: &Request) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut buffer = [0; 1024];
    let [a, b, ..] = cli::seed();
    let id = u16::from_be_bytes([a, b]);
    let Question {
        name,
        qtype,
        qclass,
    } = &request.question;
    let transfer = matches!(*qtype, Type::AXFR | Type::IXFR);
    let flags = Flags::default().with(Flags::RD, !transfer && request.options.recursion_desired);
    let mut message = Builder::new(&mut buffer, id, flags)?;
    if request.options.edns && !transfer {
        message.set_edns(&Edns {
            dnssec_ok: request.options.dnssec_ok,
            ..Edns::new(request.config.udp_payload)
        })?;
    }
    message.push_question(name.view(), *qtype, *qclass)?;
    if let Some(serial) = request.serial {
        let root = Name::root();
        let soa = RData::Soa(Soa {
            mname: root.view(),
            rname: root.view(),
            serial,
            refresh: 0,
            retry: 0,
            expire: 0,
            minimum: 0,
        });
        message.push(Section::Authority, name.view(), *qclass, 0, &soa)?;
    }
    Ok(message.finish().to_vec())
}

fn read_key(text: &str) -> Result<Key, String> {
    let parts: Vec<_> = text.split(':').collect();
    let (algorithm, name, secret) = match parts[..] {
        [name, secret] => ("hmac-sha256", name, secret),
        [algorithm, name, secret] => (algorithm, name, secret),
        _ => return Err("[ALG:]NAME:SECRET is wanted".to_owned()),
    };
    let name = name.parse().map_err(|error| format!("{name}: {error}"))?;
    let algorithm = algorithm
        .parse()
        .map_err(|error| format!("{algorithm}: {error}"))?;
    Key::from_base64(name, algorithm, secret).map_err(|error| format!("the secret: {error}"))
}

impl Request {
    fn read(arguments: Arguments) -> Result<Self, String> {
        let (mut server, mut name, mut qtype, mut qclass) =
            (None, arguments.qname.clone(), None, arguments.qclass);
        let mut request = Self {
            question: Question::new(Name::root(), Type::A),
            options: QueryOptions::default(),
            config: Config::default(),
            show: Show::all(true),
            server: SocketAddr::from(([127, 0, 0, 1], 53)),
            key: arguments.key.clone(),
            serial: None,
            trace: false,
            search: None,
            tls: Tls::default(),
        };
        if let Some(text) = &arguments.qtype {
            qtype = Some(
                request
                    .read_type(text)
                    .ok_or(format!("{text}: not a type"))?,
            );
        }
        let mut searching = false;
        for word in &arguments.words {
            let has_name = name.is_some() || arguments.reverse.is_some();
            if let Some(address) = word.strip_prefix('@') {
                server = Some(address.to_owned());
            } else if let Some(switch) = word.strip_prefix('+') {
                match switch.split_once('=') {
                    None => request.read_switch(switch, &mut searching)?,
                    Some((switch, value)) => request.read_setting(switch, value)?,
                }
            } else if let (true, Ok(class), None) = (has_name, word.parse::<Class>(), qclass) {
                qclass = Some(class);
            } else if let (true, Some(found), None) = (has_name, request.read_type(word), qtype) {
                qtype = Some(found);
            } else if !has_name {
                name = Some(word.clone());
            } else {
                return Err(format!("{word}: neither a type nor a class"));
            }
        }
        request.question.name = match (&name, arguments.reverse) {
            (_, Some(address)) => {
                qtype = qtype.or(Some(Type::PTR));
                reverse_name(address)?
            }
            (Some(text), _) => text.parse().map_err(|error| format!("{text}: {error}"))?,
            (None, None) => return Err("no name to ask for".to_owned()),
        };
        request.search = name.filter(|_| searching);
        let port = if request.tls.wanted { 853 } else { 53 };
        let server = server.ok_or("no server: say @ADDR")?;
        request.server = read_server(&server, arguments.port.unwrap_or(port))?;
        request.config.servers = vec![request.server];
        request.question.qtype = qtype.unwrap_or(Type::A);
        request.question.qclass = qclass.unwrap_or(Class::IN);
        Ok(request)
    }

    fn read_type(&mut self, text: &str) -> Option<Type> {
        if let Some((name, serial)) = text.split_once('=')
            && name.eq_ignore_ascii_case("ixfr")
        {
            self.serial = Some(serial.parse().ok()?);
            return Some(Type::IXFR);
        }
        text.parse().ok()
    }

    fn read_switch(&mut self, switch: &str, searching: &mut bool) -> Result<(), String> {
        let (on, name) = match switch.strip_prefix("no") {
            Some(name) => (false, name),
            None => (true, switch),
        };
        if self.show.switch(name, on) {
            return Ok(());
        }
        match name {
            "tcp" | "vc" => self.options.tcp = on,
            "tls" => (self.tls.wanted, self.options.tcp) = (on, on),
            "recurse" | "rec" | "rdflag" => self.options.recursion_desired = on,
            "dnssec" | "do" => self.options.dnssec_ok = on,
            "cdflag" | "cd" => self.options.checking_disabled = on,
            "edns" => self.options.edns = on,
            "cookie" => self.config.cookies = on,
            "nsid" if on => self.option(Opt::Nsid(&[]))?,
            "expire" if on => self.option(Opt::Expire(None))?,
            "keepalive" if on => self.option(Opt::TcpKeepalive(None))?,
            "zoneversion" if on => self.option(Opt::ZoneVersion(None))?,
            "trace" => self.trace = on,
            "search" => *searching = on,
            _ => return Err(format!("+{switch}: not a switch")),
        }
        Ok(())
    }

    fn option(&mut self, option: Opt<'_>) -> Result<(), String> {
        let wire = &mut self.config.edns_options;
        option.encode(wire).map_err(|error| error.to_string())
    }

    fn read_setting(&mut self, setting: &str, value: &str) -> Result<(), String> {
        match setting {
            "subnet" => {
                let subnet =
                    subnet(value).ok_or_else(|| format!("+subnet={value}: ADDR/PREFIX"))?;
                return self.option(Opt::ClientSubnet(subnet));
            }
            "ednsopt" => {
                let (code, data) = value.split_once(':').unwrap_or((value, ""));
                let bad = || format!("+ednsopt={value}: CODE[:HEX]");
                let code = code.parse().map_err(|_| bad())?;
                let data = hex(data).ok_or_else(bad)?;
                // Whatever it is: to try out what a server makes of it.
                let wire = &mut self.config.edns_options;
                let added = Options::encode(OptionCode(code), &data, wire);
                return added.map_err(|error| error.to_string());
            }
            "tls-ca" => {
                self.tls.roots = Some(value.to_owned());
                return Ok(());
            }
            "tls-hostname" => {
                self.tls.name = Some(value.to_owned());
                return Ok(());
            }
            "domain" => {
                let name = value.parse().map_err(|error| format!("{value}: {error}"))?;
                self.config.search.push(name);
                return Ok(());
            }
            _ => {}
        }
        let number: u32 = value
            .parse()
            .map_err(|_| format!("+{setting}={value}: not a number"))?;
        match setting {
            "time" | "timeout" => {
                self.config.timeout = Duration::from_secs(u64::from(number.max(1)));
                self.config.tcp_timeout = self.config.timeout;
            }
            "tries" => self.config.attempts = number.max(1),
            "retry" => self.config.attempts = number.saturating_add(1),
            "ndots" => self.config.ndots = usize::try_from(number).unwrap_or(usize::MAX),
            "padding" => {
                let len = usize::try_from(number.min(400)).unwrap_or_default();
                self.option(Opt::Padding(&vec![0; len]))?;
            }
            "bufsize" => {
                self.config.udp_payload = u16::try_from(number)
                    .map_err(|_| format!("+bufsize={value}: more than a datagram holds"))?;
            }
            _ => return Err(format!("+{setting}: not a setting")),
        }
        Ok(())
    }
}

fn subnet(text: &str) -> Option<ClientSubnet> {
    let (address, prefix) = text.split_once('/')?;
    ClientSubnet::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let octets = digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]));
    octets.collect::<Result<_, _>>().ok()
}

fn read_server(text: &str, port: u16) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port));
    address
        .or_else(|_| text.parse::<SocketAddr>())
        .map_err(|_| format!("@{text}: not an address; names of servers are not looked up"))
}

/// The name under which the name of an address stands (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse_name(address: IpAddr) -> Result<Name, String> {
    let text = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            let nibbles = octets
                .iter()
                .rev()
                .map(|octet| format!("{:x}.{:x}", octet & 15, octet >> 4));
            format!("{}.ip6.arpa", nibbles.collect::<Vec<_>>().join("."))
        }
    };
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn print_short(message: &Message<'_>) -> Result<(), Box<dyn Error>> {
    for record in message.answers() {
        println!("{}", record.data()?);
    }
    Ok(())
}

fn print_message(show: Show, message: &Message<'_>) {
    if show.comments {
        print_header(message);
    }
    if show.question {
        println!("\n;; QUESTION SECTION:");
        for question in message.questions() {
            println!(";{question}");
        }
    }
    let sections = [
        (Section::Answer, "ANSWER", show.answer),
        (Section::Authority, "AUTHORITY", show.authority),
        (Section::Additional, "ADDITIONAL", show.additional),
    ];
    for (section, title, wanted) in sections {
        if !wanted {
            continue;
        }
        let mut records = message
            .records(section)
            .filter(|record| record.rtype != Type::OPT)
            .peekable();
        if records.peek().is_some() && show.comments {
            println!("\n;; {title} SECTION:");
        }
        for record in records {
            show.record(&record);
        }
    }
    if message.rcode() == Rcode::NOERROR && !message.trailing().is_empty() {
        println!(
            "\n;; {} octets behind the message",
            message.trailing().len()
        );
    }
    if show.comments {
        println!();
    }
}

fn print_header(message: &Message<'_>) {
    let header = message.header();
    let [questions, answers, authorities, additionals] = header.counts;
    println!(
        ";; ->>HEADER<<- opcode: {}, status: {}, id: {}",
        header.flags.opcode(),
        message.rcode(),
        header.id
    );
    let names = [
        (Flags::QR, " qr"),
        (Flags::AA, " aa"),
        (Flags::TC, " tc"),
        (Flags::RD, " rd"),
        (Flags::RA, " ra"),
        (Flags::AD, " ad"),
        (Flags::CD, " cd"),
    ];
    let set = names
        .iter()
        .filter(|(flag, _)| header.flags.contains(*flag));
    let flags: String = set.map(|(_, name)| *name).collect();
    println!(
        ";; flags:{flags}; QUERY: {questions}, ANSWER: {answers}, AUTHORITY: {authorities}, ADDITIONAL: {additionals}"
    );
    if let Some(edns) = message.edns() {
        let dnssec_ok = if edns.dnssec_ok { " do" } else { "" };
        println!("\n;; OPT PSEUDOSECTION:");
        println!(
            "; EDNS: version: {}, flags:{dnssec_ok}; udp: {}",
            edns.version, edns.udp_payload
        );
        for option in edns.options {
            print_option(option);
        }
    }
}

fn print_option(option: EdnsOption<'_>) {
    match option.read() {
        Ok(option) => println!("; {option}"),
        Err(_) => println!(
            "; {}: {} octets that do not fit it",
            option.code,
            option.data.len()
        ),
    }
}

fn print_footer(found: &Lookup) {
    println!(";; Query time: {} msec", found.took.as_millis());
    println!(
        ";; SERVER: {}#{} ({})",
        found.server.ip(),
        found.server.port(),
        found.over.to_string().to_uppercase()
    );
    println!(";; MSG SIZE  rcvd: {}", found.message.octets().len());
}
