//! Where a data connection goes: PORT and PASV (RFC 959), EPRT and EPSV (RFC 2428).

use bytes::BytesMut;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address and port of PORT and of the reply to PASV.
pub type HostPort = SocketAddr;

/// Network protocols of RFC 2428 section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 1
    V4,
    /// 2
    V6,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostPortError {
    /// Not of the form.
    #[error("not an address and a port")]
    Syntax,
    /// A number beyond its range, or port 0.
    #[error("a number out of range")]
    Range,
    /// EPRT names a network protocol other than 1 and 2.
    #[error("unknown network protocol")]
    Protocol,
}

/// Parses `h1,h2,h3,h4,p1,p2`.
///
/// # Errors
///
/// [`HostPortError`].
pub fn parse_port(arg: &[u8]) -> Result<SocketAddr, HostPortError> {
    let (address, rest) = six(arg)?;
    rest.iter()
        .all(|octet| *octet == b' ')
        .then_some(address)
        .ok_or(HostPortError::Syntax)
}

/// Finds the six numbers in the text of a reply to PASV, which has no fixed form (RFC 1123 section
/// 4.1.2.6).
///
/// # Errors
///
/// [`HostPortError`], when there are no six numbers or they are too big.
pub fn parse_pasv_reply(text: &[u8]) -> Result<SocketAddr, HostPortError> {
    let mut error = HostPortError::Syntax;
    let mut rest = text;
    let mut before = b' ';
    while let Some((first, tail)) = rest.split_first() {
        if first.is_ascii_digit() && !before.is_ascii_digit() {
            match six(rest) {
                Ok((address, _)) => return Ok(address),
                Err(HostPortError::Range) => error = HostPortError::Range,
                Err(_) => {}
            }
        }
        before = *first;
        rest = tail;
    }
    Err(error)
}

fn six(octets: &[u8]) -> Result<(SocketAddr, &[u8]), HostPortError> {
    let mut numbers = [0_u8; 6];
    let mut rest = octets;
    let mut is_out_of_range = false;
    for (at, number) in numbers.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(b",").ok_or(HostPortError::Syntax)?;
            rest = rest.strip_prefix(b" ").unwrap_or(rest);
        }
        let (value, tail) = decimal(rest).ok_or(HostPortError::Syntax)?;
        match u8::try_from(value) {
            Ok(value) => *number = value,
            Err(_) => is_out_of_range = true,
        }
        rest = tail;
    }
    let [a, b, c, d, high, low] = numbers;
    let port = u16::from_be_bytes([high, low]);
    if is_out_of_range || port == 0 {
        return Err(HostPortError::Range);
    }
    Ok((
        SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port),
        rest,
    ))
}

/// Digits at the front, at most nine of them.
fn decimal(octets: &[u8]) -> Option<(u32, &[u8])> {
    let len = octets
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let (digits, rest) = octets.split_at_checked(len)?;
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let value = digits.iter().fold(0_u32, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u32::from(digit & 15))
    });
    Some((value, rest))
}

/// Parses the argument of EPRT, `|1|127.0.0.1|6275|`.
///
/// # Errors
///
/// [`HostPortError`]; `Protocol` is answered with 522.
pub fn parse_eprt(arg: &[u8]) -> Result<SocketAddr, HostPortError> {
    let (delimiter, rest) = arg.split_first().ok_or(HostPortError::Syntax)?;
    // RFC 2428 section 2: any character from 33 to 126.
    if !(33..=126).contains(delimiter) {
        return Err(HostPortError::Syntax);
    }
    let mut fields = rest.split(|octet| octet == delimiter);
    let mut field = || fields.next().ok_or(HostPortError::Syntax);
    let (protocol, address, port, end) = (field()?, field()?, field()?, field()?);
    if !end.is_empty() {
        return Err(HostPortError::Syntax);
    }
    let address = core::str::from_utf8(address).map_err(|_| HostPortError::Syntax)?;
    let address: IpAddr = match protocol {
        b"1" => address
            .parse::<Ipv4Addr>()
            .map_err(|_| HostPortError::Syntax)?
            .into(),
        b"2" => address
            .parse::<Ipv6Addr>()
            .map_err(|_| HostPortError::Syntax)?
            .into(),
        _ if protocol.iter().all(u8::is_ascii_digit) && !protocol.is_empty() => {
            return Err(HostPortError::Protocol);
        }
        _ => return Err(HostPortError::Syntax),
    };
    Ok(SocketAddr::new(address, port_number(port)?))
}

fn port_number(digits: &[u8]) -> Result<u16, HostPortError> {
    let (value, rest) = decimal(digits).ok_or(HostPortError::Syntax)?;
    if !rest.is_empty() {
        return Err(HostPortError::Syntax);
    }
    u16::try_from(value)
        .ok()
        .filter(|port| *port != 0)
        .ok_or(HostPortError::Range)
}

/// Finds the port in the text of a reply to EPSV, `(|||6446|)`.
///
/// # Errors
///
/// [`HostPortError`].
pub fn parse_epsv_reply(text: &[u8]) -> Result<u16, HostPortError> {
    let mut rest = text;
    let mut error = HostPortError::Syntax;
    while let Some(at) = memchr::memchr(b'(', rest) {
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        if let [d, e, f, digits @ ..] = rest
            && d == e
            && e == f
            && (33..=126).contains(d)
            && let Some(end) = memchr::memchr(*d, digits)
        {
            match port_number(digits.get(..end).unwrap_or_default()) {
                Ok(port) => return Ok(port),
                Err(found) => error = found,
            }
        }
    }
    Err(error)
}

/// Writes the six numbers of PORT and PASV. An address of IPv6 has none: nothing is written then,
/// and false returned.
pub fn put_port(address: SocketAddr, out: &mut BytesMut) -> bool {
    let IpAddr::V4(ip) = address.ip().to_canonical() else {
        return false;
    };
    let ([a, b, c, d], [high, low]) = (ip.octets(), address.port().to_be_bytes());
    write!(out, "{a},{b},{c},{d},{high},{low}").is_ok()
}

/// Writes the argument of EPRT.
pub fn put_eprt(address: SocketAddr, out: &mut BytesMut) {
    let ip = address.ip().to_canonical();
    let protocol = if ip.is_ipv4() { 1 } else { 2 };
    // Writing into a growing buffer does not fail.
    let _ = write!(out, "|{protocol}|{ip}|{}|", address.port());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasv_has_no_fixed_form() {
        let want = "127.0.0.1:258".parse().unwrap();
        for text in [
            &b"Entering Passive Mode (127,0,0,1,1,2)."[..],
            b"Entering Passive Mode 127,0,0,1,1,2",
            b"=127,0,0,1,1,2",
            b"In 3 ways 127, 0, 0, 1, 1, 2",
        ] {
            assert_eq!(parse_pasv_reply(text), Ok(want));
        }
        assert_eq!(
            parse_pasv_reply(b"(1,2,3,4,256,1)"),
            Err(HostPortError::Range)
        );
        assert_eq!(
            parse_pasv_reply(b"(1,2,3,4,0,0)"),
            Err(HostPortError::Range)
        );
        assert_eq!(parse_pasv_reply(b"(1,2,3,4,5)"), Err(HostPortError::Syntax));
    }

    #[test]
    fn eprt_and_epsv() {
        assert_eq!(
            parse_eprt(b"!1!127.0.0.1!258!"),
            Ok("127.0.0.1:258".parse().unwrap())
        );
        assert_eq!(parse_eprt(b"|2|::1|258|"), Ok("[::1]:258".parse().unwrap()));
        assert_eq!(parse_eprt(b"|3|::1|258|"), Err(HostPortError::Protocol));
        assert_eq!(parse_eprt(b"|1|127.0.0.1|0|"), Err(HostPortError::Range));
        assert_eq!(parse_eprt(b"|1|127.0.0.1|1"), Err(HostPortError::Syntax));
        assert_eq!(parse_epsv_reply(b"ok (|||6446|)"), Ok(6446));
        assert_eq!(parse_epsv_reply(b"ok (%%%6446%)"), Ok(6446));
        assert_eq!(parse_epsv_reply(b"ok (|||0|)"), Err(HostPortError::Range));
        assert_eq!(
            parse_epsv_reply(b"ok (|||1000000|)"),
            Err(HostPortError::Range)
        );
        assert_eq!(
            parse_epsv_reply(b"ok (||6446|)"),
            Err(HostPortError::Syntax)
        );
    }
}
