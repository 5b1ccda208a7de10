//! Tokens of structured fields (RFC 5322 section 3.2).

use alloc::vec::Vec;
use memchr::memchr3;

/// A token. White space, folds included, separates tokens and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A run of octets that are neither white space nor special; dots and octets above 127 are in it.
    Atom(&'a [u8]),
    /// What stands between the quotes of a quoted string, escapes and folds included.
    Quoted(&'a [u8]),
    /// A domain literal, brackets included.
    Literal(&'a [u8]),
    /// What stands between the parentheses of a comment, comments inside included.
    Comment(&'a [u8]),
    /// One of `<>:;@,=/?` and stray brackets.
    Special(u8),
}

/// Splits a field value into tokens, in one pass.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
    specials: &'static [u8],
    /// Whether white space stood before the last token.
    pub(super) had_space: bool,
    /// Whether a quoted string, a comment or a literal had no end.
    pub(super) is_broken: bool,
}

/// Specials of addresses, ids and dates (RFC 5322 section 3.2.3), without the dot.
const ADDRESS: &[u8] = b"<>:;@,\"([";
/// Specials of MIME fields (RFC 2045 section 5.1), without those that real parameters hold.
const MIME: &[u8] = b";=\"(";

impl<'a> Lexer<'a> {
    pub(super) fn address(text: &'a [u8]) -> Self {
        Self::new(text, ADDRESS)
    }

    pub(super) fn mime(text: &'a [u8]) -> Self {
        Self::new(text, MIME)
    }

    fn new(text: &'a [u8], specials: &'static [u8]) -> Self {
        Self {
            rest: text,
            specials,
            had_space: false,
            is_broken: false,
        }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next token that is no comment.
    pub(super) fn next_word(&mut self) -> Option<Token<'a>> {
        self.find(|token| !matches!(token, Token::Comment(_)))
    }

    fn cut(&mut self, at: usize) -> &'a [u8] {
        let (front, rest) = self.rest.split_at_checked(at).unwrap_or((self.rest, &[]));
        self.rest = rest;
        front
    }

    /// What stands before the octet `close`, which is taken too; a backslash hides the octet behind it.
    fn until(&mut self, close: u8) -> &'a [u8] {
        let mut at = 0;
        loop {
            let found = memchr::memchr2(close, b'\\', self.rest.get(at..).unwrap_or_default());
            let Some(found) = found else {
                self.is_broken = true;
                return self.cut(self.rest.len());
            };
            at = at.saturating_add(found);
            if self.rest.get(at) == Some(&close) {
                let inner = self.cut(at);
                self.cut(1);
                return inner;
            }
            at = at.saturating_add(2);
        }
    }

    fn comment(&mut self) -> &'a [u8] {
        let mut depth = 1_usize;
        let mut at = 0;
        loop {
            let found = memchr3(b'(', b')', b'\\', self.rest.get(at..).unwrap_or_default());
            let Some(found) = found else {
                self.is_broken = true;
                return self.cut(self.rest.len());
            };
            at = at.saturating_add(found);
            match self.rest.get(at) {
                Some(b'(') => depth = depth.saturating_add(1),
                Some(b')') => depth = depth.saturating_sub(1),
                _ => at = at.saturating_add(1),
            }
            if depth == 0 {
                let inner = self.cut(at);
                self.cut(1);
                return inner;
            }
            at = at.saturating_add(1);
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.rest.iter().position(|octet| !is_space(*octet));
        let skipped = start.unwrap_or(self.rest.len());
        self.had_space = skipped > 0;
        self.cut(skipped);
        let first = *self.rest.first()?;
        if !self.specials.contains(&first) {
            let end = self
                .rest
                .iter()
                .position(|octet| is_space(*octet) || self.specials.contains(octet))
                .unwrap_or(self.rest.len());
            return Some(Token::Atom(self.cut(end)));
        }
        self.cut(1);
        Some(match first {
            b'"' => Token::Quoted(self.until(b'"')),
            b'(' => Token::Comment(self.comment()),
            b'[' => {
                let from = self.rest;
                let len = self.until(b']').len();
                Token::Literal(from.get(..len).unwrap_or_default())
            }
            special => Token::Special(special),
        })
    }
}

/// White space of headers, the line ends of folds included.
pub(super) fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Undoes the escapes of a quoted string, a comment or a literal, and takes out its line ends.
pub(super) fn unescape(inner: &[u8], out: &mut Vec<u8>) {
    let mut is_escaped = false;
    for &octet in inner {
        match octet {
            b'\\' if !is_escaped => {
                is_escaped = true;
                continue;
            }
            b'\r' | b'\n' => {}
            _ => out.push(octet),
        }
        is_escaped = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        Lexer::address(text.as_bytes()).collect()
    }

    #[test]
    fn words_comments_and_specials_are_told_apart() {
        assert_eq!(
            tokens("Pete(A (nice) \\) chap) <pete@[127.0.0.1]>"),
            [
                Token::Atom(b"Pete"),
                Token::Comment(b"A (nice) \\) chap"),
                Token::Special(b'<'),
                Token::Atom(b"pete"),
                Token::Special(b'@'),
                Token::Literal(b"127.0.0.1"),
                Token::Special(b'>'),
            ]
        );
    }

    #[test]
    fn a_backslash_at_the_end_hides_nothing() {
        for text in ["\"a\\", "(a\\", "[a\\", "\"", "(", "["] {
            let mut lexer = Lexer::address(text.as_bytes());
            assert!(lexer.next().is_some(), "{text}");
            assert!(lexer.is_broken, "{text}");
            assert_eq!(lexer.next(), None, "{text}");
        }
    }
}
