//! The rules that come with Stormglass, over the project's own samples.

use std::collections::BTreeMap;
use std::path::Path;

use event::Col;
use rules::{Expectation, Records, RuleTests, Scratch, read_tests};

use crate::{corpus, events};

fn project(folder: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
}

fn samples(folder: &str) -> Vec<String> {
    corpus::files(&project(folder), "json").iter().flat_map(|file| events::records(&file.text)).collect()
}

#[test]
fn they_load_without_a_word() {
    let loaded = rules::load(&rules::shipped());
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!((loaded.counts.refused, loaded.counts.waiting), (0, 0));
    // What only feeds correlations says nothing by itself.
    let rules = loaded.rules.rules().iter().filter(|rule| rule.yields_alert()).map(|rule| &**rule);
    let heads: Vec<&rules::RuleHead> =
        rules.chain(loaded.rules.correlations().iter().map(|rule| &**rule)).collect();
    let correlations = loaded.rules.correlations().len();
    assert!(heads.len() - correlations >= 60 && correlations >= 40, "{} of them {correlations}", heads.len());
    for rule in heads {
        let what = rule.path();
        assert!(rule.tags().iter().any(|tag| tag.starts_with("attack.t")), "{what} has no technique");
        assert!(!rule.description().is_empty() && !rule.references().is_empty(), "{what}");
        assert!(!rule.false_positives().is_empty(), "{what}");
        assert!(rule.response().len() >= 2, "{what} does not say what to do");
    }
}

/// What the tests say is checked by `stormglass rules test`; here, that there are some for each.
#[test]
fn each_is_tested_both_ways() {
    let loaded = rules::load(&rules::shipped());
    let (records, findings) = Records::parse(&rules::shipped_records());
    assert!(findings.is_empty(), "{findings:#?}");
    let tests: BTreeMap<String, RuleTests> = rules::shipped_tests()
        .iter()
        .map(|source| (source.path.replace(".test.yml", ".yml"), read_tests(source, &records).0))
        .collect();
    let single = loaded.rules.rules().iter().filter(|rule| rule.yields_alert()).map(|rule| &**rule);
    let all: Vec<&rules::RuleHead> =
        single.chain(loaded.rules.correlations().iter().map(|rule| &**rule)).collect();
    for rule in all {
        let cases = tests.get(rule.path()).map(|tests| &tests.cases[..]).unwrap_or_default();
        let expects = |wanted: bool| {
            cases.iter().any(|case| match case.expects {
                Expectation::Match(matches) => matches == wanted,
                Expectation::Alerts(alerts) => (alerts > 0) == wanted,
            })
        };
        assert!(expects(true) && expects(false), "{} is not tested both ways", rule.path());
    }
}

#[test]
fn none_fires_on_the_quiet_part_of_the_story() {
    let loaded = rules::load(&rules::shipped());
    let mut records = samples("demo/story");
    records.extend(samples("normalize/samples"));
    let events = events::normalized(&records).events;
    let found = loaded.rules.matches(&events, &mut Scratch::default());
    // The story's night begins quietly.
    let quiet = 1_772_416_800_000_000; // 2026-03-02T02:00:00Z
    let day = quiet - 7_200_000_000;
    for found in found.iter().filter(|found| loaded.rules.rules()[found.rule as usize].yields_alert()) {
        let time = events.int_at(Col::Time, found.row as usize).unwrap();
        let rule = loaded.rules.rules()[found.rule as usize].path();
        assert!(!(day..quiet).contains(&time), "{rule} fires on the quiet part of the story");
    }
}
