//! xtext: how parameters carry octets that they cannot hold (RFC 3461 section 4).

use crate::value::InvalidArgument;
use alloc::vec::Vec;
use bytes::BytesMut;

/// Whether the octet may stand in xtext as it is (RFC 3461 section 4: xchar).
fn is_xchar(octet: u8) -> bool {
    matches!(octet, b'!'..=b'~') && !matches!(octet, b'+' | b'=')
}

/// Appends the xtext form of `octets` (RFC 3461 section 4).
pub fn xtext_encode(octets: &[u8], dst: &mut BytesMut) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| HEX.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    for &octet in octets {
        if is_xchar(octet) {
            dst.extend_from_slice(&[octet]);
        } else {
            dst.extend_from_slice(&[b'+', digit(octet >> 4), digit(octet)]);
        }
    }
}

/// What an xtext stands for. Controls are refused: a decoded CR or LF would be an injection into
/// whatever is written next (RFC 3461 section 4 allows none in ENVID and ORCPT).
///
/// Octets above 127 pass as they are, as utf-8-addr-unitext has it (RFC 6533 section 3).
///
/// # Errors
///
/// [`InvalidArgument`] with the place of what is no xtext, or stands for a control.
pub fn xtext_decode(text: &[u8]) -> Result<Vec<u8>, InvalidArgument> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [octet, tail @ ..] = rest {
        let invalid = InvalidArgument {
            offset: text.len().saturating_sub(rest.len()),
        };
        let (value, tail) = match (octet, tail) {
            (b'+', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, tail),
                _ => return Err(invalid),
            },
            (&octet, tail) if is_xchar(octet) || octet >= 128 => (octet, tail),
            _ => return Err(invalid),
        };
        if value < b' ' || value == 127 {
            return Err(invalid);
        }
        octets.push(value);
        rest = tail;
    }
    Ok(octets)
}

/// RFC 3461 section 4: hexchar has upper-case digits only; lower case is seen and harmless.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'A'..=b'F' => digit.checked_sub(b'A' - 10),
        b'a'..=b'f' => digit.checked_sub(b'a' - 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_goes_both_ways_and_yields_no_control() {
        for (plain, text) in [
            (&b"bob@hamburger.edu"[..], &b"bob@hamburger.edu"[..]),
            (b"a+b=c d", b"a+2Bb+3Dc+20d"),
        ] {
            let mut dst = BytesMut::new();
            xtext_encode(plain, &mut dst);
            assert_eq!(&dst[..], text);
            assert_eq!(xtext_decode(text).unwrap(), plain);
        }
        for bad in ["a+0D+0Ab", "a+00", "a+", "a+4", "a+GG", "a=b", "a b", "+7F"] {
            assert!(xtext_decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
