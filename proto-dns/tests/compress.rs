//! Compression against the plainest compressor there is: what a `Builder` writes is as short, and
//! reads back as what went in, in any order of names and from any kind of source.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use netio::sim::Rng;
use proto_dns::wire::{Builder, Class, Flags, Message, Mx, Name, NameRef, RData, Section, Soa};
use std::collections::BTreeMap;

/// Remembers each suffix, and points at it as soon as it can.
#[derive(Default)]
struct Plain {
    len: usize,
    suffixes: BTreeMap<Vec<u8>, usize>,
}

impl Plain {
    fn name(&mut self, name: &Name) {
        let mut rest = name.as_wire();
        while rest.len() > 1 {
            if self.suffixes.contains_key(rest) {
                self.len += 2;
                return;
            }
            if self.len < 0x4000 {
                self.suffixes.insert(rest.to_vec(), self.len);
            }
            let label = usize::from(rest[0]) + 1;
            self.len += label;
            rest = &rest[label..];
        }
        self.len += 1;
    }
}

/// Names over few labels, so that most have much in common.
fn name(rng: &mut Rng) -> Name {
    let labels = [
        "a",
        "b",
        "A",
        "ns1",
        "ns2",
        "www",
        "example",
        "com",
        "net",
        "gtld-servers",
    ];
    let count = rng.below(5);
    let labels = (0..count).map(|_| labels[rng.below(labels.len() as u64) as usize].as_bytes());
    Name::from_labels(labels).unwrap()
}

enum Data {
    Ns(Name),
    Mx(Name),
    Soa(Name, Name),
    A,
}

#[test]
fn output_is_as_short_as_that_of_an_encoder_that_forgets_nothing() {
    let mut rng = Rng::new(17);
    for round in 0..2000 {
        let mut plain = Plain {
            len: 12,
            ..Plain::default()
        };
        let records: Vec<(Name, Data)> = (0..1 + rng.below(12))
            .map(|_| {
                let owner = name(&mut rng);
                let data = match rng.below(4) {
                    0 => Data::Ns(name(&mut rng)),
                    1 => Data::Mx(name(&mut rng)),
                    2 => Data::Soa(name(&mut rng), name(&mut rng)),
                    _ => Data::A,
                };
                (owner, data)
            })
            .collect();
        let mut buffer = vec![0; 8192];
        let mut builder = Builder::new(&mut buffer, 7, Flags::QR).unwrap();
        for (owner, data) in &records {
            plain.name(owner);
            plain.len += 10;
            let data = match data {
                Data::Ns(name) => {
                    plain.name(name);
                    RData::Ns(name.view())
                }
                Data::Mx(name) => {
                    plain.len += 2;
                    plain.name(name);
                    RData::Mx(Mx {
                        preference: 1,
                        exchange: name.view(),
                    })
                }
                Data::Soa(mname, rname) => {
                    plain.name(mname);
                    plain.name(rname);
                    plain.len += 20;
                    RData::Soa(Soa {
                        mname: mname.view(),
                        rname: rname.view(),
                        serial: 1,
                        refresh: 2,
                        retry: 3,
                        expire: 4,
                        minimum: 5,
                    })
                }
                Data::A => {
                    plain.len += 4;
                    RData::A([192, 0, 2, 1].into())
                }
            };
            builder
                .push(Section::Answer, owner.view(), Class::IN, 60, &data)
                .unwrap();
        }
        let built = builder.finish().to_vec();
        assert_eq!(built.len(), plain.len, "round {round}");
        let message = Message::parse(&built).unwrap();
        let wire = |name: NameRef<'_>| name.to_name().as_wire().to_vec();
        for (record, (owner, data)) in message.answers().zip(&records) {
            assert_eq!(wire(record.owner), owner.as_wire(), "letter by letter");
            match (record.data().unwrap(), data) {
                (RData::Ns(name), Data::Ns(wanted)) => assert_eq!(wire(name), wanted.as_wire()),
                (RData::Mx(mx), Data::Mx(wanted)) => {
                    assert_eq!(wire(mx.exchange), wanted.as_wire())
                }
                (RData::Soa(soa), Data::Soa(mname, rname)) => {
                    assert_eq!(wire(soa.mname), mname.as_wire());
                    assert_eq!(wire(soa.rname), rname.as_wire());
                }
                (RData::A(_), Data::A) => {}
                _ => panic!("another type"),
            }
        }
        // From a message, whose names are in pieces, comes the same.
        let mut buffer = vec![0; 8192];
        let mut again = Builder::new(&mut buffer, 7, Flags::QR).unwrap();
        for record in message.answers() {
            let data = record.data().unwrap();
            again
                .push(Section::Answer, record.owner, Class::IN, 60, &data)
                .unwrap();
        }
        assert_eq!(again.finish(), built);
    }
}

#[test]
fn a_record_that_was_taken_back_leaves_no_name_to_point_at() {
    let mut rng = Rng::new(18);
    for _ in 0..2000 {
        let mut buffer = vec![0; 40 + rng.below(200) as usize];
        let mut builder = Builder::new(&mut buffer, 7, Flags::QR).unwrap();
        let mut kept = Vec::new();
        for _ in 0..10 {
            let (owner, host) = (name(&mut rng), name(&mut rng));
            let data = RData::Ns(host.view());
            let wanted = rng.below(3) > 0;
            let pushed = builder.all_or_nothing(|builder| {
                builder.push(Section::Answer, owner.view(), Class::IN, 60, &data)?;
                if wanted {
                    Ok(())
                } else {
                    Err(proto_dns::BuildError::Full)
                }
            });
            if pushed.is_ok() {
                kept.push((owner, host));
            }
        }
        let built = builder.finish();
        let message = Message::parse(built).unwrap();
        assert_eq!(message.answers().count(), kept.len());
        for (record, (owner, host)) in message.answers().zip(&kept) {
            assert_eq!(record.owner.to_name().as_wire(), owner.as_wire());
            assert_eq!(record.data(), Ok(RData::Ns(host.view())));
        }
    }
}
