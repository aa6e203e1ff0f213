//! Google Workspace's activities by the Reports API of the Admin SDK
//! (<https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list>).
//!
//! Each application is a list of its own; one that fails (a licence that is missing) does not stop the
//! others. Google lists activities minutes to hours after they happened, by application
//! (<https://support.google.com/a/answer/7061566>): windows overlap, and everything is read a second time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use event::LogType;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::error::RATE_LIMITED;
use crate::jwt::SigningKey;
use crate::list::{List, ListPurpose, ListSource, Listed, Window, Windowing, records_at, seconds, text_at};
use crate::oauth;
use crate::session::Session;
use crate::token::{Token, TokenSource};
use crate::web::{Answer, Call, Web, below, service_url};
use crate::{Error, Result, SecretReference};

/// What the service account must be allowed for the whole domain.
const SCOPE: &str = "https://www.googleapis.com/auth/admin.reports.audit.readonly";
const CALL: &str = "admin.reports.audit.readonly";
/// What asking for a token is called in errors.
const TOKEN: &str = "the token for admin.reports.audit.readonly";
const PAGE: &str = "1000";
/// Activities are kept for 180 days, some for longer.
const KEPT_S: i64 = 180 * 86_400;
/// The longest window that every application answers (Gmail: 30 days).
const WINDOW: Duration = Duration::from_secs(86_400);
/// 2,400 requests a minute are allowed to a project, and 250 of some kinds.
const GAP: Duration = Duration::from_millis(100);
/// What a refusal for too many requests waits for, as it says nothing.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
/// Reasons of such refusals, <https://developers.google.com/workspace/admin/reports/v1/limits>.
const LIMIT_REASONS: [&str; 4] =
    ["userRateLimitExceeded", "rateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"];

/// How Workspace's activities are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceConfig {
    /// Where the key of the service account lies, the JSON file as Google gives it.
    pub key: SecretReference,
    /// The administrator in whose name it reads.
    pub subject: String,
    /// Applications, such as `login`.
    pub applications: Vec<String>,
    /// `https://admin.googleapis.com`.
    pub url: String,
    /// How far back the first read begins: up to 180 days.
    pub lookback: Duration,
    /// How often each application is asked.
    pub every: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
    /// How long after its time everything is read a second time; nothing: never.
    pub again_after: Option<Duration>,
}

impl WorkspaceConfig {
    /// Whether it can be as it is.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn check(&self) -> Result<()> {
        service_url("url", &self.url)?;
        let bad = |field, problem: String| Err(Error::BadSetting { field, problem });
        if !self.subject.contains('@') {
            let problem = format!("`{}` is no address of an administrator", self.subject);
            return bad("subject", problem);
        }
        if self.applications.is_empty() {
            return bad("applications", "it names none, such as `login`".into());
        }
        for name in &self.applications {
            if name.is_empty() || name.len() > 64 || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            {
                return bad(
                    "applications",
                    format!("`{name}` is no application; they are small letters and `_`"),
                );
            }
            if self.applications.iter().filter(|other| *other == name).count() > 1 {
                return bad("applications", format!("`{name}` is named twice"));
            }
        }
        if seconds(self.lookback) > KEPT_S {
            return bad("lookback", "at most 180 days: Google keeps no more".into());
        }
        Ok(())
    }

    /// A list for each application, not asked yet; to follow them, twice where late activities are looked for.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(&self, purpose: ListPurpose, now_us: fn() -> i64) -> Result<ListSource> {
        self.check()?;
        let base = service_url("url", &self.url)?;
        let web = Web::new()?;
        let account =
            ServiceAccount { web: web.clone(), key: self.key.clone(), subject: self.subject.clone(), now_us };
        let session = Session::bearer(web, Arc::new(account), now_us);
        let windowing = Windowing::of(Duration::ZERO, self.overlap, WINDOW, self.every, KEPT_S);
        let again = self
            .again_after
            .filter(|_| purpose == ListPurpose::Follow)
            .map(|after| windowing.again_after(after));
        let mut lists: Vec<Box<dyn List>> = Vec::new();
        for application in &self.applications {
            let path = format!("admin/reports/v1/activity/users/all/applications/{application}");
            let url = below("url", &base, &path)?;
            let list = Activities { name: application.clone(), url, session: session.clone(), windowing };
            if let Some(windowing) = again {
                let name = format!("{application}/again");
                lists.push(Box::new(Activities { name, windowing, ..list.clone() }));
            }
            lists.push(Box::new(list));
        }
        let (tokens, lookback) = (session.tokens(), self.lookback);
        Ok(ListSource { lists, lookback, gap: GAP, tokens, mend })
    }
}

/// The list of one application.
#[derive(Debug, Clone)]
struct Activities {
    name: String,
    url: Url,
    session: Session,
    windowing: Windowing,
}

#[async_trait]
impl List for Activities {
    fn name(&self) -> &str {
        &self.name
    }

    fn grant(&self) -> String {
        CALL.to_owned()
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::GoogleWorkspace)
    }

    fn origin(&self) -> String {
        format!("workspace://{}/{}", self.url.host_str().unwrap_or_default(), self.name)
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
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("startTime", &time(window.start_s))
            .append_pair("endTime", &time(window.end_s))
            .append_pair("maxResults", PAGE);
        if let Some(token) = &window.token {
            url.query_pairs_mut().append_pair("pageToken", token);
        }
        let call = Call::get(CALL, url).with_header(ACCEPT, "application/json").with_gzip();
        let answer = self.session.send(call).await?;
        if answer.status == 400 && window.token.is_some() {
            return Ok(Listed::TokenEnded);
        }
        let answer = accepted(answer)?;
        // A page without activities has no list.
        let records = records_at(CALL, &answer.body, "/items")?.unwrap_or_default();
        Ok(Listed::Page { records, next: text_at(&answer.body, "/nextPageToken") })
    }
}

/// The answer, if it is a good one. Limits come as 403 as well as 429, told by a reason.
fn accepted(answer: Answer) -> Result<Answer> {
    let reason = text_at(&answer.body, "/error/errors/0/reason").unwrap_or_default();
    answer.accepted(CALL).map_err(|mut error| {
        if let Error::Refused { code, retry_after, .. } = &mut error
            && LIMIT_REASONS.contains(&reason.as_str())
        {
            *code = RATE_LIMITED.to_owned();
            retry_after.get_or_insert(LIMIT_WAIT);
        }
        error
    })
}

/// A service account that reads in the name of an administrator (domain-wide delegation,
/// <https://developers.google.com/identity/protocols/oauth2/service-account>).
#[derive(Debug)]
struct ServiceAccount {
    web: Web,
    key: SecretReference,
    subject: String,
    now_us: fn() -> i64,
}

/// What is needed of a key file.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[async_trait]
impl TokenSource for ServiceAccount {
    async fn token(&self) -> Result<Token> {
        let text = self.key.get().await?;
        // What serde says could hold a part of the key.
        let file: KeyFile = serde_json::from_str(&text).map_err(|_| Error::NoCredentials {
            problem: format!("`{}`: it is no key of a service account; it must be the JSON file", self.key),
        })?;
        let url = file.token_uri.as_deref().unwrap_or("https://oauth2.googleapis.com/token");
        let url = service_url("key", url).map_err(|error| Error::NoCredentials {
            problem: format!("`token_uri` of the key file: {error}"),
        })?;
        let now_us = (self.now_us)();
        let now_s = now_us / 1_000_000;
        let claims = json!({
            "iss": file.client_email,
            "sub": self.subject,
            "scope": SCOPE,
            "aud": url.as_str(),
            "iat": now_s,
            "exp": now_s + 3_600,
        });
        let assertion =
            SigningKey::from_pem(&file.private_key)?.sign(file.private_key_id.as_deref(), &claims)?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        oauth::ask(&self.web, TOKEN, &url, &form, now_us).await
    }
}

/// A second as Google takes it.
fn time(at_s: i64) -> String {
    DateTime::from_timestamp(at_s, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What to do about a refusal by Google; `None` where it says nothing of rights or names.
pub fn mend(error: &Error) -> Option<String> {
    let Error::Refused { call, status, code, message, .. } = error else { return None };
    let told = match (call.as_str(), status, code.as_str()) {
        (_, _, RATE_LIMITED) => return None,
        (TOKEN, _, "unauthorized_client" | "access_denied") => {
            return Some(format!(
                "let the service account act for the domain: Admin console > Security > API controls > \
                 Domain-wide delegation, the account's client id with the scope `{SCOPE}`"
            ));
        }
        (TOKEN, 400 | 401, _) => {
            "the key was revoked, `subject` is no user of the domain, or the clock of this machine is wrong"
        }
        (CALL, 403, "SERVICE_DISABLED") => {
            "switch the Admin SDK API on in the service account's project: `gcloud services enable admin.googleapis.com`"
        }
        (CALL, 403, _) if message.contains("has not been used") => {
            "switch the Admin SDK API on in the service account's project: `gcloud services enable admin.googleapis.com`"
        }
        (CALL, 401 | 403, _) => {
            "give the administrator in `subject` a role with the privilege Reports (Admin console > Account > Admin roles); an application may need a licence of its own: leave it out of `applications` where there is none"
        }
        (CALL, 400 | 404, _) => "the Reports API knows no such application: check `applications`",
        _ => return None,
    };
    Some(told.to_owned())
}
