//! Questions about patterns and tests, apart from any value.

use crate::check::Test;
use crate::compile::Matcher;
use crate::detect::{Form, Value};
use crate::fold::fold;
use crate::sigma::pattern::{Part, Pattern};
use crate::sigma::yaml::Numeric;

/// Whether a number can match the pattern.
pub(super) fn may_be_number(pattern: &Pattern) -> bool {
    match pattern.as_literal() {
        Some(text) => Numeric::parse(text).is_some(),
        None => pattern.parts().iter().all(|part| match part {
            Part::Literal(text) => {
                text.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | '-' | '+' | 'e' | 'E'))
            }
            Part::Any | Part::One => true,
        }),
    }
}

/// Whether everything that `inner` matches is matched by `outer`, too: wildcards of `inner` count as a
/// character that `outer` has only in its own wildcards.
pub(super) fn covers(outer: &Pattern, inner: &Pattern) -> bool {
    const ANY: char = '\u{e000}';
    let text: String = inner
        .parts()
        .iter()
        .map(|part| match part {
            Part::Literal(text) => fold(text).into_owned(),
            // Two, so that a `?` of `outer` does not stand for it.
            Part::Any => [ANY, ANY].iter().collect(),
            Part::One => ANY.to_string(),
        })
        .collect();
    let test = Test::Text { pattern: outer.clone(), cased: true };
    Matcher::new(&[test]).is_match(&Value::new(Form::Text, text))
}

/// A test's value as a rule writes it.
pub(super) fn spell(test: &Test) -> String {
    match test {
        Test::Text { pattern, .. } => spell_pattern(pattern),
        Test::Number(number) => number.text.clone(),
        Test::Bool(value) => value.to_string(),
        Test::Regex(regex) => regex.regex.as_str().to_owned(),
        Test::Cidr(net) => net.to_string(),
        Test::Null => "null".to_owned(),
        _ => String::new(),
    }
}

/// A pattern as a rule writes it.
pub(super) fn spell_pattern(pattern: &Pattern) -> String {
    let part = |part: &Part| match part {
        Part::Literal(text) => text.clone(),
        Part::Any => "*".to_owned(),
        Part::One => "?".to_owned(),
    };
    pattern.parts().iter().map(part).collect()
}
