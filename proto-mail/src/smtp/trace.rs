//! What a server adds to a message that it passes on, and how it sees that one goes in circles
//! (RFC 5321 sections 4.4 and 6.3).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// A `Received:` field.
///
/// ```text
/// Received: from crepes.fr ([192.0.2.1])
///     by hamburger.edu with ESMTPS id 42;
///     Tue, 14 Nov 2023 22:13:20 +0000
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The name that the client gave with HELO, EHLO or LHLO.
    pub hello: &'a [u8],
    /// Where it came from.
    pub peer: Option<IpAddr>,
    /// This server.
    pub host: &'a str,
    /// How it came (RFC 3848): see [`with`](Self::with).
    pub with: &'static str,
    /// How this server calls the message.
    pub id: &'a str,
    /// When, as time since 1970.
    pub unix: Duration,
}

impl Received<'_> {
    /// The keyword of RFC 3848 for a transmission.
    #[must_use]
    pub fn with(is_lmtp: bool, is_extended: bool, has_tls: bool, has_login: bool) -> &'static str {
        match (is_lmtp, has_tls, has_login) {
            (true, false, false) => "LMTP",
            (true, true, false) => "LMTPS",
            (true, false, true) => "LMTPA",
            (true, true, true) => "LMTPSA",
            (false, true, true) => "ESMTPSA",
            (false, true, false) => "ESMTPS",
            (false, false, true) => "ESMTPA",
            (false, false, false) if is_extended => "ESMTP",
            _ => "SMTP",
        }
    }

    /// The field, CRLF at its end. What the client said cannot break out of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let peer = self.peer.map(|peer| match peer {
            IpAddr::V4(peer) => format!(" ([{peer}])"),
            IpAddr::V6(peer) => format!(" ([IPv6:{peer}])"),
        });
        format!(
            "Received: from {}{}\r\n\tby {} with {} id {};\r\n\t{}\r\n",
            atom(self.hello),
            peer.unwrap_or_default(),
            atom(self.host.as_bytes()),
            self.with,
            atom(self.id.as_bytes()),
            date(self.unix),
        )
        .into_bytes()
    }
}

/// At most 255 octets that neither end a line nor open a comment.
fn atom(text: &[u8]) -> String {
    let clean = text.iter().take(255).map(|&octet| match octet {
        b'(' | b')' | b'\\' | b';' | b'"' | b'<' | b'>' => '?',
        b'!'..=b'~' => char::from(octet),
        _ => '?',
    });
    let clean: String = clean.collect();
    if clean.is_empty() { "?".into() } else { clean }
}

/// Counts the `Received:` fields of a message as it streams by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hops {
    count: u32,
    /// Octets of the line at hand, as far as they matter.
    column: usize,
    is_match: bool,
    is_body: bool,
}

impl Hops {
    /// How many are too many (RFC 5321 section 6.3: at least 100 in all).
    pub const MAX: u32 = 100;

    const NAME: &'static [u8; 9] = b"received:";

    /// Stands before the first octet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_match: true,
            ..Self::default()
        }
    }

    /// The next part of the message, in any cuts.
    pub fn feed(&mut self, text: &[u8]) {
        for &octet in text {
            if self.is_body {
                return;
            }
            match octet {
                b'\n' if self.column == 0 => self.is_body = true,
                b'\n' => {
                    self.column = 0;
                    self.is_match = true;
                }
                b'\r' => {}
                octet => {
                    let wanted = Self::NAME.get(self.column).copied();
                    self.is_match &= wanted == Some(octet.to_ascii_lowercase());
                    self.column = self.column.saturating_add(1);
                    if self.is_match && self.column == Self::NAME.len() {
                        self.count = self.count.saturating_add(1);
                    }
                }
            }
        }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether the message goes in circles.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        self.count > Self::MAX
    }
}

/// A date as RFC 5322 section 3.3 wants it, in UTC, of a time since 1970.
#[must_use]
pub fn date(unix: Duration) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    // Beyond the year 9999 there is no such form.
    let unix = unix.as_secs().min(253_402_300_799);
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    // Years that begin in March, counted from the year 0: the leap day is the last one then.
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let leaps = (of_era / 1460)
        .saturating_add(of_era / 146_096)
        .saturating_sub(of_era / 36_524);
    let year_of_era = of_era.saturating_sub(leaps) / 365;
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100);
    let of_year = of_era.saturating_sub(before);
    let month = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year
        .saturating_sub(month.saturating_mul(153).saturating_add(2) / 5)
        .saturating_add(1);
    let year = era
        .saturating_mul(400)
        .saturating_add(year_of_era)
        .saturating_add(u64::from(month >= 10));
    let name = |names: &[&'static str], index: u64| {
        let index = usize::try_from(index).unwrap_or(0);
        names.get(index).copied().unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} +0000",
        name(&DAYS, days % 7),
        name(&MONTHS, month.saturating_add(2) % 12),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(date(Duration::from_secs(unix)), text);
        }
    }

    #[test]
    fn row_20_fields_are_counted_in_any_cuts_and_in_the_header_only() {
        let text = b"Received: a\r\n\tReceived: folded\r\nreceived:b\nX-Received: c\r\nRECEIVED:\r\n\r\nReceived: d\r\n";
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            let mut hops = Hops::new();
            hops.feed(head);
            hops.feed(tail);
            assert_eq!(hops.count(), 3, "{cut}");
        }
        let mut hops = Hops::new();
        for _ in 0..Hops::MAX {
            hops.feed(b"Received: x\r\n");
        }
        assert!(!hops.is_loop());
        hops.feed(b"Received: x\r\n");
        assert!(hops.is_loop());
    }

    #[test]
    fn a_client_cannot_write_into_the_field() {
        let field = Received {
            hello: b"evil\r\nBcc: eve (x",
            peer: Some(IpAddr::from([192, 0, 2, 1])),
            host: "hamburger.edu",
            with: Received::with(false, true, true, false),
            id: "42",
            unix: Duration::from_secs(1_700_000_000),
        };
        assert_eq!(
            String::from_utf8(field.encode()).unwrap(),
            "Received: from evil??Bcc:?eve??x ([192.0.2.1])\r\n\tby hamburger.edu with ESMTPS id 42;\r\n\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
        );
    }
}
