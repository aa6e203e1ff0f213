//! GitHub's audit log of an organisation or enterprise by its REST API
//! (<https://docs.github.com/en/enterprise-cloud@latest/rest/orgs/orgs#get-the-audit-log-for-an-organization>).
//!
//! A window is a search for `created:FROM..TO`, oldest first. What GitHub lists late is found by the overlap
//! of windows, and what comes later still by a second reading.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use event::LogType;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderName};
use serde_json::{Value, json};
use url::Url;

use crate::error::RATE_LIMITED;
use crate::jwt::SigningKey;
use crate::list::{self, List, ListPurpose, ListSource, Listed, Window, Windowing, records_at, seconds};
use crate::session::{Kept, Session};
use crate::token::{Token, TokenSource};
use crate::web::{Answer, Call, Web, below, next_page, service_url};
use crate::{Error, Result, SecretReference};

const PAGE: usize = 100;
/// The longest window.
const WINDOW: Duration = Duration::from_secs(86_400);
/// The log is kept for 180 days.
const KEPT_S: i64 = 180 * 86_400;
/// 1,750 queries an hour are allowed to a user or app and its address; others may ask as well.
const GAP: Duration = Duration::from_millis(250);
/// What GitHub advises where a secondary limit says nothing of its end.
const SECONDARY_LIMIT_WAIT: Duration = Duration::from_secs(60);
const RESET: &str = "x-ratelimit-reset";
/// What asking for a token is called in errors.
const CALL: &str = "the app's installation token";

/// How an audit log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubConfig {
    /// `https://api.github.com`, or `https://HOST/api/v3` of a server of one's own.
    pub url: String,
    /// Whose log it is.
    pub owner: GithubOwner,
    /// Who reads.
    pub access: GithubAccess,
    /// Which events: `all`, `web` or `git`.
    pub include: String,
    /// How far back the first read begins: up to 180 days (Git events are kept for 7).
    pub lookback: Duration,
    /// How often is asked.
    pub every: Duration,
    /// How long after its time an event is expected to be listed.
    pub settle: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
    /// How long after its time everything is read a second time; nothing: never.
    pub again_after: Option<Duration>,
}

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GithubOwner {
    /// An organisation, by its name in addresses.
    Organization(String),
    /// An enterprise, by its name in addresses (slug).
    Enterprise(String),
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GithubAccess {
    /// A personal access token.
    Token(SecretReference),
    /// An app that is installed in the organisation or enterprise.
    App {
        /// The app's id or client id.
        app_id: String,
        /// The installation's number.
        installation_id: u64,
        /// Where its private key lies, as PEM.
        key: SecretReference,
    },
}

impl GithubConfig {
    /// Whether it can be as it is.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn check(&self) -> Result<()> {
        service_url("url", &self.url)?;
        let bad = |field, problem: String| Err(Error::BadSetting { field, problem });
        let (field, name) = match &self.owner {
            GithubOwner::Organization(name) => ("organization", name),
            GithubOwner::Enterprise(name) => ("enterprise", name),
        };
        let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_name) {
            return bad(field, format!("`{name}` is no name of one; copy it from its address"));
        }
        if seconds(self.lookback) > KEPT_S {
            return bad("lookback", "at most 180 days: GitHub keeps no more".into());
        }
        if let GithubAccess::App { app_id, installation_id, .. } = &self.access
            && (app_id.is_empty() || *installation_id == 0)
        {
            let problem = "an app needs `app_id` and `installation_id`; both are on its pages";
            return bad("app_id", problem.into());
        }
        Ok(())
    }

    /// Its list, not asked yet; to follow it, twice where late events are looked for.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(&self, purpose: ListPurpose, now_us: fn() -> i64) -> Result<ListSource> {
        self.check()?;
        let base = service_url("url", &self.url)?;
        let path = match &self.owner {
            GithubOwner::Organization(name) => format!("orgs/{name}/audit-log"),
            GithubOwner::Enterprise(name) => format!("enterprises/{name}/audit-log"),
        };
        let web = Web::new()?;
        let (session, permission) = match &self.access {
            GithubAccess::Token(secret) => {
                let kept = Kept { secret: secret.clone(), now_us };
                (Session::bearer(web, Arc::new(kept), now_us), "read:audit_log")
            }
            GithubAccess::App { app_id, installation_id, key } => {
                let app = App {
                    web: web.clone(),
                    url: below("url", &base, &format!("app/installations/{installation_id}/access_tokens"))?,
                    app_id: app_id.clone(),
                    key: key.clone(),
                    now_us,
                };
                let permission = match &self.owner {
                    GithubOwner::Organization(_) => "organization_administration:read",
                    GithubOwner::Enterprise(_) => "enterprise_administration:read",
                };
                (Session::bearer(web, Arc::new(app), now_us), permission)
            }
        };
        let list = AuditLog {
            name: "audit_log",
            url: below("url", &base, &path)?,
            session,
            permission,
            include: self.include.clone(),
            windowing: Windowing::of(self.settle, self.overlap, WINDOW, self.every, KEPT_S),
            pause: Duration::ZERO,
            now_us,
        };
        let tokens = list.session.tokens();
        let mut lists: Vec<Box<dyn List>> = vec![Box::new(list.clone())];
        if let Some(after) = self.again_after.filter(|_| purpose == ListPurpose::Follow) {
            let windowing = list.windowing.again_after(after);
            lists.push(Box::new(AuditLog { name: "audit_log/again", windowing, ..list }));
        }
        Ok(ListSource { lists, lookback: self.lookback, gap: GAP, tokens, mend })
    }
}

/// The list of one owner. Its token is the address of the next page.
#[derive(Debug, Clone)]
struct AuditLog {
    name: &'static str,
    url: Url,
    session: Session,
    /// What the reader must be allowed.
    permission: &'static str,
    include: String,
    windowing: Windowing,
    pause: Duration,
    now_us: fn() -> i64,
}

impl AuditLog {
    fn first(&self, window: &Window) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("phrase", &format!("created:{}..{}", time(window.start_s), time(window.end_s)))
            .append_pair("include", &self.include)
            .append_pair("order", "asc")
            .append_pair("per_page", &PAGE.to_string());
        url
    }
}

#[async_trait]
impl List for AuditLog {
    fn name(&self) -> &str {
        self.name
    }

    fn grant(&self) -> String {
        self.permission.to_owned()
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::GithubAudit)
    }

    fn origin(&self) -> String {
        format!("github://{}{}", self.url.host_str().unwrap_or_default(), self.url.path())
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
            Some(token) => match next_page(self.permission, &self.url, token) {
                Ok(url) => url,
                Err(_) => return Ok(Listed::TokenEnded),
            },
        };
        let answer = self.session.send(versioned(Call::get(self.permission, url)).with_gzip()).await?;
        let now_s = (self.now_us)() / 1_000_000;
        self.pause = list::pause(&answer, "x-ratelimit-limit", "x-ratelimit-remaining", RESET, now_s);
        // A cursor that GitHub does not know any more.
        if matches!(answer.status, 400 | 422) && window.token.is_some() {
            return Ok(Listed::TokenEnded);
        }
        let answer = accepted(answer, self.permission, now_s)?;
        let next = answer.next_link().map(|next| next_page(self.permission, &self.url, next)).transpose()?;
        let records = records_at(self.permission, &answer.body, "")?.unwrap_or_default();
        Ok(Listed::Page { records, next: next.map(String::from) })
    }

    fn pause(&self) -> Duration {
        self.pause
    }
}

/// The answer, if it is a good one. Limits come as 403 as well as 429
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
fn accepted(answer: Answer, permission: &str, now_s: i64) -> Result<Answer> {
    let is_out = answer.header("x-ratelimit-remaining").is_some_and(|left| left.trim() == "0");
    let until_reset = answer.time_until(RESET, now_s).filter(|_| is_out);
    answer.accepted(permission).map_err(|mut error| {
        if let Error::Refused { status: 403 | 429, code, message, retry_after, .. } = &mut error {
            let is_secondary =
                message.contains("secondary rate limit") || message.contains("abuse detection");
            if is_secondary || is_out || retry_after.is_some() {
                *code = RATE_LIMITED.to_owned();
                *retry_after = retry_after.or(until_reset).or(Some(SECONDARY_LIMIT_WAIT));
            }
        }
        error
    })
}

fn versioned(call: Call) -> Call {
    call.with_header(ACCEPT, "application/vnd.github+json")
        .with_header(HeaderName::from_static("x-github-api-version"), "2022-11-28")
}

/// An app that asks for tokens of its installation
/// (<https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app>).
#[derive(Debug)]
struct App {
    web: Web,
    url: Url,
    app_id: String,
    key: SecretReference,
    now_us: fn() -> i64,
}

#[async_trait]
impl TokenSource for App {
    async fn token(&self) -> Result<Token> {
        let key = SigningKey::from_pem(&self.key.get().await?)?;
        let now_s = (self.now_us)() / 1_000_000;
        // A minute back, as clocks differ; ten minutes at most.
        let claims = json!({"iss": self.app_id, "iat": now_s - 60, "exp": now_s + 480});
        let mut call = versioned(Call::get(CALL, self.url.clone())).with_bearer(&key.sign(None, &claims)?)?;
        (call.method, call.body) = (Method::POST, Bytes::new());
        let answer = accepted(self.web.send(call).await?, CALL, now_s)?.json(CALL)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let expires = text("expires_at").and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        match (text("token"), expires) {
            (Some(token), Some(expires)) => {
                Ok(Token { secret: token.to_owned(), expires_us: expires.timestamp_micros() })
            }
            _ => Err(Error::BadAnswer {
                call: CALL.into(),
                problem: "there is no `token` with `expires_at`".into(),
            }),
        }
    }
}

/// A second as a search has it.
fn time(at_s: i64) -> String {
    DateTime::from_timestamp(at_s, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What to do about a refusal by GitHub; `None` where it says nothing of rights or names.
pub fn mend(error: &Error) -> Option<String> {
    let Error::Refused { call, status, code, .. } = error else { return None };
    if code == RATE_LIMITED {
        return None;
    }
    let told = match (call.as_str(), status) {
        (CALL, 401) => {
            "the app's id and key do not fit: check `app_id` and `key`, and the clock of this machine"
        }
        (CALL, 403 | 404) => {
            "there is no such installation of the app: check `installation_id`; the app's page lists where it is installed"
        }
        (_, 401) => {
            "the token is wrong, was revoked or has ended: make another with the scope `read:audit_log`"
        }
        ("organization_administration:read", 403 | 404) => {
            "give the app the organisation's permission `Administration: read-only`, and accept it where the app is installed; check the name of the organisation, which needs GitHub Enterprise Cloud"
        }
        ("enterprise_administration:read", 403 | 404) => {
            "give the app the enterprise's permission `Enterprise administration: read-only`, and accept it where the app is installed; check the name of the enterprise"
        }
        (_, 403 | 404) => {
            "give the token the scope `read:audit_log`, authorize it for the organisation's single sign-on, and let it be an owner's; check the name of the organisation, which needs GitHub Enterprise Cloud"
        }
        _ => return None,
    };
    Some(told.to_owned())
}
