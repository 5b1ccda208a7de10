//! Names of files: quoting in replies, and the one lexical path of a session.

use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::fmt;

/// Writes a path in quotes, those in it doubled (RFC 959 appendix II).
pub fn put_quoted(path: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"\"");
    for octet in path {
        out.extend_from_slice(if *octet == b'"' {
            b"\"\""
        } else {
            core::slice::from_ref(octet)
        });
    }
    out.extend_from_slice(b"\"");
}

/// The path between quotes at the front of the text of a 257 reply. `None` without a closing quote
/// (CVE-2017-1000254).
#[must_use]
pub fn parse_quoted(text: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memchr(b'"', text)?;
    let mut rest = text.get(at.saturating_add(1)..)?;
    let mut path = Vec::new();
    loop {
        let at = memchr::memchr(b'"', rest)?;
        path.extend_from_slice(rest.get(..at)?);
        rest = rest.get(at.saturating_add(1)..)?;
        match rest.split_first() {
            Some((b'"', tail)) => {
                path.push(b'"');
                rest = tail;
            }
            _ => return Some(path),
        }
    }
}

/// An absolute path below the root that a session sees. Made lexically: it has no empty part, no
/// `.` and no `..`, and never leads above `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(Bytes);

/// Why a path was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than the limit.
    #[error("a path of more than {limit} octets")]
    TooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// CR, LF or NUL.
    #[error("forbidden octet in a path")]
    ForbiddenOctet,
}

impl VirtualPath {
    /// `/`
    #[must_use]
    pub fn root() -> Self {
        Self(Bytes::from_static(b"/"))
    }

    /// The path that `name` means when this is the current directory. `..` at the root stays there.
    ///
    /// # Errors
    ///
    /// [`PathError`].
    pub fn join(&self, name: &[u8], limit: usize) -> Result<Self, PathError> {
        if memchr::memchr3(0, b'\r', b'\n', name).is_some() {
            return Err(PathError::ForbiddenOctet);
        }
        let room = self.0.len().saturating_add(name.len()).saturating_add(1);
        let mut path = Vec::with_capacity(room.min(limit));
        if !name.starts_with(b"/") && self.0.len() > 1 {
            path.extend_from_slice(&self.0);
        }
        for part in name.split(|octet| *octet == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    let at = memchr::memrchr(b'/', &path).unwrap_or(0);
                    path.truncate(at);
                }
                part => {
                    // Not even on the way to something shorter.
                    let len = path.len().saturating_add(part.len());
                    if len >= limit {
                        return Err(PathError::TooLong { limit });
                    }
                    path.push(b'/');
                    path.extend_from_slice(part);
                }
            }
        }
        if path.is_empty() {
            return Ok(Self::root());
        }
        Ok(Self(path.into()))
    }

    /// The octets, beginning with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its parts, from the root. Each is a single name: not empty, no `/`, not `.` or `..`.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|octet| *octet == b'/')
            .filter(|part| !part.is_empty())
    }

    /// The last part; empty for the root.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.components().last().unwrap_or_default()
    }

    /// Whether it is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() <= 1
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&alloc::string::String::from_utf8_lossy(&self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_above_the_root() {
        let home = VirtualPath::root().join(b"a/b", 99).unwrap();
        for (name, want) in [
            (&b"../../../etc/passwd"[..], &b"/etc/passwd"[..]),
            (b"..", b"/a"),
            (b"../..", b"/"),
            (b"/..", b"/"),
            (b"./x//y/.", b"/a/b/x/y"),
            (b"..\\..", b"/a/b/..\\.."),
            (b"", b"/a/b"),
            (b"...", b"/a/b/..."),
        ] {
            assert_eq!(home.join(name, 99).unwrap().as_bytes(), want);
        }
        assert_eq!(home.join(b"x\0", 99), Err(PathError::ForbiddenOctet));
        assert_eq!(
            home.join(b"xxxxxxxx", 8),
            Err(PathError::TooLong { limit: 8 })
        );
    }

    #[test]
    fn quotes_are_doubled() {
        let mut out = BytesMut::new();
        put_quoted(b"/a\"b", &mut out);
        assert_eq!(&out[..], b"\"/a\"\"b\"");
        assert_eq!(parse_quoted(&out).as_deref(), Some(&b"/a\"b"[..]));
        assert_eq!(parse_quoted(b"\"/a\"\""), None);
        assert_eq!(parse_quoted(b"none"), None);
    }
}
