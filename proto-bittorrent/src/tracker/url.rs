//! Addresses of trackers.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// How a tracker is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// By HTTP.
    Http,
    /// By HTTP under TLS.
    Https,
    /// By datagrams (BEP 15).
    Udp,
}

/// An address that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// A scheme other than `http`, `https` and `udp`, or none.
    #[error("no tracker is asked by this scheme")]
    Scheme,
    /// No host, or octets that no host has.
    #[error("the host is missing or malformed")]
    Host,
    /// A port that is none; UDP needs one.
    #[error("the port is missing or malformed")]
    Port,
    /// Blanks or control characters: what follows them would be another line of the request.
    #[error("octet {0} cannot stand in an address")]
    Character(usize),
    /// More than 4096 octets.
    #[error("an address of more than 4096 octets")]
    TooLong,
}

/// Where asking a tracker would lead. A torrent is made by strangers: see that it does not make you
/// call services of your own house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// A name: look at the addresses that it resolves to.
    Name,
    /// An address that all the world can reach.
    Global,
    /// This machine.
    Loopback,
    /// A private network, or the link.
    Private,
    /// An address of no single host: unspecified, multicast, broadcast.
    Unusable,
}

impl Risk {
    /// The risk of an address: the literal one of a tracker, or one that its name resolved to.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        match ip {
            _ if ip.is_unspecified() || ip.is_multicast() => Self::Unusable,
            _ if ip.is_loopback() => Self::Loopback,
            IpAddr::V4(v4) if v4.is_broadcast() => Self::Unusable,
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                let is_shared = a == 100 && (64..128).contains(&b);
                if v4.is_private() || v4.is_link_local() || is_shared || a == 0 {
                    Self::Private
                } else {
                    Self::Global
                }
            }
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Self::Private,
            IpAddr::V6(_) => Self::Global,
        }
    }
}

/// The checked address of a tracker.
///
/// `Debug` leaves out the path and the query: they often hold the key of a user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackerUrl {
    text: String,
    scheme_len: usize,
    host: (usize, usize),
    port: u16,
    path: usize,
}

impl TrackerUrl {
    /// How it is asked.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self.scheme_len {
            3 => Scheme::Udp,
            4 => Scheme::Http,
            _ => Scheme::Https,
        }
    }

    /// The host: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text.get(self.host.0..self.host.1).unwrap_or_default()
    }

    /// The port; that of the scheme where none was given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, at least a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.text.get(self.path..) {
            Some("") | None => "/",
            Some(path) => path,
        }
    }

    /// What to send as `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        let begin = self.scheme_len.saturating_add(3);
        self.text.get(begin..self.path).unwrap_or_default()
    }

    /// The address as it was given, without a fragment, and with a slash before a query that had no
    /// path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where asking it would lead.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.host().parse().map_or(Risk::Name, Risk::of)
    }

    /// The address to scrape, by the rule of BEP 48: the last part of the path begins with
    /// `announce`, which becomes `scrape`. `None` where it does not.
    #[must_use]
    pub fn scrape_path(&self) -> Option<String> {
        let path = self.path();
        let query = path.find('?').unwrap_or(path.len());
        let (front, query) = path.split_at_checked(query)?;
        let name = front.rfind('/')?.checked_add(1)?;
        let (folder, name) = front.split_at_checked(name)?;
        let rest = name.strip_prefix("announce")?;
        Some(alloc::format!("{folder}scrape{rest}{query}"))
    }
}

impl FromStr for TrackerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > 4096 {
            return Err(UrlError::TooLong);
        }
        let bad = text.bytes().position(|octet| !octet.is_ascii_graphic());
        if let Some(offset) = bad {
            return Err(UrlError::Character(offset));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ if scheme.eq_ignore_ascii_case("udp") => Scheme::Udp,
            _ => return Err(UrlError::Scheme),
        };
        let begin = text.len().saturating_sub(rest.len());
        let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at_checked(authority_len).ok_or(UrlError::Host)?;
        // User names have no place here, and hide the real host from a reader.
        if authority.contains('@') {
            return Err(UrlError::Host);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(UrlError::Host)?;
                let is_v6 = host.parse::<core::net::Ipv6Addr>().is_ok();
                let port = after.strip_prefix(':');
                if !is_v6 || port.is_none() && !after.is_empty() {
                    return Err(UrlError::Host);
                }
                (host, port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let is_name = |host: &str| {
            let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:%".contains(&octet);
            !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed)
        };
        if !is_name(host) {
            return Err(UrlError::Host);
        }
        let port = match (port, scheme) {
            (Some(port), _) => Some(port)
                .filter(|port| port.bytes().all(|octet| octet.is_ascii_digit()))
                .and_then(|port| port.parse().ok())
                .filter(|port| *port != 0)
                .ok_or(UrlError::Port)?,
            (None, Scheme::Http) => 80,
            (None, Scheme::Https) => 443,
            (None, Scheme::Udp) => return Err(UrlError::Port),
        };
        let is_bracketed = usize::from(authority.starts_with('['));
        let host_begin = begin.saturating_add(is_bracketed);
        Ok(Self {
            scheme_len: match scheme {
                Scheme::Udp => 3,
                Scheme::Http => 4,
                Scheme::Https => 5,
            },
            host: (host_begin, host_begin.saturating_add(host.len())),
            port,
            path: begin.saturating_add(authority_len),
            text: with_slash(
                text.split('#').next().unwrap_or(text),
                begin.saturating_add(authority_len),
            ),
        })
    }
}

/// An address whose query follows its host at once has no path: one that can be asked for has.
fn with_slash(text: &str, path: usize) -> String {
    match text.split_at_checked(path) {
        Some((front, query)) if query.starts_with('?') => alloc::format!("{front}/{query}"),
        _ => String::from(text),
    }
}

impl fmt::Debug for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} (path not shown)",
            self.scheme(),
            self.authority()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn url(text: &str) -> TrackerUrl {
        text.parse().expect("an address")
    }

    #[test]
    fn parts_are_found() {
        let one = url("http://tracker.example:6969/announce?key=s3cret#x");
        assert_eq!(
            (one.scheme(), one.host(), one.port(), one.path()),
            (
                Scheme::Http,
                "tracker.example",
                6969,
                "/announce?key=s3cret"
            )
        );
        assert_eq!(one.authority(), "tracker.example:6969");
        assert_eq!(one.scrape_path().as_deref(), Some("/scrape?key=s3cret"));
        let two = url("udp://[::1]:80");
        assert_eq!(
            (two.scheme(), two.host(), two.port(), two.path()),
            (Scheme::Udp, "::1", 80, "/")
        );
        assert_eq!(
            url("https://a/x/announce.php").scrape_path().as_deref(),
            Some("/x/scrape.php")
        );
        assert_eq!(url("https://a/a").scrape_path(), None);
        let bare = url("http://a:8080?key=x#y");
        assert_eq!(
            (bare.authority(), bare.path(), bare.as_str()),
            ("a:8080", "/?key=x", "http://a:8080/?key=x")
        );
        assert_eq!(url("http://a#y").path(), "/");
        assert_eq!(url("HTTPS://a").port(), 443);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let cases = [
            ("ftp://a/", UrlError::Scheme),
            ("announce", UrlError::Scheme),
            ("udp://a", UrlError::Port),
            ("udp://a:0", UrlError::Port),
            ("http://a:99999/", UrlError::Port),
            ("http://a:+80/", UrlError::Port),
            ("http:///x", UrlError::Host),
            ("http://me@a/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://a/\r\nX: y", UrlError::Character(9)),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<TrackerUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn keys_of_users_are_not_shown() {
        let shown = format!(
            "{:?}",
            url("http://t.example/s3cret/announce?passkey=s3cret")
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn where_asking_would_lead_is_told() {
        let risk = |host: &str| url(&format!("http://{host}/announce")).risk();
        assert_eq!(risk("tracker.example"), Risk::Name);
        assert_eq!(risk("127.0.0.1"), Risk::Loopback);
        assert_eq!(risk("[::1]"), Risk::Loopback);
        assert_eq!(risk("[::ffff:127.0.0.1]"), Risk::Loopback);
        assert_eq!(risk("10.1.2.3"), Risk::Private);
        assert_eq!(risk("169.254.169.254"), Risk::Private);
        assert_eq!(risk("[fe80::1]"), Risk::Private);
        assert_eq!(risk("203.0.113.1"), Risk::Global);
        assert_eq!(risk("0.0.0.0"), Risk::Unusable);
        assert_eq!(risk("224.0.0.1"), Risk::Unusable);
    }
}
