//! Pages (RFC 959 section 3.1.2.3 and appendix I): pieces of a file that tell their place, so that a
//! file with holes travels without them. Each field of a header is one octet, as TYPE L 8 has it.

use super::block::Piece;
use alloc::vec::Vec;
use bytes::Bytes;

/// Octets of a page, at most: their count is one octet.
pub(super) const MAX_PAGE: usize = 255;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageKind {
    /// A part of the file (1).
    Simple,
    /// What describes the file as a whole (2).
    Descriptor,
    /// A part of the file with access rights of its own, which stand in the header (3).
    AccessControlled,
}

/// The header of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// The number of the page in the file, from 0; not the order in which it came.
    pub index: u8,
    /// What it is.
    pub kind: PageKind,
    /// Octets of data that follow.
    pub len: u8,
    /// Fields of the header beyond the four that each has.
    pub more: Bytes,
}

/// Appends a page; `None` where the header cannot say it: more than 255 octets, or a header that its
/// kind does not have.
pub(super) fn put_page(
    index: u8,
    kind: PageKind,
    more: &[u8],
    data: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    let (octet, fits) = match kind {
        PageKind::Simple => (1, more.is_empty()),
        PageKind::Descriptor => (2, true),
        PageKind::AccessControlled => (3, more.len() == 1),
    };
    let header = u8::try_from(more.len().saturating_add(4)).ok()?;
    let len = u8::try_from(data.len()).ok().filter(|_| fits)?;
    out.extend_from_slice(&[header, index, len, octet]);
    out.extend_from_slice(more);
    out.extend_from_slice(data);
    Some(())
}

/// Appends what ends a file.
pub(super) fn put_last_page(index: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[4, index, 0, 0]);
}

/// Decodes pages from any cuts of their octets.
#[derive(Debug, Default)]
pub(super) struct Pages {
    header: Vec<u8>,
    /// Octets of the page that are still to come.
    left: usize,
}

impl Pages {
    /// Takes octets off the front; returns how many, and what they gave.
    pub(super) fn take(&mut self, input: &[u8], out: &mut Vec<Piece>) -> Result<usize, ()> {
        let mut rest = input;
        loop {
            if self.left > 0 {
                let (data, behind) = rest.split_at(self.left.min(rest.len()));
                if data.is_empty() {
                    return Ok(input.len());
                }
                self.left = self.left.saturating_sub(data.len());
                out.push(Piece::Data(data.to_vec()));
                rest = behind;
                continue;
            }
            let Some((octet, behind)) = rest.split_first() else {
                return Ok(input.len());
            };
            self.header.push(*octet);
            rest = behind;
            let [len, index, count, kind, more @ ..] = self.header.as_slice() else {
                continue;
            };
            if usize::from(*len) > self.header.len() {
                continue;
            }
            let kind = match (kind, len, count) {
                (0, 4, 0) => {
                    out.push(Piece::End);
                    self.header.clear();
                    return Ok(input.len().saturating_sub(rest.len()));
                }
                (1, 4, _) => PageKind::Simple,
                (2, 4.., _) => PageKind::Descriptor,
                (3, 5, _) => PageKind::AccessControlled,
                _ => return Err(()),
            };
            self.left = usize::from(*count);
            out.push(Piece::Page(PageHeader {
                index: *index,
                kind,
                len: *count,
                more: Bytes::copy_from_slice(more),
            }));
            self.header.clear();
        }
    }
}
