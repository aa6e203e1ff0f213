//! The verdicts of another project's tests, for rules of the same purpose in our words.

use std::collections::BTreeSet;

use rules::{LoadOptions, Mappings, RuleSource, Scratch};
use serde_json::Value;

use crate::{corpus, events};

/// CloudTrail in its own wrapper, in that of EventBridge, or bare.
const MAPPING: &str = "
    logsources: [{product: streamalert}]
    log_types: [aws_cloudtrail]
    roots: [Records, detail]
    fields: {message: $.message}
";

#[test]
fn each_row_fires_what_it_says() {
    let Some(folder) = corpus::folder("expected/streamalert") else { return };
    let parse = |name: &str, text: &str| vec![RuleSource { path: name.into(), text: text.into() }];
    let (mappings, diagnostics) = Mappings::parse(&parse("streamalert.yaml", MAPPING));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let options = LoadOptions { mappings, ..LoadOptions::default() };
    let loaded =
        rules::load_with(&parse("streamalert.yml", include_str!("../truth/streamalert.yml")), &options);
    let rules = loaded.rules;
    assert_eq!(rules.len(), 16, "{:?}", loaded.diagnostics);
    let (mut rows, mut fired) = (0, BTreeSet::new());
    for file in corpus::files(&folder, ".jsonl") {
        for line in file.text.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["overrides_only"], false, "only whole events are known how to match");
            let found = rules.matches(&events::bare(&[row["event"].to_string()]), &mut Scratch::default());
            let titles = found.iter().map(|found| rules.rules()[found.rule as usize].title());
            let found: BTreeSet<String> = titles.map(str::to_owned).collect();
            let expected = row["trigger_rules"].as_array().unwrap().iter();
            let expected: BTreeSet<String> = expected.map(|rule| rule.as_str().unwrap().to_owned()).collect();
            assert_eq!(found, expected, "{}: {}", file.path, row["description"]);
            fired.extend(found);
            rows += 1;
        }
    }
    println!("streamalert: {rows} rows right");
    assert_eq!((rows, fired.len()), (41, 16));
}
