//! A correlation, ready to run, and what each rule feeds into it.

use super::program::Programmer;
use super::{LogTypes, RuleHead};
use crate::check::correlation::{CheckedCorrelation, KeyPart, Member};
use crate::check::judge::Judge;
use crate::correlate::Whose;
use crate::sigma::correlation::{Alias, CorrelationRule};

/// A correlation of a [`RuleSet`](crate::RuleSet): which matches it joins, by what, and what it asks of them.
#[derive(Debug)]
pub struct Correlation {
    head: RuleHead,
    kind: &'static str,
    members: Vec<String>,
    group_by: Vec<String>,
    fields: Vec<String>,
    /// What the names in key and fields mean in each rule, in one text.
    aliases: String,
    timespan_us: i64,
    pub(crate) judge: Judge,
    /// How long after its last hit an episode may change or be needed by the correlations that take it.
    pub(crate) reach_us: i64,
    /// Another correlation takes its findings and says nothing of alerts.
    pub(crate) only_feeds: bool,
    fingerprint: String,
    definition: String,
    /// The correlations that take its findings: which, as which member, and the parts of its key.
    pub(crate) feeds: Vec<(u32, u16, Vec<usize>)>,
}

/// A rule's matches go to a correlation.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) correlation: u32,
    pub(crate) member: u16,
    pub(crate) readings: Vec<FeedReading>,
}

/// How key and values are read in the events of some kinds of log.
#[derive(Debug)]
pub(crate) struct FeedReading {
    pub(crate) log_types: LogTypes,
    pub(crate) key: Vec<FeedKey>,
    pub(crate) values: Vec<usize>,
}

/// How a part of a key is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FeedKey {
    /// Whoever acted.
    Actor,
    /// The names of a person.
    Person(Whose),
    /// A field, by its index in the program.
    Field(usize),
}

impl Correlation {
    /// The correlations, by index in [`RuleSet::correlations`](crate::RuleSet::correlations), that take its
    /// episodes.
    pub fn feeds(&self) -> impl Iterator<Item = u32> {
        self.feeds.iter().map(|(above, ..)| *above)
    }

    pub(super) fn new(checked: &CheckedCorrelation, path: &str) -> Self {
        let rule = &checked.rule;
        let texts = |placed: &[crate::sigma::yaml::Placed<String>]| {
            placed.iter().map(|text| text.value.clone()).collect::<Vec<_>>()
        };
        let mut correlation = Self {
            head: RuleHead::new(&rule.head, path),
            kind: rule.kind.name(),
            members: texts(&rule.rules),
            group_by: texts(&rule.group_by),
            fields: texts(rule.valued()),
            aliases: aliases(rule),
            timespan_us: rule.timespan_us,
            judge: checked.judge.clone(),
            reach_us: if matches!(checked.judge, Judge::FirstSeen { .. }) { 0 } else { rule.timespan_us },
            only_feeds: false,
            fingerprint: String::new(),
            definition: String::new(),
            feeds: Vec::new(),
        };
        correlation.fingerprint = correlation.compute_fingerprint();
        correlation.definition = correlation.compute_definition();
        correlation
    }

    /// The Sigma type, such as `event_count`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The rules that it joins, as written.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// What its matches are grouped by, as written.
    pub fn group_by(&self) -> &[String] {
        &self.group_by
    }

    /// The fields whose values are counted or computed with.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// How far matches may lie apart, in microseconds.
    pub fn timespan_us(&self) -> i64 {
        self.timespan_us
    }

    /// Whether what it finds is an alert and not only food for another correlation.
    pub fn yields_alert(&self) -> bool {
        self.head.level() != crate::Level::Informational && !self.only_feeds
    }

    /// Tells whether remembered matches are still meant: it changes with everything that decides what
    /// they are, and not with what is asked of them, such as the time span, nor with title or level.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Changes with the [`fingerprint`](Self::fingerprint) and with what is asked of matches.
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// The place of the actor in the key, if it is one of its parts.
    pub(crate) fn actor_part(&self) -> Option<usize> {
        self.group_by.iter().position(|part| part == crate::check::correlation::ACTOR)
    }

    /// Whether the actor is all of the key.
    pub(crate) fn is_by_actor_alone(&self) -> bool {
        self.group_by.len() == 1 && self.actor_part().is_some()
    }

    fn compute_fingerprint(&self) -> String {
        // Of a volume's past a bucket is one match.
        let folded_us = if matches!(self.judge, Judge::Volume { .. }) { self.timespan_us } else { 0 };
        let text = format!(
            "{}|{:?}|{:?}|{:?}|{:?}|{folded_us}",
            self.head.id(),
            self.members,
            self.group_by,
            self.fields,
            self.wants(),
        );
        event::EventKey::of("correlation matches", &[text.as_bytes()]).uid().to_string()
    }

    /// As earlier versions named what is remembered, so that they are understood.
    fn compute_definition(&self) -> String {
        let text = format!(
            "{}|{}|{:?}|{:?}|{:?}|{}|{:?}{}",
            self.head.id(),
            self.kind,
            self.members,
            self.group_by,
            self.fields,
            self.timespan_us,
            self.judge,
            self.aliases
        ) + if matches!(self.judge, Judge::Travel { .. }) { "|addresses" } else { "" };
        event::EventKey::of("correlation", &[text.as_bytes()]).uid().to_string()
    }
}

/// What every rule says about itself is read from a correlation as from its head.
impl std::ops::Deref for Correlation {
    type Target = RuleHead;

    fn deref(&self) -> &RuleHead {
        &self.head
    }
}

/// Correlations ready to run, what each of `rules` rules feeds into them, and the rules that say nothing
/// themselves any more.
pub(super) fn compile(
    checked: &[(CheckedCorrelation, String)],
    rules: usize,
    programmer: &mut Programmer,
) -> (Vec<Correlation>, Vec<Vec<Feed>>, Vec<usize>) {
    let mut correlations: Vec<_> =
        checked.iter().map(|(checked, path)| Correlation::new(checked, path)).collect();
    let mut feeds: Vec<Vec<Feed>> = std::iter::repeat_with(Vec::new).take(rules).collect();
    // Who feeds a correlation speaks for itself only if one of its correlations says so (`generate`).
    let mut rule_speaks = vec![None; rules];
    let mut correlation_speaks = vec![None; correlations.len()];
    for (index, (checked, _)) in (0u32..).zip(checked) {
        for (member, from) in (0u16..).zip(&checked.members) {
            match from {
                Member::Rule { index: rule, readings } => {
                    let readings = readings.iter().map(|reading| FeedReading {
                        log_types: LogTypes::of(&reading.log_types),
                        key: reading
                            .key
                            .iter()
                            .map(|part| match part {
                                KeyPart::Actor => FeedKey::Actor,
                                KeyPart::Person(whose) => FeedKey::Person(*whose),
                                KeyPart::Field(field) => FeedKey::Field(programmer.field(field)),
                            })
                            .collect(),
                        values: reading.values.iter().map(|field| programmer.field(field)).collect(),
                    });
                    let feed = Feed { correlation: index, member, readings: readings.collect() };
                    if let Some(feeds) = feeds.get_mut(*rule) {
                        feeds.push(feed);
                    }
                    speak(&mut rule_speaks, *rule, checked.rule.generate);
                }
                Member::Correlation { index: inner, parts } => {
                    if let Some(inner) = correlations.get_mut(*inner) {
                        inner.feeds.push((index, member, parts.clone()));
                    }
                    speak(&mut correlation_speaks, *inner, checked.rule.generate);
                }
            }
        }
    }
    for index in (0..correlations.len()).rev() {
        let above = correlations.get(index).map_or(&[][..], |correlation| correlation.feeds.as_slice());
        let reaches = above.iter().filter_map(|(above, ..)| correlations.get(*above as usize));
        let further = reaches.map(|above| above.reach_us).max().unwrap_or(0);
        if let Some(correlation) = correlations.get_mut(index) {
            correlation.reach_us = correlation.reach_us.saturating_add(further);
        }
    }
    for (correlation, speaks) in correlations.iter_mut().zip(correlation_speaks) {
        correlation.only_feeds = speaks == Some(false);
    }
    let silent = rule_speaks.iter().enumerate().filter(|(_, speaks)| **speaks == Some(false));
    let silent = silent.map(|(rule, _)| rule).collect();
    (correlations, feeds, silent)
}

fn aliases(rule: &CorrelationRule) -> String {
    let one = |alias: &Alias| {
        let fields = alias.fields.iter().map(|(of, field)| format!("{}={field}", of.value));
        format!("|{}:{}", alias.name.value, fields.collect::<Vec<_>>().join(","))
    };
    rule.aliases.iter().map(one).collect()
}

fn speak(speaks: &mut [Option<bool>], index: usize, generate: bool) {
    if let Some(slot) = speaks.get_mut(index) {
        *slot = Some(slot.unwrap_or(false) || generate);
    }
}
