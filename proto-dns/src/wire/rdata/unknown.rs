//! Data of types that are not known (RFC 3597 section 5).

use core::fmt;

pub(crate) fn write(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\\# {}", data.len())?;
    for (index, octet) in data.iter().enumerate() {
        if index == 0 {
            f.write_str(" ")?;
        }
        write!(f, "{octet:02X}")?;
    }
    Ok(())
}
