//! The unified audit log of Microsoft 365, by its Management Activity API.
//!
//! <https://learn.microsoft.com/en-us/office/office-365-management-api/office-365-management-activity-api-reference>.
//! A list of each content type names contents by when they became available; each content is read by itself.
//! A content type that nobody subscribed to is subscribed to; what happened before is not there then.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use event::LogType;
use futures::StreamExt;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::client::{Client, is_token_ended, time};
use super::{AzureAccess, AzureTimes, mend};
use crate::list::{List, ListPurpose, ListSource, Listed, Window, Windowing};
use crate::web::Call;
use crate::{Environment, Error, Result};

/// What there is to read; the last needs a permission of its own.
pub const CONTENT_TYPES: [&str; 5] =
    ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"];

/// 2,000 requests a minute are allowed at least; most of them are for contents.
const GAP: Duration = Duration::from_millis(100);
/// Content is kept for 7 days and listed for at most 24 hours at once.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// How many contents are read for one batch, and how many of them at once.
const CONTENTS: usize = 24;
const AT_ONCE: usize = 4;
/// A batch is handed out once it is so large.
const BATCH_BYTES: usize = 8 << 20;
/// How many contents of a page are remembered as read in the position; of those beyond, some come twice
/// after a kill.
const DONE: usize = 1_200;
/// How many contents are remembered as read while the collector runs.
const RECENT: usize = 50_000;

/// How the Management Activity API is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementActivityConfig {
    /// Who reads. The tenant must be given by its id.
    pub access: AzureAccess,
    /// Where the API is; also what the token is for.
    pub endpoint: String,
    /// Of [`CONTENT_TYPES`].
    pub content_types: Vec<String>,
    /// Whether missing subscriptions are started.
    pub subscribe: bool,
    /// The tenant of whoever runs this, for the quota; otherwise the tenant that is read.
    pub publisher: Option<String>,
    /// When it is asked.
    pub times: AzureTimes,
}

impl Default for ManagementActivityConfig {
    fn default() -> Self {
        Self {
            access: AzureAccess::default(),
            endpoint: "https://manage.office.com".into(),
            content_types: CONTENT_TYPES.iter().take(4).map(|name| (*name).to_owned()).collect(),
            subscribe: true,
            publisher: None,
            times: AzureTimes {
                lookback: Duration::from_secs(24 * 3_600),
                every: Duration::from_secs(300),
                settle: Duration::from_secs(120),
                overlap: Duration::from_secs(3_600),
            },
        }
    }
}

impl ManagementActivityConfig {
    /// A list for each content type, not asked yet. A check does not subscribe to anything.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(
        &self,
        environment: &Environment,
        purpose: ListPurpose,
        now_us: fn() -> i64,
    ) -> Result<ListSource> {
        let bad = |field, problem: String| Error::BadSetting { field, problem };
        if self.content_types.is_empty() {
            return Err(bad("content_types", "name one at least".into()));
        }
        if let Some(odd) = self.content_types.iter().find(|name| !CONTENT_TYPES.contains(&name.as_str())) {
            let known = CONTENT_TYPES.join(", ");
            return Err(bad("content_types", format!("`{odd}` is none of {known}")));
        }
        let is_id = |text: &str| text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let tenant =
            self.access.tenant.clone().or_else(|| environment.get("AZURE_TENANT_ID").map(str::to_owned));
        let tenant = tenant.filter(|tenant| is_id(tenant));
        let tenant = tenant
            .ok_or_else(|| bad("tenant", "give the tenant's id; its domain does not do here".into()))?;
        let publisher = self.publisher.clone().unwrap_or_else(|| tenant.clone());
        if !is_id(&publisher) {
            return Err(bad("publisher", "it is no id of a tenant".into()));
        }
        let client = Client::new(&self.access, environment, &self.endpoint, now_us)?;
        let tokens = Some(client.tokens());
        let subscribe = match (self.subscribe, purpose) {
            (false, _) => Subscribe::Never,
            (true, ListPurpose::Check) => Subscribe::Later,
            (true, _) => Subscribe::Now,
        };
        let path = format!("api/v1.0/{tenant}/activity/feed");
        let feed = Feed { client, path, publisher, subscribe };
        let windowing = self.times.windowing(LONGEST, KEPT);
        let list = |name: &String| {
            Box::new(Contents {
                feed: feed.clone(),
                content_type: name.clone(),
                windowing,
                now_us,
                listing: None,
                recent: HashSet::new(),
                order: VecDeque::new(),
            }) as Box<dyn List>
        };
        let lists = self.content_types.iter().map(list).collect();
        Ok(ListSource { lists, lookback: self.times.lookback, gap: GAP, tokens, mend })
    }
}

/// What becomes of a content type that nobody subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscribe {
    /// It is an error.
    Never,
    /// It is subscribed to.
    Now,
    /// It will be; nothing is listed yet.
    Later,
}

/// A tenant's feed.
#[derive(Debug, Clone)]
struct Feed {
    client: Client,
    path: String,
    publisher: String,
    subscribe: Subscribe,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
struct Listing {
    /// What it was asked with.
    window: (i64, i64),
    page: Option<String>,
    entries: Vec<Entry>,
    next: Option<String>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Short, and as good as its id.
    key: String,
    address: String,
    /// The entry itself.
    text: String,
}

/// Where in a window one is: the token of [`Window`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    /// The address of the page; `None`: the first.
    page: Option<String>,
    /// The keys of its entries that are read.
    done: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedContent {
    content_id: String,
    content_uri: String,
}

impl Feed {
    fn with_publisher(&self, mut url: Url) -> Url {
        if !url.query_pairs().any(|(name, _)| name == "PublisherIdentifier") {
            url.query_pairs_mut().append_pair("PublisherIdentifier", &self.publisher);
        }
        url
    }

    async fn list(&self, content_type: &str, window: (i64, i64), page: Option<&str>) -> Result<Listing> {
        const CALL: &str = "subscriptions/content";
        let url = match page {
            Some(page) => self.client.own(CALL, page)?,
            None => {
                let [start, end] = [window.0, window.1].map(|at| time(at).trim_end_matches('Z').to_owned());
                let query = format!("contentType={content_type}&startTime={start}&endTime={end}");
                self.client.url(&format!("{}/subscriptions/content", self.path), &query)
            }
        };
        let url = self.with_publisher(url);
        let answer = match self.client.get(CALL, url.clone()).await {
            // Nobody subscribed, or the subscription was stopped.
            Err(Error::Refused { code, .. })
                if self.subscribe != Subscribe::Never && ["AF20022", "AF20023"].contains(&code.as_str()) =>
            {
                if self.subscribe == Subscribe::Later {
                    return Ok(Listing { window, page: page.map(str::to_owned), ..Listing::default() });
                }
                self.start(content_type).await?;
                self.client.get(CALL, url).await?
            }
            answer => answer?,
        };
        let bad = |problem: String| Error::BadAnswer { call: CALL.into(), problem };
        let next = answer.header("NextPageUri").filter(|next| !next.is_empty()).map(str::to_owned);
        let texts: Vec<&RawValue> = match answer.body.is_empty() {
            true => Vec::new(),
            false => serde_json::from_slice(&answer.body).map_err(|error| bad(error.to_string()))?,
        };
        let entries: Result<Vec<_>> = texts
            .into_iter()
            .map(|text| {
                let listed: ListedContent =
                    serde_json::from_str(text.get()).map_err(|error| bad(error.to_string()))?;
                let key = digest(&SHA256, listed.content_id.as_bytes());
                let key = key.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                Ok(Entry { key, address: listed.content_uri, text: text.get().to_owned() })
            })
            .collect();
        Ok(Listing { window, page: page.map(str::to_owned), entries: entries?, next })
    }

    async fn start(&self, content_type: &str) -> Result<()> {
        let path = format!("{}/subscriptions/start", self.path);
        let url = self.with_publisher(self.client.url(&path, &format!("contentType={content_type}")));
        let mut call = Call::get("subscriptions/start", url);
        call.method = reqwest::Method::POST;
        match self.client.send(call).await {
            // Another one was faster.
            Err(Error::Refused { code, .. }) if code == "AF20024" => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// The records of a content. What is gone is told by its entry, which becomes a dead letter.
    async fn read(&self, entry: &Entry) -> Result<Vec<String>> {
        const CALL: &str = "audit content";
        let url = self.with_publisher(self.client.own(CALL, &entry.address)?);
        let answer = match self.client.get(CALL, url).await {
            Err(Error::Refused { code, .. }) if ["AF20050", "AF20051"].contains(&code.as_str()) => {
                return Ok(vec![entry.text.clone()]);
            }
            answer => answer?,
        };
        let records: Vec<&RawValue> = serde_json::from_slice(&answer.body)
            .map_err(|error| Error::BadAnswer { call: CALL.into(), problem: error.to_string() })?;
        Ok(records.into_iter().map(|record| record.get().to_owned()).collect())
    }
}

/// The contents of one type.
#[derive(Debug)]
struct Contents {
    feed: Feed,
    content_type: String,
    windowing: Windowing,
    now_us: fn() -> i64,
    /// The page that is being read.
    listing: Option<Listing>,
    /// Contents that were handed out, so that what windows have in common is read once.
    recent: HashSet<String>,
    order: VecDeque<String>,
}

impl Contents {
    fn remember(&mut self, key: &str) {
        if self.recent.insert(key.to_owned()) {
            self.order.push_back(key.to_owned());
        }
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// The page at `place`, kept from the last time or listed again.
    async fn listing(&self, window: (i64, i64), place: &Place) -> Result<Listing> {
        let kept = self.listing.as_ref();
        match kept.filter(|kept| kept.window == window && kept.page == place.page) {
            Some(kept) => Ok(kept.clone()),
            None => self.feed.list(&self.content_type, window, place.page.as_deref()).await,
        }
    }
}

#[async_trait]
impl List for Contents {
    fn name(&self) -> &str {
        &self.content_type
    }

    fn grant(&self) -> String {
        let permission =
            if self.content_type == "DLP.All" { "ActivityFeed.ReadDlp" } else { "ActivityFeed.Read" };
        permission.to_owned()
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::M365Audit)
    }

    fn origin(&self) -> String {
        format!("microsoft-365://{}", self.content_type)
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    fn kept_s(&self) -> Option<i64> {
        Some(crate::list::seconds(KEPT))
    }

    fn service_s(&self) -> Option<i64> {
        self.feed.client.service_s()
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let mut place: Place = match &window.token {
            Some(token) => match serde_json::from_str(token) {
                Ok(place) => place,
                Err(_) => return Ok(Listed::TokenEnded),
            },
            None => Place::default(),
        };
        // An earlier start is refused; a little of it is gone before it is asked for.
        let oldest_s = (self.now_us)() / 1_000_000 - crate::list::seconds(KEPT) + 600;
        let span = (window.start_s.max(oldest_s), window.end_s);
        if span.0 >= span.1 {
            return Ok(Listed::Page { records: Vec::new(), next: None });
        }
        // The second of the end is the next window's, except that windows overlap.
        let listing = match self.listing(span, &place).await {
            Err(error) if place.page.is_some() && is_token_ended(&error) => return Ok(Listed::TokenEnded),
            listing => listing?,
        };
        let is_done = |entry: &&Entry| place.done.contains(&entry.key) || self.recent.contains(&entry.key);
        let todo: Vec<Entry> = listing.entries.iter().filter(|entry| !is_done(entry)).cloned().collect();
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut read = Vec::new();
        let total = todo.len();
        let reads = todo.into_iter().take(CONTENTS).map(|entry| {
            let feed = self.feed.clone();
            async move { (feed.read(&entry).await, entry.key) }
        });
        let mut contents = futures::stream::iter(reads).buffered(AT_ONCE);
        while let Some((content, key)) = contents.next().await {
            let content = match content {
                Ok(content) => content,
                Err(error) if read.is_empty() => return Err(error),
                // It is the first of the next batch, and fails there if it still does.
                Err(_) => break,
            };
            bytes += content.iter().map(String::len).sum::<usize>();
            records.extend(content);
            read.push(key);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        drop(contents);
        let is_all = read.len() == total;
        for key in &read {
            self.remember(key);
        }
        let next = match (is_all, &listing.next) {
            (true, None) => None,
            (true, Some(next)) => Some(Place { page: Some(next.clone()), done: Vec::new() }),
            (false, _) => {
                place.done.extend(read);
                place.done.drain(..place.done.len().saturating_sub(DONE));
                Some(place)
            }
        };
        self.listing = next.is_some().then_some(listing);
        let next = next.map(|place| serde_json::to_string(&place)).transpose();
        let next = next.map_err(|error| Error::BadAnswer {
            call: self.content_type.clone(),
            problem: error.to_string(),
        })?;
        Ok(Listed::Page { records, next })
    }
}
