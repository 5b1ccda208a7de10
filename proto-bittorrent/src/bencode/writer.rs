//! Writing canonical documents.

use alloc::vec::Vec;

/// A call that would have made a document that is not canonical. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A key that does not follow the one before it in the order of octets.
    #[error("keys have to be written in their order, each once")]
    KeyOrder,
    /// A value where a key has to stand, or a key outside of a dictionary.
    #[error("a dictionary takes a key, then its value")]
    Position,
    /// An end without a beginning, or between a key and its value.
    #[error("nothing to end here")]
    NothingOpen,
}

/// Appends one document after the other to a buffer. Keys have to come in order: what is written is
/// canonical, or an error.
///
/// ```
/// use proto_bittorrent::bencode::Writer;
///
/// let mut out = Vec::new();
/// let mut writer = Writer::new(&mut out);
/// writer.begin_dict()?;
/// writer.key(b"cow")?;
/// writer.bytes(b"moo")?;
/// writer.end()?;
/// assert_eq!(out, b"d3:cow3:mooe");
/// # Ok::<(), proto_bittorrent::bencode::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    open: Vec<Open>,
}

#[derive(Debug)]
enum Open {
    List,
    /// Where the last key stands, and whether its value is due.
    Dict {
        last: Option<(usize, usize)>,
        value_due: bool,
    },
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            open: Vec::new(),
        }
    }

    /// An integer.
    ///
    /// # Errors
    ///
    /// [`WriteError::Position`].
    pub fn int(&mut self, value: i64) -> Result<(), WriteError> {
        self.value()?;
        self.out.push(b'i');
        if value < 0 {
            self.out.push(b'-');
        }
        self.decimal(value.unsigned_abs());
        self.out.push(b'e');
        Ok(())
    }

    /// A string.
    ///
    /// # Errors
    ///
    /// [`WriteError::Position`].
    pub fn bytes(&mut self, value: &[u8]) -> Result<(), WriteError> {
        self.value()?;
        self.string(value);
        Ok(())
    }

    /// A value that is bencoded already.
    ///
    /// # Errors
    ///
    /// [`WriteError::Position`].
    pub fn raw(&mut self, value: &[u8]) -> Result<(), WriteError> {
        self.value()?;
        self.out.extend_from_slice(value);
        Ok(())
    }

    /// The beginning of a list.
    ///
    /// # Errors
    ///
    /// [`WriteError::Position`].
    pub fn begin_list(&mut self) -> Result<(), WriteError> {
        self.value()?;
        self.out.push(b'l');
        self.open.push(Open::List);
        Ok(())
    }

    /// The beginning of a dictionary.
    ///
    /// # Errors
    ///
    /// [`WriteError::Position`].
    pub fn begin_dict(&mut self) -> Result<(), WriteError> {
        self.value()?;
        self.out.push(b'd');
        self.open.push(Open::Dict {
            last: None,
            value_due: false,
        });
        Ok(())
    }

    /// A key of a dictionary.
    ///
    /// # Errors
    ///
    /// [`WriteError::Position`], [`WriteError::KeyOrder`].
    pub fn key(&mut self, key: &[u8]) -> Result<(), WriteError> {
        let Some(Open::Dict { last, value_due }) = self.open.last_mut() else {
            return Err(WriteError::Position);
        };
        if *value_due {
            return Err(WriteError::Position);
        }
        if let Some((start, end)) = *last
            && self.out.get(start..end).is_some_and(|last| last >= key)
        {
            return Err(WriteError::KeyOrder);
        }
        self.string(key);
        let end = self.out.len();
        if let Some(Open::Dict { last, value_due }) = self.open.last_mut() {
            *last = Some((end.saturating_sub(key.len()), end));
            *value_due = true;
        }
        Ok(())
    }

    /// The end of the innermost list or dictionary.
    ///
    /// # Errors
    ///
    /// [`WriteError::NothingOpen`].
    pub fn end(&mut self) -> Result<(), WriteError> {
        match self.open.last() {
            None
            | Some(Open::Dict {
                value_due: true, ..
            }) => Err(WriteError::NothingOpen),
            Some(_) => {
                self.open.pop();
                self.out.push(b'e');
                Ok(())
            }
        }
    }

    fn value(&mut self) -> Result<(), WriteError> {
        match self.open.last_mut() {
            None | Some(Open::List) => Ok(()),
            Some(Open::Dict { value_due, .. }) => {
                if core::mem::take(value_due) {
                    Ok(())
                } else {
                    Err(WriteError::Position)
                }
            }
        }
    }

    fn string(&mut self, value: &[u8]) {
        self.decimal(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.out.push(b':');
        self.out.extend_from_slice(value);
    }

    fn decimal(&mut self, mut value: u64) {
        let start = self.out.len();
        loop {
            let digit = u8::try_from(value % 10).unwrap_or(0);
            self.out.push(b'0' | digit);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        if let Some(digits) = self.out.get_mut(start..) {
            digits.reverse();
        }
    }
}
