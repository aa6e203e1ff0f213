//! Findings of Security Command Center, as `findings.list` gives them.
//!
//! <https://cloud.google.com/security-command-center/docs/reference/rest/v2/organizations.sources.findings/list>.
//! A finding comes again whenever its state changes, with another `eventTime`. Notifications through Pub/Sub
//! are faster (docs/sources/gcp.md).

use std::time::Duration;

use async_trait::async_trait;
use event::LogType;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Client, Service};
use super::logging::{is_resource, page, rfc3339};
use super::{Environment, GoogleAccess, mend};
use crate::list::{List, ListSource, Listed, Window, Windowing};
use crate::web::Call;
use crate::{Error, Result};

/// As permissions name it.
pub(super) const LIST: &str = "securitycenter.findings.list";
const GAP: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(60);
const PAGE: u32 = 1_000;
const MAX_BYTES: usize = 128 << 20;
/// Findings are kept for 13 months.
const MAX_SPAN_S: i64 = 400 * 86_400;
const KEPT_S: i64 = 395 * 86_400;

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

    /// A list for each parent, not asked yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub fn lists(&self, environment: &Environment, now_us: fn() -> i64) -> Result<ListSource> {
        self.check()?;
        let client = Client::new(&self.access, environment, now_us)?;
        let windowing = Windowing::of(self.settle, self.overlap, self.window, self.every, MAX_SPAN_S);
        let list = |parent: &String| {
            let sources = match &self.location {
                Some(location) => format!("{parent}/sources/-/locations/{location}"),
                None => format!("{parent}/sources/-"),
            };
            let client = client.clone();
            Box::new(Findings { client, name: parent.clone(), sources, windowing }) as Box<dyn List>
        };
        let lists = self.parents.iter().map(list).collect();
        let (lookback, tokens) = (self.lookback, Some(client.tokens().clone()));
        Ok(ListSource { lists, lookback, gap: GAP, tokens, mend })
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

    fn grant(&self) -> String {
        LIST.to_owned()
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

    fn kept_s(&self) -> Option<i64> {
        Some(KEPT_S)
    }

    fn service_s(&self) -> Option<i64> {
        self.client.service_s()
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
