//! The key of a service account, and what it signs (RFC 7523).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;
use url::Url;

use super::secure;
use crate::{Error, Result};

/// Google takes no assertion that is good for longer.
const LIFE_S: i64 = 3_600;

/// A key, ready to sign.
pub(super) struct ServiceAccountKey {
    email: String,
    key_id: Option<String>,
    pair: RsaKeyPair,
    pub(super) token_uri: Url,
    subject: Option<String>,
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountKey").field("email", &self.email).finish_non_exhaustive()
    }
}

impl ServiceAccountKey {
    /// # Errors
    /// [`Error::NoCredentials`]: it is no RSA key of 2,048 bits or more in PKCS #8.
    pub(super) fn new(
        email: String,
        key_id: Option<String>,
        pem: &str,
        token_uri: String,
        subject: Option<String>,
    ) -> Result<Self> {
        let fail = |problem: String| Error::NoCredentials { problem };
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        // The decoder's own words would show a byte of the key.
        let bytes =
            STANDARD.decode(text).map_err(|_| fail("`private_key` is no PEM of a private key".into()))?;
        let pair = RsaKeyPair::from_pkcs8(&bytes)
            .map_err(|problem| fail(format!("`private_key` is no RSA key in PKCS #8: {problem}")))?;
        Ok(Self { email, key_id, pair, token_uri: secure(&token_uri)?, subject })
    }

    /// The signed request for a token with these scopes, at `now_s` seconds since 1970.
    pub(super) fn assertion(&self, scopes: &[String], now_s: i64) -> Result<String> {
        let mut head = json!({"alg": "RS256", "typ": "JWT"});
        let mut claims = json!({
            "iss": self.email,
            "scope": scopes.join(" "),
            "aud": self.token_uri.as_str(),
            "iat": now_s,
            "exp": now_s + LIFE_S,
        });
        if let (Some(id), Some(head)) = (&self.key_id, head.as_object_mut()) {
            head.insert("kid".into(), id.clone().into());
        }
        if let (Some(subject), Some(claims)) = (&self.subject, claims.as_object_mut()) {
            claims.insert("sub".into(), subject.clone().into());
        }
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Error::NoCredentials { problem: "the private key does not sign".into() })?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
