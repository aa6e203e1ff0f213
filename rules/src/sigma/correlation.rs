//! A correlation, as written: Sigma Correlation Rules specification 2.1.0, and what Stormglass adds to it
//! behind `x-`.

use super::condition::{self, Parsed};
use super::head::{self, Head, Of};
use super::yaml::{Kind as NodeKind, Node, Numeric, Placed, Position, Scalar};
use crate::nearest::did_you_mean;
use crate::report::Report;

/// What is asked of the matches of a group (`correlation.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CorrelationType {
    EventCount,
    ValueCount,
    ValueSum,
    ValueAvg,
    ValuePercentile,
    ValueMedian,
    Temporal,
    TemporalOrdered,
    /// The first rule is not followed by the second.
    Absence,
    /// A value that the group never showed before.
    FirstSeen,
    /// A value that the group hardly ever shows.
    Rare,
    /// Two places that nobody can travel between in the time.
    ImpossibleTravel,
    /// More than the group's own history lets expect.
    VolumeAnomaly,
}

impl CorrelationType {
    /// Every type with its name in a rule. The `extended` names are pySigma's; the condition tells.
    const NAMES: &[(&str, Self)] = &[
        ("event_count", Self::EventCount),
        ("value_count", Self::ValueCount),
        ("value_sum", Self::ValueSum),
        ("value_avg", Self::ValueAvg),
        ("value_percentile", Self::ValuePercentile),
        ("value_median", Self::ValueMedian),
        ("temporal", Self::Temporal),
        ("temporal_extended", Self::Temporal),
        ("temporal_ordered", Self::TemporalOrdered),
        ("temporal_ordered_extended", Self::TemporalOrdered),
        ("x-absence", Self::Absence),
        ("x-first-seen", Self::FirstSeen),
        ("x-rare", Self::Rare),
        ("x-impossible-travel", Self::ImpossibleTravel),
        ("x-volume-anomaly", Self::VolumeAnomaly),
    ];

    /// The name in a rule.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Whether a condition names fields whose values are counted or computed with.
    pub(crate) fn needs_field(self) -> bool {
        matches!(
            self,
            Self::ValueCount
                | Self::ValueSum
                | Self::ValueAvg
                | Self::ValuePercentile
                | Self::ValueMedian
                | Self::FirstSeen
                | Self::Rare
        )
    }

    /// Whether the values are numbers.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, Self::ValueSum | Self::ValueAvg | Self::ValuePercentile | Self::ValueMedian)
    }

    /// Whether the condition compares with a number.
    fn needs_threshold(self) -> bool {
        matches!(self, Self::EventCount | Self::ValueCount | Self::Rare) || self.is_numeric()
    }

    fn learns(self) -> bool {
        matches!(self, Self::FirstSeen | Self::Rare | Self::VolumeAnomaly)
    }
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Neq,
}

impl Operator {
    const NAMES: &[(&str, Self)] = &[
        ("gt", Self::Gt),
        ("gte", Self::Gte),
        ("lt", Self::Lt),
        ("lte", Self::Lte),
        ("eq", Self::Eq),
        ("neq", Self::Neq),
    ];
}

/// The numbers behind `x-` keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tuning {
    /// How long a group must be known before it is judged, in microseconds.
    pub(crate) learning_us: i64,
    /// Kilometres an hour that nobody travels.
    pub(crate) speed_kmh: f64,
    /// Kilometres below which places are one.
    pub(crate) distance_km: f64,
    /// Median absolute deviations above the median.
    pub(crate) deviations: f64,
    /// Events below which no volume is strange.
    pub(crate) least: f64,
    /// The percentile of `value_percentile`, 0 to 100.
    pub(crate) percentile: f64,
}

/// A field's other names, by rule.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    pub(crate) name: Placed<String>,
    /// Rule, and the field that the alias means there.
    pub(crate) fields: Vec<(Placed<String>, String)>,
}

/// A correlation, parsed; what it refers to is found in `check`.
#[derive(Debug, Clone)]
pub(crate) struct CorrelationRule {
    pub(crate) head: Head,
    pub(crate) kind: CorrelationType,
    pub(crate) kind_at: Position,
    pub(crate) rules: Vec<Placed<String>>,
    /// How often each rule must match, in the order of `rules`; 1 where nothing is said.
    pub(crate) counts: Vec<(Placed<String>, u32)>,
    pub(crate) group_by: Vec<Placed<String>>,
    pub(crate) timespan_us: i64,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) threshold: Vec<(Operator, f64)>,
    /// Where the condition stands, or else the correlation.
    pub(crate) condition_at: Position,
    pub(crate) fields: Vec<Placed<String>>,
    /// The field that must differ from one step to the next (`x-differs`); at most one.
    pub(crate) differs: Vec<Placed<String>>,
    /// A condition over the names of rules.
    pub(crate) boolean: Option<(Parsed, Position)>,
    pub(crate) tuning: Tuning,
    pub(crate) generate: bool,
}

const KEYS: &[&str] = &[
    "type",
    "rules",
    "group-by",
    "timespan",
    "aliases",
    "condition",
    "generate",
    "percentile",
    "x-counts",
    "x-differs",
    "x-learning",
    "x-speed",
    "x-distance",
    "x-deviations",
    "x-least",
];

/// The longest time that a correlation may look back: 400 days.
const LONGEST_US: i64 = 400 * 86_400_000_000;

/// Reads a correlation document; `None` if it must be refused, and the report says why.
pub(crate) fn read(document: &Node, report: &mut Report) -> Option<CorrelationRule> {
    let before = report.errors();
    head::check_taxonomy(document, report);
    let head = head::read(document, Of::Rule, report);
    let node = head::required(document, "correlation", report)?;
    if node.as_map().is_none() {
        let problem = format!("`correlation` is {}, not a map", node.what());
        report.error(node.at, "correlation", problem, "give it `type`, `rules` and `timespan`");
        return None;
    }
    refuse_unknown_keys(node, report);
    let kind = kind(node, report);
    let rules = names(node, "rules", report);
    if rules.is_empty() {
        report.error(node.at, "correlation.rules", "no rule is named", "name rules by `name` or `id`");
    }
    let timespan_us = required_span(node, "timespan", report);
    let condition = condition(node, report);
    let rule = CorrelationRule {
        head: head?,
        kind: kind?,
        kind_at: node.get("type").map_or(node.at, |node| node.at),
        rules,
        counts: counts(node, report),
        group_by: names(node, "group-by", report),
        timespan_us: timespan_us?,
        aliases: aliases(node, report),
        threshold: condition.threshold,
        condition_at: node.get("condition").map_or(node.at, |node| node.at),
        fields: condition.fields,
        differs: names(node, "x-differs", report),
        boolean: condition.boolean,
        tuning: tuning(node, report),
        generate: generate(document, node, report),
    };
    check_condition(&rule, node, report);
    (report.errors() == before).then_some(rule)
}

fn refuse_unknown_keys(node: &Node, report: &mut Report) {
    for (key, _) in node.as_map().unwrap_or_default() {
        let name = key.value.as_str();
        if !KEYS.contains(&name) {
            let mend = did_you_mean(name, KEYS.iter().copied(), "remove it");
            report.error(key.at, &format!("correlation.{name}"), format!("unknown key `{name}`"), mend);
        }
    }
}

fn kind(node: &Node, report: &mut Report) -> Option<CorrelationType> {
    let found = head::required(node, "type", report)?;
    let name = found.text().unwrap_or_default();
    let kind = CorrelationType::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    if kind.is_none() {
        let known = CorrelationType::NAMES.iter().map(|(known, _)| *known);
        let mend = did_you_mean(
            &name,
            known.clone(),
            format!("use one of {}", known.collect::<Vec<_>>().join(", ")),
        );
        report.error(found.at, "correlation.type", format!("unknown type `{name}`"), mend);
    }
    kind
}

/// A list of names, or one name.
fn names(node: &Node, key: &str, report: &mut Report) -> Vec<Placed<String>> {
    let Some(found) = node.get(key).filter(|node| !node.is_null()) else { return Vec::new() };
    let members = found.as_list().unwrap_or(std::slice::from_ref(found));
    let mut names: Vec<Placed<String>> = Vec::with_capacity(members.len());
    for member in members {
        match member.text() {
            Some(value) if !names.iter().any(|known| known.value == value) || key == "rules" => {
                names.push(Placed { at: member.at, value });
            }
            Some(value) => {
                let problem = format!("`{value}` is named twice");
                report.warning(member.at, &format!("correlation.{key}"), problem, "remove one");
            }
            None => {
                let problem = format!("a name is text, not {}", member.what());
                report.error(member.at, &format!("correlation.{key}"), problem, "");
            }
        }
    }
    names
}

fn required_span(node: &Node, key: &str, report: &mut Report) -> Option<i64> {
    let found = head::required(node, key, report)?;
    span(found, key, report)
}

fn span(found: &Node, key: &str, report: &mut Report) -> Option<i64> {
    let text = found.text().unwrap_or_default();
    let span = parse_span(&text);
    match span {
        Some(span) if span <= LONGEST_US => return Some(span),
        Some(_) => {
            let problem = format!("`{text}` is longer than 400 days");
            report.error(found.at, &format!("correlation.{key}"), problem, "choose a shorter time");
        }
        None => {
            let problem = format!("`{text}` is no time span");
            let mend = "write a number and one of s, m, h, d, w, M, y, such as `90m`";
            report.error(found.at, &format!("correlation.{key}"), problem, mend);
        }
    }
    None
}

/// `90m` and so on, in microseconds; months and years as pySigma counts them.
pub fn parse_span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        'M' => 2_629_746,
        'y' => 31_556_952,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000).filter(|span| *span > 0)
}

#[derive(Debug, Default)]
struct Condition {
    threshold: Vec<(Operator, f64)>,
    fields: Vec<Placed<String>>,
    boolean: Option<(Parsed, Position)>,
}

fn condition(node: &Node, report: &mut Report) -> Condition {
    let mut condition = Condition::default();
    let Some(found) = node.get("condition").filter(|node| !node.is_null()) else { return condition };
    if let Some(text) = found.text() {
        match condition::parse(&text) {
            Ok(parsed) => condition.boolean = Some((parsed, found.at)),
            Err(error) => report.error(found.at, "correlation.condition", error.problem, error.mend),
        }
        return condition;
    }
    for (key, value) in found.as_map().unwrap_or_default() {
        let path = format!("correlation.condition.{}", key.value);
        match key.value.as_str() {
            "field" => {
                let members = value.as_list().unwrap_or(std::slice::from_ref(value));
                condition.fields.extend(
                    members.iter().filter_map(|node| Some(Placed { at: node.at, value: node.text()? })),
                );
            }
            "percentile" => {}
            name => match Operator::NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, operator)) => {
                    if let Some(value) = number(value, &path, report) {
                        condition.threshold.push((*operator, value));
                    }
                }
                None => {
                    let known =
                        Operator::NAMES.iter().map(|(known, _)| *known).chain(["field", "percentile"]);
                    let mend = did_you_mean(name, known, "use gt, gte, lt, lte, eq or neq");
                    report.error(key.at, &path, format!("unknown key `{name}`"), mend);
                }
            },
        }
    }
    condition
}

fn number(node: &Node, path: &str, report: &mut Report) -> Option<f64> {
    let value = match &node.kind {
        NodeKind::Scalar(Scalar::Number(number)) => Some(match number.value {
            Numeric::Int(value) => value as f64,
            Numeric::Float(value) => value,
        }),
        _ => None,
    };
    if value.is_none() {
        report.error(node.at, path, format!("a number is wanted, not {}", node.what()), "");
    }
    value
}

fn aliases(node: &Node, report: &mut Report) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for (name, value) in node.get("aliases").and_then(Node::as_map).unwrap_or_default() {
        let Some(entries) = value.as_map() else {
            let problem = format!("an alias is a map of rules to fields, not {}", value.what());
            report.error(value.at, &format!("correlation.aliases.{}", name.value), problem, "");
            continue;
        };
        let fields = entries.iter().filter_map(|(rule, field)| Some((rule.clone(), field.text()?)));
        aliases.push(Alias { name: name.clone(), fields: fields.collect() });
    }
    aliases
}

fn counts(node: &Node, report: &mut Report) -> Vec<(Placed<String>, u32)> {
    const MOST: f64 = 1000.0;
    let mut counts = Vec::new();
    for (rule, value) in node.get("x-counts").and_then(Node::as_map).unwrap_or_default() {
        let path = format!("correlation.x-counts.{}", rule.value);
        match number(value, &path, report) {
            Some(count) if (1.0..=MOST).contains(&count) => counts.push((rule.clone(), count as u32)),
            Some(_) => report.error(value.at, &path, "a count is from 1 to 1000", ""),
            None => {}
        }
    }
    counts
}

fn tuning(node: &Node, report: &mut Report) -> Tuning {
    let mut value = |node: &Node, under: &str, key: &str, default: f64, least: f64, most: f64| {
        let Some(found) = node.get(key) else { return default };
        let path = format!("{under}.{key}");
        match number(found, &path, report) {
            Some(value) if (least..=most).contains(&value) => value,
            Some(_) => {
                report.error(found.at, &path, format!("a number from {least} to {most} is wanted"), "");
                default
            }
            None => default,
        }
    };
    let mut tuning = Tuning {
        learning_us: 0,
        speed_kmh: value(node, "correlation", "x-speed", 900.0, 1.0, 100_000.0),
        distance_km: value(node, "correlation", "x-distance", 500.0, 0.0, 20_000.0),
        deviations: value(node, "correlation", "x-deviations", 6.0, 0.0, 1e6),
        least: value(node, "correlation", "x-least", 20.0, 1.0, 1e12),
        percentile: value(node, "correlation", "percentile", f64::NAN, 0.0, 100.0),
    };
    if let Some(condition) = node.get("condition") {
        let under = "correlation.condition";
        tuning.percentile = value(condition, under, "percentile", tuning.percentile, 0.0, 100.0);
    }
    if let Some(found) = node.get("x-learning") {
        tuning.learning_us = span(found, "x-learning", report).unwrap_or_default();
    }
    tuning
}

/// The specification's schema has `generate` at the top, pySigma within `correlation`.
fn generate(document: &Node, node: &Node, report: &mut Report) -> bool {
    let Some(found) = node.get("generate").or_else(|| document.get("generate")) else { return false };
    match &found.kind {
        NodeKind::Scalar(Scalar::Bool(value)) => *value,
        _ => {
            let problem = format!("`generate` is true or false, not {}", found.what());
            report.error(found.at, "correlation.generate", problem, "");
            false
        }
    }
}

/// What the type asks of the condition.
fn check_condition(rule: &CorrelationRule, node: &Node, report: &mut Report) {
    let at = rule.condition_at;
    let name = rule.kind.name();
    let path = "correlation.condition";
    let mut refuse = |problem: String, mend: &str| report.error(at, path, problem, mend);
    let is_temporal = matches!(rule.kind, CorrelationType::Temporal | CorrelationType::TemporalOrdered);
    if rule.boolean.is_some() && !is_temporal {
        refuse(format!("`{name}` takes no condition over rules"), "use `type: temporal`, or give a number");
    } else if rule.kind.needs_threshold() && rule.threshold.is_empty() {
        refuse(format!("`{name}` needs a number to compare with"), "add `condition: {gte: …}`");
    }
    if rule.kind.needs_field() && rule.fields.is_empty() {
        refuse(format!("`{name}` needs a field"), "add `field` to the condition");
    }
    if rule.kind.is_numeric() && rule.fields.len() > 1 {
        refuse(format!("`{name}` takes one field"), "a sum over several fields has no meaning");
    }
    if !rule.kind.needs_field() && !rule.fields.is_empty() {
        refuse(format!("`{name}` takes no field"), "use a `value_…` type, or remove `field`");
    }
    // One that is said and wrong was told before.
    let says_percentile = [Some(node), node.get("condition")].into_iter().flatten();
    let says_percentile = says_percentile.filter_map(|node| node.get("percentile")).next().is_some();
    if rule.kind == CorrelationType::ValuePercentile && !says_percentile {
        refuse("which percentile is not said".to_owned(), "add `percentile: 95` to the correlation");
    }
    if !is_temporal && !rule.counts.is_empty() {
        refuse("`x-counts` goes with `temporal_ordered`".to_owned(), "remove it");
    }
    if !rule.differs.is_empty() && rule.kind != CorrelationType::TemporalOrdered {
        refuse("`x-differs` goes with `temporal_ordered`".to_owned(), "remove it");
    }
    if rule.differs.len() > 1 {
        refuse("`x-differs` takes one field".to_owned(), "name the field that must differ");
    }
    if rule.kind == CorrelationType::Absence && rule.rules.len() != 2 {
        refuse("`x-absence` takes two rules: what happens, and what should follow".to_owned(), "");
    }
    if rule.kind.learns() && rule.tuning.learning_us == 0 {
        refuse(format!("`{name}` must learn first"), "add `x-learning: 14d`");
    }
    if matches!(
        rule.kind,
        CorrelationType::ImpossibleTravel | CorrelationType::FirstSeen | CorrelationType::Rare
    ) && rule.group_by.is_empty()
    {
        refuse(format!("`{name}` needs a `group-by`"), "such as `group-by: [actor]`");
    }
}

impl CorrelationRule {
    /// The fields whose values its judgement looks at.
    pub(crate) fn valued(&self) -> &[Placed<String>] {
        if self.differs.is_empty() { &self.fields } else { &self.differs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, seconds) in
            [("90m", 5400), ("1h", 3600), ("15s", 15), ("2d", 172_800), ("1w", 604_800), ("1M", 2_629_746)]
        {
            assert_eq!(parse_span(text), Some(seconds * 1_000_000), "{text}");
        }
        for text in ["", "m", "0m", "-1h", "1.5h", "1x", "99999999999999999d", "1 h", "é"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }
}
