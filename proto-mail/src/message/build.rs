//! Messages as they are written.
//!
//! Everything that becomes a header field is checked or encoded: no text that is put in can end a field,
//! begin another one, or end a part. Lines are at most 78 characters where they can be folded (RFC 5322
//! section 2.1.1), and what is not ASCII is written in encoded words, RFC 2231 parameters and encodings that
//! any relay since 1982 carries: the output is 7-bit.

use super::address::is_dot_atom;
use super::date::DateTime;
use super::params::Encoding;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Characters of a line, its end not counted, where it can be folded (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 78;
/// Octets of a line of a body, its end not counted (RFC 5321 section 4.5.3.1.6).
const MAX_BODY_LINE: usize = 998;
/// Characters of an encoded word: room for a name of a field before it. RFC 2047 section 2 allows 75.
const MAX_WORD: usize = 62;
/// Base64 digits of a line, and characters of a line of quoted-printable (RFC 2045 sections 6.7, 6.8).
const MAX_ENCODED_LINE: usize = 76;

/// Why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A field has a name that fields cannot have.
    #[error("{0:?} is no name of a field")]
    InvalidName(String),
    /// A value holds CR, LF or NUL.
    #[error("the value of {0} holds CR, LF or NUL")]
    InvalidValue(String),
    /// An address is none.
    #[error("{0:?} is no address")]
    InvalidAddress(String),
    /// A media type is none.
    #[error("{0:?} is no media type")]
    InvalidType(String),
}

/// A mailbox to write: a name, which may be empty and holds any text, and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    name: String,
    address: String,
}

impl Sender {
    /// A mailbox with an address of ASCII: a `dot-atom` or a quoted local part, `@`, and a domain or a
    /// literal.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidAddress`], [`BuildError::InvalidValue`].
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Result<Self, BuildError> {
        let (name, address) = (name.into(), address.into());
        check_value("a name", &name)?;
        if !is_address(&address) {
            return Err(BuildError::InvalidAddress(address));
        }
        Ok(Self { name, address })
    }
}

fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let is_quoted = local.len() >= 2
        && local
            .strip_prefix('"')
            .and_then(|local| local.strip_suffix('"'))
            .is_some_and(|inner| {
                let mut is_escaped = false;
                let is_plain = inner.bytes().all(|octet| {
                    let was_escaped = is_escaped;
                    is_escaped = octet == b'\\' && !was_escaped;
                    (octet.is_ascii_graphic() || octet == b' ') && (octet != b'"' || was_escaped)
                });
                is_plain && !is_escaped
            });
    let is_literal = domain
        .strip_prefix('[')
        .and_then(|domain| domain.strip_suffix(']'))
        .is_some_and(|inner| {
            inner
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && !b"[]\\".contains(&octet))
        });
    address.is_ascii()
        && (is_quoted || is_dot_atom(local.as_bytes()))
        && (is_literal || is_dot_atom(domain.as_bytes()))
}

/// An entity to write: a leaf or a multipart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    media: String,
    params: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    disposition: Option<(String, Option<String>)>,
    content: BodyContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum BodyContent {
    Octets { octets: Vec<u8>, is_text: bool },
    Parts(Vec<Body>),
}

impl Body {
    /// A text in UTF-8. Its line ends are written as CRLF.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::of_text("text/plain", text)
    }

    /// A text of HTML in UTF-8. Its line ends are written as CRLF.
    #[must_use]
    pub fn html(text: &str) -> Self {
        Self::of_text("text/html", text)
    }

    /// Octets of a media type, `type/subtype`.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidType`] when it is no media type, or one of entities that hold others.
    pub fn octets(media: &str, octets: impl Into<Vec<u8>>) -> Result<Self, BuildError> {
        let is_leaf = is_media_type(media)
            && !media.to_ascii_lowercase().starts_with("multipart/")
            && !media.to_ascii_lowercase().starts_with("message/");
        if !is_leaf {
            return Err(BuildError::InvalidType(media.to_owned()));
        }
        let octets = octets.into();
        Ok(Self::new(
            media,
            BodyContent::Octets {
                octets,
                is_text: false,
            },
        ))
    }

    /// Parts that belong together in the way that `subtype` says: `mixed`, `alternative` (the best one
    /// last), `related` and others.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidType`] when it is no subtype.
    pub fn multipart(subtype: &str, parts: Vec<Self>) -> Result<Self, BuildError> {
        let media = format!("multipart/{subtype}");
        if !is_media_type(&media) {
            return Err(BuildError::InvalidType(media));
        }
        Ok(Self::new(&media, BodyContent::Parts(parts)))
    }

    /// Says that it is an attachment, with the name of a file or without (RFC 2183).
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidValue`] when the name holds CR, LF or NUL.
    pub fn attachment(mut self, file_name: Option<&str>) -> Result<Self, BuildError> {
        check_value("a file name", file_name.unwrap_or_default())?;
        self.disposition = Some(("attachment".to_owned(), file_name.map(ToOwned::to_owned)));
        Ok(self)
    }

    /// Says that it is shown where another part names it by `cid:` and this id (RFC 2392).
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidAddress`] when the id is not of the form of an address.
    pub fn inline(mut self, content_id: &str) -> Result<Self, BuildError> {
        if !is_address(content_id) {
            return Err(BuildError::InvalidAddress(content_id.to_owned()));
        }
        self.disposition = Some(("inline".to_owned(), None));
        self.fields
            .push(("Content-ID".to_owned(), format!("<{content_id}>")));
        Ok(self)
    }

    /// Adds a parameter of the media type.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidName`], [`BuildError::InvalidValue`]. `boundary` is not yours to say.
    pub fn param(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        if !is_token(name) || name.eq_ignore_ascii_case("boundary") {
            return Err(BuildError::InvalidName(name.to_owned()));
        }
        check_value(name, value)?;
        self.params.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    fn of_text(media: &str, text: &str) -> Self {
        let octets = crlf(text.as_bytes());
        let mut body = Self::new(
            media,
            BodyContent::Octets {
                octets,
                is_text: true,
            },
        );
        body.params.push(("charset".to_owned(), "utf-8".to_owned()));
        body
    }

    fn new(media: &str, content: BodyContent) -> Self {
        Self {
            media: media.to_owned(),
            params: Vec::new(),
            fields: Vec::new(),
            disposition: None,
            content,
        }
    }
}

/// A message to write.
///
/// ```
/// use proto_mail::message::{Body, Builder, DateTime, Sender};
///
/// let message = Builder::new(Sender::new("Alice", "alice@crepes.fr")?)
///     .to(Sender::new("Böb", "bob@hamburger.edu")?)
///     .subject("Ketchup\u{2026}?")?
///     .date(DateTime::from_unix(880_127_706, -360).unwrap())
///     .message_id("1@crepes.fr")?
///     .write(&Body::text("Do you like ketchup?\n"), 7);
/// assert_eq!(
///     String::from_utf8(message).unwrap(),
///     "From: Alice <alice@crepes.fr>\r\n\
///      To: =?utf-8?q?B=C3=B6b?= <bob@hamburger.edu>\r\n\
///      Subject: =?utf-8?q?Ketchup=E2=80=A6=3F?=\r\n\
///      Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n\
///      Message-ID: <1@crepes.fr>\r\n\
///      MIME-Version: 1.0\r\n\
///      Content-Type: text/plain; charset=utf-8\r\n\
///      \r\n\
///      Do you like ketchup?\r\n"
/// );
/// # Ok::<(), proto_mail::message::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builder {
    from: Sender,
    to: Vec<Sender>,
    cc: Vec<Sender>,
    reply_to: Vec<Sender>,
    /// Fields that are ready: a name and a value that is folded when it is written.
    fields: Vec<(String, Words)>,
}

/// A value, cut where it may be folded: before each of these.
type Words = Vec<String>;

impl Builder {
    /// A message from somebody. There is no `Bcc`: whom it goes to says the envelope.
    #[must_use]
    pub fn new(from: Sender) -> Self {
        Self {
            from,
            to: Vec::new(),
            cc: Vec::new(),
            reply_to: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Adds somebody to `To`.
    #[must_use]
    pub fn to(mut self, to: Sender) -> Self {
        self.to.push(to);
        self
    }

    /// Adds somebody to `Cc`.
    #[must_use]
    pub fn cc(mut self, cc: Sender) -> Self {
        self.cc.push(cc);
        self
    }

    /// Adds somebody to `Reply-To`.
    #[must_use]
    pub fn reply_to(mut self, reply_to: Sender) -> Self {
        self.reply_to.push(reply_to);
        self
    }

    /// Says what it is about.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidValue`] when it holds CR, LF or NUL.
    pub fn subject(self, subject: &str) -> Result<Self, BuildError> {
        self.field("Subject", subject)
    }

    /// Says when it was written.
    #[must_use]
    pub fn date(mut self, date: DateTime) -> Self {
        self.fields
            .push(("Date".to_owned(), Vec::from([date.to_string()])));
        self
    }

    /// Names it. The id has the form of an address and should be of no other message.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidAddress`] when it has another form.
    pub fn message_id(self, id: &str) -> Result<Self, BuildError> {
        self.ids("Message-ID", &[id])
    }

    /// Says which message it answers, and which ones before that one (RFC 5322 section 3.6.4).
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidAddress`] when an id has another form.
    pub fn in_reply_to(self, id: &str, references: &[&str]) -> Result<Self, BuildError> {
        self.ids("In-Reply-To", &[id])?
            .ids("References", references)
    }

    /// Adds another field, whose value is text.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidName`], also for fields that the builder writes itself;
    /// [`BuildError::InvalidValue`] when the value holds CR, LF or NUL.
    pub fn field(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        let is_ours = name.to_ascii_lowercase().starts_with("content-")
            || ["mime-version", "from", "to", "cc", "bcc", "reply-to"]
                .contains(&&*name.to_ascii_lowercase());
        let is_name = !name.is_empty()
            && name.len() < MAX_LINE
            && name
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && octet != b':');
        if is_ours || !is_name {
            return Err(BuildError::InvalidName(name.to_owned()));
        }
        check_value(name, value)?;
        self.fields.push((name.to_owned(), text_words(value)));
        Ok(self)
    }

    /// Writes the message. `seed` makes the boundaries of its multiparts, and may be the same in every
    /// message: a boundary that stands in a part is not taken.
    #[must_use]
    pub fn write(&self, body: &Body, seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        field(
            "From",
            &address_words(core::slice::from_ref(&self.from)),
            &mut out,
        );
        for (name, list) in [
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Reply-To", &self.reply_to),
        ] {
            if !list.is_empty() {
                field(name, &address_words(list), &mut out);
            }
        }
        for (name, words) in &self.fields {
            field(name, words, &mut out);
        }
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        write_body(body, seed, &mut out);
        out
    }

    fn ids(mut self, name: &str, ids: &[&str]) -> Result<Self, BuildError> {
        if let Some(invalid) = ids.iter().find(|id| !is_address(id)) {
            return Err(BuildError::InvalidAddress((*invalid).to_owned()));
        }
        if !ids.is_empty() {
            let words = ids.iter().map(|id| format!("<{id}>")).collect();
            self.fields.push((name.to_owned(), words));
        }
        Ok(self)
    }
}

/// A step of writing entities.
enum Step<'a> {
    Body(&'a Body),
    Octets(String),
}

fn write_body(body: &Body, seed: u64, out: &mut Vec<u8>) {
    let mut steps = Vec::from([Step::Body(body)]);
    let mut serial = 0_u64;
    while let Some(step) = steps.pop() {
        let body = match step {
            Step::Body(body) => body,
            Step::Octets(octets) => {
                out.extend_from_slice(octets.as_bytes());
                continue;
            }
        };
        match &body.content {
            BodyContent::Octets { octets, is_text } => {
                let encoding = choose(octets, *is_text);
                write_fields(body, None, Some(encoding), out);
                match encoding {
                    Encoding::QuotedPrintable => quoted_printable(octets, out),
                    Encoding::Base64 => base64_lines(octets, out),
                    _ => out.extend_from_slice(octets),
                }
            }
            BodyContent::Parts(parts) => {
                let boundary = boundary(body, seed, &mut serial);
                write_fields(body, Some(&boundary), None, out);
                steps.push(Step::Octets(format!("\r\n--{boundary}--\r\n")));
                for (index, part) in parts.iter().enumerate().rev() {
                    steps.push(Step::Body(part));
                    let before = if index == 0 { "" } else { "\r\n" };
                    steps.push(Step::Octets(format!("{before}--{boundary}\r\n")));
                }
            }
        }
    }
}

/// A boundary that begins no line of any part. What is encoded cannot hold it anyway: `=_` stands in no
/// quoted-printable and an underscore in no base64.
fn boundary(body: &Body, seed: u64, serial: &mut u64) -> String {
    loop {
        *serial = serial.saturating_add(1);
        let boundary = format!("=_{seed:016x}.{serial}");
        let mut bodies = Vec::from([body]);
        let mut is_taken = false;
        while let Some(body) = bodies.pop() {
            match &body.content {
                BodyContent::Octets { octets, .. } => {
                    is_taken |= memchr::memmem::find(octets, boundary.as_bytes()).is_some();
                }
                BodyContent::Parts(parts) => bodies.extend(parts),
            }
        }
        if !is_taken {
            return boundary;
        }
    }
}

/// The header of an entity, from `Content-Type` to the blank line.
fn write_fields(
    body: &Body,
    boundary: Option<&str>,
    encoding: Option<Encoding>,
    out: &mut Vec<u8>,
) {
    let mut words = Vec::from([body.media.clone()]);
    for (name, value) in &body.params {
        param_words(name, value, &mut words);
    }
    if let Some(boundary) = boundary {
        param_words("boundary", boundary, &mut words);
    }
    field("Content-Type", &words, out);
    match encoding {
        Some(encoding @ (Encoding::QuotedPrintable | Encoding::Base64)) => {
            field(
                "Content-Transfer-Encoding",
                &Vec::from([encoding.as_str().to_owned()]),
                out,
            );
        }
        _ => {}
    }
    for (name, value) in &body.fields {
        field(name, &Vec::from([value.clone()]), out);
    }
    if let Some((kind, file_name)) = &body.disposition {
        let mut words = Vec::from([kind.clone()]);
        if let Some(file_name) = file_name {
            param_words("filename", file_name, &mut words);
        }
        field("Content-Disposition", &words, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a field, folded before words where its line would be too long.
fn field(name: &str, words: &Words, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut column = name.len().saturating_add(1);
    for (index, word) in words.iter().enumerate() {
        let len = word.len().saturating_add(1);
        if index > 0 && column.saturating_add(len) > MAX_LINE {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
        column = column.saturating_add(len);
    }
    out.extend_from_slice(b"\r\n");
}

fn address_words(list: &[Sender]) -> Words {
    let mut words = Words::new();
    for (index, sender) in list.iter().enumerate() {
        let comma = if index.saturating_add(1) < list.len() {
            ","
        } else {
            ""
        };
        if sender.name.is_empty() {
            words.push(format!("{}{comma}", sender.address));
            continue;
        }
        words.extend(phrase_words(&sender.name));
        words.push(format!("<{}>{comma}", sender.address));
    }
    words
}

/// A name as words: atoms, one quoted string, or encoded words.
fn phrase_words(name: &str) -> Words {
    let is_plain = |character: char| character == ' ' || character.is_ascii_graphic();
    if !name.chars().all(is_plain) || name.contains("=?") || name.len() > MAX_BODY_LINE {
        // Of a phrase nothing stays plain, so that no comma or bracket can be seen in it.
        return encoded_words(name);
    }
    let is_atoms = name
        .split(' ')
        .all(|word| !word.is_empty() && word.bytes().all(super::address::is_atext));
    if is_atoms {
        return name.split(' ').map(ToOwned::to_owned).collect();
    }
    let mut quoted = String::from("\"");
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    if quoted.len() > MAX_LINE.saturating_sub(20) {
        return encoded_words(name);
    }
    Vec::from([quoted])
}

/// Text as words: as it stands where that is ASCII that can be folded, or else encoded.
fn text_words(text: &str) -> Words {
    let is_plain = text
        .chars()
        .all(|character| character == ' ' || character.is_ascii_graphic());
    let is_foldable = text
        .split(' ')
        .all(|word| word.len() < MAX_LINE.saturating_sub(1));
    // Blanks at an end or in a row would not survive folding.
    let is_tidy = text.trim() == text && !text.contains("  ");
    if is_plain && is_foldable && is_tidy && !text.contains("=?") {
        return text.split(' ').map(ToOwned::to_owned).collect();
    }
    encoded_words(text)
}

/// Text in encoded words (RFC 2047), none of which splits a character: in Q or B, whichever is shorter.
fn encoded_words(text: &str) -> Words {
    let is_q_char =
        |octet: u8| octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet) || octet == b' ';
    let escaped = text.bytes().filter(|octet| !is_q_char(*octet)).count();
    let q_len = text.len().saturating_add(escaped.saturating_mul(2));
    let is_q = q_len.saturating_mul(3) <= text.len().saturating_mul(4);
    let room = MAX_WORD.saturating_sub("=?utf-8?q??=".len());
    let mut words = Words::new();
    let mut word = String::new();
    let mut octets: Vec<u8> = Vec::new();
    for character in text.chars() {
        let mut buffer = [0; 4];
        let encoded = character.encode_utf8(&mut buffer).as_bytes();
        if is_q {
            let mut piece = String::new();
            for &octet in encoded {
                match octet {
                    b' ' => piece.push('_'),
                    octet if is_q_char(octet) => piece.push(char::from(octet)),
                    octet => piece.push_str(&format!("={octet:02X}")),
                }
            }
            if word.len().saturating_add(piece.len()) > room {
                words.push(format!("=?utf-8?q?{word}?="));
                word.clear();
            }
            word.push_str(&piece);
        } else {
            let len = octets.len().saturating_add(encoded.len());
            if len.div_ceil(3).saturating_mul(4) > room {
                words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(&octets)));
                octets.clear();
            }
            octets.extend_from_slice(encoded);
        }
    }
    if is_q {
        words.push(format!("=?utf-8?q?{word}?="));
    } else {
        words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(&octets)));
    }
    words
}

/// A parameter behind the words of a field: as a token, quoted, or in the pieces of RFC 2231.
fn param_words(name: &str, value: &str, words: &mut Words) {
    if let Some(last) = words.last_mut() {
        last.push(';');
    }
    let room = MAX_LINE.saturating_sub(name.len()).saturating_sub(12);
    let is_plain = value
        .chars()
        .all(|character| character == ' ' || character.is_ascii_graphic());
    if is_plain && is_token(value) && value.len() <= room {
        words.push(format!("{name}={value}"));
        return;
    }
    let escapes = value
        .bytes()
        .filter(|octet| matches!(octet, b'"' | b'\\'))
        .count();
    if is_plain && value.len().saturating_add(escapes) <= room && !value.contains("=?") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        words.push(format!("{name}=\"{quoted}\""));
        return;
    }
    let mut pieces: Vec<String> = Vec::from([String::from("utf-8''")]);
    for octet in value.bytes() {
        // RFC 2231 section 7: `attribute-char`.
        let is_plain = octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet);
        let piece = if is_plain {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        };
        match pieces.last_mut() {
            Some(last) if last.len().saturating_add(piece.len()) <= room => last.push_str(&piece),
            _ => pieces.push(piece),
        }
    }
    if let [only] = pieces.as_slice() {
        words.push(format!("{name}*={only}"));
        return;
    }
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.iter().enumerate() {
        let end = if index < last { ";" } else { "" };
        words.push(format!("{name}*{index}*={piece}{end}"));
    }
}

/// The encoding of a body that any relay carries: none when it is lines of ASCII, or else the shorter one of
/// the other two for text, base64 for what is no text.
fn choose(octets: &[u8], is_text: bool) -> Encoding {
    let is_lines = octets.is_ascii()
        && !octets.contains(&0)
        && octets.split(|octet| *octet == b'\n').all(|line| {
            line.len() <= MAX_BODY_LINE
                && !line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r')
        })
        && memchr::memchr_iter(b'\n', octets)
            .all(|lf| lf.checked_sub(1).and_then(|before| octets.get(before)) == Some(&b'\r'));
    // A last line without an end would get one on its way.
    let is_ended = octets.is_empty() || octets.ends_with(b"\r\n") || is_text;
    if is_lines && is_ended {
        return Encoding::SevenBit;
    }
    let escaped = octets.iter().filter(|octet| !is_qp_plain(**octet)).count();
    if is_text && escaped.saturating_mul(6) < octets.len() {
        Encoding::QuotedPrintable
    } else {
        Encoding::Base64
    }
}

fn is_qp_plain(octet: u8) -> bool {
    (octet.is_ascii_graphic() && octet != b'=') || matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Text with CRLF as quoted-printable (RFC 2045 section 6.7). Dots and `From` at the front of a line are
/// escaped, for those who change them on the way.
fn quoted_printable(octets: &[u8], out: &mut Vec<u8>) {
    let mut lines = octets.split(|octet| *octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let line = if is_last {
            line
        } else {
            line.strip_suffix(b"\r").unwrap_or(line)
        };
        let mut column = 0_usize;
        for (index, &octet) in line.iter().enumerate() {
            let is_end = index.saturating_add(1) == line.len();
            let is_odd_front = index == 0 && (octet == b'.' || line.starts_with(b"From "));
            let is_plain = is_qp_plain(octet)
                && !matches!(octet, b'\r')
                && !(is_end && matches!(octet, b' ' | b'\t'))
                && !is_odd_front;
            let len = if is_plain { 1 } else { 3 };
            // Room for the soft break.
            if column.saturating_add(len) >= MAX_ENCODED_LINE {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if is_plain {
                out.push(octet);
            } else {
                out.extend_from_slice(format!("={octet:02X}").as_bytes());
            }
            column = column.saturating_add(len);
        }
        if !is_last {
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn base64_lines(octets: &[u8], out: &mut Vec<u8>) {
    let per_line = MAX_ENCODED_LINE.saturating_div(4).saturating_mul(3);
    for line in octets.chunks(per_line) {
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Any line end becomes CRLF.
fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
        let len = if rest.get(at..).is_some_and(|end| end.starts_with(b"\r\n")) {
            2
        } else {
            1
        };
        rest = rest.get(at.saturating_add(len)..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// CRLF alone is a line end; but what holds one of its halves is refused as well.
fn check_value(name: &str, value: &str) -> Result<(), BuildError> {
    if value
        .bytes()
        .any(|octet| matches!(octet, 0 | b'\r' | b'\n'))
    {
        return Err(BuildError::InvalidValue(name.to_owned()));
    }
    Ok(())
}

/// `token` (RFC 2045 section 5.1).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet))
}

fn is_media_type(media: &str) -> bool {
    media
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}
