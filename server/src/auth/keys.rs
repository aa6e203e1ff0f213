//! The public keys of an issuer of tokens (a JWK Set, RFC 7517), fetched when they are needed and kept a
//! while, with bounds on size, number and how often they are asked for.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::bail;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

use super::jwt::{Algorithm, Claims, Distrust, PublicKey, Unverified};

/// Keys are asked for no more often, whatever ids tokens name.
const MIN_AGE: Duration = Duration::from_secs(60);
/// The same after an error.
const GAP: Duration = Duration::from_secs(5);
/// And after so long again, whatever the answer allows.
const MAX_AGE: Duration = Duration::from_secs(24 * 3_600);
/// So long where the answer says nothing.
const USUAL_AGE_S: u64 = 3_600;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Issuers have a handful of keys, in some KiB.
pub(crate) const MAX_BYTES: usize = 256 << 10;
const MAX_KEYS: usize = 64;

/// The keys as they were last seen.
#[derive(Default)]
struct Known {
    keys: Vec<PublicKey>,
    /// They are not asked for before.
    not_before: Option<Instant>,
    /// And need not be before.
    fresh_until: Option<Instant>,
}

/// The keys of an issuer.
pub(crate) struct IssuerKeys {
    url: String,
    http: reqwest::Client,
    known: Mutex<Known>,
    /// One asks, others wait.
    asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// A client that goes where it is sent, nowhere else, and not for long.
///
/// # Errors
/// There is no TLS.
pub(crate) fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build()
}

/// The body of an answer, if it is not larger than [`MAX_BYTES`].
///
/// # Errors
/// It is, or it breaks off.
pub(crate) async fn bounded(mut answer: reqwest::Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            bail!("the answer is larger than {MAX_BYTES} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl IssuerKeys {
    /// The keys that are published at `url`.
    pub(crate) fn new(url: &str, http: reqwest::Client) -> Self {
        Self { url: url.to_owned(), http, known: Mutex::default(), asking: tokio::sync::Mutex::new(()) }
    }

    /// What `token` says, if it is signed by one of the keys with one of the algorithms `allowed`. Issuer,
    /// audience and time are for the caller to check.
    ///
    /// # Errors
    /// It is not, or the keys cannot be read.
    pub(crate) async fn verify(&self, token: &str, allowed: &[Algorithm]) -> Result<Claims, Distrust> {
        let unverified = Unverified::read(token, allowed)?;
        let key = self.key(unverified.key_id.as_deref(), unverified.algorithm).await?;
        unverified.verify(&key)
    }

    /// The key of this id. One that is not known, or was seen long ago, is asked for.
    async fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<PublicKey, Distrust> {
        if let Some(key) = self.kept(id, algorithm, true) {
            return Ok(key);
        }
        let _turn = self.asking.lock().await;
        if let Some(key) = self.kept(id, algorithm, true) {
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
                    tracing::warn!("the keys of `{}` cannot be read: {error:#}", self.url);
                    self.known.lock().not_before = Some(Instant::now() + GAP);
                }
            }
        }
        if self.known.lock().keys.is_empty() {
            return Err(Distrust::NoKeys);
        }
        // What was seen once is still the issuer's: better than to turn it away because its keys are not there.
        self.kept(id, algorithm, false).ok_or(Distrust::Key)
    }

    fn kept(&self, id: Option<&str>, algorithm: Algorithm, must_be_fresh: bool) -> Option<PublicKey> {
        let known = self.known.lock();
        let is_fresh = known.fresh_until.is_some_and(|until| until > Instant::now());
        if must_be_fresh && !is_fresh {
            return None;
        }
        let mut fitting = known.keys.iter().filter(|key| key.serves(algorithm));
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).cloned(),
            // Without an id there must be no choice.
            None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
        }
    }

    /// The keys as they are published now, and how long they need not be asked for again.
    async fn ask(&self) -> anyhow::Result<(Vec<PublicKey>, Duration)> {
        let answer = self.http.get(&self.url).send().await?.error_for_status()?;
        if answer.status().is_redirection() {
            bail!("they are said to be elsewhere, and nobody is followed there");
        }
        let control = answer.headers().get("cache-control").and_then(|value| value.to_str().ok());
        let age = control.and_then(|text| text.split("max-age=").nth(1)).unwrap_or_default();
        let digits: String = age.chars().take_while(char::is_ascii_digit).take(9).collect();
        let age = Duration::from_secs(digits.parse().unwrap_or(USUAL_AGE_S)).clamp(MIN_AGE, MAX_AGE);
        let set: KeySet = serde_json::from_slice(&bounded(answer).await?)?;
        let keys: Vec<_> = set.keys.into_iter().take(MAX_KEYS).filter_map(PublicKey::read).collect();
        if keys.is_empty() {
            bail!("there is no key for signatures among them");
        }
        Ok((keys, age))
    }
}
