//! DNS: reading and writing messages as they are sent every day.

mod messages;
mod ours;
mod zones;

#[cfg(feature = "dns-peers")]
mod domain;
#[cfg(feature = "dns-peers")]
mod hickory;
#[cfg(feature = "dns-peers")]
mod protocol;
#[cfg(feature = "dns-peers")]
mod simple;

pub use messages::{LABELS, chain, message};
pub use ours::Ours;

#[cfg(feature = "dns-peers")]
pub use domain::Domain;
#[cfg(feature = "dns-peers")]
pub use hickory::Hickory;
#[cfg(feature = "dns-peers")]
pub use protocol::Protocol;
#[cfg(feature = "dns-peers")]
pub use simple::Simple;

use crate::{Case, Job};

/// A library that reads and writes messages.
pub trait Library: 'static {
    /// Its name and version.
    const NAME: &'static str;
    /// A message ready to be written, in types of the library that own what they need.
    type Draft: 'static;

    /// Parses a message and looks at the fields of all its records by type: TTL, addresses,
    /// numbers, lengths of texts. Names are parsed as far as the library does so by itself.
    fn typed(octets: &[u8]) -> Option<u64>;

    /// The same, and every octet of every name.
    fn names(octets: &[u8]) -> Option<u64>;

    /// Prepares a message to be written.
    fn draft(octets: &[u8]) -> Self::Draft;

    /// Writes a message, compressed, into a buffer that is used again and again if the library
    /// allows that; gives its length.
    fn build(draft: &Self::Draft, buffer: &mut Vec<u8>) -> usize;
}

/// A library that can walk over records without looking into their data.
pub trait Walk: 'static {
    /// Its name and version.
    const NAME: &'static str;

    /// Types, TTLs and lengths of data of all records.
    fn walk(octets: &[u8]) -> Option<u64>;
}

/// What is told of a record: the sum of some of its numbers, so that all libraries can be compared.
#[derive(Clone, Copy, Debug, Default)]
struct Digest(u64);

impl Digest {
    fn add(&mut self, value: impl Into<u64>) {
        self.0 = self.0.wrapping_add(value.into());
    }

    fn add_len(&mut self, len: usize) {
        self.add(u64::try_from(len).unwrap_or(u64::MAX));
    }

    fn add_label(&mut self, label: &[u8]) {
        self.add(1_u8);
        for &octet in label {
            self.add(octet);
        }
    }

    fn add_v6(&mut self, octets: [u8; 16]) {
        let [.., a, b, c, d] = octets;
        self.add(u32::from_be_bytes([a, b, c, d]));
    }
}

/// All cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for label in LABELS {
        cases.push(walk_case(label));
    }
    for label in LABELS {
        cases.push(read_case("dns parse, typed", label, Reading::Typed));
    }
    for label in LABELS {
        cases.push(read_case("dns parse, names read", label, Reading::Names));
    }
    for label in LABELS {
        cases.push(build_case(label));
    }
    cases.push(chain_case());
    cases.push(zones::file_case());
    cases.push(zones::answer_case());
    cases
}

/// How much is read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Typed,
    Names,
}

#[cfg_attr(
    not(feature = "dns-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn walk_case(label: &str) -> Case {
    fn job<W: Walk>(label: &str) -> (&'static str, Job) {
        let octets = message(label);
        (W::NAME, Box::new(move || W::walk(&octets).unwrap_or(0)))
    }
    let mut jobs = vec![job::<Ours>(label)];
    #[cfg(feature = "dns-peers")]
    jobs.extend([job::<Domain>(label), job::<Protocol>(label)]);
    Case {
        group: "dns walk",
        name: label.into(),
        octets: None,
        jobs,
        is_comparable: true,
    }
}

fn read_job<L: Library>(octets: Vec<u8>, reading: Reading) -> (&'static str, Job) {
    let read = match reading {
        Reading::Typed => L::typed,
        Reading::Names => L::names,
    };
    (L::NAME, Box::new(move || read(&octets).unwrap_or(0)))
}

#[cfg_attr(
    not(feature = "dns-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn read_case(group: &'static str, label: &str, reading: Reading) -> Case {
    let octets = || message(label);
    let mut jobs = vec![read_job::<Ours>(octets(), reading)];
    #[cfg(feature = "dns-peers")]
    jobs.extend([
        read_job::<Domain>(octets(), reading),
        read_job::<Hickory>(octets(), reading),
        read_job::<Simple>(octets(), reading),
    ]);
    Case {
        group,
        name: label.into(),
        octets: None,
        jobs,
        is_comparable: true,
    }
}

#[cfg_attr(
    not(feature = "dns-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn build_case(label: &str) -> Case {
    fn job<L: Library>(label: &str) -> (&'static str, Job) {
        let draft = L::draft(&message(label));
        let mut buffer = Vec::with_capacity(4096);
        let build = move || u64::try_from(L::build(&draft, &mut buffer)).unwrap_or(0);
        (L::NAME, Box::new(build))
    }
    let mut jobs = vec![job::<Ours>(label)];
    #[cfg(feature = "dns-peers")]
    jobs.extend([
        job::<Domain>(label),
        job::<Hickory>(label),
        job::<Simple>(label),
    ]);
    Case {
        group: "dns build, compressed",
        name: label.into(),
        octets: None,
        jobs,
        // Some compress better than others.
        is_comparable: false,
    }
}

/// The worst that a peer can send: 64 KiB in which every name is a chain of pointers.
#[cfg_attr(
    not(feature = "dns-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn chain_case() -> Case {
    let mut jobs = vec![read_job::<Ours>(chain(), Reading::Typed)];
    #[cfg(feature = "dns-peers")]
    jobs.extend([
        read_job::<Domain>(chain(), Reading::Typed),
        read_job::<Hickory>(chain(), Reading::Typed),
        read_job::<Simple>(chain(), Reading::Typed),
    ]);
    Case {
        group: "dns parse, worst case",
        name: "64 KiB of pointer chains".into(),
        octets: None,
        jobs,
        // Some refuse it.
        is_comparable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_reads_the_same() {
        fn check<L: Library>(label: &str) {
            let octets = message(label);
            let mut buffer = Vec::new();
            let len = L::build(&L::draft(&octets), &mut buffer);
            assert_eq!(
                Ours::names(&buffer[..len]),
                Ours::names(&octets),
                "{} {label}",
                L::NAME
            );
        }
        for label in LABELS {
            check::<Ours>(label);
            #[cfg(feature = "dns-peers")]
            {
                check::<Domain>(label);
                check::<Hickory>(label);
                check::<Simple>(label);
            }
        }
    }
}
