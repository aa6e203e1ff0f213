//! What is sent and what comes back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
pub use reqwest::Method;
use url::Url;

/// The most of an answer's body that is read where nothing else is said, in bytes.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// How long a request may take where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What is sent. Its `Debug` shows neither the path nor headers nor the body: secrets lie there.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body; may be empty.
    pub body: Bytes,
    /// How long all of it may take, the connection included.
    pub timeout: Duration,
    /// The most of the answer's body that is read.
    pub answer_bytes: usize,
}

impl Request {
    /// A request without headers or body that may take 20 seconds.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: TIMEOUT,
            answer_bytes: ANSWER_BYTES,
        }
    }

    /// A POST of JSON.
    pub fn post_json(url: Url, body: impl Into<Bytes>) -> Self {
        let mut request = Self::new(Method::POST, url).with_header("content-type", "application/json");
        request.body = body.into();
        request
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came back, whatever its status: a refusal is an answer, and so is a redirect, which is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names, in lower case, and values; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, as much of it as the request allows.
    pub body: Bytes,
    /// Whether the body is all of it; it may be longer, or may have broken off.
    pub whole: bool,
}

impl Answer {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
