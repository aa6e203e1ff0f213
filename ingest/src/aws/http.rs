//! One request of AWS: its forms, its signature, its refusals.

use std::time::Duration;

use reqwest::header::HeaderName;

use super::credentials::Credentials;
use super::endpoint::Service;
use super::sign::{Scope, Unsigned, query_string, sha256_hex, sign};
use super::xml;
use crate::web::{Answer, Call, Web};
use crate::{Error, Result};

/// What is told of a service's message.
const MESSAGE_CHARS: usize = 300;

/// A client that signs.
#[derive(Debug, Clone)]
pub(crate) struct Http(Web);

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

/// The answer, if it is a good one.
///
/// # Errors
/// [`Error::Refused`] with the service's own code and words, in the shapes of AWS.
pub(crate) fn accepted(answer: Answer, call: &str) -> Result<Answer> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let member = |name: &str| json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let text = answer.text();
    let code = xml::text_of(text, "Code").or_else(|| member("__type")).unwrap_or_default();
    let message = xml::text_of(text, "Message").or_else(|| member("message")).or_else(|| member("Message"));
    Err(Error::Refused {
        call: call.to_owned(),
        status: answer.status,
        // `com.amazonaws.sqs#QueueDoesNotExist`
        code: code.rsplit('#').next().unwrap_or_default().chars().take(100).collect(),
        message: message.unwrap_or_default().chars().take(MESSAGE_CHARS).collect(),
        retry_after: answer.retry_after(),
    })
}

impl Http {
    /// A client with the system's roots of trust.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Web::new()?))
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
        let name = format!("{} {}{}", request.method, request.endpoint, request.path);
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
        let mut call = Call::get(&name, url.clone());
        call.method = match request.method {
            "GET" => reqwest::Method::GET,
            "PUT" => reqwest::Method::PUT,
            _ => reqwest::Method::POST,
        };
        call.body = request.body.clone().into();
        (call.timeout, call.max_bytes, call.is_near) = (timeout, max_bytes, request.service.is_none());
        for (name, value) in headers {
            call = call.with_secret(HeaderName::from_static(name), &value)?;
        }
        self.0.send(call).await
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    #[test]
    fn a_refusal_tells_the_services_code() {
        let json =
            answer(400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#);
        assert_eq!(
            accepted(json, "sqs:ReceiveMessage").unwrap_err().to_string(),
            "`sqs:ReceiveMessage` was refused with 400 `QueueDoesNotExist`: no such queue"
        );
        let xml = answer(404, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>");
        assert_eq!(
            accepted(xml, "s3:GetObject").unwrap_err().to_string(),
            "`s3:GetObject` was refused with 404 `NoSuchKey`: gone"
        );
        assert!(accepted(answer(204, ""), "x").is_ok());
    }

    #[test]
    fn a_path_that_a_url_would_change_is_refused() {
        let request = |path: &str| Request::s3("https://s3.example.com".into(), path.into(), &[], Vec::new());
        assert_eq!(request("/b//x%20y/").url().unwrap().path(), "/b//x%20y/");
        assert!(request("/b/../c").url().is_err());
        assert!(request("/b/./c").url().is_err());
    }
}
