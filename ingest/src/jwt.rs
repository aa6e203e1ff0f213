//! JSON Web Tokens signed with a private key (RFC 7515, RFC 7519): what says to a token endpoint who we are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::{Error, Result};

/// A private key: RSA of 2048 bits or more (RS256), or ECDSA on P-256 (ES256).
pub(crate) struct SigningKey(Pair);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Pair::Rsa(_) => "SigningKey(RS256)",
            Pair::Ecdsa(_) => "SigningKey(ES256)",
        })
    }
}

impl SigningKey {
    /// Reads PEM: PKCS#8 (`PRIVATE KEY`), or PKCS#1 (`RSA PRIVATE KEY`, as GitHub gives it).
    ///
    /// # Errors
    /// [`Error::NoCredentials`]: it is no such key. Nothing of it is told.
    pub(crate) fn from_pem(text: &str) -> Result<Self> {
        let bad = |problem: &str| Error::NoCredentials { problem: format!("the private key: {problem}") };
        let (label, der) =
            decode_pem(text).ok_or_else(|| bad("it is no PEM (`-----BEGIN PRIVATE KEY-----`)"))?;
        let rejected = |error: ring::error::KeyRejected| bad(&format!("it cannot be used: {error}"));
        let pair = match label.as_str() {
            "RSA PRIVATE KEY" => Pair::Rsa(Box::new(RsaKeyPair::from_der(&der).map_err(rejected)?)),
            "PRIVATE KEY" => match RsaKeyPair::from_pkcs8(&der) {
                Ok(pair) => Pair::Rsa(Box::new(pair)),
                Err(error) => {
                    let random = SystemRandom::new();
                    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random);
                    // What is wrong with an RSA key says more than that it is no ECDSA key.
                    Pair::Ecdsa(Box::new(pair.map_err(|_| rejected(error))?))
                }
            },
            _ => {
                return Err(bad(
                    "it is not in a form that can be read; `openssl pkcs8 -topk8 -nocrypt` converts it",
                ));
            }
        };
        Ok(Self(pair))
    }

    /// The signed token of `claims`; `key_id` tells the receiver which of its keys to check with.
    ///
    /// # Errors
    /// [`Error::NoCredentials`]: the key does not sign.
    pub(crate) fn sign(&self, key_id: Option<&str>, claims: &Value) -> Result<String> {
        let algorithm = match self.0 {
            Pair::Rsa(_) => "RS256",
            Pair::Ecdsa(_) => "ES256",
        };
        let mut header = json!({"alg": algorithm, "typ": "JWT"});
        if let (Some(key_id), Some(members)) = (key_id, header.as_object_mut()) {
            members.insert("kid".into(), key_id.into());
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).map(|()| signature)
            }
            Pair::Ecdsa(pair) => {
                pair.sign(&random, message.as_bytes()).map(|signature| signature.as_ref().to_vec())
            }
        };
        let signature = signature
            .map_err(|_| Error::NoCredentials { problem: "the private key: it does not sign".into() })?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The label and the bytes of the first PEM block (RFC 7468).
fn decode_pem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some((label.to_owned(), STANDARD.decode(body).ok()?))
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, UnparsedPublicKey};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn a_token_is_checked_with_the_public_key() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = SigningKey::from_pem(&pem("PRIVATE KEY", pkcs8.as_ref())).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(ES256)");
        let token = key.sign(Some("k1"), &json!({"iss": "a"})).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let Pair::Ecdsa(pair) = &key.0 else { panic!("{key:?}") };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        public.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(text(header), r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#);
        assert_eq!(text(claims), r#"{"iss":"a"}"#);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_told() {
        let secret = STANDARD.encode("s3cret-bytes");
        let cases = [
            ("", "no PEM"),
            ("-----BEGIN PRIVATE KEY-----", "no PEM"),
            ("-----BEGIN PRIVATE KEY-----\n%%\n-----END PRIVATE KEY-----", "no PEM"),
            (&pem("PRIVATE KEY", b"s3cret-bytes"), "cannot be used"),
            (&pem("RSA PRIVATE KEY", b"s3cret-bytes"), "cannot be used"),
            (&pem("ENCRYPTED PRIVATE KEY", b"s3cret-bytes"), "pkcs8 -topk8"),
            (&pem("EC PRIVATE KEY", b"s3cret-bytes"), "pkcs8 -topk8"),
        ];
        for (text, problem) in cases {
            let told = SigningKey::from_pem(text).unwrap_err().to_string();
            assert!(told.contains(problem) && !told.contains(&secret), "{told}");
        }
    }
}
