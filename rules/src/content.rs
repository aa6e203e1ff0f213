//! The rules, their tests and the mappings that come with Stormglass, embedded.

use crate::rule_test::is_test_file;
use crate::source::RuleSource;

// The files of `content`, by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/content.rs"));

fn sources<'f>(files: impl IntoIterator<Item = &'f (&'f str, &'f str)>) -> Vec<RuleSource> {
    let source =
        |(path, text): &(&str, &str)| RuleSource { path: (*path).to_owned(), text: (*text).to_owned() };
    files.into_iter().map(source).collect()
}

/// The rules that come with Stormglass: what an intrusion into AWS, Azure, Entra or Google Cloud leaves
/// behind, event by event and in its course.
pub fn shipped() -> Vec<RuleSource> {
    sources(RULES.iter().filter(|(path, _)| !is_test_file(path)))
}

/// The tests of the shipped rules.
pub fn shipped_tests() -> Vec<RuleSource> {
    sources(RULES.iter().filter(|(path, _)| is_test_file(path)))
}

/// The records that tests of rules can share.
pub fn shipped_records() -> Vec<RuleSource> {
    sources(RECORDS)
}

/// The field mappings.
pub(crate) fn mappings() -> Vec<RuleSource> {
    sources(MAPPINGS)
}

/// What fields can hold.
pub(crate) fn values() -> Vec<RuleSource> {
    sources(VALUES)
}

/// The part of ATT&CK that is about clouds.
pub(crate) fn attack() -> Vec<RuleSource> {
    sources(ATTACK)
}
