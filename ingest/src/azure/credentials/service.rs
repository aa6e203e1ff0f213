//! How a token is asked for: of Entra, of the machine, of `az`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::HeaderName;
use serde_json::Value;
use url::Url;

use super::{ALL_GRANTED, Application, Entra, Held, Identity, Proof, assertion, is_tenant};
use crate::token::Token;
use crate::web::Call;
use crate::{Error, Result, SecretReference};

/// The metadata service is one hop away or not there at all.
const NEAR_TIMEOUT: Duration = Duration::from_secs(3);
const ENTRA_TIMEOUT: Duration = Duration::from_secs(20);
/// The most that is answered here; a token has a few KiB.
const MAX_BYTES: usize = 256 << 10;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// A larger file is none of Azure Arc's.
const ARC_KEY_BYTES: u64 = 4096;
/// How long a token is taken for good where nobody says.
const UNSAID_S: i64 = 300;

impl Entra {
    pub(super) async fn load(&self, identity: Identity) -> Result<Token> {
        match identity {
            Identity::Application(application, proof) => self.application(application, proof).await,
            Identity::Endpoint { url, header, client_id } => {
                let call = self
                    .near("managed identity", url, "2019-08-01", client_id.as_deref())
                    .with_secret(HeaderName::from_static("x-identity-header"), header.expose())?;
                self.ask(call).await
            }
            Identity::Arc { url } => self.arc(url).await,
            Identity::Machine { url, client_id, tenant } => {
                self.machine(url, client_id.as_deref(), tenant).await
            }
        }
    }

    async fn application(&self, application: Application, proof: Proof) -> Result<Token> {
        let Application { mut authority, tenant, client_id } = application;
        if let Ok(mut path) = authority.path_segments_mut() {
            path.pop_if_empty().extend([tenant.as_str(), "oauth2", "v2.0", "token"]);
        }
        let (name, secret) = match proof {
            Proof::Secret(Held::Here(secret)) => ("client_secret", secret.expose().to_owned()),
            Proof::Secret(Held::At(reference)) => ("client_secret", read(reference).await?),
            Proof::Certificate(reference) => {
                let told = reference.to_string();
                let pem = read(reference).await?;
                let now_s = (self.now_us)() / 1_000_000;
                let signed = assertion::sign(&pem, &client_id, authority.as_str(), now_s);
                let signed = signed.map_err(|problem| none(format!("`{told}`: {problem}")))?;
                ("client_assertion", signed)
            }
            Proof::Federated(path) => ("client_assertion", read(SecretReference::File(path)).await?),
        };
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("scope", &self.scope),
            (name, &secret),
        ];
        if name == "client_assertion" {
            form.push(("client_assertion_type", ASSERTION_TYPE));
        }
        let mut call = Call::post_form("entra token", authority, &form);
        call.timeout = ENTRA_TIMEOUT;
        self.ask(call).await
    }

    /// The machine's own identity; where the machine has none, the one that signed in with `az login`.
    async fn machine(&self, url: Url, client_id: Option<&str>, tenant: Option<String>) -> Result<Token> {
        let mut url = url;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["metadata", "identity", "oauth2", "token"]);
        }
        let call = self
            .near("managed identity", url, "2018-02-01", client_id)
            .with_header(HeaderName::from_static("metadata"), "true");
        let machine = match self.ask(call).await {
            Ok(token) => return Ok(token),
            Err(Error::Unreachable { .. }) => "this is no machine with a metadata service".to_owned(),
            // 400: the machine has no identity, or not this one.
            Err(Error::Refused { status: 400, message, .. }) => format!("the machine says `{message}`"),
            Err(error) => return Err(error),
        };
        // An identity that was asked for by its id is no person.
        if client_id.is_some() {
            return Err(none(format!("no managed identity `{}`: {machine}", client_id.unwrap_or_default())));
        }
        self.command(tenant).await.map_err(|error| {
            let told = match error {
                Error::NoCredentials { problem } => problem,
                error => error.to_string(),
            };
            none(format!(
                "no secret, certificate or workload identity is set, {machine}, and {told}; set a tenant, \
                 a client id and a secret, or sign in with `az login`"
            ))
        })
    }

    /// The agent of Azure Arc: it names a file that only its group may read, and takes what is in there
    /// (<https://learn.microsoft.com/en-us/azure/azure-arc/servers/managed-identity-authentication>).
    async fn arc(&self, url: Url) -> Result<Token> {
        let name = "azure arc";
        let metadata = HeaderName::from_static("metadata");
        let call = self.near(name, url, "2020-06-01", None).with_header(metadata, "true");
        let mut first = call.clone();
        first.max_bytes = MAX_BYTES;
        let answer = self.web.send(first).await?;
        if answer.status != 401 {
            let problem = "the agent does not ask for a proof".into();
            return Err(answer
                .accepted(name)
                .err()
                .unwrap_or(Error::BadAnswer { call: name.into(), problem }));
        }
        let named = answer.header("www-authenticate").and_then(|text| text.split_once("Basic realm="));
        let path = named.map(|(_, path)| path.trim().trim_matches('"').to_owned());
        let path = path.ok_or_else(|| Error::BadAnswer {
            call: name.into(),
            problem: "`WWW-Authenticate` names no file".into(),
        })?;
        let key = arc_key(&path, &self.arc_keys).await?;
        let basic = format!("Basic {key}");
        self.ask(call.with_secret(reqwest::header::AUTHORIZATION, &basic)?).await
    }

    fn near(&self, name: &str, mut url: Url, version: &str, client_id: Option<&str>) -> Call {
        // This interface is older than scopes.
        let resource = self.scope.strip_suffix(ALL_GRANTED).unwrap_or(&self.scope);
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(id) = client_id {
            url.query_pairs_mut().append_pair("client_id", id);
        }
        let mut call = Call::get(name, url);
        (call.timeout, call.is_near) = (NEAR_TIMEOUT, true);
        call
    }

    async fn ask(&self, mut call: Call) -> Result<Token> {
        call.max_bytes = MAX_BYTES;
        let name = call.name.clone();
        let answer = self.web.send(call).await?.accepted(&name)?;
        self.token_of(&name, "access_token", &answer.json(&name)?)
    }

    /// Whoever is signed in, by the tool that keeps it.
    async fn command(&self, tenant: Option<String>) -> Result<Token> {
        let mut line = format!("{} account get-access-token --output json --scope {}", self.az, self.scope);
        if let Some(tenant) = tenant.filter(|tenant| is_tenant(tenant)) {
            line.push_str(" --tenant ");
            line.push_str(&tenant);
        }
        let answer = read(SecretReference::Command(line)).await?;
        let call = "az account get-access-token";
        let answer: Value = serde_json::from_str(&answer)
            .map_err(|_| Error::BadAnswer { call: call.into(), problem: "it is no JSON".into() })?;
        self.token_of(call, "accessToken", &answer)
    }

    /// Times are numbers or texts of them: seconds from now at Entra, since 1970 elsewhere.
    fn token_of(&self, call: &str, name: &str, answer: &Value) -> Result<Token> {
        let secret = answer.get(name).and_then(Value::as_str).filter(|secret| !secret.is_empty());
        let secret = secret.ok_or_else(|| Error::BadAnswer {
            call: call.to_owned(),
            problem: format!("`{name}` is missing"),
        })?;
        let number = |name: &str| {
            let value = answer.get(name)?;
            value.as_i64().or_else(|| value.as_str()?.parse().ok())
        };
        let now_s = (self.now_us)() / 1_000_000;
        let from_now = number("expires_in").map(|life_s| now_s.saturating_add(life_s));
        let expires_s = from_now.or_else(|| number("expires_on"));
        let expires_s = expires_s.unwrap_or(now_s + UNSAID_S);
        Ok(Token { secret: secret.to_owned(), expires_us: expires_s.saturating_mul(1_000_000) })
    }
}

/// What is in the file that the agent named. Whoever answers in its place must not get any other file of this
/// machine: it lies in the agent's own folder, ends with `.key` and has at most 4096 bytes, as Microsoft asks.
async fn arc_key(named: &str, folder: &Path) -> Result<String> {
    let refuse = |problem: String| none(format!("azure arc names `{named}`: {problem}"));
    let path = PathBuf::from(named);
    let is_its = path.parent() == Some(folder) && path.extension().is_some_and(|end| end == "key");
    if !is_its {
        return Err(refuse(format!("that is no key in `{}`", folder.display())));
    }
    let size = tokio::fs::symlink_metadata(&path)
        .await
        .map_err(|error| refuse(format!("{error}; let the user of this process be in the group `himds`")))?;
    if !size.is_file() || size.len() > ARC_KEY_BYTES {
        return Err(refuse(format!("that is no file of at most {ARC_KEY_BYTES} bytes")));
    }
    tokio::fs::read_to_string(&path)
        .await
        .map(|key| key.trim().to_owned())
        .map_err(|error| refuse(format!("{error}; let the user of this process be in the group `himds`")))
}

/// A secret as it is now.
async fn read(reference: SecretReference) -> Result<String> {
    let told = reference.to_string();
    let read = tokio::task::spawn_blocking(move || reference.read()).await;
    read.map_err(|_| none(format!("`{told}` could not be read")))?
}

fn none(problem: String) -> Error {
    Error::NoCredentials { problem }
}
