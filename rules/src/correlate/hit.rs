//! What correlations take from an event: a hit.

use event::{Col, EventBatch, EventKey};

use super::person;
use crate::compile::{Correlation, Feed, FeedKey, LogTypes, RuleSet};
use crate::detect::{Match, RowView};

/// A match as a correlation sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The index of the correlation in [`RuleSet::correlations`].
    pub correlation: u32,
    /// Which of its rules matched.
    pub member: u16,
    /// The row of the event in its batch.
    pub row: u32,
    /// When it happened, in microseconds since 1970.
    pub time_us: i64,
    /// The event.
    pub event: EventKey,
    /// The values of `group-by`, in order; empty in the place of the actor.
    pub key: Vec<String>,
    /// Whoever acted, as the cloud names them, where the correlation asks for the actor.
    pub actor: Option<String>,
    /// What is counted or computed with.
    pub value: HitValue,
}

/// How finely degrees are kept: in 24 bits.
const PARTS: f64 = 16_777_215.0;

/// A value that a correlation counts or computes with.
#[derive(Debug, Clone, PartialEq)]
pub enum HitValue {
    /// The type asks for none.
    Nothing,
    /// To be told from others.
    Text(String),
    /// To be computed with.
    Number(f64),
    /// An address at a place on earth.
    At {
        /// Latitude in degrees.
        lat: f64,
        /// Longitude in degrees.
        long: f64,
        /// Tells the address from others, see [`HitValue::address`].
        address: u16,
    },
}

impl HitValue {
    /// The value in eight bytes: enough to compute with, and to tell texts from each other.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Text(text) => {
                // Not a fast unkeyed hash: whoever writes logs must not be able to make two values one.
                EventKey::of("value", &[text.as_bytes()]).0 as u64
            }
            Self::Number(number) => number.to_bits(),
            // Two metres are exact enough for both.
            Self::At { lat, long, address } => {
                let part =
                    |degrees: f64, of: f64| ((degrees / of + 0.5).clamp(0.0, 1.0) * PARTS).round() as u64;
                (part(*lat, 180.0) << 40) | (part(*long, 360.0) << 16) | u64::from(*address)
            }
        }
    }

    /// What tells an address from another; one in 65,536 is taken for the same.
    pub fn address(text: &str) -> u16 {
        EventKey::of("address", &[text.as_bytes()]).0 as u16
    }

    /// The latitude and longitude, in degrees, and the address in the digest of an address at a place.
    pub(super) fn at(digest: u64) -> ((f64, f64), u16) {
        let part = |bits: u64, of: f64| ((bits & PARTS as u64) as f64 / PARTS - 0.5) * of;
        ((part(digest >> 40, 180.0), part(digest >> 16, 360.0)), digest as u16)
    }

    /// As it is shown.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::At { lat, long, .. } => format!("{lat},{long}"),
        }
    }
}

/// The hits in a batch.
#[derive(Debug, Default)]
pub struct Hits {
    /// By row, then by correlation.
    pub hits: Vec<Hit>,
    /// Matches that could not take part because the event lacks a part of the key or the value: row and
    /// correlation.
    pub incomplete: Vec<(u32, u32)>,
}

impl RuleSet {
    /// What the correlations take from `matches` in a batch. `actor` names who acted in a row, for
    /// correlations by actor; rows where `keep` says no are left out.
    pub fn hits(
        &self,
        batch: &EventBatch,
        matches: &[Match],
        keep: &dyn Fn(usize) -> bool,
        actor: &dyn Fn(usize) -> Option<String>,
    ) -> Hits {
        let mut found = Hits::default();
        if self.correlations().is_empty() {
            return found;
        }
        let mut view = RowView::new(batch, &self.program);
        for matched in matches {
            let row = matched.row as usize;
            let feeds = self.feeds.get(matched.rule as usize).map_or(&[][..], Vec::as_slice);
            if feeds.is_empty() || !keep(row) {
                continue;
            }
            let log_type = batch.str_at(Col::LogType, row).and_then(|name| name.parse().ok());
            let (Some(log_type), Some(time_us), Some(event)) = (
                log_type,
                batch.int_at(Col::Time, row),
                batch.str_at(Col::EventUid, row).and_then(EventKey::parse),
            ) else {
                continue;
            };
            let at = At { batch, row, log_type: LogTypes::of(&[log_type]), time_us, event };
            for feed in feeds {
                let Some(correlation) = self.correlations().get(feed.correlation as usize) else { continue };
                if !at.hits(feed, correlation, &mut view, actor, &mut found.hits) {
                    found.incomplete.push((matched.row, feed.correlation));
                }
            }
        }
        found
    }
}

struct At<'e> {
    batch: &'e EventBatch,
    row: usize,
    log_type: LogTypes,
    time_us: i64,
    event: EventKey,
}

impl At<'_> {
    /// Adds the hits of one feed; `false` if the event lacks what is needed.
    fn hits(
        &self,
        feed: &Feed,
        correlation: &Correlation,
        view: &mut RowView<'_, '_>,
        actor: &dyn Fn(usize) -> Option<String>,
        hits: &mut Vec<Hit>,
    ) -> bool {
        // Most records say no place; that is no fault of theirs.
        let is_somewhere = || {
            let at = |col| self.batch.float_at(col, self.row).is_some();
            at(Col::SrcEndpointLocationLat) && at(Col::SrcEndpointLocationLong)
        };
        if matches!(correlation.wants(), super::Wants::AddressAtPlace) && !is_somewhere() {
            return true;
        }
        let Some(reading) = feed.readings.iter().find(|reading| reading.log_types.meets(self.log_type))
        else {
            return false;
        };
        let mut key = Vec::with_capacity(reading.key.len());
        let mut who = None;
        let mut persons = None;
        for part in &reading.key {
            let value = match part {
                FeedKey::Field(field) => {
                    view.texts_of(*field, self.row).into_iter().find(|text| !text.is_empty())
                }
                FeedKey::Actor => {
                    who = actor(self.row);
                    who.as_ref().map(|_| String::new())
                }
                FeedKey::Person(whose) => {
                    persons = Some((key.len(), person::names(self.batch, self.row, *whose)));
                    Some(String::new())
                }
            };
            let Some(value) = value else { return false };
            key.push(value);
        }
        if let Some((at, names)) = persons {
            let is_known = !names.is_empty();
            for name in names {
                let mut key = key.clone();
                if let Some(slot) = key.get_mut(at) {
                    name.clone_into(slot);
                }
                hits.push(self.hit(feed, key, who.clone(), HitValue::Text(name)));
            }
            return is_known;
        }
        let Some(values) = self.values(correlation, &reading.values, view) else { return false };
        for value in values {
            hits.push(self.hit(feed, key.clone(), who.clone(), value));
        }
        true
    }

    fn hit(&self, feed: &Feed, key: Vec<String>, actor: Option<String>, value: HitValue) -> Hit {
        Hit {
            correlation: feed.correlation,
            member: feed.member,
            row: self.row as u32,
            time_us: self.time_us,
            event: self.event,
            key,
            actor,
            value,
        }
    }

    /// The values that the type asks for; of a list in the event, each.
    fn values(
        &self,
        correlation: &Correlation,
        fields: &[usize],
        view: &mut RowView<'_, '_>,
    ) -> Option<Vec<HitValue>> {
        const MOST: usize = 64;
        match correlation.wants() {
            super::Wants::Nothing => Some(vec![HitValue::Nothing]),
            super::Wants::AddressAtPlace => {
                let at = |col| self.batch.float_at(col, self.row);
                let (lat, long) = (at(Col::SrcEndpointLocationLat)?, at(Col::SrcEndpointLocationLong)?);
                let address = self.batch.str_at(Col::SrcEndpointIp, self.row).unwrap_or_default();
                Some(vec![HitValue::At { lat, long, address: HitValue::address(address) }])
            }
            super::Wants::Number => {
                let text = view.texts_of(*fields.first()?, self.row).into_iter().next()?;
                let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
                Some(vec![HitValue::Number(number)])
            }
            super::Wants::Text => {
                if let [field] = fields {
                    let mut texts = view.texts_of(*field, self.row);
                    texts.truncate(MOST);
                    let values: Vec<_> = texts.into_iter().map(HitValue::Text).collect();
                    return (!values.is_empty()).then_some(values);
                }
                // Several fields: their values together are one.
                let texts = fields.iter().map(|field| view.texts_of(*field, self.row).into_iter().next());
                Some(vec![HitValue::Text(texts.collect::<Option<Vec<_>>>()?.join("\u{1f}"))])
            }
        }
    }
}
