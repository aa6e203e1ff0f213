//! What Microsoft Graph lists: sign-ins, directory audits, provisioning and risks of Entra, alerts of Defender.
//!
//! <https://learn.microsoft.com/en-us/graph/api/resources/azure-ad-auditlog-overview>. The reporting
//! resources take 5 requests in 10 seconds from an application and tenant, all of them together; whoever is
//! throttled shall ask for less time at once, says
//! <https://learn.microsoft.com/en-us/graph/throttling-limits#identity-and-access-reports-service-limits>. What ID
//! Protection lists takes one request a second from all of a tenant, and names no `Retry-After`
//! (<https://learn.microsoft.com/en-us/graph/throttling-limits#identity-protection-and-conditional-access-service-limits>).
//!
//! A risk is detected at once or days after the activity, so detections are asked for by when they were detected, and
//! each is listed once by that; what becomes of it is in the user's entry, which is listed again whenever it changes.

use std::time::Duration;

use async_trait::async_trait;
use event::LogType;

use super::client::{Client, is_token_ended, page_of, time};
use super::{AzureAccess, AzureTimes, mend};
use crate::list::{List, ListSource, Listed, Window, Windowing, seconds};
use crate::{Environment, Error, Result};

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
    /// Risks that ID Protection detected.
    RiskDetections,
    /// Users at risk, each time that it changes.
    RiskyUsers,
}

/// How one of them is asked.
struct Resource {
    path: &'static str,
    time_field: &'static str,
    /// A condition besides the time.
    also: &'static str,
    /// How many records to ask for at once.
    page: u32,
    log_type: LogType,
}

/// A page of reports and alerts.
const PAGE: u32 = 999;
/// The largest page of risks, <https://learn.microsoft.com/en-us/graph/api/riskdetection-list>.
const RISK_PAGE: u32 = 500;

impl GraphLog {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::SignIns,
        Self::NonInteractiveSignIns,
        Self::ServicePrincipalSignIns,
        Self::ManagedIdentitySignIns,
        Self::DirectoryAudits,
        Self::Provisioning,
        Self::Alerts,
        Self::RiskDetections,
        Self::RiskyUsers,
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
            Self::RiskDetections => "risk_detections",
            Self::RiskyUsers => "risky_users",
        }
    }

    /// The application permission of Microsoft Graph that reads it.
    pub fn permission(self) -> &'static str {
        match self {
            Self::Alerts => "SecurityAlert.Read.All",
            Self::RiskDetections => "IdentityRiskEvent.Read.All",
            Self::RiskyUsers => "IdentityRiskyUser.Read.All",
            _ => "AuditLog.Read.All",
        }
    }

    /// Where Graph has it.
    pub(super) fn path(self) -> &'static str {
        self.resource().path
    }

    fn resource(self) -> Resource {
        let sign_ins = |path, also| Resource {
            path,
            time_field: "createdDateTime",
            also,
            page: PAGE,
            log_type: LogType::EntraSignin,
        };
        let beta = |also| sign_ins("beta/auditLogs/signIns", also);
        let audits = |path| Resource {
            path,
            time_field: "activityDateTime",
            also: "",
            page: PAGE,
            log_type: LogType::EntraAudit,
        };
        let risks = |path, time_field| Resource {
            path,
            time_field,
            also: "",
            page: RISK_PAGE,
            log_type: LogType::EntraRisk,
        };
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
                page: PAGE,
                log_type: LogType::MicrosoftDefender,
            },
            Self::RiskDetections => risks("v1.0/identityProtection/riskDetections", "detectedDateTime"),
            Self::RiskyUsers => risks("v1.0/identityProtection/riskyUsers", "riskLastUpdatedDateTime"),
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
    /// How long the tenant keeps its logs: 30 days, or 7 without a P1 or P2 licence.
    pub kept: Duration,
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
            kept: KEPT,
            gap: Duration::from_millis(2_200),
        }
    }
}

impl GraphConfig {
    /// A list for each log, not asked yet. Entra keeps 7 days, or 30 with a P1 or P2 licence.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn lists(&self, environment: &Environment, now_us: fn() -> i64) -> Result<ListSource> {
        if self.logs.is_empty() {
            return Err(Error::BadSetting { field: "logs", problem: "name one at least".into() });
        }
        let client = Client::new(&self.access, environment, &self.endpoint, now_us)?;
        let windowing = self.times.windowing(LONGEST, KEPT);
        let list = |log: &GraphLog| {
            Box::new(Log {
                client: client.clone(),
                log: *log,
                windowing,
                length_s: windowing.length_s,
                kept_s: seconds(self.kept.min(KEPT)),
            }) as Box<dyn List>
        };
        let lists = self.logs.iter().map(list).collect();
        let (lookback, tokens) = (self.times.lookback, Some(client.tokens()));
        Ok(ListSource { lists, lookback, gap: self.gap, tokens, mend })
    }
}

#[derive(Debug)]
struct Log {
    client: Client,
    log: GraphLog,
    windowing: Windowing,
    /// The longest window at the moment: half of it after each throttling, twice after a page.
    length_s: i64,
    /// How long its records are kept.
    kept_s: i64,
}

#[async_trait]
impl List for Log {
    fn name(&self) -> &str {
        self.log.name()
    }

    fn grant(&self) -> String {
        self.log.permission().to_owned()
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
        Some(self.kept_s)
    }

    fn service_s(&self) -> Option<i64> {
        self.client.service_s()
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        let Resource { path, time_field, also, page, .. } = self.log.resource();
        let call = format!("graph {path}");
        let url = match &window.token {
            Some(next) => self.client.own(&call, next)?,
            None => {
                let (start, end) = (time(window.start_s), time(window.end_s));
                let filter = format!("{time_field} ge {start} and {time_field} le {end}{also}");
                self.client.url(path, &format!("$filter={filter}&$top={page}"))
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
