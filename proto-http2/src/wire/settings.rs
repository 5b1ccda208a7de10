//! Settings: the parameters, and the values that they have together.

use super::{DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, MAX_MAX_FRAME_SIZE, MAX_WINDOW};
use super::{DecodeError, ErrorCode, FrameFault};

/// The name of a parameter (RFC 9113 section 6.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingId(pub u16);

impl SettingId {
    /// Octets of the table that a header decoder keeps.
    pub const HEADER_TABLE_SIZE: Self = Self(1);
    /// Whether the peer may push.
    pub const ENABLE_PUSH: Self = Self(2);
    /// Streams that the peer may have open.
    pub const MAX_CONCURRENT_STREAMS: Self = Self(3);
    /// What windows of streams are at first.
    pub const INITIAL_WINDOW_SIZE: Self = Self(4);
    /// Octets of the largest payload.
    pub const MAX_FRAME_SIZE: Self = Self(5);
    /// Octets of a field section that are taken, with 32 for each field.
    pub const MAX_HEADER_LIST_SIZE: Self = Self(6);
    /// Whether CONNECT may name a protocol (RFC 8441).
    pub const ENABLE_CONNECT_PROTOCOL: Self = Self(8);
    /// Whether the priorities of RFC 7540 are not used (RFC 9218 section 2.1).
    pub const NO_RFC7540_PRIORITIES: Self = Self(9);
}

/// One parameter and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Which.
    pub id: SettingId,
    /// What.
    pub value: u32,
}

/// The values of all known parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// SETTINGS_HEADER_TABLE_SIZE.
    pub header_table_size: u32,
    /// SETTINGS_ENABLE_PUSH.
    pub enable_push: bool,
    /// SETTINGS_MAX_CONCURRENT_STREAMS; `None` is no limit.
    pub max_concurrent_streams: Option<u32>,
    /// SETTINGS_INITIAL_WINDOW_SIZE.
    pub initial_window_size: u32,
    /// SETTINGS_MAX_FRAME_SIZE.
    pub max_frame_size: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE; `None` is no limit.
    pub max_header_list_size: Option<u32>,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL.
    pub enable_connect_protocol: bool,
    /// SETTINGS_NO_RFC7540_PRIORITIES.
    pub no_rfc7540_priorities: bool,
}

impl Default for Settings {
    /// What holds before any SETTINGS.
    fn default() -> Self {
        Self {
            header_table_size: 4096,
            enable_push: true,
            max_concurrent_streams: None,
            initial_window_size: DEFAULT_WINDOW,
            max_frame_size: DEFAULT_MAX_FRAME_SIZE,
            max_header_list_size: None,
            enable_connect_protocol: false,
            no_rfc7540_priorities: false,
        }
    }
}

impl Settings {
    /// Takes over one parameter. Unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// When the value is outside of what RFC 9113 section 6.5.2 allows for the parameter.
    pub fn apply(&mut self, setting: Setting) -> Result<(), DecodeError> {
        let value = setting.value;
        let fault = FrameFault::SettingValue { setting };
        let flag = || match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::connection(ErrorCode::PROTOCOL_ERROR, fault)),
        };
        match setting.id {
            SettingId::HEADER_TABLE_SIZE => self.header_table_size = value,
            SettingId::ENABLE_PUSH => self.enable_push = flag()?,
            SettingId::MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
            SettingId::INITIAL_WINDOW_SIZE => {
                if value > MAX_WINDOW {
                    let code = ErrorCode::FLOW_CONTROL_ERROR;
                    return Err(DecodeError::connection(code, fault));
                }
                self.initial_window_size = value;
            }
            SettingId::MAX_FRAME_SIZE => {
                if !(DEFAULT_MAX_FRAME_SIZE..=MAX_MAX_FRAME_SIZE).contains(&value) {
                    return Err(DecodeError::connection(ErrorCode::PROTOCOL_ERROR, fault));
                }
                self.max_frame_size = value;
            }
            SettingId::MAX_HEADER_LIST_SIZE => self.max_header_list_size = Some(value),
            SettingId::ENABLE_CONNECT_PROTOCOL => self.enable_connect_protocol = flag()?,
            SettingId::NO_RFC7540_PRIORITIES => self.no_rfc7540_priorities = flag()?,
            _ => {}
        }
        Ok(())
    }

    /// The parameters that differ from what the peer assumes: `from`.
    pub fn changes(&self, from: &Self) -> impl Iterator<Item = Setting> + use<> {
        let list = [
            (
                SettingId::HEADER_TABLE_SIZE,
                Some(self.header_table_size),
                Some(from.header_table_size),
            ),
            (
                SettingId::ENABLE_PUSH,
                Some(u32::from(self.enable_push)),
                Some(u32::from(from.enable_push)),
            ),
            (
                SettingId::MAX_CONCURRENT_STREAMS,
                self.max_concurrent_streams,
                from.max_concurrent_streams,
            ),
            (
                SettingId::INITIAL_WINDOW_SIZE,
                Some(self.initial_window_size),
                Some(from.initial_window_size),
            ),
            (
                SettingId::MAX_FRAME_SIZE,
                Some(self.max_frame_size),
                Some(from.max_frame_size),
            ),
            (
                SettingId::MAX_HEADER_LIST_SIZE,
                self.max_header_list_size,
                from.max_header_list_size,
            ),
            (
                SettingId::ENABLE_CONNECT_PROTOCOL,
                Some(u32::from(self.enable_connect_protocol)),
                Some(u32::from(from.enable_connect_protocol)),
            ),
            (
                SettingId::NO_RFC7540_PRIORITIES,
                Some(u32::from(self.no_rfc7540_priorities)),
                Some(u32::from(from.no_rfc7540_priorities)),
            ),
        ];
        list.into_iter().filter_map(|(id, new, old)| {
            let value = new.unwrap_or(u32::MAX);
            (new != old).then_some(Setting { id, value })
        })
    }
}
