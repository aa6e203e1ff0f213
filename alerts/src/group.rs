//! Many matches of one rule that are one alert.
//!
//! A rule that matches ten thousand times in a minute must leave its team one alert with a count. Matches of the
//! same rule with the same values, within the same window of time, are a *group*. The windows lie fixed, at the
//! multiples of their length since 1970: so the group of a match is a function of the match alone, and the same
//! matches in any order, twice or late, amount to the same alerts. (A window that begins with the first match
//! would move when an earlier one comes late, and with it the ids.)
//!
//! Everything that an alert says of its group is such a function, too: how many there are, the first and the
//! last of them in time, and the least of their entities by kind. Which matches were counted is kept, as 16
//! bytes each.

use std::collections::BTreeMap;

use storage::state::{Txn, rusqlite};

use crate::amend::{release, replace};
use crate::history::{self, AlertChange};
use crate::row::{COLUMNS, read};
use crate::silence::InForce;
use crate::store::insert;
use crate::{Alert, AlertId, AlertStore, EntityKind, Evidence, Joined, Result, StoredAlert, raw_field};

/// The matches that an alert of a group carries as evidence: so many of its first, and as many of its last.
pub const GROUP_EVIDENCE: usize = 10;

/// How many matches of a group are counted; of more the alert only knows the first and the last.
pub const GROUP_MATCHES: u64 = 100_000;

/// The longest value of a field that matches are grouped by, in characters.
const GROUP_VALUE: usize = 512;

/// The most entities of a kind that an alert of a group names.
const ENTITIES: usize = 20;

/// The most providers that it names.
const PROVIDERS: usize = 10;

impl Alert {
    /// The alert of the group of which this alert of a single event is a match: by these fields (see
    /// `rules::Grouping::FIELDS`; `fields.PATH` is a field of the record), in windows of `within_us` microseconds.
    #[must_use]
    pub fn grouped(self, by: &[String], within_us: i64) -> Self {
        let by: Vec<_> = by.iter().map(|name| (name.clone(), self.value_of(name))).collect();
        let within_us = within_us.max(1);
        let window = self.time_us.div_euclid(within_us).saturating_mul(within_us);
        // As JSON, so that no value can pass for two.
        let key = serde_json::json!(["group", within_us, window, by]).to_string();
        Self {
            id: AlertId::new(&self.rule.id, [key.as_str()]),
            joined: Some(Joined {
                by,
                why: format!("matches in windows of {} s", within_us / 1_000_000),
                begin_us: self.time_us,
                events: 1,
            }),
            ..self
        }
    }

    fn value_of(&self, name: &str) -> String {
        let kind = match name {
            "actor" => EntityKind::Actor,
            "credential" => EntityKind::Credential,
            "user" => EntityKind::User,
            "account" => EntityKind::Account,
            "address" => EntityKind::Address,
            "resource" => EntityKind::Resource,
            "provider" => return self.provider.clone(),
            "operation" => {
                return self.evidence.last().map(|event| event.operation.clone()).unwrap_or_default();
            }
            _ => {
                let Some(path) = raw_field::path(name) else { return String::new() };
                let record = self.evidence.last().map(|event| event.raw.as_str()).unwrap_or_default();
                let mut values = raw_field::values(record, path);
                // Of several, all together are the value; their order says nothing.
                values.sort();
                let value = values.join(", ");
                return value.chars().take(GROUP_VALUE).collect();
            }
        };
        self.entity(kind).unwrap_or_default().to_owned()
    }

    /// Takes another match of its group in. Any order and repetition comes to the same, but for the count, which
    /// stays as it is.
    pub fn absorb(&mut self, other: &Self) {
        self.time_us = self.time_us.max(other.time_us);
        self.severity_id = self.severity_id.max(other.severity_id);
        if let (Some(joined), Some(others)) = (&mut self.joined, &other.joined) {
            joined.begin_us = joined.begin_us.min(others.begin_us);
        }
        self.evidence.extend(other.evidence.iter().cloned());
        self.evidence.sort_by(|a, b| place(a).cmp(&place(b)));
        self.evidence.dedup_by(|a, b| a.event_uid == b.event_uid);
        let all = self.evidence.len();
        let mut at = 0;
        self.evidence.retain(|_| {
            at += 1;
            at <= GROUP_EVIDENCE || at + GROUP_EVIDENCE > all
        });
        self.entities.extend(other.entities.iter().cloned());
        self.entities.sort();
        self.entities.dedup();
        let mut of_kind: BTreeMap<EntityKind, usize> = BTreeMap::new();
        self.entities.retain(|entity| {
            let seen = of_kind.entry(entity.kind).or_default();
            *seen += 1;
            *seen <= ENTITIES
        });
        if self.provider != other.provider {
            let names = self.provider.split(", ").chain(other.provider.split(", "));
            let mut names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
            names.sort_unstable();
            names.dedup();
            names.truncate(PROVIDERS);
            self.provider = names.join(", ");
        }
    }

    fn set_events(&mut self, events: u64) {
        if let Some(joined) = &mut self.joined {
            joined.events = events;
        }
    }
}

fn place(event: &Evidence) -> (i64, &str) {
    (event.time_us, &event.event_uid)
}

impl AlertStore {
    /// Records matches, each as the alert of its group ([`Alert::grouped`]): the first of a group raises an
    /// alert, the others are counted to it. A match that was counted before changes nothing. An alert that a
    /// silence hides is released by a match that no silence covers. Returns how many alerts are new.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not be committed then.
    pub fn record_matches<'a>(
        txn: &Txn<'_>,
        matches: impl IntoIterator<Item = &'a Alert>,
        now_us: i64,
    ) -> Result<usize> {
        let mut groups: BTreeMap<&AlertId, Vec<&Alert>> = BTreeMap::new();
        let mut earliest_us = i64::MAX;
        for found in matches {
            earliest_us = earliest_us.min(found.time_us);
            groups.entry(&found.id).or_default().push(found);
        }
        if groups.is_empty() {
            return Ok(0);
        }
        let silences = InForce::read(txn, earliest_us)?;
        let mut new = 0;
        for (id, matches) in groups {
            new += usize::from(record_group(txn, id, &matches, &silences, now_us)?);
        }
        Ok(new)
    }
}

fn record_group(
    txn: &Txn<'_>,
    id: &AlertId,
    matches: &[&Alert],
    silences: &InForce,
    now_us: i64,
) -> Result<bool> {
    let stored = stored(txn, id)?;
    let known =
        stored.as_ref().and_then(|stored| stored.alert.joined.as_ref()).map_or(0, |joined| joined.events);
    let mut events = known;
    let mut fresh = Vec::new();
    for found in matches {
        match counted(txn, id, found, events < GROUP_MATCHES)? {
            Counted::Now => events += 1,
            Counted::NoRoom => {}
            Counted::Before => continue,
        }
        fresh.push(*found);
    }
    let Some(first) = fresh.first() else { return Ok(false) };
    let is_new = stored.is_none();
    let before = stored.as_ref().map(|stored| stored.alert.clone());
    let mut alert = before.clone().unwrap_or_else(|| (*first).clone());
    for found in &fresh {
        alert.absorb(found);
    }
    alert.set_events(events);
    if is_new {
        // All of its matches must be covered, or it is told.
        let covering: Option<Vec<_>> = fresh.iter().map(|found| silences.covering(found)).collect();
        insert(txn, &alert, covering.and_then(|all| all.into_iter().next()), now_us)?;
        return Ok(true);
    }
    if before.as_ref() == Some(&alert) {
        return Ok(false);
    }
    replace(txn, &alert, now_us)?;
    // Twice as many are worth a line; each one would be thousands.
    if events.checked_ilog2() > known.checked_ilog2() {
        let told = format!("it rests on {events} events");
        history::write(txn, id.as_str(), &AlertChange::by_stormglass(now_us, "amended", "evidence", told))?;
    }
    if fresh.iter().any(|found| silences.covering(found).is_none()) {
        release(txn, id, "a match came that no silence covers", now_us)?;
    }
    Ok(false)
}

enum Counted {
    Now,
    Before,
    NoRoom,
}

fn counted(txn: &Txn<'_>, id: &AlertId, found: &Alert, has_room: bool) -> Result<Counted> {
    let uid = found.evidence.first().map(|event| event.event_uid.as_str()).unwrap_or_default();
    let hash = blake3::hash(uid.as_bytes());
    let event = hash.as_bytes().first_chunk::<16>().map(|bytes| bytes.as_slice()).unwrap_or_default();
    if has_room {
        let mut insert = txn.prepare_cached(
            "INSERT INTO alert_matches (alert_id, event) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?;
        let is_fresh = insert.execute(rusqlite::params![id.as_str(), event])? > 0;
        return Ok(if is_fresh { Counted::Now } else { Counted::Before });
    }
    let mut select =
        txn.prepare_cached("SELECT EXISTS (SELECT 1 FROM alert_matches WHERE alert_id = ?1 AND event = ?2)")?;
    let is_known = select.query_row(rusqlite::params![id.as_str(), event], |row| row.get(0))?;
    Ok(if is_known { Counted::Before } else { Counted::NoRoom })
}

fn stored(txn: &Txn<'_>, id: &AlertId) -> Result<Option<StoredAlert>> {
    let mut select = txn.prepare_cached(&format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1"))?;
    let mut rows = select.query([id.as_str()])?;
    rows.next()?.map(read).transpose()
}
