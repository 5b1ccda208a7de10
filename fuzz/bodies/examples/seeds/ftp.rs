//! Seeds for the targets of FTP.

use super::Seed;

const COMMANDS: [&str; 10] = [
    "RETR  a b ",
    "PORT 192,0,2,9,160,0",
    "EPRT |2|::1|41000|",
    "xcwd ../../a//./b",
    "MKD a\"b",
    "MFMT 20200229235960.5 a",
    "EPRT !1!127.0.0.1!258!",
    "TYPE L 8",
    "NOOP",
    "MDTM 19991231235959",
];

const REPLIES: [&str; 5] = [
    "220-a\r\n226 b\r\n220-c\r\n220 d\r\n200\r\n",
    "227 Entering Passive Mode (127,0,0,1,1,2).\r\n229 ok (|||6446|)\r\n",
    "211-Features\r\n MLST type*;size*;\r\n REST STREAM\r\n211 End\r\n",
    "257 \"/a\"\"b\" created\r\n",
    "999 x\r\n",
];

const TELNET: [&[u8]; 3] = [
    b"\xff\xf4\xff\xf2ABOR\r\n",
    b"RETR a\xff\xffb\r\n\xff\xfb\x01NOOP\n\xff\xfa\x18\x00a\xff\xf0X\r\n",
    b"\xf2ABOR\r\nDELE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
];

const FACTS: [&str; 3] = [
    "type=file;size=25;modify=20200102030405.5;perm=r;unix.mode=0644; a b",
    "Type=OS.unix=slink:/a;unique=x; link",
    "type=cdir;; x",
];

const LISTINGS: [&str; 8] = [
    "total 2\r\n-rw-r--r-- 1 bob bob 42 Jan  2  2020 a b\r\nlrwxrwxrwx 1 a b 3 Jan 2 12:00 x -> y\r\n",
    "04-27-00  09:09PM       <DIR>          name\r\n2002-09-02  19:06   9,730 name\r\n",
    "+i160768.5632080,m850544956,r,s3600,\tname\r\n",
    "A-LONG-NAME.EXT;1\r\n   10/12  2-JUL-2003 10:30:13.64  [G,O]  (RWED,RWED,,RE)\r\n",
    "SAVE00 3390   2004/06/23  1    1  FB     128  6144  PS    NAME\r\n",
    " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\nXX  01.00 1990/11/01 1990/11/01 11:42 2 2 0 X\r\n",
    "0           DIR   12-30-97   12:32  os2\r\nQSYS  77824 02/23/00 15:09:55 *DIR QOpenSys/\r\n",
    "8\u{6708} 17\u{65e5} 08:52\r\ntype=dir; x\r\n",
];

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let mut add = |target, data: &[u8]| {
        let number = seeds.iter().filter(|seed: &&Seed| seed.0 == target).count();
        seeds.push((target, number.to_string(), data.to_vec()));
    };
    for line in COMMANDS {
        add("ftp_command", line.as_bytes());
    }
    for text in REPLIES {
        add(
            "ftp_reply",
            &[b"\x05\x01\x40\x07", text.as_bytes()].concat(),
        );
    }
    for text in TELNET {
        add("ftp_telnet", &[b"\x03\x01\x40\x07", text].concat());
    }
    for line in FACTS {
        add("ftp_facts", line.as_bytes());
    }
    for text in LISTINGS {
        add(
            "ftp_listing",
            &[b"\x09\x01\x40\x20", text.as_bytes()].concat(),
        );
    }
    for steer in 0..32_u8 {
        let text: &[u8] = b"one\ntwo  two\xff\x00aaaaaaaaaaaaaaa\n\nlast";
        add("ftp_data", &[&[steer, 3, 1, 64, 7][..], text].concat());
    }
    // Steps of the scripts: login, an answer, a transfer and its connection, output.
    let login = [0, 0, 4, 1, 11, 200];
    let fetch = [0, 5, 4, 1, 6, 2, 4, 1, 6, 2, 6, 2, 4, 1, 11, 255];
    let store = [0, 6, 4, 1, 6, 2, 4, 1, 6, 2, 4, 1, 11, 255];
    let abort = [0, 7, 0, 8, 4, 1, 0, 14, 6, 2, 11, 255];
    let secure = [0, 21, 11, 99, 10, 0, 0, 4, 1, 0, 22, 0, 23, 11, 99];
    for steps in [&fetch[..], &store, &abort, &secure] {
        for steer in [0, 4, 16, 64] {
            add("ftp_server_script", &[&[steer][..], &login, steps].concat());
        }
    }
    // Greeting, login, a fetch with its replies and wishes.
    let login = [2, 0, 0, 0, 11, 99, 2, 2, 11, 99, 2, 3, 11, 99];
    let fetch = [
        0, 6, 11, 99, 2, 5, 11, 99, 2, 6, 6, 1, 11, 99, 2, 8, 6, 1, 2, 9,
    ];
    let refused = [
        0, 12, 11, 99, 2, 6, 11, 99, 2, 13, 11, 99, 2, 6, 11, 99, 2, 15,
    ];
    let abort = [
        0, 6, 11, 99, 2, 5, 11, 99, 2, 6, 11, 99, 2, 8, 0, 17, 11, 99, 2, 17, 2, 9,
    ];
    let secure = [0, 2, 11, 99, 2, 20, 11, 99, 10, 0, 0, 11, 99, 2, 5, 11, 99];
    for steps in [&fetch[..], &refused, &abort, &secure] {
        for steer in [0, 2, 6, 8] {
            add("ftp_client_script", &[&[steer][..], &login, steps].concat());
        }
    }
    seeds
}
