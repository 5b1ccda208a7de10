//! Chapter: DNS. An authority for the lecture's zones, asked by the stub over UDP and TCP.

#[path = "dns_registrar.rs"]
mod registrar;

use crate::report::Report;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::{DnsTcp, DnsUdp};
use examples::{cli, serve, zones};
use netio::driver::{Lookup, Stream, Stub};
use proto_dns::client::QueryOptions;
use proto_dns::client::stub::Event;
use proto_dns::server;
use proto_dns::wire::{Flags, Question, Rcode, Type};
use proto_dns::{Config, Limits, Transport};
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpListener, UdpSocket};

const QUERIES: u32 = 20_000;
/// Queries that are under way at the same time.
const AT_ONCE: u32 = 32;

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.chapter("dns", "DNS: Network Utopia, and an alias of IBM's");
    let (address, _servers) = start().await?;
    let mut stub = Stub::new(Config::new([address]), Limits::default(), cli::seed());
    questions(report, &mut stub).await?;
    load_distribution(report, &mut stub).await?;
    truncation(report, &mut stub).await?;
    registrar::run(report).await?;
    speed(report, &mut stub).await
}

/// The authority on the same port of UDP and TCP. It ends with the returned tasks.
async fn start() -> Result<(SocketAddr, tokio::task::JoinSet<()>), Box<dyn Error>> {
    let authority = Arc::new(zones::lecture()?);
    let (listener, socket) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        // A port that is free for TCP may be taken for UDP.
        if let Ok(socket) = UdpSocket::bind(listener.local_addr()?).await {
            break (listener, socket);
        }
    };
    let address = listener.local_addr()?;
    let mut servers = tokio::task::JoinSet::new();
    let limits = Arc::new(Limits::default());
    let machine = server::Datagram::new(Duration::ZERO, Arc::clone(&limits));
    servers.spawn(serve::datagrams(
        socket,
        machine,
        DnsUdp(Arc::clone(&authority)),
    ));
    servers.spawn(serve::streams(
        listener,
        64,
        move |socket| {
            let machine = server::Stream::new(Duration::ZERO, Arc::clone(&limits));
            (Stream::new(machine, socket), DnsTcp(Arc::clone(&authority)))
        },
        std::future::pending(),
    ));
    Ok((address, servers))
}

async fn ask(
    report: &mut Report,
    stub: &mut Stub,
    name: &str,
    qtype: Type,
    options: QueryOptions,
) -> Result<Lookup, Box<dyn Error>> {
    let found = stub
        .lookup(Question::new(name.parse()?, qtype), options)
        .await?;
    let message = found.message.view();
    let rcode = message.rcode();
    let count = message.answers().count();
    report.exchanged(format_args!(
        "{name} {qtype} over {}: {rcode}, {count} records",
        found.over
    ));
    Ok(found)
}

fn data(found: &Lookup) -> Vec<String> {
    let message = found.message.view();
    let records = message.answers();
    records
        .filter_map(|record| Some(record.data().ok()?.to_string()))
        .collect()
}

async fn questions(report: &mut Report, stub: &mut Stub) -> Result<(), Box<dyn Error>> {
    let udp = QueryOptions::default();
    let mut tcp = udp;
    tcp.tcp = true;
    for options in [udp, tcp] {
        let found = ask(report, stub, "www.networkutopia.com", Type::A, options).await?;
        report.check(
            "the web server has its address",
            data(&found),
            ["212.212.71.4"],
        );
        let flags = found.message.view().header().flags;
        report.check(
            "the answer is authoritative",
            flags.contains(Flags::AA),
            true,
        );
    }
    let found = ask(report, stub, "networkutopia.com", Type::NS, udp).await?;
    report.check(
        "the name server is named",
        data(&found),
        ["dns1.networkutopia.com."],
    );
    let message = found.message.view();
    let glue: Vec<_> = message
        .additionals()
        .filter(|record| record.rtype == Type::A)
        .collect();
    let glue: Vec<_> = glue.iter().map(ToString::to_string).collect();
    let expected = "dns1.networkutopia.com.\t3600\tIN\tA\t212.212.212.22";
    report.check("and its address comes along", glue, [expected]);
    let found = ask(report, stub, "networkutopia.com", Type::MX, udp).await?;
    report.check(
        "mail has its server",
        data(&found),
        ["10 mail.networkutopia.com."],
    );
    let found = ask(report, stub, "www.ibm.com", Type::A, udp).await?;
    report.check(
        "www.ibm.com is really servereast.backup2.ibm.com",
        data(&found),
        ["servereast.backup2.ibm.com.", "129.42.38.1"],
    );
    let found = ask(report, stub, "WWW.NetworkUtopia.COM", Type::A, udp).await?;
    report.check("case does not matter", data(&found), ["212.212.71.4"]);
    let found = ask(report, stub, "nothing.networkutopia.com", Type::A, udp).await?;
    report.check(
        "what is not there has no address",
        found.message.view().rcode(),
        Rcode::NXDOMAIN,
    );
    Ok(())
}

async fn load_distribution(report: &mut Report, stub: &mut Stub) -> Result<(), Box<dyn Error>> {
    let question = Question::new("many.networkutopia.com".parse()?, Type::A);
    let mut firsts = BTreeSet::new();
    // Which address is first depends on the id of the query, which is random: of 64 queries at least
    // one begins with each, but for one case in twenty million.
    for _ in 0..64 {
        let found = stub
            .lookup(question.clone(), QueryOptions::default())
            .await?;
        firsts.extend(data(&found).into_iter().next());
    }
    report.exchanged(format_args!("{question}, 64 times: {firsts:?} came first"));
    let expected: BTreeSet<_> = (101..=104)
        .map(|last| format!("212.212.71.{last}"))
        .collect();
    report.check("load is spread over four addresses", firsts, expected);
    Ok(())
}

async fn truncation(report: &mut Report, stub: &mut Stub) -> Result<(), Box<dyn Error>> {
    let name = "huge.networkutopia.com";
    let found = ask(report, stub, name, Type::TXT, QueryOptions::default()).await?;
    report.check(
        "what no datagram holds comes over TCP",
        found.over,
        Transport::Tcp,
    );
    report.check("and all of it", data(&found).len(), 30);
    Ok(())
}

async fn speed(report: &mut Report, stub: &mut Stub) -> Result<(), Box<dyn Error>> {
    let question = Question::new("www.networkutopia.com".parse()?, Type::A);
    let options = QueryOptions::default();
    let progress = report.progress("queries over UDP", QUERIES.into());
    let (begin, mut asked, mut answered) = (Instant::now(), 0, 0);
    while asked < AT_ONCE {
        stub.query(question.clone(), options)?;
        asked += 1;
    }
    while answered < asked {
        let Event::Answer { .. } = stub.next().await else {
            break;
        };
        answered += 1;
        progress.inc(1);
        if asked < QUERIES {
            stub.query(question.clone(), options)?;
            asked += 1;
        }
    }
    progress.finish_and_clear();
    report.check("every query of many is answered", answered, QUERIES);
    let what = "queries, each from a port of its own";
    report.speed(what, f64::from(answered), "queries", begin.elapsed());
    Ok(())
}
