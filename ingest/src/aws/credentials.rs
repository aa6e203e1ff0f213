//! Where keys come from, in the order of AWS's own tools, and a role that is assumed with them.

mod profile;
mod service;

use std::time::Duration;

use tokio::sync::Mutex;

use super::{AwsAccess, Environment, Secret};
use crate::{Error, Result};

/// Keys are renewed this long before they end, so that a request under way keeps its own.
const RENEW_BEFORE_S: i64 = 300;

/// What a request is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
    /// When they end, in seconds since 1970; `None` where nobody says.
    pub(crate) expires_unix_s: Option<i64>,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The environment, or a profile's own keys.
    Keys(Credentials),
    /// A token in a file, as Kubernetes mounts it (IRSA), changed for keys at STS.
    WebIdentity {
        role_arn: String,
        token_file: String,
        session_name: String,
    },
    /// What a profile's program prints: IAM Roles Anywhere's helper, a vault's.
    Process {
        line: String,
    },
    /// The agent of ECS or of EKS Pod Identity.
    Container {
        url: String,
        token: Option<Secret>,
        token_file: Option<String>,
    },
    /// The metadata service of the machine, version 2.
    Instance {
        endpoint: String,
    },
    Assume {
        base: Box<Source>,
        role: Role,
    },
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    pub(crate) session_name: String,
    pub(crate) duration: Duration,
}

impl Source {
    /// The first source that is there: keys in the environment, a profile, a web identity, a
    /// container's agent, the machine's metadata service; then the role of `access`, if it names one.
    ///
    /// # Errors
    /// [`Error::NoCredentials`] where a source is there and broken: the next would be another identity
    /// than the one that was meant.
    pub(crate) fn find(access: &AwsAccess, environment: &Environment) -> Result<Self> {
        let base = Self::base(access, environment)?;
        let Some(arn) = access.role_arn.clone() else { return Ok(base) };
        let role = Role {
            arn,
            external_id: access.external_id.clone(),
            session_name: access.session_name.clone(),
            duration: access.session_duration,
        };
        Ok(Self::Assume { base: Box::new(base), role })
    }

    fn base(access: &AwsAccess, environment: &Environment) -> Result<Self> {
        // A profile that was asked for by the source's own setting wins over the environment.
        if access.profile.is_none()
            && let Some(keys) = keys_of(environment)
        {
            return Ok(Self::Keys(keys));
        }
        if let Some(source) = profile::find(access, environment)? {
            return Ok(source);
        }
        if let Some(source) = web_identity(access, environment) {
            return Ok(source);
        }
        if let Some(source) = container(environment) {
            return Ok(source);
        }
        if environment
            .get("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return Err(none(
                "no keys in the environment, no profile, no web identity, no container agent, and \
                 AWS_EC2_METADATA_DISABLED forbids to ask the machine",
            ));
        }
        Ok(instance(environment))
    }

    /// What to call it in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Keys(keys) => format!("the access key `{}`", keys.access_key_id),
            Self::WebIdentity { role_arn, .. } => format!("a web identity for `{role_arn}`"),
            Self::Process { line } => format!("what `{line}` prints"),
            Self::Container { url, .. } => format!("the container agent at {url}"),
            Self::Instance { endpoint } => format!("the metadata service at {endpoint}"),
            Self::Assume { base, role } => format!("the role `{}`, assumed with {}", role.arn, base.name()),
        }
    }
}

/// Keys in the environment.
fn keys_of(environment: &Environment) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: environment.get("AWS_ACCESS_KEY_ID")?.to_owned(),
        secret_access_key: Secret::new(environment.get("AWS_SECRET_ACCESS_KEY")?),
        session_token: environment.get("AWS_SESSION_TOKEN").map(Secret::new),
        expires_unix_s: None,
    })
}

fn web_identity(access: &AwsAccess, environment: &Environment) -> Option<Source> {
    Some(Source::WebIdentity {
        role_arn: environment.get("AWS_ROLE_ARN")?.to_owned(),
        token_file: environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")?.to_owned(),
        session_name: environment.get("AWS_ROLE_SESSION_NAME").unwrap_or(&access.session_name).to_owned(),
    })
}

fn container(environment: &Environment) -> Option<Source> {
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let url = match relative {
        Some(path) => format!("http://169.254.170.2{path}"),
        None => environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")?.to_owned(),
    };
    Some(Source::Container {
        url,
        token: environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
        token_file: environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(str::to_owned),
    })
}

fn instance(environment: &Environment) -> Source {
    let mode = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or_default();
    let usual = match mode.eq_ignore_ascii_case("ipv6") {
        true => "http://[fd00:ec2::254]",
        false => "http://169.254.169.254",
    };
    let endpoint = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(usual);
    Source::Instance { endpoint: endpoint.trim_end_matches('/').to_owned() }
}

/// Keys that are fetched when they are needed and renewed before they end.
#[derive(Debug)]
pub(crate) struct CredentialCache {
    access: AwsAccess,
    environment: Environment,
    keys: Mutex<Option<Credentials>>,
}

impl CredentialCache {
    pub(crate) fn new(access: AwsAccess, environment: Environment) -> Self {
        Self { access, environment, keys: Mutex::new(None) }
    }

    /// Keys that are good now.
    ///
    /// # Errors
    /// [`Error::NoCredentials`], and what the service that gives them says.
    pub(crate) async fn get(&self, services: &Services<'_>, now_unix_s: i64) -> Result<Credentials> {
        let mut keys = self.keys.lock().await;
        let left_s = |keys: &Credentials| keys.expires_unix_s.map_or(i64::MAX, |end| end - now_unix_s);
        if let Some(keys) = keys.as_ref().filter(|keys| left_s(keys) > RENEW_BEFORE_S) {
            return Ok(keys.clone());
        }
        // Files are read and sources looked for again: whoever renews keys in a file is noticed.
        let source = Source::find(&self.access, &self.environment)?;
        match services.load(&source, now_unix_s).await {
            Ok(fresh) => Ok(keys.insert(fresh).clone()),
            Err(error) => match keys.as_ref().filter(|keys| left_s(keys) > 0) {
                Some(old) => Ok(old.clone()),
                None => Err(error),
            },
        }
    }

    /// A service said that the keys have ended.
    pub(crate) async fn forget(&self) {
        *self.keys.lock().await = None;
    }

    /// What keys come from, for messages.
    pub(crate) fn describe(&self) -> Result<String> {
        Source::find(&self.access, &self.environment).map(|source| source.name())
    }
}

pub(crate) use service::{Services, caller};

fn none(tried: impl Into<String>) -> Error {
    Error::NoCredentials { problem: tried.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_that_is_there_is_taken() {
        let access = AwsAccess::default();
        let name = |access: &AwsAccess, environment: &Environment| {
            Source::find(access, environment).map(|source| source.name())
        };
        let mut environment = Environment::default();
        assert_eq!(name(&access, &environment).unwrap(), "the metadata service at http://169.254.169.254");
        let mode = environment.clone().with("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
        assert_eq!(name(&access, &mode).unwrap(), "the metadata service at http://[fd00:ec2::254]");
        let disabled = mode.with("AWS_EC2_METADATA_DISABLED", "true");
        assert!(name(&access, &disabled).unwrap_err().to_string().contains("AWS_EC2_METADATA_DISABLED"));
        environment = environment.with("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/keys");
        let agent = "the container agent at http://169.254.170.2/v2/keys";
        assert_eq!(name(&access, &environment).unwrap(), agent);
        environment = environment.with("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod");
        assert_eq!(name(&access, &environment).unwrap(), agent);
        environment = environment.with("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
        let pod = "a web identity for `arn:aws:iam::111122223333:role/pod`";
        assert_eq!(name(&access, &environment).unwrap(), pod);
        environment = environment.with("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").with("AWS_SECRET_ACCESS_KEY", "x");
        assert_eq!(name(&access, &environment).unwrap(), "the access key `AKIDEXAMPLE`");
        let reader = AwsAccess {
            role_arn: Some("arn:aws:iam::444455556666:role/reader".into()),
            external_id: Some("id".into()),
            ..access
        };
        assert_eq!(
            name(&reader, &environment).unwrap(),
            "the role `arn:aws:iam::444455556666:role/reader`, assumed with the access key `AKIDEXAMPLE`"
        );
        assert!(!format!("{:?}", Source::find(&reader, &environment)).contains("\"x\""));
    }
}
