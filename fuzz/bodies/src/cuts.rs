//! Input that is taken apart: a few octets steer, the rest is content.

/// Reads values off the front of an input; when there is no more, zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let [octet] = self.array();
        octet
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// At most `len` octets.
    pub(crate) fn octets(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Octets behind a length of one octet.
    pub(crate) fn short(&mut self) -> &'a [u8] {
        let len = self.u8();
        self.octets(usize::from(len))
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.octets(usize::MAX)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let octets = self.octets(N);
        array[..octets.len()].copy_from_slice(octets);
        array
    }
}

/// A pattern of lengths by which content is cut, repeated without end. No length is zero.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    pattern: [u8; 4],
    next: usize,
}

impl Cuts {
    pub(crate) fn take(input: &mut Take<'_>) -> Self {
        Self {
            pattern: input.array(),
            next: 0,
        }
    }

    /// The next piece of what is left of `rest`.
    pub(crate) fn piece<'a>(&mut self, rest: &mut &'a [u8]) -> &'a [u8] {
        let len = usize::from(self.pattern[self.next]).clamp(1, rest.len().max(1));
        self.next = (self.next + 1) % self.pattern.len();
        let (head, tail) = rest.split_at(len.min(rest.len()));
        *rest = tail;
        head
    }
}
