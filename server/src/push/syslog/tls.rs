//! The certificates of a listener with TLS.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::SyslogConfig;

/// What takes TLS off a connection; `None` for a listener without TLS.
///
/// # Errors
/// A file cannot be read, holds nothing of its kind, or key and certificate do not belong together.
pub(super) fn acceptor(config: &SyslogConfig) -> anyhow::Result<Option<TlsAcceptor>> {
    let Some((certificate, key)) = &config.certificate else { return Ok(None) };
    // The same as everywhere else in the process, and not asked for where another could be set.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).with_context(|| format!("`{}`", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(certificate)?;
    let key_file = || format!("`{}` holds no private key in PEM", key.display());
    let private_key = PrivateKeyDer::from_pem_file(key).with_context(key_file)?;
    let belong = || format!("`{}` and `{}`", certificate.display(), key.display());
    let config = builder.with_single_cert(chain, private_key).with_context(belong)?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let what = || format!("`{}` holds no certificate in PEM", path.display());
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .with_context(what)?
        .collect::<Result<_, _>>()
        .with_context(what)?;
    anyhow::ensure!(!found.is_empty(), what());
    Ok(found)
}
