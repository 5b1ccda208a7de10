//! Seeds of messages.

use super::Seed;

const MESSAGES: [&str; 4] = [
    "From: Alice <alice@crepes.fr>\r\nTo: bob@hamburger.edu\r\nSubject: Searching for the meaning of life.\r\n\r\nDo you like ketchup?\r\n",
    "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nbody\r\n--b--\r\nepilogue",
    "Content-Type: multipart/digest; boundary=out\n\n--out\n\nSubject: one\n\n1\n--out\n\nContent-Type: multipart/alternative; boundary=in\n\n--in\n\na\n--in--\n--out--\n",
    "a\r\n b: c\r\nContent-Type : multipart/x; boundary=x--\r\n\r\n--x--\r\n--x----\r\n\r--x\n-",
];
/// A field, and the target that its value is for.
const FIELDS: [(&str, &str); 6] = [
    (
        "mail_words",
        "Subject: =?utf-8?q?caf=C3=A9?= =?iso-8859-1?b?6Q==?=\r\n and more\r\n",
    ),
    (
        "mail_date",
        "Date: Fri, 21 Nov 1997 09(comment):55:06 -0600\r\n",
    ),
    (
        "mail_addresses",
        "To: A Group:Ed Jones <joe@where.test>,\"J \\\" D\" <@a,@b:jdoe@one.test>;, (c) pete@silly.test\r\n",
    ),
    (
        "mail_words",
        "Content-Type: text/plain; charset*0*=us-ascii'en'a%20b; charset*1=c; name=\"a\\\"b\"\r\n",
    ),
    (
        "mail_words",
        "Content-Disposition: attachment; filename*=utf-8''..%2F..%2Fetc%2Fpasswd\r\n",
    ),
    ("mail_words", "References: <1@a> <2@b>\r\n\t<3@c>\r\n"),
];

/// All of them.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (number, message) in MESSAGES.iter().enumerate() {
        for choice in 0..2 {
            let data = [&[choice, 40, 0], message.as_bytes()].concat();
            seeds.push(("mail_message", format!("message-{number}-{choice}"), data));
        }
    }
    for (number, (target, field)) in FIELDS.into_iter().enumerate() {
        let (_, value) = field.split_once(": ").unwrap();
        seeds.push((
            "mail_field",
            format!("field-{number}"),
            field.as_bytes().to_vec(),
        ));
        seeds.push((target, format!("value-{number}"), value.as_bytes().to_vec()));
    }
    seeds.push((
        "mail_date",
        "asctime".to_owned(),
        b"Fri Nov 21 09:55:06 1997".to_vec(),
    ));
    seeds.push((
        "mail_transfer",
        "base64".to_owned(),
        b"\x01\x05RG8geW91\r\nIGxpa2Uga2V0Y2h1cD8=".to_vec(),
    ));
    seeds.push((
        "mail_transfer",
        "quoted".to_owned(),
        b"\x00\x07Do you=20like=\r\n ketchup=3F  \r\n".to_vec(),
    ));
    seeds
}
