//! What a correlation takes from an event: which of its rules match, and by which key.

use std::collections::HashMap;

use event::{Col, EventBatch, LogType};

use super::{ActorOf, Explainer, Explanation, RuleRef, shortened};
use crate::check::correlation::{self as check, CheckedCorrelation, KeyPart, MemberReading};
use crate::compile::{FeedKey, Programmer};
use crate::correlate::person;
use crate::detect::RowView;

/// A rule of a correlation, asked of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// As the correlation names it.
    pub name: String,
    /// What it says to the event.
    pub explanation: Explanation,
    /// The parts of `group-by` with their values; an event that lacks one takes no part.
    pub key: Vec<(String, Option<String>)>,
    /// The fields whose values are counted or computed with, and the values.
    pub values: Vec<(String, Vec<String>)>,
}

impl Explainer {
    pub(super) fn members(
        &self,
        correlation: &CheckedCorrelation,
        batch: &EventBatch,
        row: usize,
        known: &mut HashMap<RuleRef, bool>,
    ) -> Vec<Member> {
        let rule = &correlation.rule;
        let mut members = Vec::with_capacity(rule.rules.len());
        for (name, member) in rule.rules.iter().zip(&correlation.members) {
            let (inner, key, values) = match member {
                check::Member::Rule { index, readings } => {
                    let (key, values) = read(readings, batch, row, self.actor);
                    (RuleRef::Rule(*index), key, values)
                }
                // What an inner correlation gives on is part of its own key, which its own members show.
                check::Member::Correlation { index, .. } => (RuleRef::Correlation(*index), None, Vec::new()),
            };
            let Some(explanation) = self.explain_once(inner, batch, row, known) else { continue };
            let parts = rule.group_by.iter().map(|part| part.value.clone());
            let fields = rule.valued().iter().map(|field| field.value.clone());
            members.push(Member {
                name: name.value.clone(),
                explanation,
                key: key.map(|key| parts.zip(key).collect()).unwrap_or_default(),
                values: fields.zip(values).collect(),
            });
        }
        members
    }
}

/// The key and the values in an event; `None` if the rule does not read its log.
fn read(
    readings: &[MemberReading],
    batch: &EventBatch,
    row: usize,
    actor: ActorOf,
) -> (Option<Vec<Option<String>>>, Vec<Vec<String>>) {
    let log_type = batch.str_at(Col::LogType, row).and_then(|name| name.parse::<LogType>().ok());
    let Some(reading) =
        readings.iter().find(|reading| log_type.is_some_and(|own| reading.log_types.contains(&own)))
    else {
        return (None, Vec::new());
    };
    let mut programmer = Programmer::default();
    let key: Vec<_> = reading
        .key
        .iter()
        .map(|part| match part {
            KeyPart::Actor => FeedKey::Actor,
            KeyPart::Person(whose) => FeedKey::Person(*whose),
            KeyPart::Field(field) => FeedKey::Field(programmer.field(field)),
        })
        .collect();
    let values: Vec<_> = reading.values.iter().map(|field| programmer.field(field)).collect();
    let program = programmer.finish();
    let mut view = RowView::new(batch, &program);
    let actor = || actor(batch, row).map(|name| shortened(&name));
    let mut first = |field: usize| {
        view.texts_of(field, row).iter().find(|text| !text.is_empty()).map(|text| shortened(text))
    };
    let person = |whose| {
        let names = person::names(batch, row, whose);
        (!names.is_empty()).then(|| shortened(&names.join(", ")))
    };
    let key = key.into_iter().map(|part| match part {
        FeedKey::Actor => actor(),
        FeedKey::Person(whose) => person(whose),
        FeedKey::Field(field) => first(field),
    });
    let key = key.collect();
    let values = values.into_iter().map(|field| {
        let mut found = view.texts_of(field, row);
        found.truncate(super::MOST_VALUES);
        found.iter().map(|text| shortened(text)).collect()
    });
    (Some(key), values.collect())
}
