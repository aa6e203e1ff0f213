//! Calls of Google's services as one identity.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
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
    /// Its name, before `.googleapis.com`.
    fn name(self) -> &'static str {
        match self {
            Self::PubSub => "pubsub",
            Self::Storage => "storage",
            Self::Logging => "logging",
            Self::SecurityCenter => "securitycenter",
        }
    }
}

/// A client for one identity.
#[derive(Clone)]
pub(super) struct Client {
    web: Web,
    tokens: TokenCache,
    access: GoogleAccess,
    /// The project that is charged, where the identity has none of its own.
    quota_project: Option<HeaderValue>,
    /// As the environment names them.
    emulators: [Option<String>; 2],
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Client {
    /// Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub(super) fn new(access: &GoogleAccess, environment: &Environment, now_us: fn() -> i64) -> Result<Self> {
        if let Some(text) = &access.endpoint {
            Url::parse(text).map_err(|error| Error::BadSetting {
                field: "endpoint",
                problem: format!("`{text}` is no address: {error}"),
            })?;
        }
        let opened = credentials::open(access, environment, &[credentials::CLOUD_PLATFORM], None, now_us)?;
        let quota_project = opened.quota_project.and_then(|name| HeaderValue::from_str(&name).ok());
        let emulators = [&environment.pubsub_emulator, &environment.storage_emulator];
        let emulators = emulators.map(|host| {
            let host = host.as_ref()?;
            Some(if host.contains("://") { host.clone() } else { format!("http://{host}") })
        });
        let (web, tokens) = (Web::new()?, TokenCache::new(opened.source, now_us));
        Ok(Self { web, tokens, access: access.clone(), quota_project, emulators })
    }

    /// The tokens, for whoever calls by other means.
    pub(super) fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// See [`Web::service_s`].
    pub(super) fn service_s(&self) -> Option<i64> {
        self.web.service_s()
    }

    /// The address of `path` at `service`.
    pub(super) fn url(&self, service: Service, path: &str) -> Result<Url> {
        let [pubsub, storage] = &self.emulators;
        let emulator = match service {
            Service::PubSub => pubsub.as_deref(),
            Service::Storage => storage.as_deref(),
            Service::Logging | Service::SecurityCenter => None,
        };
        let root = match self.access.endpoint_of(service.name()).or(emulator) {
            Some(root) => root.to_owned(),
            None => format!("https://{}.googleapis.com", service.name()),
        };
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
            let mut call = call.clone().with_bearer(&token.secret)?;
            if let Some(project) = &self.quota_project {
                call.headers.push((HeaderName::from_static("x-goog-user-project"), project.clone()));
            }
            let answer = self.web.send(call).await?;
            if answer.status == 401 && !is_again {
                self.tokens.forget().await;
                continue;
            }
            return Ok(answer);
        }
        Err(Error::NoCredentials { problem: "the token is refused".into() })
    }
}
