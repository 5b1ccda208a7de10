//! What was not as it should be, and was read all the same.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// A set of things in a message, or in a part of one, that its author or somebody on the way got
/// wrong, or that another reader may understand in another way.
///
/// Reading never fails; it notes. A gateway that must not be fooled refuses a message with
/// [`AMBIGUOUS`](Self::AMBIGUOUS) in it; a mail reader ignores all of this.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Repairs(u32);

macro_rules! repairs {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Repairs {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$name, stringify!($name)),)*];
        }
    };
}

repairs! {
    /// A line of a header or a delimiter ends in LF without CR.
    BARE_LF = 0;
    /// A CR without LF stands in a header field.
    BARE_CR = 1;
    /// A NUL stands in a header field.
    NUL = 2;
    /// A header field has octets above 127 that are not UTF-8 (RFC 6532 allows UTF-8).
    EIGHT_BIT_HEADER = 3;
    /// A line of a header is no field: it has no colon, or its name has octets that names cannot
    /// have. It is handed out unparsed.
    MALFORMED_FIELD = 4;
    /// Blanks stand between the name of a field and its colon (RFC 5322 section 4.5).
    BLANK_BEFORE_COLON = 5;
    /// A line of a folded field is blank (RFC 5322 section 4.2, `obs-FWS`).
    BLANK_FOLD = 6;
    /// A field that may stand once stands twice (RFC 5322 section 3.6). The first one counts.
    DUPLICATE_FIELD = 7;
    /// A field is longer than [`Limits::max_field`](super::Limits::max_field).
    FIELD_LIMIT = 8;
    /// The header is longer than [`Limits::max_header`](super::Limits::max_header) or has more fields
    /// than [`Limits::max_fields`](super::Limits::max_fields).
    HEADER_LIMIT = 9;
    /// The header ends without a blank line, at a delimiter or at the end of the message.
    UNFINISHED_HEADER = 10;
    /// `Content-Type` cannot be read. The entity counts as `text/plain` (RFC 2045 section 5.2).
    MALFORMED_CONTENT_TYPE = 11;
    /// `Content-Transfer-Encoding` names none that is known. The body counts as
    /// `application/octet-stream` (RFC 2045 section 6.4).
    UNKNOWN_ENCODING = 12;
    /// A multipart has an encoding that multiparts cannot have (RFC 2045 section 6.4). It is ignored.
    ENCODED_MULTIPART = 13;
    /// A message inside has an encoding that it cannot have (RFC 2046 section 5.2.1). It is handed out
    /// as octets: decode them and read them with a parser of their own.
    ENCODED_MESSAGE = 14;
    /// A multipart has no boundary, or an empty one. It is handed out as octets.
    NO_BOUNDARY = 15;
    /// A boundary is longer than [`Limits::max_boundary`](super::Limits::max_boundary).
    BOUNDARY_LIMIT = 16;
    /// A multipart has the boundary of one that it stands in. It is handed out as octets.
    BOUNDARY_CLASH = 17;
    /// The last delimiter of a multipart is missing: the message, or the multipart around it, ends.
    MISSING_CLOSE = 18;
    /// A multipart holds no part at all.
    NO_PARTS = 19;
    /// Entities are nested deeper than [`Limits::max_depth`](super::Limits::max_depth).
    DEPTH_LIMIT = 20;
    /// The message has more entities than [`Limits::max_parts`](super::Limits::max_parts).
    PARTS_LIMIT = 21;
    /// The tree kept no more fields: [`Limits::max_kept`](super::Limits::max_kept).
    KEPT_LIMIT = 22;
}

impl Repairs {
    /// None.
    pub const NONE: Self = Self(0);

    /// Those that two readers may well understand differently: a filter sees one message, the
    /// reader behind it another.
    pub const AMBIGUOUS: Self = Self(
        Self::BARE_CR.0
            | Self::NUL.0
            | Self::MALFORMED_FIELD.0
            | Self::BLANK_BEFORE_COLON.0
            | Self::BLANK_FOLD.0
            | Self::DUPLICATE_FIELD.0
            | Self::FIELD_LIMIT.0
            | Self::HEADER_LIMIT.0
            | Self::UNFINISHED_HEADER.0
            | Self::MALFORMED_CONTENT_TYPE.0
            | Self::UNKNOWN_ENCODING.0
            | Self::ENCODED_MULTIPART.0
            | Self::ENCODED_MESSAGE.0
            | Self::NO_BOUNDARY.0
            | Self::BOUNDARY_LIMIT.0
            | Self::BOUNDARY_CLASH.0
            | Self::MISSING_CLOSE.0
            | Self::DEPTH_LIMIT.0
            | Self::PARTS_LIMIT.0,
    );

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is here.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The names of those that are here.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .filter(move |(repair, _)| self.contains(*repair))
            .map(|(_, name)| *name)
    }
}

impl BitOr for Repairs {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Repairs {
    fn bitor_assign(&mut self, other: Self) {
        self.insert(other);
    }
}

impl fmt::Debug for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
