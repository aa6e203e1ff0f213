//! Tests made ready to run over values.

use core::net::IpAddr;
use std::cmp::Ordering;

use ipnet::IpNet;
use regex::Regex;

use super::text_set::TextSet;
use crate::check::Test;
use crate::detect::{Form, Value, time};
use crate::sigma::modifier::{Comparison, TimePart};
use crate::sigma::pattern::Pattern;
use crate::sigma::yaml::Numeric;

/// Tests of which one must pass. Those for absence and those that look at other fields are not among
/// them.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// Any value will do.
    exists: bool,
    /// Patterns without case.
    folded: TextSet,
    cased: TextSet,
    others: Vec<Other>,
}

#[derive(Debug)]
enum Other {
    Number(Numeric),
    /// With texts of which what it matches contains one, where these are known.
    Regex(Regex, Option<Vec<String>>),
    Cidr(IpNet),
    Compare {
        by: Comparison,
        with: Numeric,
    },
    Time {
        part: TimePart,
        by: Option<Comparison>,
        with: Numeric,
    },
}

impl Matcher {
    pub(crate) fn new(tests: &[Test]) -> Self {
        let mut folded: Vec<Pattern> = Vec::new();
        let mut cased: Vec<&Pattern> = Vec::new();
        let mut others = Vec::new();
        for test in tests {
            match test {
                Test::Null | Test::Exists | Test::FieldRef { .. } => {}
                Test::Text { pattern, cased: true } => cased.push(pattern),
                Test::Text { pattern, cased: false } => {
                    folded.push(pattern.map_literals(|text| crate::fold::fold(text).into_owned()));
                }
                Test::Bool(value) => folded.push(Pattern::literal(if *value { "true" } else { "false" })),
                // A number in a log may be text; then it must be written alike.
                Test::Number(number) => {
                    folded.push(Pattern::literal(&crate::fold::fold(&number.text)));
                    others.push(Other::Number(number.value));
                }
                Test::Regex(test) => others.push(Other::Regex(test.regex.clone(), test.required.clone())),
                Test::Cidr(net) => others.push(Other::Cidr(*net)),
                Test::Compare { by, with } => others.push(Other::Compare { by: *by, with: *with }),
                Test::Time { part, by, with } => {
                    others.push(Other::Time { part: *part, by: *by, with: *with });
                }
            }
        }
        let exists = tests.contains(&Test::Exists);
        Self { exists, folded: TextSet::new(&folded), cased: TextSet::new(cased), others }
    }

    /// Whether the value passes one of the tests.
    pub(crate) fn is_match(&self, value: &Value<'_>) -> bool {
        self.exists
            || (!self.folded.is_empty() && self.folded.is_match(value.folded()))
            || (!self.cased.is_empty() && self.cased.is_match(value.text()))
            || self.others.iter().any(|test| test.is_match(value))
    }

    /// What a text without case must be or contain to pass; `None` if that cannot be said.
    pub(crate) fn needs(&self) -> Option<Needs> {
        if self.exists {
            return None;
        }
        let mut needs = Needs::default();
        for test in &self.others {
            match test {
                Other::Number(_) => {}
                Other::Regex(_, required) => {
                    let texts = required.as_ref()?;
                    needs.contains.extend(texts.iter().map(|text| crate::fold::fold(text).into_owned()));
                }
                _ => return None,
            }
        }
        for set in [&self.folded, &self.cased] {
            needs.equals.extend(set.exact().map(|text| crate::fold::fold(text).into_owned()));
            needs.contains.extend(set.needed()?.into_iter().map(|text| crate::fold::fold(text).into_owned()));
        }
        Some(needs)
    }
}

/// Texts, of which a value must be or contain one to pass a matcher.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) equals: Vec<String>,
    pub(crate) contains: Vec<String>,
}

impl Other {
    fn is_match(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Number(wanted) => {
                value.form() == Form::Number && number(value).is_some_and(|found| equal(found, *wanted))
            }
            Self::Regex(regex, _) => regex.is_match(value.text()),
            Self::Cidr(net) => address(value.text()).is_some_and(|address| net.contains(&address)),
            Self::Compare { by, with } => number(value).is_some_and(|found| compare(found, *by, *with)),
            Self::Time { part, by, with } => time::part(value.text(), *part).is_some_and(|found| {
                let found = Numeric::Int(found.into());
                by.map_or(equal(found, *with), |by| compare(found, by, *with))
            }),
        }
    }
}

fn number(value: &Value<'_>) -> Option<Numeric> {
    match value.form() {
        Form::Number | Form::Text => Numeric::parse(value.text()),
        Form::Bool | Form::Json => None,
    }
}

fn compare(found: Numeric, by: Comparison, with: Numeric) -> bool {
    found.compare(with).is_some_and(|ordering| by.admits(ordering))
}

fn equal(found: Numeric, wanted: Numeric) -> bool {
    found.compare(wanted).is_some_and(Ordering::is_eq)
}

/// An address; one of IPv4 in the clothes of IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let net = |text: &str| Matcher::new(&[Test::Cidr(text.parse().unwrap())]);
        for (network, value, expected) in [
            ("192.0.2.0/24", "192.0.2.77", true),
            ("192.0.2.0/24", "::ffff:192.0.2.77", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "192.0.2.1", false),
            ("0.0.0.0/0", "AWS Internal", false),
        ] {
            assert_eq!(net(network).is_match(&Value::new(Form::Text, value)), expected, "{network} {value}");
        }
    }
}
