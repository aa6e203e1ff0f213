//! The judgement that a correlation's type and condition amount to.

use crate::nearest::did_you_mean;
use crate::report::Report;
use crate::sigma::condition::Condition;
use crate::sigma::correlation::{CorrelationRule, CorrelationType, Operator};
use crate::sigma::yaml::Position;

/// Comparisons that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold(Vec<(Operator, f64)>);

impl Threshold {
    pub(crate) fn holds(&self, value: f64) -> bool {
        self.0.iter().all(|(operator, with)| match operator {
            Operator::Gt => value > *with,
            Operator::Gte => value >= *with,
            Operator::Lt => value < *with,
            Operator::Lte => value <= *with,
            Operator::Eq => value == *with,
            Operator::Neq => value != *with,
        })
    }

    /// No smaller whole number holds, given that there are only lower bounds.
    fn least(&self) -> usize {
        let bound = |(operator, with): &(Operator, f64)| match operator {
            Operator::Gt => with.floor() + 1.0,
            _ => with.ceil(),
        };
        self.0.iter().map(bound).fold(1.0, f64::max) as usize
    }

    /// Whether more can only help: then it can be decided before a window is over.
    fn is_lower_bound(&self) -> bool {
        self.0.iter().all(|(operator, _)| matches!(operator, Operator::Gt | Operator::Gte))
    }
}

/// A number made of a window's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    Sum,
    Average,
    /// 0 to 100, with linear interpolation between neighbours.
    Percentile(f64),
}

/// Rules that must or must not have matched, by their place among the members.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Presence {
    Member(u16),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Presence {
    /// Whether it holds where `present` says what is there, and `around` what is there or near enough that it
    /// must not be.
    pub(crate) fn holds(&self, present: &dyn Fn(u16) -> bool, around: &dyn Fn(u16) -> bool) -> bool {
        match self {
            Self::Member(member) => present(*member),
            Self::Not(inner) => !inner.holds(around, present),
            Self::All(parts) => parts.iter().all(|part| part.holds(present, around)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(present, around)),
        }
    }

    fn has_not(&self) -> bool {
        match self {
            Self::Member(_) => false,
            Self::Not(_) => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::has_not),
        }
    }
}

/// What must be true of a window's matches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asks {
    /// So many matches.
    Count(Threshold),
    /// So many distinct values.
    Distinct(Threshold),
    /// A number made of the values.
    Number(Statistic, Threshold),
    /// So many distinct rules.
    Rules(Threshold),
    /// These rules and not those.
    Presence(Presence),
}

/// When a group's matches make an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Judge {
    /// Looking back from each match: what is asked can be decided as soon as it is true.
    Rolling(Asks),
    /// Windows that begin with a match and are judged when they are over, one after the other.
    Closed(Asks),
    /// Windows that begin with each match and are judged when they are over. What must not be there must not
    /// be in the same time before, either.
    Following(Presence),
    /// Steps in this order: each any of its members; one that must match several times stands here as often.
    /// Where something `differs`, no step has the value of the one before.
    Ordered { steps: Vec<Vec<u16>>, differs: bool },
    /// The first member is not followed by the second.
    Absence,
    /// A value not seen before.
    FirstSeen { learning_us: i64 },
    /// A value seen so seldom.
    Rare { learning_us: i64, threshold: Threshold },
    /// Two places too far apart.
    Travel { speed_kmh: f64, distance_km: f64 },
    /// A bucket of the window's length with more than usual.
    Volume { learning_us: i64, deviations: f64, least: f64 },
}

impl Judge {
    /// Fewer hits than this amount to nothing, and nothing waits for them.
    pub(crate) fn least_hits(&self) -> usize {
        match self {
            // A hit may stand for more than one only where volumes are compared.
            Self::Rolling(Asks::Count(threshold) | Asks::Distinct(threshold) | Asks::Rules(threshold)) => {
                threshold.least()
            }
            Self::Ordered { steps, .. } => steps.len(),
            Self::Travel { .. } => 2,
            _ => 1,
        }
    }
}

/// The judgement of a correlation; `None` if its condition means nothing, and the report says why.
pub(crate) fn judge(rule: &CorrelationRule, report: &mut Report) -> Option<Judge> {
    use CorrelationType as T;
    let threshold = Threshold(rule.threshold.clone());
    let tuning = &rule.tuning;
    let by_bound = |asks: Asks| match threshold.is_lower_bound() {
        true => Judge::Rolling(asks),
        false => Judge::Closed(asks),
    };
    let number = |statistic| by_bound(Asks::Number(statistic, threshold.clone()));
    Some(match rule.kind {
        T::EventCount => by_bound(Asks::Count(threshold.clone())),
        T::ValueCount => by_bound(Asks::Distinct(threshold.clone())),
        T::ValueSum => number(Statistic::Sum),
        T::ValueAvg => number(Statistic::Average),
        T::ValueMedian => number(Statistic::Percentile(50.0)),
        T::ValuePercentile => number(Statistic::Percentile(tuning.percentile)),
        T::Temporal => match &rule.boolean {
            Some((parsed, at)) => presence_judge(rule, &parsed.condition, *at, report)?,
            None if rule.threshold.is_empty() => {
                let all = Threshold(vec![(Operator::Gte, rule.rules.len() as f64)]);
                Judge::Rolling(Asks::Rules(all))
            }
            None => by_bound(Asks::Rules(threshold.clone())),
        },
        T::TemporalOrdered => {
            Judge::Ordered { steps: steps(rule, report)?, differs: !rule.differs.is_empty() }
        }
        T::Absence => Judge::Absence,
        T::FirstSeen => Judge::FirstSeen { learning_us: learning(rule, report) },
        T::Rare => Judge::Rare { learning_us: learning(rule, report), threshold },
        T::ImpossibleTravel => Judge::Travel { speed_kmh: tuning.speed_kmh, distance_km: tuning.distance_km },
        T::VolumeAnomaly => Judge::Volume {
            learning_us: tuning.learning_us,
            deviations: tuning.deviations,
            least: tuning.least,
        },
    })
}

/// What is learnt must also be remembered.
fn learning(rule: &CorrelationRule, report: &mut Report) -> i64 {
    if rule.tuning.learning_us > rule.timespan_us {
        let problem = "`x-learning` is longer than `timespan`, which says how long values are remembered";
        report.error(rule.kind_at, "correlation.x-learning", problem, "make `timespan` the longer one");
    }
    const DAY_US: i64 = 86_400_000_000;
    if rule.kind == CorrelationType::FirstSeen && rule.tuning.learning_us < DAY_US {
        let problem = "`x-first-seen` counts in days";
        report.error(rule.kind_at, "correlation.x-learning", problem, "write `1d` or more");
    }
    rule.tuning.learning_us
}

/// The order of members, each as often as `x-counts` says. A condition joins steps with `and`, in their order;
/// a step may be any of several rules.
fn steps(rule: &CorrelationRule, report: &mut Report) -> Option<Vec<Vec<u16>>> {
    const MOST: usize = 2000;
    for (name, _) in &rule.counts {
        if !rule.rules.iter().any(|known| known.value == name.value) {
            let problem = format!("`{}` is none of the correlation's rules", name.value);
            let mend =
                did_you_mean(&name.value, rule.rules.iter().map(|known| known.value.as_str()), "remove it");
            report.error(name.at, "correlation.x-counts", problem, mend);
        }
    }
    let written = match &rule.boolean {
        Some((parsed, at)) => {
            let presence = presence(rule, &parsed.condition, *at, report)?;
            let Some(written) = in_order(presence) else {
                let problem =
                    "the condition of a sequence is steps joined with `and`, each a rule or `(a or b)`";
                report.error(*at, "correlation.condition", problem, "write the steps in their order");
                return None;
            };
            written
        }
        None => (0u16..).zip(&rule.rules).map(|(member, _)| vec![member]).collect(),
    };
    let mut steps = Vec::new();
    for step in written {
        let counts = step.iter().filter_map(|member| {
            let name = rule.rules.get(usize::from(*member))?;
            rule.counts.iter().find(|(of, _)| of.value == name.value).map(|(_, count)| *count)
        });
        let count = counts.max().unwrap_or(1);
        steps.extend(std::iter::repeat_n(step, count as usize));
    }
    if steps.len() > MOST {
        let problem = format!("the sequence has more than {MOST} steps");
        report.error(rule.kind_at, "correlation.x-counts", problem, "ask for fewer");
        return None;
    }
    Some(steps)
}

/// The steps of a condition that says no more than an order; `None` of any other.
fn in_order(presence: Presence) -> Option<Vec<Vec<u16>>> {
    let parts = match presence {
        Presence::All(parts) => parts,
        step => vec![step],
    };
    let step = |part| match part {
        Presence::Member(member) => Some(vec![member]),
        Presence::Any(parts) => parts
            .into_iter()
            .map(|part| match part {
                Presence::Member(member) => Some(member),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    parts.into_iter().map(step).collect()
}

fn presence_judge(
    rule: &CorrelationRule,
    condition: &Condition,
    at: Position,
    report: &mut Report,
) -> Option<Judge> {
    let presence = presence(rule, condition, at, report)?;
    // A window without any match is not judged, so a condition that holds for it can never be told.
    if presence.holds(&|_| false, &|_| false) {
        let problem = "the condition holds where nothing happened";
        report.error(at, "correlation.condition", problem, "name a rule that must match, or use `x-absence`");
        return None;
    }
    Some(match presence.has_not() {
        true => Judge::Following(presence),
        false => Judge::Rolling(Asks::Presence(presence)),
    })
}

fn presence(
    rule: &CorrelationRule,
    condition: &Condition,
    at: Position,
    report: &mut Report,
) -> Option<Presence> {
    let mut parts = |parts: &[Condition]| {
        parts.iter().map(|part| presence(rule, part, at, report)).collect::<Option<Vec<_>>>()
    };
    match condition {
        Condition::And(inner) => Some(Presence::All(parts(inner)?)),
        Condition::Or(inner) => Some(Presence::Any(parts(inner)?)),
        Condition::Not(inner) => Some(Presence::Not(Box::new(presence(rule, inner, at, report)?))),
        Condition::Name { name, .. } => {
            let member = rule.rules.iter().position(|known| known.value == *name);
            let Some(member) = member.and_then(|member| u16::try_from(member).ok()) else {
                let known = rule.rules.iter().map(|known| known.value.as_str());
                let mend = did_you_mean(name, known, "name one of `rules`");
                let problem = format!("`{name}` is none of the correlation's rules");
                report.error(at, "correlation.condition", problem, mend);
                return None;
            };
            Some(Presence::Member(member))
        }
        Condition::Of { every, pattern, .. } => {
            let meant = |name: &str| pattern == "them" || super::condition::is_pattern_of(pattern, name);
            let members = (0u16..).zip(&rule.rules).filter(|(_, name)| meant(&name.value));
            let members: Vec<_> = members.map(|(member, _)| Presence::Member(member)).collect();
            if members.is_empty() {
                let problem = format!("`{pattern}` means none of the correlation's rules");
                report.error(at, "correlation.condition", problem, "name rules that are there");
                return None;
            }
            Some(if *every { Presence::All(members) } else { Presence::Any(members) })
        }
    }
}
