//! CloudTrail's `LookupEvents`: a trial without a bucket.
//!
//! Management events of the last 90 days in one region, 50 a page, two pages a second: enough to see a
//! quiet account within minutes, and never the main feed
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>).

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use event::{LogType, RawBatchBuilder, RawRecord};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Client;
use super::endpoint::Service;
use super::window::{Progress, Window, Windowing};
use super::{AwsAccess, Environment};
use crate::{Collected, Collector, Error, Polled, PositionChange, ReadOptions, Result};

/// Two requests a second are allowed to an account and region; others may ask as well.
const GAP: Duration = Duration::from_millis(600);
const TIMEOUT: Duration = Duration::from_secs(30);
const PAGE: u32 = 50;
/// Fifty events of 256 KiB, each byte of which may be escaped.
const MAX_BYTES: usize = 64 << 20;
/// How long a poll waits where there is nothing to ask yet.
const PATIENCE: Duration = Duration::from_secs(10);
const POSITION: &str = "lookup_events";
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

/// Reads `LookupEvents` window by window.
#[derive(Debug)]
pub struct LookupEventsCollector {
    options: ReadOptions,
    client: Client,
    windowing: Windowing,
    progress: Progress,
    next_ticket: u64,
    /// No request before.
    not_before: Instant,
}

impl LookupEventsCollector {
    /// A collector that goes on at the saved `positions`. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(
        config: &LookupEventsConfig,
        environment: &Environment,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let windowing = Windowing {
            settle_s: seconds(config.settle).min(KEPT_S),
            overlap_s: seconds(config.overlap).min(KEPT_S),
            length_s: seconds(config.window.max(config.every)).clamp(1, KEPT_S),
            step_s: seconds(config.every).clamp(1, KEPT_S),
        };
        if seconds(config.lookback) > KEPT_S {
            let problem = "at most 90 days: CloudTrail keeps no more".into();
            return Err(Error::BadSetting { field: "lookback", problem });
        }
        let client = Client::new(&config.access, None, environment, options.now_us)?;
        let saved = positions.get(POSITION).and_then(|text| Progress::from_text(text));
        let start_s = client.now_us() / 1_000_000 - windowing.settle_s - seconds(config.lookback);
        Ok(Self {
            progress: saved.unwrap_or_else(|| Progress::from(start_s)),
            options,
            client,
            windowing,
            next_ticket: 0,
            not_before: Instant::now(),
        })
    }

    async fn page(&mut self, window: &Window) -> Result<Value> {
        tokio::time::sleep_until(self.not_before).await;
        self.not_before = Instant::now() + GAP;
        let mut body = json!({
            "StartTime": window.start_s,
            "EndTime": window.end_s,
            "MaxResults": PAGE,
        });
        if let (Some(token), Some(members)) = (&window.token, body.as_object_mut()) {
            members.insert("NextToken".into(), token.clone().into());
        }
        self.client.action(Service::CloudTrail, "LookupEvents", &body, TIMEOUT, MAX_BYTES).await
    }
}

#[async_trait]
impl Collector for LookupEventsCollector {
    async fn poll(&mut self) -> Result<Polled> {
        let Some(window) = self.progress.next(&self.windowing, self.client.now_us() / 1_000_000) else {
            tokio::time::sleep(PATIENCE).await;
            return Ok(Polled::Idle);
        };
        let answer = match self.page(&window).await {
            // Tokens end; the same events come again then, and are known by their ids.
            Err(Error::Refused { code, .. })
                if code == "InvalidNextTokenException" && window.token.is_some() =>
            {
                self.progress.rewind();
                return Ok(Polled::Idle);
            }
            answer => answer?,
        };
        let events = answer.get("Events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut batch = RawBatchBuilder::with_capacity(0);
        for (place, item) in events.iter().enumerate() {
            let number = window.records + place as u64;
            let text = item.get("CloudTrailEvent").and_then(Value::as_str).map(str::to_owned);
            // An item without the event itself is for `normalize` to judge.
            let text = text.unwrap_or_else(|| item.to_string());
            let reject = (text.len() > self.options.limits.record_bytes)
                .then(|| format!("too_large: {} bytes", text.len()));
            let record = RawRecord { bytes: text.as_bytes(), number, reject: reject.as_deref() };
            if !batch.push(record) {
                return Err(Error::BadAnswer {
                    call: "cloudtrail:LookupEvents".into(),
                    problem: "a page has more than 4 GiB".into(),
                });
            }
        }
        let token = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
        self.progress.page(events.len() as u64, token);
        self.next_ticket += 1;
        let region = self.client.region();
        let origin = format!("cloudtrail://{region}/LookupEvents/{}-{}", window.start_s, window.end_s);
        let options = &self.options;
        let log_type = options.log_type.or(Some(LogType::AwsCloudtrail));
        let batch = (!batch.is_empty())
            .then(|| batch.finish(options.source.clone(), log_type, origin, (options.now_us)()));
        let position = vec![PositionChange { key: POSITION.into(), value: Some(self.progress.to_text()) }];
        Ok(Polled::Collected(Collected { batch, position, ticket: self.next_ticket }))
    }

    async fn ack(&mut self, _tickets: &[u64]) -> Result<()> {
        // The position is all there is.
        Ok(())
    }
}
