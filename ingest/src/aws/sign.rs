//! Signature version 4: what makes a request of ours ours.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. The
//! paths here are `/` and, for S3, the key, which S3 wants encoded once, so nothing is encoded twice.

use std::fmt::Write as _;

use chrono::DateTime;
use ring::{digest, hmac};

use super::credentials::Credentials;

/// A request before it is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a str,
    /// With the port where it is not the scheme's own.
    pub(crate) host: &'a str,
    /// Encoded as it is sent.
    pub(crate) path: &'a str,
    /// Encoded, sorted, as [`query_string`] makes it.
    pub(crate) query: &'a str,
    /// Names in lower case. All of them are signed.
    pub(crate) headers: &'a [(&'static str, String)],
    /// Of the body, in hexadecimal.
    pub(crate) body_sha256: &'a str,
}

/// Whom the signature is for, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) unix_s: i64,
}

impl Scope<'_> {
    fn time(&self) -> String {
        let time = DateTime::from_timestamp(self.unix_s, 0).unwrap_or_default();
        time.format("%Y%m%dT%H%M%SZ").to_string()
    }

    fn date(&self) -> String {
        let time = DateTime::from_timestamp(self.unix_s, 0).unwrap_or_default();
        time.format("%Y%m%d").to_string()
    }

    /// What a signature is good for.
    fn place(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }
}

/// The query of a GET of `https://HOST/` that is signed itself and good for some seconds, without a header:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
pub(crate) fn presigned_query(
    host: &str,
    pairs: &[(&str, &str)],
    life_s: i64,
    scope: Scope<'_>,
    credentials: &Credentials,
) -> String {
    let credential = format!("{}/{}", credentials.access_key_id, scope.place());
    let (time, life) = (scope.time(), life_s.to_string());
    let mut pairs = pairs.to_vec();
    pairs.extend([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", credential.as_str()),
        ("X-Amz-Date", time.as_str()),
        ("X-Amz-Expires", life.as_str()),
        ("X-Amz-SignedHeaders", "host"),
    ]);
    pairs.extend(credentials.session_token.as_ref().map(|token| ("X-Amz-Security-Token", token.expose())));
    let query = query_string(&pairs);
    let canonical = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", sha256_hex(b""));
    format!("{query}&X-Amz-Signature={}", signature(&canonical, scope, credentials))
}

/// The signature of a request in its canonical form.
fn signature(canonical: &str, scope: Scope<'_>, credentials: &Credentials) -> String {
    let (time, place) = (scope.time(), scope.place());
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{}", sha256_hex(canonical.as_bytes()));
    let mut key = format!("AWS4{}", credentials.secret_access_key.expose()).into_bytes();
    for part in [scope.date().as_str(), scope.region, scope.service, "aws4_request"] {
        key = hmac_sha256(&key, part.as_bytes());
    }
    hex(&hmac_sha256(&key, to_sign.as_bytes()))
}

/// The headers that a request needs besides its own.
pub(crate) fn sign(
    request: &Unsigned<'_>,
    scope: Scope<'_>,
    credentials: &Credentials,
) -> Vec<(&'static str, String)> {
    let mut added = vec![("x-amz-date", scope.time())];
    if scope.service == "s3" {
        added.push(("x-amz-content-sha256", request.body_sha256.to_owned()));
    }
    if let Some(token) = &credentials.session_token {
        added.push(("x-amz-security-token", token.expose().to_owned()));
    }

    let mut headers: Vec<(&str, &str)> = vec![("host", request.host)];
    headers.extend(request.headers.iter().chain(&added).map(|(name, value)| (*name, value.as_str())));
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in headers {
        // Runs of spaces count as one.
        let value: Vec<&str> = value.split_ascii_whitespace().collect();
        canonical.extend([name, ":", &value.join(" "), "\n"]);
    }
    canonical.extend(["\n", &names, "\n", request.body_sha256]);

    let place = scope.place();
    let signature = signature(&canonical, scope, credentials);
    let key_id = &credentials.access_key_id;
    added.push((
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential={key_id}/{place}, SignedHeaders={names}, Signature={signature}"),
    ));
    added
}

/// The query of a request, encoded and in the order in which it is signed.
pub(crate) fn query_string(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// Every byte but letters, digits and `-._~` as `%XX`; slashes stay in paths.
pub(crate) fn encode(text: &str, is_path: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (is_path && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    encoded
}

/// The SHA-256 of `bytes` in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Secret;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn credentials(secret: &str) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new(secret),
            session_token: None,
            expires_unix_s: None,
        }
    }

    fn signature(request: &Unsigned<'_>, scope: Scope<'_>, credentials: &Credentials) -> String {
        let headers = sign(request, scope, credentials);
        headers.last().unwrap().1.rsplit_once('=').unwrap().1.to_owned()
    }

    /// `get-vanilla` and its neighbours in AWS's test suite for signature version 4.
    #[test]
    fn the_published_test_suite_agrees() {
        let credentials = credentials("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let scope = Scope { service: "service", region: "us-east-1", unix_s: 1_440_938_160 };
        let vanilla = Unsigned {
            method: "GET",
            host: "example.amazonaws.com",
            path: "/",
            query: "",
            headers: &[],
            body_sha256: EMPTY,
        };
        for (request, expected) in [
            (vanilla, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                Unsigned { query: &query_string(&[("Param2", "value2"), ("Param1", "value1")]), ..vanilla },
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                Unsigned { method: "POST", ..vanilla },
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ] {
            assert_eq!(signature(&request, scope, &credentials), expected, "{request:?}");
        }
    }

    /// The examples of S3's own page on signing with headers.
    #[test]
    fn the_examples_of_s3_agree() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            ..credentials("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        };
        let scope = Scope { service: "s3", region: "us-east-1", unix_s: 1_369_353_600 };
        let range = [("range", "bytes=0-9".to_owned())];
        let get = Unsigned {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            query: "",
            headers: &range,
            body_sha256: EMPTY,
        };
        let query = query_string(&[("prefix", "J"), ("max-keys", "2")]);
        let list = Unsigned { path: "/", query: &query, headers: &[], ..get };
        assert_eq!(
            signature(&get, scope, &credentials),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signature(&list, scope, &credentials),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn texts_are_encoded_as_rfc_3986_says() {
        assert_eq!(encode("a b/é+~", true), "a%20b/%C3%A9%2B~");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
