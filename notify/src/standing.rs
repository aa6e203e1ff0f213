//! How far an alert or incident was told: what, by which channel, what became of it, and why nothing else.

use std::collections::BTreeSet;

use alerts::incident::IncidentStatus;
use alerts::{AlertStatus, StoredAlert};

use crate::Result;
use crate::find::Found;
use crate::follow::Follower;
use crate::outbox::{DeliveryFilter, DeliveryRecord, DeliveryState, Outbox, Subjects, Told, Untold, Why};

/// The most deliveries that are shown, the newest; all are in the list of deliveries.
const DELIVERIES: usize = 100;

/// The most entries of a feed that are looked through for what is still to be told. Where there are more, it may be
/// among those.
const AHEAD: usize = 500;

/// How far an alert or incident was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// In one word.
    pub state: StandingState,
    /// Why it is not told, or not by itself.
    pub reasons: Vec<Reason>,
    /// What was told or is to be, newest first.
    pub deliveries: Vec<ToldAs>,
}

/// How far, in one word: of deliveries the worst, else why there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StandingState {
    /// Nothing is known: it is older than what is kept, or than the routes.
    Unknown,
    /// No route takes it, or nobody is on call.
    Unrouted,
    /// Somebody had taken it before it was to be told.
    Taken,
    /// A silence hides it.
    Silenced,
    /// It will be told in a moment.
    Pending,
    /// It is counted, and told when a window closes.
    Held,
    /// All was taken.
    Delivered,
    /// Something is to be sent.
    Waiting,
    /// Something was not taken and is sent again.
    Retrying,
    /// Something is not tried any more.
    Dead,
}

/// Why an alert or incident is not told, or not by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `silenced`, `incident`, `counted`, `digest`, `fold`, `unrouted`, `nobody`, `taken`, `closed`, `pending` or
    /// `unknown`.
    pub kind: &'static str,
    /// In words.
    pub text: String,
    /// The route, silence, incident or channel that it is about.
    pub of: Option<String>,
    /// Until when it is so, microseconds since 1970.
    pub until_us: Option<i64>,
}

/// A delivery, and as what it tells of the alert or incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldAs {
    /// `itself`, `incident` (also one that it was part of), `alert` (of the incident asked for), `digest` or `flood`.
    pub vehicle: &'static str,
    /// The delivery.
    pub delivery: DeliveryRecord,
}

impl StandingState {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unrouted => "unrouted",
            Self::Taken => "taken",
            Self::Silenced => "silenced",
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }

    fn of_delivery(delivery: &DeliveryRecord) -> Self {
        match delivery.state {
            DeliveryState::Dead => Self::Dead,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Waiting if delivery.attempts > 0 || !delivery.last_error.is_empty() => {
                Self::Retrying
            }
            DeliveryState::Waiting => Self::Waiting,
        }
    }

    fn of_reason(reason: &Reason) -> Self {
        match reason.kind {
            "silenced" => Self::Silenced,
            "counted" | "digest" | "fold" if reason.until_us.is_some() => Self::Held,
            "pending" => Self::Pending,
            "taken" | "closed" => Self::Taken,
            "unrouted" | "nobody" => Self::Unrouted,
            _ => Self::Unknown,
        }
    }
}

impl Reason {
    fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), of: None, until_us: None }
    }

    fn of(self, of: &str) -> Self {
        Self { of: Some(of.to_owned()).filter(|of| !of.is_empty()), ..self }
    }

    fn until(self, until_us: Option<i64>) -> Self {
        Self { until_us, ..self }
    }
}

impl Follower {
    /// How far the alert or incident was told that has this id, or begins with these digits.
    ///
    /// # Errors
    /// There is neither, several begin so, or the database refuses.
    pub(crate) fn standing(&self, start: &str) -> Result<Standing> {
        match self.find(start)? {
            Found::Alert(id) => self.standing_of_alert(&id),
            Found::Incident(id) => self.standing_of_incident(id),
        }
    }

    fn standing_of_alert(&self, id: &str) -> Result<Standing> {
        let (stored, _) = self.alerts.get(id)?;
        let own = vec![id.to_owned()];
        let mut untold = self.outbox.untold(&own)?;
        let home = self.home(id)?;
        let mut names = Vec::new();
        if let Some(home) = &home {
            names = self.names(home.clone())?;
        }
        untold.retain(|one| !is_told_with(one, &names));
        let told_in = untold.iter().filter_map(|one| one.told_in.clone()).collect();
        let ids = own.iter().chain(&names).cloned().collect();
        let mut deliveries = Vec::new();
        for delivery in self.told(Subjects { ids, told_in })? {
            let vehicle = match delivery.kind.as_str() {
                "digest" => "digest",
                "flood" => "flood",
                _ if delivery.subject == id => "itself",
                _ => "incident",
            };
            deliveries.push(ToldAs { vehicle, delivery });
        }
        let mut reasons = Vec::new();
        if let Some(silence) = &stored.suppressed_by {
            reasons.push(self.silencing(silence, stored.suppressed_reason.as_deref().unwrap_or_default())?);
        }
        if let Some(home) = &home {
            reasons.extend(self.with_incident(home, &stored)?);
        }
        reasons.extend(untold.iter().map(untold_reason));
        let about = own.into_iter().chain(names).collect();
        self.standing_with(deliveries, reasons, about, stored.status == AlertStatus::Closed)
    }

    fn standing_of_incident(&self, id: String) -> Result<Standing> {
        let members = self.members(&id)?;
        let names = self.names(id.clone())?;
        let mut untold = self.outbox.untold(&members)?;
        untold.retain(|one| !is_told_with(one, &names));
        let elsewhere = untold.iter().filter(|one| one.why == Why::Incident);
        let told_in: BTreeSet<_> = elsewhere.filter_map(|one| one.told_in.clone()).collect();
        let ids: Vec<_> = names.iter().chain(&members).cloned().collect();
        let mut deliveries = Vec::new();
        for delivery in
            self.told(Subjects { ids: ids.clone(), told_in: told_in.iter().cloned().collect() })?
        {
            let vehicle = match &delivery.subject {
                subject if names.contains(subject) => "itself",
                subject if members.contains(subject) => "alert",
                _ => "incident",
            };
            deliveries.push(ToldAs { vehicle, delivery });
        }
        let mut reasons = Vec::new();
        for one in untold.iter().filter(|one| matches!(one.why, Why::Unrouted | Why::Nobody | Why::Incident))
        {
            let reason = untold_reason(one);
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        for row in self.told_rows(&id)? {
            reasons.extend(row.due_us.map(|due_us| growing(&row, due_us)));
        }
        let mut is_closed = false;
        if let Some(incidents) = &self.incidents {
            is_closed = incidents.get(&id)?.status == IncidentStatus::Closed;
        }
        self.standing_with(deliveries, reasons, ids, is_closed)
    }

    fn standing_with(
        &self,
        deliveries: Vec<ToldAs>,
        mut reasons: Vec<Reason>,
        about: Vec<String>,
        is_closed: bool,
    ) -> Result<Standing> {
        if !deliveries.is_empty() {
            // By itself or not, people were told.
            reasons.retain(|reason| !matches!(reason.kind, "unrouted" | "nobody"));
        } else if reasons.iter().all(|reason| reason.kind == "incident") {
            reasons.push(self.nothing_told(&about, is_closed)?);
        }
        let worst = deliveries.iter().map(|told| StandingState::of_delivery(&told.delivery)).max();
        let why = reasons.iter().map(StandingState::of_reason).max();
        let state = worst.or(why).unwrap_or(StandingState::Unknown);
        Ok(Standing { state, reasons, deliveries })
    }

    /// Why nothing was told of these alerts and incidents, where nothing is noted.
    fn nothing_told(&self, about: &[String], is_closed: bool) -> Result<Reason> {
        if self.routing.routes.is_empty() {
            return Ok(Reason::new("unrouted", "there are no routes, so nothing is told"));
        }
        let followed = self.outbox.position()?.unwrap_or(0);
        let ahead = self.alerts.feed(followed, AHEAD)?;
        let mut is_ahead = ahead.len() == AHEAD || ahead.iter().any(|entry| about.contains(&entry.alert_id));
        if let Some(incidents) = &self.incidents {
            let ahead = incidents.feed(self.outbox.incident_position()?.unwrap_or(0), AHEAD)?;
            is_ahead |= ahead.len() == AHEAD || ahead.iter().any(|entry| about.contains(&entry.incident_id));
        }
        if is_ahead {
            return Ok(Reason::new("pending", "it is told in a moment"));
        }
        Ok(match is_closed {
            true => Reason::new("closed", "it was closed before it was told"),
            false => Reason::new(
                "unknown",
                "nothing is known of it: it was raised before there were routes, or longer ago than `notify.keep`",
            ),
        })
    }

    fn told(&self, subjects: Subjects) -> Result<Vec<DeliveryRecord>> {
        let filter = DeliveryFilter { subjects: Some(subjects), ..DeliveryFilter::default() };
        self.outbox.list(&filter, DELIVERIES)
    }

    fn told_rows(&self, incident: &str) -> Result<Vec<Told>> {
        self.outbox.state().read(|db| Outbox::told_of(db, incident))
    }

    fn silencing(&self, silence: &str, why: &str) -> Result<Reason> {
        let found = self.silenced(silence, why.to_owned())?;
        let owner = found.owner.map(|owner| format!(", owned by {owner}")).unwrap_or_default();
        let text = format!("silence {silence}{owner} hides it: {why}");
        Ok(Reason::new("silenced", text).of(silence).until(found.until_us))
    }

    /// With which incident an alert is told, and which channels were told of that before the alert joined.
    fn with_incident(&self, home: &str, stored: &StoredAlert) -> Result<Vec<Reason>> {
        let mut reasons = vec![Reason::new("incident", format!("it is told with incident {home}")).of(home)];
        for row in self.told_rows(home)?.iter().filter(|row| row.told_us < stored.created_us) {
            reasons.push(match row.due_us {
                Some(due_us) => growing(row, due_us),
                None => {
                    let text = format!(
                        "`{}` was told of the incident before this alert joined, and is not told how it grows",
                        row.channel
                    );
                    Reason::new("counted", text).of(&row.channel)
                }
            });
        }
        Ok(reasons)
    }
}

/// Whether an alert was told with the incident that has these ids.
fn is_told_with(untold: &Untold, names: &[String]) -> bool {
    let told_in = untold.told_in.as_ref().filter(|_| untold.why == Why::Incident);
    told_in.is_some_and(|(incident, _)| names.contains(incident))
}

/// The growth of an incident is counted.
fn growing(row: &Told, due_us: i64) -> Reason {
    let text = format!("alerts that join the incident or leave it are counted for `{}`", row.channel);
    Reason::new("counted", text).of(&row.channel).until(Some(due_us))
}

fn untold_reason(untold: &Untold) -> Reason {
    let route = &untold.route;
    let text = match (untold.why, &untold.told_in) {
        (Why::Unrouted, _) if untold.reason.is_empty() => "no route takes it".to_owned(),
        (Why::Unrouted, _) => format!("no route takes it: {}", untold.reason),
        (Why::Nobody, _) if !untold.reason.is_empty() => untold.reason.clone(),
        (Why::Nobody, _) => format!("route `{route}` takes it, and nobody is on call"),
        (Why::Taken, _) => untold.reason.clone(),
        (Why::Digest, Some((digest, _))) => format!("route `{route}` told it in {digest}"),
        (Why::Digest, None) => format!("route `{route}` gathers it for a digest"),
        (Why::Fold, Some(_)) => {
            format!("route `{route}` counted it among many of its rule, and told how many")
        }
        (Why::Fold, None) => format!("route `{route}` counts it among many of its rule"),
        (Why::Incident, Some((incident, _))) => {
            format!("it was told with incident {incident} before that was split")
        }
        (Why::Incident, None) => "it was told with an incident".to_owned(),
    };
    let of = match (untold.why, &untold.told_in) {
        (Why::Incident, Some((incident, _))) => incident,
        _ => route,
    };
    Reason::new(untold.why.as_str(), text).of(of).until(untold.until_us)
}

impl crate::Notifier {
    /// How far the alert or incident was told that has this id, or begins with these digits.
    ///
    /// # Errors
    /// [`Error::SubjectUnknown`](crate::Error::SubjectUnknown), several begin so, or the database refuses.
    pub fn standing(&self, start: &str) -> Result<Standing> {
        self.in_use().follower.standing(start)
    }

    /// What deliveries about an alert or incident may be about; its id may be shortened.
    ///
    /// # Errors
    /// [`Error::SubjectUnknown`](crate::Error::SubjectUnknown), several begin so, or the database refuses.
    pub fn subjects(&self, start: &str) -> Result<Subjects> {
        self.in_use().follower.subjects(start)
    }
}
