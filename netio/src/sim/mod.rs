//! A deterministic virtual network, and a kit that proves the rules of the convention.

pub mod kit;
mod rng;

pub use rng::{Rng, Seed};
