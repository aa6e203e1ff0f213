//! Calls of one service as one identity, and the pages that it answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use url::Url;

use super::AzureAccess;
use super::credentials::{Entra, https};
use crate::token::TokenCache;
use crate::web::{Answer, Call, Web, next_page};
use crate::{Environment, Error, Result};

/// A page of a thousand records takes a while to be put together.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest address that is kept as a place to go on.
const MAX_ADDRESS: usize = 30 << 10;

/// A service as one identity.
#[derive(Debug, Clone)]
pub(super) struct Client {
    web: Web,
    tokens: TokenCache,
    base: Url,
}

impl Client {
    /// The service at `endpoint`, such as `https://graph.microsoft.com`; that is also what the token is for.
    pub(super) fn new(
        access: &AzureAccess,
        environment: &Environment,
        endpoint: &str,
        now_us: fn() -> i64,
    ) -> Result<Self> {
        let base = https("endpoint", endpoint)?;
        let scope = format!("{}/.default", endpoint.trim_end_matches('/'));
        let web = Web::new()?;
        let entra = Entra::new(access, environment, &scope, web.clone(), now_us)?;
        Ok(Self { web, tokens: TokenCache::new(Arc::new(entra), now_us), base })
    }

    /// Who gives its tokens.
    pub(super) fn tokens(&self) -> TokenCache {
        self.tokens.clone()
    }

    /// See [`Web::service_s`].
    pub(super) fn service_s(&self) -> Option<i64> {
        self.web.service_s()
    }

    /// The address of `path` with a query of characters that need no encoding but blanks and quotes.
    pub(super) fn url(&self, path: &str, query: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url.set_query(Some(query));
        url
    }

    /// An address that the service itself gave; it must be the service's own.
    pub(super) fn own(&self, call: &str, address: &str) -> Result<Url> {
        next_page(call, &self.base, address)
    }

    /// Reads `url`.
    pub(super) async fn get(&self, call: &str, url: Url) -> Result<Answer> {
        let mut request = Call::get(call, url);
        request.timeout = TIMEOUT;
        self.send(request).await
    }

    /// Sends a call with a token; with another one, if the service does not take it any more.
    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        let name = call.name.clone();
        let token = self.tokens.get().await?;
        let answer = self.web.send(call.clone().with_bearer(&token.secret)?).await?;
        if answer.status != 401 {
            return answer.accepted(&name);
        }
        self.tokens.forget().await;
        let token = self.tokens.get().await?;
        self.web.send(call.with_bearer(&token.secret)?).await?.accepted(&name)
    }
}

/// The records in `value` of an answer, each as the service wrote it, and the address in the member `next`.
pub(super) fn page_of(call: &str, answer: &Answer, next: &str) -> Result<(Vec<String>, Option<String>)> {
    let bad = |problem: String| Error::BadAnswer { call: call.to_owned(), problem };
    let members: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(&answer.body).map_err(|error| bad(error.to_string()))?;
    let value = members.get("value").ok_or_else(|| bad("`value` is missing".into()))?;
    let records: Vec<&RawValue> =
        serde_json::from_str(value.get()).map_err(|error| bad(format!("`value`: {error}")))?;
    let next: Option<String> = match members.get(next) {
        Some(address) => {
            serde_json::from_str(address.get()).map_err(|error| bad(format!("`{next}`: {error}")))?
        }
        None => None,
    };
    let next = next.filter(|address| !address.is_empty());
    if next.as_ref().is_some_and(|address| address.len() > MAX_ADDRESS) {
        return Err(bad(format!("the address of the next page has more than {MAX_ADDRESS} bytes")));
    }
    Ok((records.into_iter().map(|record| record.get().to_owned()).collect(), next))
}

/// Whether a refusal of a page that is not the first says that the place to go on has ended.
pub(super) fn is_token_ended(error: &Error) -> bool {
    let Error::Refused { status: 400 | 404 | 410, code, message, .. } = error else { return false };
    let text = format!("{code} {message}").to_ascii_lowercase();
    ["token", "nextpage", "expired"].iter().any(|word| text.contains(word))
}

/// A time as these services write it.
pub(super) fn time(unix_s: i64) -> String {
    chrono::DateTime::from_timestamp(unix_s, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn page(body: &str) -> Result<(Vec<String>, Option<String>)> {
        let answer = Answer { status: 200, headers: HeaderMap::new(), body: body.to_owned().into() };
        page_of("c", &answer, "nextLink")
    }

    #[test]
    fn records_stay_as_they_were_written() {
        let (records, next) =
            page(r#"{"value":[{"a":1.50,"b":"\u00e9"}, {}],"nextLink":"https:\/\/x\/?a=1"}"#).unwrap();
        assert_eq!(records, [r#"{"a":1.50,"b":"\u00e9"}"#, "{}"]);
        assert_eq!(next.as_deref(), Some("https://x/?a=1"));
        assert_eq!(page(r#"{"value":[],"nextLink":null}"#).unwrap(), (Vec::new(), None));
        for bad in ["", "[]", "{}", r#"{"value":{}}"#, r#"{"value":[],"nextLink":7}"#, r#"{"value":[{]}"#] {
            assert!(page(bad).is_err(), "{bad}");
        }
        let long = format!(r#"{{"value":[],"nextLink":"{}"}}"#, "x".repeat(MAX_ADDRESS + 1));
        assert!(page(&long).is_err());
    }

    #[test]
    fn an_ended_place_is_told_from_a_refusal() {
        let refused = |status, code: &str| Error::Refused {
            call: "c".into(),
            status,
            code: code.into(),
            message: String::new(),
            retry_after: None,
        };
        assert!(is_token_ended(&refused(400, "Directory_ExpiredPageToken")));
        assert!(is_token_ended(&refused(410, "ResyncRequired: skiptoken")));
        assert!(!is_token_ended(&refused(400, "BadRequest")));
        assert!(!is_token_ended(&refused(401, "InvalidAuthenticationToken")));
    }
}
