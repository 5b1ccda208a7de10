//! Machines without std: the program that an embedded user would write, on a system where it can be
//! run. It has its own allocator and panic handler, so that it links only if no protocol crate
//! brings std along.
#![no_std]
#![no_main]

extern crate alloc;

mod system;

// A crate that is not named is not linked, and would prove nothing.
use {
    proto_bittorrent as _, proto_dns as _, proto_ftp as _, proto_http2 as _, proto_mail as _,
};

#[unsafe(no_mangle)]
extern "C" fn main() -> core::ffi::c_int {
    system::print("no machine yet");
    0
}
