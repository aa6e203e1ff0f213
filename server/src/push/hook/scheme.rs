//! How a request to a hook shows that it knows the secret.
//!
//! | scheme | header | what it holds |
//! | --- | --- | --- |
//! | `github` | `X-Hub-Signature-256` | `sha256=` and HMAC-SHA256 of the body in hexadecimal (GitHub, "Validating webhook deliveries") |
//! | `standard` | `webhook-signature` | `v1,` and HMAC-SHA256 of `id.timestamp.body` in base64, several apart by blanks; the secret is `whsec_` and base64 (standardwebhooks.com) |
//! | `slack` | `X-Slack-Signature` | `v0=` and HMAC-SHA256 of `v0:timestamp:body` in hexadecimal (Slack, "Verifying requests") |
//! | `pagerduty` | `X-PagerDuty-Signature` | `v1=` and HMAC-SHA256 of the body in hexadecimal, several apart by commas (PagerDuty, "Webhooks v3, Verifying signatures") |
//! | `hmac` | `X-Signature` or another | HMAC-SHA256 of the body in hexadecimal or base64, with or without `sha256=` |
//! | `okta` | `Authorization` or another | the secret itself (Okta, "Event hooks") |
//! | `bearer` | `Authorization` | `Bearer` and the secret |
//! | `pubsub` | `Authorization` | `Bearer` and a token that Google signed (`identity.rs`) |

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::SecretReference;
use crate::config::BadSecret;

/// A way to show that one knows a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    GitHub,
    Standard,
    Slack,
    PagerDuty,
    Hmac,
    Okta,
    Bearer,
    PubSub,
}

impl Scheme {
    const ALL: [(Self, &'static str); 8] = [
        (Self::GitHub, "github"),
        (Self::Standard, "standard"),
        (Self::Slack, "slack"),
        (Self::PagerDuty, "pagerduty"),
        (Self::Hmac, "hmac"),
        (Self::Okta, "okta"),
        (Self::Bearer, "bearer"),
        (Self::PubSub, "pubsub"),
    ];

    /// The name in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(scheme, _)| *scheme == self).map_or("", |(_, name)| name)
    }

    /// The header that holds the signature or secret, unless the hook names another.
    fn header(self) -> &'static str {
        match self {
            Self::GitHub => "x-hub-signature-256",
            Self::Standard => "webhook-signature",
            Self::Slack => "x-slack-signature",
            Self::PagerDuty => "x-pagerduty-signature",
            Self::Hmac => "x-signature",
            Self::Okta | Self::Bearer | Self::PubSub => "authorization",
        }
    }
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(scheme, _)| *scheme).ok_or_else(|| {
            format!("`{text}` is no scheme; choose one of {}", Self::ALL.map(|(_, name)| name).join(", "))
        })
    }
}

/// Why a request is refused. Says nothing of the secret, nor how near a guess came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the hook has no key; the server's log says why")]
    NoKey,
    #[error("the header `{0}` is missing or no text")]
    Header(String),
    #[error("the signature or secret is not valid")]
    Signature,
    #[error("the signature's time is too far from ours")]
    Time,
    #[error("the token is of another account, audience or issuer")]
    Identity,
    #[error("the keys that tokens are signed with cannot be read; the server's log says why")]
    NoKeys,
}

/// The secrets of a hook, ready for use.
pub(crate) struct Keys {
    scheme: Scheme,
    keys: Vec<Vec<u8>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the secrets.
    ///
    /// # Errors
    /// All that do not serve.
    pub(crate) fn read(scheme: Scheme, secrets: &[SecretReference]) -> Result<Self, Vec<BadSecret>> {
        let mut keys = Vec::new();
        let mut bad = Vec::new();
        for reference in secrets {
            match key(scheme, reference) {
                Ok(key) => keys.push(key),
                Err(problem) => bad.push(problem),
            }
        }
        if bad.is_empty() { Ok(Self { scheme, keys }) } else { Err(bad) }
    }

    /// Admits a request or says why not.
    pub(crate) fn admit(
        &self,
        header: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
        now_s: i64,
        tolerance_s: i64,
    ) -> Result<(), Refusal> {
        let text = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or_else(|| Refusal::Header(name.to_owned()))
        };
        let shown = text(header.unwrap_or(self.scheme.header()))?;
        match self.scheme {
            Scheme::GitHub => {
                self.signed(&[body], &[hexadecimal(shown.strip_prefix("sha256=")).unwrap_or_default()])
            }
            Scheme::Hmac => {
                let shown = shown.strip_prefix("sha256=").unwrap_or(shown);
                let signature = hexadecimal(Some(shown)).or_else(|| STANDARD.decode(shown).ok());
                self.signed(&[body], &[signature.unwrap_or_default()])
            }
            Scheme::Slack => {
                let stamp = text("x-slack-request-timestamp")?;
                let signature = hexadecimal(shown.strip_prefix("v0=")).unwrap_or_default();
                self.signed(&[b"v0:", stamp.as_bytes(), b":", body], &[signature])?;
                timely(stamp, now_s, tolerance_s)
            }
            Scheme::PagerDuty => {
                let signatures: Vec<_> = shown
                    .split(',')
                    .take(MAX_SIGNATURES)
                    .filter_map(|one| hexadecimal(one.trim().strip_prefix("v1=")))
                    .collect();
                self.signed(&[body], &signatures)
            }
            Scheme::Standard => {
                let (id, stamp) = (text("webhook-id")?, text("webhook-timestamp")?);
                let signatures: Vec<_> = shown
                    .split(' ')
                    .take(MAX_SIGNATURES)
                    .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
                    .collect();
                self.signed(&[id.as_bytes(), b".", stamp.as_bytes(), b".", body], &signatures)?;
                timely(stamp, now_s, tolerance_s)
            }
            Scheme::Okta => self.told(shown),
            Scheme::Bearer => match shown.split_once(' ') {
                Some((word, secret)) if word.eq_ignore_ascii_case("bearer") => self.told(secret.trim()),
                _ => Err(Refusal::Signature),
            },
            // Judged before this, with the keys of Google.
            Scheme::PubSub => Err(Refusal::NoKey),
        }
    }

    /// Whether one of `signatures` is that of the `parts` by one of the keys; each is compared in full.
    fn signed(&self, parts: &[&[u8]], signatures: &[Vec<u8>]) -> Result<(), Refusal> {
        let mut is_good = false;
        for key in &self.keys {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Refusal::NoKey)?;
            parts.iter().for_each(|part| mac.update(part));
            for signature in signatures {
                is_good |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        if is_good { Ok(()) } else { Err(Refusal::Signature) }
    }

    /// Whether `shown` is one of the secrets. Hashes are compared, so that the time tells nothing.
    fn told(&self, shown: &str) -> Result<(), Refusal> {
        let shown = Sha256::digest(shown.as_bytes());
        let mut is_good = false;
        for key in &self.keys {
            let difference = Sha256::digest(key).iter().zip(&shown).fold(0, |sum, (a, b)| sum | (a ^ b));
            is_good |= difference == 0;
        }
        if is_good { Ok(()) } else { Err(Refusal::Signature) }
    }
}

/// More signatures than a sender that changes keys can mean.
const MAX_SIGNATURES: usize = 8;

fn timely(stamp: &str, now_s: i64, tolerance_s: i64) -> Result<(), Refusal> {
    let stamp: i64 = stamp.parse().map_err(|_| Refusal::Time)?;
    if stamp.abs_diff(now_s) <= tolerance_s.unsigned_abs() { Ok(()) } else { Err(Refusal::Time) }
}

fn key(scheme: Scheme, reference: &SecretReference) -> Result<Vec<u8>, BadSecret> {
    let secret = reference.read().map_err(|error| BadSecret::Unread(error.to_string()))?;
    if scheme != Scheme::Standard {
        return Ok(secret.into_bytes());
    }
    // The decoder's own words would show a byte of the secret.
    let unfit = |_| BadSecret::Unfit(format!("`{reference}` is not `whsec_` and base64"));
    STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(&secret)).map_err(unfit)
}

/// The 32 bytes of 64 hexadecimal digits.
fn hexadecimal(text: Option<&str>) -> Option<Vec<u8>> {
    crate::auth::Token::parse_hash(text?).map(|bytes| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(scheme: Scheme, keys: &[&str]) -> Keys {
        Keys { scheme, keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect() }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// The example of GitHub's documentation ("Testing the webhook payload validation").
    #[test]
    fn github_signs_the_body() {
        let key = keys(Scheme::GitHub, &["old", "It's a Secret to Everybody"]);
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let admit = |signature: &str, body: &[u8]| {
            key.admit(None, &headers(&[("x-hub-signature-256", signature)]), body, 0, 0)
        };
        assert_eq!(admit(good, b"Hello, World!"), Ok(()));
        for (signature, body) in [
            (good, &b"Hello, World?"[..]),
            (&good.replace("sha256=", ""), b"Hello, World!"),
            (&good.replace('7', "8"), b"Hello, World!"),
            ("sha256=", b"Hello, World!"),
            ("sha256=75", b"Hello, World!"),
        ] {
            assert_eq!(admit(signature, body), Err(Refusal::Signature), "{signature}");
        }
        assert!(matches!(key.admit(None, &HeaderMap::new(), b"", 0, 0), Err(Refusal::Header(_))));
    }

    /// The vector of the Standard Webhooks libraries.
    #[test]
    fn standard_webhooks_sign_id_and_time_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let key = Keys::read(Scheme::Standard, &[SecretReference::File(path)]).unwrap();
        let admit = |id: &str, stamp: &str, signature: &str, now| {
            let headers = headers(&[
                ("webhook-id", id),
                ("webhook-timestamp", stamp),
                ("webhook-signature", signature),
            ]);
            key.admit(None, &headers, br#"{"test": 2432232314}"#, now, 300)
        };
        let (id, stamp) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(admit(id, stamp, good, 1_614_265_330), Ok(()));
        assert_eq!(admit(id, stamp, &format!("v1a,x v1,AAAA {good}"), 1_614_265_630), Ok(()));
        assert_eq!(admit(id, stamp, good, 1_614_265_631), Err(Refusal::Time));
        assert_eq!(admit(id, stamp, good, 1_614_265_029), Err(Refusal::Time));
        assert_eq!(admit("msg_x", stamp, good, 1_614_265_330), Err(Refusal::Signature));
        assert_eq!(admit(id, "1614265331", good, 1_614_265_330), Err(Refusal::Signature));
    }

    /// Computed by another implementation (Python's `hmac`).
    #[test]
    fn slack_signs_the_time_too() {
        let key = keys(Scheme::Slack, &["8f742231b10e8888abcd99"]);
        let body = br#"{"type":"event_callback"}"#;
        let good = "v0=509ae4131a80e3485b6e2e0e1ff5eda8014eb2fe6323c55f6cdc279c18ace53f";
        let headers = headers(&[("x-slack-signature", good), ("x-slack-request-timestamp", "1767225600")]);
        assert_eq!(key.admit(None, &headers, body, 1_767_225_600, 300), Ok(()));
        assert_eq!(key.admit(None, &headers, body, 1_767_226_000, 300), Err(Refusal::Time));
        assert_eq!(key.admit(None, &headers, b"", 1_767_225_600, 300), Err(Refusal::Signature));
    }

    /// Computed by another implementation (Python's `hmac`).
    #[test]
    fn pagerduty_signs_with_each_key() {
        let key = keys(Scheme::PagerDuty, &["8f742231b10e8888abcd99"]);
        let body = br#"{"event":{"id":"01","event_type":"incident.acknowledged"}}"#;
        let good = "v1=9c01f2dfe7016d5829d08c72a68a68e0a6e80ed448be3a5e2516fbbc8e8deb60";
        let admit = |shown: &str, body: &[u8]| {
            key.admit(None, &headers(&[("x-pagerduty-signature", shown)]), body, 0, 0)
        };
        assert_eq!(admit(good, body), Ok(()));
        let other = format!("v1={},{good}", "0".repeat(64));
        assert_eq!(admit(&other, body), Ok(()));
        for (shown, body) in [
            (good, &b"{}"[..]),
            (&good.replace("v1=", ""), body),
            (&good.replace("v1=", "v0="), body),
            ("", body),
        ] {
            assert_eq!(admit(shown, body), Err(Refusal::Signature), "{shown}");
        }
    }

    #[test]
    fn any_header_and_both_encodings() {
        let key = keys(Scheme::Hmac, &["It's a Secret to Everybody"]);
        let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let base64 = STANDARD.encode(hexadecimal(Some(digits)).unwrap());
        for shown in [digits, &digits.to_uppercase(), &format!("sha256={digits}"), &base64] {
            let headers = headers(&[("x-acme", shown)]);
            assert_eq!(key.admit(Some("x-acme"), &headers, b"Hello, World!", 0, 0), Ok(()), "{shown}");
        }
    }

    #[test]
    fn secrets_that_are_shown_as_they_are() {
        let admit = |scheme, shown: &str| {
            keys(scheme, &["s3cret"]).admit(None, &headers(&[("authorization", shown)]), b"", 0, 0)
        };
        assert_eq!(admit(Scheme::Okta, "s3cret"), Ok(()));
        assert_eq!(admit(Scheme::Bearer, "Bearer s3cret"), Ok(()));
        for (scheme, shown) in [
            (Scheme::Okta, "Bearer s3cret"),
            (Scheme::Okta, "s3cret2"),
            (Scheme::Bearer, "s3cret"),
            (Scheme::Bearer, "Basic s3cret"),
            (Scheme::Bearer, "Bearer "),
        ] {
            assert_eq!(admit(scheme, shown), Err(Refusal::Signature), "{shown}");
        }
    }

    #[test]
    fn each_secret_that_does_not_serve_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [good, bad, gone] = ["good", "bad", "gone"].map(|name| folder.path().join(name));
        std::fs::write(&good, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        std::fs::write(&bad, "no base64").unwrap();
        let secrets = [gone, good, bad].map(SecretReference::File);
        let told = Keys::read(Scheme::Standard, &secrets).unwrap_err();
        let [BadSecret::Unread(unread), BadSecret::Unfit(unfit)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert!(unread.contains(&secrets[0].to_string()), "{unread}");
        assert_eq!(unfit, &format!("`{}` is not `whsec_` and base64", secrets[2]));
    }

    #[test]
    fn a_bad_secret_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2!").unwrap();
        let error = Keys::read(Scheme::Standard, &[SecretReference::File(path)]).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        assert!(!format!("{:?}", keys(Scheme::Okta, &["hunter2"])).contains("hunter"));
    }
}
