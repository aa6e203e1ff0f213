//! Following the feed of alerts: incidents and risk are brought up to date with what has changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use storage::state::{State, Txn, Watched, rusqlite};

use super::change;
use super::decision::Decision;
use super::join::Joining;
use super::memory::Memory;
use super::names::Names;
use super::tables::MIGRATIONS;
use crate::risk::{Asset, Assets, Confidences, Fading, RiskKind, Share};
use crate::{AlertStore, Error, Result};

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
    /// So many of the newest alerts are joined and weighed; incidents of older ones stay as they are.
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
#[derive(Debug, Clone)]
pub struct Context {
    /// The identities behind names.
    pub names: Arc<dyn Names>,
    /// What is known of things and people, beside what was written over the API.
    pub assets: Arc<Assets>,
    /// How sure each rule is.
    pub confidences: Arc<Confidences>,
}

impl Default for Context {
    /// Nothing is known.
    fn default() -> Self {
        let names = Arc::new(HashMap::<String, String>::new());
        Self { names, assets: Arc::default(), confidences: Arc::default() }
    }
}

/// The incidents of a state database, and those who work on them. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Incidents {
    state: State,
    settings: Arc<Settings>,
    memory: Arc<Mutex<Option<Memory>>>,
    /// What the last look took of a core, in microseconds; 0 before the first.
    worked_us: Arc<AtomicU64>,
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
        Ok(Self { state, settings: Arc::new(settings), memory: Arc::default(), worked_us: Arc::default() })
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
        let mut began = Instant::now();
        let mut memory = match kept.take() {
            Some(memory) => memory,
            None => Memory::load(&self.state, &self.settings, context)?,
        };
        // What a start reads of the database tells nothing of the looks that follow.
        if self.worked_us.load(Ordering::Relaxed) == 0 {
            began = Instant::now();
        }
        memory.read_feed(&self.state)?;
        memory.use_context(&self.state, context)?;
        let mut has_changed = memory.renew(&self.state, &self.settings, now_us)?;
        let mut waited = memory.waited();
        has_changed |= self.mark_overdue(now_us, &mut waited)?;
        let worked = began.elapsed().saturating_sub(waited);
        let worked_us = u64::try_from(worked.as_micros()).unwrap_or(u64::MAX);
        self.worked_us.store(worked_us.max(1), Ordering::Relaxed);
        // Far more than is to be joined: the oldest are settled.
        if memory.count() <= self.settings.alerts.saturating_mul(5) / 4 {
            *kept = Some(memory);
        }
        Ok(has_changed)
    }

    /// What the last look took, without what it waited for others who write, and of the first also without what it
    /// read of the database to begin with.
    pub fn worked(&self) -> Duration {
        Duration::from_micros(self.worked_us.load(Ordering::Relaxed))
    }

    /// Writes a decision, and undoes earlier ones that it contradicts. `make` looks, in the same transaction, at what
    /// is decided about, and gives it with the decision and the alerts that this is about; it is told whether an alert
    /// is too old to be joined.
    pub(super) fn decide(
        &self,
        make: impl FnOnce(&Txn<'_>, &dyn Fn(&str) -> bool) -> Result<(String, Decision, BTreeSet<String>)>,
    ) -> Result<String> {
        let mut kept = self.memory.lock();
        let about = self.state.write(|txn| {
            let is_settled = |alert: &str| kept.as_ref().is_some_and(|memory| !memory.knows(alert));
            let (about, decision, merged) = make(txn, &is_settled)?;
            for (number, known) in decisions(txn)? {
                if known.is_undone_by(&decision.kind, &merged) {
                    txn.execute("DELETE FROM incident_decisions WHERE id = ?1", [number])?;
                }
            }
            let text = serde_json::to_string(&decision)
                .map_err(|source| Error::Damaged { id: "decision".into(), source })?;
            txn.execute("INSERT INTO incident_decisions (decision) VALUES (?1)", [text])?;
            Ok::<_, Error>(about)
        })?;
        if let Some(memory) = kept.as_mut() {
            let known = self.state.read(decisions)?;
            memory.set_decisions(known.into_iter().map(|(_, decision)| decision).collect());
        }
        Ok(about)
    }

    /// Marks what nobody took or closed in time; adds to `waited` how long that waited for others who write.
    fn mark_overdue(&self, now_us: i64, waited: &mut Duration) -> Result<bool> {
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
        let asked = Instant::now();
        self.state.write(|txn| {
            *waited += asked.elapsed();
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
        self.memory.lock().as_ref().map(|memory| memory.shares(entity)).unwrap_or_default()
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

    /// How far the feed of alerts was followed; whoever waits for it is woken when it was followed further.
    ///
    /// # Errors
    /// The database refuses.
    pub fn watch_position(&self) -> Result<Watched> {
        Ok(self.state.watch("SELECT seq FROM incident_position")?)
    }

    /// The number of the newest entry of the feed of incidents; whoever waits for it is woken by each commit with
    /// something new.
    ///
    /// # Errors
    /// The database refuses.
    pub fn watch_feed(&self) -> Result<Watched> {
        Ok(self.state.watch("SELECT max(seq) FROM incident_feed")?)
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
            memory.forget_assets();
        }
    }
}

pub(super) fn set_position(txn: &Txn<'_>, seq: u64) -> Result<()> {
    txn.execute(
        "INSERT INTO incident_position (id, seq) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seq = ?1",
        [seq],
    )?;
    Ok(())
}

/// What people have decided, in order, with its numbers; of alerts as they go on.
pub(super) fn decisions(db: &rusqlite::Connection) -> Result<Vec<(i64, Decision)>> {
    let mut select = db.prepare_cached("SELECT id, decision FROM incident_decisions ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut decisions = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let decision: Decision =
            serde_json::from_str(&text).map_err(|source| Error::Damaged { id: "decision".into(), source })?;
        decisions.push((row.get(0)?, decision.going_on(|alert| AlertStore::heir(db, alert))?));
    }
    Ok(decisions)
}

pub(super) fn stored_assets(db: &rusqlite::Connection) -> Result<Vec<Asset>> {
    let mut select = db.prepare_cached("SELECT name, asset FROM assets ORDER BY name")?;
    let mut rows = select.query([])?;
    let mut assets = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, text): (String, String) = (row.get(0)?, row.get(1)?);
        assets.push(serde_json::from_str(&text).map_err(|source| Error::Damaged { id: name, source })?);
    }
    Ok(assets)
}
