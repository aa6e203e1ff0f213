//! Tokens of Entra: where they come from, in the order of Microsoft's own libraries.
//!
//! <https://learn.microsoft.com/en-us/azure/developer/python/sdk/authentication/credential-chains>. What is
//! configured is looked for anew at each token, and secrets are read anew, so that whoever renews them needs
//! no restart.

mod assertion;
mod service;

use std::path::PathBuf;

use async_trait::async_trait;
use url::Url;

use super::AzureAccess;
use crate::aws::Secret;
use crate::token::{Token, TokenSource};
use crate::web::Web;
use crate::{Environment, Error, Result, SecretReference};

/// Entra of the public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The metadata service of a machine.
const METADATA: &str = "http://169.254.169.254";
/// Where Azure Arc's agent puts the files that it names, on Linux.
const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";
/// What ends a scope that asks for all that was granted to an application.
const ALL_GRANTED: &str = "/.default";

/// One identity's tokens for one scope.
#[derive(Debug)]
pub(crate) struct Entra {
    access: AzureAccess,
    environment: Environment,
    scope: String,
    /// The command line tool of Azure.
    az: String,
    /// Where Azure Arc's agent puts the files that it names.
    arc_keys: PathBuf,
    web: Web,
    now_us: fn() -> i64,
}

impl Entra {
    /// Tokens for `scope`, such as `https://management.azure.com/.default`, asked for through `web`. Nothing
    /// is called yet; `now_us` gives the time of day in microseconds since 1970.
    ///
    /// # Errors
    /// [`Error::BadSetting`]: settings that name no identity, or half of one.
    pub(crate) fn new(
        access: &AzureAccess,
        environment: &Environment,
        scope: &str,
        web: Web,
        now_us: fn() -> i64,
    ) -> Result<Self> {
        let entra = Self {
            access: access.clone(),
            environment: environment.clone(),
            scope: scope.to_owned(),
            az: "az".into(),
            arc_keys: ARC_KEYS.into(),
            web,
            now_us,
        };
        entra.find()?;
        Ok(entra)
    }

    fn find(&self) -> Result<Identity> {
        Identity::find(&self.access, &self.environment)
    }
}

#[async_trait]
impl TokenSource for Entra {
    async fn token(&self) -> Result<Token> {
        self.load(self.find()?).await
    }
}

/// An application that Entra is asked as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Application {
    authority: Url,
    tenant: String,
    client_id: String,
}

/// A secret: the environment's, or one that is read when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Here(Secret),
    At(SecretReference),
}

/// What proves that one is the application.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    Secret(Held),
    Certificate(SecretReference),
    /// A token in a file, as Kubernetes mounts it.
    Federated(PathBuf),
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    Application(Application, Proof),
    /// The service of App Service, Functions and Container Apps.
    Endpoint {
        url: Url,
        /// Sent to it, so that nothing else on the machine gets a token by a forged request.
        header: Secret,
        client_id: Option<String>,
    },
    /// The agent of Azure Arc on a machine elsewhere.
    Arc {
        url: Url,
    },
    /// The metadata service of a machine; where there is none, whoever signed in with `az login`.
    Machine {
        url: Url,
        client_id: Option<String>,
        tenant: Option<String>,
    },
}

impl Identity {
    /// The first that is there.
    ///
    /// # Errors
    /// [`Error::BadSetting`] where one is there in part: the next would be another identity than the one
    /// that was meant.
    fn find(access: &AzureAccess, environment: &Environment) -> Result<Self> {
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        let tenant = access.tenant.clone().or_else(|| variable("AZURE_TENANT_ID"));
        let client_id = access.client_id.clone().or_else(|| variable("AZURE_CLIENT_ID"));
        let secret = |name: &str| environment.get(name).map(Secret::new);
        let proof = match (&access.client_secret, &access.certificate) {
            (Some(_), Some(_)) => {
                let problem = "give it or a client secret, not both".into();
                return Err(Error::BadSetting { field: "certificate", problem });
            }
            (Some(secret), None) => Some(Proof::Secret(Held::At(secret.clone()))),
            (None, Some(certificate)) => Some(Proof::Certificate(certificate.clone())),
            // An application is only taken from the environment where it is whole: AZURE_CLIENT_ID alone
            // names a managed identity.
            (None, None) if tenant.is_some() && client_id.is_some() => {
                let path = variable("AZURE_CLIENT_CERTIFICATE_PATH");
                let federated = variable("AZURE_FEDERATED_TOKEN_FILE");
                secret("AZURE_CLIENT_SECRET")
                    .map(|secret| Proof::Secret(Held::Here(secret)))
                    .or_else(|| Some(Proof::Certificate(SecretReference::File(path?.into()))))
                    .or_else(|| Some(Proof::Federated(federated?.into())))
            }
            (None, None) => None,
        };
        if let Some(proof) = proof {
            let missing = |field| {
                let variable = if field == "tenant" { "AZURE_TENANT_ID" } else { "AZURE_CLIENT_ID" };
                Error::BadSetting { field, problem: format!("give it, or set {variable}") }
            };
            let tenant = tenant.ok_or_else(|| missing("tenant"))?;
            let client_id = client_id.ok_or_else(|| missing("client_id"))?;
            if !is_tenant(&tenant) {
                let problem = "it is neither a tenant's id nor one of its domains".into();
                return Err(Error::BadSetting { field: "tenant", problem });
            }
            let authority = access.authority.clone().or_else(|| variable("AZURE_AUTHORITY_HOST"));
            let authority = https("authority", authority.as_deref().unwrap_or(AUTHORITY))?;
            return Ok(Self::Application(Application { authority, tenant, client_id }, proof));
        }
        if let (Some(url), Some(header)) = (variable("IDENTITY_ENDPOINT"), secret("IDENTITY_HEADER")) {
            return Ok(Self::Endpoint { url: base("IDENTITY_ENDPOINT", &url)?, header, client_id });
        }
        if let Some(url) = arc_agent(variable) {
            let url = base("IDENTITY_ENDPOINT", &url)?;
            if client_id.is_some() {
                let problem = "a machine of Azure Arc has its own identity alone; leave it out".into();
                return Err(Error::BadSetting { field: "client_id", problem });
            }
            return Ok(Self::Arc { url });
        }
        // The name that Microsoft's libraries know it by.
        let url = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        let url = base("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_deref().unwrap_or(METADATA))?;
        Ok(Self::Machine { url, client_id, tenant })
    }
}

/// Where Azure Arc's agent answers: as it says itself or, where its variables did not come to this process,
/// where it always does while it is installed.
fn arc_agent(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if let (Some(url), Some(_)) = (variable("IDENTITY_ENDPOINT"), variable("IMDS_ENDPOINT")) {
        return Some(url);
    }
    let is_installed = std::path::Path::new("/opt/azcmagent/bin/himds").is_file();
    is_installed.then(|| "http://localhost:40342/metadata/identity/oauth2/token".to_owned())
}

/// A tenant becomes part of a path and of a command.
fn is_tenant(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(['-', '.'])
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "-._".contains(char))
}

fn base(field: &'static str, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|error| Error::BadSetting { field, problem: format!("`{text}`: {error}") })
}

/// An address that secrets are sent to: over TLS, or on this machine.
pub(crate) fn https(field: &'static str, text: &str) -> Result<Url> {
    let url = base(field, text)?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && is_here) {
        return Ok(url);
    }
    Err(Error::BadSetting { field, problem: format!("`{text}` is neither https nor on this machine") })
}

#[cfg(test)]
mod tests;
