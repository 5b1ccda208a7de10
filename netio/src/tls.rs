//! TLS for the drivers: from the first octet, or in mid-stream after a STARTTLS command.
//!
//! [`Stream`] is a [`Transport`] that begins in plaintext and turns into
//! TLS when the machine says so ([`StreamTransmit::StartTls`](crate::shape::StreamTransmit)), or
//! when [`driver::Stream::implicit_tls`](crate::driver::Stream::implicit_tls) does. rustls does the
//! rest, with ring and with TLS 1.2 and 1.3; [`server_config`] and [`client_config`] make its
//! configurations from PEM, and any other configuration of rustls will do as well.

use crate::driver::{Records, Transport};
use crate::shape::TlsInfo;
use bytes::Bytes;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, CommonState, ProtocolVersion, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

pub use tokio_rustls;

/// Which end of the handshake this is.
#[derive(Clone, Debug)]
pub enum Role {
    /// The end that connects.
    Client {
        /// Whom to trust, and what to offer.
        config: Arc<ClientConfig>,
        /// The name that the server must prove.
        name: ServerName<'static>,
    },
    /// The end that was connected to.
    Server {
        /// The certificate, and what to accept.
        config: Arc<ServerConfig>,
    },
}

type Handshake<T> = Pin<Box<dyn Future<Output = io::Result<TlsStream<T>>> + Send>>;

enum State<T> {
    Plain(Records<T>),
    Handshaking(Handshake<Records<T>>),
    Tls(Box<TlsStream<Records<T>>>),
    /// A handshake failed, and took the transport with it.
    Gone,
}

/// A transport that can become TLS.
pub struct Stream<T> {
    state: State<T>,
    role: Role,
    may_end: bool,
}

impl<T> Stream<T> {
    /// A plaintext transport that will be the client's end, if TLS is asked for.
    pub fn client(io: T, config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self {
            state: State::Plain(Records::new(io)),
            may_end: false,
            role: Role::Client { config, name },
        }
    }

    /// A plaintext transport that will be the server's end, if TLS is asked for.
    pub fn server(io: T, config: Arc<ServerConfig>) -> Self {
        Self {
            state: State::Plain(Records::new(io)),
            may_end: false,
            role: Role::Server { config },
        }
    }

    /// TLS may end before the connection does
    /// ([`StopTls`](crate::shape::StreamTransmit::StopTls), CCC of FTP): records are read one at a
    /// time, so that nothing that follows the last one is lost. It costs a copy.
    #[must_use]
    pub fn may_end(mut self) -> Self {
        self.may_end = true;
        self
    }

    /// Whether what is sent now is sent under TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.state, State::Tls(_))
    }
}

impl<T> core::fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.state {
            State::Plain(_) => "Stream(plaintext)",
            State::Handshaking(_) => "Stream(handshake)",
            State::Tls(_) => "Stream(TLS)",
            State::Gone => "Stream(gone)",
        })
    }
}

impl<T> Transport for Stream<T>
where
    T: Transport + Send + 'static,
{
    fn poll_start_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TlsInfo>> {
        loop {
            match core::mem::replace(&mut self.state, State::Gone) {
                State::Plain(mut io) => {
                    io.set_exact(self.may_end);
                    self.state = State::Handshaking(handshake(io, self.role.clone()));
                }
                State::Handshaking(mut handshake) => {
                    let Poll::Ready(result) = handshake.as_mut().poll(cx) else {
                        self.state = State::Handshaking(handshake);
                        return Poll::Pending;
                    };
                    let tls = result?;
                    let info = info(&tls);
                    self.state = State::Tls(Box::new(tls));
                    return Poll::Ready(Ok(info));
                }
                State::Tls(tls) => {
                    self.state = State::Tls(tls);
                    return Poll::Ready(Err(io::Error::other("TLS is already established")));
                }
                State::Gone => return Poll::Ready(Err(gone())),
            }
        }
    }

    fn poll_stop_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Tls(tls) = &mut self.state else {
            return Poll::Ready(Err(gone()));
        };
        match tls.as_mut() {
            TlsStream::Client(tls) => tls.get_mut().1.send_close_notify(),
            TlsStream::Server(tls) => tls.get_mut().1.send_close_notify(),
        }
        core::task::ready!(Pin::new(tls.as_mut()).poll_flush(cx))?;
        // The peer's close_notify is the last thing under TLS. What else it says is out of place.
        let mut room = [0; 1];
        let mut room = ReadBuf::new(&mut room);
        core::task::ready!(Pin::new(tls.as_mut()).poll_read(cx, &mut room))?;
        if !room.filled().is_empty() {
            return Poll::Ready(Err(io::Error::other("data where TLS was to end")));
        }
        if let State::Tls(tls) = core::mem::replace(&mut self.state, State::Gone) {
            let mut io = match *tls {
                TlsStream::Client(tls) => tls.into_inner().0,
                TlsStream::Server(tls) => tls.into_inner().0,
            };
            io.set_exact(false);
            self.state = State::Plain(io);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_urgent(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.state {
            State::Plain(io) => io.poll_write_urgent(cx, data),
            // Under TLS nothing can be urgent.
            State::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, data),
            State::Handshaking(_) | State::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn abort(&mut self) {
        match &mut self.state {
            State::Plain(io) => io.abort(),
            State::Tls(tls) => match tls.as_mut() {
                TlsStream::Client(tls) => tls.get_mut().0.abort(),
                TlsStream::Server(tls) => tls.get_mut().0.abort(),
            },
            State::Handshaking(_) | State::Gone => {}
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(io) => Pin::new(io).poll_read(cx, buf),
            State::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            State::Handshaking(_) | State::Gone => Poll::Ready(Err(gone())),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().state {
            State::Plain(io) => Pin::new(io).poll_write(cx, buf),
            State::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            State::Handshaking(_) | State::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().state {
            State::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            State::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            State::Handshaking(_) | State::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.state {
            State::Plain(io) => io.is_write_vectored(),
            State::Tls(tls) => tls.is_write_vectored(),
            State::Handshaking(_) | State::Gone => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(io) => Pin::new(io).poll_flush(cx),
            State::Tls(tls) => Pin::new(tls).poll_flush(cx),
            State::Handshaking(_) | State::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(io) => Pin::new(io).poll_shutdown(cx),
            State::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            State::Handshaking(_) | State::Gone => Poll::Ready(Err(gone())),
        }
    }
}

/// What can be wrong with certificates and keys given as text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not PEM, or lacks what was looked for.
    #[error("no usable PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// rustls does not accept the certificate or the key.
    #[error("unusable certificate or key")]
    Tls(#[from] rustls::Error),
}

/// A server's configuration: its certificate chain and private key as PEM, and the protocols that it
/// offers by ALPN, best first.
///
/// # Errors
///
/// [`ConfigError`], when the text is not PEM or the key does not fit the certificate.
pub fn server_config(
    chain_pem: &[u8],
    key_pem: &[u8],
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, ConfigError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key_pem)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A client's configuration: the certificates that it trusts as PEM, and the protocols that it
/// offers by ALPN, best first.
///
/// # Errors
///
/// [`ConfigError`], when the text is not PEM or holds no usable certificate.
pub fn client_config(roots_pem: &[u8], alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots_pem) {
        roots.add(root?)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn handshake<T>(io: T, role: Role) -> Handshake<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match role {
        Role::Client { config, name } => Box::pin(async move {
            let tls = TlsConnector::from(config).connect(name, io).await?;
            Ok(TlsStream::Client(tls))
        }),
        Role::Server { config } => Box::pin(async move {
            let tls = TlsAcceptor::from(config).accept(io).await?;
            Ok(TlsStream::Server(tls))
        }),
    }
}

pub(crate) fn info<T>(tls: &TlsStream<T>) -> TlsInfo {
    let (state, server_name, exporter): (&CommonState, _, _) = match tls {
        TlsStream::Client(tls) => {
            let connection = tls.get_ref().1;
            let exporter = exporter(connection, |out| {
                connection.export_keying_material(out, EXPORTER_LABEL, Some(b""))
            });
            (connection, None, exporter)
        }
        TlsStream::Server(tls) => {
            let connection = tls.get_ref().1;
            let exporter = exporter(connection, |out| {
                connection.export_keying_material(out, EXPORTER_LABEL, Some(b""))
            });
            (connection, connection.server_name(), exporter)
        }
    };
    TlsInfo {
        alpn: state.alpn_protocol().map(Bytes::copy_from_slice),
        server_name: server_name.map(str::to_owned),
        peer_certificate: state
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|certificate| Bytes::copy_from_slice(certificate)),
        exporter,
        resumed: state.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    }
}

/// RFC 9266 section 4.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// RFC 9266 section 3: below TLS 1.3 the binding is not unique without an extended master secret,
/// which rustls does not tell of; so there is none.
fn exporter(
    state: &CommonState,
    export: impl FnOnce([u8; 32]) -> Result<[u8; 32], rustls::Error>,
) -> Option<[u8; 32]> {
    (state.protocol_version() == Some(ProtocolVersion::TLSv1_3))
        .then(|| export([0; 32]).ok())
        .flatten()
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "a TLS handshake is under way or has failed",
    )
}
