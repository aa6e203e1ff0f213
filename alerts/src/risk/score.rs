//! The risk of an alert: 0 to 100, as the sum of parts that say why.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::asset::{Asset, Assets, Criticality, Indicator};
use crate::incident::{Place, Subject};

/// How far back a rule that fired for the same entity makes an alert less remarkable.
const BEFORE_US: i64 = 30 * 86_400_000_000;

/// One reason for a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `severity`, `confidence`, `criticality`, `indicator` or `rarity`.
    pub name: String,
    /// What it adds; may be negative.
    pub points: i32,
    /// Why, in words.
    pub why: String,
}

/// The risk of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 100.
    pub score: u8,
    /// What it is the sum of, before it is cut to 0 to 100.
    pub parts: Vec<Part>,
    /// How critical the most critical thing is that the alert is about.
    #[serde(skip)]
    pub criticality: Criticality,
}

/// How sure a rule is of what it says, 0 to 100, by its id.
pub type Confidences = HashMap<String, u8>;

/// What a rule of which nothing is known counts for.
const CONFIDENCE: u8 = 70;

/// What of a score the risk of others is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// 0 to 100.
    pub score: u8,
    /// How critical the most critical thing is that the alert is about.
    pub criticality: Criticality,
}

impl Score {
    /// What it weighs.
    pub fn weight(&self) -> Weight {
        Weight { score: self.score, criticality: self.criticality }
    }
}

/// When each rule fired for each entity.
#[derive(Debug, Default)]
pub struct Fired {
    by_key: HashMap<(String, String), Firings>,
}

/// The alerts of a rule for an entity, in order of time.
#[derive(Debug, Default)]
struct Firings {
    in_sight: Vec<Place>,
    /// Those that silences hide: nobody has seen them, so they make no other one less remarkable.
    hidden: Vec<Place>,
}

impl Firings {
    fn like(&mut self, subject: &Subject) -> &mut Vec<Place> {
        if subject.seed.is_hidden { &mut self.hidden } else { &mut self.in_sight }
    }
}

impl Fired {
    fn key(subject: &Subject) -> Option<(String, String)> {
        Some((subject.seed.rule_id.clone(), subject.headline()?.to_owned()))
    }

    /// Takes in an alert, once.
    pub fn add(&mut self, subject: &Subject) {
        let Some(key) = Self::key(subject) else { return };
        let place = (subject.seed.time_us, Arc::from(subject.seed.id.as_str()));
        let places = self.by_key.entry(key).or_default().like(subject);
        let at = places.partition_point(|other| *other < place);
        places.insert(at, place);
    }

    /// Forgets an alert.
    pub fn remove(&mut self, subject: &Subject) {
        let Some(key) = Self::key(subject) else { return };
        if let Some(firings) = self.by_key.get_mut(&key) {
            firings.like(subject).retain(|(_, id)| **id != *subject.seed.id);
            if firings.in_sight.is_empty() && firings.hidden.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }

    /// How often the rule had fired in sight for the same entity in the 30 days before; `None` if it is about nobody.
    pub fn before(&self, subject: &Subject) -> Option<usize> {
        let places = &self.by_key.get(&Self::key(subject)?)?.in_sight;
        let until = places.partition_point(|(time_us, _)| *time_us < subject.seed.time_us);
        let since_us = subject.seed.time_us.saturating_sub(BEFORE_US);
        Some(until - places.partition_point(|(time_us, _)| *time_us < since_us))
    }

    /// The later alerts whose rarity depends on this one, with their times.
    pub fn after(&self, subject: &Subject) -> Vec<Place> {
        if subject.seed.is_hidden {
            return Vec::new();
        }
        let firings = Self::key(subject).and_then(|key| self.by_key.get(&key));
        let until_us = subject.seed.time_us.saturating_add(BEFORE_US);
        let depends = |time_us: i64| time_us > subject.seed.time_us && time_us <= until_us;
        let places = firings.into_iter().flat_map(|firings| firings.in_sight.iter().chain(&firings.hidden));
        places.filter(|(time_us, _)| depends(*time_us)).cloned().collect()
    }
}

/// The score of an alert whose rule had fired `before` so often.
pub fn score(subject: &Subject, before: Option<usize>, assets: &Assets, confidences: &Confidences) -> Score {
    let confidence = confidences.get(&subject.seed.rule_id).copied().unwrap_or(CONFIDENCE);
    let names = subject.names();
    let asset = assets.find(&names);
    let parts = [
        Some(severity_part(subject.seed.severity_id)),
        Some(confidence_part(confidence)),
        asset.map(asset_part),
        assets.indicator(&names).map(indicator_part),
        before.map(rarity_part),
    ];
    let parts: Vec<Part> = parts.into_iter().flatten().collect();
    let sum: i32 = parts.iter().map(|part| part.points).sum();
    let criticality = asset.map(|asset| asset.criticality).unwrap_or_default();
    Score { score: sum.clamp(0, 100) as u8, parts, criticality }
}

fn part(name: &str, points: i32, why: String) -> Part {
    Part { name: name.into(), points, why }
}

fn severity_part(severity_id: u8) -> Part {
    let points = match severity_id {
        0 | 1 => 5,
        2 => 20,
        3 => 40,
        4 => 60,
        _ => 80,
    };
    part("severity", points, format!("the rule's level is {}", crate::alert::severity_name(severity_id)))
}

fn confidence_part(confidence: u8) -> Part {
    let points = (i32::from(confidence.min(100)) - i32::from(CONFIDENCE)) / 5;
    part("confidence", points, format!("the rule is {} % sure", confidence.min(100)))
}

fn asset_part(asset: &Asset) -> Part {
    let points = match asset.criticality {
        Criticality::Low => -15,
        Criticality::Normal => 0,
        Criticality::High => 10,
        Criticality::Critical => 20,
    };
    let why = format!("the criticality of `{}` is {}", asset.name, asset.criticality.as_str());
    part("criticality", points, why)
}

fn indicator_part(indicator: &Indicator) -> Part {
    let points = i32::from(indicator.confidence.min(100)) / 5;
    let why = format!("`{}` is known to be bad, {} % sure", indicator.value, indicator.confidence.min(100));
    part("indicator", points, why)
}

fn rarity_part(before: usize) -> Part {
    let points = match before {
        0 => 10,
        1..=2 => 5,
        3..=9 => 0,
        10..=49 => -10,
        _ => -20,
    };
    let why = match before {
        0 => "the rule had not fired for this entity in 30 days".to_owned(),
        _ => format!("the rule had fired for this entity {before} times in 30 days"),
    };
    part("rarity", points, why)
}

/// The risk of several alerts together, 0 to 100: more than that of the greatest, and never beyond 100.
pub fn together(scores: impl IntoIterator<Item = u8>) -> u8 {
    let safe: f64 = scores.into_iter().map(|score| 1.0 - f64::from(score.min(100)) / 100.0).product();
    ((1.0 - safe) * 100.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Seed;
    use crate::{Entity, EntityKind};

    fn scores(subjects: &[Subject], assets: &Assets, confidences: &Confidences) -> Vec<Score> {
        let mut fired = Fired::default();
        subjects.iter().for_each(|subject| fired.add(subject));
        let one = |subject| score(subject, fired.before(subject), assets, confidences);
        subjects.iter().map(one).collect()
    }

    fn subject(rule: &str, day: i64, severity_id: u8) -> Subject {
        let seed = Seed {
            id: format!("{rule}{day}"),
            time_us: day * 86_400_000_000,
            created_us: 0,
            severity_id,
            rule_id: rule.into(),
            title: rule.into(),
            tactics: Vec::new(),
            provider: "AWS".into(),
            event: None,
            entities: vec![Entity { kind: EntityKind::Actor, value: "ana".into(), name: None }],
            is_closed: false,
            is_harmless: false,
            is_hidden: false,
        };
        Subject::new(seed, &HashMap::new())
    }

    #[test]
    fn a_score_is_the_sum_of_its_parts_and_stays_in_bounds() {
        let assets = Assets {
            assets: vec![Asset {
                name: "admins".into(),
                patterns: vec!["an*".into()],
                criticality: Criticality::Critical,
                owner: String::new(),
                tags: Vec::new(),
            }],
            indicators: vec![Indicator { value: "ANA".into(), confidence: 100 }],
        };
        let sure = Confidences::from([("r".to_owned(), 100)]);
        let [high] = scores(&[subject("r", 1, 4)], &assets, &sure).try_into().unwrap();
        let points: Vec<_> = high.parts.iter().map(|part| (part.name.as_str(), part.points)).collect();
        let expected =
            [("severity", 60), ("confidence", 6), ("criticality", 20), ("indicator", 20), ("rarity", 10)];
        assert_eq!((points, high.score), (expected.to_vec(), 100));
        let [plain] =
            scores(&[subject("r", 1, 2)], &Assets::default(), &Confidences::new()).try_into().unwrap();
        assert_eq!(plain.score, 30);
    }

    #[test]
    fn what_fires_often_weighs_less_whatever_the_order() {
        let mut alerts: Vec<_> = (0..60).map(|day| subject("r", day, 3)).collect();
        let plain = scores(&alerts, &Assets::default(), &Confidences::new());
        let told: Vec<_> = plain.iter().map(|score| score.score).collect();
        assert_eq!((told[0], told[1], told[5], told[20], told[59]), (50, 45, 40, 30, 30));
        alerts.reverse();
        let mut other = scores(&alerts, &Assets::default(), &Confidences::new());
        other.reverse();
        assert_eq!(plain, other);
    }

    /// What nobody has seen makes nothing less remarkable, and is itself as rare as what was seen makes it.
    #[test]
    fn what_a_silence_hides_has_not_fired_for_others() {
        let mut alerts: Vec<_> = (0..4).map(|day| subject("r", day, 3)).collect();
        alerts[0].seed.is_hidden = true;
        alerts[2].seed.is_hidden = true;
        let told: Vec<_> = scores(&alerts, &Assets::default(), &Confidences::new())
            .into_iter()
            .map(|score| score.score)
            .collect();
        assert_eq!(told, [50, 50, 45, 45]);
        let mut fired = Fired::default();
        alerts.iter().for_each(|subject| fired.add(subject));
        assert_eq!(fired.after(&alerts[1]).len(), 2, "also the hidden one depends on it");
        assert_eq!(fired.after(&alerts[2]).len(), 0);
        alerts.iter().for_each(|subject| fired.remove(subject));
        assert!(fired.by_key.is_empty());
    }

    #[test]
    fn several_risks_are_more_than_one_and_never_beyond_a_hundred() {
        assert_eq!(together([]), 0);
        assert_eq!(together([60]), 60);
        assert_eq!(together([60, 50]), 80);
        assert_eq!(together([100, 100]), 100);
    }
}
