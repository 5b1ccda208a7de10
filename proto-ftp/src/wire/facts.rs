//! The facts of MLST and MLSD (RFC 3659 section 7).

use super::datetime::DateTime;

/// One fact: `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// Its name as it came; compare without regard to case.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// The facts of one entry, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    facts: &'a [u8],
    /// The name, with all its blanks.
    pub name: &'a [u8],
}

/// Parses `fact=value;fact=value; name`. Exactly one blank stands between facts and name; further
/// ones belong to the name. `None` when the line is not of that form.
#[must_use]
pub fn parse_facts(line: &[u8]) -> Option<Facts<'_>> {
    let at = memchr::memchr(b' ', line)?;
    let (facts, name) = line.split_at_checked(at)?;
    let name = name.get(1..)?;
    if name.is_empty() {
        return None;
    }
    let body = facts.strip_suffix(b";");
    if !facts.is_empty() {
        // A fact without `=`, or without its `;`, makes the line something else.
        let mut parts = body?.split(|octet| *octet == b';');
        if !parts.all(|part| memchr::memchr(b'=', part).is_some_and(|at| at > 0)) {
            return None;
        }
    }
    Some(Facts {
        facts: body.unwrap_or_default(),
        name,
    })
}

impl<'a> Facts<'a> {
    /// All facts in their order.
    pub fn iter(&self) -> impl Iterator<Item = Fact<'a>> + use<'a> {
        self.facts.split(|octet| *octet == b';').filter_map(|part| {
            let at = memchr::memchr(b'=', part)?;
            let (name, value) = part.split_at_checked(at)?;
            Some(Fact {
                name,
                value: value.get(1..)?,
            })
        })
    }

    /// The value of the first fact of that name, in any case of letters.
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter()
            .find(|fact| fact.name.eq_ignore_ascii_case(name))
            .map(|fact| fact.value)
    }

    /// `Modify`, when it is a valid time.
    #[must_use]
    pub fn modify(&self) -> Option<DateTime> {
        DateTime::parse(self.value(b"modify")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_blank_ends_the_facts() {
        let facts = parse_facts(b"Type=file;Size=3;modify=20000102030405;  a b").unwrap();
        assert_eq!(facts.name, b" a b");
        assert_eq!(facts.value(b"SIZE"), Some(&b"3"[..]));
        assert_eq!(facts.modify().unwrap().day, 2);
        assert_eq!(parse_facts(b" only").unwrap().iter().count(), 0);
        assert!(parse_facts(b"Type=file; ").is_none());
        assert!(parse_facts(b"Type=file name").is_none());
        assert!(parse_facts(b"Type;Size=3; name").is_none());
    }
}
