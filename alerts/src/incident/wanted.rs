//! Incidents as they are to be.

use std::collections::HashMap;

use super::assess::{Assessment, assess};
use super::follow::Settings;
use super::join::Group;
use super::subject::Subject;
use crate::risk::{Assets, Criticality, Weight};

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
    pub(super) fn new(
        group: &Group,
        subjects: &[&Subject],
        weights: &[Weight],
        about: &HashMap<&str, Vec<&Member>>,
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
        let of_risk = members.iter().filter_map(|member| about.get(member.alert.as_str())).flatten();
        let of_risk: Vec<Member> = of_risk.map(|member| (*member).clone()).collect();
        let assessment = assess(group, subjects, weights, of_risk.len());
        members.extend(of_risk);
        members.sort_by(|a, b| (a.time_us, &a.alert).cmp(&(b.time_us, &b.alert)));
        Some(Self { id: group.id.clone(), assessment, members })
    }
}

/// How critical an entity is.
pub(super) fn criticality(assets: &Assets, name: &str) -> Criticality {
    // `aws:user:arn:…`, `mail:…`: also without the kind.
    let names: Vec<&str> = (1..=3).filter_map(|parts| name.splitn(parts, ':').last()).collect();
    assets.find(&names).map(|asset| asset.criticality).unwrap_or_default()
}
