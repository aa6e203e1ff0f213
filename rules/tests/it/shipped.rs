//! The rules that come with Stormglass, over the project's own samples.

use std::collections::BTreeSet;
use std::path::Path;

use event::Col;
use rules::Scratch;

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
    assert!(heads.len() > 30);
    for rule in heads {
        let what = rule.path();
        assert!(rule.tags().iter().any(|tag| tag.starts_with("attack.t")), "{what} has no technique");
        assert!(!rule.description().is_empty() && !rule.references().is_empty(), "{what}");
        assert!(!rule.false_positives().is_empty(), "{what}");
    }
}

#[test]
fn each_fires_on_a_sample_and_none_on_a_quiet_one() {
    let loaded = rules::load(&rules::shipped());
    let mut records = samples("demo/story");
    records.extend(samples("normalize/samples"));
    let events = events::normalized(&records).events;
    let found = loaded.rules.matches(&events, &mut Scratch::default());
    let fired: BTreeSet<_> = found.iter().map(|found| found.rule as usize).collect();
    let silent: Vec<_> = (0..loaded.rules.rules().len())
        .filter(|rule| !fired.contains(rule) && loaded.rules.rules()[*rule].yields_alert())
        .map(|rule| loaded.rules.rules()[rule].path())
        .collect();
    assert!(silent.is_empty(), "nothing fires {silent:#?}");

    // The story's night begins quietly.
    let quiet = 1_772_416_800_000_000; // 2026-03-02T02:00:00Z
    let day = quiet - 7_200_000_000;
    for found in found.iter().filter(|found| loaded.rules.rules()[found.rule as usize].yields_alert()) {
        let time = events.int_at(Col::Time, found.row as usize).unwrap();
        let rule = loaded.rules.rules()[found.rule as usize].path();
        assert!(!(day..quiet).contains(&time), "{rule} fires on the quiet part of the story");
    }
}
