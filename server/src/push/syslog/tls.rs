//! TLS of a listener.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::SyslogConfig;
use crate::tls::{TlsFiles, server_config};

/// What takes TLS off a connection; `None` for a listener without TLS.
///
/// # Errors
/// A file cannot be read, holds nothing of its kind, or key and certificate do not belong together.
pub(super) fn acceptor(config: &SyslogConfig) -> anyhow::Result<Option<TlsAcceptor>> {
    let Some((certificate, key)) = config.certificate.clone() else { return Ok(None) };
    let files = TlsFiles { certificate, key, client_ca: config.client_ca.clone() };
    Ok(Some(TlsAcceptor::from(Arc::new(server_config(&files)?))))
}
