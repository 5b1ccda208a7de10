//! The place of FTP (RFC 959 and its successors) in this workspace.
//!
//! **Nothing is implemented yet.** The crate has no API; it holds its name and the rules that the
//! protocol will live under. The workspace's README says which protocols stand today.

#![no_std]
#![forbid(unsafe_code)]
