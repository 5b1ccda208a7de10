//! An SMTP or LMTP client that does one thing after the other: messages out, outcomes in.

use bytes::Bytes;
use netio::driver::{Stream, Transport};
use proto_mail::sasl;
use proto_mail::smtp::UsageError;
use proto_mail::smtp::client::{CommandId, Envelope, Event, Session};
use proto_mail::smtp::wire::Reply;
use std::error::Error;

/// One session over one transport.
#[derive(Debug)]
pub struct Client<T> {
    driver: Stream<Session, T>,
}

/// What became of a message.
#[derive(Debug)]
pub struct Outcome {
    /// The reply that ended it.
    pub reply: Reply,
    /// What was said to each recipient: the last word, that is with LMTP the one on delivery.
    pub recipients: Vec<(u32, Reply)>,
}

impl<T: Transport> Client<T> {
    /// Waits until the session is ready: hello said, TLS as configured.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the transport fails.
    pub async fn connect(mut driver: Stream<Session, T>) -> Result<Self, Box<dyn Error>> {
        loop {
            match driver.next().await? {
                Some(Event::Ready) => return Ok(Self { driver }),
                Some(_) => {}
                None => return Err("the connection ended".into()),
            }
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
    ) -> Result<Reply, Box<dyn Error>> {
        let wanted = command(self.driver.machine_mut())?;
        Ok(self.finish_command(wanted, Bytes::new()).await?.reply)
    }

    /// Logs in.
    ///
    /// # Errors
    ///
    /// When the session ends before it is decided, the server cannot prove what its mechanism has
    /// it prove, or says what the mechanism does not know.
    pub async fn log_in(
        &mut self,
        mut exchange: sasl::client::Client,
    ) -> Result<Reply, Box<dyn Error>> {
        let session = self.driver.machine_mut();
        let wanted = session.auth(exchange.mechanism(), exchange.initial())?;
        loop {
            match self.driver.next().await? {
                Some(Event::Challenge { id, data }) if id == wanted => {
                    let session = self.driver.machine_mut();
                    match exchange.respond(data.as_bytes()) {
                        Ok(response) => session.auth_respond(id, response.as_bytes())?,
                        Err(error) => {
                            session.auth_cancel(id)?;
                            return Err(error.into());
                        }
                    }
                }
                Some(Event::Done { id, reply }) if id == wanted => {
                    return match reply.is_ok() && !exchange.is_done() {
                        true => Err("the server did not prove that it knows the password".into()),
                        false => Ok(reply),
                    };
                }
                Some(_) => {}
                None => return Err("the connection ended".into()),
            }
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// When it cannot be sent at all; a refusal is an outcome.
    pub async fn send(
        &mut self,
        envelope: Envelope,
        message: impl Into<Bytes>,
    ) -> Result<Outcome, Box<dyn Error>> {
        let wanted = self.driver.machine_mut().send(envelope)?;
        self.finish_command(wanted, message.into()).await
    }

    async fn finish_command(
        &mut self,
        wanted: CommandId,
        mut message: Bytes,
    ) -> Result<Outcome, Box<dyn Error>> {
        let mut recipients: Vec<(u32, Reply)> = Vec::new();
        loop {
            match self.driver.next().await? {
                Some(Event::Writable { id }) if id == wanted => {
                    let session = self.driver.machine_mut();
                    session.send_data(id, &mut message, true)?;
                }
                Some(
                    Event::Recipient { index, reply, .. } | Event::Delivery { index, reply, .. },
                ) => {
                    recipients.retain(|(known, _)| *known != index);
                    recipients.push((index, reply));
                }
                Some(Event::Done { id, reply }) if id == wanted => {
                    recipients.sort_by_key(|(index, _)| *index);
                    return Ok(Outcome { reply, recipients });
                }
                Some(Event::Failed { id, reason }) if id == wanted => {
                    return Err(format!("the message was not sent: {reason:?}").into());
                }
                Some(_) => {}
                None => return Err("the connection ended".into()),
            }
        }
    }

    /// The driver, for what needs more than one command at a time.
    pub fn driver_mut(&mut self) -> &mut Stream<Session, T> {
        &mut self.driver
    }

    /// QUIT, and the end of the connection.
    ///
    /// # Errors
    ///
    /// As the driver's.
    pub async fn quit(mut self) -> Result<(), Box<dyn Error>> {
        self.run(Session::quit).await?;
        self.driver
            .close(core::time::Duration::from_secs(5))
            .await?;
        Ok(())
    }
}
