//! Logs of Azure and Microsoft 365, as an identity of Entra.
//!
//! No SDK: a token is one form to Entra or one request to the machine's own service (`credentials.rs`), and
//! everything else is a list over HTTPS. docs/sources/azure.md says how to set a source up.

mod credentials;

use crate::SecretReference;

/// Who calls, and where Entra is.
///
/// With a secret or a certificate it is that application. Without, the identity is looked for as
/// `DefaultAzureCredential` of Microsoft's libraries does: an application in the environment
/// (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` or `AZURE_CLIENT_CERTIFICATE_PATH`), a
/// workload identity (`AZURE_FEDERATED_TOKEN_FILE`), a managed identity, and whoever `az login` signed in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AzureAccess {
    /// The tenant: its id or one of its domains; otherwise `AZURE_TENANT_ID`.
    pub tenant: Option<String>,
    /// The application, or the user-assigned managed identity, by its client id; otherwise
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<SecretReference>,
    /// The application's certificate and its key (PEM, not encrypted).
    pub certificate: Option<SecretReference>,
    /// Where Entra is; otherwise `AZURE_AUTHORITY_HOST`, otherwise <https://login.microsoftonline.com>.
    pub authority: Option<String>,
}
