//! Single sign-on by OpenID Connect: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636,
//! RFC 9700).
//!
//! The browser is sent to the provider with a `state` that is good once and for this browser alone, a `nonce`
//! that must come back in the signed token, and the hash of a secret that redeems the code. The issuer is the
//! one of the configuration to the letter, its endpoints lie on its host or on those that are named, and
//! nothing that the provider answers is followed elsewhere or read without a bound.

mod discovery;
mod flow;
#[cfg(test)]
mod tests;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ingest::SecretReference;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::jwt::{Algorithm, Claims, Distrust};
use super::keys::{bounded, http_client};
use super::token;
use crate::config::BadSecret;
pub(crate) use discovery::is_safe as is_safe_url;
use discovery::{Discovery, Provider};
pub(crate) use flow::FLOW_TIME_S;
use flow::Flows;

/// How far the provider's clock may be from ours, in seconds.
const TOLERANCE_S: i64 = 60;
/// The longest code or error of a provider, in bytes.
const MAX_PARAMETER: usize = 4096;
/// The longest subject (OpenID Connect Core 1.0, 2).
const MAX_SUBJECT: usize = 255;

/// A provider as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OidcConfig {
    /// Who signs, to the letter.
    pub(crate) issuer: String,
    /// What the provider calls us.
    pub(crate) client_id: String,
    /// Where our secret lies, if the provider has given one.
    pub(crate) client_secret: Option<SecretReference>,
    /// Where the provider sends browsers back to, to the letter.
    pub(crate) redirect_uri: String,
    /// What is asked for; `openid` is among it.
    pub(crate) scopes: Vec<String>,
    /// Hosts that the provider's endpoints may lie on, besides that of the issuer.
    pub(crate) hosts: Vec<String>,
    /// How tokens may be signed.
    pub(crate) algorithms: Vec<Algorithm>,
    /// The claim that names the user.
    pub(crate) name_claim: String,
    /// The claim that lists groups.
    pub(crate) groups_claim: String,
    /// Groups and the role of each; the first that a user is in counts.
    pub(crate) group_roles: Vec<(String, String)>,
    /// The role of those in none of the groups; without one they stay out.
    pub(crate) default_role: Option<String>,
}

/// A provider in use.
#[derive(Debug)]
pub(crate) struct Oidc {
    config: OidcConfig,
    /// Our secret, or why there is none.
    secret: Result<Option<String>, BadSecret>,
    http: reqwest::Client,
    discovery: Discovery,
    flows: Flows,
}

/// Why a sign-in does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OidcError {
    /// The provider cannot be asked, or answers what it should not.
    #[error("the provider of single sign-on cannot be used: {0:#}")]
    Provider(anyhow::Error),
    /// The provider has said no.
    #[error("the provider of single sign-on refused: {0}")]
    Refused(String),
    /// The answer belongs to no sign-in that was begun by this browser, or to one that is over.
    #[error("this sign-in was not begun here, or is over; begin again")]
    Flow,
    /// The token cannot be believed.
    #[error("the token of the provider is refused: {0}")]
    Token(#[from] Distrust),
    /// The user is in no group that has a role.
    #[error("no group of the user has a role here; ask whoever runs Stormglass")]
    NoRole,
}

/// Where a browser is sent to sign in, and what it keeps meanwhile.
#[derive(Debug)]
pub(crate) struct Departure {
    /// The provider's address with all parameters.
    pub(crate) url: String,
    /// The value of a cookie, without which the way back is shut.
    pub(crate) browser: String,
}

/// What the provider sends a browser back with.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Return {
    /// Redeems the tokens.
    pub(crate) code: Option<String>,
    /// Which sign-in it is.
    pub(crate) state: Option<String>,
    /// Who answers (RFC 9207).
    pub(crate) iss: Option<String>,
    /// Why there is no code.
    pub(crate) error: Option<String>,
}

/// Whom the provider has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// Issuer and subject: who it is, for ever.
    pub(crate) subject: String,
    /// What the user is called; may be empty.
    pub(crate) name: String,
    /// The name of the person; may be empty.
    pub(crate) display: String,
    /// May be empty.
    pub(crate) email: String,
    /// The name of the role.
    pub(crate) role: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

impl Oidc {
    /// # Errors
    /// There is no TLS or no randomness. A secret that cannot be read is found by [`check`](Self::check).
    pub(crate) fn open(config: OidcConfig) -> anyhow::Result<Self> {
        let secret = config.client_secret.as_ref().map(SecretReference::read).transpose();
        let secret = secret.map_err(|error| BadSecret::Unread(error.to_string()));
        let http = http_client().context("the client for single sign-on")?;
        let discovery = Discovery::default();
        let flows = Flows::open().context("the system gives no randomness")?;
        Ok(Self { config, secret, http, discovery, flows })
    }

    /// Refuses to go without the secret.
    ///
    /// # Errors
    /// It cannot be read: a [`BadSecret`].
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.secret.as_ref().map(drop).map_err(Clone::clone).context("`oidc.client_secret`")
    }

    async fn provider(&self) -> Result<std::sync::Arc<Provider>, OidcError> {
        self.discovery.provider(&self.config, &self.http).await.map_err(OidcError::Provider)
    }

    /// Begins a sign-in at `now_s` seconds since 1970.
    ///
    /// # Errors
    /// The provider cannot be asked.
    pub(crate) async fn begin(&self, now_s: i64) -> Result<Departure, OidcError> {
        let provider = self.provider().await?;
        let (flow, browser) = self.flows.begin(now_s).map_err(|error| OidcError::Provider(error.into()))?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(flow.verifier.as_bytes()));
        let mut url = provider.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.config.redirect_uri)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Departure { url: url.into(), browser })
    }

    /// Ends a sign-in with what a browser comes back with and the cookie that it has kept, at `now_s` seconds
    /// since 1970. Whatever comes of it, its `state` is used up.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub(crate) async fn finish(
        &self,
        back: &Return,
        browser: Option<&str>,
        now_s: i64,
    ) -> Result<SignedIn, OidcError> {
        let (state, browser) =
            (back.state.as_deref().ok_or(OidcError::Flow)?, browser.ok_or(OidcError::Flow)?);
        let flow = self.flows.end(state, browser, now_s).ok_or(OidcError::Flow)?;
        let provider = self.provider().await?;
        // An answer that another provider has sent here is not ours (RFC 9207).
        let names_us = back.iss.as_ref().map(|issuer| *issuer == self.config.issuer);
        if names_us == Some(false) || (provider.tells_issuer && names_us.is_none()) {
            return Err(Distrust::Issuer.into());
        }
        if let Some(error) = &back.error {
            return Err(OidcError::Refused(plain(error)));
        }
        let code = back.code.as_deref().filter(|code| !code.is_empty() && code.len() <= MAX_PARAMETER);
        let id_token = self.redeem(&provider, code.ok_or(OidcError::Flow)?, &flow.verifier).await?;
        let claims = provider.keys.verify(&id_token, &self.config.algorithms).await?;
        self.check_claims(&claims, &flow.nonce, now_s)?;
        self.signed_in(&claims)
    }

    /// The ID token that the code stands for.
    async fn redeem(&self, provider: &Provider, code: &str, verifier: &str) -> Result<String, OidcError> {
        let id = self.config.client_id.as_str();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.config.redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut basic = None;
        self.check().map_err(OidcError::Provider)?;
        match self.secret.as_ref().ok().and_then(Option::as_ref) {
            Some(secret) if provider.takes_basic => {
                // Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
                let encode =
                    |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                basic =
                    Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))));
            }
            Some(secret) => form.extend([("client_id", id), ("client_secret", secret.as_str())]),
            None => form.push(("client_id", id)),
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let failed = |error: anyhow::Error| OidcError::Provider(error.context("redeeming the code"));
        let mut request = self
            .http
            .post(provider.token.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(body);
        if let Some(basic) = basic {
            request = request.header("authorization", basic);
        }
        let answer = request.send().await.map_err(|error| failed(error.without_url().into()))?;
        let status = answer.status();
        let body = bounded(answer).await.map_err(failed)?;
        if !status.is_success() {
            return Err(match serde_json::from_slice::<TokenRefusal>(&body) {
                Ok(refusal) => OidcError::Refused(plain(&refusal.error)),
                Err(_) => failed(anyhow::anyhow!("it answered {status}")),
            });
        }
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|error| failed(error.into()))?;
        answer.id_token.ok_or(OidcError::Token(Distrust::Malformed))
    }

    /// OpenID Connect Core 1.0, 3.1.3.7.
    fn check_claims(&self, claims: &Claims, nonce: &str, now_s: i64) -> Result<(), Distrust> {
        if claims.text("iss") != Some(&self.config.issuer) {
            return Err(Distrust::Issuer);
        }
        let id = self.config.client_id.as_str();
        let audience = claims.texts("aud");
        let is_authorized = match claims.text("azp") {
            Some(party) => party == id,
            None => audience.len() == 1,
        };
        if !audience.contains(&id) || !is_authorized {
            return Err(Distrust::Audience);
        }
        claims.check_time(now_s, TOLERANCE_S)?;
        let sent = claims.text("nonce").ok_or(Distrust::Nonce)?;
        if token::secret_hash(sent) != token::secret_hash(nonce) {
            return Err(Distrust::Nonce);
        }
        Ok(())
    }

    fn signed_in(&self, claims: &Claims) -> Result<SignedIn, OidcError> {
        let subject = claims.text("sub").filter(|subject| subject.len() <= MAX_SUBJECT);
        let subject = subject.ok_or(Distrust::Claim)?;
        let groups = claims.texts(&self.config.groups_claim);
        let mapped = self.config.group_roles.iter().find(|(group, _)| groups.contains(&group.as_str()));
        let role = mapped.map(|(_, role)| role).or(self.config.default_role.as_ref());
        let text = |name: &str| claims.text(name).unwrap_or_default().chars().take(256).collect::<String>();
        Ok(SignedIn {
            subject: format!("{} {subject}", self.config.issuer),
            name: text(&self.config.name_claim).to_lowercase(),
            display: text("name"),
            email: text("email"),
            role: role.ok_or(OidcError::NoRole)?.clone(),
        })
    }
}

/// A word of the provider's, fit for a log.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(128).collect()
}
