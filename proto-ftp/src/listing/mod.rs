//! Directory listings: the output of LIST and MLSD, of whatever system.
//!
//! LIST has no format. [`Parser`] finds out which of the known dialects a line is written in, tries
//! the dialect of the line before first, and allocates nothing: an [`Entry`] borrows from its line.
//!
//! Names are data from a stranger. [`Entry::safe_name`] gives one that can be joined to a local
//! folder, or none; [`Entry::name`] is for what goes back to the server.

mod date;
mod dialects;
mod plain;
mod records;
mod tokens;
mod unix;

use crate::wire::DateTime;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A file, or a record that reads like one.
    File,
    /// A directory.
    Directory,
    /// The directory that is listed (`cdir`).
    Current,
    /// The one above it (`pdir`).
    Parent,
    /// A symbolic link. Its target is data: nothing follows it by itself (CVE-2014-4877).
    Link,
    /// A device, a socket, a FIFO.
    Special,
}

/// Systems whose listings are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// `ls -l` and all that imitate it.
    Unix,
    /// Windows and MS-DOS: date, time, size or `<DIR>`, name.
    Dos,
    /// MLST and MLSD (RFC 3659).
    Facts,
    /// Bernstein's easily parsed list format.
    Eplf,
    /// OpenVMS and those that imitate it.
    Vms,
    /// Data sets of z/OS.
    Mvs,
    /// Members of a partitioned data set of z/OS; names alone.
    MvsMember,
    /// OS/2.
    Os2,
    /// AS/400, IBM i.
    As400,
    /// VM/CMS.
    VmCms,
    /// Tandem, HP NonStop.
    NonStop,
    /// Stratus VOS.
    Stratus,
    /// HP 3000, MPE.
    Hp3000,
    /// Nortel, WF-FTP of routers.
    WfFtp,
    /// A job of JES, z/OS.
    Jes,
}

impl Dialect {
    /// In the order in which they are tried: the strict ones first.
    const AUTOMATIC: &[Self] = &[
        Self::Unix,
        Self::Dos,
        Self::Facts,
        Self::Eplf,
        Self::Vms,
        Self::Mvs,
        Self::Os2,
        Self::As400,
        Self::VmCms,
        Self::NonStop,
        Self::Stratus,
        Self::Hp3000,
        Self::WfFtp,
    ];
}

/// How exact a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// The date alone.
    Day,
    /// Hours and minutes too.
    Minute,
    /// Seconds too.
    Second,
}

/// When something was changed, and what is known about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub at: DateTime,
    /// How exact it is.
    pub precision: Precision,
    /// The listing named no year: this is the last one in which the day is not in the future.
    pub is_year_guessed: bool,
    /// Minutes to add to UTC to get it; `None` where the listing says nothing of a zone.
    pub offset: Option<i16>,
}

/// One entry of a listing. Everything borrows from its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// How the line was read.
    pub dialect: Dialect,
    /// What it is.
    pub kind: Kind,
    /// The name as the server wrote it.
    pub name: &'a [u8],
    /// Octets; where a system counts blocks or tracks, an estimate from those.
    pub size: Option<u64>,
    /// When it was changed.
    pub modified: Option<Stamp>,
    /// The owner, the group, or both with what stands between them.
    pub owner: Option<&'a [u8]>,
    /// Permissions as the system writes them.
    pub permissions: Option<&'a [u8]>,
    /// Where a link leads.
    pub target: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    fn new(dialect: Dialect, kind: Kind, name: &'a [u8]) -> Self {
        Self {
            dialect,
            kind,
            name,
            size: None,
            modified: None,
            owner: None,
            permissions: None,
            target: None,
        }
    }

    /// Whether it can be listed. A link may lead to a directory; nobody knows.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory | Kind::Current | Kind::Parent)
    }

    /// The name, if it can be the name of a local file in any system: not empty, not `.` or `..`,
    /// no `/` or `\`, no drive, no control character, at most 255 octets.
    #[must_use]
    pub fn safe_name(&self) -> Option<&'a [u8]> {
        let name = self.name;
        let is_bad = |octet: &u8| matches!(octet, 0..=31 | 127 | b'/' | b'\\' | b':');
        let is_safe = !name.is_empty()
            && name.len() <= 255
            && name != b"."
            && name != b".."
            && !name.iter().any(is_bad);
        is_safe.then_some(name)
    }
}

/// What [`Parser::next`] found at the front of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// A line that is no entry: a heading, a total, something unknown.
    Other(&'a [u8]),
    /// A line beyond the limit; all of it is to be passed over.
    TooLong,
}

/// Reads a listing, line by line.
#[derive(Clone, Debug)]
pub struct Parser {
    today: DateTime,
    dialect: Option<Dialect>,
    is_fixed: bool,
    max_line: usize,
    is_discarding: bool,
    /// Octets known to hold no line end.
    scanned: usize,
    /// As the day goes before the month on this server (found where a number is above 12).
    day_first: bool,
}

/// Longest line by default.
const MAX_LINE: usize = 8 * 1024;

impl Parser {
    /// A parser for one listing. `today` settles the year where a line names none.
    #[must_use]
    pub fn new(today: DateTime) -> Self {
        Self {
            today,
            dialect: None,
            is_fixed: false,
            max_line: MAX_LINE,
            is_discarding: false,
            scanned: 0,
            day_first: false,
        }
    }

    /// A parser that tries one dialect alone: for what the automatic one cannot tell, as bare member
    /// names of z/OS.
    #[must_use]
    pub fn with_dialect(today: DateTime, dialect: Dialect) -> Self {
        Self {
            dialect: Some(dialect),
            is_fixed: true,
            ..Self::new(today)
        }
    }

    /// The longest line that is looked at, in octets. Default 8 KiB.
    #[must_use]
    pub fn max_line(mut self, octets: usize) -> Self {
        self.max_line = octets;
        self
    }

    /// The dialect of the last entry.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Looks at the front of `input` and says how many octets to drop and what they were. `None`
    /// when more is needed; with `is_end` a last line without an end counts.
    #[inline]
    pub fn next<'a>(&mut self, input: &'a [u8], is_end: bool) -> Option<(usize, Item<'a>)> {
        let fresh = input.get(self.scanned..).unwrap_or_default();
        let end = match memchr::memchr(b'\n', fresh) {
            Some(at) => self.scanned.saturating_add(at).saturating_add(1),
            None if self.is_discarding || input.len() > self.max_line => {
                self.scanned = 0;
                self.is_discarding = !is_end;
                return (!input.is_empty()).then_some((input.len(), Item::TooLong));
            }
            None if is_end && !input.is_empty() => input.len(),
            None => {
                self.scanned = input.len();
                return None;
            }
        };
        if core::mem::take(&mut self.is_discarding) || end > self.max_line {
            self.scanned = 0;
            return Some((end, Item::TooLong));
        }
        let line = trim_end(input.get(..end).unwrap_or_default());
        if let Some(entry) = self.quick(line) {
            self.scanned = 0;
            return Some((end, Item::Entry(entry)));
        }
        self.slow(input, is_end, end)
    }

    /// A line that may go on after its end, that changes the dialect, or is no entry.
    fn slow<'a>(&mut self, input: &'a [u8], is_end: bool, end: usize) -> Option<(usize, Item<'a>)> {
        let line = trim_end(input.get(..end).unwrap_or_default());
        if dialects::is_vms_name_alone(line) {
            // OpenVMS breaks a line after a long name; the rest stands indented on the next one.
            let rest = input.get(end..).unwrap_or_default();
            match memchr::memchr(b'\n', rest) {
                // A second line beyond the limit belongs to nothing.
                Some(at) if at >= self.max_line => {}
                Some(at) => {
                    let both = end.saturating_add(at).saturating_add(1);
                    let joined = trim_end(input.get(..both).unwrap_or_default());
                    if let Some(entry) = self.any(joined) {
                        self.scanned = 0;
                        return Some((both, Item::Entry(entry)));
                    }
                }
                None if !is_end && rest.len() < self.max_line => {
                    // The first end is found again next time: it is short.
                    self.scanned = 0;
                    return None;
                }
                None if is_end && rest.len() < self.max_line => {
                    if let Some(entry) = self.any(trim_end(input)) {
                        self.scanned = 0;
                        return Some((input.len(), Item::Entry(entry)));
                    }
                }
                None => {}
            }
        }
        self.scanned = 0;
        let item = self.any(line).map_or(Item::Other(line), Item::Entry);
        Some((end, item))
    }

    /// Reads one line, without its end.
    #[inline]
    pub fn parse_line<'a>(&mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        let line = trim_end(line);
        self.quick(line).or_else(|| self.any(line))
    }

    /// One more line in the most usual forms of its dialect.
    #[inline]
    fn quick<'a>(&self, line: &'a [u8]) -> Option<Entry<'a>> {
        match self.dialect? {
            Dialect::Unix => plain::unix(line, self.today),
            Dialect::Facts => records::facts(line),
            Dialect::Dos => plain::dos(line),
            _ => None,
        }
    }

    fn any<'a>(&mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        if let Some(dialect) = self.dialect {
            if let Some(entry) = self.parse_as(dialect, line) {
                return Some(entry);
            }
            if self.is_fixed {
                return None;
            }
        }
        self.detect(line)
    }

    fn detect<'a>(&mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        for dialect in Dialect::AUTOMATIC {
            if Some(*dialect) == self.dialect {
                continue;
            }
            if let Some(entry) = self.parse_as(*dialect, line) {
                self.dialect = Some(*dialect);
                return Some(entry);
            }
        }
        if let Some(dialect) = heading(line) {
            self.dialect = Some(dialect);
        }
        None
    }

    fn parse_as<'a>(&mut self, dialect: Dialect, line: &'a [u8]) -> Option<Entry<'a>> {
        match dialect {
            Dialect::Unix => unix::parse(line, self.today),
            Dialect::Facts => records::facts(line),
            Dialect::Eplf => records::eplf(line),
            Dialect::Dos => dialects::dos(line),
            Dialect::Vms => dialects::vms(line),
            Dialect::Mvs => records::mvs(line),
            Dialect::MvsMember => records::mvs_member(line),
            Dialect::Jes => records::jes(line),
            Dialect::Os2 => dialects::os2(line),
            Dialect::As400 => dialects::as400(line, &mut self.day_first),
            Dialect::VmCms => dialects::vm_cms(line),
            Dialect::NonStop => dialects::nonstop(line),
            Dialect::Stratus => dialects::stratus(line),
            Dialect::Hp3000 => dialects::hp3000(line),
            Dialect::WfFtp => dialects::wf_ftp(line),
        }
    }
}

/// z/OS says by a heading what its bare names are: members of a data set, or jobs.
fn heading(line: &[u8]) -> Option<Dialect> {
    let line = line.trim_ascii_start();
    let has = |word: &[u8]| memchr::memmem::find(line, word).is_some();
    if line.starts_with(b"Name ") && has(b" VV.MM ") {
        return Some(Dialect::MvsMember);
    }
    (line.starts_with(b"JOBNAME ") && has(b" JOBID ")).then_some(Dialect::Jes)
}

#[inline]
fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut line = line;
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}
