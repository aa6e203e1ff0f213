//! Calls of Google's services as one identity.

use std::fmt;

use url::Url;

use super::{Environment, GoogleAccess, credentials};
use crate::token::TokenCache;
use crate::web::{Answer, Call, Web};
use crate::{Error, Result};

/// A service of Google Cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    PubSub,
    Storage,
    Logging,
    SecurityCenter,
}

impl Service {
    fn root(self) -> &'static str {
        match self {
            Self::PubSub => "https://pubsub.googleapis.com",
            Self::Storage => "https://storage.googleapis.com",
            Self::Logging => "https://logging.googleapis.com",
            Self::SecurityCenter => "https://securitycenter.googleapis.com",
        }
    }
}

/// A client for one identity.
#[derive(Clone)]
pub(super) struct Client {
    web: Web,
    tokens: TokenCache,
    endpoint: Option<Url>,
    /// As the environment names them.
    emulators: [Option<String>; 2],
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub(super) fn new(
        access: &GoogleAccess,
        environment: &Environment,
        now_us: fn() -> i64,
    ) -> Result<Self> {
        let endpoint = match &access.endpoint {
            Some(text) => Some(Url::parse(text).map_err(|error| Error::BadSetting {
                field: "endpoint",
                problem: format!("`{text}` is no address: {error}"),
            })?),
            None => None,
        };
        let source = credentials::open(access, environment, &[credentials::CLOUD_PLATFORM], None, now_us)?;
        let emulators = [&environment.pubsub_emulator, &environment.storage_emulator];
        let emulators = emulators.map(|host| {
            let host = host.as_ref()?;
            Some(if host.contains("://") { host.clone() } else { format!("http://{host}") })
        });
        Ok(Self { web: Web::new()?, tokens: TokenCache::new(source, now_us), endpoint, emulators })
    }

    /// The tokens, for whoever calls by other means.
    pub(super) fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// The address of `path` at `service`.
    pub(super) fn url(&self, service: Service, path: &str) -> Result<Url> {
        let [pubsub, storage] = &self.emulators;
        let emulator = match service {
            Service::PubSub => pubsub.as_deref(),
            Service::Storage => storage.as_deref(),
            Service::Logging | Service::SecurityCenter => None,
        };
        let named = self.endpoint.as_ref().map(Url::as_str).or(emulator);
        let root = named.unwrap_or(service.root());
        let text = format!("{}/{path}", root.trim_end_matches('/'));
        Url::parse(&text)
            .map_err(|error| Error::BadAddress { address: text.clone(), problem: error.to_string() })
    }

    /// Sends `call` with a token. One that is refused before its time is replaced once.
    ///
    /// # Errors
    /// [`Error::NoCredentials`], [`Error::Unreachable`] and what [`Web::send`] has; a refusal is an answer.
    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        for is_again in [false, true] {
            let token = self.tokens.get().await?;
            let answer = self.web.send(call.clone().with_bearer(&token.secret)?).await?;
            if answer.status == 401 && !is_again {
                self.tokens.forget().await;
                continue;
            }
            return Ok(answer);
        }
        Err(Error::NoCredentials { problem: "the token is refused".into() })
    }
}
