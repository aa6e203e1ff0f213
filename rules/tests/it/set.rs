//! What a rule matches depends neither on the rules beside it nor on the events beside the event.

use std::collections::BTreeSet;

use event::{Col, EventBatch};
use rules::{RuleSet, RuleSource, Scratch};

use crate::{corpus, events};

#[test]
fn rules_and_events_do_not_depend_on_each_other() {
    let mut records: Vec<String> = Vec::new();
    for folder in ["demo/story", "normalize/samples"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        records.extend(corpus::files(&folder, "json").iter().flat_map(|file| events::records(&file.text)));
    }
    let mut sources = rules::shipped();
    // More of both, where there are more.
    for folder in ["sigma/sigmahq", "sigma/suzaku"] {
        sources.extend(corpus::folder(folder).iter().flat_map(|folder| corpus::files(folder, ".yml")));
    }
    for folder in ["cloudtrail/stratus_detonation", "expected/panther", "entra_audit", "gcp_audit"] {
        let Some(folder) = corpus::folder(folder) else { continue };
        for file in corpus::files(&folder, "") {
            for record in events::records(&file.text) {
                let record: serde_json::Value = serde_json::from_str(&record).unwrap();
                let record = record.get("event").filter(|event| event.is_object()).unwrap_or(&record);
                records.push(record.to_string());
            }
        }
    }
    let batch = events::normalized(&records).events;
    let loaded = rules::load(&sources);
    let together = matches(&loaded.rules, &batch);

    let mut alone = BTreeSet::new();
    for source in &sources {
        let one = rules::load(&[RuleSource { path: source.path.clone(), text: source.text.clone() }]).rules;
        alone.extend(matches(&one, &batch));
    }
    // A second rule of the same id is refused in the set.
    let known: BTreeSet<_> = loaded.rules.rules().iter().map(|rule| rule.path().to_owned()).collect();
    alone.retain(|(path, _)| known.contains(path));
    let differ: Vec<_> = together.symmetric_difference(&alone).take(10).collect();
    assert!(differ.is_empty(), "{} together, {} alone: {differ:?}", together.len(), alone.len());

    let mut rows = BTreeSet::new();
    for (offset, record) in (0..).zip(&records) {
        let batch = events::normalized_from(std::slice::from_ref(record), offset).events;
        rows.extend(matches(&loaded.rules, &batch));
    }
    let differ: Vec<_> = together.symmetric_difference(&rows).take(10).collect();
    assert!(differ.is_empty(), "{} in a batch, {} by row: {differ:?}", together.len(), rows.len());
    println!("{} rules, {} events, {} matches", loaded.rules.rules().len(), batch.len(), together.len());
    assert!(together.len() >= 29);
}

/// Rules by path, and the log offsets of the events that they match.
fn matches(rules: &RuleSet, batch: &EventBatch) -> BTreeSet<(String, i64)> {
    let found = rules.matches(batch, &mut Scratch::default());
    let pairs = found.into_iter().map(|found| {
        let offset = batch.int_at(Col::LogOffset, found.row as usize).unwrap();
        (rules.rules()[found.rule as usize].path().to_owned(), offset)
    });
    pairs.collect()
}
