//! The start-up of the lecture registers its domain: the registrar's two records arrive in com by an
//! UPDATE, and then a client finds the way from com to the new zone.

use crate::report::Report;
use core::net::SocketAddr;
use core::time::Duration;
use examples::cli;
use examples::dns_server::{self, Shared, Sockets};
use netio::driver::Stub;
use proto_dns::client::QueryOptions;
use proto_dns::server::nameserver::{Access, Policy};
use proto_dns::server::{Authority, Nameserver, Zone};
use proto_dns::tsig::{Algorithm, Key, Transaction};
use proto_dns::wire::{
    Builder, Class, Flags, Message, Name, Opcode, Question, RData, Rcode, Section, Type,
};
use proto_dns::{Config, Limits};
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

const COM: &str = "@ 86400 SOA a.gtld-servers.net. nstld.example. 1 1800 900 604800 900\n\
    @ 86400 NS a.gtld-servers.net.\n";
const UTOPIA: &str = "@ 3600 SOA dns1 hostmaster 1 7200 900 1209600 300\n@ 3600 NS dns1\n\
    dns1 3600 A 212.212.212.22\nwww 300 A 212.212.71.4\nhome 300 CNAME www\n";

type Result<T> = core::result::Result<T, Box<dyn Error>>;

pub(super) async fn run(report: &mut Report) -> Result<()> {
    let key = Key::new("registrar".parse()?, Algorithm::Sha256, cli::seed());
    let mut policy = Policy::default();
    policy.keys = vec![key.clone()];
    let mut registrars = Access::nobody();
    registrars.keys = vec![key.name().clone()];
    policy.update = registrars;
    let mut tasks = tokio::task::JoinSet::new();
    let com = serve("com", COM, policy, &mut tasks).await?;
    let mut policy = Policy::default();
    policy.transfer.any = true;
    let utopia = serve("networkutopia.com", UTOPIA, policy, &mut tasks).await?;

    let mut tld = stub(com);
    let before = rcode_of(&mut tld, "www.networkutopia.com").await?;
    report.check("com knows nothing of it at first", before, Rcode::NXDOMAIN);
    let refused = update(com, None).await?;
    report.check("nobody may register without a key", refused, Rcode::REFUSED);
    let done = update(com, Some(&key)).await?;
    report.exchanged(format_args!("UPDATE com: two records, {done}"));
    report.check("the registrar may", done, Rcode::NOERROR);

    let question = Question::new("www.networkutopia.com".parse()?, Type::A);
    let found = tld
        .lookup(question.clone(), QueryOptions::default())
        .await?;
    let message = found.message.view();
    let referral: Vec<_> = message
        .authorities()
        .chain(message.additionals())
        .filter(|record| record.rtype != Type::OPT)
        .map(|record| record.to_string())
        .collect();
    let expected = [
        "networkutopia.com.\t86400\tIN\tNS\tdns1.networkutopia.com.",
        "dns1.networkutopia.com.\t86400\tIN\tA\t212.212.212.22",
    ];
    report.check("com says whom to ask", referral, expected);
    // On this machine the new zone's server has another address than the one in its glue.
    let mut own = stub(utopia);
    let answer = own.lookup(question, QueryOptions::default()).await?;
    let answer: Vec<_> = answer
        .message
        .view()
        .answers()
        .map(|r| r.to_string())
        .collect();
    let expected = ["www.networkutopia.com.\t300\tIN\tA\t212.212.71.4"];
    report.check("and the new zone answers", answer, expected);
    let records = transfer(utopia).await?;
    report.check(
        "its zone can be transferred, SOA first and last",
        records,
        6,
    );
    Ok(())
}

async fn serve(
    origin: &str,
    text: &str,
    policy: Policy,
    tasks: &mut tokio::task::JoinSet<()>,
) -> Result<SocketAddr> {
    let mut zone = Zone::builder(origin.parse()?);
    zone.add_text(text)?;
    let mut authority = Authority::new();
    authority.insert(zone.build()?)?;
    let nameserver = Nameserver::new(Duration::ZERO, authority, policy, cli::seed());
    let sockets = Sockets::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = sockets.local_addr()?;
    let shared = Shared::new(nameserver, None);
    tasks.spawn(dns_server::run(
        shared,
        sockets,
        None,
        Vec::new(),
        false,
        std::future::pending(),
    ));
    Ok(address)
}

fn stub(server: SocketAddr) -> Stub {
    Stub::new(Config::new([server]), Limits::default(), cli::seed())
}

async fn rcode_of(stub: &mut Stub, name: &str) -> Result<Rcode> {
    let question = Question::new(name.parse()?, Type::A);
    let found = stub.lookup(question, QueryOptions::default()).await?;
    Ok(found.message.view().rcode())
}

/// The registrar's two records, in one update over UDP.
async fn update(server: SocketAddr, key: Option<&Key>) -> Result<Rcode> {
    let (com, utopia): (Name, Name) = ("com".parse()?, "networkutopia.com".parse()?);
    let dns1 = utopia.child(b"dns1")?;
    let mut buffer = [0; 512];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut message = Builder::new(&mut buffer, 1, flags)?;
    message.push_question(com.view(), Type::SOA, Class::IN)?;
    let (ns, a) = (RData::Ns(dns1.view()), RData::A([212, 212, 212, 22].into()));
    message.push(Section::Authority, utopia.view(), Class::IN, 86_400, &ns)?;
    message.push(Section::Authority, dns1.view(), Class::IN, 86_400, &a)?;
    let mut message = message.finish().to_vec();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH)?.into();
    let signed = match key {
        Some(key) => Some(Transaction::request(key, &mut message, unix)?),
        None => None,
    };
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?;
    socket.send(&message).await?;
    let mut reply = [0; 512];
    let waiting = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut reply));
    let len = waiting.await??;
    let reply = reply.get(..len).unwrap_or_default();
    let bare = match signed {
        Some(mut signed) => signed.verify(reply, unix)?,
        None => reply.to_vec(),
    };
    Ok(Message::parse(&bare)?.rcode())
}

/// Asks for the zone over TCP, and counts its records.
async fn transfer(server: SocketAddr) -> Result<usize> {
    let origin: Name = "networkutopia.com".parse()?;
    let (_, request) =
        proto_dns::client::Incoming::request(origin, None, 2, None, &Limits::default());
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(request.len())?;
    stream
        .write_all(&[&len.to_be_bytes(), &*request].concat())
        .await?;
    let len = tokio::time::timeout(Duration::from_secs(5), stream.read_u16()).await??;
    let mut reply = vec![0; len.into()];
    stream.read_exact(&mut reply).await?;
    Ok(Message::parse(&reply)?.answers().count())
}
