//! How a file is represented while it travels (RFC 959 section 3).

/// What an octet or a character is (TYPE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Type {
    /// Text, lines ended by CRLF.
    #[default]
    Ascii,
    /// Text in EBCDIC, lines ended by NL.
    Ebcdic,
    /// Octets as they are. `L 8` is the same.
    Image,
}

/// What a printer is told (second parameter of TYPE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Not for printing.
    #[default]
    NonPrint,
    /// Telnet effectors: CR, LF, FF in the text.
    Telnet,
    /// Carriage control of Fortran in the first column. The text is not changed.
    CarriageControl,
}

/// What a file is made of (STRU).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Structure {
    /// One sequence of octets.
    #[default]
    File,
    /// Records. Text lines are records.
    Record,
    /// Pages that tell their place. With TYPE I and MODE S alone.
    Page,
}

/// How it is transmitted (MODE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A stream that ends with the connection.
    #[default]
    Stream,
    /// Blocks with headers.
    Block,
    /// Runs of equal octets made short.
    Compressed,
    /// Deflate in zlib's wrapping.
    Deflate,
}

/// All of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// TYPE
    pub kind: Type,
    /// Its form.
    pub form: Form,
    /// STRU
    pub structure: Structure,
    /// MODE
    pub mode: Mode,
}

impl Format {
    /// TYPE I, STRU F, MODE S.
    pub const IMAGE: Self = Self {
        kind: Type::Image,
        form: Form::NonPrint,
        structure: Structure::File,
        mode: Mode::Stream,
    };

    /// Whether what travels is the file as it is, octet for octet.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self.kind == Type::Image && self.structure == Structure::File && self.mode == Mode::Stream
    }
}
