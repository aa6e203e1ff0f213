//! The gate in front of every route.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{RateLimit, Right, Role, Token};
use crate::api::Problem;

/// What the gate knows.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: Vec<Token>,
    limit: RateLimit,
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

impl Auth {
    /// A gate for `tokens`; without any, callers on loopback are admin and others are refused.
    pub(crate) fn new(tokens: Vec<Token>, requests_per_second: u32) -> Self {
        Self { tokens, limit: RateLimit::new(requests_per_second) }
    }

    /// Who the caller is.
    fn caller(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Result<Caller, Problem> {
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
        let text = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer <token>`"))?;
        let hash = Token::hash_of(text);
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
    let caller = if request.extensions().get::<InProcess>().is_some() {
        Ok(Caller { name: "cli".into(), role: Role::Admin })
    } else {
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let caller = auth.caller(request.headers(), address);
        // Failed attempts are limited by address, so that tokens cannot be guessed at line speed.
        let key = match (&caller, address) {
            (Ok(caller), _) => caller.name.clone(),
            (Err(_), address) => address.map_or_else(String::new, |address| address.to_string()),
        };
        match auth.limit.admit(&key, Instant::now()) {
            Ok(()) => caller,
            Err(seconds) => Err(Problem::too_many("too many requests", seconds)),
        }
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
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
        let auth = Auth::new(Vec::new(), 10);
        let allowed = |host, address| auth.caller(&headers(&[("host", host)]), address).is_ok();
        assert!(allowed("127.0.0.1:7171", LOOPBACK));
        assert!(allowed("localhost:7171", LOOPBACK));
        assert!(allowed("[::1]:7171", LOOPBACK));
        assert!(!allowed("rebound.example.com:7171", LOOPBACK));
        assert!(!allowed("127.0.0.1:7171", ELSEWHERE));
        assert!(!allowed("127.0.0.1:7171", None));
    }

    #[test]
    fn with_tokens_nobody_without_one() {
        let tokens = vec![Token { name: "a".into(), role: Role::Analyst, hash: Token::hash_of("secret") }];
        let auth = Auth::new(tokens, 10);
        let role =
            |value: &str| auth.caller(&headers(&[("authorization", value)]), LOOPBACK).map(|c| c.role).ok();
        assert_eq!(role("Bearer secret"), Some(Role::Analyst));
        assert_eq!(role("bearer secret"), Some(Role::Analyst));
        for bad in ["Bearer wrong", "Bearer", "Basic secret", "secret", "Bearer secret2", "Bearer "] {
            assert_eq!(role(bad), None, "{bad}");
        }
        assert!(auth.caller(&HeaderMap::new(), LOOPBACK).is_err());
    }
}
