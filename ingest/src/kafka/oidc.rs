//! Tokens of an OpenID Connect provider for a program: the client credentials grant, RFC 6749 section 4.4.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use crate::token::{Token, TokenSource};
use crate::web::{Call, Web};
use crate::{Error, Result, SecretReference};

/// How a call of the provider is named in errors.
const CALL: &str = "token_url";
/// What a token is believed to live where its provider does not say; RFC 6749 section 5.1 leaves it open.
const DEFAULT_LIFE_S: i64 = 300;
/// A token is an HTTP header elsewhere; a larger answer is none.
const MAX_BYTES: usize = 1 << 20;

/// A client of an OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcClient {
    /// The provider's token endpoint.
    pub token_url: String,
    /// Who we are to it.
    pub client_id: String,
    /// The secret that proves it.
    pub client_secret: SecretReference,
    /// What the token is for, if the provider wants to know.
    pub scope: String,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answered {
    access_token: String,
    expires_in: Option<i64>,
}

/// Gets tokens for a client.
#[derive(Debug)]
pub(super) struct OidcTokens {
    client: OidcClient,
    url: Url,
    web: Web,
    now_us: fn() -> i64,
}

impl OidcTokens {
    /// # Errors
    /// [`Error::BadSetting`] for the address; there is no TLS.
    pub(super) fn open(client: &OidcClient, now_us: fn() -> i64) -> Result<Arc<Self>> {
        let bad = |problem: &str| Error::BadSetting { field: CALL, problem: problem.to_owned() };
        let url = Url::parse(&client.token_url).map_err(|_| bad("it is no address"))?;
        let is_near = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if url.scheme() != "https" && !is_near {
            return Err(bad("secrets are sent over https alone"));
        }
        Ok(Arc::new(Self { client: client.clone(), url, web: Web::new()?, now_us }))
    }
}

#[async_trait]
impl TokenSource for OidcTokens {
    async fn token(&self) -> Result<Token> {
        let reference = self.client.client_secret.clone();
        let secret = tokio::task::spawn_blocking(move || reference.read()).await;
        let secret =
            secret.map_err(|_| Error::NoCredentials { problem: "the secret's reader failed".into() })??;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client.client_id.as_str()),
            ("client_secret", secret.as_str()),
        ];
        if !self.client.scope.is_empty() {
            form.push(("scope", self.client.scope.as_str()));
        }
        let call = Call { max_bytes: MAX_BYTES, ..Call::post_form(CALL, self.url.clone(), &form) };
        let answer = self.web.send(call).await?.accepted(CALL)?;
        // The error of a parser would hold parts of the token.
        let answered: Answered = serde_json::from_slice(&answer.body).map_err(|_| Error::BadAnswer {
            call: CALL.to_owned(),
            problem: "it has no `access_token`".to_owned(),
        })?;
        let life_s = answered.expires_in.unwrap_or(DEFAULT_LIFE_S).clamp(1, 7 * 24 * 3600);
        Ok(Token { secret: answered.access_token, expires_us: (self.now_us)() + life_s * 1_000_000 })
    }
}
