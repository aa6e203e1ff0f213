//! Who signs an assertion, and what it says: the part of a token endpoint that checks RFC 7523.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

/// A client as its vendor knows it.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Its id: a client id, an app id, the address of a service account.
    pub id: String,
    /// Its public key, RSA, as DER of PKCS#1.
    pub public_key: Vec<u8>,
}

impl Signer {
    /// The header and claims of a token that this client signed; else what is wrong with it.
    pub(crate) fn claims(&self, token: &str) -> Result<(Value, Value), &'static str> {
        let (message, signature) = token.rsplit_once('.').ok_or("it is no JWT")?;
        let (header, claims) = message.split_once('.').ok_or("it is no JWT")?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is no JWT");
        let parse = |part: &str| -> Result<Value, &'static str> {
            serde_json::from_slice(&decode(part)?).map_err(|_| "it is no JWT")
        };
        let (header, claims, signature) = (parse(header)?, parse(claims)?, decode(signature)?);
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err("its algorithm is not RS256");
        }
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        key.verify(message.as_bytes(), &signature).map_err(|_| "its signature is wrong")?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.id) {
            return Err("its issuer is another");
        }
        Ok((header, claims))
    }
}

/// A claim that is a time, in seconds since 1970.
pub(crate) fn time(claims: &Value, name: &str) -> i64 {
    claims.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// A claim that is text.
pub(crate) fn text<'a>(claims: &'a Value, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}
