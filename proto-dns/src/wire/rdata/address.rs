//! A (RFC 1035 section 3.4.1) and AAAA (RFC 3596 section 2.2): an address and nothing else.

use core::net::{Ipv4Addr, Ipv6Addr};

#[inline]
pub(super) fn v4(data: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from)
}

#[inline]
pub(super) fn v6(data: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(data).ok().map(Ipv6Addr::from)
}
