//! A trail's digests in its bucket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime};
use serde_json::{Value, json};

use super::{ChainWalk, DigestReport, LogFile, PublicKeys, StoredDigest};
use crate::aws::client::Client;
use crate::aws::endpoint::Service;
use crate::aws::s3::S3;
use crate::aws::{AwsAccess, Environment, ObjectAddress};
use crate::{Error, Result};

/// The most that a digest or log file has, compressed.
pub(super) const MAX_BYTES: usize = 256 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pages of 1,000 digests: a century.
const MAX_PAGES: usize = 1_000;
/// A digest is delivered within the hour after the one that it is of.
const DELIVERY_S: i64 = 3_600;

/// Which trail's digests, as their keys tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// The bucket.
    pub bucket: String,
    /// What comes before `AWSLogs`, without a slash at its end; mostly empty.
    pub prefix: String,
    /// The organisation's id (`o-…`), for a trail of one.
    pub organization: Option<String>,
    /// The account whose events are logged.
    pub account: String,
    /// The region whose events are logged.
    pub region: String,
    /// The trail's name.
    pub name: String,
    /// The region that the trail was made in.
    pub home_region: String,
}

impl Trail {
    /// What the keys of all its digests begin with.
    pub fn folder(&self) -> String {
        let mut parts = vec![self.prefix.as_str(), "AWSLogs"];
        parts.extend(self.organization.as_deref());
        parts.extend([self.account.as_str(), "CloudTrail-Digest", &self.region, ""]);
        parts.retain(|part| !part.is_empty());
        format!("{}/", parts.join("/"))
    }

    /// The key of the digest that ends at `end_unix_s`.
    pub fn digest_key(&self, end_unix_s: i64) -> String {
        let end = DateTime::from_timestamp(end_unix_s, 0).unwrap_or_default();
        let Self { account, region, name, home_region, .. } = self;
        let time = end.format("%Y%m%dT%H%M%SZ");
        let day = end.format("%Y/%m/%d");
        format!(
            "{}{day}/{account}_CloudTrail-Digest_{region}_{name}_{home_region}_{time}.json.gz",
            self.folder()
        )
    }

    /// Whether `key` is of one of its digests.
    fn has(&self, key: &str) -> bool {
        let Self { account, region, name, home_region, .. } = self;
        let file = key.rsplit('/').next().unwrap_or_default();
        let start = format!("{account}_CloudTrail-Digest_{region}_{name}_{home_region}_");
        let rest = file.strip_prefix(&start).and_then(|rest| rest.strip_suffix(".json.gz"));
        // Nothing of another trail, whose name may begin with this one's.
        rest.is_some_and(|rest| !rest.trim_end_matches("_backfill").contains('_'))
            && key.starts_with(&self.folder())
    }
}

/// The end of a digest's hour in seconds since 1970, as its key has it.
pub(super) fn end_of_key(key: &str) -> Option<i64> {
    let file = key.rsplit('/').next()?.strip_suffix(".json.gz")?;
    let time = file.trim_end_matches("_backfill").rsplit('_').next()?;
    Some(NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").ok()?.and_utc().timestamp())
}

pub(super) fn is_backfill(key: &str) -> bool {
    key.ends_with("_backfill.json.gz")
}

/// A time in seconds since 1970 as people read it.
pub(super) fn key_time(unix_s: i64) -> String {
    DateTime::from_timestamp(unix_s, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What is validated, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailDigestsConfig {
    /// The trail.
    pub trail: Trail,
    /// Who reads. The region is the trail's, whatever is said here.
    pub access: AwsAccess,
    /// A file with public keys as `aws cloudtrail list-public-keys` prints them, instead of asking
    /// CloudTrail for them.
    pub public_keys: Option<PathBuf>,
    /// Whether log files are read and held against their hashes, or only listed.
    pub read_logs: bool,
}

impl Default for TrailDigestsConfig {
    fn default() -> Self {
        Self { trail: Trail::default(), access: AwsAccess::default(), public_keys: None, read_logs: true }
    }
}

/// Validates the digests of a trail.
#[derive(Debug)]
pub struct TrailDigests {
    config: TrailDigestsConfig,
    client: Arc<Client>,
    s3: S3,
}

impl TrailDigests {
    /// Opens it; nothing is called yet. `now_us` gives the time of day in microseconds since 1970.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(config: TrailDigestsConfig, environment: &Environment, now_us: fn() -> i64) -> Result<Self> {
        let access = AwsAccess { region: Some(config.trail.region.clone()), ..config.access.clone() };
        let client = Arc::new(Client::new(&access, None, environment, now_us)?);
        Ok(Self { config, s3: S3::new(client.clone()), client })
    }

    /// Validates what was delivered between two times, in seconds since 1970.
    ///
    /// # Errors
    /// A listing, the keys or an object cannot be read for another reason than that it is gone.
    pub async fn verify(&self, start_unix_s: i64, end_unix_s: i64) -> Result<DigestReport> {
        let keys = self.public_keys(start_unix_s, end_unix_s).await?;
        let bucket = &self.config.trail.bucket;
        let listed = self.list(bucket, start_unix_s, end_unix_s).await?;
        let (late, regular): (Vec<_>, Vec<_>) = listed.into_iter().partition(|key| is_backfill(key));
        let mut report = DigestReport::default();
        let mut walk = ChainWalk::new(bucket, regular, keys.clone(), start_unix_s, end_unix_s);
        self.walk(&mut walk, false, &mut report).await?;
        walk.finish(&mut report);
        // Files that the regular digests forgot; they prove more, and their absence nothing.
        let mut walk = ChainWalk::new(bucket, late, keys, start_unix_s, end_unix_s);
        self.walk(&mut walk, true, &mut report).await?;
        Ok(report)
    }

    async fn walk(&self, walk: &mut ChainWalk, is_late: bool, report: &mut DigestReport) -> Result<()> {
        while let Some(logs) = self.next_digest(walk, is_late, report).await? {
            for log in logs {
                if self.config.read_logs {
                    let stored = self.s3.get(&log.object, MAX_BYTES).await?;
                    let bytes = stored.map(|object| object.body);
                    let judged = log.clone();
                    let finding = tokio::task::spawn_blocking(move || judged.judge(bytes.as_deref()));
                    report.findings.push(
                        finding.await.map_err(|_| Error::ReaderFailed { origin: log.object.to_string() })?,
                    );
                }
                report.logs.push(log);
            }
        }
        Ok(())
    }

    /// Gives the walk the digest that it wants: the log files that this proves; `None` at its end. After an
    /// error, and where this is dropped, the walk stands where it stood.
    pub(super) async fn next_digest(
        &self,
        walk: &mut ChainWalk,
        is_late: bool,
        report: &mut DigestReport,
    ) -> Result<Option<Vec<LogFile>>> {
        let Some(wanted) = walk.wanted().cloned() else { return Ok(None) };
        let stored = self.digest(&wanted).await?;
        let (mut ahead, mut found) = (walk.clone(), DigestReport::default());
        let logs = ahead.give(stored, &mut found);
        // The trail wrote to another bucket before.
        let moved = ahead.wanted().map(|next| next.bucket.clone()).filter(|next| *next != wanted.bucket);
        if let Some(next) = moved {
            let (start, end) = ahead.span();
            let keys = self.list(&next, start, end).await?;
            ahead.relist(keys.into_iter().filter(|key| is_backfill(key) == is_late));
        }
        *walk = ahead;
        report.findings.append(&mut found.findings);
        Ok(Some(logs))
    }

    /// What is validated.
    pub(super) fn trail(&self) -> &Trail {
        &self.config.trail
    }

    /// An object as it is stored, and its entity tag; `None`: there is none.
    pub(super) async fn object(&self, object: &ObjectAddress) -> Result<Option<(Bytes, String)>> {
        let answer = self.s3.get(object, MAX_BYTES).await?;
        Ok(answer.map(|answer| {
            let e_tag = answer.header("etag").unwrap_or_default().trim_matches('"').to_owned();
            (answer.body, e_tag)
        }))
    }

    async fn digest(&self, object: &ObjectAddress) -> Result<Option<StoredDigest>> {
        let answer = self.s3.get(object, MAX_BYTES).await?;
        Ok(answer.map(|answer| StoredDigest {
            bytes: answer.body.to_vec(),
            signature: answer.header("x-amz-meta-signature").map(str::to_owned),
            algorithm: answer.header("x-amz-meta-signature-algorithm").map(str::to_owned),
        }))
    }

    /// The keys of the digests of a time, oldest first.
    pub(super) async fn list(&self, bucket: &str, start_unix_s: i64, end_unix_s: i64) -> Result<Vec<String>> {
        let trail = &self.config.trail;
        let folder = trail.folder();
        let mut after = trail.digest_key(start_unix_s - 60);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let (keys, has_more) = self.s3.list(bucket, &folder, &after).await?;
            let Some(last) = keys.last().cloned() else { break };
            let last_end = end_of_key(&last);
            found.extend(keys.into_iter().filter(|key| {
                let end = end_of_key(key);
                let is_asked = end.is_some_and(|end| (start_unix_s..=end_unix_s + DELIVERY_S).contains(&end));
                is_asked && trail.has(key)
            }));
            // Several trails lie in the folder, day after day.
            let is_past = last_end.is_some_and(|end| end > end_unix_s + DELIVERY_S + 86_400);
            if !has_more || is_past {
                break;
            }
            after = last;
        }
        Ok(found)
    }

    /// The keys that were in use, from the file or from CloudTrail.
    pub(super) async fn public_keys(&self, start_unix_s: i64, end_unix_s: i64) -> Result<PublicKeys> {
        let mut keys = PublicKeys::new();
        let bad = |problem| Error::BadAnswer { call: "cloudtrail:ListPublicKeys".into(), problem };
        if let Some(path) = &self.config.public_keys {
            let json =
                tokio::fs::read(path).await.map_err(|source| Error::File { path: path.clone(), source })?;
            keys.add_json(&json).map_err(|problem| Error::BadSetting {
                field: "public_keys",
                problem: format!("`{}` holds no keys: {problem}", path.display()),
            })?;
            return Ok(keys);
        }
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut body = json!({"StartTime": start_unix_s, "EndTime": end_unix_s + 2 * DELIVERY_S});
            if let (Some(token), Some(members)) = (&token, body.as_object_mut()) {
                members.insert("NextToken".into(), token.clone().into());
            }
            let answer =
                self.client.action(Service::CloudTrail, "ListPublicKeys", &body, TIMEOUT, MAX_BYTES).await?;
            keys.add_json(answer.to_string().as_bytes()).map_err(bad)?;
            token = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_and_recognised() {
        let trail = Trail {
            bucket: "logs".into(),
            prefix: "p/q".into(),
            organization: Some("o-1".into()),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            name: "main".into(),
            home_region: "us-east-1".into(),
        };
        let key = trail.digest_key(1_793_534_400);
        let file = "111122223333_CloudTrail-Digest_eu-west-1_main_us-east-1_20261101T120000Z.json.gz";
        let folder = "p/q/AWSLogs/o-1/111122223333/CloudTrail-Digest/eu-west-1/2026/11/01/";
        assert_eq!(key, format!("{folder}{file}"));
        assert_eq!(end_of_key(&key), Some(1_793_534_400));
        let late = key.replace(".json", "_backfill.json");
        assert_eq!(end_of_key(&late), Some(1_793_534_400));
        assert!(trail.has(&key) && trail.has(&late) && is_backfill(&late) && !is_backfill(&key));
        assert!(!trail.has(&key.replace("_main_us-east-1_", "_main_us-east-1_b_")));
        assert!(!Trail { name: "mai".into(), ..trail }.has(&key));
        assert_eq!(end_of_key("x/y"), None);
    }
}
