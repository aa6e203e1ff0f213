//! TLS over a connection that egress made: mail and syslog. HTTP has its own.

use std::sync::Arc;

use egress::Client;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Outcome, SettingProblem, http};

/// A server and how its certificate is judged.
#[derive(Clone)]
pub(super) struct Server {
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Server {
    /// The server `host`, whose certificate this machine trusts, or one of `ca`, which is PEM.
    ///
    /// # Errors
    /// The name is none, or the PEM holds no certificate.
    pub(super) fn new(host: &str, port: u16, ca: Option<&[u8]>) -> Result<Self, SettingProblem> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            SettingProblem::new(
                "server",
                "this is no name of a server",
                "write it as in `smtp.example.com:587`",
            )
        })?;
        let no_certificate =
            || SettingProblem::new("ca_file", "it holds no certificate", "name a file in PEM");
        let extra: Vec<CertificateDer<'static>> = match ca {
            Some(pem) => CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .ok()
                .filter(|found: &Vec<_>| !found.is_empty())
                .ok_or_else(no_certificate)?,
            None => Vec::new(),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(extra, provider.clone()).map_err(|_| no_certificate())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SettingProblem::new("ca_file", error.to_string(), "please report it"))?
            // The platform's verifier is the strict one; only its roots are chosen here.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { host: host.to_owned(), port, name, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection without TLS yet.
    ///
    /// # Errors
    /// The outcome of the delivery that needs it.
    pub(super) async fn connect(&self, client: &Client) -> Result<TcpStream, Outcome> {
        client.connect(&self.host, self.port).await.map_err(|error| http::failed(&error))
    }

    /// TLS over a connection.
    ///
    /// # Errors
    /// The outcome of the delivery that needs it.
    pub(super) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Outcome> {
        self.connector.connect(self.name.clone(), stream).await.map_err(|error| Outcome::Retry {
            after: None,
            reason: format!("TLS with `{}`: {error}", self.host),
        })
    }
}
