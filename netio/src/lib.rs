//! In the making.
#![forbid(unsafe_code)]

pub mod shape;
