//! The risk of an entity: the risks of its alerts, which fade with time.

use std::collections::BTreeMap;

use crate::incident::Subject;

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
        Self { half_life_us: 7 * 86_400_000_000, threshold: 250.0 }
    }
}

/// Only below this part of the threshold another crossing is told: a risk that wavers is told once.
const REARM: f64 = 0.5;

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
    /// Its score.
    pub score: u8,
}

impl Fading {
    /// What is left at `now_us` of something that happened at `time_us`, 0 to 1; what is yet to come counts whole.
    pub fn left(&self, time_us: i64, now_us: i64) -> f64 {
        let age_us = now_us.saturating_sub(time_us).max(0);
        0.5_f64.powf(age_us as f64 / self.half_life_us.max(1) as f64)
    }

    /// The risk at `now_us` that alerts make.
    pub fn risk(&self, shares: &[Share], now_us: i64) -> f64 {
        shares.iter().map(|share| f64::from(share.score) * self.left(share.time_us, now_us)).sum()
    }

    /// The alerts with which the risk crossed the threshold, and the risk then. `shares` are in order; the clock
    /// has no part in it, so that the same alerts give the same crossings whenever they are looked at.
    pub fn crossings<'a>(&self, shares: &'a [Share]) -> Vec<(&'a Share, f64)> {
        let mut crossings = Vec::new();
        let (mut risk, mut at_us, mut is_armed) = (0.0, i64::MIN, true);
        for share in shares {
            risk *= self.left(at_us, share.time_us);
            at_us = share.time_us;
            is_armed |= risk < self.threshold * REARM;
            risk += f64::from(share.score);
            if is_armed && risk >= self.threshold {
                crossings.push((share, risk));
                is_armed = false;
            }
        }
        crossings
    }
}

/// What entities have part in which alerts, each list in order. Alerts that mean no harm have no part, nor have
/// those about risk itself.
pub fn shares<'a>(
    alerts: impl IntoIterator<Item = (&'a Subject, u8)>,
) -> BTreeMap<(RiskKind, &'a str), Vec<Share>> {
    let mut shares: BTreeMap<(RiskKind, &str), Vec<Share>> = BTreeMap::new();
    for (subject, score) in alerts {
        let seed = &subject.seed;
        if seed.is_harmless || score == 0 || seed.rule_id == super::RULE {
            continue;
        }
        let share = Share { time_us: seed.time_us, alert: seed.id.clone(), score };
        let identities = subject.actors().chain(subject.targets.iter().map(String::as_str));
        let addresses = subject.addresses.iter().map(String::as_str);
        let resources = subject.resources.iter().map(String::as_str);
        let all = identities
            .map(|name| (RiskKind::Identity, name))
            .chain(addresses.map(|name| (RiskKind::Address, name)))
            .chain(resources.map(|name| (RiskKind::Resource, name)));
        for entity in all {
            shares.entry(entity).or_default().push(share.clone());
        }
    }
    for list in shares.values_mut() {
        list.sort();
        list.dedup();
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_US: i64 = 86_400_000_000;

    fn share(day: i64, score: u8) -> Share {
        Share { time_us: day * DAY_US, alert: format!("a{day}-{score}"), score }
    }

    #[test]
    fn half_is_left_after_the_half_life() {
        let fading = Fading { half_life_us: 7 * DAY_US, threshold: 100.0 };
        let shares = [share(0, 80)];
        assert!((fading.risk(&shares, 0) - 80.0).abs() < 1e-9);
        assert!((fading.risk(&shares, 7 * DAY_US) - 40.0).abs() < 1e-9);
        assert!((fading.risk(&shares, 14 * DAY_US) - 20.0).abs() < 1e-9);
        assert!((fading.risk(&shares, -DAY_US) - 80.0).abs() < 1e-9, "what is yet to come counts whole");
    }

    #[test]
    fn a_crossing_is_told_once_until_the_risk_has_fallen() {
        let fading = Fading { half_life_us: 7 * DAY_US, threshold: 100.0 };
        let told = |shares: &[Share]| {
            let days: Vec<_> =
                fading.crossings(shares).iter().map(|(share, _)| share.time_us / DAY_US).collect();
            days
        };
        assert_eq!(told(&[share(0, 60), share(1, 60), share(2, 60), share(3, 60)]), [1]);
        // From 118 to 79 and over the threshold again: it wavers.
        assert_eq!(told(&[share(0, 60), share(1, 60), share(5, 60)]), [1]);
        // It was all but gone.
        assert_eq!(told(&[share(0, 60), share(1, 60), share(60, 100)]), [1, 60]);
    }

    proptest! {
        #[test]
        fn risk_is_the_sum_of_its_parts_and_only_falls(
            days in proptest::collection::vec((0_i64..400, 0_u8..=100), 0..30),
            now in 400_i64..800,
        ) {
            let fading = Fading::default();
            let shares: Vec<_> = days.iter().map(|(day, score)| share(*day, *score)).collect();
            let whole = fading.risk(&shares, now * DAY_US);
            let parts: f64 = shares.iter().map(|one| fading.risk(std::slice::from_ref(one), now * DAY_US)).sum();
            prop_assert!((whole - parts).abs() < 1e-6);
            prop_assert!(fading.risk(&shares, (now + 1) * DAY_US) <= whole);
        }
    }
}
