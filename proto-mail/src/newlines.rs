//! Line ends that are none.

/// Sees CR without LF, LF without CR, and NUL, across any cuts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewlineCheck {
    after_cr: bool,
}

impl NewlineCheck {
    /// How many octets of `text` are good: all of them, or those before the octet that proves the
    /// fault. That octet is a bare LF, a NUL, or what follows a bare CR.
    pub(crate) fn pass(&mut self, text: &[u8]) -> usize {
        let Some((first, last)) = text.first().zip(text.last()) else {
            return 0;
        };
        let follows = text.get(1..).unwrap_or_default();
        let is_bad = (*first == b'\n') != self.after_cr || *last == 0 || has_fault(text, follows);
        if !is_bad {
            self.after_cr = *last == b'\r';
            return text.len();
        }
        let mut after_cr = self.after_cr;
        for (at, &octet) in text.iter().enumerate() {
            if (octet == b'\n') != after_cr || octet == 0 {
                return at;
            }
            after_cr = octet == b'\r';
        }
        self.after_cr = after_cr;
        text.len()
    }

    /// A CR at the very end is a bare one.
    pub(crate) fn is_open(self) -> bool {
        self.after_cr
    }

    /// The fault was repaired: what comes next stands behind an octet that is no CR.
    pub(crate) fn repaired(&mut self) {
        self.after_cr = false;
    }
}

/// Octets that are looked at together, without branches, so that the compiler makes vectors of it.
const BLOCK: usize = 64;

/// Whether one of the octets is NUL, or CR and LF do not stand together. `follows` is `text` without
/// its first octet.
fn has_fault(text: &[u8], follows: &[u8]) -> bool {
    let mut is_bad = false;
    let mut check = |block: &[u8], next: &[u8]| {
        let mut bad = 0_u8;
        for (octet, next) in block.iter().zip(next) {
            bad |= (u8::from(*octet == b'\r') ^ u8::from(*next == b'\n')) | u8::from(*octet == 0);
        }
        is_bad |= bad != 0;
    };
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let (nexts, rest) = follows.as_chunks::<BLOCK>();
    for (block, next) in blocks.iter().zip(nexts) {
        check(block, next);
    }
    // The last block overlaps the one before it: that is cheaper than to go octet by octet.
    let all = text.get(..follows.len()).unwrap_or_default();
    match all.last_chunk::<BLOCK>().zip(follows.last_chunk::<BLOCK>()) {
        Some((block, next)) if !rest.is_empty() => check(block, next),
        Some(_) => {}
        None => check(all, follows),
    }
    is_bad
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn naive(text: &[u8]) -> usize {
        let mut after_cr = false;
        for (at, &octet) in text.iter().enumerate() {
            if (octet == b'\n') != after_cr || octet == 0 {
                return at;
            }
            after_cr = octet == b'\r';
        }
        text.len()
    }

    #[test]
    fn the_fault_is_found_at_the_same_octet_however_the_text_is_cut() {
        let line = b"a line of thirty octets or so\r\n";
        let clean: Vec<u8> = line.repeat(8);
        for bad in [&b""[..], b"\n", b"\r", b"\0", b"\r\r\n", b"\n\r"] {
            for at in 0..=clean.len() {
                let mut text = clean.clone();
                text.splice(at..at, bad.iter().copied());
                let expected = naive(&text);
                for cut in [
                    0,
                    1,
                    at,
                    at.saturating_add(1).min(text.len()),
                    text.len() / 2,
                ] {
                    let mut check = NewlineCheck::default();
                    let (head, tail) = text.split_at(cut);
                    let mut good = check.pass(head);
                    if good == head.len() {
                        good = good.saturating_add(check.pass(tail));
                    }
                    assert_eq!(good, expected, "{bad:?} at {at}, cut at {cut}");
                }
            }
        }
    }
}
