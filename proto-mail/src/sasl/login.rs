//! LOGIN: the name and the password in two answers. It never became an RFC; old clients know
//! nothing else.

/// The first challenge of a server.
pub const USER_PROMPT: &[u8] = b"Username:";

/// The second challenge of a server.
pub const PASSWORD_PROMPT: &[u8] = b"Password:";
