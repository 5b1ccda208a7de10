//! TLS that takes any certificate: against test servers on loopback, with certificates that nobody
//! signed.

use netio::tls::tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use netio::tls::tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use netio::tls::tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use netio::tls::tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
};
use std::sync::Arc;

#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        netio::tls::tokio_rustls::rustls::crypto::verify_tls12_signature(
            message, cert, signature, algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        netio::tls::tokio_rustls::rustls::crypto::verify_tls13_signature(
            message, cert, signature, algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A client's configuration that takes any certificate. Sessions are remembered, so that data
/// connections can resume that of the control connection.
///
/// # Errors
///
/// rustls's, when its protocol versions do not fit its provider.
pub fn client_config() -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}
