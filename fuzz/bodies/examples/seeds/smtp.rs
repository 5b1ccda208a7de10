//! Seeds for the targets of SMTP.

use super::Seed;

const COMMANDS: [&str; 12] = [
    "EHLO crepes.fr",
    "MAIL FROM:<@a,@b:alice@crepes.fr> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb",
    "MAIL FROM: <> AUTH=<> BY=-1;NT MT-PRIORITY=-3 HOLDFOR=9 REQUIRETLS X=y",
    "MAIL FROM:a@[IPv6:::1] HOLDUNTIL=2026-11-26T12:00:00Z",
    "RCPT TO:<\"a \\\" b\"@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y RRVS=1",
    "RCPT TO:<a@b> NOTIFY=NEVER",
    "BDAT 10 LAST",
    "AUTH PLAIN =",
    "VRFY bob",
    "NOOP x",
    "STARTTLS",
    "HELP",
];

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (number, line) in COMMANDS.iter().enumerate() {
        seeds.push(("smtp_command", number.to_string(), line.as_bytes().to_vec()));
    }
    for (number, text) in [
        "\x05250-2.0.0 a\r\n250 b\r\n354\r\n",
        "\x02220 x\r\n250-a\r\n251 b\r\n",
        "\x0921 x\r\n",
    ]
    .iter()
    .enumerate()
    {
        seeds.push(("smtp_reply", number.to_string(), text.as_bytes().to_vec()));
    }
    let envelope = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    for (number, text) in [
        "DATA\r\n..x\r\n.\r\nQUIT\r\n",
        "DATA\r\nx\n.\n\r\n.\r\nNOOP\r\n",
        "BDAT 3\r\na\r\nBDAT 0 LAST\r\nRSET\r\n",
        "BDAT 99 LAST\r\nx",
        "AUTH PLAIN\r\nAAAA\r\nVRFY x\r\nFOO\r\n",
    ]
    .iter()
    .enumerate()
    {
        let data = format!("\x30{envelope}{text}");
        seeds.push(("smtp_server_cuts", number.to_string(), data.into_bytes()));
    }
    for (number, address) in [
        "alice@crepes.fr",
        "\"a \\\" b\"@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "postmaster",
        "j\u{f6}rg@b\u{fc}cher.example",
    ]
    .iter()
    .enumerate()
    {
        let data = address.as_bytes().to_vec();
        seeds.push(("smtp_address", number.to_string(), data));
    }
    // Scripts: steps by number, phrases by number.
    let phrases = |phrases: &[u8]| {
        let mut data = vec![0, 0xff];
        for phrase in phrases {
            data.extend_from_slice(&[1, *phrase, 6, 1, 2, 1, 2, 1, 2, 8, 17]);
        }
        data
    };
    seeds.push((
        "smtp_server_script",
        "data".into(),
        phrases(&[11, 14, 11, 18, 38]),
    ));
    seeds.push((
        "smtp_server_script",
        "chunks".into(),
        phrases(&[0, 3, 8, 21, 22, 38]),
    ));
    seeds.push((
        "smtp_server_script",
        "login".into(),
        phrases(&[0, 33, 36, 0, 32, 34]),
    ));
    let client = |phrases: &[u8]| {
        let mut data = vec![0, 0x3f, 11, 4, 11, 36, 11, 0];
        for phrase in phrases {
            data.extend_from_slice(&[1, *phrase, 6, 0, 8, 17, 11, 7, 0x40, 8, 17]);
        }
        data
    };
    seeds.push((
        "smtp_client_script",
        "data".into(),
        client(&[0, 4, 9, 13, 10, 16]),
    ));
    seeds.push((
        "smtp_client_script",
        "steps".into(),
        client(&[0, 2, 7, 7, 12, 13, 7]),
    ));
    seeds.push(("smtp_client_script", "tls".into(), client(&[0, 5, 27, 7])));
    for steer in [0, 1, 4, 5, 8, 2] {
        let mut data = vec![steer, 0x33];
        for detail in [1, 0x17, 0x2f, 0x55] {
            data.extend_from_slice(&[7, detail, 3, b'a', b'\n', b'.', 9, 6, 0, 2, 30, 4, 9, 5, 0]);
        }
        seeds.push(("smtp_pair", steer.to_string(), data));
    }
    for (number, said) in [[0, 1, 3, 7], [0, 2, 7, 8], [0, 1, 4, 9]]
        .iter()
        .enumerate()
    {
        let mut data = vec![1, 0, 7];
        data.extend_from_slice(&[1, 7, 1, 7, 1, 7, 1, 7]);
        for said in said {
            data.extend_from_slice(&[4, 0, *said, 7, 200, 1, 7, 3, 0, 7, 200]);
        }
        seeds.push(("smtp_queue_script", number.to_string(), data));
    }
    for mechanism in 0..10 {
        seeds.push((
            "sasl_exchange",
            mechanism.to_string(),
            vec![mechanism, 0, 9, 9, 9, 9],
        ));
    }
    for (number, text) in ["I\u{ad}X", "\u{2168}", "\u{627}1\u{628}", "a\u{a0}b"]
        .iter()
        .enumerate()
    {
        seeds.push(("sasl_prep", number.to_string(), text.as_bytes().to_vec()));
    }
    seeds
}
