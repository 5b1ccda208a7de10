//! The Huffman code (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: the lengths alone make it. The decoder looks up twelve bits at a time in a
//! table that yields up to two symbols; the codes that are longer, of octets that hardly occur, are
//! found by their first code of each length.

use super::HpackFault;
use crate::num::to_usize;
use alloc::vec::Vec;

/// Bits of each symbol's code; the last is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// Bits of one look-up.
const WIDE: u32 = 12;
const WIDE_LEN: usize = 1 << WIDE;
/// Bits of the longest code.
const LONGEST: usize = 30;

struct Tables {
    /// By octet: the code, right-aligned, above eight bits with its length.
    codes: [u64; 256],
    /// By twelve bits: first symbol, second symbol << 8, count << 16, bits << 24; 0 for a long code.
    wide: [u32; WIDE_LEN],
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// By length: the first code, left-aligned in 32 bits, and its place in `symbols`.
    first: [(u32, u16); LONGEST + 2],
}

static TABLES: Tables = build();

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler, where a fault is an error of the build"
)]
const fn build() -> Tables {
    let mut tables = Tables {
        codes: [0; 256],
        wide: [0; WIDE_LEN],
        symbols: [0; 257],
        first: [(0, 0); LONGEST + 2],
    };
    let mut single = [0u32; WIDE_LEN]; // symbol | bits << 24
    let (mut code, mut place, mut len) = (0u32, 0usize, 1usize);
    while len <= LONGEST {
        code <<= 1;
        tables.first[len] = (code << (32 - len), place as u16);
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == len {
                if symbol < 256 {
                    tables.codes[symbol] = (code as u64) << 8 | len as u64;
                }
                tables.symbols[place] = symbol as u16;
                if len as u32 <= WIDE {
                    let shift = WIDE - len as u32;
                    let mut low = 0;
                    while low < 1 << shift {
                        single[(code << shift) as usize + low] = symbol as u32 | (len as u32) << 24;
                        low += 1;
                    }
                }
                code += 1;
                place += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    tables.first[LONGEST + 1] = (u32::MAX, 257);
    let mut index = 0;
    while index < WIDE_LEN {
        let one = single[index];
        if one != 0 {
            let bits = one >> 24;
            let second = single[(index << bits) & (WIDE_LEN - 1)];
            let more = second >> 24;
            tables.wide[index] = if second != 0 && bits + more <= WIDE {
                one & 0xff | (second & 0xff) << 8 | 2 << 16 | (bits + more) << 24
            } else {
                one & 0xff | 1 << 16 | bits << 24
            };
        }
        index += 1;
    }
    tables
}

/// Octets that `text` takes in the code.
#[must_use]
pub fn encoded_len(text: &[u8]) -> usize {
    let mut bits = 0u64;
    for &octet in text {
        let length = LENGTHS.get(usize::from(octet)).copied().unwrap_or(0);
        bits = bits.saturating_add(u64::from(length));
    }
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// Appends `text` in the code, filled up with ones.
pub fn encode(text: &[u8], into: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u64, 0u32);
    for &octet in text {
        let entry = TABLES.codes.get(usize::from(octet)).copied().unwrap_or(0);
        let [length, ..] = entry.to_le_bytes();
        // At most 31 bits wait, and a code has at most 30.
        bits = bits.wrapping_shl(u32::from(length)) | entry >> 8;
        count = count.wrapping_add(u32::from(length));
        if count >= 32 {
            count = count.wrapping_sub(32);
            let [_, _, _, _, a, b, c, d] = bits.wrapping_shr(count).to_be_bytes();
            into.extend_from_slice(&[a, b, c, d]);
        }
    }
    // RFC 7541 section 5.2: the rest is filled with the first bits of EOS, which are ones.
    let fill = count.wrapping_neg() & 7;
    bits = bits.wrapping_shl(fill) | (1u64.wrapping_shl(fill)).wrapping_sub(1);
    count = count.wrapping_add(fill);
    let octets = bits
        .wrapping_shl(64u32.wrapping_sub(count) & 63)
        .to_be_bytes();
    if let Some(octets) = octets.get(..to_usize(count / 8)) {
        into.extend_from_slice(octets);
    }
}

/// Appends what `code` stands for, at most `limit` octets.
///
/// # Errors
///
/// [`HpackFault::Huffman`] for EOS inside, for padding of eight bits and more or not of ones;
/// [`HpackFault::TooLong`] above the limit.
pub fn decode(code: &[u8], into: &mut Vec<u8>, limit: usize) -> Result<(), HpackFault> {
    // The shortest code has five bits. Two symbols are written at a time, so there is some room more.
    let most = code.len().saturating_mul(8) / 5;
    let start = into.len();
    into.resize(start.saturating_add(most).saturating_add(8), 0);
    let result = match into.get_mut(start..) {
        Some(room) => decode_into(code, room),
        None => Err(HpackFault::Huffman),
    };
    match result {
        Ok(len) if len <= limit => {
            into.truncate(start.saturating_add(len));
            Ok(())
        }
        Ok(_) => {
            into.truncate(start);
            Err(HpackFault::TooLong)
        }
        Err(fault) => {
            into.truncate(start);
            Err(fault)
        }
    }
}

/// The bits not yet looked at, left-aligned, and what is behind them.
struct Bits<'a> {
    word: u64,
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    fn refill(&mut self) {
        if let Some(next) = self.rest.first_chunk::<8>() {
            self.word |= u64::from_be_bytes(*next).wrapping_shr(self.count);
            let octets = 63u32.wrapping_sub(self.count) / 8;
            self.rest = self.rest.get(to_usize(octets)..).unwrap_or_default();
            self.count = self.count.wrapping_add(octets.wrapping_mul(8));
            return;
        }
        while self.count <= 56 {
            let Some((&octet, rest)) = self.rest.split_first() else {
                return;
            };
            self.rest = rest;
            let shift = 56u32.wrapping_sub(self.count);
            self.word |= u64::from(octet).wrapping_shl(shift);
            self.count = self.count.wrapping_add(8);
        }
    }

    fn skip(&mut self, bits: u32) {
        self.word = self.word.wrapping_shl(bits);
        self.count = self.count.wrapping_sub(bits);
    }
}

/// Writes what `code` stands for to the front of `room`.
fn decode_into(code: &[u8], room: &mut [u8]) -> Result<usize, HpackFault> {
    let mut bits = Bits {
        word: 0,
        count: 0,
        rest: code,
    };
    let mut len = 0usize;
    loop {
        bits.refill();
        // With 48 bits there are four look-ups without counting.
        if bits.count >= 48 {
            let mut is_long = false;
            for _ in 0..4 {
                let index = usize::try_from(bits.word >> 52).unwrap_or(0);
                let entry = TABLES.wide.get(index).copied().unwrap_or(0);
                if entry == 0 {
                    is_long = true;
                    break;
                }
                let [first, second, count, used] = entry.to_le_bytes();
                if let Some(place) = room.get_mut(len..).and_then(<[u8]>::first_chunk_mut) {
                    *place = [first, second];
                }
                len = len.wrapping_add(usize::from(count));
                bits.skip(u32::from(used));
            }
            if !is_long {
                continue;
            }
        }
        bits.refill();
        if bits.count == 0 {
            return Ok(len);
        }
        let (symbol, used) = decode_one(bits.word);
        if used > bits.count {
            // RFC 7541 section 5.2: fewer than eight ones are padding, anything else is an error.
            let ones = u64::MAX.wrapping_shl(64u32.wrapping_sub(bits.count));
            return if bits.count < 8 && bits.word == ones {
                Ok(len)
            } else {
                Err(HpackFault::Huffman)
            };
        }
        let octet = u8::try_from(symbol).map_err(|_| HpackFault::Huffman)?; // EOS
        if let Some(place) = room.get_mut(len) {
            *place = octet;
        }
        len = len.wrapping_add(1);
        bits.skip(used);
    }
}

/// The symbol whose code stands at the top of `word`, and its bits.
fn decode_one(word: u64) -> (u16, u32) {
    let top = u32::try_from(word >> 32).unwrap_or(0);
    let index = usize::try_from(word >> 52).unwrap_or(0);
    let entry = TABLES.wide.get(index).copied().unwrap_or(0);
    if entry != 0 {
        let [first, ..] = entry.to_le_bytes();
        return (
            u16::from(first),
            u32::from(LENGTHS.get(usize::from(first)).copied().unwrap_or(0)),
        );
    }
    let mut length = 13u32;
    while length < 30 {
        let (next, _) = TABLES
            .first
            .get(to_usize(length.wrapping_add(1)))
            .copied()
            .unwrap_or_default();
        if top < next {
            break;
        }
        length = length.wrapping_add(1);
    }
    let (first, place) = TABLES
        .first
        .get(to_usize(length))
        .copied()
        .unwrap_or_default();
    let offset = top
        .wrapping_sub(first)
        .wrapping_shr(32u32.wrapping_sub(length));
    let index = to_usize(offset).saturating_add(usize::from(place));
    (TABLES.symbols.get(index).copied().unwrap_or(256), length)
}
