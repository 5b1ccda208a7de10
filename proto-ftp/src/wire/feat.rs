//! What a server says to FEAT (RFC 2389).

use super::reply::Reply;

/// One line of a reply to FEAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature<'a> {
    /// Its name as it came.
    pub name: &'a [u8],
    /// What follows the name.
    pub params: &'a [u8],
}

/// The features that concern this crate, found in a reply to FEAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // a set, one flag for each feature
pub struct Features {
    /// Names are UTF-8 (RFC 2640).
    pub utf8: bool,
    /// MLST and MLSD.
    pub mlst: bool,
    /// `REST STREAM`.
    pub rest_stream: bool,
    /// SIZE.
    pub size: bool,
    /// MDTM.
    pub mdtm: bool,
    /// MFMT.
    pub mfmt: bool,
    /// EPSV.
    pub epsv: bool,
    /// AUTH TLS.
    pub auth_tls: bool,
    /// `MODE Z`.
    pub mode_z: bool,
    /// HOST (RFC 7151).
    pub host: bool,
    /// CLNT.
    pub clnt: bool,
    /// HASH.
    pub hash: bool,
    /// TVFS: paths with `/`.
    pub tvfs: bool,
}

impl Features {
    /// Reads a reply to FEAT. Lines begin with one blank; old servers put none, or the code.
    #[must_use]
    pub fn parse(reply: &Reply) -> Self {
        let mut features = Self::default();
        for feature in Feature::all(reply) {
            let has = |word: &[u8]| {
                feature
                    .params
                    .split(|octet| matches!(octet, b' ' | b';'))
                    .any(|part| part.eq_ignore_ascii_case(word))
            };
            match feature.name.to_ascii_uppercase().as_slice() {
                b"UTF8" => features.utf8 = true,
                b"MLST" | b"MLSD" => features.mlst = true,
                b"REST" => features.rest_stream = has(b"STREAM"),
                b"SIZE" => features.size = true,
                b"MDTM" => features.mdtm = true,
                b"MFMT" => features.mfmt = true,
                b"EPSV" => features.epsv = true,
                b"AUTH" => features.auth_tls |= has(b"TLS") || has(b"TLS-C") || has(b"SSL"),
                b"MODE" => features.mode_z |= has(b"Z"),
                b"HOST" => features.host = true,
                b"CLNT" => features.clnt = true,
                b"HASH" => features.hash = true,
                b"TVFS" => features.tvfs = true,
                _ => {}
            }
        }
        features
    }
}

impl<'a> Feature<'a> {
    /// All features of a reply to FEAT.
    pub fn all(reply: &'a Reply) -> impl Iterator<Item = Self> {
        let count = reply.lines().count();
        let inner = reply.lines().take(count.saturating_sub(1)).skip(1);
        inner.filter_map(|line| {
            let line = line.trim_ascii();
            let at = memchr::memchr(b' ', line).unwrap_or(line.len());
            let (name, params) = line.split_at_checked(at)?;
            (!name.is_empty()).then_some(Self {
                name,
                params: params.trim_ascii_start(),
            })
        })
    }
}
