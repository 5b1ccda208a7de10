//! Eight octets at a time: where words end, and what digits say.

/// One octet eight times.
pub(crate) const fn all(octet: u8) -> u64 {
    u64::from_le_bytes([octet; 8])
}

const HIGH: u64 = all(0x80);

/// Eight octets, the first one lowest. `None` where fewer are left.
#[inline]
pub(crate) fn eight(text: &[u8], at: usize) -> Option<u64> {
    let octets = text.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*octets))
}

/// The place of the lowest marked octet; 8 where none is.
#[inline]
const fn lowest(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Marks the octets that are zero. Above the first one that is, marks may be wrong.
#[inline]
const fn zeros(octets: u64) -> u64 {
    octets.wrapping_sub(all(1)) & !octets & HIGH
}

/// Marks the octets that are not zero.
#[inline]
pub(crate) const fn nonzeros(octets: u64) -> u64 {
    ((octets & !HIGH).wrapping_add(all(0x7f)) | octets) & HIGH
}

/// Where the word ends that begins at `at`: at the first blank or control character. Fewer than
/// eight octets behind that place may make it `None`.
#[inline]
pub(crate) fn word_end(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let octets = eight(line, at)?;
        let controls = octets.wrapping_sub(all(b' ' + 1)) & !octets & HIGH;
        at = at.wrapping_add(lowest(controls));
        if controls != 0 {
            return Some(at);
        }
    }
}

/// Where the next word begins after at least one space at `at`. Fewer than eight octets behind that
/// place may make it `None`.
#[inline]
pub(crate) fn skip_spaces(line: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let others = eight(line, at)? ^ all(b' ');
        at = at.wrapping_add(lowest(others));
        if others != 0 {
            return (at > start).then_some(at);
        }
    }
}

/// The place of the first `;` or space from `at` on.
#[inline]
pub(crate) fn fact_end(line: &[u8], mut at: usize) -> Option<usize> {
    while let Some(octets) = eight(line, at) {
        let marks = zeros(octets ^ all(b';')) | zeros(octets ^ all(b' '));
        at = at.wrapping_add(lowest(marks));
        if marks != 0 {
            return Some(at);
        }
    }
    let rest = line.get(at..)?;
    let found = rest.iter().position(|octet| matches!(octet, b';' | b' '))?;
    Some(at.saturating_add(found))
}

/// Eight digits as numbers 0 to 9 each, if that is what they are.
#[inline]
fn digits(octets: u64) -> Option<u64> {
    let octets = octets ^ all(b'0');
    ((octets | octets.wrapping_add(all(0x76))) & HIGH == 0).then_some(octets)
}

/// Numbers 0 to 9, joined to four numbers 0 to 99.
#[inline]
const fn join(digits: u64) -> u64 {
    digits.wrapping_mul(2561) >> 8 & 0x00ff_00ff_00ff_00ff
}

/// Eight digits as four numbers of two digits.
#[inline]
pub(crate) fn pairs(octets: u64) -> Option<[u8; 4]> {
    let [a, _, b, _, c, _, d, _] = join(digits(octets)?).to_le_bytes();
    Some([a, b, c, d])
}

/// The number that stands between two places, digits alone. It stops at the largest one.
#[inline]
pub(crate) fn number(line: &[u8], start: usize, end: usize) -> Option<u64> {
    let len = end.saturating_sub(start);
    let (Some(first), 1..=8) = (end.checked_sub(8), len) else {
        return number_of(line.get(start..end)?);
    };
    // What stands before the number counts as zeros.
    let before = (8_usize.wrapping_sub(len)).wrapping_mul(8);
    let mask = u64::MAX << before;
    let octets = (eight(line, first)? & mask) | (all(b'0') & !mask);
    let fours = join(digits(octets)?).wrapping_mul(6_553_601) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Digits alone, as a number that stops at the largest one.
pub(crate) fn number_of(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| {
            value
                .saturating_mul(10)
                .saturating_add(u64::from(digit & 15))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn numbers_are_read_at_every_length() {
        let mut value = 0_u64;
        for len in 1..=21 {
            value = value.saturating_mul(10).saturating_add(len % 10);
            let text = format!("/:{value}");
            let end = text.len();
            assert_eq!(number(text.as_bytes(), 2, end), Some(value), "{text}");
            assert_eq!(number(text.as_bytes(), 1, end), None, "{text}");
            assert_eq!(number(text.as_bytes(), 0, end), None, "{text}");
        }
        assert_eq!(number(b"1234567890", 5, 5), None);
        assert_eq!(number(b"99999999999999999999", 0, 20), Some(u64::MAX));
        assert_eq!(
            pairs(u64::from_le_bytes(*b"20181105")),
            Some([20, 18, 11, 5])
        );
        for at in 0..8 {
            for wrong in (0..=255_u8).filter(|octet| !octet.is_ascii_digit()) {
                let mut text = *b"12345678";
                text[at] = wrong;
                assert_eq!(number(&text, 0, 8), None, "{text:?}");
                assert_eq!(pairs(u64::from_le_bytes(text)), None, "{text:?}");
            }
        }
    }

    #[test]
    fn ends_are_found_as_octet_by_octet() {
        for octet in 0..=255_u8 {
            for at in 0..20 {
                let mut text = [b'x'; 28];
                text[at] = octet;
                let control = text.iter().position(|octet| *octet <= b' ');
                assert_eq!(word_end(&text, 0), control, "{octet} at {at}");
                let end = text.iter().position(|octet| matches!(octet, b';' | b' '));
                assert_eq!(fact_end(&text, 0), end, "{octet} at {at}");
                let mut text = [b' '; 28];
                text[at] = octet;
                let begin = (octet != b' ' && at > 0).then_some(at);
                assert_eq!(skip_spaces(&text, 0), begin, "{octet} at {at}");
                let mut text = [0_u8; 8];
                text[at % 8] = octet;
                let marks = u64::from(octet != 0) << (at % 8 * 8 + 7);
                assert_eq!(nonzeros(u64::from_le_bytes(text)), marks);
            }
        }
    }
}
