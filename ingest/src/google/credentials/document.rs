//! A file with credentials, as Google writes it: its kinds and members.

use std::fmt;

use serde_json::Value;

use super::external::External;

/// Google's token service.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// A delegation has a few members.
const MAX_DELEGATES: usize = 16;

/// What a file says, checked as far as one can without asking.
pub(super) enum Document {
    /// A key of a service account.
    ServiceAccount {
        email: String,
        key_id: Option<String>,
        /// The private key, PKCS #8 in PEM.
        pem: String,
        token_uri: String,
    },
    /// A person, after `gcloud auth application-default login`.
    User(User),
    /// Workload identity federation.
    External(Box<External>),
    /// One of the others, and a service account to become.
    Impersonated { source: Box<Document>, url: String, delegates: Vec<String> },
}

/// A person.
pub(super) struct User {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) refresh_token: String,
    pub(super) token_uri: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Document {
    /// # Errors
    /// What is missing or unknown, without any value.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let given = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed = |name: &str| given(name).ok_or_else(|| format!("it has no `{name}`"));
        let token_uri = || given("token_uri").unwrap_or_else(|| TOKEN_URI.into());
        match given("type").as_deref() {
            Some("service_account") => Ok(Self::ServiceAccount {
                email: needed("client_email")?,
                key_id: given("private_key_id"),
                pem: needed("private_key")?,
                token_uri: token_uri(),
            }),
            Some("authorized_user") => Ok(Self::User(User {
                client_id: needed("client_id")?,
                client_secret: needed("client_secret")?,
                refresh_token: needed("refresh_token")?,
                token_uri: token_uri(),
            })),
            Some("external_account") => Ok(Self::External(Box::new(External::read(value)?))),
            Some("impersonated_service_account") => {
                let source = value.get("source_credentials").ok_or("it has no `source_credentials`")?;
                if source.get("type").and_then(Value::as_str) == Some("impersonated_service_account") {
                    return Err("impersonations lie in each other; name `delegates` instead".into());
                }
                let delegates = value.get("delegates").and_then(Value::as_array);
                let delegates = delegates.map(Vec::as_slice).unwrap_or_default().iter();
                Ok(Self::Impersonated {
                    source: Box::new(Self::read(source)?),
                    url: needed("service_account_impersonation_url")?,
                    delegates: delegates
                        .take(MAX_DELEGATES)
                        .filter_map(|one| one.as_str().map(str::to_owned))
                        .collect(),
                })
            }
            Some(_) => Err("its `type` is none of service_account, authorized_user, external_account, \
                            impersonated_service_account"
                .into()),
            None => Err("it has no `type`: this is no file with credentials of Google".into()),
        }
    }
}
