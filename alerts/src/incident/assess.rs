//! What a group of alerts amounts to: severity, confidence, title.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::join::Group;
use super::subject::Subject;
use super::tactic::progress;
use crate::risk::{Criticality, Weight, together};

/// So many tactics in order raise the severity.
const TACTICS: usize = 3;
/// So many alerts raise it.
const ALERTS: usize = 10;
/// How many points of confidence each further tactic in order adds.
const CONFIDENCE_OF_TACTIC: u8 = 5;
/// How sure an incident of one alert is, in percent.
const ALONE: u8 = 50;
/// The most entities that an incident names.
const ENTITIES: usize = 50;

/// An incident as its alerts make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// A line that says what it is about.
    pub title: String,
    /// 1 to 5.
    pub severity_id: u8,
    /// Why the severity is what it is.
    pub severity_why: Vec<String>,
    /// How sure it is that the alerts belong together, 0 to 100.
    pub confidence: u8,
    /// 0 to 100, of all alerts together.
    pub risk: u8,
    /// When the first alert's event happened, microseconds since 1970.
    pub first_us: i64,
    /// When the last one's did.
    pub last_us: i64,
    /// The tactics that follow one another in order.
    pub progress: Vec<String>,
    /// All tactics.
    pub tactics: Vec<String>,
    /// AWS, Azure, GCP.
    pub providers: Vec<String>,
    /// Who and what is involved, the most frequent first, as kind and name.
    pub entities: Vec<(String, String)>,
    /// The rules, by id.
    pub rules: Vec<String>,
}

/// An alert with its weight.
type Weighed<'a> = (&'a Subject, Weight);

/// Assesses a group; `weights` are those of `subjects`. `more` alerts go with it and count for nothing.
pub fn assess(group: &Group, subjects: &[&Subject], weights: &[Weight], more: usize) -> Assessment {
    let of_group = |at: usize| Some((*subjects.get(at)?, *weights.get(at)?));
    let all: Vec<Weighed<'_>> = group.members.iter().filter_map(|member| of_group(member.at)).collect();
    let mut counted: Vec<_> = all.iter().copied().filter(|(subject, _)| !subject.seed.is_harmless).collect();
    if counted.is_empty() {
        // It keeps the face that it had.
        counted.clone_from(&all);
    }
    let row = progress(counted.iter().map(|(subject, _)| subject.seed.tactics.as_slice()));
    let (severity_id, severity_why) = severity(&counted, row.len());
    let strength = if all.len() > 1 { group.strength } else { ALONE };
    let steps = u8::try_from(row.len().saturating_sub(1)).unwrap_or(u8::MAX);
    let confidence = strength.saturating_add(steps.saturating_mul(CONFIDENCE_OF_TACTIC)).min(100);
    let tactics: BTreeSet<_> = all.iter().flat_map(|(subject, _)| &subject.seed.tactics).copied().collect();
    let providers: BTreeSet<_> = all
        .iter()
        .flat_map(|(subject, _)| subject.seed.provider.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let rules: BTreeSet<_> = all.iter().map(|(subject, _)| subject.seed.rule_id.clone()).collect();
    let times = || all.iter().map(|(subject, _)| subject.seed.time_us);
    Assessment {
        title: title(&counted, all.len() + more),
        severity_id,
        severity_why,
        confidence,
        risk: together(counted.iter().map(|(_, weight)| weight.score)),
        first_us: times().min().unwrap_or_default(),
        last_us: times().max().unwrap_or_default(),
        progress: row.iter().map(ToString::to_string).collect(),
        tactics: tactics.iter().map(ToString::to_string).collect(),
        providers: providers.into_iter().map(str::to_owned).collect(),
        entities: entities(&all),
        rules: rules.into_iter().collect(),
    }
}

/// The highest severity of its alerts, raised by what one alert alone cannot show.
fn severity(alerts: &[Weighed<'_>], tactics: usize) -> (u8, Vec<String>) {
    let highest = alerts.iter().map(|(subject, _)| subject.seed.severity_id).max().unwrap_or(1);
    let mut why = vec![format!("the most severe alert is {}", crate::alert::severity_name(highest))];
    let mut severity_id = highest;
    let mut raise = |reason: String, most: u8| {
        if severity_id < most {
            severity_id += 1;
            why.push(reason);
        }
    };
    if tactics >= TACTICS {
        raise(format!("{tactics} tactics follow in order"), 5);
    }
    if alerts.len() >= ALERTS {
        // A flood of alerts alone is no crisis.
        raise(format!("it has {} alerts", alerts.len()), 4);
    }
    let most_critical = alerts.iter().map(|(_, weight)| weight.criticality).max().unwrap_or_default();
    if most_critical >= Criticality::High {
        raise(format!("what it is about is of {} criticality", most_critical.as_str()), 5);
    }
    (severity_id, why)
}

/// The title of the most severe alert, the earliest of them, and who it is about most.
fn title(alerts: &[Weighed<'_>], count: usize) -> String {
    let mut worst: Option<&Subject> = None;
    for (subject, _) in alerts {
        if worst.is_none_or(|worst| worst.seed.severity_id < subject.seed.severity_id) {
            worst = Some(subject);
        }
    }
    let Some(worst) = worst else { return String::new() };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for name in alerts.iter().filter_map(|(subject, _)| subject.headline()) {
        *seen.entry(name).or_default() += 1;
    }
    let who =
        seen.iter().max_by_key(|(name, seen)| (**seen, std::cmp::Reverse(**name))).map(|(name, _)| *name);
    let more = match count {
        0 | 1 => String::new(),
        2 => " and 1 more alert".to_owned(),
        more => format!(" and {} more alerts", more - 1),
    };
    match who {
        Some(who) => format!("{}{more}: {who}", worst.seed.title),
        None => format!("{}{more}", worst.seed.title),
    }
}

fn entities(alerts: &[Weighed<'_>]) -> Vec<(String, String)> {
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (subject, _) in alerts {
        let lists = [
            ("identity", &subject.people),
            ("service", &subject.services),
            ("credential", &subject.credentials),
            ("target", &subject.targets),
            ("address", &subject.addresses),
            ("resource", &subject.resources),
        ];
        for (kind, names) in lists {
            for name in names {
                *seen.entry((kind, name)).or_default() += 1;
            }
        }
    }
    let mut ranked: Vec<_> = seen.into_iter().collect();
    ranked.sort_by_key(|(entity, seen)| (std::cmp::Reverse(*seen), *entity));
    ranked.truncate(ENTITIES);
    ranked.into_iter().map(|((kind, name), _)| (kind.to_owned(), name.to_owned())).collect()
}
