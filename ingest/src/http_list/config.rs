//! What describes a list, and what must hold of it.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::template::{self, TimeFormat};
use crate::oauth::ClientSecret;
use crate::web::service_url;
use crate::{Error, Result, SecretReference};

/// Headers that have a setting of their own, or that the client writes.
const TAKEN: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "accept-encoding",
    "connection",
];
/// The longest span that is asked at once or kept in mind.
pub(super) const MOST_S: i64 = 10 * 366 * 86_400;

/// How the next page is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// There is one page.
    None,
    /// The answer has a cursor at this pointer; it fills `{cursor}`.
    Cursor(String),
    /// The answer has the next page's address at this pointer.
    Address(String),
    /// The answer has the next page's address in a `Link` header.
    Link,
    /// Pages are numbered from here; a page that is not full is the last.
    Page(u64),
    /// Records are counted; a page that is not full is the last.
    Offset,
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAuth {
    /// Anybody.
    None,
    /// `Authorization: Bearer` with the secret.
    Bearer(SecretReference),
    /// A user and the secret as password.
    Basic {
        /// The user.
        user: String,
        /// Where the password lies.
        secret: SecretReference,
    },
    /// A header of its own with the secret.
    Header {
        /// Its name, such as `X-Api-Key`.
        name: String,
        /// Where its value lies.
        secret: SecretReference,
    },
    /// OAuth 2.0: a client that gets tokens for a secret.
    Client {
        /// Where tokens are given out.
        url: String,
        /// The client's id.
        id: String,
        /// Where its secret lies.
        secret: SecretReference,
        /// How it is shown.
        shows: ClientSecret,
        /// What else is asked with: a scope, an audience, another `grant_type`.
        form: Vec<(String, String)>,
    },
}

/// A list of JSON records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpListConfig {
    /// The address, with placeholders in its query.
    pub url: String,
    /// The body of the first page as JSON with placeholders; empty: pages are asked with GET.
    pub body: String,
    /// The body of the pages after it; empty: the same.
    pub body_next: String,
    /// How times are written.
    pub time: TimeFormat,
    /// Where the list of records is; empty: the answer is the list.
    pub records: String,
    /// Whether an answer without such a list has no records; else it is an error.
    pub records_optional: bool,
    /// How the next page is found.
    pub paging: Paging,
    /// Where an answer says whether there are more pages; empty: nowhere.
    pub more: String,
    /// How many records a full page has; 0: it is not known.
    pub page_size: u64,
    /// Whether the cursor stays good and the list is asked on with it for ever, whatever the window.
    pub follow: bool,
    /// Where a service that answers 200 to everything has the code of an error; empty: nowhere.
    pub error: String,
    /// Headers that are no secret.
    pub headers: Vec<(String, String)>,
    /// Who reads.
    pub auth: HttpAuth,
    /// How far back the first read begins.
    pub lookback: Duration,
    /// How often is asked.
    pub every: Duration,
    /// The longest window.
    pub window: Duration,
    /// How long after its time a record is expected to be listed.
    pub settle: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
    /// How long after its time everything is read a second time; nothing: never.
    pub again_after: Option<Duration>,
    /// How long the service keeps its records; what was not read for longer is a gap. `None`: it is not known.
    pub kept: Option<Duration>,
    /// Between two requests.
    pub gap: Duration,
}

impl HttpListConfig {
    /// Whether it can be as it is.
    ///
    /// # Errors
    /// [`Error::BadSetting`] with the name of the setting in the configuration.
    pub fn check(&self) -> Result<()> {
        self.checked().map(|_| ())
    }

    /// What requests are made of.
    ///
    /// # Errors
    /// As of [`check`](Self::check).
    pub(super) fn checked(&self) -> Result<Request> {
        let bad = |field, problem: String| Err(Error::BadSetting { field, problem });
        let (place, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let base = service_url("url", place)?;
        if place.contains(['{', '}']) {
            return bad("url", "placeholders may stand after the `?` only".into());
        }
        for (field, text) in [("url", query), ("body", &self.body), ("body_next", &self.body_next)] {
            if let Some(name) = template::unknown(text) {
                let names = "{start}, {end}, {cursor}, {page} and {offset}";
                return bad(field, format!("there is no placeholder `{{{name}}}`; there are {names}"));
            }
        }
        let texts = [query, self.body.as_str(), self.body_next.as_str()];
        let has = |name: &str| texts.iter().any(|text| template::has(text, name));
        let needs: &[&str] = match self.paging {
            Paging::Cursor(_) => &["cursor"],
            Paging::Page(_) => &["page"],
            Paging::Offset => &["offset"],
            _ => &[],
        };
        for name in ["cursor", "page", "offset"] {
            if needs.contains(&name) && !has(name) {
                return bad(
                    "url",
                    format!("neither it nor the body has `{{{name}}}`, which the paging fills"),
                );
            }
            if !needs.contains(&name) && has(name) {
                return bad("paging", format!("nothing fills `{{{name}}}`; use the paging that does"));
            }
        }
        if !has("start") {
            return bad(
                "url",
                "neither it nor the body has `{start}`: each question would get everything".into(),
            );
        }
        if matches!(self.paging, Paging::Page(_) | Paging::Offset)
            && self.page_size == 0
            && self.more.is_empty()
        {
            return bad(
                "page_size",
                "pages that are counted need it, or `more`, to know the last one".into(),
            );
        }
        if self.follow && !matches!(self.paging, Paging::Cursor(_) | Paging::Link | Paging::Address(_)) {
            return bad("follow", "only a cursor or an address of the next page can be followed".into());
        }
        let next = match &self.paging {
            Paging::Cursor(pointer) | Paging::Address(pointer) => {
                if pointer.is_empty() {
                    return bad("next", "it is needed: where the answer has the cursor or address".into());
                }
                pointer.as_str()
            }
            _ => "",
        };
        let pointers =
            [("records", &*self.records), ("next", next), ("more", &*self.more), ("error", &*self.error)];
        for (field, pointer) in pointers {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return bad(
                    field,
                    format!("`{pointer}` is no JSON pointer; write `/{}`", pointer.replace('.', "/")),
                );
            }
        }
        if self.again_after.is_some() && self.follow {
            return bad(
                "again_after",
                "a list that is followed has an order of its own; leave it out".into(),
            );
        }
        Ok(Request {
            base,
            body: json("body", &self.body)?,
            body_next: json("body_next", &self.body_next)?,
            headers: self.checked_headers()?,
        })
    }

    fn checked_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push((header_name("headers", name)?, header_value("headers", name, value)?));
        }
        match &self.auth {
            // One's own header may be the one for authorization.
            HttpAuth::Header { name, .. } if !name.eq_ignore_ascii_case("authorization") => {
                header_name("auth_header", name)?;
            }
            HttpAuth::Basic { user, .. } if user.is_empty() || user.contains(':') => {
                let problem = "it is needed, and has no `:`".into();
                return Err(Error::BadSetting { field: "user", problem });
            }
            HttpAuth::Client { url, id, .. } => {
                service_url("token_url", url)?;
                if id.is_empty() {
                    let problem = "it is needed: who asks for tokens".into();
                    return Err(Error::BadSetting { field: "client_id", problem });
                }
            }
            _ => {}
        }
        Ok(headers)
    }
}

/// What was checked of the settings of requests.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The address without its query.
    pub(super) base: Url,
    pub(super) body: Option<Value>,
    pub(super) body_next: Option<Value>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

fn json(field: &'static str, text: &str) -> Result<Option<Value>> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = serde_json::from_str(text);
    value.map(Some).map_err(|error| Error::BadSetting { field, problem: format!("it is no JSON: {error}") })
}

fn header_name(field: &'static str, name: &str) -> Result<HeaderName> {
    let bad = |problem: String| Error::BadSetting { field, problem };
    let lower = name.to_ascii_lowercase();
    if TAKEN.contains(&lower.as_str()) {
        return Err(bad(format!("`{name}` is not for here; `auth` and its settings say who reads")));
    }
    HeaderName::from_bytes(lower.as_bytes()).map_err(|_| bad(format!("`{name}` is no name of a header")))
}

fn header_value(field: &'static str, name: &str, value: &str) -> Result<HeaderValue> {
    let problem = format!("the value of `{name}` has a byte that no header may have");
    HeaderValue::from_str(value).map_err(|_| Error::BadSetting { field, problem })
}
