//! Questions (RFC 1035 section 4.1.2).

use super::code::{Class, Type};
use super::name::Name;
use super::name_ref::NameRef;
use core::fmt;

/// A question of one's own: what is to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// QNAME.
    pub name: Name,
    /// QTYPE.
    pub qtype: Type,
    /// QCLASS.
    pub qclass: Class,
}

impl Question {
    /// A question in the class IN.
    #[must_use]
    pub const fn new(name: Name, qtype: Type) -> Self {
        Self {
            name,
            qtype,
            qclass: Class::IN,
        }
    }

    /// The same question, borrowed.
    #[must_use]
    pub fn view(&self) -> QuestionRef<'_> {
        QuestionRef {
            name: self.name.view(),
            qtype: self.qtype,
            qclass: self.qclass,
        }
    }
}

/// A question that stands in a message. Comparing ignores the case of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuestionRef<'a> {
    /// QNAME.
    pub name: NameRef<'a>,
    /// QTYPE.
    pub qtype: Type,
    /// QCLASS.
    pub qclass: Class,
}

impl QuestionRef<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_question(&self) -> Question {
        Question {
            name: self.name.to_name(),
            qtype: self.qtype,
            qclass: self.qclass,
        }
    }
}

impl fmt::Display for QuestionRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.name, self.qclass, self.qtype)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
