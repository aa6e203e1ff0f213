//! One call of a service over HTTP: bounded in time and bytes, never redirected, no secret in an error.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is told of a service's message.
const MESSAGE_CHARS: usize = 300;
/// A longer wait than this is not believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(900);

/// A client that follows no redirect: a token goes where it was meant to go or nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    services: reqwest::Client,
    /// For what is near and hands out keys (metadata servers): never through a proxy.
    near: reqwest::Client,
    /// What the service's clock last said, in seconds since 1970; 0: nothing.
    service_s: Arc<AtomicI64>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What it is called in errors and as permissions name it, such as `pubsub.subscriptions.consume`.
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// How long the whole of it may take.
    pub(crate) timeout: Duration,
    /// How large the answer may be, after decompression.
    pub(crate) max_bytes: usize,
    /// Whether a proxy of the environment is passed by.
    pub(crate) is_near: bool,
    /// Whether what comes as gzip is inflated.
    pub(crate) takes_gzip: bool,
}

impl Call {
    /// A read of `url`: 30 seconds, 64 MiB.
    pub(crate) fn get(name: &str, url: Url) -> Self {
        Self {
            name: name.to_owned(),
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(30),
            max_bytes: 64 << 20,
            is_near: false,
            takes_gzip: false,
        }
    }

    /// A POST of JSON.
    pub(crate) fn post_json(name: &str, url: Url, body: &Value) -> Self {
        let json = (reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self {
            method: Method::POST,
            headers: vec![json],
            body: body.to_string().into(),
            ..Self::get(name, url)
        }
    }

    /// A POST of a form.
    pub(crate) fn post_form(name: &str, url: Url, form: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self {
            method: Method::POST,
            headers: vec![(reqwest::header::CONTENT_TYPE, kind)],
            body: body.into(),
            ..Self::get(name, url)
        }
    }

    /// With a header that is a secret.
    ///
    /// # Errors
    /// [`Error::NoCredentials`]: the secret has bytes that no header can have.
    pub(crate) fn with_secret(mut self, name: HeaderName, secret: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(secret).map_err(|_| Error::NoCredentials {
            problem: format!(
                "the secret for `{name}` has a line break or another byte that no header may have"
            ),
        })?;
        value.set_sensitive(true);
        self.headers.push((name, value));
        Ok(self)
    }

    /// With `Authorization: Bearer`.
    ///
    /// # Errors
    /// As of [`with_secret`](Self::with_secret).
    pub(crate) fn with_bearer(self, token: &str) -> Result<Self> {
        self.with_secret(reqwest::header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// With leave to answer in gzip, which is taken off. Without it a body stays as it came: an object may be
    /// a gzip file itself.
    pub(crate) fn with_gzip(mut self) -> Self {
        self.takes_gzip = true;
        self.with_header(reqwest::header::ACCEPT_ENCODING, "gzip")
    }

    /// With a header that is none.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

/// What a service answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text; what is no UTF-8 is none.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::BadAnswer`].
    pub(crate) fn json(&self, call: &str) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let problem = if self.is_page() { PAGE.to_owned() } else { error.to_string() };
            Error::BadAnswer { call: call.to_owned(), problem }
        })
    }

    /// Whether it is a page for people: of a proxy, of a sign-in, of another server.
    fn is_page(&self) -> bool {
        let text = self.body.trim_ascii_start();
        text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype"))
            || text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"<html"))
    }

    /// What a refusal says without words of the service: where it leads, or that it is a page.
    fn implied(&self) -> String {
        match self.header("location").and_then(|to| Url::parse(to).ok()) {
            // The rest of the address may hold what nobody needs to see.
            Some(to) if self.status < 400 => {
                let host = to.host_str().unwrap_or_default();
                format!("it redirects to {}://{host}, which is not followed", to.scheme())
            }
            _ if self.is_page() => PAGE.to_owned(),
            _ => String::new(),
        }
    }

    /// How long the service wants to be left alone: seconds, or a date by the service's own clock; RFC 9110
    /// section 10.2.3.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let after = match text.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => {
                let until = DateTime::parse_from_rfc2822(text).ok()?;
                let now = DateTime::parse_from_rfc2822(self.header("date")?).ok()?;
                (until - now).to_std().unwrap_or_default()
            }
        };
        Some(after.min(MAX_RETRY_AFTER))
    }

    /// How long it is until the time in a header, in seconds since 1970, by the service's own clock if it says
    /// one.
    pub(crate) fn time_until(&self, name: &str, now_s: i64) -> Option<Duration> {
        let until_s: i64 = self.header(name)?.trim().parse().ok()?;
        let date = self.header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let wait_s = until_s.saturating_sub(date.map_or(now_s, |date| date.timestamp())).max(0);
        Some(Duration::from_secs(wait_s.unsigned_abs()).min(MAX_RETRY_AFTER))
    }

    /// The address of the next page in `Link` headers, RFC 8288: the first with `rel="next"`.
    pub(crate) fn next_link(&self) -> Option<&str> {
        let links = self.headers.get_all(reqwest::header::LINK);
        links.iter().filter_map(|value| value.to_str().ok()).find_map(next_in)
    }

    /// The answer, if it is a good one.
    ///
    /// # Errors
    /// [`Error::Refused`] with the service's own code and words, in the shapes of Google, Microsoft, OAuth,
    /// Okta and GitHub.
    pub(crate) fn accepted(self, call: &str) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
        let first = |pointers: &[&str], chars: usize| -> String {
            let found = pointers.iter().find_map(|pointer| at(pointer)).unwrap_or_default();
            found.chars().filter(|char| !char.is_control()).take(chars).collect()
        };
        Err(Error::Refused {
            call: call.to_owned(),
            status: self.status,
            code: first(&["/error/status", "/error/code", "/error", "/errorCode", "/code"], 100),
            message: Some(first(
                &["/error/message", "/error_description", "/errorSummary", "/message"],
                MESSAGE_CHARS,
            ))
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| self.implied()),
            retry_after: self.retry_after(),
        })
    }
}

impl Web {
    /// A client with the system's roots of trust.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: there is no TLS.
    pub(crate) fn new() -> Result<Self> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("stormglass/", env!("CARGO_PKG_VERSION")))
        };
        let failed = |source| Error::Unreachable { call: "TLS".into(), source: Box::new(source) };
        let services = builder().build().map_err(failed)?;
        let near = builder().no_proxy().build().map_err(failed)?;
        Ok(Self { services, near, service_s: Arc::default() })
    }

    /// The time by the clock of whoever answered last, in seconds since 1970; `None`: none did, or said no time.
    pub(crate) fn service_s(&self) -> Option<i64> {
        Some(self.service_s.load(Ordering::Relaxed)).filter(|time_s| *time_s > 0)
    }

    /// Sends a request once. A refusal is an answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`], also where the answer breaks off; [`Error::BadAnswer`] where it is too large.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer> {
        let Call { name, method, url, headers, body, timeout, max_bytes, is_near, takes_gzip } = call;
        // The address may hold what nobody needs to see.
        let unreachable = |source: reqwest::Error| Error::Unreachable {
            call: name.clone(),
            source: untrusted(&source).map_or_else(|| Box::new(source.without_url()) as Box<_>, Into::into),
        };
        let client = if is_near { &self.near } else { &self.services };
        let mut builder = client.request(method, url).timeout(timeout).body(body);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let mut response = builder.send().await.map_err(&unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(&unreachable)? {
            if body.len() + chunk.len() > max_bytes {
                let problem = format!("it is larger than {max_bytes} bytes");
                return Err(Error::BadAnswer { call: name, problem });
            }
            body.extend_from_slice(&chunk);
        }
        let date = headers.get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        self.service_s.store(date.map_or(0, |date| date.timestamp()), Ordering::Relaxed);
        let body = match headers.get(reqwest::header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            Some(b"gzip" | b"x-gzip") if takes_gzip => inflated(&name, &body, max_bytes)?,
            _ => body.freeze(),
        };
        Ok(Answer { status, headers, body })
    }
}

/// What is said of an answer that is a page for people.
const PAGE: &str = "it is a page of HTML, not an answer of an API";

/// What is wrong with the certificate of a service, in words; `None`: nothing is.
fn untrusted(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if let Some((_, problem)) = text.split_once("invalid peer certificate: ") {
            return Some(distrust(problem));
        }
        cause = error.source();
    }
    None
}

/// rustls' words for a certificate that is not trusted, with the mend.
fn distrust(problem: &str) -> String {
    const MEND: &str = "have the service show one of an authority that this machine trusts, or add its authority to \
                        those of the system (`SSL_CERT_FILE` names another file of them)";
    if problem.contains("CaUsedAsEndEntity") {
        format!("the certificate is its own authority (self-signed); {MEND}")
    } else if problem.contains("UnknownIssuer") {
        format!("the certificate is of an authority that is not trusted; {MEND}")
    } else {
        format!("the certificate is not trusted: {problem}")
    }
}

/// The body of an answer that came as gzip.
///
/// # Errors
/// [`Error::Unreachable`] where it breaks off or is damaged: it was so on this way, and may be whole on the
/// next; [`Error::BadAnswer`] where it is too large.
fn inflated(call: &str, body: &[u8], max_bytes: usize) -> Result<Bytes> {
    let mut inflated = Vec::new();
    let reader = flate2::read::MultiGzDecoder::new(body);
    // One byte more than may be shows that there is more.
    if let Err(error) = reader.take(max_bytes as u64 + 1).read_to_end(&mut inflated) {
        return Err(Error::Unreachable { call: call.to_owned(), source: Box::new(error) });
    }
    if inflated.len() > max_bytes {
        let problem = format!("it is larger than {max_bytes} bytes");
        return Err(Error::BadAnswer { call: call.to_owned(), problem });
    }
    Ok(inflated.into())
}

/// The address in a `Link` header whose relation is `next`.
fn next_in(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (address, after) = after.split_once('>')?;
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(address);
        }
        rest = after;
    }
    None
}

/// `path` below the address of a service, whatever that ends with.
///
/// # Errors
/// [`Error::BadSetting`]: nothing can be below it.
pub(crate) fn below(field: &'static str, base: &Url, path: &str) -> Result<Url> {
    let mut url = base.clone();
    let parts = url.path_segments_mut();
    let mut parts = parts.map_err(|()| Error::BadSetting { field, problem: "it has no paths".to_owned() })?;
    parts.pop_if_empty().extend(path.split('/'));
    drop(parts);
    Ok(url)
}

/// The address of a service as a setting gives it: over TLS, or of this machine alone; a secret goes there.
///
/// # Errors
/// [`Error::BadSetting`].
pub(crate) fn service_url(field: &'static str, text: &str) -> Result<Url> {
    let bad = |problem: &str| Error::BadSetting { field, problem: problem.to_owned() };
    // Not quoted: it may hold a password.
    let url = Url::parse(text).map_err(|_| bad("it is no address; write https://HOST"))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(bad("an address has no user, password or fragment here; use a secret's own setting"));
    }
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(bad("it names no host; write https://HOST")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(bad("a secret would go there unprotected; write https://")),
    }
}

/// The address of the next page that an answer names, if it leads to where the token may go: scheme, host
/// and port of `base`.
///
/// # Errors
/// [`Error::BadAnswer`]: it is no address, or leads elsewhere.
pub(crate) fn next_page(call: &str, base: &Url, address: &str) -> Result<Url> {
    let bad = |problem: &str| Error::BadAnswer { call: call.to_owned(), problem: problem.to_owned() };
    let next = base.join(address).map_err(|_| bad("the address of the next page is none"))?;
    if next.origin() != base.origin() {
        return Err(bad("the next page is said to be on another server; the token stays here"));
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
