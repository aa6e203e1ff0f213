//! A correlation as written becomes one that is understood: its rules are found, its fields are places in
//! their events, its condition is a judgement.

use event::LogType;

use super::CheckedRule;
use super::judge::{self, Judge};
use crate::correlate::Whose;
use crate::mapping::{Field, Mappings};
use crate::nearest::did_you_mean;
use crate::report::Report;
use crate::sigma::correlation::{CorrelationRule, CorrelationType};
use crate::sigma::head::Head;
use crate::sigma::yaml::Placed;

/// The name in a `group-by` that means whoever acted, in whichever cloud.
pub(crate) const ACTOR: &str = "actor";

/// Names of fields that mean a person's names: whoever acted, or the user whom it was done to.
const PERSONS: [(&str, Whose); 2] = [("actor_person", Whose::Actor), ("user_person", Whose::User)];

/// How many correlations may stand one upon the other.
const MAX_DEPTH: usize = 10;

/// A correlation that is sound.
#[derive(Debug)]
pub(crate) struct CheckedCorrelation {
    pub(crate) rule: CorrelationRule,
    /// In the order of `rules`.
    pub(crate) members: Vec<Member>,
    pub(crate) judge: Judge,
    /// How many correlations it stands upon, itself included.
    depth: usize,
}

/// What a correlation takes matches from.
#[derive(Debug)]
pub(crate) enum Member {
    /// A rule, and how its events are read.
    Rule { index: usize, readings: Vec<MemberReading> },
    /// Another correlation, and which parts of its key are the key here.
    Correlation { index: usize, parts: Vec<usize> },
}

/// Key and values in the events of some kinds of log.
#[derive(Debug)]
pub(crate) struct MemberReading {
    pub(crate) log_types: Vec<LogType>,
    pub(crate) key: Vec<KeyPart>,
    pub(crate) values: Vec<Field>,
}

/// A part of a group's key.
#[derive(Debug)]
pub(crate) enum KeyPart {
    Actor,
    /// The names of a person, as clouds agree on them.
    Person(Whose),
    Field(Field),
}

/// What is loaded already and can be referred to.
pub(crate) struct Known<'k> {
    pub(crate) rules: &'k [(CheckedRule, String)],
    pub(crate) correlations: &'k [(CheckedCorrelation, String)],
    pub(crate) mappings: &'k Mappings,
    /// Correlations that cannot be taken, because each refers to what is not there or to another of them.
    pub(crate) stuck: &'k [Stuck],
}

/// A correlation that refers to what is not loaded.
#[derive(Debug)]
pub(crate) struct Stuck {
    head: Head,
    refers_to: Vec<String>,
}

impl Stuck {
    pub(crate) fn new(rule: &CorrelationRule) -> Self {
        let refers_to = rule.rules.iter().map(|name| name.value.clone()).collect();
        Self { head: rule.head.clone(), refers_to }
    }
}

impl Known<'_> {
    /// Whether everything that a correlation refers to is there.
    pub(crate) fn has_all(&self, rule: &CorrelationRule) -> bool {
        rule.rules
            .iter()
            .all(|name| self.rule(&name.value).is_some() || self.correlation(&name.value).is_some())
    }

    fn rule(&self, name: &str) -> Option<usize> {
        self.rules.iter().position(|(rule, _)| rule.rule.head.is_called(name))
    }

    fn correlation(&self, name: &str) -> Option<usize> {
        self.correlations.iter().position(|(rule, _)| rule.rule.head.is_called(name))
    }

    fn stuck(&self, name: &str) -> Option<&Stuck> {
        self.stuck.iter().find(|stuck| stuck.head.is_called(name))
    }

    /// The names by which a reference to `name` leads back to `head`: the circle, if there is one.
    fn circle(&self, head: &Head, name: &str) -> Option<Vec<String>> {
        let mut seen: Vec<&str> = vec![name];
        let mut ways = vec![vec![name]];
        while let Some(way) = ways.pop() {
            let last = *way.last()?;
            if head.is_called(last) {
                return Some(way.into_iter().map(str::to_owned).collect());
            }
            for next in self.stuck(last).into_iter().flat_map(|stuck| &stuck.refers_to) {
                if !seen.contains(&next.as_str()) {
                    seen.push(next);
                    ways.push(way.iter().copied().chain([next.as_str()]).collect());
                }
            }
        }
        None
    }

    /// Why a name refers to nothing, and the mend.
    fn missing(&self, head: &Head, name: &str) -> (String, String) {
        if let Some(way) = self.circle(head, name) {
            let way: Vec<_> = way.iter().map(|name| format!("`{name}`")).collect();
            let problem = format!("the correlation stands upon itself, by way of {}", way.join(", "));
            return (problem, "let one of them refer to rules of events alone".to_owned());
        }
        if self.stuck(name).is_some() {
            let problem = format!("the correlation `{name}` does not load");
            return (problem, "mend that one; what it refers to is not there".to_owned());
        }
        let mend = did_you_mean(name, self.names(), "name a rule that is loaded by `name` or `id`");
        (format!("there is no rule `{name}` that loads"), mend)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().map(|(rule, _)| &rule.rule.head);
        let heads = rules.chain(self.correlations.iter().map(|(rule, _)| &rule.rule.head));
        heads.filter_map(|head| head.name.as_deref())
    }
}

/// Checks a correlation; `None` if it must be refused, and the report says why.
pub(crate) fn check(
    rule: CorrelationRule,
    known: &Known<'_>,
    report: &mut Report,
) -> Option<CheckedCorrelation> {
    let before = report.errors();
    let mut members = Vec::with_capacity(rule.rules.len());
    let mut depth = 1;
    for name in &rule.rules {
        if let Some(index) = known.rule(&name.value) {
            let readings = readings(&rule, name, index, known, report);
            members.push(Member::Rule { index, readings });
        } else if let Some(index) = known.correlation(&name.value) {
            let Some((inner, _)) = known.correlations.get(index) else { continue };
            depth = depth.max(inner.depth + 1);
            members.push(Member::Correlation { index, parts: parts(&rule, name, inner, report) });
        } else {
            let (problem, mend) = known.missing(&rule.head, &name.value);
            report.error(name.at, "correlation.rules", problem, mend);
        }
    }
    if depth > MAX_DEPTH {
        let problem = format!("more than {MAX_DEPTH} correlations stand one upon the other");
        report.error(rule.head.at, "correlation.rules", problem, "refer to rules of events");
    }
    check_persons(&members, &rule, report);
    let judge = judge::judge(&rule, report);
    warn_about_aliases(&rule, report);
    (report.errors() == before).then_some(CheckedCorrelation { judge: judge?, rule, members, depth })
}

/// How the key and the values are read in the events of a rule.
fn readings(
    rule: &CorrelationRule,
    name: &Placed<String>,
    index: usize,
    known: &Known<'_>,
    report: &mut Report,
) -> Vec<MemberReading> {
    let Some((member, _)) = known.rules.get(index) else { return Vec::new() };
    let mut readings = Vec::new();
    let mut unknown: Vec<(&Placed<String>, &str, usize)> = Vec::new();
    let mappings = known.mappings.of(&member.rule.logsource.value);
    for mapping in &mappings {
        let field = |written: &Placed<String>| {
            let resolved = mapping.resolve(meant(rule, name, member, written));
            let is_known = resolved.known && mapping.slip_of(meant(rule, name, member, written)).is_none();
            (resolved.field, is_known)
        };
        let mut key = Vec::with_capacity(rule.group_by.len());
        for written in &rule.group_by {
            if written.value == ACTOR {
                key.push(KeyPart::Actor);
                continue;
            }
            let whom = meant(rule, name, member, written);
            if let Some((_, whose)) = PERSONS.iter().find(|(name, _)| *name == whom) {
                key.push(KeyPart::Person(*whose));
                continue;
            }
            let (field, is_known) = field(written);
            if !is_known {
                note(&mut unknown, written, "correlation.group-by");
            }
            key.push(KeyPart::Field(field));
        }
        let mut values = Vec::with_capacity(rule.valued().len());
        for written in rule.valued() {
            let (field, is_known) = field(written);
            if !is_known {
                note(&mut unknown, written, "correlation.condition.field");
            }
            values.push(field);
        }
        if !mapping.log_types.is_empty() {
            readings.push(MemberReading { log_types: mapping.log_types.clone(), key, values });
        }
    }
    for (written, path, times) in unknown {
        if times >= mappings.len() {
            let problem =
                format!("events of `{}` are not known to have the field `{}`", name.value, written.value);
            let names = mappings.iter().flat_map(|mapping| mapping.names());
            let slip = mappings.iter().find_map(|mapping| mapping.slip_of(&written.value));
            let mend = match slip {
                Some(known) => format!("did you mean `{known}`?"),
                None => did_you_mean(&written.value, names, "it is looked up in the record as written"),
            };
            report.warning(written.at, path, problem, mend);
        }
    }
    readings
}

/// A person has several names, each a hit of its own that only its value tells from the others.
fn check_persons(members: &[Member], rule: &CorrelationRule, report: &mut Report) {
    let persons = |key: &[KeyPart]| key.iter().filter(|part| matches!(part, KeyPart::Person(_))).count();
    let most = members.iter().flat_map(|member| match member {
        Member::Rule { readings, .. } => readings.as_slice(),
        Member::Correlation { .. } => &[],
    });
    let most = most.map(|reading| persons(&reading.key)).max().unwrap_or(0);
    if most == 0 || (most == 1 && rule.valued().is_empty()) {
        return;
    }
    let problem = "a person's names are once in a key, and beside no field whose values count";
    report.error(rule.head.at, "correlation.group-by", problem, "group by `actor` instead");
}

/// The field that a name in key or values means in the events of a rule.
fn meant<'w>(
    rule: &'w CorrelationRule,
    name: &Placed<String>,
    member: &CheckedRule,
    written: &'w Placed<String>,
) -> &'w str {
    let alias = rule.aliases.iter().find(|alias| alias.name.value == written.value);
    let is_of = |of: &str| of == name.value || member.rule.head.is_called(of);
    let field = alias.and_then(|alias| alias.fields.iter().find(|(of, _)| is_of(&of.value)));
    field.map_or(written.value.as_str(), |(_, field)| field.as_str())
}

/// Counts a field that a mapping does not know, by where it is written.
fn note<'w>(
    unknown: &mut Vec<(&'w Placed<String>, &'w str, usize)>,
    written: &'w Placed<String>,
    path: &'w str,
) {
    match unknown.iter_mut().find(|(known, at, _)| known.value == written.value && *at == path) {
        Some((_, _, times)) => *times += 1,
        None => unknown.push((written, path, 1)),
    }
}

/// Which parts of an inner correlation's key are the key here: it gives nothing else on.
fn parts(
    rule: &CorrelationRule,
    name: &Placed<String>,
    inner: &CheckedCorrelation,
    report: &mut Report,
) -> Vec<usize> {
    let mut parts = Vec::with_capacity(rule.group_by.len());
    let alias = |written: &Placed<String>| {
        let alias = rule.aliases.iter().find(|alias| alias.name.value == written.value)?;
        let of = |(of, _): &&(Placed<String>, String)| {
            of.value == name.value || inner.rule.head.is_called(&of.value)
        };
        alias.fields.iter().find(of).map(|(_, field)| field.clone())
    };
    for written in &rule.group_by {
        let meant = alias(written).unwrap_or_else(|| written.value.clone());
        match inner.rule.group_by.iter().position(|own| own.value == meant) {
            Some(part) => parts.push(part),
            None => {
                let problem = format!("the correlation `{}` is not grouped by `{meant}`", name.value);
                report.error(
                    written.at,
                    "correlation.group-by",
                    problem,
                    "a correlation gives on what it is grouped by",
                );
            }
        }
    }
    if rule.kind.needs_field() || !rule.differs.is_empty() {
        let problem = format!("`{}` needs events, and `{}` is a correlation", rule.kind.name(), name.value);
        report.error(name.at, "correlation.rules", problem, "refer to rules of events");
    }
    if matches!(rule.kind, CorrelationType::ImpossibleTravel | CorrelationType::VolumeAnomaly) {
        report.error(
            name.at,
            "correlation.rules",
            "a correlation has no place and no volume",
            "refer to rules of events",
        );
    }
    parts
}

fn warn_about_aliases(rule: &CorrelationRule, report: &mut Report) {
    for alias in &rule.aliases {
        let path = format!("correlation.aliases.{}", alias.name.value);
        let used = rule.group_by.iter().chain(rule.valued()).any(|written| written.value == alias.name.value);
        if !used {
            report.warning(
                alias.name.at,
                &path,
                "the alias is not used",
                "name it in `group-by`, or remove it",
            );
        }
        for name in &rule.rules {
            if !alias.fields.iter().any(|(of, _)| of.value == name.value) {
                let problem = format!("the alias does not say which field it is in `{}`", name.value);
                report.warning(alias.name.at, &path, problem, "name the field");
            }
        }
        for (of, _) in &alias.fields {
            if !rule.rules.iter().any(|name| name.value == of.value) {
                let problem = format!("`{}` is none of the correlation's rules", of.value);
                let mend =
                    did_you_mean(&of.value, rule.rules.iter().map(|name| name.value.as_str()), "remove it");
                report.error(of.at, &path, problem, mend);
            }
        }
    }
}
