//! Azure's activity log, as Resource Manager lists it: a trial without a diagnostic setting, and the past.
//!
//! <https://learn.microsoft.com/en-us/rest/api/monitor/activity-logs/list>. A list for each subscription,
//! and one for what belongs to none. Events appear 3 to 20 minutes late and are kept for 90 days.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use event::LogType;
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Client, is_token_ended, page_of, time};
use super::{AzureAccess, AzureTimes, mend};
use crate::check::Checks;
use crate::list::{List, ListSource, Listed, Lists, Window, Windowing};
use crate::{CheckStep, Collector, Environment, Error, Polled, ReadOptions, Result};

/// Resource Manager refills 25 reads a second for an identity and subscription; others ask as well.
const GAP: Duration = Duration::from_millis(200);
const KEPT: Duration = Duration::from_secs(90 * 86_400);
const LONGEST: Duration = Duration::from_secs(12 * 3_600);
/// How long is waited after one could not look for subscriptions; those that are known are read meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// More subscriptions are not asked for: at this gap they would not be asked in time.
const MAX_SUBSCRIPTIONS: usize = 10_000;

/// As permissions name them.
const LOOK: &str = "Microsoft.Resources/subscriptions/read";
const LIST: &str = "Microsoft.Insights/eventtypes/values/read";

/// How the activity log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityLogConfig {
    /// Who reads.
    pub access: AzureAccess,
    /// Where Resource Manager is; also what the token is for.
    pub endpoint: String,
    /// Subscriptions by their ids; without any, all that the identity sees.
    pub subscriptions: Vec<String>,
    /// How often is looked for these.
    pub look_every: Duration,
    /// Whether the log of the tenant is read as well: what belongs to no subscription.
    pub tenant_log: bool,
    /// When it is asked.
    pub times: AzureTimes,
}

impl Default for ActivityLogConfig {
    fn default() -> Self {
        Self {
            access: AzureAccess::default(),
            endpoint: "https://management.azure.com".into(),
            subscriptions: Vec::new(),
            look_every: Duration::from_secs(600),
            tenant_log: false,
            times: AzureTimes {
                lookback: Duration::from_secs(3_600),
                every: Duration::from_secs(300),
                settle: Duration::from_secs(20 * 60),
                overlap: Duration::from_secs(3_600),
            },
        }
    }
}

/// Reads the activity log window by window.
#[derive(Debug)]
pub struct ActivityLogCollector {
    lists: Lists,
    client: Client,
    config: ActivityLogConfig,
    now_us: fn() -> i64,
    /// When subscriptions are looked for; `None`: never again.
    look_at: Option<Instant>,
    /// Whether some are known.
    has_looked: bool,
    /// The last look at the subscriptions failed.
    look_failed: bool,
    is_backfill: bool,
}

impl ActivityLogCollector {
    /// A collector that goes on at the saved `positions`. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(
        config: &ActivityLogConfig,
        environment: &Environment,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let now_us = options.now_us;
        let lists = Lists::open(Vec::new(), config.times.lookback, GAP, positions, options);
        Self::over(lists, config, environment, now_us, false)
    }

    /// Reads what happened in `span_us` (microseconds since 1970, at most 90 days ago) once and ends.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn backfill(
        config: &ActivityLogConfig,
        environment: &Environment,
        span_us: &Range<i64>,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let now_us = options.now_us;
        let lists = Lists::over(Vec::new(), span_us, GAP, positions, options);
        Self::over(lists, config, environment, now_us, true)
    }

    fn over(
        lists: Lists,
        config: &ActivityLogConfig,
        environment: &Environment,
        now_us: fn() -> i64,
        is_backfill: bool,
    ) -> Result<Self> {
        if let Some(odd) = config.subscriptions.iter().find(|id| !is_id(id)) {
            let problem = format!("`{odd}` is no id of a subscription");
            return Err(Error::BadSetting { field: "subscriptions", problem });
        }
        let client = Client::new(&config.access, environment, &config.endpoint, now_us)?;
        let mut collector = Self {
            lists,
            client,
            config: config.clone(),
            now_us,
            look_at: None,
            has_looked: false,
            look_failed: false,
            is_backfill,
        };
        if config.subscriptions.is_empty() {
            collector.look_at = Some(Instant::now());
        } else {
            collector.ask(&config.subscriptions);
        }
        Ok(collector)
    }

    fn ask(&mut self, subscriptions: &[String]) {
        self.lists.replace(lists(&self.config, &self.client, subscriptions, self.now_us));
    }
}

fn lists(
    config: &ActivityLogConfig,
    client: &Client,
    subscriptions: &[String],
    now_us: fn() -> i64,
) -> Vec<Box<dyn List>> {
    let windowing = config.times.windowing(LONGEST, KEPT);
    let tenant = config.tenant_log.then_some(None);
    let all = subscriptions.iter().map(|id| Some(id.to_ascii_lowercase())).chain(tenant);
    let list = |subscription: Option<String>| {
        let name = subscription.as_ref().map_or_else(|| "tenant".into(), |id| format!("subscriptions/{id}"));
        let path = subscription.map_or_else(String::new, |id| format!("subscriptions/{id}/"));
        let client = client.clone();
        Box::new(Events { client, name, path, windowing, now_us }) as Box<dyn List>
    };
    all.map(list).collect()
}

/// Tries everything that the collector needs, and changes nothing: a token, the subscriptions if they are
/// looked for, and the log of each and of the tenant.
pub async fn check_activity_log(
    config: &ActivityLogConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut checks = Checks::default();
    let client = Client::new(&config.access, environment, &config.endpoint, now_us);
    let Some(client) = checks.opened(client) else { return checks.done() };
    let mut subscriptions = config.subscriptions.clone();
    let mend_of = |error: &Error| mend(error).unwrap_or_else(|| "mend what Azure says".into());
    if subscriptions.is_empty() && client.tokens().get().await.is_ok() {
        // With the tenant's log alone it may see none; the check wants to know all the same.
        let found = look(&client, false).await;
        let describe = |found: &Vec<String>| format!("{} subscriptions are seen", found.len());
        let found = checks.tried(("subscriptions", LOOK), found, describe, mend_of);
        if config.tenant_log {
            checks.last_is_spare();
        }
        subscriptions = found.unwrap_or_default();
    }
    let lists = lists(config, &client, &subscriptions, now_us);
    let (lookback, tokens) = (config.times.lookback, Some(client.tokens()));
    let source = ListSource { lists, lookback, gap: GAP, tokens, mend };
    source.check_into(&mut checks, now_us()).await;
    checks.done()
}

#[async_trait]
impl Collector for ActivityLogCollector {
    async fn poll(&mut self) -> Result<Polled> {
        if self.look_at.is_some_and(|look_at| look_at <= Instant::now()) {
            match look(&self.client, self.config.tenant_log).await {
                Ok(found) => {
                    self.look_at = (!self.is_backfill).then(|| Instant::now() + self.config.look_every);
                    self.has_looked = true;
                    self.look_failed = false;
                    self.ask(&found);
                }
                Err(error) => {
                    self.look_failed = true;
                    if self.has_looked {
                        self.look_at = Some(Instant::now() + LOOK_AGAIN);
                    }
                    return Err(error);
                }
            }
        }
        self.lists.poll().await
    }

    fn is_failing(&self) -> bool {
        self.look_failed || self.lists.is_failing()
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        self.lists.ack(tickets).await
    }
}

/// The subscriptions that the identity sees.
async fn look(client: &Client, may_be_none: bool) -> Result<Vec<String>> {
    const CALL: &str = LOOK;
    let mut url = client.url("subscriptions", "api-version=2022-12-01");
    let mut found = Vec::new();
    loop {
        let answer = client.get(CALL, url).await?;
        let (records, next) = page_of(CALL, &answer, "nextLink")?;
        for record in records {
            let record: Value = serde_json::from_str(&record).unwrap_or_default();
            let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
            // Disabled ones are past, and still tell what was done to them.
            if is_id(text("subscriptionId")) && text("state") != "Deleted" {
                found.push(text("subscriptionId").to_owned());
            }
        }
        if found.len() > MAX_SUBSCRIPTIONS {
            return Err(Error::TooMany { what: "GET /subscriptions".into(), limit: MAX_SUBSCRIPTIONS });
        }
        let Some(next) = next else { break };
        url = client.own(CALL, &next)?;
    }
    if found.is_empty() && !may_be_none {
        // What Azure answers where an identity has no role anywhere.
        return Err(Error::Refused {
            call: CALL.into(),
            status: 200,
            code: "NoSubscription".into(),
            message: "the identity sees no subscription".into(),
            retry_after: None,
        });
    }
    Ok(found)
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|char| char.is_ascii_hexdigit() || char == '-')
}

/// The events of one subscription, or of the tenant.
#[derive(Debug)]
struct Events {
    client: Client,
    name: String,
    /// Of the subscription, with a slash at the end.
    path: String,
    windowing: Windowing,
    now_us: fn() -> i64,
}

#[async_trait]
impl List for Events {
    fn name(&self) -> &str {
        &self.name
    }

    fn grant(&self) -> String {
        LIST.to_owned()
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::AzureActivity)
    }

    fn origin(&self) -> String {
        format!("azure-activity-log://{}", self.name)
    }

    fn windowing(&self) -> Windowing {
        self.windowing
    }

    fn kept_s(&self) -> Option<i64> {
        Some(crate::list::seconds(KEPT))
    }

    fn service_s(&self) -> Option<i64> {
        self.client.service_s()
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        const CALL: &str = LIST;
        let url = match &window.token {
            Some(next) => self.client.own(CALL, next)?,
            None => {
                // An earlier start is refused.
                let oldest_s = (self.now_us)() / 1_000_000 - crate::list::seconds(KEPT) + 600;
                let start_s = window.start_s.max(oldest_s);
                if start_s >= window.end_s {
                    return Ok(Listed::Page { records: Vec::new(), next: None });
                }
                let path = format!("{}providers/Microsoft.Insights/eventtypes/management/values", self.path);
                let (start, end) = (time(start_s), time(window.end_s));
                let filter = format!("eventTimestamp ge '{start}' and eventTimestamp le '{end}'");
                self.client.url(&path, &format!("api-version=2015-04-01&$filter={filter}"))
            }
        };
        let answer = match self.client.get(CALL, url).await {
            Err(error) if window.token.is_some() && is_token_ended(&error) => return Ok(Listed::TokenEnded),
            answer => answer?,
        };
        let (records, next) = page_of(CALL, &answer, "nextLink")?;
        Ok(Listed::Page { records, next })
    }
}
