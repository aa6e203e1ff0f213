//! The client that all that is sent goes through.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::policy::{EgressPolicy, Route};
use crate::request::{Answer, Request};
use crate::resolver::{Judge, Resolve, System};

/// The most kinds of connections, by port and TLS, that are kept ready.
const KINDS: usize = 64;

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Sends under a policy. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    policy: Arc<EgressPolicy>,
    resolver: Arc<dyn Resolve>,
    /// One for each port with or without TLS: what resolves names must know what for, and is told the name
    /// alone.
    clients: Arc<Mutex<HashMap<(u16, bool), reqwest::Client>>>,
}

impl Client {
    /// A client that asks the system for addresses.
    ///
    /// # Errors
    /// [`Error::BadPolicy`].
    pub fn new(policy: EgressPolicy) -> Result<Self> {
        Self::with_resolver(policy, Arc::new(System))
    }

    /// A client that asks `resolver` for addresses.
    ///
    /// # Errors
    /// [`Error::BadPolicy`].
    pub fn with_resolver(policy: EgressPolicy, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let client = Self { policy: Arc::new(policy), resolver, clients: Arc::default() };
        // What is wrong with the policy is found now and not by the first alert.
        client.client_for(443, false)?;
        Ok(client)
    }

    /// What may be sent to.
    pub fn policy(&self) -> &EgressPolicy {
        &self.policy
    }

    /// Sends a request once and reads the answer. Redirects are not followed.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::BadAddress`], [`Error::BadHeader`]: nothing was sent.
    /// [`Error::Unreachable`], [`Error::TimedOut`]: it may have been taken.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let Request { method, url, headers, body, timeout, answer_bytes } = request;
        let (host, port, plain) = destination(&url)?;
        let judge = self.judge(port, plain, false);
        // No name is resolved for these: an address, and what a proxy resolves.
        match url.host() {
            Some(Host::Ipv4(address)) => judge.policy.check(&judge.route(&host), address.into())?,
            Some(Host::Ipv6(address)) => judge.policy.check(&judge.route(&host), address.into())?,
            _ if self.policy.proxy.is_some() => judge.policy.check(&judge.route(&host), SOMEWHERE)?,
            _ => {}
        }
        let mut builder = self.client_for(port, plain)?.request(method, url).timeout(timeout).body(body);
        for (name, value) in headers {
            let bad = || Error::BadHeader { name: name.clone() };
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| bad())?;
            value.set_sensitive(true);
            builder = builder.header(parsed, value);
        }
        let mut response = builder.send().await.map_err(|error| failure(&host, &error))?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let (body, whole) = read(&mut response, answer_bytes).await;
        Ok(Answer { status, headers, body: body.freeze(), whole })
    }

    /// Connects for a protocol that is not HTTP, such as SMTP; TLS is the caller's affair.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`], [`Error::TimedOut`].
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream> {
        let judge = self.judge(port, false, true);
        let connecting = async {
            let mut problem = String::new();
            for address in judge.addresses(host).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => problem = error.to_string(),
                }
            }
            Err(Error::Unreachable { host: host.to_owned(), problem })
        };
        let connected = tokio::time::timeout(self.policy.connect_timeout, connecting).await;
        connected.unwrap_or_else(|_| Err(Error::TimedOut { host: host.to_owned() }))
    }

    fn judge(&self, port: u16, plain: bool, stream: bool) -> Judge {
        Judge { policy: self.policy.clone(), resolver: self.resolver.clone(), port, plain, stream }
    }

    fn client_for(&self, port: u16, plain: bool) -> Result<reqwest::Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(port, plain)) {
            return Ok(client.clone());
        }
        let client = self.build(self.judge(port, plain, false))?;
        if clients.len() >= KINDS {
            clients.clear();
        }
        clients.insert((port, plain), client.clone());
        Ok(client)
    }

    fn build(&self, judge: Judge) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(!judge.plain)
            .connect_timeout(self.policy.connect_timeout)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("stormglass/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(judge));
        if let Some(pem) = &self.policy.extra_ca {
            let bad = |problem: String| Error::BadPolicy { field: "egress.ca", problem };
            let extra = reqwest::Certificate::from_pem_bundle(pem);
            let extra = extra.map_err(|error| bad(format!("it has no certificates in PEM: {error}")))?;
            if extra.is_empty() {
                return Err(bad("it has no certificates in PEM".into()));
            }
            builder = builder.tls_certs_merge(extra);
        }
        if let Some(proxy) = &self.policy.proxy {
            let bad =
                |_| Error::BadPolicy { field: "egress.proxy", problem: "it is no proxy's address".into() };
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(bad)?);
        }
        builder.build().map_err(|error| Error::BadPolicy { field: "egress", problem: innermost(&error) })
    }
}

/// Stands for whatever a proxy finds under a name; public, so that name, port and TLS are judged.
const SOMEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8));

impl Judge {
    fn route<'a>(&self, host: &'a str) -> Route<'a> {
        Route { host, port: self.port, plain: self.plain, stream: self.stream }
    }
}

/// Host, port, and whether without TLS.
fn destination(url: &Url) -> Result<(String, u16, bool)> {
    let bad = |problem| Error::BadAddress { problem };
    let plain = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err(bad("it is neither https nor http")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it has a user or a password; send them in a header"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| bad("it has no host"))?;
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or_else(|| bad("it has no port"))?;
    Ok((host.to_owned(), port, plain))
}

/// What comes of the body, up to the bound. That it breaks off does not undo the status.
async fn read(response: &mut reqwest::Response, most: usize) -> (BytesMut, bool) {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = most.saturating_sub(body.len());
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if chunk.len() > room {
                    return (body, false);
                }
            }
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
    }
}

/// What reqwest says, without the address, which may hold secrets.
fn failure(host: &str, error: &reqwest::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<Error>() {
            return ours.clone();
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return Error::TimedOut { host: host.to_owned() };
    }
    Error::Unreachable { host: host.to_owned(), problem: innermost(error) }
}

/// The innermost cause; the outer ones only say that something went wrong, and where to.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "the connection failed".into(),
        None => cause.to_string(),
    }
}
