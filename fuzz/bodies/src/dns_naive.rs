//! A second reader of DNS messages: allocates freely, remembers nothing, follows each pointer anew.
//! What it accepts and what it reads is what the real one must accept and read.

/// Why a name could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The octets end inside its first fragment.
    Short,
    /// Anything else.
    Broken,
}

/// A record as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) owner: Vec<u8>,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<u8>,
}

/// A message as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) questions: Vec<(Vec<u8>, u16, u16)>,
    pub(crate) sections: [Vec<Record>; 3],
}

/// The name at `start` in uncompressed form, and where its first fragment ends.
///
/// RFC 1035 section 4.1.4: a pointer leads to a *prior* occurrence, so it must lead before the
/// fragment that it ends; at most 255 octets and 127 pointers.
pub(crate) fn name(octets: &[u8], start: usize) -> Result<(Vec<u8>, usize), Bad> {
    name_within(octets, octets.len(), start)
}

/// The same, when its first fragment has to end before `end`.
fn name_within(whole: &[u8], end: usize, start: usize) -> Result<(Vec<u8>, usize), Bad> {
    let mut octets = whole.get(..end).unwrap_or(whole);
    let (mut at, mut floor, mut behind, mut pointers) = (start, start, None, 0);
    let mut wire = Vec::new();
    let short = |behind: Option<usize>| match behind {
        None => Bad::Short,
        Some(_) => Bad::Broken,
    };
    loop {
        match *octets.get(at).ok_or_else(|| short(behind))? {
            0 => {
                wire.push(0);
                let behind = behind.unwrap_or(at + 1);
                return match wire.len() {
                    ..=255 => Ok((wire, behind)),
                    _ => Err(Bad::Broken),
                };
            }
            len @ 1..=63 => {
                let end = at + 1 + usize::from(len);
                wire.extend_from_slice(octets.get(at..end).ok_or_else(|| short(behind))?);
                at = end;
            }
            high @ 0xc0.. => {
                let low = *octets.get(at + 1).ok_or_else(|| short(behind))?;
                let target = usize::from(high & 0x3f) << 8 | usize::from(low);
                pointers += 1;
                if target >= floor || target < 12 || pointers > 127 {
                    return Err(Bad::Broken);
                }
                behind = behind.or(Some(at + 2));
                (at, floor) = (target, target);
                octets = whole;
            }
            _ => return Err(Bad::Broken),
        }
    }
}

/// The whole message, or nothing when a part of it is broken.
pub(crate) fn message(octets: &[u8]) -> Option<Message> {
    let word = |at: usize| Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?));
    let (mut read, mut at) = (Message::default(), 12);
    let counts = [word(4)?, word(6)?, word(8)?, word(10)?];
    if octets.len() > 65_535 {
        return None;
    }
    for _ in 0..counts[0] {
        let (wire, end) = name(octets, at).ok()?;
        read.questions.push((wire, word(end)?, word(end + 2)?));
        at = end + 4;
    }
    let mut opts = 0;
    for (section, count) in counts[1..].iter().enumerate() {
        for _ in 0..*count {
            let (owner, end) = name(octets, at).ok()?;
            let (rtype, class, len) = (word(end)?, word(end + 2)?, usize::from(word(end + 8)?));
            let mut ttl = u32::from(word(end + 4)?) << 16 | u32::from(word(end + 6)?);
            let start = end + 10;
            let data = octets.get(start..start + len)?;
            let until = start + len;
            match rtype {
                2..=5 | 7..=9 | 12 | 23 | 30 | 39 => names(octets, until, start, 1)?,
                15 | 18 | 21 | 36 => names(octets, until, start + 2, 1)?,
                6 | 14 | 17 => names(octets, until, start, 2)?,
                24 => names(octets, until, start + 18, 1)?,
                26 => names(octets, until, start + 2, 2)?,
                33 => names(octets, until, start + 6, 1)?,
                35 => {
                    // Two numbers and three strings stand before it.
                    let mut at = start + 4;
                    for _ in 0..3 {
                        at += 1 + data.get(at - start).map_or(until, |&len| usize::from(len));
                    }
                    if at <= until {
                        names(octets, until, at, 1)?;
                    }
                }
                41 => {
                    opts += 1;
                    if section != 2 || octets[at] != 0 || opts > 1 || !options_fit(data) {
                        return None;
                    }
                }
                _ => {}
            }
            if rtype != 41 && ttl > 0x7fff_ffff {
                ttl = 0;
            }
            at = start + len;
            read.sections[section].push(Record {
                owner,
                rtype,
                class,
                ttl,
                data: data.to_vec(),
            });
        }
    }
    Some(read)
}

/// Names in record data. One that runs over the end concerns its record alone.
fn names(octets: &[u8], until: usize, mut at: usize, count: usize) -> Option<()> {
    for _ in 0..count {
        match name_within(octets, until, at) {
            Ok((_, end)) => at = end,
            Err(Bad::Short) => return Some(()),
            Err(Bad::Broken) => return None,
        }
    }
    Some(())
}

/// Whether the data of OPT is a list of whole options.
pub(crate) fn options_fit(mut data: &[u8]) -> bool {
    while let Some((&[_, _, high, low], rest)) = data.split_first_chunk() {
        let Some(rest) = rest.get(usize::from(u16::from_be_bytes([high, low]))..) else {
            return false;
        };
        data = rest;
    }
    data.is_empty()
}
