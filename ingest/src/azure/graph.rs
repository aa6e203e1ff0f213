//! What Microsoft Graph lists: sign-ins, directory audits and provisioning of Entra, alerts of Defender.
//!
//! <https://learn.microsoft.com/en-us/graph/api/resources/azure-ad-auditlog-overview>. The reporting
//! resources take 5 requests in 10 seconds from an application and tenant, all of them together; whoever is
//! throttled shall ask for less time at once, says
//! <https://learn.microsoft.com/en-us/graph/throttling-limits#identity-and-access-reports-service-limits>.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use event::LogType;

use super::client::{Client, is_token_ended, page_of, time};
use super::{AzureAccess, AzureTimes};
use crate::list::{List, Listed, Lists, Window, Windowing};
use crate::{Collector, Environment, Error, Polled, ReadOptions, Result};

/// What Entra keeps at most: 30 days.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
const LONGEST: Duration = Duration::from_secs(6 * 3_600);

/// A log that Graph lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GraphLog {
    /// Sign-ins of people at a screen.
    SignIns,
    /// Sign-ins that a client made for people. Beta.
    NonInteractiveSignIns,
    /// Sign-ins of applications. Beta.
    ServicePrincipalSignIns,
    /// Sign-ins of managed identities. Beta.
    ManagedIdentitySignIns,
    /// Changes of the directory.
    DirectoryAudits,
    /// Accounts that Entra makes and changes elsewhere.
    Provisioning,
    /// Alerts of Microsoft Defender XDR and what feeds it.
    Alerts,
}

/// How one of them is asked.
struct Resource {
    path: &'static str,
    time_field: &'static str,
    /// A condition besides the time.
    also: &'static str,
    log_type: LogType,
}

impl GraphLog {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SignIns,
        Self::NonInteractiveSignIns,
        Self::ServicePrincipalSignIns,
        Self::ManagedIdentitySignIns,
        Self::DirectoryAudits,
        Self::Provisioning,
        Self::Alerts,
    ];

    /// What it is called in settings and positions.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIns => "sign_ins",
            Self::NonInteractiveSignIns => "non_interactive_sign_ins",
            Self::ServicePrincipalSignIns => "service_principal_sign_ins",
            Self::ManagedIdentitySignIns => "managed_identity_sign_ins",
            Self::DirectoryAudits => "directory_audits",
            Self::Provisioning => "provisioning",
            Self::Alerts => "alerts",
        }
    }

    fn resource(self) -> Resource {
        let sign_ins = |path, also| Resource {
            path,
            time_field: "createdDateTime",
            also,
            log_type: LogType::EntraSignin,
        };
        let beta = |also| sign_ins("beta/auditLogs/signIns", also);
        let audits =
            |path| Resource { path, time_field: "activityDateTime", also: "", log_type: LogType::EntraAudit };
        match self {
            Self::SignIns => sign_ins("v1.0/auditLogs/signIns", ""),
            Self::NonInteractiveSignIns => beta(" and signInEventTypes/any(t: t eq 'nonInteractiveUser')"),
            Self::ServicePrincipalSignIns => beta(" and signInEventTypes/any(t: t eq 'servicePrincipal')"),
            Self::ManagedIdentitySignIns => beta(" and signInEventTypes/any(t: t eq 'managedIdentity')"),
            Self::DirectoryAudits => audits("v1.0/auditLogs/directoryAudits"),
            Self::Provisioning => audits("v1.0/auditLogs/provisioning"),
            Self::Alerts => Resource {
                path: "v1.0/security/alerts_v2",
                time_field: "lastUpdateDateTime",
                also: "",
                log_type: LogType::MicrosoftDefender,
            },
        }
    }
}

/// How Graph is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphConfig {
    /// Who reads.
    pub access: AzureAccess,
    /// Where Graph is; also what the token is for.
    pub endpoint: String,
    /// What is read.
    pub logs: Vec<GraphLog>,
    /// When it is asked.
    pub times: AzureTimes,
    /// The least time between two requests.
    pub gap: Duration,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            access: AzureAccess::default(),
            endpoint: "https://graph.microsoft.com".into(),
            logs: vec![GraphLog::SignIns, GraphLog::DirectoryAudits],
            times: AzureTimes {
                lookback: Duration::from_secs(3_600),
                every: Duration::from_secs(300),
                settle: Duration::from_secs(15 * 60),
                overlap: Duration::from_secs(3_600),
            },
            gap: Duration::from_millis(2_200),
        }
    }
}

/// Reads Graph's lists window by window.
#[derive(Debug)]
pub struct GraphCollector(Lists);

impl GraphCollector {
    /// A collector that goes on at the saved `positions`. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(
        config: &GraphConfig,
        environment: &Environment,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let lists = lists(config, environment, options.now_us)?;
        Ok(Self(Lists::open(lists, config.times.lookback, config.gap, positions, options)))
    }

    /// Reads what happened in `span_us` (microseconds since 1970) once and ends; Entra keeps 7 days, or 30
    /// with a P1 or P2 licence.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn backfill(
        config: &GraphConfig,
        environment: &Environment,
        span_us: &Range<i64>,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let lists = lists(config, environment, options.now_us)?;
        Ok(Self(Lists::over(lists, span_us, config.gap, positions, options)))
    }
}

fn lists(config: &GraphConfig, environment: &Environment, now_us: fn() -> i64) -> Result<Vec<Box<dyn List>>> {
    if config.logs.is_empty() {
        return Err(Error::BadSetting { field: "logs", problem: "name one at least".into() });
    }
    let client = Client::new(&config.access, environment, &config.endpoint, now_us)?;
    let windowing = config.times.windowing(LONGEST, KEPT);
    let list = |log: &GraphLog| {
        Box::new(Log { client: client.clone(), log: *log, windowing, length_s: windowing.length_s })
            as Box<dyn List>
    };
    Ok(config.logs.iter().map(list).collect())
}

#[async_trait]
impl Collector for GraphCollector {
    async fn poll(&mut self) -> Result<Polled> {
        self.0.poll().await
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        self.0.ack(tickets).await
    }
}

#[derive(Debug)]
struct Log {
    client: Client,
    log: GraphLog,
    windowing: Windowing,
    /// The longest window at the moment: half of it after each throttling, twice after a page.
    length_s: i64,
}

#[async_trait]
impl List for Log {
    fn name(&self) -> &str {
        self.log.name()
    }

    fn log_type(&self) -> Option<LogType> {
        Some(self.log.resource().log_type)
    }

    fn origin(&self) -> String {
        format!("microsoft-graph://{}", self.log.resource().path)
    }

    fn windowing(&self) -> Windowing {
        Windowing { length_s: self.length_s, ..self.windowing }
    }

    fn kept_s(&self) -> Option<i64> {
        Some(crate::list::seconds(KEPT))
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let Resource { path, time_field, also, .. } = self.log.resource();
        let call = format!("graph {path}");
        let url = match &window.token {
            Some(next) => self.client.own(&call, next)?,
            None => {
                let (start, end) = (time(window.start_s), time(window.end_s));
                let filter = format!("{time_field} ge {start} and {time_field} le {end}{also}");
                self.client.url(path, &format!("$filter={filter}&$top=999"))
            }
        };
        let answer = match self.client.get(&call, url).await {
            Err(error) if window.token.is_some() && is_token_ended(&error) => return Ok(Listed::TokenEnded),
            Err(error) => {
                if error.is_throttle() {
                    self.length_s = (self.length_s / 2).max(self.windowing.step_s);
                }
                return Err(error);
            }
            Ok(answer) => answer,
        };
        self.length_s = self.length_s.saturating_mul(2).min(self.windowing.length_s);
        let (records, next) = page_of(&call, &answer, "@odata.nextLink")?;
        Ok(Listed::Page { records, next })
    }
}
