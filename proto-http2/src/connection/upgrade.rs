//! The beginning by HTTP/1.1's Upgrade (RFC 7540 section 3.2).

use super::streams::Half;
use super::{Connection, settings};
use crate::UsageError;
use crate::config::Config;
use crate::event::{Event, StreamId};
use crate::fields::Fields;
use crate::limits::Limits;
use crate::num::to_usize;
use crate::wire::{Frame, Settings};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

impl Connection {
    /// The server's side after HTTP/1.1's Upgrade to `h2c` (RFC 7540 section 3.2): what the request
    /// had under `HTTP2-Settings`, and the request, which becomes stream 1. Answer 101 first; then
    /// the machine takes over, and the client begins with its preface.
    ///
    /// # Errors
    ///
    /// [`UsageError::Malformed`] when the settings are none.
    pub fn server_upgraded(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        http2_settings: &[u8],
        request: Fields,
    ) -> Result<Self, UsageError> {
        let payload = base64url(http2_settings).ok_or(UsageError::Malformed)?;
        let mut connection = Self::server(now, config, limits);
        if !payload.len().is_multiple_of(6) {
            return Err(UsageError::Malformed);
        }
        for setting in Frame::settings(&payload) {
            connection
                .remote
                .apply(setting)
                .map_err(|_| UsageError::Malformed)?;
        }
        connection
            .encoder
            .set_max_size(connection.remote.header_table_size);
        let facts = crate::validate::facts(&request);
        let mut stream = connection.make_stream(1);
        stream.note(facts);
        stream.remote = Half::Ended;
        connection.streams.insert(stream);
        connection.streams.theirs = 1;
        connection.stats.streams = 1;
        connection.scheduler.open(1, None);
        connection.events.push_back(Event::Headers {
            id: StreamId(1),
            fields: request,
            end: true,
        });
        Ok(connection)
    }

    /// The client's side after HTTP/1.1's Upgrade: the response to the request comes on the stream
    /// that is returned.
    #[must_use]
    pub fn client_upgraded(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        is_head: bool,
    ) -> (Self, StreamId) {
        let mut connection = Self::client(now, config, limits);
        let mut stream = connection.make_stream(1);
        stream.is_head = is_head;
        stream.local = Half::Ended;
        connection.streams.insert(stream);
        connection.streams.ours = 1;
        connection.stats.streams = 1;
        connection.scheduler.open(1, None);
        (connection, StreamId(1))
    }

    /// What a client writes into `HTTP2-Settings` to ask for an Upgrade to [`h2c`](crate::wire::UPGRADE_H2C).
    #[must_use]
    pub fn upgrade_settings(config: &Config, limits: &Limits) -> Vec<u8> {
        let mut payload = Vec::new();
        for setting in settings(config, limits, false).changes(&Settings::default()) {
            payload.extend_from_slice(&setting.id.0.to_be_bytes());
            payload.extend_from_slice(&setting.value.to_be_bytes());
        }
        to_base64url(&payload)
    }
}

/// Base64 with the alphabet for URLs, without padding (RFC 4648 section 5).
fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut word, mut bits) = (0u32, 0u32);
    for &letter in text.trim_ascii_end() {
        let value = match letter {
            b'A'..=b'Z' => letter.wrapping_sub(b'A'),
            b'a'..=b'z' => letter.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => letter.wrapping_sub(b'0').wrapping_add(52),
            b'-' => 62,
            b'_' => 63,
            b'=' => continue,
            _ => return None,
        };
        word = word << 6 | u32::from(value);
        bits = bits.wrapping_add(6);
        if bits >= 8 {
            bits = bits.wrapping_sub(8);
            octets.push(u8::try_from(word.wrapping_shr(bits) & 0xff).ok()?);
        }
    }
    Some(octets)
}

fn to_base64url(octets: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = Vec::new();
    for chunk in octets.chunks(3) {
        let mut word = 0u32;
        for index in 0..3 {
            word = word << 8 | u32::from(chunk.get(index).copied().unwrap_or(0));
        }
        for index in 0..chunk.len().saturating_add(1) {
            let shift = 18u32.saturating_sub(crate::num::to_u32(index).saturating_mul(6));
            let letter = to_usize(word.wrapping_shr(shift) & 63);
            text.push(LETTERS.get(letter).copied().unwrap_or(b'A'));
        }
    }
    text
}
