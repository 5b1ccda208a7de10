//! Side by side with named peers, in one run.
//!
//! A [`Case`] is one piece of work, done by us and by whoever else can do it on the same octets.
//! The same cases are run by the divan benches, by the instruction counts and by the bin `ratios`,
//! which prints the table of ratios.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run may stop"
)]

pub mod bittorrent;
mod corpus;
pub mod dns;
pub mod ftp;
pub mod http2;
pub mod idle;
pub mod measure;
pub mod message;
pub mod pop3;
pub mod smtp;

/// Work to be repeated. What it returns depends on all that it did, so that nothing is optimised
/// away and peers can be compared.
pub type Job = Box<dyn FnMut() -> u64>;

/// One piece of work, done by several.
pub struct Case {
    /// What kind of work it is.
    pub group: &'static str,
    /// On what.
    pub name: String,
    /// Octets that one repetition handles, where throughput is the point.
    pub octets: Option<u64>,
    /// Who does it; we come first.
    pub jobs: Vec<(&'static str, Job)>,
    /// Whether all jobs return the same, so that a test can hold them against each other.
    pub is_comparable: bool,
}

impl core::fmt::Debug for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.group, self.name)
    }
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = dns::cases();
    cases.extend(http2::cases());
    cases.extend(pop3::cases());
    cases.extend(message::cases());
    cases.extend(bittorrent::cases());
    cases.extend(smtp::cases());
    cases.extend(ftp::cases());
    cases.extend(idle::cases());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_sees_what_we_see() {
        let cases = dns::cases().into_iter().chain(http2::cases());
        let cases = cases.chain(bittorrent::small_cases());
        for mut case in cases.chain(smtp::small_cases()) {
            let told = format!("{case:?}");
            let mut jobs = case.jobs.iter_mut();
            let (_, ours) = jobs.next().expect("we come first");
            let expected = ours();
            assert_ne!(expected, 0, "{told} does nothing");
            for (peer, job) in jobs.filter(|_| case.is_comparable) {
                assert_eq!(job(), expected, "{told}: {peer}");
            }
        }
    }

    /// Ours is first.
    #[test]
    fn headers_are_compressed_as_well_as_by_nghttp2() {
        let sizes = http2::encoded_sizes();
        if let [(_, ours), (_, nghttp2), ..] = sizes[..] {
            assert!(ours <= nghttp2, "{sizes:?}");
        }
    }

    #[test]
    fn listings_are_read_the_same() {
        for mut case in ftp::cases() {
            let told = format!("{case:?}");
            let seen: Vec<u64> = case.jobs.iter_mut().map(|(_, job)| job()).collect();
            assert!(
                seen.iter().all(|sum| *sum == seen[0] && *sum > 0),
                "{told}: {seen:?}"
            );
        }
    }

    #[test]
    fn sessions_do_their_work() {
        for mut case in pop3::small_cases().into_iter().chain(smtp::small_cases()) {
            for (who, job) in &mut case.jobs {
                assert_ne!(job(), 0, "{who}");
            }
        }
    }
}
