//! Signed JSON Web Tokens (RFC 7515, 7519), with the cautions of RFC 8725.
//!
//! The algorithm is chosen from those that the caller allows, never by the token alone, and a key serves only
//! algorithms of its kind: `none` is not among them, nor is any HMAC, so no public key can be taken for a
//! secret. Keys that a token brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A longer token is none.
pub(crate) const MAX_TOKEN: usize = 16 << 10;

/// How a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// All, with their names (RFC 7518, 3.1; RFC 8037, 3.1).
    pub(crate) const ALL: [(Self, &'static str); 9] = [
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
        (Self::EdDsa, "EdDSA"),
    ];

    /// The algorithm called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(algorithm, _)| *algorithm)
    }

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(algorithm, _)| *algorithm == self).map_or("", |(_, name)| name)
    }
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Distrust {
    #[error("it is no token")]
    Malformed,
    #[error("its algorithm is not allowed")]
    Algorithm,
    #[error("no key of its issuer fits it")]
    Key,
    #[error("the keys of its issuer cannot be read; the server's log says why")]
    NoKeys,
    #[error("its signature is not valid")]
    Signature,
    #[error("it is of another issuer")]
    Issuer,
    #[error("it is for another audience")]
    Audience,
    #[error("it is over, or not yet valid")]
    Time,
    #[error("it belongs to another sign-in")]
    Nonce,
    #[error("a claim that it must have is missing")]
    Claim,
}

/// A public key as it is published (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// Its id.
    pub(crate) id: Option<String>,
    material: Material,
    /// The only algorithm that it is for, where it says so.
    algorithm: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublicKey {
    /// Reads an entry of a key set; none where it is for something else, or of a kind that is not known.
    pub(crate) fn read(entry: Value) -> Option<Self> {
        let entry: PublishedKey = serde_json::from_value(entry).ok()?;
        if entry.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let material = match (entry.kty.as_str(), entry.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: bytes(entry.n)?, e: bytes(entry.e)? },
            ("EC", Some("P-256")) => Material::P256(point(&bytes(entry.x)?, &bytes(entry.y)?, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(&bytes(entry.x)?, &bytes(entry.y)?, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(entry.x)?),
            _ => return None,
        };
        Some(Self { id: entry.kid, material, algorithm: entry.alg })
    }

    /// Whether the key is of the algorithm's kind, and for it.
    pub(crate) fn serves(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384};
        let is_of_kind = match &self.material {
            Material::Rsa { .. } => !matches!(algorithm, Es256 | Es384 | EdDsa),
            Material::P256(_) => algorithm == Es256,
            Material::P384(_) => algorithm == Es384,
            Material::Ed25519(_) => algorithm == EdDsa,
        };
        is_of_kind && self.algorithm.as_ref().is_none_or(|only| only == algorithm.as_str())
    }

    fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        if !self.serves(algorithm) {
            return Err(Distrust::Key);
        }
        let verified =
            match &self.material {
                Material::Rsa { n, e } => {
                    let parameters = match algorithm {
                        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                        _ => return Err(Distrust::Key),
                    };
                    RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
                }
                Material::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature),
                Material::P384(point) => UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point)
                    .verify(signed, signature),
                Material::Ed25519(key) => {
                    UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, signature)
                }
            };
        verified.map_err(|_| Distrust::Signature)
    }
}

fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4], x, y].concat())
}

/// A token that was taken apart and is not believed yet.
#[derive(Debug)]
pub(crate) struct Unverified<'t> {
    /// What it says to be signed with; one of those allowed.
    pub(crate) algorithm: Algorithm,
    /// The id of the key that it says to be signed with.
    pub(crate) key_id: Option<String>,
    claims: Map<String, Value>,
    signed: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl<'t> Unverified<'t> {
    /// Takes `token` apart.
    ///
    /// # Errors
    /// It is none, or its algorithm is not among those `allowed`.
    pub(crate) fn read(token: &'t str, allowed: &[Algorithm]) -> Result<Self, Distrust> {
        if token.len() > MAX_TOKEN {
            return Err(Distrust::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Distrust::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Distrust::Malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Distrust::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Distrust::Malformed)?;
        // What is critical and not understood refuses the token (RFC 7515, 4.1.11), and nothing is understood.
        if header.crit.is_some() {
            return Err(Distrust::Malformed);
        }
        let algorithm = Algorithm::named(&header.alg).filter(|algorithm| allowed.contains(algorithm));
        let algorithm = algorithm.ok_or(Distrust::Algorithm)?;
        let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| Distrust::Malformed)?;
        let signature = decode(signature)?;
        Ok(Self { algorithm, key_id: header.kid, claims, signed, signature })
    }

    /// The claims, if `key` has signed them.
    ///
    /// # Errors
    /// It has not.
    pub(crate) fn verify(self, key: &PublicKey) -> Result<Claims, Distrust> {
        key.verify(self.algorithm, self.signed.as_bytes(), &self.signature)?;
        Ok(Claims(self.claims))
    }
}

/// What a token says, by a key that signed it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// A claim that is text and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether a claim is true.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.find(name).is_some_and(|value| *value == Value::Bool(true))
    }

    /// A claim that is a text or a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        match self.find(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The claim of this very name, or, with dots, a part of one: `realm_access.roles`.
    fn find(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(self.0.get(first)?, |value, part| value.get(part))
    }

    /// Seconds since 1970; RFC 7519 allows fractions.
    fn seconds(&self, name: &str) -> Result<Option<i64>, Distrust> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64)) {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(Distrust::Claim),
            },
        }
    }

    /// Whether the claims hold at `now_s`, give or take `tolerance_s`.
    ///
    /// # Errors
    /// They are over, not yet valid, from the future, or do not say until when they hold.
    pub(crate) fn check_time(&self, now_s: i64, tolerance_s: i64) -> Result<(), Distrust> {
        let until = self.seconds("exp")?.ok_or(Distrust::Claim)?;
        let made = self.seconds("iat")?.ok_or(Distrust::Claim)?;
        let from = self.seconds("nbf")?.unwrap_or(made);
        let is_now = until.saturating_add(tolerance_s) > now_s
            && made.saturating_sub(tolerance_s) <= now_s
            && from.saturating_sub(tolerance_s) <= now_s;
        if is_now { Ok(()) } else { Err(Distrust::Time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::auth::signer::{Signer, part};

    fn allowed() -> Vec<Algorithm> {
        Algorithm::ALL.map(|(algorithm, _)| algorithm).to_vec()
    }

    #[test]
    fn what_is_no_token_is_none() {
        let header = part(&json!({"alg": "RS256", "kid": "k"}));
        let claims = part(&json!({"iss": "i"}));
        assert!(Unverified::read(&format!("{header}.{claims}.AAAA"), &allowed()).is_ok());
        for bad in [
            String::new(),
            "..".into(),
            "a.b.c".into(),
            format!("{header}.{claims}"),
            format!("{claims}.{header}.AAAA"),
            format!("{header}.{claims}.%"),
            format!("{header}.{}.AAAA", part(&json!(["a"]))),
            format!("{}.{claims}.AAAA", part(&json!({"alg": "RS256", "crit": ["exp"]}))),
            "a".repeat(MAX_TOKEN + 1),
        ] {
            assert_eq!(Unverified::read(&bad, &allowed()).unwrap_err(), Distrust::Malformed, "{bad}");
        }
        for alg in ["none", "None", "", "HS256", "HS512", "RS1", "ES256K", "rs256", "A128KW"] {
            let token = format!("{}.{claims}.AAAA", part(&json!({"alg": alg})));
            assert_eq!(Unverified::read(&token, &allowed()).unwrap_err(), Distrust::Algorithm, "{alg}");
        }
        let token = format!("{header}.{claims}.AAAA");
        assert_eq!(Unverified::read(&token, &[Algorithm::Es256]).unwrap_err(), Distrust::Algorithm);
    }

    #[test]
    fn signatures_are_checked_by_keys_of_their_kind() {
        let (ec, other) = (Signer::new("e"), Signer::new("e"));
        let key = PublicKey::read(ec.jwk()).unwrap();
        let token = ec.sign(&json!({"alg": "ES256", "jwk": other.jwk()}), &json!({"sub": "ana"}));
        let verify = |token: &str, key: &PublicKey| Unverified::read(token, &allowed()).unwrap().verify(key);
        assert_eq!(verify(&token, &key).unwrap().text("sub"), Some("ana"));
        let strange = PublicKey::read(other.jwk()).unwrap();
        assert_eq!(verify(&token, &strange), Err(Distrust::Signature));
        let forged = other.sign(&json!({"alg": "ES256", "jwk": other.jwk()}), &json!({"sub": "ana"}));
        assert_eq!(verify(&forged, &key), Err(Distrust::Signature));
        let rsa = ec.sign(&json!({"alg": "RS256"}), &json!({"sub": "ana"}));
        assert_eq!(verify(&rsa, &key), Err(Distrust::Key));
        let mut only = ec.jwk();
        only["alg"] = json!("ES384");
        assert_eq!(verify(&token, &PublicKey::read(only).unwrap()), Err(Distrust::Key));
        let mut encrypting = ec.jwk();
        encrypting["use"] = json!("enc");
        assert!(PublicKey::read(encrypting).is_none());
        let mut short = ec.jwk();
        short["x"] = json!("AAAA");
        assert!(PublicKey::read(short).is_none());
        let payload = token.replace(&part(&json!({"sub": "ana"})), &part(&json!({"sub": "bob"})));
        assert_eq!(verify(&payload, &key), Err(Distrust::Signature));
    }

    /// RFC 8037, appendix A.4.
    #[test]
    fn eddsa_as_in_the_standard() {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let key = PublicKey::read(key).unwrap();
        let signature =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(key.verify(Algorithm::EdDsa, signed, &signature), Ok(()));
        assert_eq!(key.verify(Algorithm::Es256, signed, &signature), Err(Distrust::Key));
    }

    #[test]
    fn times_and_claims() {
        let claims = |value: Value| Claims(value.as_object().unwrap().clone());
        let at = |value: Value, now_s| claims(value).check_time(now_s, 60);
        assert_eq!(at(json!({"exp": 1000, "iat": 900}), 1059), Ok(()));
        assert_eq!(at(json!({"exp": 1000, "iat": 900}), 1060), Err(Distrust::Time));
        assert_eq!(at(json!({"exp": 1000, "iat": 900}), 840), Ok(()));
        assert_eq!(at(json!({"exp": 1000, "iat": 900}), 839), Err(Distrust::Time));
        assert_eq!(at(json!({"exp": 2000, "iat": 900, "nbf": 1500}), 1000), Err(Distrust::Time));
        assert_eq!(at(json!({"exp": 1000.5, "iat": 900.25}), 1000), Ok(()));
        for bad in [
            json!({"exp": "1000", "iat": 900}),
            json!({"exp": 1000}),
            json!({"iat": 900}),
            json!({"exp": null, "iat": 1}),
        ] {
            assert_eq!(at(bad.clone(), 950), Err(Distrust::Claim), "{bad}");
        }
        assert_eq!(at(json!({"exp": i64::MAX, "iat": 0}), 950), Ok(()));
        let said = claims(
            json!({"groups": ["a", 1, "b"], "one": "c", "realm": {"roles": ["d"]}, "x.y": "e", "empty": ""}),
        );
        assert_eq!(said.texts("groups"), ["a", "b"]);
        assert_eq!(said.texts("one"), ["c"]);
        assert_eq!(said.texts("realm.roles"), ["d"]);
        assert_eq!(
            (said.text("x.y"), said.text("empty"), said.text("realm.nothing")),
            (Some("e"), None, None)
        );
    }
}
