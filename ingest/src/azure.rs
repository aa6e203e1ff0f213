//! Logs of Azure and Microsoft 365, as an identity of Entra.
//!
//! No SDK: a token is one form to Entra or one request to the machine's own service (`credentials.rs`), and
//! everything else is a list over HTTPS. docs/sources/azure.md says how to set a source up.

mod activity_log;
mod blobs;
mod client;
mod credentials;
mod graph;
mod management;
mod mend;
mod storage;

use std::time::Duration;

pub(crate) use blobs::Blobs;
pub(crate) use credentials::Entra;

pub use activity_log::{ActivityLogCollector, ActivityLogConfig, check_activity_log};
pub use graph::{GraphConfig, GraphLog};
pub use management::{CONTENT_TYPES, ManagementActivityConfig};
pub use mend::mend;
pub use storage::StorageConfig;

use crate::SecretReference;
use crate::list::{Windowing, seconds};

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

/// When a list is asked, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureTimes {
    /// How far back the first read begins.
    pub lookback: Duration,
    /// How often is asked: the shortest window.
    pub every: Duration,
    /// How long after its time an event is expected to be listed.
    pub settle: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
}

impl AzureTimes {
    /// Windows of at most `longest`, overlap included, of a list that reaches `kept` back.
    fn windowing(&self, longest: Duration, kept: Duration) -> Windowing {
        let longest_s = seconds(longest);
        let overlap_s = seconds(self.overlap).min(longest_s / 2);
        let length_s = longest_s - overlap_s;
        Windowing {
            settle_s: seconds(self.settle).min(seconds(kept)),
            overlap_s,
            length_s,
            step_s: seconds(self.every).clamp(1, length_s.max(1)),
        }
    }
}
