//! Calls of AWS's services as one identity.

use std::time::Duration;

use serde_json::Value;

use super::credentials::{CredentialCache, Credentials, Services, caller};
use super::endpoint::{Endpoints, Service, is_region};
use super::http::{Http, Request, accepted};
use super::{AwsAccess, Environment};
use crate::repeat::repeated;
use crate::web::Answer;
use crate::{Error, Result};

/// One identity, and where the services are.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    endpoints: Endpoints,
    region: String,
    credentials: CredentialCache,
    now_us: fn() -> i64,
}

impl Client {
    /// A client in the region of `access`, else `region`, else that of the environment.
    pub(crate) fn new(
        access: &AwsAccess,
        region: Option<String>,
        environment: &Environment,
        now_us: fn() -> i64,
    ) -> Result<Self> {
        let named = access.region.clone().or(region);
        let named = named.or_else(|| environment.get("AWS_REGION").map(str::to_owned));
        let region = named.or_else(|| environment.get("AWS_DEFAULT_REGION").map(str::to_owned));
        let region = region.filter(|region| is_region(region)).ok_or_else(|| Error::BadSetting {
            field: "region",
            problem: "give the region, such as `eu-west-1`".into(),
        })?;
        Ok(Self {
            http: Http::new()?,
            endpoints: Endpoints::new(access.endpoint_url.as_deref(), environment)?,
            region,
            credentials: CredentialCache::new(access.clone(), environment.clone()),
            now_us,
        })
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn now_us(&self) -> i64 {
        (self.now_us)()
    }

    /// The address of a service in a region.
    pub(crate) fn endpoint(&self, service: Service, region: &str) -> String {
        self.endpoints.of(service, region)
    }

    fn services(&self) -> Services<'_> {
        Services { http: &self.http, endpoints: &self.endpoints, region: &self.region }
    }

    fn now_unix_s(&self) -> i64 {
        self.now_us() / 1_000_000
    }

    /// Where keys would come from.
    pub(crate) fn describe_keys(&self) -> Result<String> {
        self.credentials.describe()
    }

    /// Keys that are good now.
    pub(crate) async fn keys(&self) -> Result<Credentials> {
        self.credentials.get(&self.services(), self.now_unix_s()).await
    }

    /// The ARN of the identity.
    pub(crate) async fn caller(&self) -> Result<String> {
        caller(&self.services(), &self.keys().await?, self.now_unix_s()).await
    }

    /// Sends a signed request once. A refusal is an answer.
    pub(crate) async fn send(
        &self,
        request: &Request,
        region: &str,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Answer> {
        let keys = self.keys().await?;
        self.http.send(request, Some((&keys, region, self.now_unix_s())), timeout, max_bytes).await
    }

    /// Sends a request that may be repeated, again after passing trouble.
    ///
    /// # Errors
    /// What the last try says.
    pub(crate) async fn read(
        &self,
        call: &str,
        request: &Request,
        region: &str,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Answer> {
        repeated(|| async {
            let answer = self.send(request, region, timeout, max_bytes).await;
            let answer = answer.and_then(|answer| accepted(answer, call));
            if answer.as_ref().is_err_and(Error::is_expired) {
                self.credentials.forget().await;
            }
            answer
        })
        .await
    }

    /// An action of a service that speaks JSON, in this client's region; repeated after passing trouble.
    pub(crate) async fn action(
        &self,
        service: Service,
        action: &str,
        body: &Value,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Value> {
        let (target, version) = match service {
            Service::CloudTrail => {
                let prefix = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";
                (format!("{prefix}.{action}"), "1.1")
            }
            _ => (format!("AmazonSQS.{action}"), "1.0"),
        };
        let call = format!("{}:{action}", service.name());
        let endpoint = self.endpoint(service, &self.region);
        let request = Request::json(service, endpoint, target, version, body);
        let answer = self.read(&call, &request, &self.region, timeout, max_bytes).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::BadAnswer { call, problem: error.to_string() })
    }
}
