//! Commands: what each of them sends.

use super::event::{CommandId, Direction, UsageError};
use super::{Line, Op, Plan, Session, What};
use crate::data::{Format, Mode, Structure, Type};
use crate::wire::{Arg, DateTime, Verb};
use bytes::BytesMut;
use core::fmt::Write as _;

/// What is to be transferred.
#[derive(Clone, Debug)]
pub(super) struct TransferPlan {
    pub(super) verb: Verb,
    pub(super) arg: Option<Arg>,
    pub(super) direction: Direction,
    pub(super) kind: Type,
    pub(super) offset: u64,
    /// MLSD that may become LIST.
    pub(super) or_list: bool,
}

impl Session {
    /// USER and PASS.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn login(
        &mut self,
        user: impl AsRef<[u8]>,
        password: impl AsRef<[u8]>,
    ) -> Result<CommandId, UsageError> {
        self.login_as(user, password, None)
    }

    /// USER, PASS and, where the server wants one, ACCT.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn login_as(
        &mut self,
        user: impl AsRef<[u8]>,
        password: impl AsRef<[u8]>,
        account: Option<&[u8]>,
    ) -> Result<CommandId, UsageError> {
        let user = Arg::copy_from(user)?;
        let password = Arg::copy_from(password)?;
        let account = account.map(Arg::copy_from).transpose()?;
        let mut lines = alloc::vec![
            Line::new(Verb::User, Some(user), What::User),
            Line::new(Verb::Pass, Some(password), What::Pass),
        ];
        if let Some(account) = account {
            lines.push(Line::new(Verb::Acct, Some(account), What::Acct));
        }
        self.queue(Plan::Lines(lines.into()), true)
    }

    /// AUTH TLS, and once TLS is there PBSZ 0 and PROT P.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn auth_tls(&mut self) -> Result<CommandId, UsageError> {
        let lines = [
            Line::new(Verb::Auth, Some(Arg::copy_from("TLS")?), What::Auth),
            Line::new(Verb::Pbsz, Some(Arg::copy_from("0")?), What::Plain),
            Line::new(Verb::Prot, Some(Arg::copy_from("P")?), What::Prot(true)),
        ];
        self.queue(Plan::Lines(lines.into()), false)
    }

    /// PBSZ 0 and PROT, for implicit TLS or to change it.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn prot(&mut self, private: bool) -> Result<CommandId, UsageError> {
        let level = if private { "P" } else { "C" };
        let lines = [
            Line::new(Verb::Pbsz, Some(Arg::copy_from("0")?), What::Plain),
            Line::new(
                Verb::Prot,
                Some(Arg::copy_from(level)?),
                What::Prot(private),
            ),
        ];
        self.queue(Plan::Lines(lines.into()), false)
    }

    /// CCC: the control connection goes on in plaintext.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn ccc(&mut self) -> Result<CommandId, UsageError> {
        self.queue(Plan::one(Line::new(Verb::Ccc, None, What::Ccc)), false)
    }

    /// REIN: nobody is logged in any more, all parameters are as in the beginning, and TLS that AUTH
    /// brought is over (RFC 4217 section 11).
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn rein(&mut self) -> Result<CommandId, UsageError> {
        self.queue(Plan::one(Line::new(Verb::Rein, None, What::Rein)), false)
    }

    /// Any command that transfers nothing and changes nothing the session keeps track of.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn command(&mut self, verb: Verb, arg: Option<&[u8]>) -> Result<CommandId, UsageError> {
        let arg = arg.map(Arg::copy_from).transpose()?;
        self.queue(Plan::one(Line::new(verb, arg, What::Plain)), false)
    }

    /// RETR: fetches a file from an octet on, as text or as it is.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn retr(
        &mut self,
        path: impl AsRef<[u8]>,
        kind: Type,
        offset: u64,
    ) -> Result<CommandId, UsageError> {
        self.transfer(
            Verb::Retr,
            Some(path.as_ref()),
            Direction::Receive,
            kind,
            offset,
        )
    }

    /// STOR: sends a file, to be written from an octet on.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn stor(
        &mut self,
        path: impl AsRef<[u8]>,
        kind: Type,
        offset: u64,
    ) -> Result<CommandId, UsageError> {
        self.transfer(
            Verb::Stor,
            Some(path.as_ref()),
            Direction::Send,
            kind,
            offset,
        )
    }

    /// APPE: sends what comes after what is there.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn appe(&mut self, path: impl AsRef<[u8]>, kind: Type) -> Result<CommandId, UsageError> {
        self.transfer(Verb::Appe, Some(path.as_ref()), Direction::Send, kind, 0)
    }

    /// STOU: sends a file under a name that the server finds; it says which in 150.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn stou(&mut self, kind: Type) -> Result<CommandId, UsageError> {
        self.transfer(Verb::Stou, None, Direction::Send, kind, 0)
    }

    /// LIST.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn list(&mut self, path: Option<&[u8]>) -> Result<CommandId, UsageError> {
        self.transfer(Verb::List, path, Direction::Receive, Type::Ascii, 0)
    }

    /// NLST.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn nlst(&mut self, path: Option<&[u8]>) -> Result<CommandId, UsageError> {
        self.transfer(Verb::Nlst, path, Direction::Receive, Type::Ascii, 0)
    }

    /// MLSD, or LIST where the server does not know it.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn mlsd(&mut self, path: Option<&[u8]>) -> Result<CommandId, UsageError> {
        self.transfer(Verb::Mlsd, path, Direction::Receive, Type::Ascii, 0)
    }

    fn transfer(
        &mut self,
        verb: Verb,
        path: Option<&[u8]>,
        direction: Direction,
        kind: Type,
        offset: u64,
    ) -> Result<CommandId, UsageError> {
        let arg = path
            .filter(|path| !path.is_empty())
            .map(Arg::copy_from)
            .transpose()?;
        let plan = TransferPlan {
            verb,
            arg,
            direction,
            kind,
            offset,
            or_list: verb == Verb::Mlsd,
        };
        self.queue(Plan::Transfer(plan), true)
    }

    /// CWD.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn cwd(&mut self, path: impl AsRef<[u8]>) -> Result<CommandId, UsageError> {
        self.command(Verb::Cwd, Some(path.as_ref()))
    }

    /// PWD: [`parse_quoted`](crate::wire::parse_quoted) reads its reply.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn pwd(&mut self) -> Result<CommandId, UsageError> {
        self.command(Verb::Pwd, None)
    }

    /// MKD.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn mkd(&mut self, path: impl AsRef<[u8]>) -> Result<CommandId, UsageError> {
        self.command(Verb::Mkd, Some(path.as_ref()))
    }

    /// RMD.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn rmd(&mut self, path: impl AsRef<[u8]>) -> Result<CommandId, UsageError> {
        self.command(Verb::Rmd, Some(path.as_ref()))
    }

    /// DELE.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn dele(&mut self, path: impl AsRef<[u8]>) -> Result<CommandId, UsageError> {
        self.command(Verb::Dele, Some(path.as_ref()))
    }

    /// RNFR and RNTO.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn rename(
        &mut self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
    ) -> Result<CommandId, UsageError> {
        let lines = [
            Line::new(Verb::Rnfr, Some(Arg::copy_from(from)?), What::Plain),
            Line::new(Verb::Rnto, Some(Arg::copy_from(to)?), What::Plain),
        ];
        self.queue(Plan::Lines(lines.into()), false)
    }

    /// SIZE, in TYPE I.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn size(&mut self, path: impl AsRef<[u8]>) -> Result<CommandId, UsageError> {
        let lines = [
            Line::new(
                Verb::Type,
                Some(Arg::copy_from("I")?),
                What::Type(Type::Image),
            ),
            Line::new(Verb::Size, Some(Arg::copy_from(path)?), What::Plain),
        ];
        self.queue(Plan::Lines(lines.into()), false)
    }

    /// MDTM: [`DateTime::parse`] reads its reply.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn mdtm(&mut self, path: impl AsRef<[u8]>) -> Result<CommandId, UsageError> {
        self.command(Verb::Mdtm, Some(path.as_ref()))
    }

    /// MFMT.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn mfmt(
        &mut self,
        path: impl AsRef<[u8]>,
        time: DateTime,
    ) -> Result<CommandId, UsageError> {
        let mut arg = BytesMut::new();
        time.encode(&mut arg);
        arg.extend_from_slice(b" ");
        arg.extend_from_slice(path.as_ref());
        self.command(Verb::Mfmt, Some(&arg))
    }

    /// FEAT: [`Features::parse`](crate::wire::Features::parse) reads its reply.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn feat(&mut self) -> Result<CommandId, UsageError> {
        self.command(Verb::Feat, None)
    }

    /// NOOP.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn noop(&mut self) -> Result<CommandId, UsageError> {
        self.command(Verb::Noop, None)
    }

    /// MODE, for the transfers that follow.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn mode(&mut self, mode: Mode) -> Result<CommandId, UsageError> {
        let letter = match mode {
            Mode::Stream => "S",
            Mode::Block => "B",
            Mode::Compressed => "C",
            Mode::Deflate => "Z",
        };
        let line = Line::new(Verb::Mode, Some(Arg::copy_from(letter)?), What::Mode(mode));
        self.queue(Plan::one(line), false)
    }

    /// STRU, for the transfers that follow.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn structure(&mut self, structure: Structure) -> Result<CommandId, UsageError> {
        let letter = match structure {
            Structure::File => "F",
            Structure::Record => "R",
            Structure::Page => "P",
        };
        let line = Line::new(
            Verb::Stru,
            Some(Arg::copy_from(letter)?),
            What::Structure(structure),
        );
        self.queue(Plan::one(line), false)
    }

    /// QUIT. What follows it is refused.
    ///
    /// # Errors
    ///
    /// [`UsageError`].
    pub fn quit(&mut self) -> Result<CommandId, UsageError> {
        let id = self.queue(Plan::one(Line::new(Verb::Quit, None, What::Quit)), false)?;
        self.is_quitting = true;
        Ok(id)
    }

    pub(super) fn queue(&mut self, plan: Plan, needs_tls: bool) -> Result<CommandId, UsageError> {
        if self.is_over() || self.is_quitting {
            return Err(UsageError::Closed);
        }
        let id = CommandId(self.new_id());
        self.ops.push_back(Op {
            id,
            plan,
            needs_tls,
        });
        Ok(id)
    }

    /// The lines that come before a transfer's own.
    pub(super) fn transfer_lines(
        &mut self,
        plan: &TransferPlan,
    ) -> alloc::collections::VecDeque<Line> {
        let mut lines = alloc::collections::VecDeque::new();
        if self.assumed.kind != plan.kind || !self.is_type_known {
            let letter = match plan.kind {
                Type::Ascii => "A",
                Type::Ebcdic => "E",
                Type::Image => "I",
            };
            let arg = Arg::copy_from(letter).ok();
            lines.push_back(Line::new(Verb::Type, arg, What::Type(plan.kind)));
        }
        lines.push_back(if self.config.active {
            Line::new(Verb::Port, None, What::Active)
        } else if self.use_epsv {
            Line::new(Verb::Epsv, None, What::Passive(true))
        } else {
            Line::new(Verb::Pasv, None, What::Passive(false))
        });
        if plan.offset > 0 {
            let mut text = BytesMut::new();
            // Writing into a growing buffer does not fail.
            let _ = write!(text, "{}", plan.offset);
            lines.push_back(Line::new(Verb::Rest, Arg::new(text).ok(), What::Rest));
        }
        lines.push_back(Line::new(plan.verb, plan.arg.clone(), What::Transfer));
        lines
    }

    /// The format of the next transfer.
    pub(super) fn transfer_format(&self, plan: &TransferPlan) -> Format {
        Format {
            kind: plan.kind,
            ..self.assumed
        }
    }
}
