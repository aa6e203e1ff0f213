//! Comparisons with numbers that nothing passes, or everything: `{gte: 10, lt: 5}`, `gte: 0`, `hour: 25`.

use super::Linter;
use crate::check::Test;
use crate::check::judge::Threshold;
use crate::report::Report;
use crate::sigma::correlation::{CorrelationRule, CorrelationType};
use crate::sigma::modifier::{Comparison, TimePart};
use crate::sigma::yaml::{Numeric, Position};

/// The numbers that can come.
#[derive(Debug, Clone, Copy)]
struct Range {
    least: f64,
    most: f64,
    /// No fractions.
    is_whole: bool,
}

/// What becomes of the numbers of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Some,
    None,
    All,
}

impl Range {
    const fn whole(least: f64, most: f64) -> Self {
        Self { least, most, is_whole: true }
    }

    /// Which numbers pass a test that changes its mind at `bounds` only: one number on each side of a bound
    /// and the bound itself stand for all.
    fn judge(self, bounds: &[f64], passes: impl Fn(f64) -> bool) -> Verdict {
        let mut bounds: Vec<f64> = bounds.to_vec();
        bounds.extend([self.least, self.most].into_iter().filter(|bound| bound.is_finite()));
        bounds.sort_by(f64::total_cmp);
        let mut asked = Vec::with_capacity(bounds.len() * 6);
        for (index, bound) in bounds.iter().enumerate() {
            asked.extend([bound.floor() - 1.0, bound.floor(), bound.ceil(), bound.ceil() + 1.0]);
            if !self.is_whole {
                let next = bounds.get(index + 1).copied().unwrap_or(bound + 2.0);
                asked.extend([*bound, f64::midpoint(*bound, next)]);
            }
        }
        let mut answers =
            asked.into_iter().filter(|number| (self.least..=self.most).contains(number)).map(passes);
        let Some(first) = answers.next() else { return Verdict::Some };
        match (first, answers.all(|answer| answer == first)) {
            (_, false) => Verdict::Some,
            (true, true) => Verdict::All,
            (false, true) => Verdict::None,
        }
    }
}

/// Looks at the numbers that a correlation compares with.
pub(super) fn correlation(rule: &CorrelationRule, report: &mut Report) {
    use CorrelationType as T;
    if rule.threshold.is_empty() {
        return;
    }
    let range = match rule.kind {
        // A window begins with a match, so there is never less than one.
        T::EventCount | T::ValueCount | T::Rare => Range::whole(1.0, f64::INFINITY),
        T::Temporal => Range::whole(1.0, rule.rules.len() as f64),
        kind if kind.is_numeric() => Range { least: f64::NEG_INFINITY, most: f64::INFINITY, is_whole: false },
        _ => return,
    };
    let bounds: Vec<_> = rule.threshold.iter().map(|(_, bound)| *bound).collect();
    let threshold = Threshold::new(rule.threshold.clone());
    let (problem, mend) = match range.judge(&bounds, |number| threshold.holds(number)) {
        Verdict::Some => return,
        Verdict::None if rule.kind == T::Temporal => (
            format!("the condition can never be true: there are {} rules", rule.rules.len()),
            "ask for as many as there are, or fewer",
        ),
        Verdict::None => (
            "the condition can never be true".to_owned(),
            "mend the numbers; a window has at least one match, and `x-absence` finds what does not happen",
        ),
        Verdict::All => (
            "the condition is true of every match".to_owned(),
            "ask for more, or let the rule itself raise alerts",
        ),
    };
    report.warning(rule.condition_at, "correlation.condition", problem, mend);
}

impl Linter<'_> {
    /// The tests of parts of times that some time passes; the others are told, as are those that every time
    /// passes.
    pub(super) fn times(&mut self, tests: Vec<Test>, at: Position, path: &str) -> Vec<Test> {
        let mut possible = Vec::with_capacity(tests.len());
        for test in tests {
            if let Test::Time { part, by, with } = &test {
                let (name, range) = range_of(*part);
                let bound = float(*with);
                let verdict = range.judge(&[bound], |number| passes(*by, number, bound));
                let mend = format!("a {name} is a number from {} to {}", range.least, range.most);
                match verdict {
                    Verdict::Some => {}
                    Verdict::All => self.add(at, path, format!("every {name} is so"), mend),
                    Verdict::None => {
                        self.add(at, path, format!("no {name} is so"), mend);
                        continue;
                    }
                }
            }
            possible.push(test);
        }
        possible
    }
}

fn passes(by: Option<Comparison>, number: f64, bound: f64) -> bool {
    match by {
        None => number == bound,
        Some(Comparison::Less) => number < bound,
        Some(Comparison::LessOrEqual) => number <= bound,
        Some(Comparison::Greater) => number > bound,
        Some(Comparison::GreaterOrEqual) => number >= bound,
    }
}

fn range_of(part: TimePart) -> (&'static str, Range) {
    match part {
        TimePart::Minute => ("minute", Range::whole(0.0, 59.0)),
        TimePart::Hour => ("hour", Range::whole(0.0, 23.0)),
        TimePart::Day => ("day", Range::whole(1.0, 31.0)),
        TimePart::Week => ("week", Range::whole(1.0, 53.0)),
        TimePart::Month => ("month", Range::whole(1.0, 12.0)),
        TimePart::Year => ("year", Range::whole(1.0, 9999.0)),
    }
}

fn float(number: Numeric) -> f64 {
    match number {
        Numeric::Int(value) => value as f64,
        Numeric::Float(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigma::correlation::Operator as O;

    #[test]
    fn what_numbers_pass() {
        let whole = Range::whole(1.0, f64::INFINITY);
        let any = Range { least: f64::NEG_INFINITY, most: f64::INFINITY, is_whole: false };
        for (range, asked, expected) in [
            (whole, vec![(O::Gte, 10.0), (O::Lt, 5.0)], Verdict::None),
            (whole, vec![(O::Gte, 0.0)], Verdict::All),
            (whole, vec![(O::Gte, 1.0)], Verdict::All),
            (whole, vec![(O::Gt, 1.0)], Verdict::Some),
            (whole, vec![(O::Lt, 1.0)], Verdict::None),
            (whole, vec![(O::Eq, 0.0)], Verdict::None),
            (whole, vec![(O::Eq, 2.5)], Verdict::None),
            (whole, vec![(O::Neq, 2.5)], Verdict::All),
            (whole, vec![(O::Neq, 2.0)], Verdict::Some),
            (whole, vec![(O::Gt, 2.0), (O::Lt, 3.0)], Verdict::None),
            (any, vec![(O::Gt, 2.0), (O::Lt, 3.0)], Verdict::Some),
            (any, vec![(O::Gte, 2.0), (O::Lte, 2.0)], Verdict::Some),
            (any, vec![(O::Gt, 2.0), (O::Lte, 2.0)], Verdict::None),
            (any, vec![(O::Gte, 0.0)], Verdict::Some),
            (any, vec![(O::Eq, 2.5)], Verdict::Some),
            (Range::whole(1.0, 2.0), vec![(O::Gte, 3.0)], Verdict::None),
            (Range::whole(1.0, 3.0), vec![(O::Gte, 3.0)], Verdict::Some),
            (whole, vec![(O::Gte, 1e300)], Verdict::Some),
        ] {
            let bounds: Vec<_> = asked.iter().map(|(_, bound)| *bound).collect();
            let threshold = Threshold::new(asked.clone());
            assert_eq!(range.judge(&bounds, |number| threshold.holds(number)), expected, "{asked:?}");
        }
    }
}
