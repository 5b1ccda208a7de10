//! Code points: newtypes with constants, so that an unknown value is never a parse error.

use crate::error::UnknownMnemonic;
use core::fmt;
use core::str::FromStr;

macro_rules! code_points {
    ($(#[$meta:meta])* $name:ident, $prefix:literal, { $($(#[$doc:meta])* $constant:ident = $value:literal $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);

        impl $name {
            $($(#[$doc])* pub const $constant: Self = Self($value);)+

            /// The mnemonic, if this crate knows one.
            #[must_use]
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.mnemonic() {
                    Some(text) => f.pad(text),
                    None => write!(f, concat!($prefix, "{}"), self.0),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<u16> for $name {
            fn from(value: u16) -> Self {
                Self(value)
            }
        }

        impl FromStr for $name {
            type Err = UnknownMnemonic;

            /// Reads the mnemonic, or the prefix with a number (RFC 3597 section 5), in any case.
            fn from_str(text: &str) -> Result<Self, UnknownMnemonic> {
                $(if text.eq_ignore_ascii_case($text) {
                    return Ok(Self::$constant);
                })+
                text.get(..$prefix.len())
                    .filter(|prefix| prefix.eq_ignore_ascii_case($prefix))
                    .and_then(|_| text.get($prefix.len()..))
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or(UnknownMnemonic { prefix: $prefix })
            }
        }
    };
}

code_points! {
    /// A record type or query type (RFC 1035 section 3.2.2, IANA "Resource Record (RR) TYPEs").
    Type, "TYPE", {
        /// An IPv4 address (RFC 1035 section 3.4.1).
        A = 1 "A",
        /// An authoritative name server (RFC 1035 section 3.3.11).
        NS = 2 "NS",
        /// The canonical name of an alias (RFC 1035 section 3.3.1).
        CNAME = 5 "CNAME",
        /// The start of a zone of authority (RFC 1035 section 3.3.13).
        SOA = 6 "SOA",
        /// A pointer to another name (RFC 1035 section 3.3.12).
        PTR = 12 "PTR",
        /// Host information (RFC 1035 section 3.3.2, RFC 8482).
        HINFO = 13 "HINFO",
        /// A mail exchange (RFC 1035 section 3.3.9).
        MX = 15 "MX",
        /// Text strings (RFC 1035 section 3.3.14).
        TXT = 16 "TXT",
        /// An IPv6 address (RFC 3596 section 2.1).
        AAAA = 28 "AAAA",
        /// The location of a service (RFC 2782).
        SRV = 33 "SRV",
        /// The redirection of a subtree (RFC 6672).
        DNAME = 39 "DNAME",
        /// The pseudo-record of EDNS (RFC 6891).
        OPT = 41 "OPT",
        /// A delegation signer (RFC 4034 section 5).
        DS = 43 "DS",
        /// A signature of an RRset (RFC 4034 section 3).
        RRSIG = 46 "RRSIG",
        /// An authenticated denial (RFC 4034 section 4).
        NSEC = 47 "NSEC",
        /// A key of a zone (RFC 4034 section 2).
        DNSKEY = 48 "DNSKEY",
        /// A service binding (RFC 9460).
        SVCB = 64 "SVCB",
        /// A service binding for HTTP (RFC 9460).
        HTTPS = 65 "HTTPS",
        /// A transaction signature (RFC 8945).
        TSIG = 250 "TSIG",
        /// An incremental transfer, as a query type (RFC 1995).
        IXFR = 251 "IXFR",
        /// A whole transfer, as a query type (RFC 5936).
        AXFR = 252 "AXFR",
        /// Mailbox-related records, obsolete, as a query type (RFC 1035 section 3.2.3).
        MAILB = 253 "MAILB",
        /// Mail agents, obsolete, as a query type (RFC 1035 section 3.2.3).
        MAILA = 254 "MAILA",
        /// Any type, as a query type (RFC 1035 section 3.2.3, RFC 8482).
        ANY = 255 "ANY",
        /// Authorities that may issue certificates (RFC 8659).
        CAA = 257 "CAA",
    }
}

impl Type {
    /// Whether the code lies among the query types and meta types, which stand in no zone
    /// (RFC 6895 section 3.1).
    #[must_use]
    pub const fn is_meta(self) -> bool {
        matches!(self.0, 41 | 128..=255)
    }
}

code_points! {
    /// A class (RFC 1035 section 3.2.4).
    Class, "CLASS", {
        /// The Internet.
        IN = 1 "IN",
        /// Chaosnet; today used for questions about a server itself.
        CH = 3 "CH",
        /// Hesiod.
        HS = 4 "HS",
        /// No class, in dynamic updates (RFC 2136).
        NONE = 254 "NONE",
        /// Any class, as a query class.
        ANY = 255 "ANY",
    }
}

code_points! {
    /// What kind of query a message is (RFC 1035 section 4.1.1); four bits.
    Opcode, "OPCODE", {
        /// A standard query.
        QUERY = 0 "QUERY",
        /// An inverse query, obsolete (RFC 3425).
        IQUERY = 1 "IQUERY",
        /// A server status request.
        STATUS = 2 "STATUS",
        /// A change of a zone (RFC 1996).
        NOTIFY = 4 "NOTIFY",
        /// A dynamic update (RFC 2136).
        UPDATE = 5 "UPDATE",
        /// Stateful operations (RFC 8490).
        DSO = 6 "DSO",
    }
}

code_points! {
    /// A response code: four bits in the header, eight more in OPT (RFC 6891 section 6.1.3).
    Rcode, "RCODE", {
        /// No error.
        NOERROR = 0 "NOERROR",
        /// The server could not understand the query.
        FORMERR = 1 "FORMERR",
        /// The server could not do it.
        SERVFAIL = 2 "SERVFAIL",
        /// The name does not exist.
        NXDOMAIN = 3 "NXDOMAIN",
        /// The server does not know this kind of query.
        NOTIMP = 4 "NOTIMP",
        /// The server will not do it.
        REFUSED = 5 "REFUSED",
        /// A name exists that should not (RFC 2136).
        YXDOMAIN = 6 "YXDOMAIN",
        /// An RRset exists that should not (RFC 2136).
        YXRRSET = 7 "YXRRSET",
        /// An RRset that should exist does not (RFC 2136).
        NXRRSET = 8 "NXRRSET",
        /// Not authoritative, or not authorised (RFC 2136, RFC 8945).
        NOTAUTH = 9 "NOTAUTH",
        /// A name is not in the zone (RFC 2136).
        NOTZONE = 10 "NOTZONE",
        /// An EDNS version that the server does not know (RFC 6891 section 6.1.3).
        BADVERS = 16 "BADVERS",
        /// A bad or missing server cookie (RFC 7873).
        BADCOOKIE = 23 "BADCOOKIE",
    }
}

code_points! {
    /// The code of an EDNS option (IANA "DNS EDNS0 Option Codes").
    OptionCode, "OPT", {
        /// The name of the server instance (RFC 5001).
        NSID = 3 "NSID",
        /// The subnet of the client (RFC 7871).
        CLIENT_SUBNET = 8 "ECS",
        /// Expiry of a zone (RFC 7314).
        EXPIRE = 9 "EXPIRE",
        /// A client or server cookie (RFC 7873).
        COOKIE = 10 "COOKIE",
        /// How long an idle connection stays (RFC 7828).
        TCP_KEEPALIVE = 11 "TCP-KEEPALIVE",
        /// Padding (RFC 7830).
        PADDING = 12 "PADDING",
        /// An extended error (RFC 8914).
        EXTENDED_ERROR = 15 "EDE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_unknown_type_is_written_and_read_as_rfc_3597_says() {
        assert_eq!(Type(65280).to_string(), "TYPE65280");
        assert_eq!("type65280".parse(), Ok(Type(65280)));
        assert_eq!("aaaa".parse(), Ok(Type::AAAA));
        assert_eq!("TYPE1".parse(), Ok(Type::A));
        for bad in ["", "TYPE", "TYPE65536", "TYPE+1", "TYPE-1", "AAAAA", "é"] {
            assert!(bad.parse::<Type>().is_err(), "{bad}");
        }
        assert_eq!("CLASS32".parse(), Ok(Class(32)));
    }
}
