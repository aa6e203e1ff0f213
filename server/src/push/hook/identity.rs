//! Google's signature under a push: an OpenID Connect token of the subscription's service account
//! (<https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>).
//!
//! The token is RS256 by one of the keys that Google publishes. It must be for our audience, of Google, of the
//! account that is configured, and not have ended: whoever has any other account at Google has such tokens
//! too, but not with these two.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;

use super::scheme::Refusal;

/// Where Google publishes its keys.
pub(crate) const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Who gives out the tokens.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// Keys are asked for no more often, whatever ids tokens name.
const MIN_AGE: Duration = Duration::from_secs(60);
/// The same after an error.
const GAP: Duration = Duration::from_secs(5);
/// And after so long again, whatever the answer allows.
const MAX_AGE: Duration = Duration::from_secs(24 * 3_600);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Google has two or three keys, in 2 KiB.
const MAX_BYTES: usize = 256 << 10;
const MAX_KEYS: usize = 64;
/// A longer token is none.
const MAX_TOKEN: usize = 16 << 10;

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

/// A public key: modulus and exponent.
type Key = (Vec<u8>, Vec<u8>);

/// The keys as they were last seen.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Key>,
    /// They are not asked for before, and need not be before.
    not_before: Option<Instant>,
    fresh_until: Option<Instant>,
}

/// Judges tokens.
pub(super) struct Verifier {
    rules: IdentityRules,
    http: reqwest::Client,
    known: Mutex<Known>,
    /// One asks, others wait.
    asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    exp: i64,
    iat: i64,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kid: Option<String>,
    kty: String,
    n: Option<String>,
    e: Option<String>,
}

impl Verifier {
    /// # Errors
    /// There is no TLS.
    pub(super) fn new(rules: IdentityRules) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .context("the client for Google's keys")?;
        Ok(Self { rules, http, known: Mutex::default(), asking: tokio::sync::Mutex::new(()) })
    }

    /// Admits the bearer of `token` at `now_s` seconds since 1970, give or take `tolerance_s`.
    pub(super) async fn admit(&self, token: &str, now_s: i64, tolerance_s: i64) -> Result<(), Refusal> {
        let read = parts(token).ok_or(Refusal::Signature)?;
        let (header, claims, signed, signature) = read;
        if header.alg != "RS256" {
            return Err(Refusal::Signature);
        }
        let key = self.key(&header.kid).await?;
        let (n, e) = &key;
        RsaPublicKeyComponents { n, e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| Refusal::Signature)?;
        let is_ours = ISSUERS.contains(&claims.iss.as_str())
            && claims.aud == self.rules.audience
            && claims.email_verified
            && claims.email.as_ref() == Some(&self.rules.account);
        if !is_ours {
            return Err(Refusal::Identity);
        }
        let is_now =
            claims.exp.saturating_add(tolerance_s) > now_s && claims.iat.saturating_sub(tolerance_s) <= now_s;
        if is_now { Ok(()) } else { Err(Refusal::Time) }
    }

    /// The key of this id. One that is not known, or was seen long ago, is asked for.
    async fn key(&self, id: &str) -> Result<Key, Refusal> {
        if let Some(key) = self.kept(id, true) {
            return Ok(key);
        }
        let _turn = self.asking.lock().await;
        if let Some(key) = self.kept(id, true) {
            return Ok(key);
        }
        let may_ask = self.known.lock().not_before.is_none_or(|at| at <= Instant::now());
        if may_ask {
            match self.ask().await {
                Ok((keys, age)) => {
                    let now = Instant::now();
                    let (not_before, fresh_until) = (Some(now + MIN_AGE), Some(now + age));
                    *self.known.lock() = Known { keys, not_before, fresh_until };
                }
                Err(error) => {
                    tracing::warn!("the keys of `{}` cannot be read: {error:#}", self.rules.keys);
                    self.known.lock().not_before = Some(Instant::now() + GAP);
                }
            }
        }
        if self.known.lock().keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        // What was seen once is still Google's: better than to turn it away because its keys are not there.
        self.kept(id, false).ok_or(Refusal::Signature)
    }

    fn kept(&self, id: &str, must_be_fresh: bool) -> Option<Key> {
        let known = self.known.lock();
        let is_fresh = known.fresh_until.is_some_and(|until| until > Instant::now());
        known.keys.get(id).filter(|_| is_fresh || !must_be_fresh).cloned()
    }

    /// The keys as they are published now, and how long they need not be asked for again.
    async fn ask(&self) -> anyhow::Result<(HashMap<String, Key>, Duration)> {
        let mut answer = self.http.get(&self.rules.keys).send().await?.error_for_status()?;
        let control = answer.headers().get("cache-control").and_then(|value| value.to_str().ok());
        let age = control.and_then(|text| text.split("max-age=").nth(1)).unwrap_or_default();
        let digits: String = age.chars().take_while(char::is_ascii_digit).take(9).collect();
        let age = Duration::from_secs(digits.parse().unwrap_or(3_600)).clamp(MIN_AGE, MAX_AGE);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_BYTES {
                bail!("they are larger than {MAX_BYTES} bytes");
            }
            body.extend_from_slice(&chunk);
        }
        let set: KeySet = serde_json::from_slice(&body)?;
        let key = |key: PublishedKey| {
            let part = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
            (key.kty == "RSA").then_some(())?;
            Some((key.kid?, (part(key.n)?, part(key.e)?)))
        };
        let keys: HashMap<_, _> = set.keys.into_iter().take(MAX_KEYS).filter_map(key).collect();
        if keys.is_empty() {
            bail!("there is no RSA key among them");
        }
        Ok((keys, age))
    }
}

/// A token's header and claims, what is signed, and the signature.
fn parts(token: &str) -> Option<(Header, Claims, &str, Vec<u8>)> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header = serde_json::from_slice(&decode(header)?).ok()?;
    let claims = serde_json::from_slice(&decode(claims)?).ok()?;
    Some((header, claims, signed, decode(signature)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_none() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = part(r#"{"alg":"RS256","kid":"k"}"#);
        let claims = part(r#"{"iss":"i","aud":"a","exp":1,"iat":1}"#);
        assert!(parts(&format!("{header}.{claims}.AAAA")).is_some());
        for bad in [
            String::new(),
            "..".into(),
            "a.b.c".into(),
            format!("{header}.{claims}"),
            format!("{claims}.{header}.AAAA"),
            format!("{header}.{claims}.%"),
            format!("{header}.{}.AAAA", part(r#"{"aud":["a"]}"#)),
            "a".repeat(MAX_TOKEN + 1),
        ] {
            assert!(parts(&bad).is_none(), "{bad}");
        }
    }
}
