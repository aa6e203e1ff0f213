//! Keys that a service hands out: STS, a container's agent, the machine's metadata.

use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::{Credentials, Role, Source, instance, none};
use crate::aws::endpoint::{Endpoints, Service};
use crate::aws::http::{Http, Request, accepted};
use crate::aws::{Environment, Secret, xml};
use crate::web::Answer;
use crate::{Error, Result, SecretReference};

/// The metadata service is one hop away or not there at all.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// What its calls are named in errors.
const INSTANCE: &str = "instance metadata";
const STS_TIMEOUT: Duration = Duration::from_secs(20);
/// The most that a service answers here.
const MAX_BYTES: usize = 256 << 10;

/// What is needed to reach the services that hand out keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Services<'a> {
    pub(crate) http: &'a Http,
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) region: &'a str,
}

impl Services<'_> {
    /// Keys from `source`.
    pub(super) async fn load(&self, source: &Source, now_unix_s: i64) -> Result<Credentials> {
        match source {
            Source::Keys(keys) => Ok(keys.clone()),
            Source::WebIdentity { role_arn, token_file, session_name } => {
                self.web_identity(role_arn, token_file, session_name, now_unix_s).await
            }
            Source::Process { line } => process(line).await,
            Source::Container { url, token, token_file } => {
                let token = match token_file {
                    Some(path) => Some(Secret::new(read_token(path).await?)),
                    None => token.clone(),
                };
                self.container(url, token).await
            }
            Source::Instance { endpoint } => self.instance(endpoint).await,
            Source::Assume { base, role } => {
                let keys = Box::pin(self.load(base, now_unix_s)).await?;
                self.assume(role, &keys, now_unix_s).await
            }
        }
    }

    async fn assume(&self, role: &Role, keys: &Credentials, now_unix_s: i64) -> Result<Credentials> {
        let duration = role.duration.as_secs().to_string();
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", &role.arn),
            ("RoleSessionName", &role.session_name),
            ("DurationSeconds", &duration),
        ];
        form.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
        self.sts("sts:AssumeRole", &form, Some(keys), now_unix_s).await
    }

    async fn web_identity(
        &self,
        role_arn: &str,
        token_file: &str,
        session_name: &str,
        now_unix_s: i64,
    ) -> Result<Credentials> {
        let token = read_token(token_file).await?;
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role_arn),
            ("RoleSessionName", session_name),
            ("WebIdentityToken", &token),
        ];
        self.sts("sts:AssumeRoleWithWebIdentity", &form, None, now_unix_s).await
    }

    async fn sts(
        &self,
        call: &str,
        form: &[(&str, &str)],
        keys: Option<&Credentials>,
        now_unix_s: i64,
    ) -> Result<Credentials> {
        let request = Request::form(Service::Sts, self.endpoints.of(Service::Sts, self.region), form);
        let signed = keys.map(|keys| (keys, self.region, now_unix_s));
        let answer = accepted(self.http.send(&request, signed, STS_TIMEOUT, MAX_BYTES).await?, call)?;
        let text = answer.text();
        let field = |name: &str| {
            xml::text_of(text, name).filter(|value| !value.is_empty()).ok_or_else(|| Error::BadAnswer {
                call: call.to_owned(),
                problem: format!("`{name}` is missing"),
            })
        };
        Ok(Credentials {
            access_key_id: field("AccessKeyId")?,
            secret_access_key: Secret::new(field("SecretAccessKey")?),
            session_token: Some(Secret::new(field("SessionToken")?)),
            expires_unix_s: Some(unix_s(&field("Expiration")?, call)?),
        })
    }

    async fn container(&self, url: &str, token: Option<Secret>) -> Result<Credentials> {
        if !may_hold_keys(url) {
            return Err(none(format!(
                "`{url}` in AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor this machine"
            )));
        }
        let headers = token.map(|token| ("authorization", token.expose().trim().to_owned()));
        let request = Request::plain("GET", url, headers.into_iter().collect());
        let answer = self.http.send(&request, None, METADATA_TIMEOUT * 3, MAX_BYTES).await?;
        json_keys(&accepted(answer, "container credentials")?, "container credentials")
    }

    /// What the metadata service wants to see in each request (version 2); `None`: there is no such service.
    async fn instance_token(&self, endpoint: &str) -> Result<Option<Vec<(&'static str, String)>>> {
        let lifetime = vec![("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned())];
        let request = Request::plain("PUT", &format!("{endpoint}/latest/api/token"), lifetime);
        match self.http.send(&request, None, METADATA_TIMEOUT, MAX_BYTES).await {
            Ok(answer) => {
                let answer = accepted(answer, INSTANCE)?;
                Ok(Some(vec![("x-aws-ec2-metadata-token", answer.text().trim().to_owned())]))
            }
            Err(Error::Unreachable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The region of the machine, as its metadata service says.
    ///
    /// # Errors
    /// [`Error::NoCredentials`]: there is no such service; what it says.
    pub(crate) async fn instance_region(&self, environment: &Environment) -> Result<String> {
        let Source::Instance { endpoint } = instance(environment) else { return Ok(String::new()) };
        let token = self.instance_token(&endpoint).await?;
        let token = token.ok_or_else(|| none("the region of AWS is not known; set AWS_REGION"))?;
        let request = Request::plain("GET", &format!("{endpoint}/latest/meta-data/placement/region"), token);
        let answer = self.http.send(&request, None, METADATA_TIMEOUT, MAX_BYTES).await?;
        Ok(accepted(answer, INSTANCE)?.text().trim().to_owned())
    }

    async fn instance(&self, endpoint: &str) -> Result<Credentials> {
        let call = INSTANCE;
        let token = self.instance_token(endpoint).await?.ok_or_else(|| {
            none(
                "no keys in the environment, no profile, no web identity, no container agent, and the \
                 metadata service of the machine does not answer",
            )
        })?;
        let folder = format!("{endpoint}/latest/meta-data/iam/security-credentials/");
        let request = Request::plain("GET", &folder, token.clone());
        let answer = self.http.send(&request, None, METADATA_TIMEOUT, MAX_BYTES).await?;
        if answer.status == 404 {
            return Err(none("the machine has no instance role; attach an instance profile"));
        }
        let answer = accepted(answer, call)?;
        let role = answer.text().lines().next().unwrap_or_default().trim();
        let request = Request::plain("GET", &format!("{folder}{role}"), token);
        json_keys(&accepted(self.http.send(&request, None, METADATA_TIMEOUT, MAX_BYTES).await?, call)?, call)
    }
}

/// Who one is: the caller's ARN.
pub(crate) async fn caller(services: &Services<'_>, keys: &Credentials, now_unix_s: i64) -> Result<String> {
    let form = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    let endpoint = services.endpoints.of(Service::Sts, services.region);
    let request = Request::form(Service::Sts, endpoint, &form);
    let call = "sts:GetCallerIdentity";
    let signed = Some((keys, services.region, now_unix_s));
    let answer = accepted(services.http.send(&request, signed, STS_TIMEOUT, MAX_BYTES).await?, call)?;
    xml::text_of(answer.text(), "Arn")
        .ok_or_else(|| Error::BadAnswer { call: call.into(), problem: "`Arn` is missing".into() })
}

/// Keys that a program prints
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>).
async fn process(line: &str) -> Result<Credentials> {
    let call = "credential_process";
    let printed = SecretReference::Command(line.to_owned()).get().await?;
    // Its words may hold the keys.
    let value: Value =
        serde_json::from_str(&printed).map_err(|_| none(format!("`{line}` printed no JSON")))?;
    if value.get("Version").and_then(Value::as_i64) != Some(1) {
        return Err(none(format!("`{line}` printed no keys of version 1")));
    }
    keys_in(&value, call, "SessionToken")
}

async fn read_token(path: &str) -> Result<String> {
    match tokio::fs::read_to_string(path).await {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(source) => Err(Error::File { path: path.into(), source }),
    }
}

/// Keys as the agents and the metadata service give them.
fn json_keys(answer: &Answer, call: &str) -> Result<Credentials> {
    let value: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Error::BadAnswer { call: call.to_owned(), problem: error.to_string() })?;
    keys_in(&value, call, "Token")
}

fn keys_in(value: &Value, call: &str, token: &str) -> Result<Credentials> {
    let bad = |problem: String| Error::BadAnswer { call: call.to_owned(), problem };
    let field = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let need = |name: &str| field(name).ok_or_else(|| bad(format!("`{name}` is missing")));
    Ok(Credentials {
        access_key_id: need("AccessKeyId")?.to_owned(),
        secret_access_key: Secret::new(need("SecretAccessKey")?),
        session_token: field(token).map(Secret::new),
        expires_unix_s: field("Expiration").map(|time| unix_s(time, call)).transpose()?,
    })
}

fn unix_s(time: &str, call: &str) -> Result<i64> {
    DateTime::parse_from_rfc3339(time)
        .map(|time| time.timestamp())
        .map_err(|_| Error::BadAnswer { call: call.to_owned(), problem: format!("`{time}` is no time") })
}

/// Keys are asked for over TLS, or of this machine and its agents alone.
fn may_hold_keys(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let is_near = match url.host() {
        Some(url::Host::Ipv4(address)) => {
            address.is_loopback() || [[169, 254, 170, 2], [169, 254, 170, 23]].contains(&address.octets())
        }
        Some(url::Host::Ipv6(address)) => address.is_loopback() || address.to_string() == "fd00:ec2::23",
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_prints_keys() {
        let keys = r#"{"Version":1,"AccessKeyId":"ASIA","SecretAccessKey":"hunter2","SessionToken":"t","Expiration":"2033-05-18T03:33:20Z"}"#;
        let found = process(&format!("echo {keys}")).await.unwrap();
        assert_eq!((found.access_key_id.as_str(), found.expires_unix_s), ("ASIA", Some(2_000_000_000)));
        assert_eq!(found.session_token, Some(Secret::new("t")));
        for (line, told) in [
            ("false".to_owned(), "it failed"),
            ("echo hunter2".to_owned(), "printed no JSON"),
            (format!("echo {}", keys.replace(":1", ":2")), "no keys of version 1"),
            (format!("echo {}", keys.replace("SecretAccessKey", "x")), "`SecretAccessKey` is missing"),
        ] {
            let error = process(&line).await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn keys_are_asked_for_nearby_or_over_tls() {
        for url in ["https://example.com/k", "http://127.0.0.1:9/k", "http://169.254.170.23/v1/credentials"] {
            assert!(may_hold_keys(url), "{url}");
        }
        for url in
            ["http://example.com/k", "http://192.0.2.1/", "file:///k", "k", "http://localhost.example.com"]
        {
            assert!(!may_hold_keys(url), "{url}");
        }
    }
}
