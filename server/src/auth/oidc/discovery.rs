//! What the provider says about itself (OpenID Connect Discovery 1.0), kept a while.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use url::Url;

use super::OidcConfig;
use crate::auth::keys::{IssuerKeys, bounded};

/// Asked again after so long.
const AGE: Duration = Duration::from_secs(3_600);
/// And after an error.
const GAP: Duration = Duration::from_secs(5);

/// The provider's endpoints and keys.
#[derive(Debug)]
pub(super) struct Provider {
    /// Where browsers are sent.
    pub(super) authorization: Url,
    /// Where codes are redeemed.
    pub(super) token: Url,
    /// Whether our secret goes into `Authorization`, as by default, or into the form.
    pub(super) takes_basic: bool,
    /// Whether answers name the issuer (RFC 9207).
    pub(super) tells_issuer: bool,
    /// What tokens are signed with.
    pub(super) keys: IssuerKeys,
    keys_url: Url,
}

#[derive(Debug, Default)]
pub(super) struct Discovery(tokio::sync::Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    provider: Option<Arc<Provider>>,
    /// Not asked before.
    next: Option<Instant>,
    /// What went wrong last.
    error: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    /// The provider as it was last seen; asked for where that is long ago.
    pub(super) async fn provider(
        &self,
        config: &OidcConfig,
        http: &reqwest::Client,
    ) -> anyhow::Result<Arc<Provider>> {
        let mut known = self.0.lock().await;
        let now = Instant::now();
        if known.next.is_none_or(|next| next <= now) {
            match ask(config, http).await {
                Ok(provider) => {
                    // Its keys stay known as long as they lie in the same place.
                    let is_same = known.provider.as_ref().is_some_and(|old| old.is_like(&provider));
                    if !is_same {
                        known.provider = Some(Arc::new(provider));
                    }
                    (known.next, known.error) = (Some(now + AGE), None);
                }
                Err(error) => {
                    tracing::warn!("the provider of single sign-on cannot be asked: {error:#}");
                    (known.next, known.error) = (Some(now + GAP), Some(format!("{error:#}")));
                }
            }
        }
        match (&known.provider, &known.error) {
            (Some(provider), _) => Ok(provider.clone()),
            (None, Some(error)) => bail!("{error}"),
            (None, None) => bail!("it was not asked yet"),
        }
    }
}

impl Provider {
    fn is_like(&self, other: &Self) -> bool {
        self.authorization == other.authorization
            && self.token == other.token
            && self.takes_basic == other.takes_basic
            && self.tells_issuer == other.tells_issuer
            && self.keys_url == other.keys_url
    }
}

async fn ask(config: &OidcConfig, http: &reqwest::Client) -> anyhow::Result<Provider> {
    // Discovery 1.0, 4.1.
    let url = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
    let answer = http.get(&url).send().await.with_context(|| format!("asking `{url}`"))?;
    if !answer.status().is_success() {
        bail!("`{url}` answered {}", answer.status());
    }
    let body = bounded(answer).await.with_context(|| format!("reading `{url}`"))?;
    let document: Document = serde_json::from_slice(&body).with_context(|| format!("reading `{url}`"))?;
    if document.issuer != config.issuer {
        bail!("it says to be `{}`, and `oidc.issuer` says `{}`", document.issuer, config.issuer);
    }
    let keys_url = endpoint(config, "jwks_uri", &document.jwks_uri)?;
    let methods = document.token_endpoint_auth_methods_supported;
    Ok(Provider {
        authorization: endpoint(config, "authorization_endpoint", &document.authorization_endpoint)?,
        token: endpoint(config, "token_endpoint", &document.token_endpoint)?,
        takes_basic: methods
            .is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
        tells_issuer: document.authorization_response_iss_parameter_supported,
        keys: IssuerKeys::new(keys_url.as_str(), http.clone()),
        keys_url,
    })
}

/// An endpoint, if it lies where the configuration lets it lie.
fn endpoint(config: &OidcConfig, name: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("`{name}` is `{text}`"))?;
    let issuer = Url::parse(&config.issuer).context("`oidc.issuer`")?;
    let is_near =
        url.host_str() == issuer.host_str() && url.port_or_known_default() == issuer.port_or_known_default();
    let is_named = url.port_or_known_default() == Some(443)
        && url
            .host_str()
            .is_some_and(|host| config.hosts.iter().any(|named| named.eq_ignore_ascii_case(host)));
    if !is_safe(&url) || url.scheme() != issuer.scheme() || !url.username().is_empty() {
        bail!("`{name}` is `{text}`, which is not https");
    }
    if !is_near && !is_named {
        bail!("`{name}` lies at `{text}`; if that is right, add its host to `oidc.hosts`");
    }
    Ok(url)
}

/// Whether what goes there is seen by nobody else: https, or this machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}
