//! Framing: MODE B and MODE C, and the escapes of STRU R in MODE S (RFC 959 section 3.4).

use alloc::vec::Vec;

/// End of record.
pub(super) const EOR: u8 = 128;
/// End of file.
pub(super) const EOF: u8 = 64;
/// Suspected errors in the data.
pub(super) const ERRORS: u8 = 32;
/// The block is a restart marker.
pub(super) const MARKER: u8 = 16;

/// What a decoder makes of its input.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Vec<u8>),
    Record,
    Marker(Vec<u8>),
    Errors,
    Page(super::PageHeader),
    End,
}

/// Appends one block of MODE B.
pub(super) fn put_block(descriptor: u8, data: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
    out.push(descriptor);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(data.get(..usize::from(len)).unwrap_or_default());
}

/// Appends data in the strings of MODE C. `filler` is what a run of fillers stands for.
pub(super) fn put_compressed(data: &[u8], filler: u8, out: &mut Vec<u8>) {
    let mut rest = data;
    while let Some(first) = rest.first() {
        let run = rest
            .iter()
            .take(63)
            .take_while(|octet| *octet == first)
            .count();
        if run >= 3 || (run >= 2 && *first == filler) {
            let count = u8::try_from(run).unwrap_or(63);
            if *first == filler {
                out.push(0xc0 | count);
            } else {
                out.extend_from_slice(&[0x80 | count, *first]);
            }
            rest = rest.get(run..).unwrap_or_default();
            continue;
        }
        // As far as the next run of three.
        let mut len = 0_usize;
        while len < 127 && len < rest.len() {
            match rest.get(len..) {
                Some([a, b, c, ..]) if a == b && b == c => break,
                _ => len = len.saturating_add(1),
            }
        }
        let len = len.max(1);
        out.push(u8::try_from(len).unwrap_or(127));
        out.extend_from_slice(rest.get(..len).unwrap_or_default());
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// Decodes MODE B from any cuts of its input.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    header: Vec<u8>,
    left: usize,
    descriptor: u8,
    marker: Vec<u8>,
}

impl Blocks {
    /// Takes octets off the front; returns how many, and what they gave.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        out: &mut Vec<Piece>,
        max_marker: usize,
    ) -> Result<usize, ()> {
        let mut used = 0_usize;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            if self.left == 0 {
                let wanted = 3_usize.saturating_sub(self.header.len());
                let piece = rest.get(..wanted.min(rest.len())).unwrap_or_default();
                self.header.extend_from_slice(piece);
                used = used.saturating_add(piece.len());
                let [descriptor, high, low] = *self.header.as_slice() else {
                    return Ok(used);
                };
                self.header.clear();
                self.descriptor = descriptor;
                self.left = usize::from(u16::from_be_bytes([high, low]));
                if descriptor & MARKER != 0 && self.left > max_marker {
                    return Err(());
                }
                if descriptor & ERRORS != 0 {
                    out.push(Piece::Errors);
                }
            } else {
                let piece = rest.get(..self.left.min(rest.len())).unwrap_or_default();
                if piece.is_empty() {
                    return Ok(used);
                }
                if self.descriptor & MARKER != 0 {
                    self.marker.extend_from_slice(piece);
                } else {
                    out.push(Piece::Data(piece.to_vec()));
                }
                used = used.saturating_add(piece.len());
                self.left = self.left.saturating_sub(piece.len());
            }
            if self.left > 0 {
                continue;
            }
            if self.descriptor & MARKER != 0 {
                out.push(Piece::Marker(core::mem::take(&mut self.marker)));
            }
            if self.descriptor & EOR != 0 {
                out.push(Piece::Record);
            }
            if self.descriptor & EOF != 0 {
                out.push(Piece::End);
                return Ok(used);
            }
        }
    }
}

/// Decodes MODE C from any cuts of its input.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Octets of a plain string, or of a marker, that are still to come.
    left: usize,
    /// The count of a run whose octet is still to come.
    run: Option<usize>,
    /// A descriptor is next.
    escaped: bool,
    /// A marker's length is next, or its octets.
    in_marker: Option<Vec<u8>>,
    wants_length: bool,
}

impl Strings {
    pub(super) fn take(
        &mut self,
        input: &[u8],
        filler: u8,
        out: &mut Vec<Piece>,
        max_marker: usize,
    ) -> Result<usize, ()> {
        let mut data = Vec::new();
        let mut used = 0_usize;
        while let Some(octet) = input.get(used).copied() {
            if self.left > 0 {
                let rest = input.get(used..).unwrap_or_default();
                let piece = rest.get(..self.left.min(rest.len())).unwrap_or_default();
                match &mut self.in_marker {
                    Some(marker) => marker.extend_from_slice(piece),
                    None => data.extend_from_slice(piece),
                }
                self.left = self.left.saturating_sub(piece.len());
                used = used.saturating_add(piece.len());
                if self.left == 0
                    && let Some(marker) = self.in_marker.take()
                {
                    flush(&mut data, out);
                    out.push(Piece::Marker(marker));
                }
                continue;
            }
            used = used.saturating_add(1);
            if self.wants_length {
                self.wants_length = false;
                self.left = usize::from(octet);
                if self.left > max_marker {
                    return Err(());
                }
                if self.left == 0 {
                    self.in_marker = None;
                }
            } else if let Some(count) = self.run.take() {
                data.resize(data.len().saturating_add(count), octet);
            } else if self.escaped {
                self.escaped = false;
                if octet & ERRORS != 0 {
                    flush(&mut data, out);
                    out.push(Piece::Errors);
                }
                if octet & EOR != 0 {
                    flush(&mut data, out);
                    out.push(Piece::Record);
                }
                if octet & EOF != 0 {
                    flush(&mut data, out);
                    out.push(Piece::End);
                    return Ok(used);
                }
                if octet & MARKER != 0 {
                    self.wants_length = true;
                    self.in_marker = Some(Vec::new());
                }
            } else {
                match octet {
                    0 => self.escaped = true,
                    1..=127 => self.left = usize::from(octet),
                    128..=191 => self.run = Some(usize::from(octet & 63)),
                    _ => data.resize(data.len().saturating_add(usize::from(octet & 63)), filler),
                }
            }
            // One run can become 63 octets: what is made in one go stays bounded.
            if data.len() >= 64 * 1024 {
                break;
            }
        }
        flush(&mut data, out);
        Ok(used)
    }
}

fn flush(data: &mut Vec<u8>, out: &mut Vec<Piece>) {
    if !data.is_empty() {
        out.push(Piece::Data(core::mem::take(data)));
    }
}

/// Decodes records in MODE S: `FF 01` ends a record, `FF 02` the file, `FF 03` both, `FF FF` is an
/// octet 255 (RFC 959 section 3.4.1).
#[derive(Debug, Default)]
pub(super) struct Escapes {
    pub(super) escaped: bool,
}

impl Escapes {
    pub(super) fn take(&mut self, input: &[u8], out: &mut Vec<Piece>) -> Result<usize, ()> {
        let mut data = Vec::new();
        let mut used = 0_usize;
        while let Some(octet) = input.get(used).copied() {
            if !self.escaped {
                let rest = input.get(used..).unwrap_or_default();
                let len = memchr::memchr(0xff, rest).unwrap_or(rest.len());
                data.extend_from_slice(rest.get(..len).unwrap_or_default());
                self.escaped = len < rest.len();
                used = used
                    .saturating_add(len)
                    .saturating_add(usize::from(self.escaped));
                continue;
            }
            used = used.saturating_add(1);
            self.escaped = false;
            match octet {
                0xff => data.push(0xff),
                1..=3 => {
                    flush(&mut data, out);
                    if octet & 1 != 0 {
                        out.push(Piece::Record);
                    }
                    if octet & 2 != 0 {
                        out.push(Piece::End);
                        return Ok(used);
                    }
                }
                _ => return Err(()),
            }
        }
        flush(&mut data, out);
        Ok(used)
    }
}
