//! Names in a condition become the searches that they mean.

use super::expr::Expr;
use crate::nearest::did_you_mean;
use crate::report::Report;
use crate::sigma::condition::Condition;
use crate::sigma::detection::{ConditionText, Detection};

const FIELD: &str = "detection.condition";

/// The most tests that a condition may amount to: it can name a search many times.
const MAX_TESTS: usize = 20_000;

/// The expression of all conditions, which are alternatives; `None` if a name means nothing.
pub(crate) fn resolve(detection: &Detection, searches: &[(&str, Expr)], report: &mut Report) -> Option<Expr> {
    let mut resolver = Resolver { searches, used: vec![false; searches.len()], size: 0, report };
    let mut alternatives = Vec::new();
    for text in &detection.conditions {
        alternatives.push(resolver.condition(&text.parsed.condition, text)?);
    }
    let used = resolver.used;
    for ((name, _), used) in detection.searches.iter().zip(used) {
        // A leading underscore says: not by itself.
        if !used && !name.value.starts_with('_') {
            let problem = format!("the search `{}` is not used by the condition", name.value);
            report.warning(name.at, FIELD, problem, "use it, or remove it");
        }
    }
    Some(Expr::any(alternatives))
}

struct Resolver<'s, 'r> {
    searches: &'s [(&'s str, Expr)],
    used: Vec<bool>,
    size: usize,
    report: &'r mut Report,
}

impl Resolver<'_, '_> {
    fn condition(&mut self, condition: &Condition, text: &ConditionText) -> Option<Expr> {
        match condition {
            Condition::Name { name, offset } => self.name(name, *offset, text),
            Condition::Of { every, pattern, offset } => self.of(*every, pattern, *offset, text),
            Condition::Not(inner) => Some(self.condition(inner, text)?.negate()),
            Condition::And(parts) => Some(Expr::all(self.parts(parts, text)?)),
            Condition::Or(parts) => Some(Expr::any(self.parts(parts, text)?)),
        }
    }

    fn parts(&mut self, parts: &[Condition], text: &ConditionText) -> Option<Vec<Expr>> {
        parts.iter().map(|part| self.condition(part, text)).collect()
    }

    fn name(&mut self, name: &str, offset: usize, text: &ConditionText) -> Option<Expr> {
        let Some(index) = self.searches.iter().position(|(known, _)| *known == name) else {
            let known = self.searches.iter().map(|(known, _)| *known);
            let mend = did_you_mean(name, known, "add a search of that name");
            self.report.error(text.place(offset), FIELD, format!("unknown identifier `{name}`"), mend);
            return None;
        };
        self.take(index, offset, text)
    }

    fn of(&mut self, every: bool, pattern: &str, offset: usize, text: &ConditionText) -> Option<Expr> {
        let meant = |(_, (name, _)): &(usize, &(&str, Expr))| means(pattern, name);
        let found: Vec<_> = (0..).zip(self.searches).filter(meant).map(|(at, _)| at).collect();
        if found.is_empty() {
            let known = self.searches.iter().map(|(known, _)| *known);
            let mend = did_you_mean(pattern, known, "name searches that are there");
            self.report.error(text.place(offset), FIELD, format!("`{pattern}` means no search"), mend);
            return None;
        }
        let parts = found.into_iter().map(|index| self.take(index, offset, text)).collect::<Option<_>>()?;
        Some(if every { Expr::all(parts) } else { Expr::any(parts) })
    }

    fn take(&mut self, index: usize, offset: usize, text: &ConditionText) -> Option<Expr> {
        let (_, expr) = self.searches.get(index)?;
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
        self.size += expr.size();
        if self.size > MAX_TESTS {
            let problem = format!("the condition amounts to more than {MAX_TESTS} tests");
            self.report.error(text.place(offset), FIELD, problem, "name each search once");
            return None;
        }
        Some(expr.clone())
    }
}

/// Whether `1 of pattern` means the search `name`. What begins with an underscore is meant only by a pattern
/// that says so.
pub(crate) fn means(pattern: &str, name: &str) -> bool {
    (!name.starts_with('_') || pattern.starts_with('_'))
        && (pattern == "them" || is_pattern_of(pattern, name))
}

/// Whether a pattern such as `sel*` means a name.
pub(super) fn is_pattern_of(pattern: &str, name: &str) -> bool {
    glob(&pattern.split('*').collect::<Vec<_>>(), name)
}

/// Whether `name` is made of the pieces in order, with anything between them.
fn glob(pieces: &[&str], name: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| *only == name);
    };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for piece in middle {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_names() {
        for (pattern, name, expected) in [
            ("sel*", "selection", true),
            ("sel*", "filter", false),
            ("*", "x", true),
            ("selection", "selection", true),
            ("selection", "selection1", false),
            ("sel*_x", "sel_1_x", true),
            ("sel*_x", "sel_x", true),
            ("sel_*_x", "sel_x", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("*_img", "selection_img", true),
        ] {
            assert_eq!(glob(&pattern.split('*').collect::<Vec<_>>(), name), expected, "{pattern} {name}");
        }
    }
}
