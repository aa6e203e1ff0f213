//! Any service that lists JSON records by time or by a cursor, described by its settings alone.
//!
//! The address and the body have placeholders for the window and the page; pointers (RFC 6901) say where in an
//! answer the records are and how the next page is found.

mod config;
mod template;

use std::sync::Arc;

use async_trait::async_trait;
use event::LogType;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName};
use url::Url;

pub use crate::oauth::ClientSecret;
pub use config::{HttpAuth, HttpListConfig, Paging};
pub use template::TimeFormat;

use crate::list::{List, ListPurpose, ListSource, Listed, Window, Windowing, records_at, seconds, text_at};
use crate::oauth::{Client, basic};
use crate::session::{Kept, Session};
use crate::token::{Token, TokenSource};
use crate::web::{Answer, Call, Web, next_page, service_url};
use crate::{Error, Result};
use config::{MOST_S, Request};
use template::Values;

impl HttpListConfig {
    /// The list, not asked yet; to follow it, once more where it is read a second time.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(&self, purpose: ListPurpose, now_us: fn() -> i64) -> Result<ListSource> {
        let request = self.checked()?;
        let windowing = Windowing::of(self.settle, self.overlap, self.window, self.every, MOST_S);
        let session = session(&self.auth, now_us)?;
        let tokens = session.tokens();
        let list = HttpList { name: "list", config: Arc::new(self.clone()), request, session, windowing };
        let mut lists: Vec<Box<dyn List>> = vec![Box::new(list.clone())];
        if let Some(after) = self.again_after.filter(|_| purpose == ListPurpose::Follow) {
            let windowing = windowing.again_after(after);
            lists.push(Box::new(HttpList { name: "list/again", windowing, ..list }));
        }
        Ok(ListSource { lists, lookback: self.lookback, gap: self.gap, tokens, mend })
    }
}

/// What to do about a refusal; `None` where it says nothing of rights or names.
pub fn mend(error: &Error) -> Option<String> {
    let Error::Refused { call, status, .. } = error else { return None };
    let told = match (call == CALL, status) {
        (false, 400..=403) => {
            "the token service refuses the client: check `client_id`, `secret`, `client_secret_in` and what is asked for in `token_form`"
        }
        (_, 401) => {
            "the service does not take the secret: check `auth` and `secret`, and whether it was revoked or has ended"
        }
        (_, 403) => {
            "the service knows the secret and does not let it read this list: give it the right to read, as the service's documentation names it"
        }
        (_, 404) => "there is no such list: check `url`; some services answer so to who may not read",
        (_, 400 | 422) => {
            "the service does not understand the request: check the placeholders of `url` and `body`, and `time`"
        }
        _ => return None,
    };
    Some(told.to_owned())
}

fn session(auth: &HttpAuth, now_us: fn() -> i64) -> Result<Session> {
    let web = Web::new()?;
    Ok(match auth {
        HttpAuth::None => Session::open(web),
        HttpAuth::Bearer(secret) => {
            Session::bearer(web, Arc::new(Kept { secret: secret.clone(), now_us }), now_us)
        }
        HttpAuth::Basic { user, secret } => {
            let kept = Kept { secret: secret.clone(), now_us };
            Session::new(web, Arc::new(Password { user: user.clone(), kept }), AUTHORIZATION, "", now_us)
        }
        HttpAuth::Header { name, secret } => {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| {
                Error::BadSetting { field: "auth_header", problem: "it is no name of a header".into() }
            })?;
            Session::new(web, Arc::new(Kept { secret: secret.clone(), now_us }), name, "", now_us)
        }
        HttpAuth::Client { url, id, secret, shows, form } => {
            let client = Client {
                web: web.clone(),
                url: service_url("token_url", url)?,
                id: id.clone(),
                secret: secret.clone(),
                shows: *shows,
                form: form.clone(),
                now_us,
            };
            Session::bearer(web, Arc::new(client), now_us)
        }
    })
}

/// A user with a password.
#[derive(Debug)]
struct Password {
    user: String,
    kept: Kept,
}

#[async_trait]
impl TokenSource for Password {
    async fn token(&self) -> Result<Token> {
        let Token { secret, expires_us } = self.kept.token().await?;
        Ok(Token { secret: basic(&self.user, &secret), expires_us })
    }
}

/// The list. Its token is a cursor, an address, a page's number or a count of records.
#[derive(Debug, Clone)]
struct HttpList {
    name: &'static str,
    config: Arc<HttpListConfig>,
    request: Request,
    session: Session,
    windowing: Windowing,
}

/// What the list is called in errors.
const CALL: &str = "the list";

impl HttpList {
    fn call(&self, window: &Window) -> Result<Option<Call>> {
        let config = &self.config;
        let number = window.token.as_deref().and_then(|token| token.parse().ok());
        let values = Values {
            start_s: window.start_s,
            end_s: window.end_s,
            format: config.time,
            cursor: window.token.as_deref().filter(|_| matches!(config.paging, Paging::Cursor(_))),
            page: match config.paging {
                Paging::Page(first) => number.unwrap_or(first),
                _ => 0,
            },
            offset: number.unwrap_or(0),
        };
        let url = match (&config.paging, &window.token) {
            (Paging::Address(_) | Paging::Link, Some(token)) => {
                match next_page(CALL, &self.request.base, token) {
                    Ok(url) => url,
                    Err(_) => return Ok(None),
                }
            }
            _ => Url::parse(&template::address(&config.url, &values)).map_err(|_| Error::BadSetting {
                field: "url",
                problem: "with its placeholders filled in it is no address".into(),
            })?,
        };
        let mut call = Call::get(CALL, url);
        let body = match &window.token {
            Some(_) => self.request.body_next.as_ref().or(self.request.body.as_ref()),
            None => self.request.body.as_ref(),
        };
        if let Some(body) = body {
            call = Call::post_json(CALL, call.url, &template::body(body, &values));
        }
        let has_accept = self.request.headers.iter().any(|(name, _)| name == ACCEPT);
        if !has_accept {
            call = call.with_header(ACCEPT, "application/json");
        }
        call.headers.extend(self.request.headers.iter().cloned());
        Ok(Some(call.with_gzip()))
    }

    /// The error in an answer that looks like a good one.
    fn accepted(&self, answer: Answer) -> Result<Answer> {
        let answer = answer.accepted(CALL)?;
        match text_at(&answer.body, &self.config.error).filter(|_| !self.config.error.is_empty()) {
            None => Ok(answer),
            Some(code) => Err(Error::Refused {
                call: CALL.into(),
                status: answer.status,
                code: code.chars().filter(|char| !char.is_control()).take(100).collect(),
                message: String::new(),
                retry_after: answer.retry_after(),
            }),
        }
    }

    /// What the next page is asked with.
    fn next(&self, answer: &Answer, window: &Window, records: u64) -> Result<Option<String>> {
        let config = &self.config;
        let says = text_at(&answer.body, &config.more).filter(|_| !config.more.is_empty());
        let is_last = match says.as_deref() {
            Some(more) => more == "false",
            None => records == 0 || records < config.page_size,
        };
        let number = window.token.as_deref().and_then(|token| token.parse::<u64>().ok());
        Ok(match &config.paging {
            Paging::None => None,
            Paging::Page(_) | Paging::Offset if is_last => None,
            Paging::Page(first) => Some((number.unwrap_or(*first) + 1).to_string()),
            Paging::Offset => Some((number.unwrap_or(0) + records).to_string()),
            // Who follows keeps the cursor also after the last page.
            _ if says.as_deref() == Some("false") && !config.follow => None,
            Paging::Cursor(pointer) => text_at(&answer.body, pointer),
            Paging::Address(pointer) => {
                let next = text_at(&answer.body, pointer);
                next.map(|next| next_page(CALL, &self.request.base, &next)).transpose()?.map(String::from)
            }
            Paging::Link => {
                let next = answer.next_link();
                next.map(|next| next_page(CALL, &self.request.base, next)).transpose()?.map(String::from)
            }
        })
    }
}

#[async_trait]
impl List for HttpList {
    fn name(&self) -> &str {
        self.name
    }

    /// Records are asked what they are, or the source fixes it.
    fn log_type(&self) -> Option<LogType> {
        None
    }

    fn origin(&self) -> String {
        let base = &self.request.base;
        format!("{}://{}{}", base.scheme(), base.host_str().unwrap_or_default(), base.path())
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    fn kept_s(&self) -> Option<i64> {
        self.config.kept.map(seconds)
    }

    fn service_s(&self) -> Option<i64> {
        self.session.service_s()
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let Some(call) = self.call(window)? else { return Ok(Listed::TokenEnded) };
        let answer = self.session.send(call).await?;
        let is_over = matches!(answer.status, 400 | 404 | 410 | 422);
        if is_over
            && window.token.is_some()
            && !matches!(self.config.paging, Paging::Page(_) | Paging::Offset)
        {
            return Ok(Listed::TokenEnded);
        }
        let answer = self.accepted(answer)?;
        let records = match records_at(CALL, &answer.body, &self.config.records)? {
            Some(records) => records,
            None if self.config.records_optional => Vec::new(),
            None => {
                let problem = format!(
                    "there is no list at `{}`; mend `records`, or set `records_optional` if there need not be one",
                    self.config.records
                );
                return Err(Error::BadAnswer { call: CALL.into(), problem });
            }
        };
        let next = self.next(&answer, window, records.len() as u64)?;
        if !self.config.follow {
            return Ok(Listed::Page { records, next });
        }
        let says = text_at(&answer.body, &self.config.more).filter(|_| !self.config.more.is_empty());
        let is_full = match says {
            Some(more) => more == "true",
            None => !records.is_empty() && records.len() as u64 >= self.config.page_size,
        };
        Ok(match next.or_else(|| window.token.clone()) {
            Some(next) if !is_full || Some(&next) == window.token.as_ref() => {
                Listed::CaughtUp { records, next }
            }
            next => Listed::Page { records, next },
        })
    }
}

#[cfg(test)]
mod tests;
