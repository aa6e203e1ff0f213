//! The gate in front of every route.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{RateLimit, Right, Role, Token};
use crate::api::{CALLBACKS, Problem};
use crate::push::{PushTally, count, hec, hook};

/// What the gate knows.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: Vec<Token>,
    limit: RateLimit,
    tally: Arc<PushTally>,
}

/// Who makes a request; set by the gate, read by the handlers.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The token's name, or `local` without tokens.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
}

/// Marks a request that comes from this process itself and has no address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InProcess;

/// What a path asks of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// A bearer token.
    Bearer,
    /// A token as clients of HEC send it, and answers that they understand.
    Splunk,
    /// None: the handler looks for itself, or has nothing to hide.
    Own,
}

impl Door {
    fn of(path: &str) -> Self {
        if path == "/services/collector/health"
            || path.starts_with(hook::PREFIX)
            || path.starts_with(CALLBACKS)
        {
            Self::Own
        } else if path.starts_with(hec::PREFIX) {
            Self::Splunk
        } else {
            Self::Bearer
        }
    }
}

/// The token of a request: behind `Bearer`; for HEC behind `Splunk`, or as a password whose user is ignored.
fn credentials(headers: &HeaderMap, door: Door) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer")
        || (door == Door::Splunk && scheme.eq_ignore_ascii_case("splunk"))
    {
        return Some(token.to_owned());
    }
    if door == Door::Splunk && scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        return decoded.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

impl Auth {
    /// A gate for `tokens`; without any, callers on loopback are admin and others are refused.
    pub(crate) fn new(tokens: Vec<Token>, requests_per_second: u32, tally: Arc<PushTally>) -> Self {
        Self { tokens, limit: RateLimit::new(requests_per_second), tally }
    }

    /// Who the caller is.
    fn caller(&self, headers: &HeaderMap, address: Option<IpAddr>, door: Door) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            // A page in a browser on this machine can be made to send requests to loopback (DNS
            // rebinding); such a request names another host.
            return match address {
                Some(address) if address.is_loopback() && host_is_local(headers) => {
                    Ok(Caller { name: "local".into(), role: Role::Admin })
                }
                _ => Err(Problem::unauthorized("no token is configured, so only this machine may call")),
            };
        }
        let text = credentials(headers, door)
            .ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer <token>`"))?;
        let hash = Token::hash_of(&text);
        // Every entry is compared, in full, so that the time tells nothing of how near a guess came.
        let mut found = None;
        for token in &self.tokens {
            if same(&token.hash, &hash) {
                found = Some(token);
            }
        }
        let token = found.ok_or_else(|| Problem::unauthorized("the token is not known"))?;
        Ok(Caller { name: token.name.clone(), role: token.role })
    }
}

impl Caller {
    /// Refuses unless the caller has `right`.
    ///
    /// # Errors
    /// A problem with status 403 that names the role.
    pub(crate) fn needs(&self, right: Right) -> Result<(), Problem> {
        if self.role.may(right) {
            return Ok(());
        }
        Err(Problem::forbidden(&format!("a token with the role `{}` may not do this", self.role.as_str())))
    }
}

/// Admits a request or answers it: who is it, and does it come too often?
pub(crate) async fn authenticate(
    State(auth): State<Arc<Auth>>,
    mut request: Request,
    next: Next,
) -> Response {
    let door = Door::of(request.uri().path());
    if door == Door::Own {
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let key = address.map_or_else(String::new, |address| format!("own {address}"));
        return match auth.limit.admit(&key, Instant::now()) {
            Ok(()) => next.run(request).await,
            Err(seconds) => Problem::too_many("too many requests", seconds).into_response(),
        };
    }
    let caller = if request.extensions().get::<InProcess>().is_some() {
        Ok(Caller { name: "cli".into(), role: Role::Admin })
    } else {
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let caller = auth.caller(request.headers(), address, door);
        // Failed attempts are limited by address, so that tokens cannot be guessed at line speed.
        let key = match (&caller, address) {
            (Ok(caller), _) => caller.name.clone(),
            (Err(_), address) => address.map_or_else(String::new, |address| address.to_string()),
        };
        match auth.limit.admit(&key, Instant::now()) {
            Ok(()) => caller.inspect_err(|_| count(&auth.tally.unauthorized)),
            Err(seconds) => Err(Problem::too_many("too many requests", seconds)),
        }
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) if door == Door::Splunk => {
            let has_credentials = request.headers().contains_key(header::AUTHORIZATION);
            hec::refused(StatusCode::from_u16(problem.status).unwrap_or_default(), has_credentials)
        }
        Err(problem) => problem.into_response(),
    }
}

fn host_is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else { return true };
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const ELSEWHERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    #[test]
    fn without_tokens_only_loopback_under_its_own_name() {
        let auth = Auth::new(Vec::new(), 10, Arc::default());
        let allowed = |host, address| auth.caller(&headers(&[("host", host)]), address, Door::Bearer).is_ok();
        assert!(allowed("127.0.0.1:7171", LOOPBACK));
        assert!(allowed("localhost:7171", LOOPBACK));
        assert!(allowed("[::1]:7171", LOOPBACK));
        assert!(!allowed("rebound.example.com:7171", LOOPBACK));
        assert!(!allowed("127.0.0.1:7171", ELSEWHERE));
        assert!(!allowed("127.0.0.1:7171", None));
    }

    #[test]
    fn doors_are_told_by_path() {
        for (path, door) in [
            ("/api/v1/ingest", Door::Bearer),
            ("/v1/logs", Door::Bearer),
            ("/services/collector", Door::Splunk),
            ("/services/collector/event", Door::Splunk),
            ("/services/collector/health", Door::Own),
            ("/hooks/github", Door::Own),
            ("/hooks", Door::Bearer),
            ("/hookshot", Door::Bearer),
            ("//hooks/github", Door::Bearer),
        ] {
            assert_eq!(Door::of(path), door, "{path}");
        }
    }

    #[test]
    fn with_tokens_nobody_without_one() {
        let tokens = vec![Token { name: "a".into(), role: Role::Analyst, hash: Token::hash_of("secret") }];
        let auth = Auth::new(tokens, 10, Arc::default());
        let through = |door, value: &str| {
            auth.caller(&headers(&[("authorization", value)]), LOOPBACK, door).map(|c| c.role).ok()
        };
        let role = |value: &str| through(Door::Bearer, value);
        assert_eq!(role("Bearer secret"), Some(Role::Analyst));
        assert_eq!(role("bearer secret"), Some(Role::Analyst));
        for bad in ["Bearer wrong", "Bearer", "Basic secret", "secret", "Bearer secret2", "Bearer "] {
            assert_eq!(role(bad), None, "{bad}");
        }
        assert!(auth.caller(&HeaderMap::new(), LOOPBACK, Door::Bearer).is_err());
        // `x:secret`, `secret:` and `secret` in base64.
        for (value, is_good) in [
            ("Splunk secret", true),
            ("Bearer secret", true),
            ("Basic eDpzZWNyZXQ=", true),
            ("Basic c2VjcmV0Og==", false),
            ("Basic c2VjcmV0", false),
            ("Basic !", false),
        ] {
            assert_eq!(through(Door::Splunk, value).is_some(), is_good, "{value}");
        }
        assert_eq!(role("Splunk secret"), None);
        assert_eq!(role("Basic eDpzZWNyZXQ="), None);
    }
}
