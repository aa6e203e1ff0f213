//! Who we are to Google: tokens by Application Default Credentials, a key, a federation, impersonation.
//!
//! The order is Google's own (<https://cloud.google.com/docs/authentication/application-default-credentials>):
//! what is configured, `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's file, the metadata server. Every request is
//! one of our bounded [`Web`], which follows no redirect, and a token that a service refuses before its time
//! can be fetched anew at once.

mod document;
mod external;
mod key;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use reqwest::header::HeaderName;
use serde_json::{Value, json};
use url::Url;

use self::document::{Document, User};
use self::external::External;
use self::key::ServiceAccountKey;
use super::{Environment, GoogleAccess};
use crate::token::{Token, TokenSource};
use crate::web::{Answer, Call, Web};
use crate::{Error, Result};

/// What all services of Google Cloud take; the roles of the identity say what it may do.
pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The metadata server by its address: a name would be asked of whoever answers for it.
const METADATA_HOST: &str = "169.254.169.254";
/// The metadata server is next door or not there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// A larger file is no key.
const MAX_FILE: u64 = 1 << 20;
/// A larger answer is no token.
const MAX_ANSWER: usize = 1 << 20;

/// The source of tokens for `access` and `scopes`. With `subject`, a user of a Workspace domain for whom the
/// service account may act (domain-wide delegation). Files are read here, nothing is called yet.
///
/// # Errors
/// [`Error::NoCredentials`] and [`Error::BadSetting`]: what is there cannot be used.
pub(crate) fn open(
    access: &GoogleAccess,
    environment: &Environment,
    scopes: &[&str],
    subject: Option<&str>,
    now_us: fn() -> i64,
) -> Result<Opened> {
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let web = Web::new()?;
    if access.anonymous {
        return Ok(Opened { source: Arc::new(Anonymous), quota_project: None });
    }
    let base_scopes =
        if access.impersonate.is_some() { vec![CLOUD_PLATFORM.to_owned()] } else { scopes.clone() };
    let (way, quota_project) = way(access, environment, subject, now_us)?;
    let quota_project = environment.quota_project.clone().or(quota_project);
    let base = Arc::new(Identity { web: web.clone(), way, scopes: base_scopes, now_us });
    let Some(email) = &access.impersonate else { return Ok(Opened { source: base, quota_project }) };
    if !email.contains('@') || email.contains(['/', '?', '#', '%']) {
        let problem = "give the e-mail address of the service account".into();
        return Err(Error::BadSetting { field: "impersonate", problem });
    }
    let root = access.endpoint_of("iamcredentials").unwrap_or("https://iamcredentials.googleapis.com");
    let url =
        format!("{}/v1/projects/-/serviceAccounts/{email}:generateAccessToken", root.trim_end_matches('/'));
    let way = Way::Impersonated { base, url: secure(&url)?, delegates: Vec::new() };
    Ok(Opened { source: Arc::new(Identity { web, way, scopes, now_us }), quota_project })
}

/// Who we are.
pub(crate) struct Opened {
    pub(crate) source: Arc<dyn TokenSource>,
    /// The project whose quota counts, where the credentials name one: a person has none.
    pub(crate) quota_project: Option<String>,
}

/// One identity.
#[derive(Debug)]
struct Identity {
    web: Web,
    way: Way,
    scopes: Vec<String>,
    now_us: fn() -> i64,
}

/// How a token is got.
#[derive(Debug)]
enum Way {
    Key(Box<ServiceAccountKey>),
    User(User),
    Metadata { host: String },
    External(Box<External>),
    Impersonated { base: Arc<Identity>, url: Url, delegates: Vec<String> },
}

fn way(
    access: &GoogleAccess,
    environment: &Environment,
    subject: Option<&str>,
    now_us: fn() -> i64,
) -> Result<(Way, Option<String>)> {
    let text = match (&access.credentials, &environment.credentials_file, &environment.gcloud_file) {
        (Some(reference), ..) => Some((reference.to_string(), reference.read()?)),
        (None, Some(path), _) => Some(read(path)?),
        (None, None, Some(path)) if path.exists() => Some(read(path)?),
        _ => None,
    };
    let Some((place, text)) = text else {
        let host = environment.metadata_host.clone().unwrap_or_else(|| METADATA_HOST.into());
        return Ok((Way::Metadata { host }, None));
    };
    // The parser's own words could show a part of the key.
    let fail = |problem: &str| Error::NoCredentials { problem: format!("`{place}`: {problem}") };
    let value: Value = serde_json::from_str(&text).map_err(|_| fail("it is no JSON"))?;
    let document = Document::read(&value).map_err(|problem| fail(&problem))?;
    let way = way_of(document, environment, subject, now_us).map_err(|error| match error {
        Error::NoCredentials { problem } => fail(&problem),
        other => other,
    })?;
    Ok((way, value.get("quota_project_id").and_then(Value::as_str).map(str::to_owned)))
}

fn way_of(
    document: Document,
    environment: &Environment,
    subject: Option<&str>,
    now_us: fn() -> i64,
) -> Result<Way> {
    Ok(match document {
        Document::ServiceAccount { email, key_id, pem, token_uri } => {
            let key = ServiceAccountKey::new(email, key_id, &pem, token_uri, subject.map(str::to_owned))?;
            Way::Key(Box::new(key))
        }
        Document::User(user) => Way::User(user),
        Document::External(mut external) => {
            if external.is_executable() && !environment.allows_executables {
                let problem = "it names a program to run; set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 \
                               if that is meant"
                    .into();
                return Err(Error::NoCredentials { problem });
            }
            external.prepare(&environment.aws)?;
            Way::External(external)
        }
        Document::Impersonated { source, url, delegates } => {
            let way = way_of(*source, environment, None, now_us)?;
            let scopes = vec![CLOUD_PLATFORM.to_owned()];
            let base = Arc::new(Identity { web: Web::new()?, way, scopes, now_us });
            Way::Impersonated { base, url: secure(&url)?, delegates }
        }
    })
}

/// A file's name and text.
fn read(path: &Path) -> Result<(String, String)> {
    let place = path.display().to_string();
    let fail = |problem: String| Error::NoCredentials { problem: format!("`{place}`: {problem}") };
    let size = path.metadata().map_err(|error| fail(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(fail(format!("it is larger than {MAX_FILE} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    Ok((place, text))
}

/// An address to which a secret may be sent: HTTPS, or this machine.
pub(super) fn secure(address: &str) -> Result<Url> {
    let fail = |problem: &str| Error::NoCredentials { problem: format!("`{address}`: {problem}") };
    let url = Url::parse(address).map_err(|_| fail("it is no address"))?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && is_here) {
        Ok(url)
    } else {
        Err(fail("secrets are sent to https:// alone"))
    }
}

#[async_trait]
impl TokenSource for Identity {
    async fn token(&self) -> Result<Token> {
        match &self.way {
            Way::Key(key) => {
                let assertion = key.assertion(&self.scopes, (self.now_us)() / 1_000_000)?;
                let form = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", assertion.as_str()),
                ];
                self.by_form("oauth2.token", key.token_uri.clone(), &form).await
            }
            Way::User(user) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", user.client_id.as_str()),
                    ("client_secret", user.client_secret.as_str()),
                    ("refresh_token", user.refresh_token.as_str()),
                ];
                self.by_form("oauth2.token", secure(&user.token_uri)?, &form).await
            }
            Way::Metadata { host } => self.by_metadata(host).await,
            Way::External(external) => self.by_exchange(external).await,
            Way::Impersonated { base, url, delegates } => {
                let base = base.token().await?;
                self.by_impersonation(&base.secret, url.clone(), delegates).await
            }
        }
    }
}

impl Identity {
    async fn by_form(&self, name: &str, url: Url, form: &[(&str, &str)]) -> Result<Token> {
        let call = Call { max_bytes: MAX_ANSWER, ..Call::post_form(name, url, form) };
        let answer = self.web.send(call).await?.accepted(name)?;
        self.issued(name, &answer)
    }

    /// A token as OAuth gives it (RFC 6749 section 5.1).
    fn issued(&self, name: &str, answer: &Answer) -> Result<Token> {
        let value = answer.json(name)?;
        let secret = value.get("access_token").and_then(Value::as_str);
        let seconds = value.get("expires_in").and_then(Value::as_i64).unwrap_or(3_600);
        let expires_us = (self.now_us)() + seconds.clamp(0, 86_400) * 1_000_000;
        token(name, secret, Some(expires_us))
    }

    async fn by_metadata(&self, host: &str) -> Result<Token> {
        let name = "metadata.token";
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let url =
            Url::parse_with_params(&format!("http://{host}/{path}"), [("scopes", self.scopes.join(","))]);
        let url = url.map_err(|_| Error::NoCredentials {
            problem: format!("GCE_METADATA_HOST: `{host}` is no host"),
        })?;
        let call =
            Call { timeout: METADATA_TIMEOUT, max_bytes: MAX_ANSWER, is_near: true, ..Call::get(name, url) };
        let call = call.with_header(HeaderName::from_static("metadata-flavor"), "Google");
        let answer = self.web.send(call).await.map_err(|_| Error::NoCredentials {
            problem: "no key is configured, GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has none, and \
                      there is no metadata server: attach a service account, or name a key"
                .into(),
        })?;
        self.issued(name, &answer.accepted(name)?)
    }

    async fn by_exchange(&self, external: &External) -> Result<Token> {
        let subject = external.subject_token(&self.web, (self.now_us)() / 1_000_000).await?;
        let platform = CLOUD_PLATFORM.to_owned();
        let scopes = if external.impersonation_url.is_some() { &[platform][..] } else { &self.scopes };
        let scope = scopes.join(" ");
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", external.audience.as_str()),
            ("scope", scope.as_str()),
            ("subject_token_type", external.subject_token_type.as_str()),
            ("subject_token", subject.as_str()),
        ];
        let token = self.by_form("sts.token", secure(&external.token_url)?, &form).await?;
        match &external.impersonation_url {
            Some(url) => self.by_impersonation(&token.secret, secure(url)?, &[]).await,
            None => Ok(token),
        }
    }

    async fn by_impersonation(&self, base: &str, url: Url, delegates: &[String]) -> Result<Token> {
        let name = "iam.serviceAccounts.getAccessToken";
        let body = json!({"scope": self.scopes, "delegates": delegates, "lifetime": "3600s"});
        let call = Call { max_bytes: MAX_ANSWER, ..Call::post_json(name, url, &body) }.with_bearer(base)?;
        let value = self.web.send(call).await?.accepted(name)?.json(name)?;
        let expires = value.get("expireTime").and_then(Value::as_str);
        let expires_us = expires.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let expires_us = expires_us.map(|time| time.timestamp_micros());
        token(name, value.get("accessToken").and_then(Value::as_str), expires_us)
    }
}

fn token(name: &str, secret: Option<&str>, expires_us: Option<i64>) -> Result<Token> {
    match (secret, expires_us) {
        // Metadata servers of old pad theirs with dots.
        (Some(secret), Some(expires_us)) if !secret.is_empty() => {
            Ok(Token { secret: secret.trim_end_matches('.').to_owned(), expires_us })
        }
        _ => Err(Error::BadAnswer { call: name.to_owned(), problem: "there is no token in it".into() }),
    }
}

/// For emulators, which ask nobody who they are.
#[derive(Debug)]
struct Anonymous;

#[async_trait]
impl TokenSource for Anonymous {
    async fn token(&self) -> Result<Token> {
        Ok(Token { secret: "anonymous".into(), expires_us: i64::MAX / 2 })
    }
}
