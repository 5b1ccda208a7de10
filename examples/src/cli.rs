//! What all programs have in common towards the person who runs them.

use clap::Subcommand;
use core::fmt::Display;
use core::net::SocketAddr;
use std::process::ExitCode;

/// What the echo programs can be told.
#[derive(Subcommand)]
pub enum EchoCommand {
    /// Serve until interrupted.
    Serve {
        /// Where to listen; port 0 takes a free one.
        address: SocketAddr,
    },
    /// Send one text and print the answer.
    Send {
        /// Where the server listens.
        address: SocketAddr,
        /// The text.
        text: String,
    },
}

/// The line by which a server says that it is ready: `listening PROTOCOL ADDR`.
pub fn listening(protocol: &str, address: SocketAddr) {
    println!("listening {protocol} {address}");
}

/// Turns the end of a program into its status: what failed goes to standard error, with its causes.
pub fn exit(program: &str, result: Result<(), Box<dyn core::error::Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {}", causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error and what caused it, in one line.
pub fn causes(error: &dyn core::error::Error) -> impl Display {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A seed from the system: machines have no entropy of their own.
///
/// # Panics
///
/// When the system has no random numbers to give, where no server should start.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("random numbers from the system");
    seed
}
