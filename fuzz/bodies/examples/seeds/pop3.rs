//! Lines of both sides, and texts with dots.

use super::Seed;

const COMMANDS: &[u8] = b"CAPA\r\nSTLS\r\nUSER bob\r\nPASS hungry dog\r\nAPOP bob c4c9334bac560ecc979e58001b3e22fb\r\n\
AUTH\r\nAUTH PLAIN AGJvYgBodW5ncnk=\r\nAUTH PLAIN =\r\nAGJvYgBodW5ncnk=\r\n*\r\nSTAT\r\nLIST\r\nlist 1\r\nUIDL 2\r\nRETR 1\r\n\
TOP 1 10\r\nDELE 1\r\nNOOP\r\nRSET\r\nUTF8\r\nLANG\r\nLANG en-GB\r\nLANG *\r\nXYZZY\r\n\r\nUSER a\nb\r\nQUIT\r\n";

const REPLIES: &[u8] = b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n+OK 2 320\r\n-ERR [IN-USE] locked\r\n\
-ERR [SYS/TEMP] later\r\n+ \r\n+ cGxhaW4=\r\n+OK\r\n1 120\r\n2 200\r\n.\r\n+OK\r\n1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n.\r\n\
+OK 120 octets\r\nSubject: a\r\n\r\n..dot\r\nbody\r\n.\r\n* nonsense\r\n";

const CAPABILITIES: &[u8] = b"TOP\nUSER\nSASL CRAM-MD5 PLAIN\nRESP-CODES\nLOGIN-DELAY 900\nLOGIN-DELAY 900 USER\n\
PIPELINING\nEXPIRE 60\nEXPIRE NEVER USER\nUIDL\nIMPLEMENTATION Shlemazle-Plotz-v302\nSTLS\nAUTH-RESP-CODE\nUTF8 USER\nLANG\nX-NEW a b\nsasl\n";

const TEXT: &[u8] = b"Subject: dots\r\n\r\n.\r\n..two\r\nbare\nlf\n.\nbare\rcr\r.\r\nend";

pub(crate) fn seeds() -> Vec<Seed> {
    let with = |steer: &[u8], content: &[u8]| [steer, content].concat();
    let mut seeds: Vec<Seed> = vec![
        (
            "pop3_command",
            "all".into(),
            with(b"\xff\x07\x01\xff\x20", COMMANDS),
        ),
        (
            "pop3_command",
            "too-long".into(),
            with(b"\x0a\x01\x01\x01\x01", COMMANDS),
        ),
        (
            "pop3_reply",
            "all".into(),
            with(b"\x02\x00\x05\x01\xff\x20\x44", REPLIES),
        ),
        (
            "pop3_reply",
            "multi".into(),
            with(b"\x02\x00\x03\x01\x02\x20\xff", REPLIES),
        ),
        ("pop3_capability", "all".into(), CAPABILITIES.into()),
        (
            "pop3_lines_dots",
            "text".into(),
            with(b"\x20\x01\x01\x02\x03\xff", TEXT),
        ),
        (
            "pop3_lines_dots",
            "stuffed".into(),
            with(b"\xff\x00\x01\x01\x01\x01", b"a\r\n..b\r\n.c\r\n.\r\nrest"),
        ),
        (
            "dot_inverse",
            "text".into(),
            with(b"\x01\x02\x03\xff\x02\x01\xff\x05", TEXT),
        ),
        (
            "dot_inverse",
            "empty".into(),
            b"\x01\x01\x01\x01\x01\x01\x01\x01".into(),
        ),
        (
            "pop3_inverse",
            "unique-id".into(),
            b"whqtswO00WBw418f9t5JxYwZ".into(),
        ),
        (
            "pop3_inverse",
            "listing".into(),
            b"1 18446744073709551615 more".into(),
        ),
    ];
    for (name, message) in [
        ("plain", &b"\0tim\0tanstaaftanstaaf"[..]),
        ("authorize", b"Ursel\0Kurt\0xipj3plmq"),
        ("empty", b"\0\0"),
        ("mechanism", b"SCRAM-SHA-256-PLUS"),
    ] {
        seeds.push(("sasl_plain", name.into(), message.into()));
    }
    let lines = |all: &'static [u8]| {
        all.split(|&octet| octet == b'\n')
            .filter(|line| line.len() > 1)
    };
    for (index, line) in lines(COMMANDS).chain(lines(REPLIES)).enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        seeds.push(("pop3_inverse", format!("line-{index}"), line.into()));
    }
    seeds.extend(scripts());
    seeds
}

/// Short sessions. The octets are those of `fuzz_bodies::script`: a step, then how.
fn scripts() -> Vec<Seed> {
    vec![
        // USER, PASS, accepted; RETR, sent in parts; DELE, QUIT, committed.
        (
            "pop3_server_script",
            "session".into(),
            vec![
                0, 0x3f, 1, 2, 6, 1, 1, 1, 14, 1, 18, 6, 1, 0x21, 11, 3, 8, 17, 6, 0, 11, 3, 1, 22,
                1, 29, 6, 1, 1, 13,
            ],
        ),
        (
            "pop3_server_script",
            "stls".into(),
            vec![
                1, 0x3f, 1, 10, 6, 8, 17, 14, 1, 5, 6, 1, 2, 1, 15, 6, 7, 9, 8, 3, 0x2f, 6,
            ],
        ),
        (
            "pop3_server_script",
            "injection".into(),
            vec![1, 0x3f, 1, 11, 6, 8, 17, 14, 6, 10],
        ),
        (
            "pop3_server_script",
            "challenge".into(),
            vec![0, 0x3f, 1, 4, 6, 1, 1, 8, 17, 1, 7, 6, 1, 1, 1, 8, 6],
        ),
        (
            "pop3_server_script",
            "idle".into(),
            vec![0, 0x3f, 1, 0, 6, 10, 6, 8, 17, 10, 0x4f],
        ),
        (
            "pop3_server_script",
            "overdue".into(),
            vec![0, 0x7f, 1, 2, 6, 0, 10, 6, 0, 11, 1],
        ),
        // Greeting, CAPA with PIPELINING, login, LIST and RETR at once.
        (
            "pop3_client_script",
            "session".into(),
            vec![
                0x70, 0x7f, 11, 0, 0, 1, 0, 6, 0, 1, 17, 6, 0, 0, 11, 2, 0, 13, 1, 4, 6, 0, 0, 11,
                9, 8, 11, 11, 1, 13, 1, 14, 1, 19, 6, 0, 0, 0, 0, 0, 11, 19, 0, 13, 1, 3, 6, 0,
            ],
        ),
        (
            "pop3_client_script",
            "stls".into(),
            vec![
                0x71, 0x7f, 1, 1, 6, 0, 11, 1, 0, 8, 17, 1, 3, 6, 8, 17, 14, 6, 0, 11, 6, 0, 8, 17,
                1, 6, 6, 0,
            ],
        ),
        (
            "pop3_client_script",
            "challenge".into(),
            vec![
                0x70, 0x7f, 1, 1, 6, 0, 11, 5, 0, 8, 17, 1, 9, 6, 0, 11, 19, 33, 8, 17, 1, 3, 6, 0,
                0x2f, 6,
            ],
        ),
        (
            "pop3_client_script",
            "unsolicited".into(),
            vec![0x70, 0x7f, 1, 4, 6, 0, 10],
        ),
        (
            "pop3_pair",
            "free".into(),
            vec![
                0, 0x37, 9, 0x20, 9, 0x40, 9, 0x64, 9, 0x80, 10, 0, 10, 0xe2, 9, 0x27, 10, 0xe5, 7,
                0, 7, 0,
            ],
        ),
        (
            "pop3_pair",
            "plain-lock-step".into(),
            vec![
                0x13, 0x00, 9, 0x20, 11, 0x20, 11, 4, 9, 0x20, 3, 5, 5, 1, 1, 0, 0, 0, 2, 3, 4, 1,
                8, 0,
            ],
        ),
        (
            "pop3_pair",
            "wrong-password".into(),
            vec![0x0d, 0x47, 8, 0, 8, 3, 8, 0x40, 9, 0x20, 7, 0],
        ),
    ]
}
