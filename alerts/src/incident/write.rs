//! Writing incidents and risk: the difference between what is there and what is to be, within one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use storage::state::Txn;
use storage::state::rusqlite::{self, Connection, OptionalExtension as _};

use super::change::{note, reopen};
use super::decision::{Decision, DecisionKind};
use super::follow::{STORMGLASS, ServiceLevel};
use super::seed;
use super::wanted::{Member, Wanted, criticality};
use crate::alert::severity_name;
use crate::risk::{self, Assets, Fading, RiskKind, Share};
use crate::{Alert, AlertId, AlertStore, Entity, EntityKind, Error, Joined, Result, RuleRef};

/// How many alerts are named in the description of an alert about risk, and incidents in a line of a history.
const NAMED: usize = 10;

/// What the history calls it when somebody takes alerts out.
pub(super) const SPLIT: &str = "split";
/// What it calls it when one turns out to be part of another, or somebody says so.
const MERGED: &str = "merged";

/// An incident as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    /// Its alerts, in order, and what tells whether anything about their being there differs.
    pub(super) members: Vec<(String, u64)>,
    /// What tells whether anything about it differs.
    digest: blake3::Hash,
}

/// Tells apart why, and when, alerts are part of an incident.
fn mark(time_us: i64, why: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (time_us, why).hash(&mut hasher);
    hasher.finish()
}

fn digest<'a>(assessment: &str, members: impl Iterator<Item = (&'a str, &'a str)>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(assessment.as_bytes());
    for (alert, why) in members {
        for text in [alert, why] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    hasher.finalize()
}

/// Every incident that lives, as it is written.
pub(super) fn read_live(db: &Connection) -> Result<BTreeMap<String, Live>> {
    let mut members: HashMap<String, Vec<(String, String, i64)>> = HashMap::new();
    let mut select = db.prepare_cached(
        "SELECT incident_id, alert_id, why, time_us FROM incident_alerts ORDER BY incident_id, time_us, alert_id",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        members.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?, row.get(3)?));
    }
    let mut live = BTreeMap::new();
    let mut select = db.prepare_cached("SELECT id, assessment FROM incidents WHERE merged_into IS NULL")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, assessment): (String, String) = (row.get(0)?, row.get(1)?);
        // One without alerts was taken back.
        if let Some(members) = members.remove(&id) {
            let pairs = members.iter().map(|(alert, why, _)| (alert.as_str(), why.as_str()));
            let digest = digest(&assessment, pairs);
            let marked = |(alert, why, time_us): (String, String, i64)| (alert, mark(time_us, &why));
            live.insert(id, Live { members: members.into_iter().map(marked).collect(), digest });
        }
    }
    Ok(live)
}

/// The incident that an alert is written for.
pub(super) fn incident_of(db: &Connection, alert: &str) -> Result<Option<String>> {
    let mut select = db.prepare_cached("SELECT incident_id FROM incident_alerts WHERE alert_id = ?1")?;
    Ok(select.query_row([alert], |row| row.get(0)).optional()?)
}

/// What people have made of an incident.
#[derive(Debug, Clone)]
struct Triage {
    status: String,
    owner: Option<String>,
    labels: BTreeSet<String>,
    verdict: Option<String>,
    reason: Option<String>,
    created_us: i64,
    clock_us: i64,
    acknowledged_us: Option<i64>,
    closed_us: Option<i64>,
    acknowledge_overdue: bool,
    close_overdue: bool,
    severity_id: u8,
    is_merged: bool,
}

impl Triage {
    fn new(now_us: i64) -> Self {
        Self {
            status: "new".into(),
            owner: None,
            labels: BTreeSet::new(),
            verdict: None,
            reason: None,
            created_us: now_us,
            clock_us: now_us,
            acknowledged_us: None,
            closed_us: None,
            acknowledge_overdue: false,
            close_overdue: false,
            severity_id: 0,
            is_merged: false,
        }
    }

    /// Where a part of it begins that is an incident of its own: in the same hands, with the same clocks. One that was
    /// closed begins anew.
    fn parted(self, now_us: i64) -> Self {
        if self.status == "closed" { Self::new(now_us) } else { Self { created_us: now_us, ..self } }
    }

    fn read(txn: &Txn<'_>, id: &str) -> Result<Option<Self>> {
        let mut select = txn.prepare_cached(
            "SELECT status, owner, verdict, reason, created_us, clock_us, acknowledged_us, closed_us, severity_id, \
             merged_into IS NOT NULL, acknowledge_overdue, close_overdue, labels FROM incidents WHERE id = ?1",
        )?;
        let found = select.query_row([id], |row| {
            let triage = Self {
                status: row.get(0)?,
                owner: row.get(1)?,
                labels: BTreeSet::new(),
                verdict: row.get(2)?,
                reason: row.get(3)?,
                created_us: row.get(4)?,
                clock_us: row.get(5)?,
                acknowledged_us: row.get(6)?,
                closed_us: row.get(7)?,
                severity_id: row.get(8)?,
                is_merged: row.get(9)?,
                acknowledge_overdue: row.get(10)?,
                close_overdue: row.get(11)?,
            };
            Ok((triage, row.get::<_, String>(12)?))
        });
        let Some((triage, labels)) = found.optional()? else { return Ok(None) };
        let labels =
            serde_json::from_str(&labels).map_err(|source| Error::Damaged { id: id.to_owned(), source })?;
        Ok(Some(Self { labels, ..triage }))
    }

    /// Takes over what people made of an incident that turned out to be this one. What is open stays open; who
    /// works on either works on both.
    fn absorb(&mut self, other: &Self) {
        let rank = |status: &str| match status {
            "closed" => 0,
            "new" => 1,
            "in_progress" => 3,
            _ => 2,
        };
        if rank(&other.status) > rank(&self.status) {
            self.status.clone_from(&other.status);
            self.verdict = None;
            self.reason = None;
            self.closed_us = None;
        }
        self.owner = self.owner.take().or_else(|| other.owner.clone());
        self.labels.extend(other.labels.iter().cloned());
        self.created_us = self.created_us.min(other.created_us);
        self.clock_us = self.clock_us.min(other.clock_us);
        self.acknowledged_us = match (self.acknowledged_us, other.acknowledged_us) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.acknowledge_overdue |= other.acknowledge_overdue;
        self.close_overdue |= other.close_overdue;
        self.severity_id = self.severity_id.max(other.severity_id);
    }
}

/// Makes the incidents of `live` those of `wanted`, where `decisions` are what people decided; returns what is live
/// then.
pub(super) fn incidents(
    txn: &Txn<'_>,
    live: &BTreeMap<String, Live>,
    wanted: &BTreeMap<String, Wanted>,
    decisions: &[Decision],
    levels: &[ServiceLevel; 5],
    now_us: i64,
) -> Result<BTreeMap<String, Live>> {
    let mut next = BTreeMap::new();
    let mut changed: Vec<(&Wanted, String)> = Vec::new();
    for (id, incident) in wanted {
        let assessment = serde_json::to_string(&incident.assessment)
            .map_err(|source| Error::Damaged { id: id.clone(), source })?;
        let pairs = incident.members.iter().map(|member| (member.alert.as_str(), member.why.as_str()));
        let digest = digest(&assessment, pairs);
        if live.get(id).is_none_or(|live| live.digest != digest) {
            changed.push((incident, assessment));
        }
        let marked = |member: &Member| (member.alert.clone(), mark(member.time_us, &member.why));
        next.insert(id.clone(), Live { members: incident.members.iter().map(marked).collect(), digest });
    }
    let home: HashMap<&str, &str> = wanted
        .values()
        .flat_map(|incident| {
            incident.members.iter().map(|member| (member.alert.as_str(), incident.id.as_str()))
        })
        .collect();
    // What is gone lives on where its first alert is.
    let mut heirs: BTreeMap<&str, Vec<(&str, &Live)>> = BTreeMap::new();
    for (id, live) in live.iter().filter(|(id, _)| !wanted.contains_key(*id)) {
        if let Some(heir) = live.members.iter().find_map(|(alert, _)| home.get(alert.as_str())) {
            heirs.entry(heir).or_default().push((id, live));
        } else {
            take_back(txn, id, now_us)?;
        }
    }
    let mut delete = txn.prepare_cached("DELETE FROM incident_alerts WHERE alert_id = ?1")?;
    for (alert, _) in live.values().flat_map(|live| &live.members) {
        if !home.contains_key(alert.as_str()) {
            delete.execute([alert])?;
        }
    }
    for (incident, assessment) in &changed {
        let absorbed = heirs.remove(incident.id.as_str()).unwrap_or_default();
        let past = Past { live, absorbed: &absorbed, home: &home, decisions };
        write(txn, &past, incident, assessment, levels, now_us)?;
    }
    Ok(next)
}

/// Late events show that an incident never was, or too little of it is left.
fn take_back(txn: &Txn<'_>, id: &str, now_us: i64) -> Result<()> {
    let closed = txn.execute(
        "UPDATE incidents SET status = 'closed', verdict = 'refuted', reason = 'what it rested on was taken back', \
         closed_us = ?2, alerts = 0, updated_us = ?2 WHERE id = ?1 AND status <> 'closed'",
        rusqlite::params![id, now_us],
    )?;
    if closed > 0 {
        note(txn, id, STORMGLASS, "refuted", Some("refuted"), "what it rested on was taken back", now_us)?;
    }
    Ok(())
}

/// What an incident comes from.
struct Past<'a> {
    /// The incidents as they were.
    live: &'a BTreeMap<String, Live>,
    /// Those of them that are gone and live on as this one.
    absorbed: &'a [(&'a str, &'a Live)],
    /// By alert, the incident that it is part of now.
    home: &'a HashMap<&'a str, &'a str>,
    /// What people decided, in their order.
    decisions: &'a [Decision],
}

impl Past<'_> {
    /// The other incident that the first alert of one was part of.
    fn origin(&self, incident: &Wanted) -> Option<&str> {
        let first = incident.members.first()?;
        let had_it = |live: &Live| live.members.iter().any(|(alert, _)| *alert == first.alert);
        let found = self.live.iter().find(|(id, live)| **id != incident.id && had_it(live));
        found.map(|(id, _)| id.as_str())
    }

    /// The split that made an incident.
    fn split(&self, id: &str) -> Option<&Decision> {
        let made = |decision: &&Decision| matches!(&decision.kind, DecisionKind::Split { ids: Some(ids), .. } if ids.out == id);
        self.decisions.iter().find(made)
    }

    /// The last merge that joins alerts of `other` to others of those that were there before.
    fn merge(&self, other: &Live, before: &BTreeSet<&str>) -> Option<&Decision> {
        let of_other: HashSet<&str> = other.members.iter().map(|(alert, _)| alert.as_str()).collect();
        let is_beside = |alert: &str| before.contains(alert) && !of_other.contains(alert);
        let joins = |one: &str, two: &str| of_other.contains(one) && is_beside(two);
        let made = |decision: &&Decision| match &decision.kind {
            DecisionKind::Merge { a, b } => joins(a, b) || joins(b, a),
            DecisionKind::Split { .. } => false,
        };
        self.decisions.iter().rev().find(made)
    }
}

fn write(
    txn: &Txn<'_>,
    past: &Past<'_>,
    incident: &Wanted,
    assessment: &str,
    levels: &[ServiceLevel; 5],
    now_us: i64,
) -> Result<()> {
    let (id, live, absorbed) = (incident.id.as_str(), past.live, past.absorbed);
    let stored = Triage::read(txn, id)?;
    let is_back = stored.as_ref().is_some_and(|triage| triage.verdict.as_deref() == Some("refuted"));
    let is_new = stored.is_none();
    // One that was merged away and lives again begins anew: what people did went with the other.
    let lived = stored.filter(|triage| !triage.is_merged && !is_back);
    let mut triage = lived.clone();
    for (other, _) in absorbed {
        let Some(other) = Triage::read(txn, other)? else { continue };
        match &mut triage {
            Some(triage) => triage.absorb(&other),
            None => triage = Some(other),
        }
    }
    let before: BTreeSet<&str> = std::iter::once(live.get(id))
        .flatten()
        .chain(absorbed.iter().map(|(_, live)| *live))
        .flat_map(|live| live.members.iter().map(|(alert, _)| alert.as_str()))
        .collect();
    let is_continued = triage.is_some();
    let origin = if is_continued { None } else { past.origin(incident) };
    let stood = match origin {
        Some(origin) => Triage::read(txn, origin)?.map(|stood| stood.parted(now_us)),
        None => None,
    };
    let triage = triage.or(stood).unwrap_or_else(|| Triage::new(now_us));
    let old_severity_id = triage.severity_id;
    put(txn, incident, assessment, &triage, levels, now_us)?;
    let known: HashSet<(&str, u64)> = live
        .get(id)
        .into_iter()
        .flat_map(|live| live.members.iter().map(|(alert, mark)| (alert.as_str(), *mark)))
        .collect();
    let is_new_here = |member: &&Member| !known.contains(&(&member.alert, mark(member.time_us, &member.why)));
    for member in incident.members.iter().filter(is_new_here) {
        // An alert comes from one incident to another where one is divided.
        txn.prepare_cached(
            "INSERT INTO incident_alerts (alert_id, incident_id, time_us, why) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (alert_id) DO UPDATE SET incident_id = ?2, time_us = ?3, why = ?4",
        )?
        .execute(rusqlite::params![member.alert, id, member.time_us, member.why])?;
    }
    let say = |change: &str, reason: &str| note(txn, id, STORMGLASS, change, None, reason, now_us);
    if !is_continued {
        // Whoever works on it has it in hand already: it is no news.
        let change = if triage.status == "new" { "opened" } else { SPLIT };
        return match (origin, past.split(id)) {
            (Some(origin), Some(split)) => {
                let reason = format!("taken out of {origin}: {}", split.reason);
                note(txn, id, &split.by, change, None, &reason, now_us)
            }
            (Some(origin), None) => say(change, &format!("its alerts were part of {origin}")),
            (None, _) if is_new => say(change, &incident.assessment.title),
            (None, _) => say(change, "it is one of its own again"),
        };
    }
    for (other, other_live) in absorbed {
        txn.execute(
            "UPDATE incidents SET merged_into = ?2, updated_us = ?3 WHERE id = ?1",
            rusqlite::params![other, id, now_us],
        )?;
        txn.execute("UPDATE incidents SET merged_into = ?2 WHERE merged_into = ?1", [*other, id])?;
        // Whoever knows the one knows no revision of both.
        txn.execute(
            "UPDATE incidents SET revision = 1 + max(revision, (SELECT revision FROM incidents WHERE id = ?2)) \
             WHERE id = ?1",
            [id, *other],
        )?;
        let part = format!("it is part of {id}");
        match past.merge(other_live, &before) {
            Some(merge) => {
                let (by, reason) = (&merge.by, &merge.reason);
                note(txn, other, by, MERGED, None, &format!("{part}: {reason}"), now_us)?;
                note(txn, id, by, MERGED, None, &format!("with {other}: {reason}"), now_us)?;
            }
            None => note(txn, other, STORMGLASS, MERGED, None, &part, now_us)?,
        }
    }
    let joined: Vec<_> =
        incident.members.iter().filter(|member| !before.contains(member.alert.as_str())).collect();
    if let Some(first) = joined.first() {
        let told = match joined.len() {
            1 => format!("alert {} joined: {}", first.alert, first.why),
            count => format!("{count} alerts joined, the first {}: {}", first.alert, first.why),
        };
        say("grew", &told)?;
    }
    let there: HashSet<&str> = incident.members.iter().map(|member| member.alert.as_str()).collect();
    let left: Vec<&str> = before.iter().copied().filter(|alert| !there.contains(alert)).collect();
    if !left.is_empty() {
        let went: BTreeSet<&str> = left.iter().filter_map(|alert| past.home.get(alert).copied()).collect();
        let went: Vec<&str> = went.into_iter().take(NAMED).collect();
        let to = if went.is_empty() { String::new() } else { format!(", to {}", went.join(", ")) };
        let told = if left.len() == 1 { "1 alert".to_owned() } else { format!("{} alerts", left.len()) };
        say("shrank", &format!("{told} left{to}"))?;
    }
    let severity_id = incident.assessment.severity_id;
    if severity_id != old_severity_id {
        let (from, to) = (severity_name(old_severity_id), severity_name(severity_id));
        let why = incident.assessment.severity_why.join("; ");
        say("severity", &format!("from {from} to {to}: {why}"))?;
    }
    if triage.status == "closed"
        && let Some(open) = joined.iter().find(|member| !member.is_closed)
    {
        reopen(txn, id, STORMGLASS, &format!("alert {} joined", open.alert), now_us)?;
    }
    Ok(())
}

fn put(
    txn: &Txn<'_>,
    incident: &Wanted,
    assessment: &str,
    triage: &Triage,
    levels: &[ServiceLevel; 5],
    now_us: i64,
) -> Result<()> {
    let found = &incident.assessment;
    let level = levels.get(usize::from(found.severity_id).wrapping_sub(1)).copied().unwrap_or_default();
    let due = |bound: Option<i64>| bound.map(|bound| triage.clock_us.saturating_add(bound));
    let labels = serde_json::to_string(&triage.labels)
        .map_err(|source| Error::Damaged { id: incident.id.clone(), source })?;
    txn.prepare_cached(
        "INSERT INTO incidents (id, status, owner, verdict, reason, title, severity_id, severity, confidence, risk, alerts, \
            first_us, last_us, created_us, updated_us, clock_us, acknowledged_us, closed_us, acknowledge_due_us, \
            close_due_us, assessment, acknowledge_overdue, close_overdue, labels) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24) \
         ON CONFLICT (id) DO UPDATE SET merged_into = NULL, status = ?2, owner = ?3, verdict = ?4, reason = ?5, title = ?6, \
            severity_id = ?7, severity = ?8, confidence = ?9, risk = ?10, alerts = ?11, first_us = ?12, last_us = ?13, \
            created_us = ?14, updated_us = ?15, clock_us = ?16, acknowledged_us = ?17, closed_us = ?18, \
            acknowledge_due_us = ?19, close_due_us = ?20, assessment = ?21, acknowledge_overdue = ?22, close_overdue = ?23, \
            labels = ?24",
    )?
    .execute(rusqlite::params![
        incident.id,
        triage.status,
        triage.owner,
        triage.verdict,
        triage.reason,
        found.title,
        found.severity_id,
        severity_name(found.severity_id),
        found.confidence,
        found.risk,
        incident.members.len(),
        found.first_us,
        found.last_us,
        triage.created_us,
        now_us,
        triage.clock_us,
        triage.acknowledged_us,
        triage.closed_us,
        due(level.acknowledge_us),
        due(level.close_us),
        assessment,
        triage.acknowledge_overdue,
        triage.close_overdue,
        labels,
    ])?;
    Ok(())
}

// ---------------------------------------------------------------------------------------------

/// Tells apart what is written of the risk of alerts; `parts` as JSON.
pub(super) fn score_mark(score: u8, parts: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (score, parts).hash(&mut hasher);
    hasher.finish()
}

/// What is written of the risk of alerts, by alert.
pub(super) fn read_scores(db: &Connection) -> Result<HashMap<String, u64>> {
    let mut select = db.prepare_cached("SELECT alert_id, score, parts FROM alert_risk")?;
    let mut rows = select.query([])?;
    let mut scores = HashMap::new();
    while let Some(row) = rows.next()? {
        let parts: String = row.get(2)?;
        scores.insert(row.get(0)?, score_mark(row.get(1)?, &parts));
    }
    Ok(scores)
}

/// Writes scores with their parts as JSON, by alert.
pub(super) fn scores(txn: &Txn<'_>, scores: &[(String, u8, String)]) -> Result<()> {
    let mut insert = txn.prepare_cached(
        "INSERT INTO alert_risk (alert_id, score, parts) VALUES (?1, ?2, ?3) \
         ON CONFLICT (alert_id) DO UPDATE SET score = ?2, parts = ?3",
    )?;
    for (id, score, parts) in scores {
        insert.execute(rusqlite::params![id, score, parts])?;
    }
    Ok(())
}

/// An entity whose risk is known.
pub(super) type EntityName = (RiskKind, String);

/// Writes the risk of entities as it is at `now_us`; of one that no share counts for nothing is left.
pub(super) fn entities<'a>(
    txn: &Txn<'_>,
    entities: impl Iterator<Item = (&'a EntityName, Vec<&'a Share>)>,
    assets: &Assets,
    fading: &Fading,
    now_us: i64,
) -> Result<()> {
    let mut delete = txn.prepare_cached("DELETE FROM entity_risk WHERE kind = ?1 AND entity = ?2")?;
    let mut insert = txn.prepare_cached(
        "INSERT INTO entity_risk (kind, entity, risk, as_of_us, half_life_us, alerts, first_us, last_us, criticality) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (kind, entity) DO UPDATE SET risk = ?3, as_of_us = ?4, \
            half_life_us = ?5, alerts = ?6, first_us = ?7, last_us = ?8, criticality = ?9",
    )?;
    for ((kind, name), shares) in entities {
        let (Some(first), Some(last)) = (shares.first(), shares.last()) else {
            delete.execute([kind.as_str(), name])?;
            continue;
        };
        insert.execute(rusqlite::params![
            kind.as_str(),
            name,
            fading.risk(&shares, now_us),
            now_us,
            fading.half_life_us,
            shares.len(),
            first.time_us,
            last.time_us,
            criticality(assets, name).as_str(),
        ])?;
    }
    Ok(())
}

/// An entity's risk crossing the threshold.
#[derive(Debug, Clone)]
pub(super) struct Crossing {
    pub(super) entity: EntityName,
    /// The alert with which it crossed.
    pub(super) with: String,
    alert: Alert,
}

impl Crossing {
    /// The id of the alert that tells of it.
    pub(super) fn id(&self) -> &str {
        self.alert.id.as_str()
    }

    /// The alert that tells of it as part of an incident. It opens nothing again.
    pub(super) fn member(&self) -> Member {
        let with: String = self.with.chars().take(12).collect();
        let why = format!("with alert {with} the risk of `{}` crossed the threshold", self.entity.1);
        Member { alert: self.id().to_owned(), time_us: self.alert.time_us, why, is_closed: true }
    }
}

/// The crossings of an entity. Addresses are told of by those who act from them: what lies behind a shared one adds
/// up to nothing in particular.
pub(super) fn crossings((kind, name): &EntityName, shares: &[&Share], fading: &Fading) -> Vec<Crossing> {
    if *kind == RiskKind::Address {
        return Vec::new();
    }
    let crossing = |(share, risk): (&Share, f64)| {
        let until = shares.partition_point(|other| *other <= share);
        let alert = crossing_alert(*kind, name, shares.get(..until).unwrap_or_default(), risk, fading);
        Crossing { entity: (*kind, name.clone()), with: share.alert.clone(), alert }
    };
    fading.crossings(shares).into_iter().map(crossing).collect()
}

fn crossing_alert(kind: RiskKind, name: &str, before: &[&Share], risk: f64, fading: &Fading) -> Alert {
    let last = before.last();
    let uid = last.map(|share| share.alert.as_str()).unwrap_or_default();
    let mut greatest: Vec<&Share> = before.to_vec();
    greatest.sort_by_key(|share| (std::cmp::Reverse(share.score), &share.alert));
    let named: Vec<_> =
        greatest.iter().take(NAMED).map(|share| format!("{} ({})", share.alert, share.score)).collect();
    let days = fading.half_life_us / 86_400_000_000;
    let description = format!(
        "The risk of `{name}` has reached {risk:.0}, the threshold is {:.0}. It is the sum of its shares in {} alerts, \
         each halved every {days} days. The greatest are {}. `stormglass entities risk` shows it as it is now.",
        fading.threshold,
        before.len(),
        named.join(", "),
    );
    let time_us = last.map(|share| share.time_us).unwrap_or_default();
    let entity_kind = match kind {
        RiskKind::Identity => EntityKind::Actor,
        RiskKind::Address => EntityKind::Address,
        RiskKind::Resource => EntityKind::Resource,
    };
    Alert {
        id: AlertId::new(risk::RULE, [kind.as_str(), name, uid]),
        rule: RuleRef {
            id: risk::RULE.to_owned(),
            title: "The Risk Of An Entity Is High".to_owned(),
            level: "high".to_owned(),
            tags: Vec::new(),
            description,
            response: vec!["Look at the entity's alerts together: each alone may be harmless.".to_owned()],
        },
        severity_id: 4,
        time_us,
        provider: String::new(),
        entities: vec![Entity { kind: entity_kind, value: name.to_owned(), name: None }],
        evidence: Vec::new(),
        joined: Some(Joined {
            by: vec![(kind.as_str().to_owned(), name.to_owned())],
            why: format!("risk {risk:.0}"),
            begin_us: before.first().map(|share| share.time_us).unwrap_or_default(),
            events: before.len() as u64,
        }),
    }
}

/// The alerts about risk that stand, with their entities, and whether a silence hides them.
pub(super) fn read_told(db: &Connection) -> Result<BTreeMap<String, (EntityName, bool)>> {
    let mut select = db.prepare_cached("SELECT alert_id, kind, entity FROM entity_risk_alerts")?;
    let mut rows = select.query([])?;
    let mut told = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        let kind = match kind.as_str() {
            "identity" => RiskKind::Identity,
            "address" => RiskKind::Address,
            _ => RiskKind::Resource,
        };
        let id: String = row.get(0)?;
        let is_hidden = seed::is_hidden(db, &id)?;
        told.insert(id, ((kind, row.get(2)?), is_hidden));
    }
    Ok(told)
}

/// Raises the alerts about crossings, and takes back those of `over`; returns those that a silence hides.
pub(super) fn told(
    txn: &Txn<'_>,
    crossings: &[Crossing],
    over: &[String],
    now_us: i64,
) -> Result<Vec<String>> {
    let mut hidden = Vec::new();
    for crossing in crossings {
        AlertStore::record_or_amend(txn, &crossing.alert, now_us)?;
        let (kind, name) = &crossing.entity;
        txn.execute(
            "INSERT OR REPLACE INTO entity_risk_alerts (alert_id, kind, entity) VALUES (?1, ?2, ?3)",
            [crossing.id(), kind.as_str(), name],
        )?;
        if seed::is_hidden(txn, crossing.id())? {
            hidden.push(crossing.id().to_owned());
        }
    }
    for id in over {
        let reason = "the alerts that it rests on show another picture";
        AlertStore::refute(txn, &AlertId::stored(id.clone()), reason, now_us)?;
        txn.execute("DELETE FROM entity_risk_alerts WHERE alert_id = ?1", [id])?;
    }
    Ok(hidden)
}
