//! Bounds of reading messages.

/// Upper bounds of [`Parser`](super::Parser) and [`Tree`](super::Tree). None of them ends a message:
/// what lies beyond one is handed out unparsed, and [`Repairs`](super::Repairs) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Entities inside each other. Default 64.
    ///
    /// The body of an entity at this depth is handed out as octets, whatever its type. Memory: about
    /// 100 octets and [`max_boundary`](Self::max_boundary) a level. Postfix knows such a limit as
    /// `mime_nesting_limit` (100).
    pub max_depth: usize,
    /// Entities of one message. Default 10 000.
    ///
    /// After the last one the rest of its multipart is handed out as epilogue. Memory: none in the
    /// parser; about 200 octets each in a [`Tree`](super::Tree).
    pub max_parts: u32,
    /// Longest header field, folds included. Default 64 KiB.
    ///
    /// Of a longer one the field has the front, and the rest is handed out unparsed. Memory: as
    /// much, while a field is incomplete. RFC 5322 bounds lines (998) but not fields.
    pub max_field: usize,
    /// Fields of one header. Default 1000. Further ones are handed out unparsed (CVE-2024-23184).
    pub max_fields: u32,
    /// Octets of one header. Default 1 MiB. What is beyond is handed out unparsed (CVE-2024-23185).
    /// Postfix knows such a limit as `header_size_limit` (100 KiB).
    pub max_header: u64,
    /// Longest boundary. Default 256; RFC 2046 section 5.1.1 allows 70. A multipart with a longer one
    /// is handed out as octets.
    pub max_boundary: usize,
    /// What a [`Tree`](super::Tree) keeps of header fields, in octets. Default 1 MiB. Further fields
    /// are not kept.
    pub max_kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 64,
            max_parts: 10_000,
            max_field: 64 * 1024,
            max_fields: 1000,
            max_header: 1024 * 1024,
            max_boundary: 256,
            max_kept: 1024 * 1024,
        }
    }
}
