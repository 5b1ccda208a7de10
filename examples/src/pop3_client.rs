//! A POP3 client that does one thing after the other: commands out, outcomes in.

use netio::driver::{Stream, Transport};
use proto_mail::pop3::UsageError;
use proto_mail::pop3::client::{CommandId, Event, Session};
use proto_mail::pop3::wire::Reply;
use std::error::Error;

/// One session over one transport.
#[derive(Debug)]
pub struct Client<T> {
    driver: Stream<Session, T>,
}

/// How a command ended, and what came before its end.
#[derive(Debug)]
pub struct Outcome {
    /// The status line.
    pub reply: Reply,
    /// Items of a listing, parts of a message and so on, in order.
    pub events: Vec<Event>,
}

impl Outcome {
    /// The parts of a message, put together.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for event in &self.events {
            if let Event::BodyChunk { data, .. } = event {
                body.extend_from_slice(data);
            }
        }
        body
    }
}

impl<T: Transport> Client<T> {
    /// Waits for the greeting.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the transport fails.
    pub async fn connect(mut driver: Stream<Session, T>) -> Result<(Self, Reply), Box<dyn Error>> {
        match driver.next().await? {
            Some(Event::Greeting { reply, .. }) => Ok((Self { driver }, reply)),
            event => Err(format!("{event:?} instead of a greeting").into()),
        }
    }

    /// Gives one command and waits for its end.
    ///
    /// # Errors
    ///
    /// When the command cannot be given, or the session ends before it does.
    pub async fn run(
        &mut self,
        command: impl FnOnce(&mut Session) -> Result<CommandId, UsageError>,
    ) -> Result<Outcome, Box<dyn Error>> {
        let wanted = command(self.driver.machine_mut())?;
        let mut events = Vec::new();
        loop {
            match self.driver.next().await? {
                Some(Event::Done { id, reply }) if id == wanted => {
                    return Ok(Outcome { reply, events });
                }
                Some(Event::Failed { id }) if id == wanted => {
                    // Why comes next.
                    while self.driver.next().await?.is_some() {}
                    return Err("the session ended".into());
                }
                Some(event) => events.push(event),
                None => return Err("the connection ended".into()),
            }
        }
    }

    /// The driver, for what needs more than one command at a time.
    pub fn driver_mut(&mut self) -> &mut Stream<Session, T> {
        &mut self.driver
    }

    /// Waits for the end of the connection, after QUIT.
    ///
    /// # Errors
    ///
    /// As the driver's.
    pub async fn finish(mut self) -> Result<(), Box<dyn Error>> {
        self.driver
            .close(core::time::Duration::from_secs(5))
            .await?;
        Ok(())
    }
}
