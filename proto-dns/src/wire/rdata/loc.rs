//! LOC (RFC 1876), in whole numbers.

use crate::wire::text::{Fault, Tokens};
use alloc::vec::Vec;
use core::fmt;

/// The equator and the prime meridian, in thousandths of a second of arc.
const MIDDLE: i64 = 1 << 31;
/// The reference spheroid lies this many centimetres above zero.
const DEPTH: i64 = 10_000_000;

pub(super) fn write(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (&[_, size, horizontal, vertical], rest) = octets.split_first_chunk().ok_or(fmt::Error)?;
    let number = |index: usize| {
        let chunk = rest.as_chunks::<4>().0.get(index);
        chunk.map_or(0, |chunk| i64::from(u32::from_be_bytes(*chunk)))
    };
    angle(number(0), 'N', 'S', f)?;
    angle(number(1), 'E', 'W', f)?;
    let altitude = number(2).saturating_sub(DEPTH);
    let sign = if altitude < 0 { "-" } else { "" };
    let altitude = altitude.unsigned_abs();
    write!(
        f,
        "{sign}{}.{:02}m",
        altitude.wrapping_div(100),
        altitude % 100
    )?;
    for precision in [size, horizontal, vertical] {
        let metres = u64::from(precision >> 4)
            .saturating_mul(10u64.saturating_pow(u32::from(precision & 15)));
        write!(f, " {}.{:02}m", metres.wrapping_div(100), metres % 100)?;
    }
    Ok(())
}

fn angle(value: i64, positive: char, negative: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let offset = value.saturating_sub(MIDDLE);
    let side = if offset < 0 { negative } else { positive };
    let offset = offset.unsigned_abs();
    let (seconds, milli) = (offset.wrapping_div(1000), offset % 1000);
    let (minutes, second) = (seconds.wrapping_div(60), seconds % 60);
    let (degrees, minute) = (minutes.wrapping_div(60), minutes % 60);
    write!(f, "{degrees} {minute} {second}.{milli:03} {side} ")
}

pub(super) fn parse(tokens: &mut impl Tokens, out: &mut Vec<u8>) -> Result<(), Fault> {
    let latitude = parse_angle(tokens, 90, b'N', b'S')?;
    let longitude = parse_angle(tokens, 180, b'E', b'W')?;
    let altitude = tokens.required()?;
    let altitude = centimetres(altitude.raw)?
        .checked_add(DEPTH)
        .and_then(|value| u32::try_from(value).ok())
        .ok_or(Fault::Number)?;
    let mut precisions = [0x12, 0x16, 0x13];
    for precision in &mut precisions {
        let Some(token) = tokens.next()? else { break };
        let value = centimetres(token.raw)?;
        *precision = encode_precision(u64::try_from(value).map_err(|_| Fault::Number)?)?;
    }
    out.push(0);
    out.extend_from_slice(&precisions);
    for value in [latitude, longitude, altitude] {
        out.extend_from_slice(&value.to_be_bytes());
    }
    Ok(())
}

fn parse_angle(
    tokens: &mut impl Tokens,
    most: u64,
    positive: u8,
    negative: u8,
) -> Result<u32, Fault> {
    let mut parts = [0u64; 3];
    let mut index = 0usize;
    loop {
        let token = tokens.required()?;
        // The letter may follow its number without a blank.
        let (number, side) = match token.raw.split_last() {
            Some((last, number)) if last.is_ascii_alphabetic() => {
                (number, Some(last.to_ascii_uppercase()))
            }
            _ => (token.raw, None),
        };
        if !number.is_empty() {
            let place = parts.get_mut(index).ok_or(Fault::Number)?;
            *place = decimal(number, if index == 2 { 3 } else { 0 })?;
            index = index.saturating_add(1);
        }
        let Some(side) = side else { continue };
        let [degrees, minutes, milli] = parts;
        let total = degrees
            .saturating_mul(60)
            .saturating_add(minutes)
            .saturating_mul(60_000)
            .saturating_add(milli);
        if index == 0 || minutes > 59 || milli > 59_999 || total > most.saturating_mul(3_600_000) {
            return Err(Fault::Number);
        }
        let offset = i64::try_from(total).map_err(|_| Fault::Number)?;
        let value = match side {
            _ if side == positive => MIDDLE.saturating_add(offset),
            _ if side == negative => MIDDLE.saturating_sub(offset),
            _ => return Err(Fault::Number),
        };
        return u32::try_from(value).map_err(|_| Fault::Number);
    }
}

/// A decimal number times ten to the power of `digits`.
fn decimal(text: &[u8], digits: usize) -> Result<u64, Fault> {
    let mut parts = text.splitn(2, |&octet| octet == b'.');
    let (whole, part) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if part.len() > digits || whole.is_empty() && part.is_empty() {
        return Err(Fault::Number);
    }
    let padding = core::iter::repeat_n(&b'0', digits.saturating_sub(part.len()));
    let mut value = 0u64;
    for digit in whole.iter().chain(part).chain(padding) {
        if !digit.is_ascii_digit() {
            return Err(Fault::Number);
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit.wrapping_sub(b'0'))))
            .ok_or(Fault::Number)?;
    }
    Ok(value)
}

fn centimetres(text: &[u8]) -> Result<i64, Fault> {
    let text = text.strip_suffix(b"m").unwrap_or(text);
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let value = i64::try_from(decimal(text, 2)?).map_err(|_| Fault::Number)?;
    Ok(if negative {
        value.saturating_neg()
    } else {
        value
    })
}

fn encode_precision(mut centimetres: u64) -> Result<u8, Fault> {
    let mut power = 0u8;
    while centimetres > 9 {
        centimetres = centimetres.wrapping_div(10);
        power = power.saturating_add(1);
    }
    let digit = u8::try_from(centimetres).map_err(|_| Fault::Number)?;
    if power > 9 {
        return Err(Fault::Number);
    }
    Ok(digit << 4 | power)
}
