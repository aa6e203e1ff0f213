//! Cloud Logging's `entries.list`: a start without a sink, and for what a sink did not send.
//!
//! <https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list>: a page of up to 1,000 entries,
//! 60 requests a minute and project; whoever has more uses a sink.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use event::LogType;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Client, Service};
use super::{Environment, GoogleAccess, mend};
use crate::list::{List, ListSource, Listed, Window, Windowing, seconds};
use crate::web::Call;
use crate::{Error, Result};

/// Audit logs of every kind: admin activity, data access, system events, denied by policy.
pub const AUDIT_FILTER: &str = "logName:\"cloudaudit.googleapis.com\"";

/// As permissions name it.
pub(super) const LIST: &str = "logging.logEntries.list";
/// Sixty requests a minute; people ask as well.
const GAP: Duration = Duration::from_millis(1_500);
const TIMEOUT: Duration = Duration::from_secs(90);
const PAGE: u32 = 1_000;
/// A page of the largest audit entries would be 512 MB; Google cuts pages far earlier.
const MAX_BYTES: usize = 128 << 20;
/// The longest filter that Google takes, less what is added.
const MAX_FILTER: usize = 19_000;
/// A year and more: the longest that a bucket for logs is likely to keep.
const MAX_SPAN_S: i64 = 400 * 86_400;

/// How `entries.list` is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Who reads, and where.
    pub access: GoogleAccess,
    /// What is read: `projects/ID`, `folders/ID`, `organizations/ID`, `billingAccounts/ID`, or a view below
    /// one of them. Each is a list of its own.
    pub resources: Vec<String>,
    /// Which entries, in Cloud Logging's query language; times are added. Empty: all.
    pub filter: String,
    /// How far back the first read begins.
    pub lookback: Duration,
    /// How long after its time an entry is expected to be listed.
    pub settle: Duration,
    /// How far each window reaches back into the one before.
    pub overlap: Duration,
    /// The longest window.
    pub window: Duration,
    /// The shortest window: how often is asked.
    pub every: Duration,
    /// How long the bucket keeps its entries; what was not read for longer is a gap. `None`: it is not known.
    pub kept: Option<Duration>,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            access: GoogleAccess::default(),
            resources: Vec::new(),
            filter: AUDIT_FILTER.into(),
            lookback: Duration::from_secs(3_600),
            settle: Duration::from_secs(120),
            overlap: Duration::from_secs(900),
            window: Duration::from_secs(6 * 3_600),
            every: Duration::from_secs(60),
            kept: None,
        }
    }
}

impl LoggingConfig {
    /// # Errors
    /// [`Error::BadSetting`] for the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let bad = |field, problem: String| Err(Error::BadSetting { field, problem });
        if self.resources.is_empty() {
            return bad("resources", "name a project, folder or organisation".into());
        }
        for resource in &self.resources {
            if !is_resource(resource) {
                let problem = format!(
                    "`{resource}` is none of `projects/ID`, `folders/ID`, `organizations/ID`, \
                     `billingAccounts/ID`, or a view below one"
                );
                return bad("resources", problem);
            }
        }
        if self.filter.len() > MAX_FILTER {
            return bad("filter", format!("it is longer than {MAX_FILTER} bytes"));
        }
        Ok(())
    }

    /// A list for each resource, not asked yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub fn lists(&self, environment: &Environment, now_us: fn() -> i64) -> Result<ListSource> {
        self.check()?;
        let client = Client::new(&self.access, environment, now_us)?;
        let windowing = Windowing::of(self.settle, self.overlap, self.window, self.every, MAX_SPAN_S);
        let list = |resource: &String| {
            let (client, resource, filter) = (client.clone(), resource.clone(), self.filter.clone());
            let kept_s = self.kept.map(seconds);
            Box::new(Entries { client, resource, filter, windowing, kept_s }) as Box<dyn List>
        };
        let lists = self.resources.iter().map(list).collect();
        let (lookback, tokens) = (self.lookback, Some(client.tokens().clone()));
        Ok(ListSource { lists, lookback, gap: GAP, tokens, mend })
    }
}

/// Whether `text` names something that has logs, or findings.
pub(super) fn is_resource(text: &str) -> bool {
    let mut parts = text.split('/');
    let kinds = ["projects", "folders", "organizations", "billingAccounts"];
    parts.next().is_some_and(|kind| kinds.contains(&kind))
        && text.split('/').count().is_multiple_of(2)
        && text.split('/').all(|part| {
            !part.is_empty()
                && part.chars().all(|char| char.is_ascii_alphanumeric() || "-._:".contains(char))
                && part != ".."
        })
}

/// The entries of one resource.
#[derive(Debug)]
struct Entries {
    client: Client,
    resource: String,
    filter: String,
    windowing: Windowing,
    kept_s: Option<i64>,
}

/// A page, with the entries as they were written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Page {
    entries: Vec<Box<RawValue>>,
    next_page_token: Option<String>,
}

#[async_trait]
impl List for Entries {
    fn name(&self) -> &str {
        &self.resource
    }

    fn grant(&self) -> String {
        LIST.to_owned()
    }

    fn log_type(&self) -> Option<LogType> {
        None
    }

    fn origin(&self) -> String {
        format!("logging://{}", self.resource)
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    fn kept_s(&self) -> Option<i64> {
        self.kept_s
    }

    fn service_s(&self) -> Option<i64> {
        self.client.service_s()
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let mut filter =
            format!("timestamp>=\"{}\" AND timestamp<\"{}\"", rfc3339(window.start_s), rfc3339(window.end_s));
        if !self.filter.trim().is_empty() {
            filter.push_str(&format!(" AND ({})", self.filter));
        }
        let mut body = json!({
            "resourceNames": [self.resource],
            "filter": filter,
            "orderBy": "timestamp asc",
            "pageSize": PAGE,
        });
        if let (Some(token), Some(members)) = (&window.token, body.as_object_mut()) {
            members.insert("pageToken".into(), token.clone().into());
        }
        let url = self.client.url(Service::Logging, "v2/entries:list")?;
        let call = Call { timeout: TIMEOUT, max_bytes: MAX_BYTES, ..Call::post_json(LIST, url, &body) };
        page(self.client.send(call).await?.accepted(LIST), window, LIST, |bytes| {
            let page: Page = serde_json::from_slice(bytes)?;
            Ok((page.entries, page.next_page_token))
        })
    }
}

/// What an answer lists. A token lives for a day and is then an argument that cannot be.
pub(super) fn page(
    answer: Result<crate::web::Answer>,
    window: &Window,
    call: &str,
    read: impl FnOnce(&[u8]) -> serde_json::Result<(Vec<Box<RawValue>>, Option<String>)>,
) -> Result<Listed> {
    let answer = match answer {
        Err(Error::Refused { status: 400, code, .. })
            if code == "INVALID_ARGUMENT" && window.token.is_some() =>
        {
            return Ok(Listed::TokenEnded);
        }
        answer => answer?,
    };
    let (records, next) = read(&answer.body)
        .map_err(|error| Error::BadAnswer { call: call.to_owned(), problem: error.to_string() })?;
    let records = records.iter().map(|record| record.get().to_owned()).collect();
    Ok(Listed::Page { records, next: next.filter(|token| !token.is_empty()) })
}

/// Seconds since 1970 as Google's filters take them.
pub(super) fn rfc3339(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_and_filters_are_checked() {
        for good in [
            "projects/p-1",
            "projects/example.com:p",
            "organizations/123",
            "folders/1/locations/global/buckets/_Default/views/_AllLogs",
        ] {
            assert!(is_resource(good), "{good}");
        }
        for bad in ["", "p", "projects/", "projects/a/b", "projects/../x", "users/1", "projects/a?b"] {
            assert!(!is_resource(bad), "{bad}");
        }
        let config = |filter: &str| LoggingConfig {
            resources: vec!["projects/p".into()],
            filter: filter.into(),
            ..LoggingConfig::default()
        };
        assert!(config(AUDIT_FILTER).check().is_ok() && config("").check().is_ok());
        assert!(config(&"x".repeat(20_000)).check().is_err());
        assert_eq!(rfc3339(1_700_000_000), "2023-11-14T22:13:20Z");
    }
}
