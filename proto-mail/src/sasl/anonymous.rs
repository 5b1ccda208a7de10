//! ANONYMOUS: nobody in particular, with a word for the log (RFC 4505).

use super::{InvalidMessage, is_name};

/// Longest trace in characters (RFC 4505 section 2).
const MAX_TRACE: usize = 255;

/// Reads the trace that a client left: an address, or any word.
///
/// # Errors
///
/// [`InvalidMessage`] when it is not UTF-8, holds a control, or is longer than 255 characters.
pub fn decode(message: &[u8]) -> Result<&str, InvalidMessage> {
    let trace = core::str::from_utf8(message).map_err(|_| InvalidMessage)?;
    let is_good = is_name(trace)
        && !trace.chars().any(char::is_control)
        && trace.chars().count() <= MAX_TRACE;
    is_good.then_some(trace).ok_or(InvalidMessage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4505_and_their_limits() {
        assert_eq!(decode(b"sirhc"), Ok("sirhc"));
        assert_eq!(decode(b""), Ok(""));
        assert!(decode("\u{e9}".repeat(255).as_bytes()).is_ok());
        for bad in ["a".repeat(256).as_bytes(), b"a\r\nb", b"\0", b"\xc3"] {
            assert_eq!(decode(bad), Err(InvalidMessage));
        }
    }
}
