//! Addresses in header fields (RFC 5322 section 3.4, with the obsolete forms of section 4.4).
//!
//! These are what a message says of itself. Where it goes says the envelope: MAIL FROM and RCPT TO,
//! whose addresses are [`smtp::wire::Mailbox`](crate::smtp::wire::Mailbox).

use super::encoded_word;
use super::field::bstr;
use super::lexer::{Lexer, Token, unescape};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// An address, as it is read from a header field.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Mailbox {
    pub(super) phrase: Option<Vec<u8>>,
    pub(super) comment: Option<Vec<u8>>,
    pub(super) route: Option<Vec<u8>>,
    pub(super) local: Vec<u8>,
    pub(super) domain: Option<Vec<u8>>,
}

impl Mailbox {
    /// The name in front of the address, encoded words decoded; or else the comment behind it, which
    /// is where names stood before there were names.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        let name = self.phrase.as_deref().or(self.comment.as_deref())?;
        Some(encoded_word::decode(name))
    }

    /// The name in front of the address, its quotes undone, its encoded words not.
    #[must_use]
    pub fn phrase(&self) -> Option<&[u8]> {
        self.phrase.as_deref()
    }

    /// The source route, which has had no meaning for a long time.
    #[must_use]
    pub fn route(&self) -> Option<&[u8]> {
        self.route.as_deref()
    }

    /// What stands before the `@`, its quotes undone.
    #[must_use]
    pub fn local_part(&self) -> &[u8] {
        &self.local
    }

    /// What stands behind the `@`; nothing when there is none.
    #[must_use]
    pub fn domain(&self) -> Option<&[u8]> {
        self.domain.as_deref()
    }

    /// `local-part@domain`, the local part quoted when it has to be.
    #[must_use]
    pub fn addr_spec(&self) -> String {
        let mut out = Vec::with_capacity(self.local.len().saturating_add(32));
        if !is_dot_atom(&self.local) && self.domain.is_some() {
            out.push(b'"');
            for &octet in &self.local {
                if matches!(octet, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(octet);
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(&self.local);
        }
        if let Some(domain) = &self.domain {
            out.push(b'@');
            out.extend_from_slice(domain);
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("name", &self.display_name())
            .field("address", &self.addr_spec())
            .finish()
    }
}

/// `dot-atom-text` (RFC 5322 section 3.2.3, RFC 6532 section 3.2).
pub(super) fn is_dot_atom(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .split(|octet| *octet == b'.')
            .all(|atom| !atom.is_empty() && atom.iter().all(|octet| is_atext(*octet)))
}

pub(super) fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet >= 128 || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// One entry of a list of addresses.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address.
    Mailbox(Mailbox),
    /// `name: address, address;`, maybe of none.
    Group {
        /// Its name, its quotes undone, its encoded words not.
        name: Vec<u8>,
        /// Its addresses.
        members: Vec<Mailbox>,
    },
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) => mailbox.fmt(f),
            Self::Group { name, members } => f
                .debug_struct("Group")
                .field("name", &bstr(name))
                .field("members", members)
                .finish(),
        }
    }
}

/// A list of addresses. Reading it never fails: it gives what there is.
///
/// ```
/// use proto_mail::message::AddressList;
///
/// let list = AddressList::parse(b"Alice <alice@crepes.fr>, friends: bob@hamburger.edu (Bob), \"c d\"@x.org;");
/// let found: Vec<_> = list.mailboxes().map(|mailbox| (mailbox.display_name(), mailbox.addr_spec())).collect();
/// assert_eq!(found[0], (Some("Alice".into()), "alice@crepes.fr".into()));
/// assert_eq!(found[1], (Some("Bob".into()), "bob@hamburger.edu".into()));
/// assert_eq!(found[2], (None, "\"c d\"@x.org".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList {
    /// Its entries, in their order.
    pub entries: Vec<Address>,
    /// Whether something was not as RFC 5322 wants it, obsolete forms not counted.
    pub is_repaired: bool,
}

impl AddressList {
    /// Reads the value of a field, with or without folds.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut reader = Reader {
            lexer: Lexer::address(value),
            list: Self::default(),
            group: None,
            entry: Entry::default(),
        };
        reader.read();
        reader.list
    }

    /// All addresses, those in groups included.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.entries.iter().flat_map(|entry| match entry {
            Address::Mailbox(mailbox) => core::slice::from_ref(mailbox),
            Address::Group { members, .. } => members,
        })
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    list: AddressList,
    /// The group that is open: its name and members.
    group: Option<(Vec<u8>, Vec<Mailbox>)>,
    entry: Entry<'a>,
}

/// The tokens of an entry so far.
#[derive(Default)]
struct Entry<'a> {
    words: Vec<Token<'a>>,
    /// How many words stand before the `@`.
    at: Option<usize>,
    comment: Option<&'a [u8]>,
    angle: Option<Mailbox>,
    /// Whether the rest of it is skipped.
    is_over: bool,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(token) = self.lexer.next() {
            match token {
                Token::Comment(inner) => {
                    self.entry.comment.get_or_insert(inner);
                }
                Token::Atom(_) | Token::Quoted(_) | Token::Literal(_) => {
                    self.entry.words.push(token)
                }
                Token::Special(b'@') if self.entry.at.is_some() => {
                    // A second one: what follows is of no address.
                    self.list.is_repaired = true;
                    self.entry.is_over = true;
                }
                Token::Special(b'@') => self.entry.at = Some(self.entry.words.len()),
                Token::Special(b'<') => {
                    let angle = self.angle();
                    if self.entry.angle.is_some() {
                        self.list.is_repaired = true;
                    } else {
                        self.entry.angle = Some(angle);
                    }
                }
                Token::Special(b',') => self.end_entry(),
                Token::Special(b':') => self.begin_group(),
                Token::Special(b';') => {
                    self.end_entry();
                    self.end_group();
                }
                Token::Special(_) => self.list.is_repaired = true,
            }
        }
        self.end_entry();
        if self.group.is_some() {
            self.list.is_repaired = true;
        }
        self.end_group();
        self.list.is_repaired |= self.lexer.is_broken;
    }

    fn begin_group(&mut self) {
        if self.group.is_some() || self.entry.at.is_some() || self.entry.angle.is_some() {
            // A group inside a group, or a stray colon.
            self.list.is_repaired = true;
            self.end_entry();
            self.end_group();
        }
        let entry = core::mem::take(&mut self.entry);
        self.group = Some((phrase(&entry.words).unwrap_or_default(), Vec::new()));
    }

    fn end_group(&mut self) {
        if let Some((name, members)) = self.group.take() {
            self.list.entries.push(Address::Group { name, members });
        }
    }

    fn end_entry(&mut self) {
        let entry = core::mem::take(&mut self.entry);
        let comment = entry.comment.map(|inner| {
            let mut comment = Vec::new();
            unescape(inner, &mut comment);
            comment
        });
        let mailbox = match (entry.angle, entry.at) {
            (Some(angle), at) => {
                self.list.is_repaired |= at.is_some();
                Mailbox {
                    phrase: phrase(&entry.words),
                    comment,
                    ..angle
                }
            }
            (None, Some(at)) => {
                let (local, domain) = entry.words.split_at_checked(at).unwrap_or_default();
                let (local, domain) = (last_run(local), first_run(domain));
                self.list.is_repaired |=
                    local.len().saturating_add(domain.len()) != entry.words.len();
                Mailbox {
                    comment,
                    local: join(local),
                    domain: Some(join(domain)),
                    ..Mailbox::default()
                }
            }
            (None, None) if entry.words.is_empty() => return,
            (None, None) => {
                self.list.is_repaired = true;
                match entry.words.as_slice() {
                    // One word is a local part, several are a name.
                    [word] => Mailbox {
                        comment,
                        local: join(core::slice::from_ref(word)),
                        ..Mailbox::default()
                    },
                    words => Mailbox {
                        phrase: phrase(words),
                        comment,
                        ..Mailbox::default()
                    },
                }
            }
        };
        match &mut self.group {
            Some((_, members)) => members.push(mailbox),
            None => self.list.entries.push(Address::Mailbox(mailbox)),
        }
    }

    /// What stands in angle brackets: `[ route ":" ] addr-spec`.
    fn angle(&mut self) -> Mailbox {
        let from = self.lexer.rest();
        let mut words = Vec::new();
        let mut at = None;
        let mut route = None;
        let mut is_odd = false;
        loop {
            let before = self.lexer.rest().len();
            match self.lexer.next() {
                None => {
                    self.list.is_repaired = true;
                    break;
                }
                Some(Token::Special(b'>')) => break,
                Some(Token::Comment(_)) => {}
                Some(Token::Special(b'@'))
                    if words.is_empty() && at.is_none() && route.is_none() =>
                {
                    let len = from.len().saturating_sub(before);
                    route = self.route(from.get(len..).unwrap_or_default());
                    if route.is_none() {
                        at = Some(0);
                    }
                }
                Some(Token::Special(b'@')) if at.is_none() => at = Some(words.len()),
                Some(Token::Special(_)) => is_odd = true,
                Some(word) => words.push(word),
            }
        }
        if is_odd {
            // No address: a URI of a list (RFC 2369), or garbage. It stays as it is.
            self.list.is_repaired = true;
            let len = from.len().saturating_sub(self.lexer.rest().len());
            let inner = from.get(..len).unwrap_or_default();
            let inner = inner.strip_suffix(b">").unwrap_or(inner);
            return Mailbox {
                local: super::field::unfold(inner.trim_ascii()).into_owned(),
                ..Mailbox::default()
            };
        }
        let (local, domain) = words
            .split_at_checked(at.unwrap_or(words.len()))
            .unwrap_or_default();
        Mailbox {
            route,
            local: join(local),
            domain: at.map(|_| join(domain)),
            ..Mailbox::default()
        }
    }

    /// `@a,@b:`, whose first `@` is taken (RFC 5322 section 4.4, `obs-route`).
    fn route(&mut self, from: &'a [u8]) -> Option<Vec<u8>> {
        let mut ahead = self.lexer.clone();
        let mut route = Vec::from(&b"@"[..]);
        while let Some(token) = ahead.next_word() {
            match token {
                Token::Special(b':') => {
                    self.lexer = ahead;
                    return Some(route);
                }
                Token::Special(octet @ (b'@' | b',')) => route.push(octet),
                Token::Special(_) => return None,
                word => push_word(&word, &mut route),
            }
            if route.len() > from.len() {
                return None;
            }
        }
        None
    }
}

/// Whether two words of an address may stand apart: a dot is between them (RFC 5322 section 4.4,
/// `obs-local-part`, `obs-domain`).
fn is_joined(left: &Token<'_>, right: &Token<'_>) -> bool {
    matches!(left, Token::Atom([.., b'.'])) || matches!(right, Token::Atom([b'.', ..]))
}

/// The words from the front that are one domain.
fn first_run<'t, 'a>(words: &'t [Token<'a>]) -> &'t [Token<'a>] {
    words.chunk_by(is_joined).next().unwrap_or_default()
}

/// The words at the end that are one local part.
fn last_run<'t, 'a>(words: &'t [Token<'a>]) -> &'t [Token<'a>] {
    words.chunk_by(is_joined).next_back().unwrap_or_default()
}

/// Words with a blank between them.
fn phrase(words: &[Token<'_>]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        push_word(word, &mut out);
    }
    (!words.is_empty()).then_some(out)
}

/// Words with nothing between them.
fn join(words: &[Token<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in words {
        push_word(word, &mut out);
    }
    out
}

fn push_word(word: &Token<'_>, out: &mut Vec<u8>) {
    match word {
        Token::Atom(text) => out.extend_from_slice(text),
        Token::Quoted(inner) => unescape(inner, out),
        Token::Literal(inner) => {
            out.push(b'[');
            unescape(inner, out);
            out.push(b']');
        }
        Token::Comment(_) | Token::Special(_) => {}
    }
}
