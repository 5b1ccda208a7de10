//! Envelopes and body structures in the words of IMAP (RFC 3501 section 7.4.2, RFC 9051 section 7.5.2).

use super::address::{Address, Mailbox};
use super::field::unfold;
use super::lexer::{Lexer, Token, is_space, unescape};
use super::name::FieldName;
use super::params::Params;
use super::parser::{Kind, PartId};
use super::tree::{Envelope, Tree};
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// Octets of the longest quoted string; longer ones are written as literals.
const MAX_QUOTED: usize = 1024;

/// A step of writing a body structure.
enum Step {
    /// A body.
    Body(PartId),
    /// What follows the bodies of a multipart.
    MultipartEnd(PartId),
    /// What follows the body inside of a message.
    MessageEnd(PartId),
}

impl Tree {
    /// Writes `ENVELOPE`'s value for the message.
    pub fn write_envelope(&self, out: &mut Vec<u8>) {
        envelope(&self.envelope(PartId(0)), out);
    }

    /// Writes the value of `BODYSTRUCTURE`, or of `BODY`, which is without extension data.
    pub fn write_body_structure(&self, is_extended: bool, out: &mut Vec<u8>) {
        let mut steps = Vec::from([Step::Body(PartId(0))]);
        while let Some(step) = steps.pop() {
            match step {
                Step::Body(id) => self.body(id, is_extended, &mut steps, out),
                Step::MultipartEnd(id) => {
                    let content = self.content_type(id);
                    out.push(b' ');
                    string(content.subtype().as_bytes(), out);
                    if is_extended {
                        out.push(b' ');
                        params(content.params(), false, out);
                        self.extension(id, out);
                    }
                    out.push(b')');
                }
                Step::MessageEnd(id) => {
                    self.lines(id, out);
                    self.single_end(id, is_extended, out);
                }
            }
        }
    }

    fn body(&self, id: PartId, is_extended: bool, steps: &mut Vec<Step>, out: &mut Vec<u8>) {
        let Some(part) = self.part(id) else { return };
        out.push(b'(');
        if part.kind() == Kind::Multipart {
            steps.push(Step::MultipartEnd(id));
            let first = steps.len();
            steps.extend(self.children(id).map(Step::Body));
            if let Some(children) = steps.get_mut(first..) {
                children.reverse();
                if children.is_empty() {
                    // The grammar wants a body.
                    out.extend_from_slice(br#"("text" "plain" NIL NIL NIL "7bit" 0 0)"#);
                }
            }
            return;
        }
        let content = self.content_type(id);
        string(content.kind().as_bytes(), out);
        out.push(b' ');
        string(content.subtype().as_bytes(), out);
        out.push(b' ');
        params(content.params(), content.kind() == "text", out);
        for name in [FieldName::ContentId, FieldName::ContentDescription] {
            out.push(b' ');
            nstring(self.text(id, name).as_deref(), out);
        }
        out.push(b' ');
        match self.text(id, FieldName::ContentTransferEncoding) {
            Some(encoding) if !encoding.is_empty() => {
                let mut lexer = Lexer::mime(&encoding);
                match lexer.next_word() {
                    Some(Token::Atom(name) | Token::Quoted(name)) => string(name, out),
                    _ => string(b"7bit", out),
                }
            }
            _ => string(b"7bit", out),
        }
        let body = part.body();
        number(body.end.saturating_sub(body.start), out);
        let is_message =
            content.kind() == "message" && matches!(content.subtype(), "rfc822" | "global");
        if !is_message {
            if content.kind() == "text" {
                self.lines(id, out);
            }
            self.single_end(id, is_extended, out);
            return;
        }
        out.push(b' ');
        let inner = self.children(id).next();
        envelope(
            &inner.map(|inner| self.envelope(inner)).unwrap_or_default(),
            out,
        );
        out.push(b' ');
        steps.push(Step::MessageEnd(id));
        match inner {
            Some(inner) => steps.push(Step::Body(inner)),
            None => out.extend_from_slice(br#"("text" "plain" NIL NIL NIL "7bit" 0 0)"#),
        }
    }

    fn lines(&self, id: PartId, out: &mut Vec<u8>) {
        number(self.part(id).and_then(super::Part::lines).unwrap_or(0), out);
    }

    /// The end of a body that is no multipart.
    fn single_end(&self, id: PartId, is_extended: bool, out: &mut Vec<u8>) {
        if is_extended {
            out.push(b' ');
            nstring(self.text(id, FieldName::ContentMd5).as_deref(), out);
            self.extension(id, out);
        }
        out.push(b')');
    }

    /// Disposition, languages and location.
    fn extension(&self, id: PartId, out: &mut Vec<u8>) {
        match self.disposition(id) {
            Some(disposition) => {
                out.extend_from_slice(b" (");
                string(disposition.kind().as_bytes(), out);
                out.push(b' ');
                params(disposition.params(), false, out);
                out.push(b')');
            }
            None => out.extend_from_slice(b" NIL"),
        }
        out.push(b' ');
        let languages = self
            .text(id, FieldName::ContentLanguage)
            .unwrap_or_default();
        let languages: Vec<&[u8]> = languages
            .split(|octet| *octet == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|language| !language.is_empty())
            .collect();
        match languages.as_slice() {
            [] => out.extend_from_slice(b"NIL"),
            languages => list(languages.iter(), out, |language, out| string(language, out)),
        }
        out.push(b' ');
        let location = self.value(id, FieldName::ContentLocation).map(uri);
        nstring(location.as_deref(), out);
    }

    fn text(&self, id: PartId, name: FieldName) -> Option<Vec<u8>> {
        let value = self.value(id, name)?;
        Some(unfold(value.trim_ascii()).into_owned())
    }
}

/// A URI in a header field, without comments, quotes, folds and blanks (RFC 2557 section 4.4).
fn uri(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for token in Lexer::mime(value) {
        match token {
            Token::Atom(text) => out.extend_from_slice(text),
            Token::Quoted(inner) => unescape(inner, &mut out),
            Token::Special(octet) => out.push(octet),
            Token::Literal(_) | Token::Comment(_) => {}
        }
    }
    out.retain(|octet| !is_space(*octet));
    out
}

fn envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    out.push(b'(');
    nstring(envelope.date.as_deref(), out);
    out.push(b' ');
    nstring(envelope.subject.as_deref(), out);
    for entries in [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ] {
        out.push(b' ');
        addresses(entries, out);
    }
    out.push(b' ');
    nstring(envelope.in_reply_to.as_deref(), out);
    out.push(b' ');
    nstring(envelope.message_id.as_deref(), out);
    out.push(b')');
}

fn addresses(entries: &[Address], out: &mut Vec<u8>) {
    if entries.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for entry in entries {
        match entry {
            Address::Mailbox(mailbox) => address(mailbox, out),
            // A group is written between two addresses without host.
            Address::Group { name, members } => {
                out.extend_from_slice(b"(NIL NIL ");
                string(name, out);
                out.extend_from_slice(b" NIL)");
                for member in members {
                    address(member, out);
                }
                out.extend_from_slice(b"(NIL NIL NIL NIL)");
            }
        }
    }
    out.push(b')');
}

fn address(mailbox: &Mailbox, out: &mut Vec<u8>) {
    out.push(b'(');
    nstring(
        mailbox.phrase.as_deref().or(mailbox.comment.as_deref()),
        out,
    );
    out.push(b' ');
    nstring(mailbox.route.as_deref(), out);
    out.push(b' ');
    string(&mailbox.local, out);
    out.push(b' ');
    // No host at all would say that a group begins.
    string(mailbox.domain.as_deref().unwrap_or_default(), out);
    out.push(b')');
}

fn params(params: &Params, is_text: bool, out: &mut Vec<u8>) {
    let mut pairs: Vec<(&str, &[u8])> = params
        .iter()
        .map(|param| (param.name(), param.octets()))
        .collect();
    // RFC 2046 section 4.1.2: what a text without charset is.
    if is_text && params.find("charset").is_none() {
        pairs.push(("charset", b"us-ascii"));
    }
    if pairs.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    list(pairs.iter(), out, |(name, value), out| {
        string(name.as_bytes(), out);
        out.push(b' ');
        string(value, out);
    });
}

fn list<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'(');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(item, out);
    }
    out.push(b')');
}

fn number(value: u64, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(value.to_string().as_bytes());
}

fn nstring(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        Some(text) => string(text, out),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A quoted string where it can be one, or else a literal; NUL can stand in neither and is left out.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let is_quotable = text.len() <= MAX_QUOTED
        && text
            .iter()
            .all(|octet| octet.is_ascii() && !matches!(octet, 0 | b'\r' | b'\n'));
    if is_quotable {
        out.push(b'"');
        for &octet in text {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(octet);
        }
        out.push(b'"');
        return;
    }
    let octets = text.iter().filter(|octet| **octet != 0);
    out.push(b'{');
    out.extend_from_slice(octets.clone().count().to_string().as_bytes());
    out.extend_from_slice(b"}\r\n");
    out.extend(octets);
}
