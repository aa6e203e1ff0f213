//! A trail by its ARN, and what CloudTrail says of where it writes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::client::Client;
use crate::aws::endpoint::{Service, is_region};
use crate::aws::{AwsAccess, Environment};
use crate::{Error, Result};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 1 << 20;

/// The ARN of a trail, `arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailArn {
    text: String,
    /// The region that the trail was made in.
    pub region: String,
    /// The account that it was made in.
    pub account: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for TrailArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for TrailArn {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let good = match parts[..] {
            ["arn", partition, "cloudtrail", region, account, resource]
                if partition.starts_with("aws")
                    && is_region(region)
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                // As CloudTrail allows names: letters, digits, `.`, `_`, `-`.
                let is_name = |name: &&str| {
                    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                    (3..=128).contains(&name.len()) && name.bytes().all(good)
                };
                resource.strip_prefix("trail/").filter(is_name).map(|name| (region, account, name))
            }
            _ => None,
        };
        let Some((region, account, name)) = good else {
            return Err(format!("`{text}` is not as `arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME`"));
        };
        let (region, account, name) = (region.to_owned(), account.to_owned(), name.to_owned());
        Ok(Self { text: text.to_owned(), region, account, name })
    }
}

/// Where a trail writes, as CloudTrail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailPlace {
    /// The bucket.
    pub bucket: String,
    /// What comes before `AWSLogs`, without a slash at its end.
    pub prefix: String,
    /// It is the trail of an organisation, whose id is part of the keys.
    pub is_organization: bool,
}

impl TrailArn {
    /// Asks CloudTrail where the trail writes (`cloudtrail:DescribeTrails`,
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html>).
    ///
    /// # Errors
    /// CloudTrail cannot be asked, or knows no such trail.
    pub async fn find(
        &self,
        access: &AwsAccess,
        environment: &Environment,
        now_us: fn() -> i64,
    ) -> Result<TrailPlace> {
        let access = AwsAccess { region: Some(self.region.clone()), ..access.clone() };
        let client = Client::new(&access, None, environment, now_us)?;
        let body = json!({"trailNameList": [self.text], "includeShadowTrails": true});
        let answer = client.action(Service::CloudTrail, "DescribeTrails", &body, TIMEOUT, MAX_BYTES).await?;
        let bad = |problem: &str| Error::BadAnswer {
            call: "cloudtrail:DescribeTrails".into(),
            problem: problem.to_owned(),
        };
        let trail = answer.pointer("/trailList/0");
        let trail = trail.ok_or_else(|| bad("it knows no such trail; give the bucket yourself"))?;
        let text = |name: &str| trail.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(TrailPlace {
            bucket: text("S3BucketName").ok_or_else(|| bad("there is no `S3BucketName`"))?,
            prefix: text("S3KeyPrefix").unwrap_or_default().trim_end_matches('/').to_owned(),
            is_organization: trail.get("IsOrganizationTrail").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart() {
        let arn: TrailArn =
            "arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/main".parse().unwrap();
        assert_eq!((arn.region.as_str(), arn.name.as_str()), ("us-gov-west-1", "main"));
        assert_eq!(arn.to_string(), "arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/main");
        for bad in [
            "main",
            "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/x",
            "arn:aws:cloudtrail:us-east-1:1111:trail/main",
            "arn:aws:s3:us-east-1:111122223333:trail/main",
            "arn:aws:cloudtrail:us-east-1:111122223333:trail/../x",
            "arn:aws:cloudtrail:evil.example.com:111122223333:trail/main",
        ] {
            assert!(bad.parse::<TrailArn>().is_err(), "{bad}");
        }
    }
}
