//! OAuth 2.0 without a user (RFC 6749 section 4.4, RFC 7523): tokens for what proves who we are.

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use crate::secret::SecretReference;
use crate::token::{Token, TokenSource};
use crate::web::{Answer, Call, Web};
use crate::{Error, Result};

/// A token of which is not said how long it lives.
const UNSAID_LIFE_S: i64 = 300;
/// An answer that is larger is none.
const MAX_BYTES: usize = 1 << 20;

/// The token in an answer of a token endpoint.
///
/// # Errors
/// [`Error::Refused`] with the endpoint's words; [`Error::BadAnswer`].
pub(crate) fn granted(call: &str, answer: Answer, now_us: i64) -> Result<Token> {
    let answer = answer.accepted(call)?.json(call)?;
    let secret = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let life_s = answer.get("expires_in").and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    });
    let life_s = life_s.unwrap_or(UNSAID_LIFE_S).clamp(1, 86_400);
    match secret {
        Some(secret) => Ok(Token { secret: secret.to_owned(), expires_us: now_us + life_s * 1_000_000 }),
        None => Err(Error::BadAnswer { call: call.to_owned(), problem: "there is no `access_token`".into() }),
    }
}

/// Asks a token endpoint with a form.
///
/// # Errors
/// As of [`Web::send`] and [`granted`].
pub(crate) async fn ask(
    web: &Web,
    call: &str,
    url: &Url,
    form: &[(&str, &str)],
    now_us: i64,
) -> Result<Token> {
    let mut request =
        Call::post_form(call, url.clone(), form).with_header(reqwest::header::ACCEPT, "application/json");
    request.max_bytes = MAX_BYTES;
    granted(call, web.send(request).await?, now_us)
}

/// How a client shows its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSecret {
    /// In the form.
    Post,
    /// In the header `Authorization`.
    Basic,
}

/// A client with a secret.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) web: Web,
    pub(crate) url: Url,
    pub(crate) id: String,
    pub(crate) secret: SecretReference,
    pub(crate) shows: ClientSecret,
    /// What else the form has: a scope, an audience, another `grant_type`.
    pub(crate) form: Vec<(String, String)>,
    pub(crate) now_us: fn() -> i64,
}

#[async_trait]
impl TokenSource for Client {
    async fn token(&self) -> Result<Token> {
        let call = "the token of the client";
        let secret = self.secret.get().await?;
        let mut form: Vec<(&str, &str)> =
            self.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !form.iter().any(|(name, _)| *name == "grant_type") {
            form.push(("grant_type", "client_credentials"));
        }
        if self.shows == ClientSecret::Post {
            form.extend([("client_id", self.id.as_str()), ("client_secret", secret.as_str())]);
        }
        let mut request = Call::post_form(call, self.url.clone(), &form);
        request.max_bytes = MAX_BYTES;
        if self.shows == ClientSecret::Basic {
            request = request.with_secret(reqwest::header::AUTHORIZATION, &basic(&self.id, &secret))?;
        }
        granted(call, self.web.send(request).await?, (self.now_us)())
    }
}

/// The value of `Authorization` for a user and a password, RFC 7617.
pub(crate) fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(body: &str) -> Result<Token> {
        let answer = Answer { status: 200, headers: Default::default(), body: body.to_owned().into() };
        super::granted("c", answer, 0)
    }

    #[test]
    fn a_token_lives_as_long_as_is_said() {
        let life_s = |body: &str| granted(body).unwrap().expires_us / 1_000_000;
        assert_eq!(life_s(r#"{"access_token":"t","expires_in":3600}"#), 3_600);
        assert_eq!(life_s(r#"{"access_token":"t","expires_in":"60"}"#), 60);
        assert_eq!(life_s(r#"{"access_token":"t"}"#), 300);
        assert_eq!(life_s(r#"{"access_token":"t","expires_in":-5}"#), 1);
        assert_eq!(life_s(r#"{"access_token":"t","expires_in":9223372036854775807}"#), 86_400);
        for body in ["{}", "[]", r#"{"access_token":""}"#, "<html>"] {
            let told = granted(body).unwrap_err();
            assert!(matches!(told, Error::BadAnswer { .. }), "{told}");
        }
    }
}
