//! Workload identity federation: another issuer's token, to be exchanged for one of Google's.
//!
//! The file is what `gcloud iam workload-identity-pools create-cred-config` writes
//! (<https://google.aip.dev/auth/4117>). The other's token comes from a file, an address near by, or a
//! program, which is run only where that was allowed; of AWS it is a signed call that Google makes.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderName;
use serde_json::{Value, json};
use url::Url;

use crate::aws::{CallerProof, encode};
use crate::web::{Call, Web};
use crate::{Environment, Error, Result, SecretReference};

/// More headers than an issuer asks for.
const MAX_HEADERS: usize = 16;
/// A larger answer holds no token.
const MAX_BYTES: usize = 1 << 20;

/// A federation.
pub(super) struct External {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    pub(super) token_url: String,
    pub(super) impersonation_url: Option<String>,
    source: Source,
    /// The member of the JSON that holds the token; `None`: the token stands alone.
    field: Option<String>,
}

/// Where the other's token is.
enum Source {
    File(String),
    Url(String, Vec<(String, String)>),
    Executable(String),
    /// The address of the call; who one is in AWS, once that is looked for.
    Aws(String, Option<Box<CallerProof>>),
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl External {
    /// # Errors
    /// What is missing or not supported, without any value.
    pub(super) fn read(value: &Value) -> std::result::Result<Self, String> {
        let given = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed = |name: &str| given(name).ok_or_else(|| format!("it has no `{name}`"));
        let at = |pointer: &str| {
            value.pointer(&format!("/credential_source{pointer}")).and_then(Value::as_str).map(str::to_owned)
        };
        let headers = value.pointer("/credential_source/headers").and_then(Value::as_object);
        let headers = headers.into_iter().flatten().take(MAX_HEADERS);
        let headers = headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let source = if let Some(id) = at("/environment_id") {
            if id != "aws1" {
                return Err("its `environment_id` is not `aws1`".into());
            }
            let url = at("/regional_cred_verification_url");
            Source::Aws(url.ok_or("it has no `regional_cred_verification_url`")?, None)
        } else if let Some(file) = at("/file") {
            Source::File(file)
        } else if let Some(url) = at("/url") {
            Source::Url(url, headers.collect())
        } else if let Some(command) = at("/executable/command") {
            Source::Executable(command)
        } else {
            return Err("its `credential_source` has none of file, url, executable, environment_id".into());
        };
        let is_json = at("/format/type").as_deref() == Some("json");
        let field = is_json.then(|| at("/format/subject_token_field_name").unwrap_or_default());
        Ok(Self {
            audience: needed("audience")?,
            subject_token_type: needed("subject_token_type")?,
            token_url: given("token_url").unwrap_or_else(|| "https://sts.googleapis.com/v1/token".into()),
            impersonation_url: given("service_account_impersonation_url"),
            source,
            field,
        })
    }

    /// Whether a program is to be run.
    pub(super) fn is_executable(&self) -> bool {
        matches!(self.source, Source::Executable(_))
    }

    /// Looks for who one is in AWS, if that is the other. What the file says of the machine's metadata service is
    /// not used: keys are found as for every source of AWS, also in containers and pods.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub(super) fn prepare(&mut self, environment: &Environment) -> Result<()> {
        if let Source::Aws(_, proof) = &mut self.source {
            *proof = Some(Box::new(CallerProof::new(environment)?));
        }
        Ok(())
    }

    /// The other's token as it is now.
    pub(super) async fn subject_token(&self, web: &Web, now_s: i64) -> Result<String> {
        let fail = |problem: String| Error::NoCredentials { problem };
        let text = match &self.source {
            Source::File(path) => {
                let reference = SecretReference::File(path.into());
                blocking(reference).await?
            }
            Source::Url(address, headers) => self.ask(web, address, headers).await?,
            Source::Aws(url, Some(proof)) => return self.call_of_aws(proof, url, now_s).await,
            Source::Aws(_, None) => return Err(fail("nobody looked for an identity in AWS".into())),
            Source::Executable(command) => {
                let text = blocking(SecretReference::Command(command.clone())).await?;
                return executable_token(&text).map_err(|problem| fail(format!("the program {problem}")));
            }
        };
        let Some(field) = &self.field else { return Ok(text) };
        let value: Value = serde_json::from_str(&text)
            .map_err(|_| fail("the other issuer's token is said to lie in JSON, and this is none".into()))?;
        let token = value.get(field).and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| fail(format!("the other issuer's JSON has no `{field}`")))
    }

    /// `GetCallerIdentity` for Google to make, bound to this pool by a signed header.
    async fn call_of_aws(&self, proof: &CallerProof, url: &str, now_s: i64) -> Result<String> {
        let bound = ("x-goog-cloud-target-resource", self.audience.clone());
        let signed = proof.sign(url, bound, now_s).await?;
        let headers: Vec<_> =
            signed.headers.iter().map(|(name, value)| json!({"key": name, "value": value})).collect();
        let call = json!({"headers": headers, "method": "POST", "url": signed.url});
        Ok(encode(&call.to_string(), true))
    }

    /// Such an address is often that of a metadata server near by, without TLS.
    async fn ask(&self, web: &Web, address: &str, headers: &[(String, String)]) -> Result<String> {
        let name = "subject_token";
        let bad = |problem: &str| Error::NoCredentials { problem: format!("credential_source: {problem}") };
        let url = Url::parse(address).map_err(|_| bad("`url` is no address"))?;
        let timeout = Duration::from_secs(10);
        let mut call = Call { timeout, max_bytes: MAX_BYTES, is_near: true, ..Call::get(name, url) };
        for (header, value) in headers {
            let header: HeaderName = header.parse().map_err(|_| bad("a header's name cannot be"))?;
            call = call.with_secret(header, value)?;
        }
        Ok(web.send(call).await?.accepted(name)?.text().trim().to_owned())
    }
}

async fn blocking(reference: SecretReference) -> Result<String> {
    let read = tokio::task::spawn_blocking(move || reference.read()).await;
    read.unwrap_or_else(|_| Err(Error::NoCredentials { problem: "the other's token was not read".into() }))
}

/// What a program prints (AIP-4117, "Executable-sourced credentials").
fn executable_token(text: &str) -> std::result::Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| "printed no JSON".to_owned())?;
    if value.get("success").and_then(Value::as_bool) != Some(true) {
        let code = value.get("code").and_then(Value::as_str).unwrap_or("none");
        return Err(format!(
            "says that it failed with code `{}`",
            code.chars().take(100).collect::<String>()
        ));
    }
    let token = ["id_token", "saml_response"].iter().find_map(|name| value.get(name)?.as_str());
    token.map(str::to_owned).ok_or_else(|| "printed no `id_token`".into())
}

#[cfg(test)]
mod tests {
    use super::executable_token;

    #[test]
    fn a_program_says_token_or_failure() {
        assert_eq!(
            executable_token(r#"{"version":1,"success":true,"id_token":"abc"}"#).as_deref(),
            Ok("abc")
        );
        for text in ["abc", "{}", r#"{"success":false,"code":"401"}"#, r#"{"success":true}"#] {
            assert!(executable_token(text).is_err(), "{text}");
        }
    }
}
