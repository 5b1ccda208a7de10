//! Trace fields: who gave a message to whom (RFC 5321 section 4.4).

use super::date::{self, DateTime};
use super::lexer::{Lexer, Token, unescape};
use alloc::string::String;
use alloc::vec::Vec;

/// A `Received` field. Everything but `by` and the date may be missing; what is in comments is what the
/// server saw, in a form of its own.
///
/// ```text
/// "Received:" "from" domain [comment] "by" domain [comment] ["via" link] ["with" protocol]
///             ["id" id] ["for" path] ";" date
/// ```
///
/// ```
/// use proto_mail::message::Field;
///
/// let field = Field::parse(b"Received: from crepes.fr (mail.crepes.fr [127.0.0.1]) by hamburger.edu \
///     with ESMTP id 12 for <bob@hamburger.edu>; Fri, 21 Nov 1997 09:55:06 -0600").unwrap();
/// let received = field.received();
/// assert_eq!(received.from.as_deref(), Some("crepes.fr"));
/// assert_eq!(received.from_comment.as_deref(), Some("mail.crepes.fr [127.0.0.1]"));
/// assert_eq!(received.recipient.as_deref(), Some("bob@hamburger.edu"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// What the client called itself: a name, or an address, in brackets or without.
    pub from: Option<String>,
    /// What the server knew about the client.
    pub from_comment: Option<String>,
    /// What the server calls itself.
    pub by: Option<String>,
    /// The link, where it is not TCP.
    pub via: Option<String>,
    /// The protocol, as it was written.
    pub with: Option<String>,
    /// What the server called the message, without angle brackets.
    pub id: Option<String>,
    /// Whom the message was for, without angle brackets.
    pub recipient: Option<String>,
    /// When it came.
    pub date: Option<DateTime>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    From,
    By,
    Via,
    With,
    Id,
    For,
}

impl Clause {
    fn new(word: &[u8]) -> Option<Self> {
        let clauses = [
            (&b"from"[..], Self::From),
            (b"by", Self::By),
            (b"via", Self::Via),
            (b"with", Self::With),
            (b"id", Self::Id),
            (b"for", Self::For),
        ];
        let found = clauses
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))?;
        Some(found.1)
    }
}

/// Reads the value of a `Received` field. It never fails: it gives what there is. Of two clauses of one
/// kind the first counts.
pub(super) fn parse(value: &[u8]) -> Received {
    let mut received = Received {
        date: date::parse(value).ok(),
        ..Received::default()
    };
    let mut lexer = Lexer::address(value);
    let mut open: Option<Clause> = None;
    while let Some(token) = lexer.next() {
        match token {
            Token::Special(b';') => return received,
            Token::Atom(word) => {
                // A word that is wanted is no keyword, or else a host named `by` could not be.
                if let Some(clause) = Clause::new(word).filter(|_| !is_wanted(open, &received)) {
                    open = Some(clause);
                } else if let Some(clause @ (Clause::For | Clause::From)) = open
                    && is_wanted(open, &received)
                {
                    // An address without brackets.
                    let mut address = Vec::from(word);
                    let mut ahead = lexer.clone();
                    if ahead.next() == Some(Token::Special(b'@'))
                        && !ahead.had_space
                        && let Some(Token::Atom(domain)) = ahead.next()
                    {
                        address.push(b'@');
                        address.extend_from_slice(domain);
                        lexer = ahead;
                    }
                    put(&mut received, clause, &address);
                } else if let Some(clause) = open {
                    put(&mut received, clause, word);
                }
            }
            Token::Literal(inner) => {
                if let Some(clause) = open {
                    put(&mut received, clause, inner);
                }
            }
            Token::Special(b'<') => {
                let rest = lexer.rest();
                let len = memchr::memchr(b'>', rest).unwrap_or(rest.len());
                if let Some(clause @ (Clause::Id | Clause::For)) = open {
                    put(
                        &mut received,
                        clause,
                        rest.get(..len).unwrap_or_default().trim_ascii(),
                    );
                }
                lexer = Lexer::address(rest.get(len.saturating_add(1)..).unwrap_or_default());
            }
            Token::Comment(inner)
                if open == Some(Clause::From) && received.from_comment.is_none() =>
            {
                let mut comment = Vec::new();
                unescape(inner, &mut comment);
                received.from_comment = Some(String::from_utf8_lossy(&comment).into_owned());
            }
            _ => {}
        }
    }
    received
}

/// Whether the clause that is open has no value yet.
fn is_wanted(open: Option<Clause>, received: &Received) -> bool {
    match open {
        None => false,
        Some(Clause::From) => received.from.is_none() && received.from_comment.is_none(),
        Some(Clause::By) => received.by.is_none(),
        Some(Clause::Via) => received.via.is_none(),
        Some(Clause::With) => received.with.is_none(),
        Some(Clause::Id) => received.id.is_none(),
        Some(Clause::For) => received.recipient.is_none(),
    }
}

fn put(received: &mut Received, clause: Clause, value: &[u8]) {
    let slot = match clause {
        Clause::From if received.from_comment.is_some() => return,
        Clause::From => &mut received.from,
        Clause::By => &mut received.by,
        Clause::Via => &mut received.via,
        Clause::With => &mut received.with,
        Clause::Id => &mut received.id,
        Clause::For => &mut received.recipient,
    };
    if slot.is_none() {
        *slot = Some(String::from_utf8_lossy(value).into_owned());
    }
}
