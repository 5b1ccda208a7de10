//! What can go wrong, and whose fault it was.

/// Octets that are not what they should be: the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset}: {fault}")]
pub struct DecodeError {
    /// Where in the message it was found.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The message ends where more must follow; section counts that promise too much end here.
    #[error("the message ends too early")]
    Truncated,
    /// More than 65 535 octets (RFC 1035 section 4.2.2).
    #[error("a message has at most 65535 octets")]
    MessageTooLong,
    /// A label that begins with the bits 01 or 10 (RFC 6891 section 5, RFC 1035 section 4.1.4).
    #[error("unknown label type {0:#04x}")]
    LabelType(u8),
    /// A compression pointer that does not point before the fragment that it ends.
    #[error("a compression pointer to octet {0} does not point backwards to a name")]
    Pointer(u16),
    /// More than 127 compression pointers make up one name.
    #[error("more than 127 compression pointers in one name")]
    TooManyPointers,
    /// A name of more than 255 octets (RFC 1035 section 2.3.4).
    #[error("a name has at most 255 octets")]
    NameTooLong,
    /// RDATA whose length does not fit its type.
    #[error("RDLENGTH {0} does not fit the record")]
    RdataLength(u16),
    /// A second OPT record (RFC 6891 section 6.1.1).
    #[error("a second OPT record")]
    SecondOpt,
    /// An OPT record outside the additional section, or one that is not owned by the root
    /// (RFC 6891 section 6.1.1 and 6.1.2).
    #[error("an OPT record where none may stand")]
    MisplacedOpt,
    /// An EDNS option that is longer than its OPT record.
    #[error("an EDNS option overruns its record")]
    OptionOverrun,
    /// An EDNS option whose data is not what its code promises.
    #[error("the data of the EDNS option {0} does not fit it")]
    OptionData(crate::wire::OptionCode),
}

impl DecodeError {
    pub(crate) const fn new(offset: usize, fault: Fault) -> Self {
        Self { offset, fault }
    }
}

/// A message that cannot be built: the caller's fault, or the buffer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The buffer is full. What was begun is taken back: the message is as it was before the call.
    #[error("the message does not fit the buffer")]
    Full,
    /// Sections are written in order: question, answer, authority, additional.
    #[error("an earlier section cannot be written any more")]
    SectionOrder,
    /// A section holds at most 65 535 records.
    #[error("a section counts at most 65535 records")]
    TooManyRecords,
    /// Record data does not fit its type.
    #[error("the record data does not fit its type")]
    Rdata,
}

/// Text or labels that make no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset}: {fault}")]
pub struct NameError {
    /// Where in the text or in the octets.
    pub offset: usize,
    /// What is wrong there.
    pub fault: NameFault,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// No text at all; the root is written as a dot.
    #[error("an empty name")]
    Empty,
    /// Two dots in a row, or a dot at the front.
    #[error("an empty label")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a label has at most 63 octets")]
    LabelTooLong,
    /// A name of more than 255 octets.
    #[error("a name has at most 255 octets")]
    NameTooLong,
    /// A backslash that is followed neither by three digits up to 255 nor by another character.
    #[error("a broken escape")]
    Escape,
    /// Octets that are not one whole uncompressed name.
    #[error("not a name in wire form")]
    Wire,
}

/// Text that names no code point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known mnemonic, nor of the form {prefix}n")]
pub struct UnknownMnemonic {
    pub(crate) prefix: &'static str,
}

/// Why a connection ended. Final events of open queries came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The transport ended inside a message. The peer's fault, or the network's.
    #[error("the connection ended {pending} octets into a message")]
    UnexpectedEof {
        /// Octets of the unfinished message, its length prefix included.
        pending: usize,
    },
    /// A length prefix that leaves no room for a header. The peer's fault: what follows cannot be
    /// trusted to be in step.
    #[error("a message of {len} octets is shorter than a header")]
    ShortMessage {
        /// What the prefix said.
        len: u16,
    },
    /// No complete message came for [`Limits::idle`](crate::Limits::idle).
    #[error("the peer was silent for too long")]
    IdleTimeout,
}

/// A call that the caller should not have made. The machine is as it was before, but for
/// [`MessageLength`](Self::MessageLength) as the answer to a question: its `Ask` is spent, so the
/// question is settled without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The question is not open: it was settled, its time ran out, or the transport died.
    #[error("the question is no longer open")]
    StaleAsk,
    /// A message of fewer than 12 or more than 65 535 octets.
    #[error("a message of {len} octets cannot be sent")]
    MessageLength {
        /// Its length.
        len: usize,
    },
    /// As many queries are open as [`Limits`](crate::Limits) allow; wait for an event.
    #[error("too many open queries")]
    TooManyQueries,
    /// As much output waits as [`Limits::max_queued_output`](crate::Limits::max_queued_output)
    /// allows; wait until some has left.
    #[error("too much queued output")]
    OutputFull,
    /// No server is configured.
    #[error("no server to ask")]
    NoServers,
    /// Our side is closing or closed.
    #[error("the connection takes no more messages")]
    Closed,
}

/// A name that cannot be searched for: the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The text is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The query was not taken.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// A zone that cannot be served as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// An owner that is neither the origin nor below it.
    #[error("the owner is outside the zone")]
    OutOfZone,
    /// No SOA record at the origin.
    #[error("the zone has no SOA record")]
    NoSoa,
    /// No NS record at the origin (RFC 1034 section 4.2.1).
    #[error("the zone has no NS record at its origin")]
    NoNs,
    /// A second SOA record, or one below the origin.
    #[error("a SOA record stands once, at the origin")]
    Soa,
    /// CNAME and other data, or two CNAMEs (RFC 1034 section 3.6.2).
    #[error("a CNAME stands alone")]
    CnameAndOther,
    /// Two DNAMEs (RFC 6672 section 2.4).
    #[error("a DNAME stands once")]
    Dname,
    /// More than 4096 records of one owner and type.
    #[error("too many records of one owner and type")]
    TooManyRecords,
    /// A type that stands in no zone: OPT and other meta types.
    #[error("a meta type cannot be stored in a zone")]
    MetaType,
    /// Record data that does not fit its type.
    #[error("the record data does not fit its type")]
    Rdata,
    /// Two zones of the same origin.
    #[error("a zone of this origin is already served")]
    Duplicate,
}

/// Why a zone could not be transferred. All of it is the primary's fault, or the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A message that cannot be read.
    #[error("a malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// A message that answers something else.
    #[error("a message that answers another question")]
    Mismatch,
    /// The primary will not give the zone.
    #[error("the primary says {0}")]
    Refused(crate::wire::Rcode),
    /// The transfer does not begin with the SOA record.
    #[error("no SOA record at the beginning")]
    NoSoa,
    /// The changes do not fit the version that they begin with.
    #[error("changes that do not fit")]
    Inconsistent,
    /// A record outside the zone, or of a type that stands in none.
    #[error("a record that does not belong here: {0}")]
    Zone(ZoneError),
    /// A record of another class.
    #[error("a record of another class")]
    Class,
    /// Something follows the end.
    #[error("records after the end")]
    Trailing,
    /// More records or octets than [`Limits`](crate::Limits) allow.
    #[error("too large a zone")]
    TooLarge,
    /// A signature that is wrong, or none where one must be.
    #[error("{0}")]
    Signature(#[from] crate::tsig::TsigError),
    /// The connection could not be made, or ended too early.
    #[error("the connection failed")]
    Disconnected,
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
}

/// Why the text of a zone could not be loaded: whoever wrote it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The text cannot be read.
    #[error(transparent)]
    Text(#[from] crate::zonefile::ZoneFileError),
    /// A record that the zone cannot hold.
    #[error("line {line}: {fault}")]
    Zone {
        /// The line, from 1.
        line: usize,
        /// Why not.
        fault: ZoneError,
    },
    /// `$INCLUDE`, where nobody opens files: use [`zonefile::Parser`](crate::zonefile::Parser).
    #[error("$INCLUDE is not followed here")]
    Include,
}
