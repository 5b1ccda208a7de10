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
        /// A mail destination, obsolete (RFC 1035 section 3.3.4).
        MD = 3 "MD",
        /// A mail forwarder, obsolete (RFC 1035 section 3.3.5).
        MF = 4 "MF",
        /// The canonical name of an alias (RFC 1035 section 3.3.1).
        CNAME = 5 "CNAME",
        /// The start of a zone of authority (RFC 1035 section 3.3.13).
        SOA = 6 "SOA",
        /// A host with a mailbox, experimental (RFC 1035 section 3.3.3).
        MB = 7 "MB",
        /// A member of a mail group, experimental (RFC 1035 section 3.3.6).
        MG = 8 "MG",
        /// A renamed mailbox, experimental (RFC 1035 section 3.3.8).
        MR = 9 "MR",
        /// Anything, experimental (RFC 1035 section 3.3.10).
        NULL = 10 "NULL",
        /// Well-known services, deprecated (RFC 1035 section 3.4.2).
        WKS = 11 "WKS",
        /// A pointer to another name (RFC 1035 section 3.3.12).
        PTR = 12 "PTR",
        /// Host information (RFC 1035 section 3.3.2, RFC 8482).
        HINFO = 13 "HINFO",
        /// Who is responsible for a mailbox (RFC 1035 section 3.3.7).
        MINFO = 14 "MINFO",
        /// A mail exchange (RFC 1035 section 3.3.9).
        MX = 15 "MX",
        /// Text strings (RFC 1035 section 3.3.14).
        TXT = 16 "TXT",
        /// A responsible person (RFC 1183 section 2.2).
        RP = 17 "RP",
        /// An AFS cell database (RFC 1183 section 1).
        AFSDB = 18 "AFSDB",
        /// An X.25 address (RFC 1183 section 3.1).
        X25 = 19 "X25",
        /// An ISDN address (RFC 1183 section 3.2).
        ISDN = 20 "ISDN",
        /// A route through (RFC 1183 section 3.3).
        RT = 21 "RT",
        /// An OSI address (RFC 1706).
        NSAP = 22 "NSAP",
        /// A pointer from an OSI address (RFC 1348).
        NSAP_PTR = 23 "NSAP-PTR",
        /// A signature (RFC 2535, RFC 2931).
        SIG = 24 "SIG",
        /// A key (RFC 2535).
        KEY = 25 "KEY",
        /// An X.400 mapping (RFC 2163).
        PX = 26 "PX",
        /// A geographical position (RFC 1712).
        GPOS = 27 "GPOS",
        /// An IPv6 address (RFC 3596 section 2.1).
        AAAA = 28 "AAAA",
        /// A location (RFC 1876).
        LOC = 29 "LOC",
        /// The next name, obsolete (RFC 2535).
        NXT = 30 "NXT",
        /// A Nimrod endpoint identifier.
        EID = 31 "EID",
        /// A Nimrod locator.
        NIMLOC = 32 "NIMLOC",
        /// The location of a service (RFC 2782).
        SRV = 33 "SRV",
        /// An ATM address.
        ATMA = 34 "ATMA",
        /// A naming authority pointer (RFC 3403).
        NAPTR = 35 "NAPTR",
        /// A key exchanger (RFC 2230).
        KX = 36 "KX",
        /// A certificate (RFC 4398).
        CERT = 37 "CERT",
        /// An IPv6 address in pieces, historic (RFC 2874).
        A6 = 38 "A6",
        /// The redirection of a subtree (RFC 6672).
        DNAME = 39 "DNAME",
        /// Anything.
        SINK = 40 "SINK",
        /// The pseudo-record of EDNS (RFC 6891).
        OPT = 41 "OPT",
        /// Lists of address prefixes (RFC 3123).
        APL = 42 "APL",
        /// A delegation signer (RFC 4034 section 5).
        DS = 43 "DS",
        /// A fingerprint of an SSH key (RFC 4255).
        SSHFP = 44 "SSHFP",
        /// A key of IPsec (RFC 4025).
        IPSECKEY = 45 "IPSECKEY",
        /// A signature of an RRset (RFC 4034 section 3).
        RRSIG = 46 "RRSIG",
        /// An authenticated denial (RFC 4034 section 4).
        NSEC = 47 "NSEC",
        /// A key of a zone (RFC 4034 section 2).
        DNSKEY = 48 "DNSKEY",
        /// A DHCP identifier (RFC 4701).
        DHCID = 49 "DHCID",
        /// A hashed authenticated denial (RFC 5155 section 3).
        NSEC3 = 50 "NSEC3",
        /// How NSEC3 hashes (RFC 5155 section 4).
        NSEC3PARAM = 51 "NSEC3PARAM",
        /// An association of a TLS certificate (RFC 6698).
        TLSA = 52 "TLSA",
        /// An association of an S/MIME certificate (RFC 8162).
        SMIMEA = 53 "SMIMEA",
        /// A host identity (RFC 8005).
        HIP = 55 "HIP",
        /// The status of a zone.
        NINFO = 56 "NINFO",
        /// A key for records.
        RKEY = 57 "RKEY",
        /// Links between trust anchors.
        TALINK = 58 "TALINK",
        /// A DS record from the child (RFC 7344).
        CDS = 59 "CDS",
        /// A DNSKEY record from the child (RFC 7344).
        CDNSKEY = 60 "CDNSKEY",
        /// An OpenPGP key (RFC 7929).
        OPENPGPKEY = 61 "OPENPGPKEY",
        /// What the parent may copy from the child (RFC 7477).
        CSYNC = 62 "CSYNC",
        /// A digest of a zone (RFC 8976).
        ZONEMD = 63 "ZONEMD",
        /// A service binding (RFC 9460).
        SVCB = 64 "SVCB",
        /// A service binding for HTTP (RFC 9460).
        HTTPS = 65 "HTTPS",
        /// Where to send generalised notifications (RFC 9859).
        DSYNC = 66 "DSYNC",
        /// A hierarchical host identity tag (RFC 9886).
        HHIT = 67 "HHIT",
        /// Broadcast remote identification (RFC 9886).
        BRID = 68 "BRID",
        /// Sender policy, obsolete (RFC 7208).
        SPF = 99 "SPF",
        /// A node identifier (RFC 6742).
        NID = 104 "NID",
        /// A 32-bit locator (RFC 6742).
        L32 = 105 "L32",
        /// A 64-bit locator (RFC 6742).
        L64 = 106 "L64",
        /// A pointer to locators (RFC 6742).
        LP = 107 "LP",
        /// A 48-bit address of a network card (RFC 7043).
        EUI48 = 108 "EUI48",
        /// A 64-bit address of a network card (RFC 7043).
        EUI64 = 109 "EUI64",
        /// A name that does not exist, in NSEC bitmaps (RFC 9824).
        NXNAME = 128 "NXNAME",
        /// The agreement of a key (RFC 2930).
        TKEY = 249 "TKEY",
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
        /// A URI (RFC 7553).
        URI = 256 "URI",
        /// Authorities that may issue certificates (RFC 8659).
        CAA = 257 "CAA",
        /// Application visibility and control.
        AVC = 258 "AVC",
        /// A digital object.
        DOA = 259 "DOA",
        /// A multicast relay (RFC 8777).
        AMTRELAY = 260 "AMTRELAY",
        /// What a resolver says about itself (RFC 9606).
        RESINFO = 261 "RESINFO",
        /// A public wallet address.
        WALLET = 262 "WALLET",
        /// A convergence layer adapter of the bundle protocol.
        CLA = 263 "CLA",
        /// A node number of the bundle protocol.
        IPN = 264 "IPN",
        /// A trust anchor.
        TA = 32768 "TA",
        /// A look-aside trust anchor, obsolete (RFC 8749).
        DLV = 32769 "DLV",
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
        /// A key that is not known (RFC 8945).
        BADKEY = 17 "BADKEY",
        /// A time outside the window (RFC 8945).
        BADTIME = 18 "BADTIME",
        /// A truncated signature that is too short (RFC 8945).
        BADTRUNC = 22 "BADTRUNC",
        /// A bad or missing server cookie (RFC 7873).
        BADCOOKIE = 23 "BADCOOKIE",
    }
}

code_points! {
    /// The code of an EDNS option (IANA "DNS EDNS0 Option Codes").
    OptionCode, "OPT", {
        /// The name of the server instance (RFC 5001).
        NSID = 3 "NSID",
        /// Algorithms understood (RFC 6975).
        DAU = 5 "DAU",
        /// Digests understood (RFC 6975).
        DHU = 6 "DHU",
        /// NSEC3 hashes understood (RFC 6975).
        N3U = 7 "N3U",
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
        /// A chain of records (RFC 7901).
        CHAIN = 13 "CHAIN",
        /// The tags of keys that are trusted (RFC 8145).
        KEY_TAG = 14 "KEY-TAG",
        /// An extended error (RFC 8914).
        EXTENDED_ERROR = 15 "EDE",
        /// What group a client belongs to.
        CLIENT_TAG = 16 "CLIENT-TAG",
        /// What group a server belongs to.
        SERVER_TAG = 17 "SERVER-TAG",
        /// Where errors are to be reported (RFC 9567).
        REPORT_CHANNEL = 18 "REPORT-CHANNEL",
        /// The version of a zone (RFC 9660).
        ZONE_VERSION = 19 "ZONEVERSION",
    }
}

code_points! {
    /// What an extended error says (RFC 8914 section 4).
    ExtendedErrorCode, "EDE", {
        /// None of the others.
        OTHER = 0 "Other Error",
        /// DNSKEY records, none of whose algorithms is supported.
        UNSUPPORTED_DNSKEY_ALGORITHM = 1 "Unsupported DNSKEY Algorithm",
        /// DS records, none of whose digests is supported.
        UNSUPPORTED_DS_DIGEST_TYPE = 2 "Unsupported DS Digest Type",
        /// The data is older than its TTL (RFC 8767).
        STALE_ANSWER = 3 "Stale Answer",
        /// The answer was made up, by policy.
        FORGED_ANSWER = 4 "Forged Answer",
        /// Validation ended without a verdict.
        DNSSEC_INDETERMINATE = 5 "DNSSEC Indeterminate",
        /// Validation failed.
        DNSSEC_BOGUS = 6 "DNSSEC Bogus",
        /// No signature is valid any more.
        SIGNATURE_EXPIRED = 7 "Signature Expired",
        /// No signature is valid yet.
        SIGNATURE_NOT_YET_VALID = 8 "Signature Not Yet Valid",
        /// No DNSKEY record matches a DS record.
        DNSKEY_MISSING = 9 "DNSKEY Missing",
        /// Signatures that should be there are not.
        RRSIGS_MISSING = 10 "RRSIGs Missing",
        /// No DNSKEY record is one of a zone.
        NO_ZONE_KEY_BIT_SET = 11 "No Zone Key Bit Set",
        /// The proof of a denial is missing.
        NSEC_MISSING = 12 "NSEC Missing",
        /// The error comes from a cache.
        CACHED_ERROR = 13 "Cached Error",
        /// The server is not ready yet.
        NOT_READY = 14 "Not Ready",
        /// Blocked by the operator of the server.
        BLOCKED = 15 "Blocked",
        /// Blocked by somebody whom the operator obeys.
        CENSORED = 16 "Censored",
        /// Blocked as the client wished.
        FILTERED = 17 "Filtered",
        /// The client may not ask.
        PROHIBITED = 18 "Prohibited",
        /// NXDOMAIN is older than its TTL (RFC 8767).
        STALE_NXDOMAIN_ANSWER = 19 "Stale NXDOMAIN Answer",
        /// Without recursion, and not for a zone of the server's.
        NOT_AUTHORITATIVE = 20 "Not Authoritative",
        /// The server does not do what was asked.
        NOT_SUPPORTED = 21 "Not Supported",
        /// No authoritative server was reached.
        NO_REACHABLE_AUTHORITY = 22 "No Reachable Authority",
        /// The network failed.
        NETWORK_ERROR = 23 "Network Error",
        /// Data of the zone is out of range.
        INVALID_DATA = 24 "Invalid Data",
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
