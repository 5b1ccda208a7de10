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
    seeds
}
