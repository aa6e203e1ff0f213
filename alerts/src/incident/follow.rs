//! Following the feed of alerts: incidents and risk are brought up to date with what has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use storage::state::{State, Txn, rusqlite};

use super::assess::{Assessment, assess};
use super::decision::Decision;
use super::join::{Group, Joining, join};
use super::subject::{Names, Subject};
use super::tables::MIGRATIONS;
use super::write::{self, Live};
use super::{change, seed};
use crate::risk::{Asset, Assets, Confidences, Criticality, Fading, RiskKind, Score, Share, scores, shares};
use crate::{AlertStore, Error, Result};

/// How many entries of the feed are read at once.
const ENTRIES: usize = 10_000;

/// Who changes incidents when nobody does.
pub(super) const STORMGLASS: &str = "stormglass";

/// How soon somebody must take an incident, and how soon it must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceLevel {
    /// Microseconds until somebody must have taken it; `None` for no bound.
    pub acknowledge_us: Option<i64>,
    /// Microseconds until it must be closed; `None` for no bound.
    pub close_us: Option<i64>,
}

/// What can be set about incidents and risk.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// When alerts belong together.
    pub joining: Joining,
    /// How the risk of entities fades.
    pub fading: Fading,
    /// An alert alone is an incident from this severity on, 1 to 5. Several are one from `low` on.
    pub alone: u8,
    /// The service level of each severity, informational first.
    pub levels: [ServiceLevel; 5],
    /// So many of the newest alerts are joined and weighed; incidents of older ones stay as they are. An alert takes
    /// about 5 KiB of memory, and every change costs time in proportion to all of them.
    pub alerts: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            joining: Joining::default(),
            fading: Fading::default(),
            alone: 4,
            levels: [ServiceLevel::default(); 5],
            alerts: 50_000,
        }
    }
}

/// What is known beside the alerts when they are joined and weighed.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The identities behind names.
    pub names: Arc<Names>,
    /// What is known of things and people, beside what was written over the API.
    pub assets: Arc<Assets>,
    /// How sure each rule is.
    pub confidences: Arc<Confidences>,
}

/// The incidents of a state database, and those who work on them. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Incidents {
    state: State,
    settings: Arc<Settings>,
    memory: Arc<Mutex<Option<Memory>>>,
}

/// What is kept between two looks; it is made anew from the database after any failure.
#[derive(Debug)]
struct Memory {
    /// By time, then id.
    subjects: BTreeMap<(i64, String), Subject>,
    times: HashMap<String, i64>,
    seq: u64,
    names: Arc<Names>,
    confidences: Arc<Confidences>,
    assets: Assets,
    decisions: Vec<Decision>,
    live: BTreeMap<String, Live>,
    /// What is written of the risk of alerts.
    scored: HashMap<String, Score>,
    /// The shares behind what is written of the risk of entities.
    weighed: BTreeMap<(RiskKind, String), Vec<Share>>,
    /// The alerts about entities that stand, with the entity.
    told: BTreeMap<String, (RiskKind, String)>,
    is_dirty: bool,
    /// The position that is written.
    written: Option<u64>,
}

impl Incidents {
    /// Opens the tables, making them where they are missing.
    ///
    /// # Errors
    /// The state cannot be written, or was written by a newer version.
    pub fn open(state: State, settings: Settings) -> Result<Self> {
        // The feed that is followed is theirs.
        AlertStore::open(state.clone())?;
        state.migrate("incidents", MIGRATIONS)?;
        Ok(Self { state, settings: Arc::new(settings), memory: Arc::default() })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// What is set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Brings incidents and risk up to date with the alerts as they are, in one transaction with the position in
    /// their feed. Also marks what is overdue at `now_us`. Returns whether anything has changed.
    ///
    /// # Errors
    /// The database refuses, or holds a damaged alert; nothing has changed then, and the next call begins anew.
    pub fn follow(&self, context: &Context, now_us: i64) -> Result<bool> {
        let mut kept = self.memory.lock();
        let mut memory = match kept.take() {
            Some(memory) => memory,
            None => Memory::load(&self.state, &self.settings)?,
        };
        memory.read_feed(&self.state)?;
        memory.use_context(&self.state, context)?;
        let mut has_changed = memory.is_dirty;
        if memory.is_dirty {
            self.renew(&mut memory, now_us)?;
        }
        if memory.written != Some(memory.seq) {
            self.state.write(|txn| set_position(txn, memory.seq))?;
            memory.written = Some(memory.seq);
        }
        has_changed |= self.mark_overdue(now_us)?;
        // Far more than is to be joined: the oldest are settled.
        if memory.subjects.len() <= self.settings.alerts.saturating_mul(5) / 4 {
            *kept = Some(memory);
        }
        Ok(has_changed)
    }

    /// Writes a decision, and undoes earlier ones that it contradicts; `merged` are the alerts that it is about.
    pub(super) fn decide(&self, decision: Decision, merged: &BTreeSet<String>) -> Result<()> {
        let mut kept = self.memory.lock();
        self.state.write(|txn| {
            for (number, known) in decisions(txn)? {
                if known.is_undone_by(&decision.kind, merged) {
                    txn.execute("DELETE FROM incident_decisions WHERE id = ?1", [number])?;
                }
            }
            let text = serde_json::to_string(&decision)
                .map_err(|source| Error::Damaged { id: "decision".into(), source })?;
            txn.execute("INSERT INTO incident_decisions (decision) VALUES (?1)", [text])?;
            Ok::<_, Error>(())
        })?;
        if let Some(memory) = kept.as_mut() {
            memory.decisions =
                self.state.read(decisions)?.into_iter().map(|(_, decision)| decision).collect();
            memory.is_dirty = true;
        }
        Ok(())
    }

    /// Computes everything anew and writes what differs.
    fn renew(&self, memory: &mut Memory, now_us: i64) -> Result<()> {
        let subjects: Vec<Subject> = memory.subjects.values().cloned().collect();
        let scores = scores(&subjects, &memory.assets, &memory.confidences);
        let groups = join(&subjects, &memory.decisions, &self.settings.joining);
        let all: BTreeMap<(RiskKind, String), Vec<Share>> =
            shares(subjects.iter().zip(scores.iter().map(|score| score.score)))
                .into_iter()
                .map(|((kind, name), list)| ((kind, name.to_owned()), list))
                .collect();
        let told = write::crossings(&all, &self.settings.fading);
        let mut about: HashMap<&str, Vec<Member>> = HashMap::new();
        for (id, crossing) in &told {
            about.entry(crossing.with.as_str()).or_default().push(crossing.member(id));
        }
        let wanted: BTreeMap<String, Wanted> = groups
            .iter()
            .filter_map(|group| Wanted::new(group, &subjects, &scores, &about, &self.settings))
            .map(|wanted| (wanted.id.clone(), wanted))
            .collect();
        let live = self.state.write(|txn| {
            let live = write::incidents(txn, &memory.live, &wanted, &self.settings.levels, now_us)?;
            write::scores(txn, subjects.iter().zip(&scores), &memory.scored)?;
            write::entities(txn, &all, &memory.weighed, &memory.assets, &self.settings.fading, now_us)?;
            write::told(txn, &told, &memory.told, now_us)?;
            set_position(txn, memory.seq)?;
            Ok::<_, Error>(live)
        })?;
        memory.written = Some(memory.seq);
        memory.live = live;
        memory.scored = subjects.into_iter().map(|subject| subject.seed.id).zip(scores).collect();
        memory.weighed = all;
        memory.told = told.into_iter().map(|(id, crossing)| (id, crossing.entity)).collect();
        memory.is_dirty = false;
        Ok(())
    }

    /// Marks what nobody took or closed in time.
    fn mark_overdue(&self, now_us: i64) -> Result<bool> {
        const CLOCKS: [(&str, &str); 2] = [
            (
                "acknowledge_overdue",
                "status = 'new' AND NOT acknowledge_overdue AND acknowledge_due_us < ?1 AND merged_into IS NULL",
            ),
            (
                "close_overdue",
                "status <> 'closed' AND NOT close_overdue AND close_due_us < ?1 AND merged_into IS NULL",
            ),
        ];
        let late = self.state.read(|db| {
            let mut late: Vec<(&str, String)> = Vec::new();
            for (clock, condition) in CLOCKS {
                let mut select = db.prepare_cached(&format!("SELECT id FROM incidents WHERE {condition}"))?;
                let ids = select.query_map([now_us], |row| row.get(0))?;
                for id in ids {
                    late.push((clock, id?));
                }
            }
            Ok::<_, Error>(late)
        })?;
        if late.is_empty() {
            return Ok(false);
        }
        self.state.write(|txn| {
            for (clock, id) in &late {
                let sql = format!("UPDATE incidents SET {clock} = 1 WHERE id = ?1 AND status <> 'closed'");
                if txn.execute(&sql, [id])? > 0 {
                    let what = match *clock {
                        "close_overdue" => "it was not closed in time",
                        _ => "nobody took it in time",
                    };
                    change::note(txn, id, STORMGLASS, clock, None, what, now_us)?;
                }
            }
            Ok::<_, Error>(())
        })?;
        Ok(true)
    }

    /// The alerts behind the risk of entities of a name, in whatever case, by kind of entity and name. What was
    /// last [followed](Self::follow) counts.
    pub fn shares(&self, entity: &str) -> Vec<(RiskKind, String, Vec<Share>)> {
        let kept = self.memory.lock();
        let weighed = kept.as_ref().map(|memory| &memory.weighed);
        let all = weighed.into_iter().flatten();
        all.filter(|((_, name), _)| name.eq_ignore_ascii_case(entity))
            .map(|((kind, name), shares)| (*kind, name.clone(), shares.clone()))
            .collect()
    }

    /// The position in the feed of alerts up to which incidents are made.
    ///
    /// # Errors
    /// The database refuses.
    pub fn position(&self) -> Result<u64> {
        use rusqlite::OptionalExtension as _;
        self.state.read(|db| {
            let seq = db.query_row("SELECT seq FROM incident_position", [], |row| row.get(0)).optional()?;
            Ok(seq.unwrap_or(0))
        })
    }

    /// The assets that were written over the API, by name.
    ///
    /// # Errors
    /// The database refuses.
    pub fn assets(&self) -> Result<Vec<Asset>> {
        self.state.read(stored_assets)
    }

    /// Writes an asset, in the place of one of the same name.
    ///
    /// # Errors
    /// [`Error::AssetRefused`], or the database refuses.
    pub fn set_asset(&self, asset: &Asset) -> Result<()> {
        let refused = |(field, problem, mend): (&str, &str, &str)| Error::AssetRefused {
            name: asset.name.chars().take(64).collect(),
            field: field.to_owned(),
            problem: format!("{problem}; {mend}"),
        };
        if let Some(fault) = asset.fault() {
            return Err(refused(fault));
        }
        let text = serde_json::to_string(asset)
            .map_err(|source| Error::Damaged { id: asset.name.clone(), source })?;
        self.state.write(|txn| {
            let count: usize = txn.query_row("SELECT count(*) FROM assets", [], |row| row.get(0))?;
            if count >= crate::risk::MAX_ASSETS {
                return Err(refused(("name", "there are 10000 assets", "remove some, or use patterns")));
            }
            txn.execute(
                "INSERT INTO assets (name, asset) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET asset = ?2",
                [&asset.name, &text],
            )?;
            Ok(())
        })?;
        self.forget_assets();
        Ok(())
    }

    /// Removes an asset that was written over the API; `false` if there is none of this name.
    ///
    /// # Errors
    /// The database refuses.
    pub fn remove_asset(&self, name: &str) -> Result<bool> {
        let gone = self
            .state
            .write(|txn| Ok::<_, Error>(txn.execute("DELETE FROM assets WHERE name = ?1", [name])? > 0))?;
        self.forget_assets();
        Ok(gone)
    }

    /// What entities weigh depends on assets.
    fn forget_assets(&self) {
        if let Some(memory) = self.memory.lock().as_mut() {
            memory.is_dirty = true;
            memory.assets = Assets::default();
            memory.weighed.clear();
        }
    }
}

fn set_position(txn: &Txn<'_>, seq: u64) -> Result<()> {
    txn.execute(
        "INSERT INTO incident_position (id, seq) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seq = ?1",
        [seq],
    )?;
    Ok(())
}

fn decisions(db: &rusqlite::Connection) -> Result<Vec<(i64, Decision)>> {
    let mut select = db.prepare_cached("SELECT id, decision FROM incident_decisions ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut decisions = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let decision =
            serde_json::from_str(&text).map_err(|source| Error::Damaged { id: "decision".into(), source })?;
        decisions.push((row.get(0)?, decision));
    }
    Ok(decisions)
}

fn stored_assets(db: &rusqlite::Connection) -> Result<Vec<Asset>> {
    let mut select = db.prepare_cached("SELECT name, asset FROM assets ORDER BY name")?;
    let mut rows = select.query([])?;
    let mut assets = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, text): (String, String) = (row.get(0)?, row.get(1)?);
        assets.push(serde_json::from_str(&text).map_err(|source| Error::Damaged { id: name, source })?);
    }
    Ok(assets)
}

impl Memory {
    /// The newest alerts, all those of incidents that they belong to, and what is written of them.
    fn load(state: &State, settings: &Settings) -> Result<Self> {
        state.read(|db| {
            let seq = crate::feed::end(db)?;
            let mut memory = Self {
                subjects: BTreeMap::new(),
                times: HashMap::new(),
                seq,
                names: Arc::default(),
                confidences: Arc::default(),
                assets: Assets::default(),
                decisions: decisions(db)?.into_iter().map(|(_, decision)| decision).collect(),
                live: BTreeMap::new(),
                scored: HashMap::new(),
                weighed: BTreeMap::new(),
                told: write::read_told(db)?,
                is_dirty: true,
                written: None,
            };
            for seed in seed::newest(db, settings.alerts)? {
                memory.put(Subject::new(seed, &Names::new()));
            }
            for (id, live) in write::read_live(db)? {
                let is_newer = live.members.iter().any(|alert| memory.times.contains_key(alert));
                if !is_newer {
                    continue;
                }
                for alert in &live.members {
                    if !memory.times.contains_key(alert)
                        && let Some(seed) = seed::one(db, alert)?
                    {
                        memory.put(Subject::new(seed, &Names::new()));
                    }
                }
                memory.live.insert(id, live);
            }
            memory.scored = write::read_scores(db)?;
            Ok(memory)
        })
    }

    fn put(&mut self, subject: Subject) {
        let (id, time_us) = (subject.seed.id.clone(), subject.seed.time_us);
        self.take(&id);
        self.times.insert(id.clone(), time_us);
        self.subjects.insert((time_us, id), subject);
    }

    fn take(&mut self, id: &str) -> Option<Subject> {
        let time_us = self.times.remove(id)?;
        self.subjects.remove(&(time_us, id.to_owned()))
    }

    /// Takes in what has happened to alerts since the last look.
    fn read_feed(&mut self, state: &State) -> Result<()> {
        loop {
            let from = self.seq;
            let changed = state.read(|db| {
                let (ids, last) = seed::changed(db, from, ENTRIES)?;
                let mut changed = Vec::with_capacity(ids.len());
                for id in ids {
                    let is_settled = !self.times.contains_key(&id) && {
                        let of: Option<String> = write::incident_of(db, &id)?;
                        of.is_some_and(|of| !self.live.contains_key(&of))
                    };
                    if !is_settled {
                        changed.push((seed::one(db, &id)?, id));
                    }
                }
                Ok::<_, Error>((changed, last))
            })?;
            let (changed, last) = changed;
            self.seq = last;
            for (seed, id) in changed {
                let known = self.take(&id);
                let subject = seed.map(|seed| Subject::new(seed, &self.names));
                self.is_dirty |= known != subject;
                if let Some(subject) = subject {
                    self.put(subject);
                }
            }
            if last == from {
                return Ok(());
            }
        }
    }

    /// Looks everything up again if what is known beside the alerts is another.
    fn use_context(&mut self, state: &State, context: &Context) -> Result<()> {
        if !Arc::ptr_eq(&self.names, &context.names) && self.names != context.names {
            for subject in self.subjects.values_mut() {
                *subject = Subject::new(subject.seed.clone(), &context.names);
            }
            self.is_dirty = true;
        }
        self.names = context.names.clone();
        if !Arc::ptr_eq(&self.confidences, &context.confidences) && self.confidences != context.confidences {
            self.is_dirty = true;
        }
        self.confidences = context.confidences.clone();
        if self.is_dirty {
            let mut assets = Assets::clone(&context.assets);
            assets.assets.extend(state.read(stored_assets)?);
            if assets != self.assets {
                // The criticality of entities may be another.
                self.weighed.clear();
                self.assets = assets;
            }
        }
        Ok(())
    }
}

/// An incident as it is to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) assessment: Assessment,
    /// Alerts in order, with their times, why they belong to it, and whether somebody is done with them.
    pub(super) members: Vec<Member>,
}

/// An alert of an incident that is to be.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) alert: String,
    pub(super) time_us: i64,
    pub(super) why: String,
    pub(super) is_closed: bool,
}

impl Wanted {
    /// The incident that a group is, if it is one. What is `about` the risk of somebody goes with the alert that it
    /// rests on, by whose id it is found, and makes neither the incident nor its severity.
    fn new(
        group: &Group,
        subjects: &[Subject],
        scores: &[Score],
        about: &HashMap<&str, Vec<Member>>,
        settings: &Settings,
    ) -> Option<Self> {
        let severity_id = group
            .members
            .iter()
            .filter_map(|member| subjects.get(member.at))
            .map(|s| s.seed.severity_id)
            .max()?;
        let least = if group.members.len() > 1 { 2 } else { settings.alone };
        if severity_id < least {
            return None;
        }
        let mut members: Vec<_> = group
            .members
            .iter()
            .filter_map(|member| {
                let seed = &subjects.get(member.at)?.seed;
                let why = member.why.clone();
                Some(Member { alert: seed.id.clone(), time_us: seed.time_us, why, is_closed: seed.is_closed })
            })
            .collect();
        let id = incident_id(&members.first()?.alert);
        let of_risk = members.iter().filter_map(|member| about.get(member.alert.as_str())).flatten();
        let of_risk: Vec<Member> = of_risk.cloned().collect();
        let assessment = assess(group, subjects, scores, of_risk.len());
        members.extend(of_risk);
        members.sort_by(|a, b| (a.time_us, &a.alert).cmp(&(b.time_us, &b.alert)));
        Some(Self { id, assessment, members })
    }
}

/// The id of the incident whose earliest alert is `alert`.
fn incident_id(alert: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"incident\0");
    hasher.update(alert.as_bytes());
    hasher.finalize().to_hex().chars().take(32).collect()
}

/// How critical an entity is.
pub(super) fn criticality(assets: &Assets, name: &str) -> Criticality {
    // `aws:user:arn:…`, `mail:…`: also without the kind.
    let names: Vec<&str> = (1..=3).filter_map(|parts| name.splitn(parts, ':').last()).collect();
    assets.find(&names).map(|asset| asset.criticality).unwrap_or_default()
}
