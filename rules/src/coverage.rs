//! Which techniques of ATT&CK's cloud matrix the loaded rules name.
//!
//! A rule names a technique by its tag. That says what the rule is for, not how well it finds it.

use std::collections::{BTreeMap, HashMap};

use event::LogType;

use crate::attack::{ATTACK, technique_of};
use crate::compile::{RuleHead, RuleSet};

/// The matrix, with the rules of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The version of ATT&CK, such as `19`.
    pub version: String,
    /// In the order of an attack.
    pub tactics: Vec<CoveredTactic>,
    /// Every technique and sub-technique of the cloud platforms, by id.
    pub techniques: Vec<CoveredTechnique>,
    /// Techniques that rules name and the cloud matrix does not have.
    pub others: Vec<CoveredTechnique>,
    /// Rules and correlations that name no technique.
    pub untagged: usize,
}

/// A tactic: a column of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredTactic {
    /// Such as `TA0001`.
    pub id: String,
    /// As in tags: `initial-access`.
    pub short: String,
    /// `Initial Access`.
    pub name: String,
    /// Indexes in [`Coverage::techniques`], by id.
    pub techniques: Vec<usize>,
}

/// A technique and the rules that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredTechnique {
    /// Such as `T1078.004`.
    pub id: String,
    /// Its name; empty for one that the cloud matrix does not have.
    pub name: String,
    /// The rules and correlations that name it.
    pub rules: Vec<CoveringRule>,
    /// The kinds of log that these rules read.
    pub log_types: Vec<LogType>,
}

/// A rule that names a technique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveringRule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// It cannot match yet, because no source of its log is read.
    pub waits: bool,
}

impl CoveredTechnique {
    /// Rules that can match.
    pub fn live(&self) -> usize {
        self.rules.iter().filter(|rule| !rule.waits).count()
    }
}

/// The matrix with the rules and correlations of a set. Tags of earlier versions count as what took their
/// place.
pub fn coverage(set: &RuleSet) -> Coverage {
    let mut found: BTreeMap<String, CoveredTechnique> = BTreeMap::new();
    let mut untagged = 0;
    let mut add = |head: &RuleHead, log_types: &[LogType]| {
        let mut techniques: Vec<_> = head.tags().iter().flat_map(|tag| current(tag)).collect();
        techniques.sort();
        techniques.dedup();
        untagged += usize::from(techniques.is_empty());
        for id in techniques {
            let technique = found.entry(id.clone()).or_insert_with(|| empty(id));
            let (id, title) = (head.id().to_owned(), head.title().to_owned());
            technique.rules.push(CoveringRule { id, title, waits: log_types.is_empty() });
            technique.log_types.extend(log_types);
            technique.log_types.sort();
            technique.log_types.dedup();
        }
    };
    let mut known: HashMap<&str, Vec<LogType>> = HashMap::new();
    for rule in set.rules() {
        add(rule, rule.log_types());
        note(&mut known, rule, rule.log_types());
    }
    for correlation in set.correlations() {
        // What others refer to comes first.
        let members = correlation.members().iter().filter_map(|name| known.get(name.as_str()));
        let mut log_types: Vec<_> = members.flatten().copied().collect();
        log_types.sort();
        log_types.dedup();
        add(correlation, &log_types);
        note(&mut known, correlation, &log_types);
    }
    let techniques: Vec<_> = ATTACK
        .techniques
        .iter()
        .map(|technique| {
            let known = found.remove(&technique.id).unwrap_or_else(|| empty(technique.id.clone()));
            CoveredTechnique { name: technique.name.clone(), ..known }
        })
        .collect();
    let tactics = ATTACK.tactics.iter().map(|tactic| {
        let own = ATTACK.techniques.iter().enumerate();
        let mut own: Vec<_> =
            own.filter(|(_, technique)| technique.tactics.contains(&tactic.short)).collect();
        own.sort_by_key(|(_, technique)| &technique.id);
        CoveredTactic {
            id: tactic.id.clone(),
            short: tactic.short.clone(),
            name: tactic.name.clone(),
            techniques: own.into_iter().map(|(index, _)| index).collect(),
        }
    });
    Coverage {
        version: ATTACK.version.clone(),
        tactics: tactics.collect(),
        techniques,
        others: found.into_values().collect(),
        untagged,
    }
}

fn empty(id: String) -> CoveredTechnique {
    CoveredTechnique { id, name: String::new(), rules: Vec::new(), log_types: Vec::new() }
}

/// By id and name, as correlations refer to rules.
fn note<'s>(known: &mut HashMap<&'s str, Vec<LogType>>, head: &'s RuleHead, log_types: &[LogType]) {
    for name in [Some(head.id()), head.name()].into_iter().flatten() {
        known.entry(name).or_insert_with(|| log_types.to_vec());
    }
}

/// The techniques that a tag means today.
fn current(tag: &str) -> Vec<String> {
    match ATTACK.renamed(tag) {
        [] => technique_of(tag).into_iter().collect(),
        new => new.iter().filter_map(|tag| technique_of(tag)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RuleSource;

    #[test]
    fn rules_and_correlations_cover_what_they_name() {
        let text = "
title: A
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71
name: a
level: low
tags: [attack.t1562.008, attack.defense-evasion, attack.t1078.004, attack.t1078.004]
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: X}, condition: s}
---
title: B
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b72
level: low
tags: [attack.t1078.004, attack.t1003, detection.x]
logsource: {product: onelogin, service: onelogin.events}
detection: {s: {eventType: X}, condition: s}
---
title: C
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b73
level: low
logsource: {product: onelogin, service: onelogin.events}
detection: {s: {eventType: Y}, condition: s}
---
title: D
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b74
level: low
tags: [attack.t1110.003]
correlation: {type: event_count, rules: [a], group-by: [actor], timespan: 1h, condition: {gte: 3}}
";
        let loaded = crate::load(&[RuleSource { path: "r.yml".into(), text: text.into() }]);
        assert_eq!((loaded.counts.loaded, loaded.counts.correlations), (3, 1), "{:?}", loaded.diagnostics);
        let coverage = coverage(&loaded.rules);
        let technique = |id: &str| coverage.techniques.iter().find(|technique| technique.id == id).unwrap();
        let accounts = technique("T1078.004");
        assert_eq!((accounts.rules.len(), accounts.live()), (2, 1));
        assert_eq!(accounts.log_types, [LogType::AwsCloudtrail]);
        assert_eq!(technique("T1685.002").rules[0].title, "A");
        assert_eq!(technique("T1110.003").log_types, [LogType::AwsCloudtrail]);
        assert_eq!(technique("T1530").rules, []);
        assert_eq!(coverage.others.iter().map(|other| other.id.as_str()).collect::<Vec<_>>(), ["T1003"]);
        assert_eq!(coverage.untagged, 1);
        let impairment = coverage.tactics.iter().find(|tactic| tactic.id == "TA0112").unwrap();
        let ids: Vec<_> =
            impairment.techniques.iter().map(|index| coverage.techniques[*index].id.as_str()).collect();
        assert!(ids.is_sorted() && ids.contains(&"T1685.002"), "{ids:?}");
    }
}
