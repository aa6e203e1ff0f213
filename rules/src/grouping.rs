//! Matches of one rule that become one alert: `x-group-within` and `x-group-by` of a rule, or the
//! configuration.

use std::str::FromStr;

use crate::nearest::did_you_mean;
use crate::report::Report;
use crate::sigma::correlation::parse_span;
use crate::sigma::head::texts;
use crate::sigma::yaml::Node;

/// The longest window, in microseconds: 7 days.
const LONGEST_US: i64 = 7 * 86_400_000_000;

/// Matches with the same values, within the same window of time, are one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    by: Vec<String>,
    within_us: i64,
}

/// A grouping that the configuration sets: of one rule, or of all of a level that have none of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupingFor {
    /// The id or name of a rule, or a level.
    pub what: String,
    /// How its matches are grouped.
    pub grouping: Grouping,
}

impl Grouping {
    /// What matches can be grouped by besides the fields of their records: the kinds of entities of an alert, the
    /// operation and the provider.
    pub const FIELDS: [&str; 8] =
        ["actor", "credential", "user", "account", "address", "resource", "operation", "provider"];

    /// One by `by`, which may be empty, in windows of this length, which begin at its multiples since 1970.
    ///
    /// # Errors
    /// What is wrong, and the mend.
    pub fn new(by: Vec<String>, within_us: i64) -> Result<Self, String> {
        if !(1_000_000..=LONGEST_US).contains(&within_us) {
            return Err("a window lasts 1 second to 7 days; write one such as `1h`".to_owned());
        }
        let is_known = |name: &str| Self::FIELDS.contains(&name) || is_record_field(name);
        if let Some(unknown) = by.iter().find(|name| !is_known(name)) {
            let known =
                format!("choose of {}, or a field of the record, `fields.PATH`", Self::FIELDS.join(", "));
            let mend = did_you_mean(unknown, Self::FIELDS, known);
            return Err(format!("matches cannot be grouped by `{unknown}`; {mend}"));
        }
        Ok(Self { by, within_us })
    }

    /// What the matches have in common.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// The length of the windows, in microseconds.
    pub fn within_us(&self) -> i64 {
        self.within_us
    }
}

/// `fields.` and a path of at most 16 names in 200 bytes, such as `fields.requestParameters.bucketName`.
fn is_record_field(name: &str) -> bool {
    let Some(path) = name.strip_prefix("fields.") else { return false };
    path.len() <= 200 && path.split('.').count() <= 16 && path.split('.').all(|part| !part.is_empty())
}

/// `WHAT=SPAN` or `WHAT=SPAN by FIELD+FIELD`.
impl FromStr for GroupingFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no grouping; write one such as `low=1h by actor+account`");
        let (what, rest) = text.split_once('=').ok_or_else(bad)?;
        let (span, by) = match rest.split_once(" by ") {
            Some((span, by)) => (span, by.split('+').map(|name| name.trim().to_owned()).collect()),
            None => (rest, Vec::new()),
        };
        let within_us = parse_span(span.trim()).ok_or_else(bad)?;
        if what.trim().is_empty() {
            return Err(bad());
        }
        Ok(Self { what: what.trim().to_owned(), grouping: Grouping::new(by, within_us)? })
    }
}

/// Reads the keys of a rule.
pub(crate) fn read(document: &Node, report: &mut Report) -> Option<Grouping> {
    const WITHIN: &str = "x-group-within";
    const BY: &str = "x-group-by";
    let given = |key| document.get(key).filter(|node| !node.is_null());
    let (within, by) = (given(WITHIN), given(BY));
    if document.get("correlation").is_some()
        && let Some(node) = within.or(by)
    {
        let problem = "matches of a correlation are not grouped; it joins events itself";
        report.warning(node.at, WITHIN, problem, "remove it; `group-by` and `timespan` say what is joined");
        return None;
    }
    let within = match (within, by) {
        (Some(within), _) => within,
        (None, Some(by)) => {
            report.error(by.at, BY, "`x-group-by` needs a window", "add `x-group-within: 1h`");
            return None;
        }
        (None, None) => return None,
    };
    let text = within.text().unwrap_or_default();
    let Some(within_us) = parse_span(&text) else {
        let mend = "write a number and one of s, m, h, d, w, such as `1h`";
        report.error(within.at, WITHIN, format!("`{text}` is no time span"), mend);
        return None;
    };
    match Grouping::new(texts(document, BY), within_us) {
        Ok(grouping) => Some(grouping),
        Err(problem) => {
            report.error(by.unwrap_or(within).at, BY, problem, "");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadOptions, RuleSource, load, load_with};

    fn rule(keys: &str) -> RuleSource {
        let text = format!(
            "title: Reads\nid: 11111111-2222-4333-8444-555555555555\nlevel: low\nlogsource:\n  product: aws\n  \
             service: cloudtrail\ndetection:\n  sel:\n    eventName: GetObject\n  condition: sel\n{keys}"
        );
        RuleSource { path: "r.yml".into(), text }
    }

    fn grouping(keys: &str) -> Result<Option<Grouping>, String> {
        let loaded = load(&[rule(keys)]);
        match loaded.rules.rules().first() {
            Some(rule) => Ok(rule.grouping().cloned()),
            None => Err(loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn a_rule_says_how_it_is_grouped() {
        const HOUR_US: i64 = 3_600_000_000;
        assert_eq!(grouping(""), Ok(None));
        let by = |by: &[&str]| {
            Ok(Some(Grouping { by: by.iter().map(|name| (*name).to_owned()).collect(), within_us: HOUR_US }))
        };
        assert_eq!(grouping("x-group-within: 1h\n"), by(&[]));
        assert_eq!(grouping("x-group-within: 60m\nx-group-by: actor\n"), by(&["actor"]));
        assert_eq!(grouping("x-group-within: 1h\nx-group-by: [actor, account]\n"), by(&["actor", "account"]));
        let field = "fields.requestParameters.bucketName";
        assert_eq!(
            grouping(&format!("x-group-within: 1h\nx-group-by: [actor, {field}]\n")),
            by(&["actor", field])
        );
        for (bad, said) in [
            ("x-group-within: 1h\nx-group-by: [fields.]\n", "`fields.PATH`"),
            ("x-group-within: 1h\nx-group-by: [fields.a..b]\n", "`fields.PATH`"),
            ("x-group-by: [actor]\n", "needs a window"),
            ("x-group-within: soon\n", "no time span"),
            ("x-group-within: 8d\n", "7 days"),
            ("x-group-within: 0s\n", "no time span"),
            ("x-group-within: 1h\nx-group-by: [acotr]\n", "actor"),
        ] {
            let error = grouping(bad).unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }

    #[test]
    fn the_configuration_names_rules_and_levels() {
        let grouped = |own: &str, set: &[&str]| {
            let groupings = set.iter().map(|text| text.parse().unwrap()).collect();
            let options = LoadOptions { groupings, ..LoadOptions::default() };
            let loaded = load_with(&[rule(own)], &options);
            loaded.rules.rules()[0]
                .grouping()
                .map(|grouping| (grouping.within_us / 60_000_000, grouping.by.join("+")))
        };
        let own = "x-group-within: 1h\n";
        let id = "11111111-2222-4333-8444-555555555555=3m by actor+account";
        assert_eq!(grouped("", &["low=2m"]), Some((2, String::new())));
        assert_eq!(grouped("", &["high=2m"]), None);
        assert_eq!(grouped(own, &["low=2m"]), Some((60, String::new())), "its own goes before its level's");
        assert_eq!(grouped(own, &["low=2m", id]), Some((3, "actor+account".into())), "named goes before all");
        for bad in ["", "low", "low=", "low=soon", "=1h", "low=1h by nobody", "low=9d", "low=1h by "] {
            assert!(bad.parse::<GroupingFor>().is_err(), "{bad}");
        }
    }
}
