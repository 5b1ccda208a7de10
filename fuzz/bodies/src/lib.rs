//! The bodies of the fuzz targets: each takes any octets and panics when something does not hold.
//!
//! A body is a plain function, so that the same code runs under libFuzzer (`fuzz_targets/`, one line
//! each) and in `cargo test` on stable, which replays `corpus/` and `regressions/`.
//!
//! There are three kinds. A *decoder* body parses, and compares with a second parser that is slow,
//! simple and written from the RFC. An *inverse* body writes what was parsed, parses that, and
//! expects the same. A *script* body takes the input as a list of steps (feed, cut, drain, advance,
//! answer, command, EOF, TLS), carries them out on a machine, and after each step checks what the
//! convention promises.

#![forbid(unsafe_code)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic_in_result_fn,
    reason = "a body reports what does not hold by panicking, and overflow checks are on"
)]

mod bittorrent;
mod bittorrent_peer;
mod cuts;
mod dns;
mod dns_clients;
mod dns_naive;
mod dns_servers;
mod dns_world;
mod dns_zones;
mod ftp;
mod ftp_sessions;
mod http2;
mod message;
mod pop3;
mod pop3_client;
mod pop3_pair;
mod pop3_server;
mod sasl;
mod script;
mod smtp;
mod smtp_client;
mod smtp_pair;
mod smtp_queue;
mod smtp_server;

pub use bittorrent::{
    bt_bencode, bt_extended, bt_http, bt_magnet, bt_metadata, bt_metainfo, bt_pex, bt_udp, bt_wire,
};
pub use bittorrent_peer::bt_peer_script;
pub use dns::{dns_edns, dns_inverse, dns_message, dns_name, dns_tcp_frames};
pub use dns_clients::{dns_stream_client_script, dns_stub_script};
pub use dns_servers::{dns_authority, dns_server_datagram_script, dns_server_stream_script};
pub use dns_zones::{dns_rdata, dns_svcb, dns_transfer_client, dns_update_server, dns_zone_file};
pub use ftp::{ftp_command, ftp_data, ftp_facts, ftp_listing, ftp_reply, ftp_telnet};
pub use ftp_sessions::{ftp_client_script, ftp_server_script};
pub use http2::{
    http2_client_script, http2_frame, http2_hpack_decode, http2_hpack_inverse, http2_pair,
    http2_server_script,
};
pub use message::{mail_addresses, mail_date, mail_field, mail_message, mail_transfer, mail_words};
pub use pop3::{
    dot_inverse, pop3_capability, pop3_command, pop3_inverse, pop3_lines_dots, pop3_reply,
    sasl_plain,
};
pub use pop3_client::pop3_client_script;
pub use pop3_pair::pop3_pair;
pub use pop3_server::pop3_server_script;
pub use sasl::{sasl_exchange, sasl_prep};
pub use smtp::{smtp_address, smtp_command, smtp_reply, smtp_server_cuts};
pub use smtp_client::smtp_client_script;
pub use smtp_pair::smtp_pair;
pub use smtp_queue::smtp_queue_script;
pub use smtp_server::smtp_server_script;

/// A body.
pub type Body = fn(&[u8]);

/// All targets by name. The replay test holds this list against `fuzz_targets/`.
pub const TARGETS: &[(&str, Body)] = &[
    ("dns_message", dns_message),
    ("dns_name", dns_name),
    ("dns_edns", dns_edns),
    ("dns_tcp_frames", dns_tcp_frames),
    ("dns_inverse", dns_inverse),
    ("dns_authority", dns_authority),
    ("dns_server_datagram_script", dns_server_datagram_script),
    ("dns_server_stream_script", dns_server_stream_script),
    ("dns_stream_client_script", dns_stream_client_script),
    ("dns_stub_script", dns_stub_script),
    ("dns_zone_file", dns_zone_file),
    ("dns_rdata", dns_rdata),
    ("dns_svcb", dns_svcb),
    ("dns_update_server", dns_update_server),
    ("dns_transfer_client", dns_transfer_client),
    ("http2_frame", http2_frame),
    ("http2_hpack_decode", http2_hpack_decode),
    ("http2_hpack_inverse", http2_hpack_inverse),
    ("http2_server_script", http2_server_script),
    ("http2_client_script", http2_client_script),
    ("http2_pair", http2_pair),
    ("pop3_command", pop3_command),
    ("pop3_reply", pop3_reply),
    ("pop3_capability", pop3_capability),
    ("pop3_lines_dots", pop3_lines_dots),
    ("pop3_inverse", pop3_inverse),
    ("sasl_plain", sasl_plain),
    ("dot_inverse", dot_inverse),
    ("pop3_server_script", pop3_server_script),
    ("pop3_client_script", pop3_client_script),
    ("pop3_pair", pop3_pair),
    ("bt_bencode", bt_bencode),
    ("bt_extended", bt_extended),
    ("bt_http", bt_http),
    ("bt_magnet", bt_magnet),
    ("bt_metadata", bt_metadata),
    ("bt_metainfo", bt_metainfo),
    ("bt_pex", bt_pex),
    ("bt_udp", bt_udp),
    ("bt_wire", bt_wire),
    ("bt_peer_script", bt_peer_script),
    ("ftp_command", ftp_command),
    ("ftp_reply", ftp_reply),
    ("ftp_telnet", ftp_telnet),
    ("ftp_facts", ftp_facts),
    ("ftp_listing", ftp_listing),
    ("ftp_data", ftp_data),
    ("ftp_server_script", ftp_server_script),
    ("ftp_client_script", ftp_client_script),
    ("smtp_command", smtp_command),
    ("smtp_reply", smtp_reply),
    ("smtp_server_cuts", smtp_server_cuts),
    ("mail_message", mail_message),
    ("mail_field", mail_field),
    ("mail_addresses", mail_addresses),
    ("mail_date", mail_date),
    ("mail_words", mail_words),
    ("mail_transfer", mail_transfer),
    ("smtp_address", smtp_address),
    ("smtp_server_script", smtp_server_script),
    ("smtp_client_script", smtp_client_script),
    ("smtp_pair", smtp_pair),
    ("smtp_queue_script", smtp_queue_script),
    ("sasl_exchange", sasl_exchange),
    ("sasl_prep", sasl_prep),
];
