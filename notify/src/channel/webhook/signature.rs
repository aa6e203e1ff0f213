//! Signatures of Standard Webhooks 1.0.0: `v1` is HMAC-SHA256, `v1a` ed25519, both over `id.timestamp.body`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;

/// A key to sign with.
pub(super) enum Key {
    /// `whsec_` and base64 of 24 to 64 bytes.
    Symmetric(Vec<u8>),
    /// `whsk_` and base64 of the 32 bytes of a private key, or of these and the public key's.
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symmetric(_) => "Symmetric",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

impl Key {
    /// Reads a key as it is written.
    ///
    /// # Errors
    /// What it should look like; nothing of the key.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(text) = text.strip_prefix("whsk_") {
            const WANTED: &str = "a key that begins with `whsk_` goes on with base64 of 32 or 64 bytes";
            let bytes = STANDARD.decode(text).map_err(|_| WANTED)?;
            let pair = match bytes.split_at_checked(32) {
                Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
                Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => return Err(WANTED),
            };
            return pair.map(|pair| Self::Ed25519(Box::new(pair))).map_err(|_| WANTED);
        }
        const WANTED: &str = "a key is `whsec_` and base64 of 24 to 64 bytes, or `whsk_` and base64";
        let bytes = text.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        bytes.filter(|bytes| (24..=64).contains(&bytes.len())).map(Self::Symmetric).ok_or(WANTED)
    }

    /// One element of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp_s}.").into_bytes();
        signed.extend_from_slice(body);
        match self {
            Self::Symmetric(key) => {
                // Keys of any length are taken.
                let mac = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
                    mac.update(&signed);
                    mac.finalize().into_bytes()
                });
                format!("v1,{}", mac.map_or_else(|_| String::new(), |mac| STANDARD.encode(mac)))
            }
            Self::Ed25519(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(&signed))),
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair, UnparsedPublicKey};

    use super::*;

    /// The vector of the Standard Webhooks libraries.
    #[test]
    fn symmetric_as_the_libraries_do() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn ed25519_verifies() {
        let seed = [7; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let long = [&seed[..], pair.public_key().as_ref()].concat();
        for text in [STANDARD.encode(seed), STANDARD.encode(long)] {
            let signed = Key::parse(&format!("whsk_{text}")).unwrap().sign("a", 5, b"{}");
            let signature = STANDARD.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
            let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
            assert!(key.verify(b"a.5.{}", &signature).is_ok());
            assert!(key.verify(b"a.6.{}", &signature).is_err());
        }
    }

    #[test]
    fn bad_keys_are_not_shown() {
        for text in
            ["", "hunter2", "whsec_", "whsec_aHVudGVyMg==", "whsk_aHVudGVyMg==", "whsec_hunter2!", "whsk_"]
        {
            let problem = Key::parse(text).unwrap_err();
            assert!(!problem.contains("hunter") && !problem.contains("aHVu"), "{problem}");
        }
        assert_eq!(
            format!("{:?}", Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()),
            "Symmetric"
        );
    }
}
