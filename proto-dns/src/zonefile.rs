//! Zone files in master format (RFC 1035 section 5), read record by record.
//!
//! A [`Parser`] looks at a text that the embedder holds, copies nothing but the record at hand, and
//! opens no file: `$INCLUDE` is an entry like any other.

use crate::wire::text::{self, Fault, Scanner};
use crate::wire::{Class, Name, NameRef, RData, Type, rdata_parse, rdata_type};
use crate::{LoadError, ZoneError};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// A text that is no zone file, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ZoneFileError {
    /// The line, from 1.
    pub line: usize,
    /// The octet in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What a zone file holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry<'p> {
    /// A record.
    Record(ZoneRecord<'p>),
    /// `$INCLUDE`: read that file with [`Parser::included`], or refuse.
    Include {
        /// The name of the file, escapes resolved.
        file: Vec<u8>,
        /// The origin for that file, if it is another.
        origin: Option<Name>,
    },
}

/// A record of a zone file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneRecord<'p> {
    /// The owner.
    pub owner: NameRef<'p>,
    /// The TTL: its own, or inherited.
    pub ttl: u32,
    /// The class.
    pub class: Class,
    /// The type.
    pub rtype: Type,
    /// The data in wire form, names in full.
    pub rdata: &'p [u8],
}

impl<'p> ZoneRecord<'p> {
    /// The data by type; none when it is the empty data of RFC 3597.
    #[must_use]
    pub fn data(&self) -> Option<RData<'p>> {
        RData::from_wire(self.rtype, self.rdata).ok()
    }
}

/// Reads a zone file.
///
/// ```
/// use proto_dns::wire::Name;
/// use proto_dns::zonefile::{Entry, Parser};
///
/// let text = b"$TTL 1h\n@ NS dns1\ndns1 A 212.212.212.22 ; the registrar's records\n";
/// let mut parser = Parser::new(text, "networkutopia.com".parse::<Name>()?);
/// let mut lines = Vec::new();
/// while let Some(Entry::Record(record)) = parser.next()? {
///     lines.push(format!("{} {} {} {}", record.owner, record.ttl, record.rtype, record.data().unwrap()));
/// }
/// assert_eq!(lines, [
///     "networkutopia.com. 3600 NS dns1.networkutopia.com.",
///     "dns1.networkutopia.com. 3600 A 212.212.212.22",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parser<'t> {
    scanner: Scanner<'t>,
    origin: Option<Name>,
    class: Class,
    /// `$TTL`.
    default_ttl: Option<u32>,
    /// Of the record before, or the SOA's MINIMUM.
    last_ttl: Option<u32>,
    /// Wire form of the owner; empty before the first.
    owner: Vec<u8>,
    rdata: Vec<u8>,
    generate: Option<Generate>,
    /// Records that `$GENERATE` may still make.
    allowance: u32,
}

/// How many records all `$GENERATE` lines of a file may make, unless set otherwise.
pub const DEFAULT_GENERATE: u32 = 65_536;

impl<'t> Parser<'t> {
    /// A parser of `text`, whose relative names are below `origin`.
    #[must_use]
    pub fn new(text: &'t [u8], origin: Name) -> Self {
        Self::with_origin(text, Some(origin))
    }

    /// A parser of a text that must say `$ORIGIN` before it uses a relative name.
    #[must_use]
    pub fn without_origin(text: &'t [u8]) -> Self {
        Self::with_origin(text, None)
    }

    fn with_origin(text: &'t [u8], origin: Option<Name>) -> Self {
        Self {
            scanner: Scanner::new(text),
            origin,
            class: Class::IN,
            default_ttl: None,
            last_ttl: None,
            owner: Vec::new(),
            rdata: Vec::new(),
            generate: None,
            allowance: DEFAULT_GENERATE,
        }
    }

    /// A parser of a file that this one includes: TTLs, class and allowance go on there. The origin
    /// is this one's unless `$INCLUDE` gave another.
    #[must_use]
    pub fn included<'u>(&self, text: &'u [u8], origin: Option<Name>) -> Parser<'u> {
        Parser {
            class: self.class,
            default_ttl: self.default_ttl,
            last_ttl: self.last_ttl,
            owner: self.owner.clone(),
            allowance: self.allowance,
            ..Parser::with_origin(text, origin.or_else(|| self.origin.clone()))
        }
    }

    /// Expects another class than IN.
    #[must_use]
    pub const fn with_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Sets how many records `$GENERATE` may make. Default [`DEFAULT_GENERATE`].
    #[must_use]
    pub const fn with_generate_limit(mut self, records: u32) -> Self {
        self.allowance = records;
        self
    }

    /// The origin at this place of the file.
    #[must_use]
    pub const fn origin(&self) -> Option<&Name> {
        self.origin.as_ref()
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ZoneFileError`]. The rest of the line is skipped, so that one may go on behind it.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, ZoneFileError> {
        loop {
            if let Some(generate) = &mut self.generate {
                match generate.line(&mut self.allowance) {
                    Ok(Some(line)) => {
                        let mut scanner = Scanner::new(line.as_bytes());
                        return match self.record(&mut scanner) {
                            Ok(step) => Ok(step.map(|step| self.entry(step))),
                            Err(fault) => Err(self.fail(fault)),
                        };
                    }
                    Ok(None) => self.generate = None,
                    Err(fault) => return Err(self.fail(fault)),
                }
            }
            if self.scanner.is_at_end() {
                return Ok(None);
            }
            // The scanner moves out for the call, so that the rest can be borrowed with it.
            let mut scanner = core::mem::replace(&mut self.scanner, Scanner::new(&[]));
            let step = self.line(&mut scanner);
            self.scanner = scanner;
            match step {
                Ok(Some(step)) => {
                    self.scanner.end_line();
                    return Ok(Some(self.entry(step)));
                }
                Ok(None) => self.scanner.end_line(),
                Err(fault) => return Err(self.fail(fault)),
            }
        }
    }

    /// An error of a zone about the record that was read last, with its line.
    #[must_use]
    pub fn zone_error(&self, fault: ZoneError) -> LoadError {
        let (line, _) = self.scanner.position();
        LoadError::Zone { line, fault }
    }

    #[cold]
    fn fail(&mut self, fault: Fault) -> ZoneFileError {
        let (line, column) = self.scanner.position();
        if self.generate.take().is_none() {
            self.scanner.end_line();
        }
        ZoneFileError {
            line,
            column,
            fault,
        }
    }

    fn entry(&mut self, step: Step) -> Entry<'_> {
        match step {
            Step::Record { ttl, rtype } => Entry::Record(ZoneRecord {
                owner: NameRef::new(&self.owner, 0),
                ttl,
                class: self.class,
                rtype,
                rdata: &self.rdata,
            }),
            Step::Include { file, origin } => Entry::Include { file, origin },
        }
    }

    fn line(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<Step>, Fault> {
        if !scanner.starts_blank() {
            let before = scanner.clone();
            let Some(token) = scanner.token()? else {
                return Ok(None);
            };
            if token.raw.first() == Some(&b'$') && !token.quoted {
                return self.directive(token.raw, scanner);
            }
            *scanner = before;
        }
        self.record(scanner)
    }

    /// A record, or a line that is empty after all.
    fn record(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<Step>, Fault> {
        let inherits = scanner.starts_blank();
        let Some(mut token) = scanner.token()? else {
            return Ok(None);
        };
        if !inherits {
            self.owner.clear();
            let origin = self.origin.as_ref().map(Name::as_wire);
            text::name(token.raw, origin, &mut self.owner)?;
            token = scanner.token()?.ok_or(Fault::Missing)?;
        } else if self.owner.is_empty() {
            return Err(Fault::NoOwner);
        }
        let (mut ttl, mut class) = (None, None);
        let rtype = loop {
            if ttl.is_none()
                && let Some(seconds) = text::ttl(token.raw)
            {
                // RFC 2181 section 8: 31 bits.
                if seconds > 0x7fff_ffff {
                    return Err(Fault::Number);
                }
                ttl = Some(seconds);
            } else if class.is_none()
                && let Some(found) = class_of(token.raw)
            {
                class = Some(found);
            } else {
                break rdata_type(token.raw)?;
            }
            token = scanner.token()?.ok_or(Fault::Missing)?;
        };
        if class.is_some_and(|class| class != self.class) {
            return Err(Fault::Class);
        }
        if rtype.is_meta() {
            return Err(Fault::MetaType);
        }
        self.rdata.clear();
        let origin = self.origin.as_ref().map(Name::as_wire);
        rdata_parse(rtype, scanner, origin, &mut self.rdata)?;
        // RFC 2308 section 4: $TTL, else the last that was written; RFC 1035 knew the latter only.
        let ttl = match (ttl, self.default_ttl.or(self.last_ttl)) {
            (Some(ttl), _) => {
                self.last_ttl = Some(ttl);
                ttl
            }
            (None, Some(ttl)) => ttl,
            (None, None) if rtype == Type::SOA => {
                let minimum = self.rdata.last_chunk().copied().map(u32::from_be_bytes);
                *self.last_ttl.insert(minimum.ok_or(Fault::NoTtl)?)
            }
            (None, None) => return Err(Fault::NoTtl),
        };
        // MINIMUM of a SOA record may be more.
        let ttl = ttl.min(0x7fff_ffff);
        Ok(Some(Step::Record { ttl, rtype }))
    }

    #[cold]
    fn directive(&mut self, word: &[u8], scanner: &mut Scanner<'_>) -> Result<Option<Step>, Fault> {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"$ORIGIN") {
            self.origin = Some(self.name(scanner)?);
        } else if is(b"$TTL") {
            let token = scanner.token()?.ok_or(Fault::Missing)?;
            let ttl = text::ttl(token.raw).filter(|&ttl| ttl <= 0x7fff_ffff);
            self.default_ttl = Some(ttl.ok_or(Fault::Number)?);
        } else if is(b"$INCLUDE") {
            let token = scanner.token()?.ok_or(Fault::Missing)?;
            let mut file = Vec::new();
            text::unescape(token.raw, &mut file)?;
            let mut origin = None;
            if let Some(token) = scanner.token()? {
                origin = Some(self.name_of(token.raw)?);
            }
            end(scanner)?;
            return Ok(Some(Step::Include { file, origin }));
        } else if is(b"$GENERATE") {
            let rest = scanner.rest_of_line();
            self.generate = Some(Generate::read(rest)?);
            return Ok(None);
        } else {
            return Err(Fault::Directive);
        }
        end(scanner)?;
        Ok(None)
    }

    fn name(&self, scanner: &mut Scanner<'_>) -> Result<Name, Fault> {
        let token = scanner.token()?.ok_or(Fault::Missing)?;
        self.name_of(token.raw)
    }

    fn name_of(&self, text: &[u8]) -> Result<Name, Fault> {
        let mut wire = Vec::new();
        text::name(text, self.origin.as_ref().map(Name::as_wire), &mut wire)?;
        Name::from_wire(&wire).map_err(|error| Fault::Name(error.fault))
    }
}

enum Step {
    Record { ttl: u32, rtype: Type },
    Include { file: Vec<u8>, origin: Option<Name> },
}

fn end(scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    match scanner.token()? {
        Some(_) => Err(Fault::Extra),
        None => Ok(()),
    }
}

#[inline]
fn class_of(token: &[u8]) -> Option<Class> {
    match token {
        b"IN" | b"in" => Some(Class::IN),
        [_, _] | [b'c' | b'C', b'l' | b'L', ..] => {
            let text = core::str::from_utf8(token).ok()?;
            text.parse().ok()
        }
        _ => None,
    }
}

/// `$GENERATE`, an extension of BIND: one record for each number of a range.
#[derive(Clone, Debug)]
struct Generate {
    next: Option<u32>,
    stop: u32,
    step: u32,
    /// The line, in which a dollar sign stands for the number.
    template: String,
}

impl Generate {
    fn read(text: &[u8]) -> Result<Self, Fault> {
        let text = core::str::from_utf8(text).map_err(|_| Fault::Generate)?;
        let text = text.trim_start();
        let (range, template) = text.split_once([' ', '\t']).ok_or(Fault::Missing)?;
        let (range, step) = range.split_once('/').unwrap_or((range, "1"));
        let (start, stop) = range.split_once('-').ok_or(Fault::Generate)?;
        let number = |text: &str| text::number(text.as_bytes()).map_err(|_| Fault::Generate);
        let (start, stop, step) = (number(start)?, number(stop)?, number(step)?);
        if step == 0 || start > stop || stop > 0x7fff_ffff {
            return Err(Fault::Generate);
        }
        // BIND leaves the owner of a line that begins with a blank out; so the template is trimmed.
        Ok(Self {
            next: Some(start),
            stop,
            step,
            template: template.trim_start().into(),
        })
    }

    fn line(&mut self, allowance: &mut u32) -> Result<Option<String>, Fault> {
        let Some(number) = self.next else {
            return Ok(None);
        };
        *allowance = allowance.checked_sub(1).ok_or(Fault::Generate)?;
        self.next = number
            .checked_add(self.step)
            .filter(|&next| next <= self.stop);
        let mut line = String::new();
        let mut rest = self.template.as_str();
        while let Some(at) = rest.find(['$', '\\']) {
            let (before, from) = rest.split_at(at);
            line.push_str(before);
            let mut chars = from.chars();
            let sign = chars.next();
            let after = chars.as_str();
            if sign == Some('\\') {
                // An escaped dollar sign stands for itself.
                if !after.starts_with('$') {
                    line.push('\\');
                }
                let mut chars = after.chars();
                line.extend(chars.next());
                rest = chars.as_str();
            } else if let Some(after) = after.strip_prefix('$') {
                line.push('$');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let (modifier, after) = after.split_once('}').ok_or(Fault::Generate)?;
                substitute(number, modifier, &mut line)?;
                rest = after;
            } else {
                write!(line, "{number}").map_err(|_| Fault::Generate)?;
                rest = after;
            }
        }
        line.push_str(rest);
        Ok(Some(line))
    }
}

/// `${offset[,width[,base]]}`.
fn substitute(number: u32, modifier: &str, line: &mut String) -> Result<(), Fault> {
    let mut parts = modifier.split(',');
    let offset: i64 = parts
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|_| Fault::Generate)?;
    let width: usize = match parts.next() {
        Some(width) => width.parse().map_err(|_| Fault::Generate)?,
        None => 0,
    };
    let base = parts.next().unwrap_or("d");
    if width > 255 || parts.next().is_some() {
        return Err(Fault::Generate);
    }
    let value = i64::from(number).saturating_add(offset);
    let value = u32::try_from(value).map_err(|_| Fault::Generate)?;
    match base {
        "d" => write!(line, "{value:0width$}"),
        "o" => write!(line, "{value:0width$o}"),
        "x" => write!(line, "{value:0width$x}"),
        "X" => write!(line, "{value:0width$X}"),
        // Nibbles from the lowest, with dots: for reverse zones of IPv6.
        "n" | "N" => {
            let (mut left, mut digits) = (value, 0usize);
            loop {
                let digit = left & 15;
                let written = if base == "n" {
                    write!(line, "{digit:x}")
                } else {
                    write!(line, "{digit:X}")
                };
                written.map_err(|_| Fault::Generate)?;
                digits = digits.saturating_add(1);
                left >>= 4;
                if left == 0 && digits.saturating_mul(2) >= width {
                    return Ok(());
                }
                line.push('.');
            }
        }
        _ => return Err(Fault::Generate),
    }
    .map_err(|_| Fault::Generate)
}
