//! `SASLprep`: names and passwords in one form, whatever keyboard they were typed on (RFC 4013).

use super::unassigned::is_unassigned;
use alloc::borrow::Cow;
use alloc::string::String;
use unicode_bidi::{BidiClass, bidi_class};
use unicode_normalization::UnicodeNormalization;

/// A character that cannot stand in a name or a password, or characters that read from the right
/// and from the left in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name or a password that SASLprep allows")]
pub struct Prohibited;

/// Brings a name or a password into the form in which it is compared and hashed.
///
/// Blanks of all kinds become the one of ASCII, soft hyphens and the like vanish, compatible
/// characters become the same (NFKC). ASCII without controls stays as it is. Characters that
/// Unicode 3.2 did not know are let through, as RFC 3454 section 7 has it for queries: what a client
/// sends, and what it is compared with. For what is to be kept there is
/// [`saslprep_stored`].
///
/// # Errors
///
/// [`Prohibited`].
pub fn saslprep(text: &str) -> Result<Cow<'_, str>, Prohibited> {
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return Ok(Cow::Borrowed(text));
    }
    // RFC 4013 section 2.1 and 2.2.
    let mapped = text
        .chars()
        .map(|it| if is_other_blank(it) { ' ' } else { it })
        .filter(|&it| !is_nothing(it));
    let text: String = mapped.nfkc().collect();
    // Section 2.3.
    if text.chars().any(is_prohibited) {
        return Err(Prohibited);
    }
    // Section 2.4, and RFC 3454 section 6.
    let from_right = |it| matches!(bidi_class(it), BidiClass::R | BidiClass::AL);
    if text.chars().any(from_right) {
        let is_mixed = text.chars().any(|it| bidi_class(it) == BidiClass::L);
        let (first, last) = (text.chars().next(), text.chars().next_back());
        if is_mixed || !first.is_some_and(from_right) || !last.is_some_and(from_right) {
            return Err(Prohibited);
        }
    }
    Ok(Cow::Owned(text))
}

/// As [`saslprep`], for a name or a password that is given to a user, and has to be the same
/// whatever Unicode comes to say of its characters (RFC 4013 section 2.5).
///
/// # Errors
///
/// [`Prohibited`], also for characters that Unicode 3.2 did not know: emoji, for instance.
pub fn saslprep_stored(text: &str) -> Result<Cow<'_, str>, Prohibited> {
    match text.chars().any(is_unassigned) {
        true => Err(Prohibited),
        false => saslprep(text),
    }
}

/// RFC 3454 table C.1.2.
fn is_other_blank(it: char) -> bool {
    matches!(
        it,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// RFC 3454 table B.1.
fn is_nothing(it: char) -> bool {
    matches!(
        it,
        '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// RFC 3454 tables C.1.2, C.2.1, C.2.2, C.3, C.4, C.6, C.7, C.8, C.9; surrogates (C.5) are no
/// `char`.
fn is_prohibited(it: char) -> bool {
    let is_control = matches!(
        it,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200c}' | '\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{1d173}'..='\u{1d17a}'
    );
    let is_private = matches!(
        it,
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}'
    );
    // The last two of each plane, and 32 more.
    let is_no_character = u32::from(it) & 0xfffe == 0xfffe || matches!(it, '\u{fdd0}'..='\u{fdef}');
    let is_layout = matches!(
        it,
        '\u{2ff0}'..='\u{2ffb}' | '\u{340}' | '\u{341}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
    );
    is_control || is_private || is_no_character || is_layout || is_other_blank(it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4013() {
        for (typed, prepared) in [
            ("I\u{ad}X", Ok("IX")),
            ("user", Ok("user")),
            ("USER", Ok("USER")),
            ("\u{aa}", Ok("a")),
            ("\u{2168}", Ok("IX")),
            ("\u{7}", Err(Prohibited)),
            ("\u{627}\u{31}", Err(Prohibited)),
        ] {
            let found = saslprep(typed);
            assert_eq!(
                found.as_deref().map_err(|error| *error),
                prepared,
                "{typed:?}"
            );
        }
    }

    #[test]
    fn what_unicode_3_2_did_not_know_may_be_asked_for_but_not_stored() {
        for typed in ["\u{1f980}", "a\u{221}", "\u{20ba}"] {
            assert_eq!(saslprep(typed).as_deref(), Ok(typed));
            assert_eq!(saslprep_stored(typed), Err(Prohibited), "{typed:?}");
        }
        for (typed, prepared) in [("user", "user"), ("I\u{ad}X", "IX"), ("\u{2168}", "IX")] {
            assert_eq!(saslprep_stored(typed).as_deref(), Ok(prepared));
        }
        assert_eq!(saslprep_stored("\u{7}"), Err(Prohibited));
    }

    #[test]
    fn blanks_become_one_and_mixed_directions_none() {
        for (typed, prepared) in [
            ("a\u{a0}b\u{3000}c\u{200b}", Ok("a b c ")),
            ("\u{627}\u{31}\u{628}", Ok("\u{627}1\u{628}")),
            ("a\u{627}", Err(Prohibited)),
            ("\u{200e}a", Err(Prohibited)),
            ("\u{e000}", Err(Prohibited)),
            ("\u{1fffe}", Err(Prohibited)),
            ("p\u{e4}ssw\u{f6}rd", Ok("p\u{e4}ssw\u{f6}rd")),
            ("pa\u{308}ss", Ok("p\u{e4}ss")),
            ("", Ok("")),
        ] {
            let found = saslprep(typed);
            assert_eq!(
                found.as_deref().map_err(|error| *error),
                prepared,
                "{typed:?}"
            );
        }
    }
}
