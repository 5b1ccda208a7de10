//! CRAM-MD5: a keyed digest of a challenge (RFC 2195). Old, and without a proof of the server's:
//! under TLS only, where nothing better is known.

use crate::Secret;
use alloc::vec::Vec;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use subtle::ConstantTimeEq;

/// The client's answer to a challenge: `user SP digest`.
#[must_use]
pub fn respond(user: &str, password: &Secret, challenge: &[u8]) -> Secret {
    let mut message = Vec::from(user.as_bytes());
    message.push(b' ');
    message.extend_from_slice(&digest(password, challenge));
    Secret::new(message)
}

/// The user whom a response names, and its digest; `None` when it has no such form.
#[must_use]
pub fn split(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = memchr::memrchr(b' ', response)?;
    let (user, digest) = response.split_at_checked(blank)?;
    let digest = digest.get(1..)?;
    (!user.is_empty() && digest.len() == 32).then_some((user, digest))
}

/// Whether the digest of a response is that of this password. Takes the same time wherever it
/// differs.
#[must_use]
pub fn is_proof(password: &Secret, challenge: &[u8], given: &[u8]) -> bool {
    digest(password, challenge)
        .as_slice()
        .ct_eq(&given.to_ascii_lowercase())
        .into()
}

/// In lower-case hexadecimal digits.
fn digest(password: &Secret, challenge: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(password.as_bytes()) else {
        return Vec::new();
    };
    mac.update(challenge);
    let octets = mac.finalize().into_bytes();
    let digit = |value: u8| HEX.get(usize::from(value & 15)).copied();
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(*octet)])
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_2195() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let password = Secret::from("tanstaaftanstaaf");
        let response = respond("tim", &password, challenge);
        assert_eq!(response.as_bytes(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        let (user, given) = split(response.as_bytes()).unwrap();
        assert_eq!(user, b"tim");
        assert!(is_proof(&password, challenge, given));
        assert!(!is_proof(&Secret::from("other"), challenge, given));
        assert!(split(b"tim").is_none() && split(b"tim abc").is_none());
    }
}
