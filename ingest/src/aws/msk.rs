//! Tokens by which clusters of MSK know an identity of IAM: an address of the cluster's service, signed.
//!
//! <https://docs.aws.amazon.com/msk/latest/developerguide/iam-access-control.html>; the form is that of AWS's own
//! signers for `OAUTHBEARER` (<https://github.com/aws/aws-msk-iam-sasl-signer-python>).

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::client::Client;
use super::sign::{Scope, encode, presigned_query};
use super::{AwsAccess, Environment};
use crate::Result;
use crate::token::{Token, TokenSource};

/// How long a token is good.
const LIFE_S: i64 = 900;

/// Signs tokens as one identity.
#[derive(Debug)]
pub(crate) struct MskTokens(Client);

impl MskTokens {
    /// In the region of `access`, else that in the name of `broker`, else that of the environment.
    ///
    /// # Errors
    /// [`Error::BadSetting`](crate::Error::BadSetting): no region is known.
    pub(crate) fn new(
        access: &AwsAccess,
        environment: &Environment,
        broker: &str,
        now_us: fn() -> i64,
    ) -> Result<Self> {
        Ok(Self(Client::new(access, region_of_broker(broker), environment, now_us)?))
    }
}

/// The region in a broker's name, as `b-1.logs.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9098` has it.
fn region_of_broker(broker: &str) -> Option<String> {
    let (_, rest) = broker.split_once(".kafka.").or_else(|| broker.split_once(".kafka-serverless."))?;
    let (region, domain) = rest.split_once('.')?;
    domain.starts_with("amazonaws.com").then(|| region.to_owned())
}

#[async_trait]
impl TokenSource for MskTokens {
    async fn token(&self) -> Result<Token> {
        let keys = self.0.keys().await?;
        let region = self.0.region();
        let now_s = self.0.now_us() / 1_000_000;
        let host = format!("kafka.{region}.amazonaws.com");
        let scope = Scope { service: "kafka-cluster", region, unix_s: now_s };
        let action = [("Action", "kafka-cluster:Connect")];
        let query = presigned_query(&host, &action, LIFE_S, scope, &keys);
        // Not signed: for CloudTrail alone.
        let agent = encode(concat!("stormglass/", env!("CARGO_PKG_VERSION")), false);
        let secret = URL_SAFE_NO_PAD.encode(format!("https://{host}/?{query}&User-Agent={agent}"));
        let end_s = keys.expires_unix_s.unwrap_or(i64::MAX).min(now_s + LIFE_S);
        Ok(Token { secret, expires_us: end_s * 1_000_000 })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    const NOW_S: i64 = 1_700_000_000;

    /// AWS's own signer at the same time with the same keys.
    const PEER: &str = r#"
import datetime, sys
import botocore.auth
from botocore.credentials import Credentials
from aws_msk_iam_sasl_signer import MSKAuthTokenProvider as msk
now = datetime.datetime.fromtimestamp(1700000000, datetime.timezone.utc)
class Fixed(datetime.datetime):
    @classmethod
    def utcnow(cls): return now.replace(tzinfo=None)
    @classmethod
    def now(cls, tz=None): return now
for module in (botocore.auth,):
    if hasattr(module, "datetime"): setattr(module, "datetime", type("d", (), {"datetime": Fixed}) if isinstance(module.datetime, type(datetime)) else Fixed)
    if hasattr(module, "get_current_datetime"): module.get_current_datetime = lambda remove_tzinfo=True: now.replace(tzinfo=None) if remove_tzinfo else now
keys = Credentials("AKIAEXAMPLE", "not-a-secret/+", sys.argv[1] or None)
token, end_ms = [v for k, v in vars(msk).items() if k.endswith("__construct_auth_token")][0]("eu-west-1", keys)
print(token, end_ms)
"#;

    /// The address in a token and its signed pairs; what is signed has an order of its own.
    fn signed(token: &str) -> Vec<String> {
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
        let mut pairs: Vec<String> = url.split(['?', '&']).map(str::to_owned).collect();
        pairs.retain(|pair| !pair.starts_with("User-Agent="));
        pairs.sort();
        pairs
    }

    #[tokio::test]
    async fn the_token_is_that_of_the_own_signer_of_aws() {
        let python = std::env::var_os("STORMGLASS_PYTHON").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python"),
            Into::into,
        );
        let has_peer = Command::new(&python).args(["-c", "import aws_msk_iam_sasl_signer"]).output();
        if !has_peer.is_ok_and(|run| run.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "the signer is missing; scripts/need installs it");
            println!("skipped: no aws-msk-iam-sasl-signer-python; `scripts/need test` installs it");
            return;
        }
        for session in ["", "session/+="] {
            let environment = Environment::default()
                .with("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
                .with("AWS_SECRET_ACCESS_KEY", "not-a-secret/+")
                .with("AWS_SESSION_TOKEN", session);
            let broker = "b-1.logs.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9098";
            let tokens =
                MskTokens::new(&AwsAccess::default(), &environment, broker, || NOW_S * 1_000_000).unwrap();
            let ours = tokens.token().await.unwrap();
            let run = Command::new(&python).args(["-c", PEER, session]).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            let told = String::from_utf8(run.stdout).unwrap();
            let (theirs, end_ms) = told.trim().split_once(' ').unwrap();
            assert_eq!(signed(&ours.secret), signed(theirs));
            assert_eq!(ours.expires_us, end_ms.parse::<i64>().unwrap() * 1_000);
        }
    }

    #[test]
    fn a_broker_tells_its_region() {
        let of = region_of_broker;
        assert_eq!(
            of("boot-x1.c3.kafka-serverless.us-east-1.amazonaws.com:9098").as_deref(),
            Some("us-east-1")
        );
        assert_eq!(of("kafka.example.com:9092"), None);
        assert_eq!(of("a.kafka.eu-west-1.example.com:9092"), None);
    }
}
