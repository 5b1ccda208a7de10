//! Cookies (RFC 7873), as a client keeps them.

use crate::random::Random;
use crate::wire::{Message, OptionCode, Options};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use hmac::{Hmac, KeyInit, Mac};
use subtle::ConstantTimeEq;

/// The secret that client cookies are made with, and what servers gave.
pub(super) struct Cookies {
    secret: [u8; 32],
    /// By number of the server.
    servers: BTreeMap<usize, Vec<u8>>,
}

/// What the cookie of a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Not ours, or none where there was one before (RFC 7873 section 5.3).
    Wrong,
}

impl Cookies {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            secret: random.secret(),
            servers: BTreeMap::new(),
        }
    }

    /// RFC 7873 section 6: one that each server sees another of.
    fn client(&self, server: SocketAddr) -> [u8; 8] {
        let Ok(mut mac) = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&self.secret) else {
            return [0; 8];
        };
        match server {
            SocketAddr::V4(address) => mac.update(&address.ip().octets()),
            SocketAddr::V6(address) => mac.update(&address.ip().octets()),
        }
        mac.update(&server.port().to_be_bytes());
        let whole = mac.finalize().into_bytes();
        whole.first_chunk().copied().unwrap_or_default()
    }

    /// Appends the option for a server.
    pub(super) fn option(&self, index: usize, server: SocketAddr, wire: &mut Vec<u8>) {
        let mut cookie = self.client(server).to_vec();
        if let Some(known) = self.servers.get(&index) {
            cookie.extend_from_slice(known);
        }
        // At most forty octets: nothing fails.
        let _ = Options::encode(OptionCode::COOKIE, &cookie, wire);
    }

    /// Looks at the cookie of a reply, and keeps the server's part.
    pub(super) fn judge(
        &mut self,
        index: usize,
        server: SocketAddr,
        reply: &Message<'_>,
    ) -> Verdict {
        let found = reply
            .edns()
            .and_then(|edns| edns.options.find(OptionCode::COOKIE));
        let Some(cookie) = found else {
            return if self.servers.contains_key(&index) {
                Verdict::Wrong
            } else {
                Verdict::Fine
            };
        };
        let Some((ours, theirs)) = cookie.split_first_chunk::<8>() else {
            return Verdict::Wrong;
        };
        if !bool::from(ours.ct_eq(&self.client(server))) || !matches!(theirs.len(), 0 | 8..=32) {
            return Verdict::Wrong;
        }
        if !theirs.is_empty() {
            self.servers.insert(index, theirs.to_vec());
        }
        Verdict::Fine
    }
}

impl fmt::Debug for Cookies {
    /// Without the secret, and without what would do for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies")
            .field("servers", &self.servers.len())
            .finish_non_exhaustive()
    }
}
