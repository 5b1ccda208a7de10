//! Fields of others, with the values that others read in them.

use crate::vectors;
use proto_mail::message::{Address, Field, Mailbox};
use serde_json::{Value, json};
use std::fs;

/// The rows of a file of mail-parser: a field's value, and what it is.
fn rows(file: &str) -> Vec<(String, Value)> {
    let Some(folder) = vectors("messages/mail-parser/fields") else {
        return Vec::new();
    };
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap();
    rows.into_iter()
        .map(|row| {
            (
                row["header"].as_str().unwrap().to_owned(),
                row["expected"].clone(),
            )
        })
        .collect()
}

/// Reads each row with `read` and compares; `differences` are the values of the rows, from their front,
/// that we read in another way, and why.
fn compare(file: &str, differences: &[(&str, &str)], read: impl Fn(&Field<'_>) -> Value) {
    let mut wrong = Vec::new();
    for (header, expected) in rows(file) {
        let raw = format!("X: {header}");
        let field = Field::parse(raw.as_bytes()).unwrap();
        let ours = read(&field);
        let is_listed = differences
            .iter()
            .any(|(listed, _)| header.starts_with(listed));
        if is_listed == (ours == expected) {
            wrong.push(format!(
                "{header:?}\n  ours   {ours}\n  theirs {expected}\n  listed {is_listed}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name with the comment behind it, as mail-parser gives it.
fn mailbox(mailbox: &Mailbox) -> Value {
    let address = mailbox.addr_spec();
    json!({"name": mailbox.display_name(), "address": (!address.is_empty()).then_some(address)})
}

#[test]
fn addresses_are_read_as_mail_parser_reads_them() {
    let comments = "RFC 5322 section 3.2.2: a comment is no part of a name; `display_name` uses one \
                    only where there is no name";
    let differences = [
        ("Pete(A nice", comments),
        ("A Group(Some people)", comments),
        ("John Doe <jdoe@machine(comment).  example>", comments),
        ("Nathaniel Borenstein", comments),
        ("Name (comment)", comments),
    ];
    compare("address.json", &differences, |field| {
        let list = field.addresses();
        let is_grouped = list
            .entries
            .iter()
            .any(|entry| matches!(entry, Address::Group { .. }));
        if !is_grouped {
            return json!({"List": list.mailboxes().map(mailbox).collect::<Vec<_>>()});
        }
        let mut groups: Vec<Value> = Vec::new();
        let mut is_open = false;
        for entry in &list.entries {
            match entry {
                Address::Group { name, members } => {
                    let name = proto_mail::message::encoded_word::decode(name);
                    groups.push(json!({"name": name, "addresses": members.iter().map(mailbox).collect::<Vec<_>>()}));
                    is_open = false;
                }
                Address::Mailbox(single) => {
                    if !is_open {
                        groups.push(json!({"name": null, "addresses": []}));
                        is_open = true;
                    }
                    groups.last_mut().unwrap()["addresses"]
                        .as_array_mut()
                        .unwrap()
                        .push(mailbox(single));
                }
            }
        }
        json!({"Group": groups})
    });
}

#[test]
fn dates_are_read_as_mail_parser_reads_them() {
    let differences = [
        (
            " 4 8 15 16 23 42,",
            "seconds follow a colon (RFC 5322 section 3.3); 42 is no zone",
        ),
        (
            "Tue, 1 Jul 2003 ((invalid)\ncomment)",
            "a line end inside of a value is white space here",
        ),
    ];
    compare("date.json", &differences, |field| match field.date() {
        Err(_) => Value::Null,
        Ok(date) => {
            let offset = date.offset().unsigned_abs();
            json!({
                "year": date.year(), "month": date.month(), "day": date.day(),
                "hour": date.hour(), "minute": date.minute(), "second": date.second(),
                "tz_before_gmt": date.offset() < 0, "tz_hour": offset / 60, "tz_minute": offset % 60,
            })
        }
    });
}

#[test]
fn media_types_are_read_as_mail_parser_reads_them() {
    let no_type = "RFC 2045 section 5.1: a media type has a type and a subtype, which are tokens";
    let differences = [
        (
            "image/jpeg;\n   name=\"=?iso",
            "RFC 2047 section 6.2: blanks between encoded words are not shown",
        ),
        ("name=value", no_type),
        ("text/;", no_type),
    ];
    compare("content_type.json", &differences, |field| {
        let (kind, subtype, params) = match field.content_type() {
            Some(parsed) => (
                parsed.kind().to_owned(),
                Some(parsed.subtype().to_owned()),
                parsed.params().clone(),
            ),
            None if field.raw_value().contains(&b'/') => return Value::Null,
            None => match field.disposition() {
                Some(parsed) => (parsed.kind().to_owned(), None, parsed.params().clone()),
                None => return Value::Null,
            },
        };
        let mut attributes = Vec::new();
        for param in params.iter() {
            if let Some(language) = param.language() {
                attributes.push(json!([format!("{}-language", param.name()), language]));
            }
            attributes.push(json!([param.name(), param.text()]));
        }
        // One row has no attributes, others have null.
        if field.raw_value().starts_with(b" \n text/plain") {
            return json!({"c_type": kind, "c_subtype": subtype});
        }
        let attributes = if attributes.is_empty() {
            Value::Null
        } else {
            Value::Array(attributes)
        };
        json!({"c_type": kind, "c_subtype": subtype, "attributes": attributes})
    });
}

#[test]
fn ids_are_read_as_mail_parser_reads_them() {
    compare("id.json", &[], |field| json!(field.message_ids()));
}

#[test]
fn text_is_read_as_mail_parser_reads_it() {
    let folds = "RFC 5322 section 2.2.3: unfolding takes out line ends and leaves white space";
    let blanks = "no blank is added between text and an encoded word";
    let differences = [
        (" Fwd: ", folds),
        (" from x.y.test", folds),
        ("=?utf-8?Q?Hello\n", folds),
        ("=?utf-8?Q?Hello\r\n", folds),
        ("Some text =?utf-8?Q??=here", blanks),
        ("[SUSPECTED SPAM]=?", blanks),
    ];
    compare("unstructured.json", &differences, |field| {
        json!(field.text())
    });
}

#[test]
fn lists_are_read_as_mail_parser_reads_them() {
    let folds = "RFC 5322 section 2.2.3: unfolding takes out line ends and leaves white space";
    compare("list.json", &[("multi \r\n list", folds)], |field| {
        json!(field.phrases())
    });
}

#[test]
fn traces_are_read_as_mail_parser_reads_them() {
    let mut wrong = Vec::new();
    let rows = rows("received.json");
    let many = rows.len();
    if many == 0 {
        return;
    }
    for (header, expected) in rows {
        let raw = format!("Received: {header}");
        let received = Field::parse(raw.as_bytes()).unwrap().received();
        let host = |value: &Value| {
            let host = value.get("Name").or(value.get("IpAddr"));
            host.and_then(Value::as_str).map(str::to_owned)
        };
        let word = |value: &Value| value.as_str().map(str::to_owned);
        for (what, ours, theirs) in [
            ("from", &received.from, host(&expected["from"])),
            ("by", &received.by, host(&expected["by"])),
            ("id", &received.id, word(&expected["id"])),
            ("for", &received.recipient, word(&expected["for_"])),
            ("via", &received.via, word(&expected["via"])),
        ] {
            if *ours != theirs {
                wrong.push(format!("{what} {ours:?} {theirs:?} of {header:.60}"));
            }
        }
        let year = received.date.map(|date| u64::from(date.year()));
        if year != expected["date"]["year"].as_u64() {
            wrong.push(format!(
                "date {year:?} {} of {header:.60}",
                expected["date"]
            ));
        }
    }
    // What we read in another way, by the front of the line that says so.
    let differences = [
        ("id Some(\"EE/20", "a slash may stand in an id"),
        ("id Some(\"52/92", "a slash may stand in an id"),
        (
            "date Some(2004)",
            "RFC 5322 section 4.3: years of two digits are of 1950 to 2049",
        ),
        ("date Some(2003)", "the same"),
        ("date Some(2005)", "a date in the form of asctime"),
        (
            "for None Some(\"asrg",
            "what stands behind the date is no clause",
        ),
        (
            "date None {\"day\":21",
            "`_` in front of the name of a day makes it none",
        ),
        ("date None {\"day\":2,", "a date in a form that no RFC has"),
        (
            "from None Some(\"username",
            "what stands in a comment is no clause",
        ),
    ];
    for (listed, _) in differences {
        assert!(
            wrong.iter().any(|what| what.starts_with(listed)),
            "{listed} is no difference any more"
        );
    }
    wrong.retain(|what| {
        !differences
            .iter()
            .any(|(listed, _)| what.starts_with(listed))
    });
    assert!(
        wrong.is_empty(),
        "{} in {many}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
