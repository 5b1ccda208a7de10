//! EXTERNAL: something below, TLS mostly, has established who the client is (RFC 4422 appendix A).

use super::{InvalidMessage, is_name};

/// Reads the message of a client: as whom it wants to act, or nothing for whoever it is.
///
/// # Errors
///
/// [`InvalidMessage`] when it is not UTF-8, or holds NUL.
pub fn decode(message: &[u8]) -> Result<Option<&str>, InvalidMessage> {
    match core::str::from_utf8(message) {
        Ok("") => Ok(None),
        Ok(name) if is_name(name) => Ok(Some(name)),
        _ => Err(InvalidMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4422_appendix_a() {
        assert_eq!(decode(b""), Ok(None));
        assert_eq!(decode(b"fred@example.com"), Ok(Some("fred@example.com")));
        assert_eq!(decode(b"a\0b"), Err(InvalidMessage));
        assert_eq!(decode(b"\xff"), Err(InvalidMessage));
    }
}
