//! A signed `GetCallerIdentity` that somebody else sends: proof of who one is in AWS, without a secret in it.
//!
//! <https://cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds> has the request that
//! Google takes.

use url::Url;

use super::credentials::{CredentialCache, Services};
use super::endpoint::{Endpoints, is_region};
use super::http::Http;
use super::sign::{Scope, Unsigned, query_string, sha256_hex, sign};
use super::{AwsAccess, Environment};
use crate::{Error, Result};

/// An identity in AWS, found as for every other call.
#[derive(Debug)]
pub(crate) struct CallerProof {
    http: Http,
    endpoints: Endpoints,
    environment: Environment,
    credentials: CredentialCache,
}

/// A request to be sent by another.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) url: String,
    /// All that it needs.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl CallerProof {
    /// Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`]: the environment has an endpoint that is none.
    pub(crate) fn new(environment: &Environment) -> Result<Self> {
        Ok(Self {
            http: Http::new()?,
            endpoints: Endpoints::new(None, environment)?,
            environment: environment.clone(),
            credentials: CredentialCache::new(AwsAccess::default(), environment.clone()),
        })
    }

    /// A POST to `url`, in which `{region}` stands for the region, with one more header that is signed.
    ///
    /// # Errors
    /// [`Error::NoCredentials`]: there are no keys, or no region is known; what the services that have them say.
    pub(crate) async fn sign(
        &self,
        url: &str,
        header: (&'static str, String),
        now_unix_s: i64,
    ) -> Result<Signed> {
        let region = self.region().await?;
        let text = url.replace("{region}", &region);
        let bad = || Error::NoCredentials { problem: format!("`{text}` is no https address of AWS's STS") };
        let url = Url::parse(&text).map_err(|_| bad())?;
        let host = url.host_str().filter(|_| url.scheme() == "https").ok_or_else(bad)?;
        let services = Services { http: &self.http, endpoints: &self.endpoints, region: &region };
        let keys = self.credentials.get(&services, now_unix_s).await?;
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let own = [header];
        let unsigned = Unsigned {
            method: "POST",
            host,
            path: url.path(),
            query: &query_string(&pairs),
            headers: &own,
            body_sha256: &sha256_hex(b""),
        };
        let mut headers =
            sign(&unsigned, Scope { service: "sts", region: &region, unix_s: now_unix_s }, &keys);
        headers.push(("host", host.to_owned()));
        headers.extend(own);
        Ok(Signed { url: text, headers })
    }

    async fn region(&self) -> Result<String> {
        let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| self.environment.get(name));
        let region = match named {
            Some(region) => region.to_owned(),
            None => {
                let services = Services { http: &self.http, endpoints: &self.endpoints, region: "" };
                services.instance_region(&self.environment).await?
            }
        };
        if is_region(&region) {
            return Ok(region);
        }
        Err(Error::NoCredentials { problem: "the region of AWS is not known; set AWS_REGION".into() })
    }
}
