//! Calls that carry a token, renewed where a service no longer takes it.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::HeaderName;

use crate::Result;
use crate::secret::SecretReference;
use crate::token::{Token, TokenCache, TokenSource};
use crate::web::{Answer, Call, Web};

/// How long a secret is kept that somebody may replace where it lies.
const KEPT_US: i64 = 300 * 1_000_000;

/// Sends calls for one identity.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    web: Web,
    /// `None`: nothing is shown.
    tokens: Option<TokenCache>,
    header: HeaderName,
    /// What stands before the token.
    scheme: &'static str,
}

impl Session {
    /// Calls with `header: scheme token`.
    pub(crate) fn new(
        web: Web,
        source: Arc<dyn TokenSource>,
        header: HeaderName,
        scheme: &'static str,
        now_us: fn() -> i64,
    ) -> Self {
        Self { web, tokens: Some(TokenCache::new(source, now_us)), header, scheme }
    }

    /// Calls with `Authorization: Bearer`.
    pub(crate) fn bearer(web: Web, source: Arc<dyn TokenSource>, now_us: fn() -> i64) -> Self {
        Self::new(web, source, reqwest::header::AUTHORIZATION, "Bearer ", now_us)
    }

    /// Calls that show nothing.
    pub(crate) fn open(web: Web) -> Self {
        Self { web, tokens: None, header: reqwest::header::AUTHORIZATION, scheme: "" }
    }

    /// Who gives its tokens; `None`: nothing is shown.
    pub(crate) fn tokens(&self) -> Option<TokenCache> {
        self.tokens.clone()
    }

    /// See [`Web::service_s`].
    pub(crate) fn service_s(&self) -> Option<i64> {
        self.web.service_s()
    }

    /// Sends `call`, and once more with a new token where the first is refused with 401: it ended before its
    /// time, or was replaced. A refusal is an answer.
    ///
    /// # Errors
    /// There is no token, or no answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer> {
        let Some(tokens) = &self.tokens else { return self.web.send(call).await };
        let token = tokens.get().await?.secret;
        let answer = self.web.send(self.signed(call.clone(), &token)?).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        tokens.forget().await;
        let renewed = tokens.get().await?.secret;
        if renewed == token {
            return Ok(answer);
        }
        self.web.send(self.signed(call, &renewed)?).await
    }

    fn signed(&self, call: Call, token: &str) -> Result<Call> {
        call.with_secret(self.header.clone(), &format!("{}{token}", self.scheme))
    }
}

/// A secret that is the token itself.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) secret: SecretReference,
    pub(crate) now_us: fn() -> i64,
}

#[async_trait]
impl TokenSource for Kept {
    async fn token(&self) -> Result<Token> {
        Ok(Token { secret: self.secret.get().await?, expires_us: (self.now_us)() + KEPT_US })
    }
}
