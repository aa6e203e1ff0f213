//! Where AWS's services are.

use std::collections::BTreeMap;

use super::Environment;
use crate::{Error, Result};

/// A service that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    S3,
    Sqs,
    Sts,
    CloudTrail,
}

impl Service {
    const ALL: [Self; 4] = [Self::S3, Self::Sqs, Self::Sts, Self::CloudTrail];

    /// The name in host names and signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
            Self::CloudTrail => "cloudtrail",
        }
    }
}

/// Where each service is, if it is not where AWS has it: `AWS_ENDPOINT_URL_SQS` and so on, else
/// `AWS_ENDPOINT_URL`, as AWS's own tools read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Endpoints(BTreeMap<Service, String>);

impl Endpoints {
    pub(crate) fn new(setting: Option<&str>, environment: &Environment) -> Result<Self> {
        let mut endpoints = BTreeMap::new();
        for service in Service::ALL {
            let variable = format!("AWS_ENDPOINT_URL_{}", service.name().to_uppercase());
            let url = setting
                .or_else(|| environment.get(&variable))
                .or_else(|| environment.get("AWS_ENDPOINT_URL"));
            let Some(url) = url else { continue };
            let url = url.trim_end_matches('/');
            let is_good = url::Url::parse(url).is_ok_and(|parsed| {
                ["http", "https"].contains(&parsed.scheme())
                    && parsed.path() == "/"
                    && parsed.query().is_none()
            });
            if !is_good {
                return Err(Error::BadSetting {
                    field: "endpoint_url",
                    problem: format!("`{url}` is not as `https://HOST:PORT`"),
                });
            }
            endpoints.insert(service, url.to_owned());
        }
        Ok(Self(endpoints))
    }

    /// Scheme, host and port, without a slash at the end.
    pub(crate) fn of(&self, service: Service, region: &str) -> String {
        if let Some(url) = self.0.get(&service) {
            return url.clone();
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.{region}.{domain}", service.name())
    }
}

/// The region in a queue's address, as `https://sqs.eu-west-1.amazonaws.com/111122223333/logs` has it.
pub(crate) fn region_of_queue(url: &str) -> Option<String> {
    let host = url::Url::parse(url).ok()?.host_str()?.to_owned();
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.com").then(|| region.to_owned())
}

/// Whether a text can be a region; it becomes part of a host name.
pub(crate) fn is_region(text: &str) -> bool {
    (3..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_where_aws_or_the_environment_says() {
        let environment = Environment::default().with("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9/");
        let endpoints = Endpoints::new(None, &environment).unwrap();
        assert_eq!(endpoints.of(Service::Sqs, "eu-west-1"), "http://127.0.0.1:9");
        assert_eq!(endpoints.of(Service::S3, "eu-west-1"), "https://s3.eu-west-1.amazonaws.com");
        assert_eq!(endpoints.of(Service::Sts, "cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
        let all = environment.with("AWS_ENDPOINT_URL", "https://localhost:8");
        assert_eq!(Endpoints::new(None, &all).unwrap().of(Service::S3, "x"), "https://localhost:8");
        let error = Endpoints::new(Some("localhost:9"), &Environment::default()).unwrap_err();
        assert_eq!(error.to_string(), "`endpoint_url`: `localhost:9` is not as `https://HOST:PORT`");
    }

    #[test]
    fn a_queue_tells_its_region() {
        let region = region_of_queue("https://sqs.eu-west-1.amazonaws.com/111122223333/logs");
        assert_eq!(region.as_deref(), Some("eu-west-1"));
        assert_eq!(region_of_queue("http://127.0.0.1:9/111122223333/logs"), None);
        assert!(is_region("us-gov-east-1") && !is_region("x.example.com/") && !is_region(""));
    }
}
