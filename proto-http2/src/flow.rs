//! Windows of flow control (RFC 9113 sections 5.2 and 6.9).

use crate::wire::MAX_WINDOW;

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendWindow(i64);

/// A window would grow beyond 2^31-1: a FLOW_CONTROL_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window grows beyond 2^31-1")]
pub struct WindowOverflow;

impl SendWindow {
    /// A window of so many octets.
    #[must_use]
    pub fn new(octets: u32) -> Self {
        Self(i64::from(octets))
    }

    /// Octets that may be sent; 0 while the window is negative.
    #[must_use]
    pub fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// The window; negative after the peer has lowered its settings.
    #[must_use]
    pub fn value(self) -> i64 {
        self.0
    }

    /// A WINDOW_UPDATE, or a change of SETTINGS_INITIAL_WINDOW_SIZE.
    ///
    /// # Errors
    ///
    /// [`WindowOverflow`].
    pub fn grow(&mut self, by: i64) -> Result<(), WindowOverflow> {
        let new = self.0.saturating_add(by);
        if new > i64::from(MAX_WINDOW) {
            return Err(WindowOverflow);
        }
        self.0 = new;
        Ok(())
    }

    /// So much was sent.
    pub fn consume(&mut self, octets: usize) {
        self.0 = self.0.saturating_sub(crate::num::to_i64(octets));
    }
}

/// What the peer may send, and what of it is to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveWindow {
    /// What the peer may still send.
    window: i64,
    /// Received and not released.
    held: u32,
    /// Released and not told the peer.
    released: u32,
}

impl ReceiveWindow {
    /// A window of so many octets.
    #[must_use]
    pub fn new(octets: u32) -> Self {
        Self {
            window: i64::from(octets),
            held: 0,
            released: 0,
        }
    }

    /// What the peer may still send.
    #[must_use]
    pub fn value(self) -> i64 {
        self.window
    }

    /// So much was received.
    ///
    /// # Errors
    ///
    /// [`WindowOverflow`] when the peer was not allowed to send it.
    pub fn receive(&mut self, octets: u32) -> Result<(), WindowOverflow> {
        if i64::from(octets) > self.window {
            return Err(WindowOverflow);
        }
        self.window = self.window.saturating_sub(i64::from(octets));
        self.held = self.held.saturating_add(octets);
        Ok(())
    }

    /// So much is not needed any more. More than is held changes nothing.
    pub fn release(&mut self, octets: u32) {
        let octets = octets.min(self.held);
        self.held = self.held.saturating_sub(octets);
        self.released = self.released.saturating_add(octets);
    }

    /// What was received and is not released.
    #[must_use]
    pub fn held(self) -> u32 {
        self.held
    }

    /// The window changes by so much at once, as SETTINGS_INITIAL_WINDOW_SIZE was acknowledged.
    pub fn shift(&mut self, by: i64) {
        self.window = self.window.saturating_add(by);
    }

    /// What a WINDOW_UPDATE should say to bring the window to `target`; `None` while it would say
    /// less than half of that.
    pub fn update(&mut self, target: u32) -> Option<u32> {
        let missing = i64::from(target)
            .saturating_sub(self.window)
            .saturating_sub(i64::from(self.held));
        let missing = u32::try_from(missing).ok()?;
        if missing == 0 || missing < target / 2 {
            return None;
        }
        self.window = self.window.saturating_add(i64::from(missing));
        self.released = 0;
        Some(missing)
    }
}
