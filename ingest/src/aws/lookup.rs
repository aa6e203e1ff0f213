//! CloudTrail's `LookupEvents`: a trial without a bucket.
//!
//! Management events of the last 90 days in one region, 50 a page, two pages a second: enough to see a
//! quiet account within minutes, and never the main feed
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>).

use std::time::Duration;

use async_trait::async_trait;
use event::LogType;
use serde_json::{Value, json};

use super::client::Client;
use super::endpoint::Service;
use super::{AwsAccess, Environment};
use crate::list::{List, ListSource, Listed, Window, Windowing, seconds};
use crate::{Error, Result};

/// Two requests a second are allowed to an account and region; others may ask as well.
const GAP: Duration = Duration::from_millis(600);
const TIMEOUT: Duration = Duration::from_secs(30);
const PAGE: u32 = 50;
/// Fifty events of 256 KiB, each byte of which may be escaped.
const MAX_BYTES: usize = 64 << 20;
/// CloudTrail keeps events for 90 days.
const KEPT_S: i64 = 90 * 86_400;

/// How `LookupEvents` is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupEventsConfig {
    /// Who reads, and in which region.
    pub access: AwsAccess,
    /// How far back the first read begins: up to 90 days.
    pub lookback: Duration,
    /// How long after its time an event is expected to be listed.
    pub settle: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
    /// The longest window.
    pub window: Duration,
    /// The shortest window: how often is asked.
    pub every: Duration,
}

impl Default for LookupEventsConfig {
    fn default() -> Self {
        Self {
            access: AwsAccess::default(),
            lookback: Duration::from_secs(3_600),
            settle: Duration::from_secs(15 * 60),
            overlap: Duration::from_secs(30 * 60),
            window: Duration::from_secs(6 * 3_600),
            every: Duration::from_secs(300),
        }
    }
}

impl LookupEventsConfig {
    /// # Errors
    /// [`Error::BadSetting`] for the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        if seconds(self.lookback) > KEPT_S {
            let problem = "at most 90 days: CloudTrail keeps no more".into();
            return Err(Error::BadSetting { field: "lookback", problem });
        }
        Ok(())
    }

    /// Its list, not asked yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(&self, environment: &Environment, now_us: fn() -> i64) -> Result<ListSource> {
        self.check()?;
        let windowing = Windowing::of(self.settle, self.overlap, self.window, self.every, KEPT_S);
        let client = Client::new(&self.access, None, environment, now_us)?;
        let list = Box::new(LookupEvents { client, windowing });
        Ok(ListSource { lists: vec![list], lookback: self.lookback, gap: GAP, tokens: None, mend: |_| None })
    }
}

#[derive(Debug)]
struct LookupEvents {
    client: Client,
    windowing: Windowing,
}

#[async_trait]
impl List for LookupEvents {
    fn name(&self) -> &str {
        "lookup_events"
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::AwsCloudtrail)
    }

    fn origin(&self) -> String {
        format!("cloudtrail://{}/LookupEvents", self.client.region())
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    fn kept_s(&self) -> Option<i64> {
        Some(KEPT_S)
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let mut body = json!({
            "StartTime": window.start_s,
            "EndTime": window.end_s,
            "MaxResults": PAGE,
        });
        if let (Some(token), Some(members)) = (&window.token, body.as_object_mut()) {
            members.insert("NextToken".into(), token.clone().into());
        }
        let answer = self.client.action(Service::CloudTrail, "LookupEvents", &body, TIMEOUT, MAX_BYTES).await;
        let answer = match answer {
            Err(Error::Refused { code, .. })
                if code == "InvalidNextTokenException" && window.token.is_some() =>
            {
                return Ok(Listed::TokenEnded);
            }
            answer => answer?,
        };
        let events = answer.get("Events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // An item without the event itself is for `normalize` to judge.
        let text = |item: &Value| {
            let text = item.get("CloudTrailEvent").and_then(Value::as_str).map(str::to_owned);
            text.unwrap_or_else(|| item.to_string())
        };
        let next = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
        Ok(Listed::Page { records: events.iter().map(text).collect(), next })
    }
}
