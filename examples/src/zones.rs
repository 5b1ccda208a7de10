//! The zones of the lecture, for programs that need something to answer.

use core::error::Error;
use core::net::Ipv4Addr;
use proto_dns::server::{Authority, Zone, ZoneBuilder};
use proto_dns::wire::{Mx, Name, RData, Soa, Txt};

const TTL: u32 = 3600;

/// The start-up "Network Utopia", and IBM with its alias.
///
/// | name | type | data |
/// |---|---|---|
/// | networkutopia.com | SOA, NS, MX | dns1, mail |
/// | dns1 | A | 212.212.212.22 |
/// | www | A | 212.212.71.4 |
/// | web | CNAME | www |
/// | mail | A | 212.212.71.5 |
/// | many | A | four addresses, turn by turn first (load distribution) |
/// | huge | TXT | more than a datagram holds |
/// | www.ibm.com | CNAME | servereast.backup2.ibm.com, which has an address |
///
/// # Errors
///
/// None; the records are fixed.
pub fn lecture() -> Result<Authority, Box<dyn Error>> {
    let mut authority = Authority::default();
    authority.insert(network_utopia()?)?;
    authority.insert(ibm()?)?;
    Ok(authority)
}

fn network_utopia() -> Result<Zone, Box<dyn Error>> {
    let origin: Name = "networkutopia.com".parse()?;
    let mut zone = begin(&origin, "dns1")?;
    let child = |label: &str| origin.child(label.as_bytes());
    let address = |octets: [u8; 4]| RData::A(Ipv4Addr::from(octets));
    let mail = child("mail")?;
    zone.add(&child("dns1")?, TTL, &address([212, 212, 212, 22]))?;
    zone.add(&child("www")?, TTL, &address([212, 212, 71, 4]))?;
    zone.add(&child("web")?, TTL, &RData::Cname(child("www")?.view()))?;
    zone.add(&mail, TTL, &address([212, 212, 71, 5]))?;
    let mx = Mx {
        preference: 10,
        exchange: mail.view(),
    };
    zone.add(&origin, TTL, &RData::Mx(mx))?;
    for last in 1..=4 {
        zone.add(&child("many")?, 60, &address([212, 212, 71, 100 + last]))?;
    }
    for number in 0..30 {
        let mut text = vec![200];
        text.extend(format!("{number:0>200}").into_bytes());
        zone.add(&child("huge")?, TTL, &RData::Txt(Txt::from_wire(&text)?))?;
    }
    Ok(zone.build()?)
}

fn ibm() -> Result<Zone, Box<dyn Error>> {
    let origin: Name = "ibm.com".parse()?;
    let mut zone = begin(&origin, "ns")?;
    let east: Name = "servereast.backup2.ibm.com".parse()?;
    zone.add(&origin.child(b"ns")?, TTL, &RData::A(Ipv4Addr::LOCALHOST))?;
    zone.add(&origin.child(b"www")?, TTL, &RData::Cname(east.view()))?;
    zone.add(&east, TTL, &RData::A(Ipv4Addr::new(129, 42, 38, 1)))?;
    Ok(zone.build()?)
}

/// A zone with its SOA and one name server.
fn begin(origin: &Name, server: &str) -> Result<ZoneBuilder, Box<dyn Error>> {
    let (mname, rname) = (
        origin.child(server.as_bytes())?,
        origin.child(b"hostmaster")?,
    );
    let mut zone = Zone::builder(origin.clone());
    let soa = Soa {
        mname: mname.view(),
        rname: rname.view(),
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 1_209_600,
        minimum: 300,
    };
    zone.add(origin, TTL, &RData::Soa(soa))?;
    zone.add(origin, TTL, &RData::Ns(mname.view()))?;
    Ok(zone)
}
