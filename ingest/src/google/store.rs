//! Tokens for `object_store`, which knows service account keys, users and the metadata server by itself, but
//! neither federations nor impersonation.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::gcp::GcpCredential;

use super::client::Client;
use super::{Environment, GoogleAccess};
use crate::Result;
use crate::token::TokenCache;

/// Our tokens, as `object_store` asks for them at each request.
#[derive(Debug)]
pub(crate) struct GcsTokens(TokenCache);

impl GcsTokens {
    /// The tokens of Application Default Credentials, where these are of a kind that `object_store` does not
    /// know.
    ///
    /// # Errors
    /// [`Error::NoCredentials`](crate::Error::NoCredentials): what is there cannot be used.
    pub(crate) fn where_needed(environment: &Environment) -> Result<Option<Self>> {
        let Some(path) = &environment.credentials_file else { return Ok(None) };
        let kind = std::fs::read(path).ok().and_then(|bytes| {
            let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
            value.get("type")?.as_str().map(str::to_owned)
        });
        match kind.as_deref() {
            Some("external_account" | "impersonated_service_account") => {
                let client = Client::new(&GoogleAccess::default(), environment, now_us)?;
                Ok(Some(Self(client.tokens().clone())))
            }
            _ => Ok(None),
        }
    }
}

/// The store's client asks for tokens without telling the time.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[async_trait]
impl CredentialProvider for GcsTokens {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let token = self.0.get().await;
        let token = token
            .map_err(|source| object_store::Error::Generic { store: "GCS", source: Box::new(source) })?;
        Ok(Arc::new(GcpCredential { bearer: token.secret }))
    }
}
