//! Asks a DNS server, as dig does: the stub of proto-dns on netio.

use clap::Parser;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use examples::cli;
use netio::driver::{Lookup, LookupError, Stub};
use proto_dns::client::QueryOptions;
use proto_dns::wire::{Class, Flags, Message, Name, Question, Rcode, Section, Type};
use proto_dns::{Config, Limits};
use std::error::Error;
use std::process::ExitCode;

/// Asks a DNS server and prints its answer in the way of dig.
///
/// Words that begin with + are switches: +short, +tcp (+notcp), +dnssec (+do), +norecurse (+norec),
/// +cdflag (+cd), +noedns, +time=SECONDS, +tries=N.
#[derive(Parser)]
#[command(
    version,
    override_usage = "dns-dig @ADDR[:PORT] [-p PORT] NAME [TYPE] [CLASS] [+SWITCH ...]"
)]
struct Arguments {
    /// The port of the server.
    #[arg(short, default_value_t = 53)]
    port: u16,
    /// Ask for the name of an address (PTR).
    #[arg(short = 'x', value_name = "ADDR")]
    reverse: Option<IpAddr>,
    /// The server, the name, the type, the class and the switches, in any order.
    #[arg(required = true)]
    words: Vec<String>,
}

/// What the words of the command line ask for.
struct Request {
    question: Question,
    options: QueryOptions,
    config: Config,
    short: bool,
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
    let mut stub = Stub::new(request.config, Limits::default(), cli::seed());
    match stub.lookup(request.question, request.options).await {
        Ok(found) if request.short => print_short(&found.message.view())?,
        Ok(found) => {
            print_message(&found.message.view())?;
            print_footer(&found);
        }
        // A refusal is an answer, to whoever asks with dig.
        Err(LookupError::Failed {
            reply: Some(reply), ..
        }) if !request.short => {
            print_message(&reply.view())?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

impl Request {
    fn read(arguments: Arguments) -> Result<Self, String> {
        let (mut server, mut name, mut qtype, mut qclass) = (None, None, None, None);
        let mut config = Config::default();
        config.attempts = 3;
        let mut options = QueryOptions::default();
        let mut short = false;
        for word in &arguments.words {
            if let Some(address) = word.strip_prefix('@') {
                server = Some(read_server(address, arguments.port)?);
            } else if let Some(switch) = word.strip_prefix('+') {
                match switch.split_once('=') {
                    None => read_switch(switch, &mut options, &mut short)?,
                    Some((switch, value)) => read_setting(switch, value, &mut config)?,
                }
            } else if let (Some(_), Ok(class), None) = (&name, word.parse::<Class>(), qclass) {
                qclass = Some(class);
            } else if let (true, Ok(found), None) = (
                name.is_some() || arguments.reverse.is_some(),
                word.parse::<Type>(),
                qtype,
            ) {
                qtype = Some(found);
            } else if name.is_none() && arguments.reverse.is_none() {
                name = Some(
                    word.parse::<Name>()
                        .map_err(|error| format!("{word}: {error}"))?,
                );
            } else {
                return Err(format!("{word}: neither a type nor a class"));
            }
        }
        if let Some(address) = arguments.reverse {
            name = Some(reverse_name(address)?);
            qtype = qtype.or(Some(Type::PTR));
        }
        config.servers = vec![server.ok_or("no server: say @ADDR")?];
        let mut question =
            Question::new(name.ok_or("no name to ask for")?, qtype.unwrap_or(Type::A));
        question.qclass = qclass.unwrap_or(Class::IN);
        Ok(Self {
            question,
            options,
            config,
            short,
        })
    }
}

fn read_server(text: &str, port: u16) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port));
    address
        .or_else(|_| text.parse::<SocketAddr>())
        .map_err(|_| format!("@{text}: not an address; names of servers are not looked up"))
}

fn read_switch(switch: &str, options: &mut QueryOptions, short: &mut bool) -> Result<(), String> {
    let (on, switch) = match switch.strip_prefix("no") {
        Some(switch) => (false, switch),
        None => (true, switch),
    };
    match switch {
        "short" => *short = on,
        "tcp" | "vc" => options.tcp = on,
        "recurse" | "rec" | "rdflag" => options.recursion_desired = on,
        "dnssec" | "do" => options.dnssec_ok = on,
        "cdflag" | "cd" => options.checking_disabled = on,
        "edns" => options.edns = on,
        _ => return Err(format!("+{switch}: not a switch")),
    }
    Ok(())
}

fn read_setting(setting: &str, value: &str, config: &mut Config) -> Result<(), String> {
    let number: u32 = value
        .parse()
        .map_err(|_| format!("+{setting}={value}: not a number"))?;
    match setting {
        "time" | "timeout" => {
            config.timeout = Duration::from_secs(u64::from(number.max(1)));
            config.tcp_timeout = config.timeout;
        }
        "tries" => config.attempts = number.max(1),
        "bufsize" => {
            config.udp_payload = u16::try_from(number)
                .map_err(|_| format!("+bufsize={value}: more than a datagram holds"))?;
        }
        _ => return Err(format!("+{setting}: not a setting")),
    }
    Ok(())
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

fn print_message(message: &Message<'_>) -> Result<(), Box<dyn Error>> {
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
    }
    println!("\n;; QUESTION SECTION:");
    for question in message.questions() {
        println!(";{question}");
    }
    let sections = [
        (Section::Answer, "ANSWER"),
        (Section::Authority, "AUTHORITY"),
        (Section::Additional, "ADDITIONAL"),
    ];
    for (section, title) in sections {
        let mut records = message
            .records(section)
            .filter(|record| record.rtype != Type::OPT)
            .peekable();
        if records.peek().is_some() {
            println!("\n;; {title} SECTION:");
        }
        for record in records {
            println!("{record}");
        }
    }
    if message.rcode() == Rcode::NOERROR && !message.trailing().is_empty() {
        println!(
            "\n;; {} octets behind the message",
            message.trailing().len()
        );
    }
    println!();
    Ok(())
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
