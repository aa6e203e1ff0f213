//! Findings of Security Command Center, as `findings.list` gives them.
//!
//! <https://cloud.google.com/security-command-center/docs/reference/rest/v2/organizations.sources.findings/list>.
//! A finding comes again whenever its state changes, with another `eventTime`. Notifications through Pub/Sub
//! are faster (docs/sources/gcp.md).

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use event::LogType;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Client, Service};
use super::logging::{is_resource, page, rfc3339};
use super::{Environment, GoogleAccess};
use crate::list::{List, Listed, Lists, Window, Windowing, seconds};
use crate::web::Call;
use crate::{Collector, Error, Polled, ReadOptions, Result};

/// As permissions name it.
pub(super) const LIST: &str = "securitycenter.findings.list";
const GAP: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(60);
const PAGE: u32 = 1_000;
const MAX_BYTES: usize = 128 << 20;
/// Findings are kept for 13 months.
const MAX_SPAN_S: i64 = 400 * 86_400;

/// How findings are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SccConfig {
    /// Who reads, and where.
    pub access: GoogleAccess,
    /// What is read: `organizations/ID`, `folders/ID` or `projects/ID`. Each is a list of its own.
    pub parents: Vec<String>,
    /// Where findings are kept: `global`, or a region of data residency; `None`: global, by the shorter name.
    pub location: Option<String>,
    /// How far back the first read begins.
    pub lookback: Duration,
    /// How long after its time a finding is expected to be listed.
    pub settle: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
    /// The longest window.
    pub window: Duration,
    /// The shortest window: how often is asked.
    pub every: Duration,
}

impl Default for SccConfig {
    fn default() -> Self {
        Self {
            access: GoogleAccess::default(),
            parents: Vec::new(),
            location: None,
            lookback: Duration::from_secs(7 * 86_400),
            settle: Duration::from_secs(120),
            overlap: Duration::from_secs(3_600),
            window: Duration::from_secs(86_400),
            every: Duration::from_secs(300),
        }
    }
}

impl SccConfig {
    /// # Errors
    /// [`Error::BadSetting`] for the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let bad = |field, problem: String| Err(Error::BadSetting { field, problem });
        if self.parents.is_empty() {
            return bad("parents", "name an organisation, folder or project".into());
        }
        for parent in &self.parents {
            let is_whole = parent.split('/').count() == 2 && !parent.starts_with("billingAccounts/");
            if !is_resource(parent) || !is_whole {
                let problem =
                    format!("`{parent}` is none of `organizations/ID`, `folders/ID`, `projects/ID`");
                return bad("parents", problem);
            }
        }
        let is_word = |text: &String| text.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
        if self.location.as_ref().is_some_and(|location| !is_word(location)) {
            return bad("location", "a location is a word such as `eu`".into());
        }
        Ok(())
    }
}

/// Reads findings window by window.
#[derive(Debug)]
pub struct SccCollector(Lists);

impl SccCollector {
    /// A collector that goes on at the saved `positions`. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub fn open(
        config: &SccConfig,
        environment: &Environment,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let lists = lists(config, environment, &options)?;
        Ok(Self(Lists::open(lists, config.lookback, GAP, positions, options)))
    }

    /// Reads the past in `span_us` (microseconds since 1970) once and ends.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn over(
        config: &SccConfig,
        environment: &Environment,
        span_us: &Range<i64>,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let lists = lists(config, environment, &options)?;
        Ok(Self(Lists::over(lists, span_us, GAP, positions, options)))
    }
}

fn lists(config: &SccConfig, environment: &Environment, options: &ReadOptions) -> Result<Vec<Box<dyn List>>> {
    config.check()?;
    let client = Client::new(&config.access, environment, options.now_us)?;
    let windowing = Windowing {
        settle_s: seconds(config.settle).min(MAX_SPAN_S),
        overlap_s: seconds(config.overlap).min(MAX_SPAN_S),
        length_s: seconds(config.window.max(config.every)).clamp(1, MAX_SPAN_S),
        step_s: seconds(config.every).clamp(1, MAX_SPAN_S),
    };
    let list = |parent: &String| {
        let sources = match &config.location {
            Some(location) => format!("{parent}/sources/-/locations/{location}"),
            None => format!("{parent}/sources/-"),
        };
        let client = client.clone();
        Box::new(Findings { client, name: parent.clone(), sources, windowing }) as Box<dyn List>
    };
    Ok(config.parents.iter().map(list).collect())
}

#[async_trait]
impl Collector for SccCollector {
    async fn poll(&mut self) -> Result<Polled> {
        self.0.poll().await
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        self.0.ack(tickets).await
    }
}

/// The findings of one parent, of all sources.
#[derive(Debug)]
struct Findings {
    client: Client,
    name: String,
    sources: String,
    windowing: Windowing,
}

/// A page; each result is a finding and its resource.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Page {
    list_findings_results: Vec<Box<RawValue>>,
    next_page_token: Option<String>,
}

#[async_trait]
impl List for Findings {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::GcpScc)
    }

    fn origin(&self) -> String {
        format!("securitycenter://{}", self.sources)
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let filter = format!(
            "event_time >= \"{}\" AND event_time < \"{}\"",
            rfc3339(window.start_s),
            rfc3339(window.end_s)
        );
        let mut url = self.client.url(Service::SecurityCenter, &format!("v2/{}/findings", self.sources))?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("filter", &filter).append_pair("orderBy", "event_time");
            query.append_pair("pageSize", &PAGE.to_string());
            if let Some(token) = &window.token {
                query.append_pair("pageToken", token);
            }
        }
        let call = Call { timeout: TIMEOUT, max_bytes: MAX_BYTES, ..Call::get(LIST, url) };
        page(self.client.send(call).await?.accepted(LIST), window, LIST, |bytes| {
            let page: Page = serde_json::from_slice(bytes)?;
            Ok((page.list_findings_results, page.next_page_token))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_checked() {
        let config = |parent: &str| SccConfig { parents: vec![parent.into()], ..SccConfig::default() };
        assert!(config("organizations/123").check().is_ok());
        for bad in ["123", "billingAccounts/1", "organizations/1/sources/2", "organizations/1?x"] {
            assert!(config(bad).check().is_err(), "{bad}");
        }
        let placed = SccConfig { location: Some("eu/x".into()), ..config("projects/p") };
        assert!(placed.check().is_err());
    }
}
