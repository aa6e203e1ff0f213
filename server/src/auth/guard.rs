//! The gate in front of every route.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use storage::accounts::{SecretHash, TENANT, TokenRow, UserRow};
use storage::audit::{Fact, Outcome};
use tokio::sync::Semaphore;

use super::access::{Access, Shut, access, methods};
use super::lockout::network;
use super::site::has_csrf_token;
use super::token::{MAX_BYTES, is_well_formed, same, secret_hash};
use super::{
    AuthAct, AuthEvent, Directory, Lockout, Oidc, RateLimit, Right, Rights, Role, Roles, Site, Token,
};
use crate::api::{CALLBACKS, Problem, ProblemKind, scim_refusal};
use crate::app::now_us;
use crate::audit::Recorder;
use crate::push::{PushTally, count, hec, hook};

/// What requests of this process are made as; no user or token is called so.
const IN_PROCESS: &str = "cli";
/// The cookie of a session.
pub(crate) const SESSION_COOKIE: &str = "stormglass_session";
/// Where directories tell users.
const SCIM_PREFIX: &str = "/scim/";
/// Requests a second and address to the routes that look for themselves who signs in.
const SIGN_INS_PER_SECOND: u32 = 10;
/// As many as an office behind one address sends at nine o'clock; single sign-on takes two or three each.
const SIGN_INS_AT_ONCE: u32 = 100;
/// Passwords that are hashed at once; each takes 19 MiB and a core.
const HASHED_AT_ONCE: usize = 2;

/// What the gate is made of.
#[derive(Debug)]
pub(crate) struct AuthConfig {
    /// Tokens of the configuration.
    pub(crate) tokens: Vec<Token>,
    /// All roles.
    pub(crate) roles: Roles,
    /// Requests a second and caller.
    pub(crate) requests_per_second: u32,
    /// How browsers reach the server.
    pub(crate) site: Site,
    /// The provider of single sign-on.
    pub(crate) oidc: Option<Oidc>,
}

impl AuthConfig {
    /// As [`Auth::check`].
    ///
    /// # Errors
    /// The secret of single sign-on cannot be read.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.oidc.as_ref().map_or(Ok(()), Oidc::check)
    }
}

/// What the gate knows.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: Vec<Token>,
    /// All roles.
    pub(crate) roles: Roles,
    /// Users, sessions, tokens.
    pub(crate) directory: Arc<Directory>,
    /// How browsers reach the server.
    pub(crate) site: Site,
    /// The provider of single sign-on.
    pub(crate) oidc: Option<Oidc>,
    pub(super) lockout: Lockout,
    pub(super) hashing: Semaphore,
    limit: RateLimit,
    sign_in_limit: RateLimit,
    tally: Arc<PushTally>,
    /// Where what happens at the gate is recorded.
    recorder: Option<Arc<Recorder>>,
}

/// How long refusals of one name at one address are gathered in the audit log.
const REFUSALS: std::time::Duration = std::time::Duration::from_secs(300);

/// Who makes a request; set by the gate, read by the handlers.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user's or token's name; `local` while nobody is known, `cli` of the command line on the folder.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// Whose data.
    pub(crate) tenant: String,
    /// How it has shown who it is.
    pub(crate) means: Means,
}

/// How a caller shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Means {
    /// It is on this machine, or in this process.
    Place,
    /// By a token of the configuration.
    ConfiguredToken,
    /// By a token of the state, of this user where it has one.
    Token { owner_id: Option<String> },
    /// By a cookie.
    Session { user_id: String, hash: SecretHash, csrf_token: String },
}

/// Where a request comes from; set by the gate. None of requests of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) Option<IpAddr>);

/// Marks a request that comes from this process itself and has no address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InProcess;

/// What a path asks of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// A bearer token, or the cookie of a session.
    Bearer,
    /// A token as clients of HEC send it, and answers that they understand.
    Splunk,
    /// A bearer token, and answers that directories understand.
    Scim,
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
        } else if path.starts_with(SCIM_PREFIX) {
            Self::Scim
        } else {
            Self::Bearer
        }
    }

    fn refuse(self, problem: Problem, has_credentials: bool) -> Response {
        match self {
            Self::Splunk if problem.status != StatusCode::METHOD_NOT_ALLOWED => {
                hec::refused(StatusCode::from_u16(problem.status).unwrap_or_default(), has_credentials)
            }
            Self::Scim => scim_refusal(problem),
            Self::Splunk | Self::Bearer | Self::Own => problem.into_response(),
        }
    }
}

/// The token of a request: behind `Bearer`; for HEC behind `Splunk`, or as a password whose user is ignored.
fn credentials(headers: &HeaderMap, door: Door) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    // Of two, one would be judged here and perhaps the other by a proxy.
    if values.next().is_some() {
        return None;
    }
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
    /// A gate. While nobody is known (no token, no user, no provider), callers on loopback are admin and
    /// others are refused.
    pub(crate) fn new(config: AuthConfig, directory: Arc<Directory>, tally: Arc<PushTally>) -> Self {
        Self {
            tokens: config.tokens,
            roles: config.roles,
            directory,
            site: config.site,
            oidc: config.oidc,
            lockout: Lockout::default(),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            limit: RateLimit::new(config.requests_per_second),
            sign_in_limit: RateLimit::new(SIGN_INS_PER_SECOND).saving(SIGN_INS_AT_ONCE),
            tally,
            recorder: None,
        }
    }

    /// The same gate, which writes what happens at it into the audit log.
    pub(crate) fn recording(self, recorder: Arc<Recorder>) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// Refuses to serve with less than what is configured.
    ///
    /// # Errors
    /// The secret of single sign-on cannot be read.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.oidc.as_ref().map_or(Ok(()), Oidc::check)
    }

    /// Tells what happened at the gate. The one place for it.
    pub(crate) fn tell(&self, event: AuthEvent) {
        let AuthEvent { what, who, whom, address, detail } = event;
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        let what_name = what.as_str();
        if what.is_refusal() {
            tracing::warn!(what = what_name, who, whom, address, detail, "access refused");
        } else {
            tracing::info!(what = what_name, who, whom, address, detail, "access");
        }
        // A refused request is recorded as such, by whoever stands in front of this gate.
        let Some(recorder) = self.recorder.as_ref().filter(|_| what != AuthAct::Refused) else { return };
        let mut fact = Fact::new(format!("access.{what_name}"), who);
        (fact.address, fact.object) = (address, whom);
        if !detail.is_empty() {
            fact = fact.with("why", detail);
        }
        if what.is_refusal() {
            recorder.fold(Fact { outcome: Outcome::Refused, ..fact }, REFUSALS);
        } else {
            recorder.later(fact);
        }
    }

    /// Whether a token of the configuration may manage users: somebody can always come in.
    pub(crate) fn has_configured_manager(&self) -> bool {
        self.tokens.iter().any(|token| token.role.may(Right::ManageUsers))
    }

    /// Whether a token of the configuration is called `name`.
    pub(crate) fn has_configured(&self, name: &str) -> bool {
        self.tokens.iter().any(|token| token.name == name)
    }

    /// Whether nobody is known, so that this machine may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.oidc.is_none() && self.directory.is_empty()
    }

    /// Whether anybody could come in at `now_us`.
    pub(crate) fn lets_anybody_in(&self, now_us: i64) -> bool {
        !self.tokens.is_empty() || self.oidc.is_some() || self.directory.has_anybody(now_us)
    }

    /// Who the caller is.
    fn caller(
        &self,
        method: &Method,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        door: Door,
    ) -> Result<Caller, Problem> {
        let has_token = headers.contains_key(header::AUTHORIZATION);
        if self.is_open() {
            // A page in a browser on this machine can be made to send requests to loopback (DNS
            // rebinding); such a request names another host.
            return match address {
                Some(address)
                    if address.is_loopback() && host_is_local(headers) && !is_forwarded(headers) =>
                {
                    Ok(Caller::at_place("local"))
                }
                _ => Err(Problem::unauthorized("no token is configured, so only this machine may call")),
            };
        }
        if !has_token
            && door == Door::Bearer
            && let Some(secret) = self.site.cookie(headers, SESSION_COOKIE)
        {
            return self.by_session(method, headers, &secret);
        }
        let text = credentials(headers, door)
            .filter(|text| text.len() <= MAX_BYTES)
            .ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer <token>`"))?;
        self.by_token(&text, address)
    }

    fn by_token(&self, text: &str, address: Option<IpAddr>) -> Result<Caller, Problem> {
        let unknown = || Problem::unauthorized("the token is not known, or has ended");
        let hash = Token::hash_of(text);
        // Every entry is compared, in full, so that the time tells nothing of how near a guess came.
        let mut found = None;
        for token in &self.tokens {
            if same(&token.hash, &hash) {
                found = Some(token);
            }
        }
        if let Some(token) = found {
            return Ok(Caller {
                name: token.name.clone(),
                role: token.role.clone(),
                tenant: TENANT.to_owned(),
                means: Means::ConfiguredToken,
            });
        }
        // Looked up by the hash of 256 random bits: what the time tells of it leads nowhere.
        if !is_well_formed(text) {
            return Err(unknown());
        }
        let (token, owner, is_stale) =
            self.directory.token(SecretHash(hash), now_us()).ok_or_else(unknown)?;
        let role = self.role_of(&token, owner.as_ref()).ok_or_else(unknown)?;
        if is_stale {
            self.tell(AuthEvent::new(AuthAct::TokenUsed, &token.name, address));
            self.keep_use(token.hash);
        }
        let means = Means::Token { owner_id: owner.map(|owner| owner.id) };
        Ok(Caller { name: token.name, role, tenant: token.tenant, means })
    }

    /// What a token may: no more than its owner, and than the rights that it was given.
    fn role_of(&self, token: &TokenRow, owner: Option<&UserRow>) -> Option<Role> {
        let mut role = self.roles.named(&token.role).ok()?;
        if let Some(owner) = owner {
            role = role.within(self.roles.named(&owner.role).ok()?.rights());
        }
        if let Some(rights) = &token.rights {
            // A right that no longer exists is none.
            let rights: Rights = rights.split(',').filter_map(|name| name.parse().ok()).collect();
            role = role.within(rights);
        }
        Some(role)
    }

    /// Whether whoever was let in before may still do something: the token or session lives, and its role has the
    /// right. For what goes on for longer than a request.
    pub(crate) fn still_may(&self, caller: &Caller, right: Right) -> bool {
        let role = match &caller.means {
            Means::Place => return self.is_open() || caller.name == IN_PROCESS,
            Means::ConfiguredToken => return true,
            Means::Token { .. } => {
                let found = self.directory.token_named(&caller.name, now_us());
                found.and_then(|(token, owner)| self.role_of(&token, owner.as_ref()))
            }
            Means::Session { hash, .. } => {
                let found = self.directory.session_user(*hash, now_us());
                found.and_then(|user| self.roles.named(&user.role).ok())
            }
        };
        role.is_some_and(|role| role.may(right))
    }

    fn by_session(&self, method: &Method, headers: &HeaderMap, secret: &str) -> Result<Caller, Problem> {
        let ended = || Problem::unauthorized("the session has ended; sign in again");
        let hash = secret_hash(secret);
        let (session, user, is_stale) = self.directory.session(hash, now_us()).ok_or_else(ended)?;
        let role = self.roles.named(&user.role).map_err(|_| ended())?;
        let is_change = !matches!(*method, Method::GET | Method::HEAD);
        if is_change && !(self.site.is_own_origin(headers) && has_csrf_token(headers, secret)) {
            return Err(Problem::new(
                ProblemKind::Csrf,
                "a change by cookie must come from a page of this server and carry `X-CSRF-Token` as `GET \
                 /api/v1/session` tells it",
            ));
        }
        if is_stale {
            self.keep_use(hash);
        }
        let csrf_token = super::csrf_token(secret);
        let means = Means::Session { user_id: user.id, hash: session.hash, csrf_token };
        Ok(Caller { name: user.name, role, tenant: user.tenant, means })
    }

    /// Writes the last use down, while the request goes on.
    fn keep_use(&self, hash: SecretHash) {
        let directory = self.directory.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = directory.keep_use(hash) {
                tracing::warn!(%error, "the use of a session or token is not written down");
            }
        });
    }
}

impl Caller {
    /// Somebody on this machine or in this process.
    fn at_place(name: &str) -> Self {
        Self { name: name.into(), role: Role::admin(), tenant: TENANT.to_owned(), means: Means::Place }
    }

    /// Refuses unless the caller has `right`.
    ///
    /// # Errors
    /// A problem with status 403 that names role and right.
    pub(crate) fn needs(&self, right: Right) -> Result<(), Problem> {
        if self.role.may(right) {
            return Ok(());
        }
        let (role, right) = (self.role.as_str(), right.as_str());
        Err(Problem::forbidden(&format!("this needs the right `{right}`, which the role `{role}` has not")))
    }
}

/// Under what the requests from an address are counted.
fn counted(address: Option<IpAddr>) -> String {
    address.map_or_else(String::new, |address| network(address).to_string())
}

/// Admits a request or answers it: who is it, does it come too often, and may it?
pub(crate) async fn authenticate(
    State(auth): State<Arc<Auth>>,
    mut request: Request,
    next: Next,
) -> Response {
    let door = Door::of(request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let wanted = route.as_deref().map(|route| access(request.method(), route));
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = auth.site.client(peer, request.headers());
    request.extensions_mut().insert(Client(address));
    name_host(&mut request);
    if wanted == Some(Ok(Access::Open)) {
        let key = format!("own {}", counted(address));
        // Who signs in is not as many as what a hook sends.
        let limit = if door == Door::Own { &auth.limit } else { &auth.sign_in_limit };
        return match limit.admit(&key, Instant::now()) {
            Ok(()) => next.run(request).await,
            Err(seconds) => Problem::too_many("too many requests", seconds).into_response(),
        };
    }
    let is_in_process = request.extensions().get::<InProcess>().is_some();
    let has_credentials = request.headers().contains_key(header::AUTHORIZATION);
    let caller = if is_in_process {
        Ok(Caller::at_place(IN_PROCESS))
    } else {
        let caller = auth.caller(request.method(), request.headers(), address, door);
        // Failed attempts are limited by address, so that tokens cannot be guessed at line speed.
        let key = match (&caller, address) {
            (Ok(caller), _) => caller.name.clone(),
            (Err(_), address) => counted(address),
        };
        match auth.limit.admit(&key, Instant::now()) {
            // Probes need not be known; a token that is none of ours is refused as everywhere.
            Ok(()) if wanted == Some(Ok(Access::Probe)) && caller.is_err() && !has_credentials => {
                return next.run(request).await;
            }
            Ok(()) => caller.inspect_err(|problem| {
                count(&auth.tally.unauthorized);
                if has_credentials {
                    auth.tell(AuthEvent::new(AuthAct::Refused, "", address).because(&problem.detail));
                }
            }),
            Err(seconds) => Err(Problem::too_many("too many requests", seconds)),
        }
    };
    let mut turned_away = None;
    let admitted = caller.and_then(|caller| {
        match wanted {
            // No route: who is known is told so.
            None | Some(Ok(Access::Known | Access::Open | Access::Probe)) => {}
            Some(Ok(Access::Needs(right))) => caller.needs(right).inspect_err(|_| {
                if right == Right::Push {
                    count(&auth.tally.unauthorized);
                }
                turned_away = Some(caller.clone());
                let path = request.uri().path().chars().take(128).collect::<String>();
                auth.tell(
                    AuthEvent::new(AuthAct::Refused, &caller.name, address).to(&path).because(right.as_str()),
                );
            })?,
            Some(Err(Shut::Method)) => {
                let detail = "see /api/v1/openapi.json";
                return Err(Problem::new(ProblemKind::MethodNotAllowed, detail));
            }
            Some(Err(Shut::Unlisted)) => {
                return Err(Problem::forbidden("nobody may do this: the route has no stated right"));
            }
        }
        Ok(caller)
    });
    match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            let mut answer = door.refuse(problem, has_credentials);
            if answer.status() == StatusCode::METHOD_NOT_ALLOWED
                && let Ok(methods) = HeaderValue::from_str(&methods(&route.unwrap_or_default()))
            {
                answer.headers_mut().insert(header::ALLOW, methods);
            }
            // Whoever records the refusal names who it was, and where.
            if let Some(caller) = turned_away {
                answer.extensions_mut().insert(caller);
            }
            answer.extensions_mut().insert(Client(address));
            answer
        }
    }
}

/// HTTP/2 has no `Host`, but an authority in its place (RFC 9113, 8.3.1); what reads the one finds both.
fn name_host(request: &mut Request) {
    let authority = request.uri().authority().and_then(|authority| authority.as_str().parse().ok());
    if let Some(authority) = authority {
        request.headers_mut().entry(header::HOST).or_insert(authority);
    }
}

/// Whether a proxy says that it speaks for somebody: then the peer's address says nothing of who asks.
fn is_forwarded(headers: &HeaderMap) -> bool {
    let names = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
    names.iter().any(|name| headers.contains_key(*name))
}

fn host_is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else { return true };
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
