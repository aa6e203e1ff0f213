//! Okta's System Log by its API (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/>).
//!
//! The log as it arrives is asked without an end (`until`), which Okta calls a polling request: all events
//! come, ordered by when they were stored, however late that was, and the cursor stays good. The past is
//! asked with an end, ordered by when things happened; what was stored late may be missing from it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use event::LogType;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde_json::json;
use url::Url;

use crate::jwt::SigningKey;
use crate::list::{self, List, ListPurpose, ListSource, Listed, Window, Windowing, records_at, seconds};
use crate::oauth;
use crate::session::{Kept, Session};
use crate::token::{Token, TokenSource};
use crate::web::{Answer, Call, Web, below, next_page, service_url};
use crate::{Error, Result, SecretReference};

/// What a token or an app must be allowed.
const SCOPE: &str = "okta.logs.read";
/// What asking for a token is called in errors.
const TOKEN: &str = "the token for okta.logs.read";
const LIMIT: usize = 1_000;
/// Okta keeps events for 90 days.
const KEPT_S: i64 = 90 * 86_400;
/// Where the cursor is lost: how far before the last events the log is read again.
const OVERLAP_S: i64 = 600;
/// How long a window of the past is.
const PAST_WINDOW_S: i64 = 86_400;
/// An assertion lives at most an hour, <https://developer.okta.com/docs/reference/api/oidc/>.
const ASSERTION_S: i64 = 300;
const RESET: &str = "x-rate-limit-reset";

/// How an Okta organisation's System Log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OktaConfig {
    /// The organisation, `https://example.okta.com`.
    pub url: String,
    /// Who reads.
    pub access: OktaAccess,
    /// An expression of which events are wanted, such as `eventType sw "user."`; empty: all.
    pub filter: String,
    /// How far back the first read begins: up to 90 days.
    pub lookback: Duration,
    /// How often is asked when there is nothing new.
    pub every: Duration,
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OktaAccess {
    /// An API token.
    Token(SecretReference),
    /// A service app with a private key.
    App {
        /// The app's client id.
        client_id: String,
        /// Where its private key lies, as PEM.
        key: SecretReference,
        /// The key's id (`kid`); empty where the app has one key only.
        key_id: String,
    },
}

impl OktaConfig {
    /// Whether it can be as it is.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn check(&self) -> Result<()> {
        service_url("url", &self.url)?;
        let bad = |field, problem: &str| Err(Error::BadSetting { field, problem: problem.to_owned() });
        if seconds(self.lookback) > KEPT_S {
            return bad("lookback", "at most 90 days: Okta keeps no more");
        }
        if let OktaAccess::App { client_id, .. } = &self.access
            && client_id.is_empty()
        {
            return bad("client_id", "an app has one; copy it from the app's page");
        }
        Ok(())
    }

    /// Its list, not asked yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(&self, purpose: ListPurpose, now_us: fn() -> i64) -> Result<ListSource> {
        self.check()?;
        let is_past = purpose != ListPurpose::Follow;
        let base = service_url("url", &self.url)?;
        let web = Web::new()?;
        let session = match &self.access {
            OktaAccess::Token(secret) => {
                let kept = Arc::new(Kept { secret: secret.clone(), now_us });
                Session::new(web, kept, AUTHORIZATION, "SSWS ", now_us)
            }
            OktaAccess::App { client_id, key, key_id } => {
                let app = App {
                    web: web.clone(),
                    url: below("url", &base, "oauth2/v1/token")?,
                    client_id: client_id.clone(),
                    key: key.clone(),
                    key_id: Some(key_id.clone()).filter(|id| !id.is_empty()),
                    now_us,
                };
                Session::bearer(web, Arc::new(app), now_us)
            }
        };
        let every_s = seconds(self.every).max(1);
        let windowing = match is_past {
            true => Windowing { settle_s: 0, overlap_s: 0, length_s: PAST_WINDOW_S, step_s: 1 },
            false => Windowing { settle_s: 0, overlap_s: OVERLAP_S, length_s: KEPT_S, step_s: every_s },
        };
        let tokens = session.tokens();
        let list = Box::new(SystemLog {
            logs: below("url", &base, "api/v1/logs")?,
            session,
            filter: self.filter.clone(),
            is_past,
            windowing,
            pause: Duration::ZERO,
            now_us,
        });
        Ok(ListSource { lists: vec![list], lookback: self.lookback, gap: Duration::ZERO, tokens, mend })
    }
}

/// The one list of an organisation. Its token is the address of the next page.
#[derive(Debug)]
struct SystemLog {
    logs: Url,
    session: Session,
    filter: String,
    is_past: bool,
    windowing: Windowing,
    pause: Duration,
    now_us: fn() -> i64,
}

impl SystemLog {
    fn first(&self, window: &Window) -> Url {
        let mut url = self.logs.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("since", &rfc3339(window.start_s));
        if self.is_past {
            query.append_pair("until", &rfc3339(window.end_s));
        }
        query.append_pair("sortOrder", "ASCENDING").append_pair("limit", &LIMIT.to_string());
        if !self.filter.is_empty() {
            query.append_pair("filter", &self.filter);
        }
        drop(query);
        url
    }

    /// The answer, if it is a good one; a full stop of requests says when it ends.
    fn accepted(&self, answer: Answer) -> Result<Answer> {
        let now_s = (self.now_us)() / 1_000_000;
        let until_reset = answer.time_until(RESET, now_s).filter(|_| answer.status == 429);
        answer.accepted(SCOPE).map_err(|mut error| {
            if let Error::Refused { retry_after, .. } = &mut error
                && retry_after.is_none()
            {
                *retry_after = until_reset;
            }
            error
        })
    }
}

#[async_trait]
impl List for SystemLog {
    fn name(&self) -> &str {
        "logs"
    }

    fn grant(&self) -> String {
        SCOPE.to_owned()
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::OktaSystem)
    }

    fn origin(&self) -> String {
        format!("okta://{}/logs", self.logs.host_str().unwrap_or_default())
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    fn kept_s(&self) -> Option<i64> {
        Some(KEPT_S)
    }

    fn service_s(&self) -> Option<i64> {
        self.session.service_s()
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let url = match &window.token {
            None => self.first(window),
            // The organisation has another address now: the log is read from the last events on.
            Some(token) => match next_page(SCOPE, &self.logs, token) {
                Ok(url) => url,
                Err(_) => return Ok(Listed::TokenEnded),
            },
        };
        let call = Call::get(SCOPE, url).with_header(ACCEPT, "application/json").with_gzip();
        let answer = self.session.send(call).await?;
        let left = "x-rate-limit-remaining";
        self.pause = list::pause(&answer, "x-rate-limit-limit", left, RESET, (self.now_us)() / 1_000_000);
        if answer.status == 400 && window.token.is_some() {
            return Ok(Listed::TokenEnded);
        }
        let answer = self.accepted(answer)?;
        let next = answer.next_link().map(|next| next_page(SCOPE, &self.logs, next)).transpose()?;
        let records = records_at(SCOPE, &answer.body, "")?.unwrap_or_default();
        Ok(match next {
            // A polling request always has a next page; one that is not full is the last for now.
            Some(next) if !self.is_past && records.len() < LIMIT => {
                Listed::CaughtUp { records, next: next.into() }
            }
            next => Listed::Page { records, next: next.map(String::from) },
        })
    }

    fn pause(&self) -> Duration {
        self.pause
    }
}

/// A service app that signs in with a private key (`private_key_jwt`).
#[derive(Debug)]
struct App {
    web: Web,
    url: Url,
    client_id: String,
    key: SecretReference,
    key_id: Option<String>,
    now_us: fn() -> i64,
}

#[async_trait]
impl TokenSource for App {
    async fn token(&self) -> Result<Token> {
        let key = SigningKey::from_pem(&self.key.get().await?)?;
        let now_us = (self.now_us)();
        let now_s = now_us / 1_000_000;
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.url.as_str(),
            "iat": now_s,
            "exp": now_s + ASSERTION_S,
            // Each assertion is taken once.
            "jti": format!("{now_us}-{:016x}", random()?),
        });
        let assertion = key.sign(self.key_id.as_deref(), &claims)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", SCOPE),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        oauth::ask(&self.web, TOKEN, &self.url, &form, now_us).await
    }
}

fn random() -> Result<u64> {
    use ring::rand::{SystemRandom, generate};
    let bytes: [u8; 8] = generate(&SystemRandom::new())
        .map_err(|_| Error::NoCredentials { problem: "the system gives no random numbers".into() })?
        .expose();
    Ok(u64::from_be_bytes(bytes))
}

/// A second as Okta writes it.
fn rfc3339(at_s: i64) -> String {
    DateTime::from_timestamp(at_s, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What to do about a refusal by Okta; `None` where it says nothing of rights or names.
pub fn mend(error: &Error) -> Option<String> {
    let Error::Refused { call, status, code, .. } = error else { return None };
    let told = match (call.as_str(), status, code.as_str()) {
        (TOKEN, _, "invalid_scope") => {
            "grant the app the scope `okta.logs.read` on its page Okta API Scopes, and give it a role that may read logs, such as Read-only Administrator, on its page Admin roles"
        }
        (TOKEN, _, "invalid_dpop_proof") => {
            "switch off `Require Demonstrating Proof of Possession` (DPoP) on the app's page"
        }
        (TOKEN, 400 | 401, _) => {
            "the app and its key do not fit: check `client_id`, `key` and `key_id`, that the app signs in with `Public key / Private key`, and the clock of this machine"
        }
        (SCOPE, 401, _) => {
            "the token is wrong, was revoked, or ended after 30 days without use: make another on Security > API > Tokens"
        }
        (SCOPE, 403, _) => {
            "give the token's user, or the app, a role that may read logs, such as Read-only Administrator or Report Administrator"
        }
        (SCOPE, 404, _) => "there is no System Log at this address: check `url`, https://example.okta.com",
        _ => return None,
    };
    Some(told.to_owned())
}
