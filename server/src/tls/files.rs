//! The files that TLS is made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Where the certificate of a listener lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate and those between it and its authority, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
    /// Whose certificates clients must show, PEM; without it, none is asked for.
    pub(crate) client_ca: Option<PathBuf>,
}

/// TLS 1.2 and 1.3 with what the files hold.
///
/// # Errors
/// A file cannot be read, holds nothing of its kind, or key and certificate do not belong together.
pub(crate) fn server_config(files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let TlsFiles { certificate, key, client_ca } = files;
    // The same as everywhere else in the process, and not asked for where another could be set.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match client_ca {
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
    builder.with_single_cert(chain, private_key).with_context(belong)
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
