//! Google's signature under a push: an OpenID Connect token of the subscription's service account
//! (<https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>).
//!
//! The token is RS256 by one of the keys that Google publishes. It must be for our audience, of Google, of the
//! account that is configured, and not have ended: whoever has any other account at Google has such tokens
//! too, but not with these two.

use anyhow::Context;

use super::scheme::Refusal;
use crate::auth::{Algorithm, Distrust, IssuerKeys, http_client};

/// Where Google publishes its keys.
pub(crate) const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Who gives out the tokens.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityRules {
    /// What the subscription's `audience` says.
    pub(crate) audience: String,
    /// The e-mail address of the subscription's service account.
    pub(crate) account: String,
    /// Where the keys are.
    pub(crate) keys: String,
}

/// Judges tokens.
#[derive(Debug)]
pub(super) struct Verifier {
    rules: IdentityRules,
    keys: IssuerKeys,
}

impl Verifier {
    /// # Errors
    /// There is no TLS.
    pub(super) fn new(rules: IdentityRules) -> anyhow::Result<Self> {
        let http = http_client().context("the client for Google's keys")?;
        let keys = IssuerKeys::new(&rules.keys, http);
        Ok(Self { rules, keys })
    }

    /// Admits the bearer of `token` at `now_s` seconds since 1970, give or take `tolerance_s`.
    pub(super) async fn admit(&self, token: &str, now_s: i64, tolerance_s: i64) -> Result<(), Refusal> {
        let claims =
            self.keys.verify(token, &[Algorithm::Rs256]).await.map_err(|distrust| match distrust {
                Distrust::NoKeys => Refusal::NoKeys,
                _ => Refusal::Signature,
            })?;
        let is_ours = claims.text("iss").is_some_and(|issuer| ISSUERS.contains(&issuer))
            // A list, even with ours in it, is no audience of a subscription.
            && claims.text("aud") == Some(&self.rules.audience)
            && claims.is_true("email_verified")
            && claims.text("email") == Some(&self.rules.account);
        if !is_ours {
            return Err(Refusal::Identity);
        }
        claims.check_time(now_s, tolerance_s).map_err(|_| Refusal::Time)
    }
}
