//! Messages as they are written.
//!
//! Everything that becomes a header field is checked or encoded: no text that is put in can end a field,
//! begin another one, or end a part. Lines are at most 78 characters where they can be folded (RFC 5322
//! section 2.1.1), and what is not ASCII is written in encoded words, RFC 2231 parameters and encodings that
//! any relay since 1982 carries: the output is 7-bit.

mod body;
mod field;

use self::body::{base64_lines, choose, crlf, quoted_printable};
use self::field::{MAX_LINE, Words, address_words, field, param_words, text_words};
use super::address::is_dot_atom;
use super::date::DateTime;
use super::params::Encoding;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

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

/// A mailbox to write (`name-addr`, RFC 5322 section 3.4), of a sender or a recipient: a name, which may
/// be empty and holds any text, and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    name: String,
    address: String,
}

impl NameAddr {
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
/// use proto_mail::message::{Body, Builder, DateTime, NameAddr};
///
/// let message = Builder::new(NameAddr::new("Alice", "alice@crepes.fr")?)
///     .to(NameAddr::new("Böb", "bob@hamburger.edu")?)
///     .subject("Ketchup\u{2026}?")?
///     .date(DateTime::from_unix(880_127_706, -360).unwrap())
///     .message_id("1@crepes.fr")?
///     .write(&Body::text("Do you like ketchup?\n"), 7);
/// assert_eq!(
///     String::from_utf8(message).unwrap(),
///     "From: Alice <alice@crepes.fr>\r\n\
///      To: =?utf-8?q?B=C3=B6b?= <bob@hamburger.edu>\r\n\
///      Subject: =?utf-8?b?S2V0Y2h1cOKApj8=?=\r\n\
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
    from: NameAddr,
    to: Vec<NameAddr>,
    cc: Vec<NameAddr>,
    reply_to: Vec<NameAddr>,
    /// Fields that are ready: a name and a value that is folded when it is written.
    fields: Vec<(String, Words)>,
}

impl Builder {
    /// A message from somebody. There is no `Bcc`: whom it goes to says the envelope.
    #[must_use]
    pub fn new(from: NameAddr) -> Self {
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
    pub fn to(mut self, to: NameAddr) -> Self {
        self.to.push(to);
        self
    }

    /// Adds somebody to `Cc`.
    #[must_use]
    pub fn cc(mut self, cc: NameAddr) -> Self {
        self.cc.push(cc);
        self
    }

    /// Adds somebody to `Reply-To`.
    #[must_use]
    pub fn reply_to(mut self, reply_to: NameAddr) -> Self {
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
    if let Some(encoding @ (Encoding::QuotedPrintable | Encoding::Base64)) = encoding {
        let words = Vec::from([encoding.as_str().to_owned()]);
        field("Content-Transfer-Encoding", &words, out);
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
