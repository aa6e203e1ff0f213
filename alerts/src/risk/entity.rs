//! The risk of an entity: the risks of its alerts, which fade with time.

use std::collections::HashMap;

use crate::incident::Subject;
use crate::{Entity, EntityKind};

/// How the risk of an entity fades, and when it is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fading {
    /// After so long an alert counts half, in microseconds.
    pub half_life_us: i64,
    /// From this risk on an alert of its own is raised.
    pub threshold: f64,
}

impl Default for Fading {
    fn default() -> Self {
        Self { half_life_us: 7 * 86_400_000_000, threshold: 500.0 }
    }
}

/// Only below this part of the threshold another crossing is told: a risk that wavers is told once.
const REARM: f64 = 0.5;

/// It takes alerts of so many rules: one that fires often is noise, and has its own report.
const RULES: usize = 3;

/// For so many half-lives an alert's rule is one of them.
const RULE_LIVES: i64 = 2;

/// The kind of an entity whose risk is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskKind {
    /// An identity, over all clouds.
    Identity,
    /// An address.
    Address,
    /// A resource.
    Resource,
}

impl RiskKind {
    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Address => "address",
            Self::Resource => "resource",
        }
    }
}

/// An alert's share in the risk of an entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// When it happened, microseconds since 1970.
    pub time_us: i64,
    /// The alert.
    pub alert: String,
    /// What it adds: the alert's score, or a part of it where the alert is about several.
    pub score: u8,
    /// The alert's rule.
    pub rule: String,
    /// The event that decided the alert.
    pub event: Option<String>,
}

impl Fading {
    /// What is left at `now_us` of something that happened at `time_us`, 0 to 1; what is yet to come counts whole.
    pub fn left(&self, time_us: i64, now_us: i64) -> f64 {
        let age_us = now_us.saturating_sub(time_us).max(0);
        0.5_f64.powf(age_us as f64 / self.half_life_us.max(1) as f64)
    }

    /// The risk at `now_us` that alerts make.
    pub fn risk(&self, shares: &[&Share], now_us: i64) -> f64 {
        shares.iter().map(|share| f64::from(share.score) * self.left(share.time_us, now_us)).sum()
    }

    /// The alerts with which the risk crossed the threshold, and the risk then. `shares` are in order; the clock
    /// has no part in it, so that the same alerts give the same crossings whenever they are looked at.
    pub fn crossings<'a>(&self, shares: &[&'a Share]) -> Vec<(&'a Share, f64)> {
        let mut crossings = Vec::new();
        let (mut risk, mut at_us, mut is_armed) = (0.0, i64::MIN, true);
        let mut rules: HashMap<&str, i64> = HashMap::new();
        for share in shares.iter().copied() {
            risk *= self.left(at_us, share.time_us);
            at_us = share.time_us;
            is_armed |= risk < self.threshold * REARM;
            risk += f64::from(share.score);
            rules.insert(&share.rule, at_us);
            if is_armed && risk >= self.threshold {
                let since_us = at_us.saturating_sub(self.half_life_us.saturating_mul(RULE_LIVES));
                rules.retain(|_, last_us| *last_us >= since_us);
                if rules.len() < RULES {
                    continue;
                }
                crossings.push((share, risk));
                is_armed = false;
            }
        }
        crossings
    }
}

/// The shares of an alert in the risk of those that it is about: whoever acted, the addresses and the things share
/// its score in equal parts, those to whom it was done half of it. An alert that means no harm, or that a silence hides,
/// has none.
pub fn shares_of(subject: &Subject, score: u8) -> Vec<((RiskKind, &str), Share)> {
    let seed = &subject.seed;
    if seed.is_harmless || seed.is_hidden {
        return Vec::new();
    }
    let actors: Vec<&str> = subject.actors().collect();
    // A user that is made is its own resource: that is one entity, not two.
    let is_user = |name: &str| {
        let is = |entity: &Entity| entity.kind == EntityKind::User && entity.value == name;
        seed.entities.iter().any(is)
    };
    let resources = subject.resources.iter().map(String::as_str).filter(|name| !is_user(name)).collect();
    let mut shares = Vec::new();
    for (kind, names, whole) in [
        (RiskKind::Identity, actors, score),
        (RiskKind::Identity, texts(&subject.targets), score / 2),
        (RiskKind::Address, texts(&subject.addresses), score),
        (RiskKind::Resource, resources, score),
    ] {
        let count = names.len().max(1);
        let part = u8::try_from((usize::from(whole) + count / 2) / count).unwrap_or(whole);
        for name in names.into_iter().filter(|_| part > 0) {
            let share = Share {
                time_us: seed.time_us,
                alert: seed.id.clone(),
                score: part,
                rule: seed.rule_id.clone(),
                event: seed.event.clone(),
            };
            shares.push(((kind, name), share));
        }
    }
    shares
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Those of an entity's shares, which are in order, that count: where one event decided several alerts, the
/// greatest alone.
pub fn counting(shares: &[Share]) -> Vec<&Share> {
    let mut greatest: HashMap<&str, &Share> = HashMap::new();
    for share in shares {
        let Some(event) = share.event.as_deref() else { continue };
        let best = greatest.entry(event).or_insert(share);
        if best.score < share.score {
            *best = share;
        }
    }
    let counts = |share: &&Share| match &share.event {
        Some(event) => greatest.get(event.as_str()).is_some_and(|best| std::ptr::eq(*best, *share)),
        None => true,
    };
    shares.iter().filter(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Seed;
    use proptest::prelude::*;

    const DAY_US: i64 = 86_400_000_000;

    fn share(day: i64, score: u8) -> Share {
        let rule = format!("r{}", day % 3);
        Share { time_us: day * DAY_US, alert: format!("a{day}-{score}"), score, rule, event: None }
    }

    #[test]
    fn half_is_left_after_the_half_life() {
        let fading = Fading { half_life_us: 7 * DAY_US, threshold: 100.0 };
        let one = share(0, 80);
        let shares = [&one];
        assert!((fading.risk(&shares, 0) - 80.0).abs() < 1e-9);
        assert!((fading.risk(&shares, 7 * DAY_US) - 40.0).abs() < 1e-9);
        assert!((fading.risk(&shares, 14 * DAY_US) - 20.0).abs() < 1e-9);
        assert!((fading.risk(&shares, -DAY_US) - 80.0).abs() < 1e-9, "what is yet to come counts whole");
    }

    #[test]
    fn a_crossing_is_told_once_until_the_risk_has_fallen() {
        let fading = Fading { half_life_us: 7 * DAY_US, threshold: 100.0 };
        let told = |shares: &[Share]| -> Vec<i64> {
            fading.crossings(&counting(shares)).iter().map(|(share, _)| share.time_us / DAY_US).collect()
        };
        assert_eq!(told(&[share(0, 40), share(1, 40), share(2, 40), share(3, 60)]), [2]);
        // From 110 to 76 and over the threshold again: it wavers.
        assert_eq!(told(&[share(0, 40), share(1, 40), share(2, 40), share(6, 60)]), [2]);
        // It was all but gone.
        let again = [share(60, 40), share(61, 40), share(62, 40)];
        assert_eq!(told(&[vec![share(0, 40), share(1, 40), share(2, 40)], again.to_vec()].concat()), [2, 62]);
    }

    #[test]
    fn one_rule_that_fires_often_crosses_nothing() {
        let fading = Fading { half_life_us: 7 * DAY_US, threshold: 100.0 };
        let of_two: Vec<_> = (0..90).filter(|day| day % 3 != 2).map(|day| share(day, 90)).collect();
        assert_eq!(fading.crossings(&counting(&of_two)).len(), 0);
        let of_three: Vec<_> = (0..90).map(|day| share(day, 90)).collect();
        assert_eq!(fading.crossings(&counting(&of_three)).len(), 1);
        // Rules that fired long ago do not count.
        let mut slow = of_two;
        slow.insert(0, share(-40, 10));
        slow.sort();
        assert_eq!(fading.crossings(&counting(&slow)).len(), 0);
    }

    #[test]
    fn an_event_counts_once_and_several_share_an_alert() {
        let of_event = |rule: &str, score, event: &str| Share {
            alert: rule.into(),
            rule: rule.into(),
            event: Some(event.into()),
            ..share(1, score)
        };
        let all = [share(0, 10), of_event("a", 50, "e"), of_event("b", 70, "e"), of_event("c", 20, "f")];
        let counted: Vec<_> =
            counting(&all).into_iter().map(|share| (share.rule.as_str(), share.score)).collect();
        assert_eq!(counted, [("r0", 10), ("b", 70), ("c", 20)]);

        let entity = |kind, value: &str| Entity { kind, value: value.into(), name: None };
        let seed = Seed {
            id: "a".into(),
            time_us: 0,
            created_us: 0,
            severity_id: 4,
            rule_id: "r".into(),
            title: "t".into(),
            tactics: Vec::new(),
            provider: "AWS".into(),
            event: None,
            entities: vec![
                entity(EntityKind::Actor, "ana"),
                entity(EntityKind::Actor, "bob"),
                entity(EntityKind::User, "new"),
                entity(EntityKind::Resource, "new"),
                entity(EntityKind::Resource, "bucket"),
            ],
            is_closed: false,
            is_harmless: false,
            is_hidden: false,
        };
        let mut subject = Subject::new(seed, &HashMap::new());
        let told = |subject: &Subject| -> Vec<_> {
            let shares = shares_of(subject, 70);
            shares.into_iter().map(|((kind, name), share)| (kind, name.to_owned(), share.score)).collect()
        };
        let expected = [
            (RiskKind::Identity, "ana".to_owned(), 35),
            (RiskKind::Identity, "bob".to_owned(), 35),
            (RiskKind::Identity, "new".to_owned(), 35),
            (RiskKind::Resource, "bucket".to_owned(), 70),
        ];
        assert_eq!(told(&subject), expected);
        subject.seed.is_harmless = true;
        assert_eq!(told(&subject), []);
        (subject.seed.is_harmless, subject.seed.is_hidden) = (false, true);
        assert_eq!(told(&subject), []);
    }

    proptest! {
        #[test]
        fn risk_is_the_sum_of_its_parts_and_only_falls(
            days in proptest::collection::vec((0_i64..400, 0_u8..=100), 0..30),
            now in 400_i64..800,
        ) {
            let fading = Fading::default();
            let shares: Vec<_> = days.iter().map(|(day, score)| share(*day, *score)).collect();
            let shares: Vec<_> = shares.iter().collect();
            let whole = fading.risk(&shares, now * DAY_US);
            let parts: f64 = shares.iter().map(|one| fading.risk(&[*one], now * DAY_US)).sum();
            prop_assert!((whole - parts).abs() < 1e-6);
            prop_assert!(fading.risk(&shares, (now + 1) * DAY_US) <= whole);
        }
    }
}
