//! What is kept of alerts between two looks, and what a change among them makes different.
//!
//! Everything that is written is a function of all alerts, of what is known of names and things, and of decisions.
//! A change is followed to what depends on it alone: the scores of alerts whose rarity it is part of, the shares of
//! the entities that it is about, the incidents of what hangs together with it ([`Reach`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::state::State;

use super::by_name::ByName;
use super::decision::Decision;
use super::follow::{Context, Settings, decisions, set_position, stored_assets};
use super::join::join_known;
use super::names::{Names, Renamed};
use super::reach::Reach;
use super::seed;
use super::subject::{Place, Subject};
use super::wanted::{Member, Wanted};
use super::write::{self, Crossing, EntityName, Live};
use crate::risk::{Assets, Confidences, Fading, Fired, RiskKind, Share, Weight, counting, score, shares_of};
use crate::{Error, Result};

/// How many entries of the feed are read at once.
const ENTRIES: usize = 10_000;

/// What is kept between two looks; it is made anew from the database after any failure.
#[derive(Debug)]
pub(super) struct Memory {
    alerts: BTreeMap<Place, Known>,
    /// How many of them silences hide.
    hidden: usize,
    times: HashMap<Arc<str>, i64>,
    /// Of those in sight.
    reach: Reach,
    fired: Fired,
    /// The shares in the risk of entities, in order, whether they count or not.
    shares: BTreeMap<EntityName, Vec<Share>>,
    live: BTreeMap<String, Live>,
    /// By alert, the incident that it is written for.
    home: HashMap<String, String>,
    /// The alerts about risk that stand.
    told: BTreeMap<String, Told>,
    names: Arc<dyn Names>,
    /// Up to where it is known what names mean something else.
    names_place: Option<u64>,
    by_name: ByName,
    confidences: Arc<Confidences>,
    /// Those of files.
    of_files: Arc<Assets>,
    assets: Assets,
    are_assets_old: bool,
    /// While it is made, what tells apart what is written of the risk of alerts.
    written_scores: HashMap<String, u64>,
    change: Change,
    seq: u64,
    /// The position that is written.
    written: Option<u64>,
    /// How long the last look waited for others who write, and for the disk.
    waited: Duration,
}

#[derive(Debug)]
struct Known {
    subject: Subject,
    weight: Weight,
    /// What tells whether what is written of its risk differs.
    mark: Option<u64>,
}

/// An alert about risk.
#[derive(Debug)]
struct Told {
    entity: EntityName,
    /// Whether a silence hides it: it is in no incident then.
    is_hidden: bool,
    /// The alert with which the risk crossed the threshold, and what that makes of this one; `None` before it is
    /// looked at.
    with: Option<(String, Member)>,
}

/// What is to be looked at anew.
#[derive(Debug, Default)]
struct Change {
    /// Alerts whose incidents may be others.
    touched: BTreeSet<Place>,
    /// Alerts that may weigh something else.
    reweighed: BTreeSet<Place>,
    entities: BTreeSet<EntityName>,
    /// Alerts that are gone, or that are written for another time.
    gone: BTreeSet<String>,
    /// Nothing that an earlier run wrote of entities may stay.
    is_first: bool,
}

impl Change {
    fn is_nothing(&self) -> bool {
        self.touched.is_empty()
            && self.reweighed.is_empty()
            && self.entities.is_empty()
            && self.gone.is_empty()
            && !self.is_first
    }
}

impl Memory {
    /// The newest alerts, all those of incidents that they belong to, and what is written of them.
    pub(super) fn load(state: &State, settings: &Settings, context: &Context) -> Result<Self> {
        state.read(|db| {
            let known = decisions(db)?.into_iter().map(|(_, decision)| decision).collect();
            let names_place = Some(context.names.changed_since(None).1);
            let told = write::read_told(db)?
                .into_iter()
                .map(|(id, (entity, is_hidden))| (id, Told { entity, is_hidden, with: None }));
            let mut memory = Self {
                alerts: BTreeMap::new(),
                hidden: 0,
                times: HashMap::new(),
                reach: Reach::new(settings.joining.clone(), known),
                fired: Fired::default(),
                shares: BTreeMap::new(),
                live: BTreeMap::new(),
                home: HashMap::new(),
                told: told.collect(),
                names: context.names.clone(),
                names_place,
                by_name: ByName::default(),
                confidences: context.confidences.clone(),
                of_files: context.assets.clone(),
                assets: Assets::default(),
                are_assets_old: true,
                written_scores: write::read_scores(db)?,
                change: Change { is_first: true, ..Change::default() },
                seq: crate::feed::end(db)?,
                written: None,
                waited: Duration::ZERO,
            };
            for seed in seed::newest(db, settings.alerts)? {
                memory.put(Subject::new(seed, &*context.names));
            }
            for (id, live) in write::read_live(db)? {
                let is_newer =
                    live.members.iter().any(|(alert, _)| memory.times.contains_key(alert.as_str()));
                if !is_newer {
                    continue;
                }
                for (alert, _) in &live.members {
                    if !memory.times.contains_key(alert.as_str())
                        && let Some(seed) = seed::one(db, alert)?
                    {
                        memory.put(Subject::new(seed, &*context.names));
                    }
                    memory.home.insert(alert.clone(), id.clone());
                    // What is gone by now is still written.
                    memory.change.gone.insert(alert.clone());
                }
                memory.live.insert(id, live);
            }
            memory.written_scores = HashMap::new();
            memory.change.entities.extend(memory.told.values().map(|told| told.entity.clone()));
            Ok(memory)
        })
    }

    /// How long the last look waited for others who write, and for the disk.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// How many alerts in sight are kept, or how many that silences hide if those are more.
    pub(super) fn count(&self) -> usize {
        self.hidden.max(self.alerts.len() - self.hidden)
    }

    /// Whether an alert is among those that are joined.
    pub(super) fn knows(&self, alert: &str) -> bool {
        self.times.contains_key(alert)
    }

    /// The shares of entities of a name that count, in whatever case, by kind of entity and name.
    pub(super) fn shares(&self, entity: &str) -> Vec<(RiskKind, String, Vec<Share>)> {
        let named = self.shares.iter().filter(|((_, name), _)| name.eq_ignore_ascii_case(entity));
        named
            .map(|((kind, name), shares)| {
                (*kind, name.clone(), counting(shares).into_iter().cloned().collect())
            })
            .collect()
    }

    /// What people have decided is another.
    pub(super) fn set_decisions(&mut self, decisions: Vec<Decision>) {
        let known = self.times.keys().map(|id| &**id);
        for id in self.reach.set_decisions(decisions, known) {
            let place = self.place(&id);
            self.change.touched.extend(place);
        }
    }

    /// The assets that were written over the API are others.
    pub(super) fn forget_assets(&mut self) {
        self.are_assets_old = true;
    }

    fn place(&self, id: &str) -> Option<Place> {
        self.times.get_key_value(id).map(|(id, time_us)| (*time_us, id.clone()))
    }

    /// Takes in an alert, in the place of what was known of it.
    fn put(&mut self, subject: Subject) {
        let id: Arc<str> = subject.seed.id.as_str().into();
        let place = (subject.seed.time_us, id.clone());
        let known = self.place(&id).and_then(|place| self.alerts.get(&place));
        let stays = known.is_some_and(|known| known.subject.joins_like(&subject));
        let mark = match known {
            Some(known) => known.mark,
            None => self.written_scores.remove(&*id),
        };
        if stays {
            if let Some(old) = self.alerts.remove(&place) {
                self.drop_shares(&old);
                self.by_name.remove(&old.subject, &place);
            }
            self.by_name.add(&subject, &place);
            self.alerts.insert(place.clone(), Known { subject, weight: Weight::default(), mark });
            self.change.touched.insert(place.clone());
        } else {
            self.take(&id);
            self.fired.add(&subject);
            self.change.reweighed.extend(self.fired.after(&subject));
            self.times.insert(id, place.0);
            self.by_name.add(&subject, &place);
            let is_hidden = subject.seed.is_hidden;
            self.alerts.insert(place.clone(), Known { subject, weight: Weight::default(), mark });
            if is_hidden {
                self.hidden += 1;
            } else {
                let find = |place: &Place| in_sight(&self.alerts, place);
                self.reach.add(&place, &find, &mut self.change.touched);
            }
        }
        self.change.reweighed.insert(place);
    }

    /// Forgets an alert.
    fn take(&mut self, id: &str) {
        let Some(place) = self.place(id) else { return };
        self.times.remove(id);
        let Some(old) = self.alerts.remove(&place) else { return };
        self.drop_shares(&old);
        self.by_name.remove(&old.subject, &place);
        self.fired.remove(&old.subject);
        self.change.reweighed.extend(self.fired.after(&old.subject));
        self.change.gone.insert(id.to_owned());
        if old.subject.seed.is_hidden {
            self.hidden -= 1;
            return;
        }
        let find = |place: &Place| in_sight(&self.alerts, place);
        self.reach.remove(&old.subject, &place, &find, &mut self.change.touched);
        // A decision may have held others by it.
        let others: Vec<Place> = self.reach.decided_with(id).filter_map(|id| self.place(id)).collect();
        self.change.touched.extend(others);
    }

    fn drop_shares(&mut self, known: &Known) {
        drop_shares(&known.subject, known.weight, &mut self.shares, &mut self.change.entities);
    }

    /// Takes in what has happened to alerts since the last look.
    pub(super) fn read_feed(&mut self, state: &State) -> Result<()> {
        loop {
            let from = self.seq;
            let (changed, of_risk, last) = state.read(|db| {
                let (ids, last) = seed::changed(db, from, ENTRIES)?;
                let mut changed = Vec::with_capacity(ids.len());
                let mut of_risk = Vec::new();
                for id in ids {
                    if self.told.contains_key(&id) {
                        of_risk.push((seed::is_hidden(db, &id)?, id));
                        continue;
                    }
                    let is_settled = !self.times.contains_key(id.as_str()) && {
                        let of: Option<String> = write::incident_of(db, &id)?;
                        of.is_some_and(|of| !self.live.contains_key(&of))
                    };
                    if !is_settled {
                        changed.push((seed::one(db, &id)?, id));
                    }
                }
                Ok::<_, Error>((changed, of_risk, last))
            })?;
            self.seq = last;
            // Whoever goes on as another takes along what was decided of it.
            if changed.iter().any(|(seed, id)| seed.is_none() && self.reach.is_decided(id)) {
                let known = state.read(decisions)?;
                self.set_decisions(known.into_iter().map(|(_, decision)| decision).collect());
            }
            for (is_hidden, id) in of_risk {
                self.show_told(&id, is_hidden);
            }
            for (seed, id) in changed {
                let Some(seed) = seed else {
                    self.take(&id);
                    continue;
                };
                let subject = Subject::new(seed, &*self.names);
                let known = self.place(&id).and_then(|place| self.alerts.get(&place));
                if known.is_none_or(|known| known.subject != subject) {
                    self.put(subject);
                }
            }
            if last == from {
                return Ok(());
            }
        }
    }

    /// A silence hides an alert about risk, or no more.
    fn show_told(&mut self, id: &str, is_hidden: bool) {
        let Some(told) = self.told.get_mut(id).filter(|told| told.is_hidden != is_hidden) else { return };
        told.is_hidden = is_hidden;
        let with = told.with.as_ref().map(|(with, _)| with.clone());
        let place = with.and_then(|with| self.place(&with));
        self.change.touched.extend(place);
    }

    /// Looks up anew what another knowledge of names, rules and things is about.
    pub(super) fn use_context(&mut self, state: &State, context: &Context) -> Result<()> {
        let is_another = !Arc::ptr_eq(&self.names, &context.names);
        self.names = context.names.clone();
        let (renamed, place) = self.names.changed_since(self.names_place.filter(|_| !is_another));
        self.names_place = Some(place);
        let places: Vec<Place> = match &renamed {
            Renamed::Names(names) if !is_another => self.by_name.places(names).into_iter().collect(),
            Renamed::Names(_) | Renamed::Any => self.alerts.keys().cloned().collect(),
        };
        for place in places {
            let Some(known) = self.alerts.get(&place) else { continue };
            let subject = Subject::new(known.subject.seed.clone(), &*self.names);
            if known.subject != subject {
                self.put(subject);
            }
        }
        if !Arc::ptr_eq(&self.confidences, &context.confidences) {
            if self.confidences != context.confidences {
                self.change.reweighed.extend(self.alerts.keys().cloned());
            }
            self.confidences = context.confidences.clone();
        }
        if self.are_assets_old || !Arc::ptr_eq(&self.of_files, &context.assets) {
            let mut assets = Assets::clone(&context.assets);
            assets.assets.extend(state.read(stored_assets)?);
            if assets != self.assets {
                self.change.reweighed.extend(self.alerts.keys().cloned());
                // Their own criticality is written, too.
                self.change.entities.extend(self.shares.keys().cloned());
                self.assets = assets;
            }
            self.of_files = context.assets.clone();
            self.are_assets_old = false;
        }
        Ok(())
    }

    /// Computes anew what a change has reached and writes what differs, with the position; returns whether anything
    /// has changed.
    pub(super) fn renew(&mut self, state: &State, settings: &Settings, now_us: i64) -> Result<bool> {
        self.waited = Duration::ZERO;
        if self.change.is_nothing() {
            if self.written != Some(self.seq) {
                let asked = Instant::now();
                state.write(|txn| set_position(txn, self.seq))?;
                self.waited = asked.elapsed();
                self.written = Some(self.seq);
            }
            return Ok(false);
        }
        let scores = self.weigh()?;
        let (crossings, over) = self.cross(&settings.fading);
        // Whether a silence hides them is decided where they are recorded. A kill before the rest is written finds
        // them told of already.
        let mut waited = Duration::ZERO;
        if !crossings.is_empty() || !over.is_empty() {
            let asked = Instant::now();
            let hidden = state.write(|txn| write::told(txn, &crossings, &over, now_us))?;
            waited += asked.elapsed();
            for id in hidden {
                if let Some(told) = self.told.get_mut(&id) {
                    told.is_hidden = true;
                }
            }
        }
        let change = std::mem::take(&mut self.change);

        let find = |place: &Place| in_sight(&self.alerts, place);
        let islands = self.reach.islands(change.touched, &find, &|id| self.place(id));
        let known: Vec<&Known> = islands.iter().filter_map(|place| self.alerts.get(place)).collect();
        let subjects: Vec<&Subject> = known.iter().map(|known| &known.subject).collect();
        let weights: Vec<Weight> = known.iter().map(|known| known.weight).collect();
        let joins = |key: super::join::Key<'_>, first: &Subject| self.reach.joins(key, first);
        let groups = join_known(&subjects, self.reach.decisions(), &settings.joining, Some(&joins));
        let mut about: HashMap<&str, Vec<&Member>> = HashMap::new();
        let told = self.told.values().filter(|told| !told.is_hidden);
        for (with, member) in told.filter_map(|told| told.with.as_ref()) {
            about.entry(with).or_default().push(member);
        }
        let wanted: BTreeMap<String, Wanted> = groups
            .iter()
            .filter_map(|group| Wanted::new(group, &subjects, &weights, &about, settings))
            .map(|wanted| (wanted.id.clone(), wanted))
            .collect();

        let ids = subjects.iter().map(|subject| &subject.seed.id).chain(&change.gone).chain(&over);
        let homes: BTreeSet<String> = ids.filter_map(|id| self.home.get(id).cloned()).collect();
        let live: BTreeMap<String, Live> =
            homes.into_iter().filter_map(|id| self.live.remove_entry(&id)).collect();
        let entities = change.entities.iter();
        let entities =
            entities.map(|entity| (entity, counting(self.shares.get(entity).map_or(&[], Vec::as_slice))));
        let asked = Instant::now();
        let mut written = asked;
        let next = state.write(|txn| {
            waited += asked.elapsed();
            if change.is_first {
                txn.execute("DELETE FROM entity_risk", [])?;
            }
            let next =
                write::incidents(txn, &live, &wanted, self.reach.decisions(), &settings.levels, now_us)?;
            write::scores(txn, &scores)?;
            write::entities(txn, entities, &self.assets, &settings.fading, now_us)?;
            set_position(txn, self.seq)?;
            written = Instant::now();
            Ok::<_, Error>(next)
        })?;
        self.waited = waited + written.elapsed();
        self.written = Some(self.seq);
        for (alert, _) in live.values().flat_map(|live| &live.members) {
            self.home.remove(alert);
        }
        for (id, live) in &next {
            self.home.extend(live.members.iter().map(|(alert, _)| (alert.clone(), id.clone())));
        }
        self.live.extend(next);
        for entity in &change.entities {
            if self.shares.get(entity).is_some_and(Vec::is_empty) {
                self.shares.remove(entity);
            }
        }
        Ok(true)
    }

    /// Scores what may weigh something else; returns what is to be written.
    fn weigh(&mut self) -> Result<Vec<(String, u8, String)>> {
        let mut scores = Vec::new();
        for place in std::mem::take(&mut self.change.reweighed) {
            let Some(known) = self.alerts.get(&place) else { continue };
            let before = self.fired.before(&known.subject);
            let found = score(&known.subject, before, &self.assets, &self.confidences);
            let parts = serde_json::to_string(&found.parts)
                .map_err(|source| Error::Damaged { id: known.subject.seed.id.clone(), source })?;
            let mark = Some(write::score_mark(found.score, &parts));
            if known.mark != mark {
                scores.push((known.subject.seed.id.clone(), found.score, parts));
            }
            let (old, new) = (known.weight, found.weight());
            if old != new {
                self.change.touched.insert(place.clone());
                drop_shares(&known.subject, old, &mut self.shares, &mut self.change.entities);
                for ((kind, name), share) in shares_of(&known.subject, new.score) {
                    let entity = (kind, name.to_owned());
                    let list = self.shares.entry(entity.clone()).or_default();
                    let at = list.partition_point(|other| *other < share);
                    list.insert(at, share);
                    self.change.entities.insert(entity);
                }
            }
            if let Some(known) = self.alerts.get_mut(&place) {
                known.weight = new;
                known.mark = mark;
            }
        }
        Ok(scores)
    }

    /// What is to be told of the risk of entities, and what is no more.
    fn cross(&mut self, fading: &Fading) -> (Vec<Crossing>, Vec<String>) {
        let mut crossings: BTreeMap<String, Crossing> = BTreeMap::new();
        for entity in &self.change.entities {
            let Some(list) = self.shares.get(entity) else { continue };
            let found = write::crossings(entity, &counting(list), fading);
            crossings.extend(found.into_iter().map(|crossing| (crossing.id().to_owned(), crossing)));
        }
        let entities = &self.change.entities;
        let is_over =
            |(id, told): &(&String, &Told)| entities.contains(&told.entity) && !crossings.contains_key(*id);
        let over: Vec<String> = self.told.iter().filter(is_over).map(|(id, _)| id.clone()).collect();
        for id in &over {
            let with = self.told.remove(id).and_then(|told| told.with);
            let place = with.and_then(|(with, _)| self.place(&with));
            self.change.touched.extend(place);
        }
        let mut new = Vec::new();
        for (id, crossing) in crossings {
            let told = Told {
                entity: crossing.entity.clone(),
                is_hidden: self.told.get(&id).is_some_and(|told| told.is_hidden),
                with: Some((crossing.with.clone(), crossing.member())),
            };
            let known = self.told.insert(id, told);
            if known.as_ref().is_none_or(|known| known.with.is_none()) {
                let place = self.place(&crossing.with);
                self.change.touched.extend(place);
            }
            if known.is_none() {
                new.push(crossing);
            }
        }
        (new, over)
    }
}

/// The alert of a place, if no silence hides it.
fn in_sight<'a>(alerts: &'a BTreeMap<Place, Known>, place: &Place) -> Option<&'a Subject> {
    alerts.get(place).map(|known| &known.subject).filter(|subject| !subject.seed.is_hidden)
}

fn drop_shares(
    subject: &Subject,
    weight: Weight,
    shares: &mut BTreeMap<EntityName, Vec<Share>>,
    entities: &mut BTreeSet<EntityName>,
) {
    for ((kind, name), share) in shares_of(subject, weight.score) {
        let entity = (kind, name.to_owned());
        if let Some(list) = shares.get_mut(&entity)
            && let Ok(at) = list.binary_search(&share)
        {
            list.remove(at);
        }
        entities.insert(entity);
    }
}
