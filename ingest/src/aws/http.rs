//! One request over HTTP: signed, bounded in time and bytes, never redirected.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;

use super::credentials::Credentials;
use super::endpoint::Service;
use super::sign::{Scope, Unsigned, query_string, sha256_hex, sign};
use super::xml;
use crate::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is told of a service's message.
const MESSAGE_CHARS: usize = 300;

/// A client that follows no redirect: a signed request, or keys, go where they were meant to go or nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    services: reqwest::Client,
    /// For what is near and hands out keys: never through a proxy.
    near: reqwest::Client,
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    /// Scheme, host and port.
    endpoint: String,
    /// Encoded.
    path: String,
    /// Encoded and sorted.
    query: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    service: Option<Service>,
}

impl Request {
    /// A form of the older, XML speaking services.
    pub(crate) fn form(service: Service, endpoint: String, form: &[(&str, &str)]) -> Self {
        Self {
            method: "POST",
            endpoint,
            path: "/".into(),
            query: String::new(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
            body: query_string(form),
            service: Some(service),
        }
    }

    /// An action of the services that speak JSON; `version` is the protocol's: 1.0 or 1.1.
    pub(crate) fn json(
        service: Service,
        endpoint: String,
        target: String,
        version: &str,
        body: &serde_json::Value,
    ) -> Self {
        let headers =
            vec![("content-type", format!("application/x-amz-json-{version}")), ("x-amz-target", target)];
        Self {
            method: "POST",
            endpoint,
            path: "/".into(),
            query: String::new(),
            headers,
            body: body.to_string(),
            service: Some(service),
        }
    }

    /// A read of S3. `path` is encoded.
    pub(crate) fn s3(
        endpoint: String,
        path: String,
        query: &[(&str, &str)],
        headers: Vec<(&'static str, String)>,
    ) -> Self {
        let (query, body) = (query_string(query), String::new());
        Self { method: "GET", endpoint, path, query, headers, body, service: Some(Service::S3) }
    }

    /// A request that is not signed.
    pub(crate) fn plain(method: &'static str, url: &str, headers: Vec<(&'static str, String)>) -> Self {
        Self {
            method,
            endpoint: url.to_owned(),
            path: String::new(),
            query: String::new(),
            headers,
            body: String::new(),
            service: None,
        }
    }

    fn url(&self) -> Result<url::Url> {
        let mut text = format!("{}{}", self.endpoint, self.path);
        if !self.query.is_empty() {
            text.extend(["?", &self.query]);
        }
        let url = url::Url::parse(&text)
            .map_err(|error| Error::BadAddress { address: text.clone(), problem: error.to_string() })?;
        // A part `.` or `..` would be taken away, and another object read than was named.
        if !self.path.is_empty() && url.path() != self.path {
            let problem = "a part of it is `.` or `..`, which no URL can hold".into();
            return Err(Error::BadAddress { address: text, problem });
        }
        Ok(url)
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

    /// The answer, if it is a good one.
    ///
    /// # Errors
    /// [`Error::Refused`] with the service's own code and words.
    pub(crate) fn accepted(self, call: &str) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let member = |name: &str| json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let text = self.text();
        let code = xml::text_of(text, "Code").or_else(|| member("__type")).unwrap_or_default();
        let message =
            xml::text_of(text, "Message").or_else(|| member("message")).or_else(|| member("Message"));
        let retry_after = self.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        Err(Error::Refused {
            call: call.to_owned(),
            status: self.status,
            // `com.amazonaws.sqs#QueueDoesNotExist`
            code: code.rsplit('#').next().unwrap_or_default().chars().take(100).collect(),
            message: message.unwrap_or_default().chars().take(MESSAGE_CHARS).collect(),
            retry_after: retry_after.map(|seconds: u64| Duration::from_secs(seconds.min(900))),
        })
    }
}

impl Http {
    /// A client with the system's roots of trust.
    pub(crate) fn new() -> Result<Self> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("stormglass/", env!("CARGO_PKG_VERSION")))
        };
        let failed = |source| Error::Unreachable { call: "TLS".into(), source: Box::new(source) };
        let services = builder().build().map_err(failed)?;
        Ok(Self { services, near: builder().no_proxy().build().map_err(failed)? })
    }

    /// Sends a request, signed where keys, a region and the time (seconds since 1970) are given, and
    /// reads at most `max_bytes` of the answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::BadAnswer`]; a refusal is an answer.
    pub(crate) async fn send(
        &self,
        request: &Request,
        signed: Option<(&Credentials, &str, i64)>,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Answer> {
        let url = request.url()?;
        // Without the query, which may hold what nobody needs to see.
        let call = format!("{} {}{}", request.method, request.endpoint, request.path);
        let unreachable = |source: reqwest::Error| Error::Unreachable {
            call: call.clone(),
            source: Box::new(source.without_url()),
        };
        let method = match request.method {
            "GET" => reqwest::Method::GET,
            "PUT" => reqwest::Method::PUT,
            _ => reqwest::Method::POST,
        };
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut headers = request.headers.clone();
        if let (Some((keys, region, unix_s)), Some(service)) = (signed, request.service) {
            let digest = sha256_hex(request.body.as_bytes());
            let unsigned = Unsigned {
                method: request.method,
                host,
                path: &request.path,
                query: &request.query,
                headers: &request.headers,
                body_sha256: &digest,
            };
            headers.extend(sign(&unsigned, Scope { service: service.name(), region, unix_s }, keys));
        }
        let client = if request.service.is_some() { &self.services } else { &self.near };
        let mut builder = client.request(method, url.clone()).timeout(timeout).body(request.body.clone());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let mut response = builder.send().await.map_err(&unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(&unreachable)? {
            if body.len() + chunk.len() > max_bytes {
                let problem = format!("it is larger than {max_bytes} bytes");
                return Err(Error::BadAnswer { call, problem });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    #[test]
    fn a_refusal_tells_the_services_code() {
        let json =
            answer(400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#);
        assert_eq!(
            json.accepted("sqs:ReceiveMessage").unwrap_err().to_string(),
            "`sqs:ReceiveMessage` was refused with 400 `QueueDoesNotExist`: no such queue"
        );
        let xml = answer(404, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>");
        assert_eq!(
            xml.accepted("s3:GetObject").unwrap_err().to_string(),
            "`s3:GetObject` was refused with 404 `NoSuchKey`: gone"
        );
        assert!(answer(204, "").accepted("x").is_ok());
    }

    #[test]
    fn a_path_that_a_url_would_change_is_refused() {
        let request = |path: &str| Request::s3("https://s3.example.com".into(), path.into(), &[], Vec::new());
        assert_eq!(request("/b//x%20y/").url().unwrap().path(), "/b//x%20y/");
        assert!(request("/b/../c").url().is_err());
        assert!(request("/b/./c").url().is_err());
    }
}
