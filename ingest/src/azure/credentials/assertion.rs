//! A statement signed with a certificate's key, instead of a secret.
//!
//! <https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials>: PS256, the
//! certificate by its SHA-256 (`x5t#S256`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

/// How long a statement is good: Microsoft asks for five to ten minutes.
const LIFE_S: i64 = 600;

/// The statement of `client_id` to the token endpoint `audience`, signed with the key in `pem`, which also
/// holds the certificate.
///
/// # Errors
/// What is wrong with the PEM, without a word of it.
pub(super) fn sign(pem: &str, client_id: &str, audience: &str, now_s: i64) -> Result<String, String> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "there is no certificate in it; put both the certificate and its key there (PEM)")?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        "there is no key in it that is not encrypted; `openssl pkcs8 -topk8 -nocrypt` takes a password off"
    })?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("its key is not RSA; Entra takes RSA alone".into()),
    };
    let key = key.map_err(|error| format!("its key cannot be used: {error}; Entra takes RSA alone"))?;

    let random = SystemRandom::new();
    let mut number = [0; 16];
    random.fill(&mut number).map_err(|_| "the system has no random numbers")?;
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
    let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
    let claims = json!({
        "aud": audience, "iss": client_id, "sub": client_id, "jti": URL_SAFE_NO_PAD.encode(number),
        "nbf": now_s, "iat": now_s, "exp": now_s + LIFE_S,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let statement = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PSS_SHA256, &random, statement.as_bytes(), &mut signature)
        .map_err(|_| "its key cannot sign")?;
    Ok(format!("{statement}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
