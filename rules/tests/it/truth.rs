//! Rules and events whose verdict others know.

use std::path::Path;

use rules::{LoadOptions, Loaded, Mappings, RuleSet, RuleSource, Scratch};
use serde_json::Value;

use crate::{corpus, events};

/// Rules that AWS users wrote with events that each must and must not match.
#[test]
fn trailalerts() {
    /// Verdicts that follow that project's own reading of Sigma: a field's name taken as a value, and
    /// `fieldref` taken as "contains".
    const OWN_READING: [&str; 2] =
        ["aws_iam_backdoor_users_keys_tests.json", "aws_update_login_profile_tests.json"];
    let Some(folder) = corpus::folder("expected/trailalerts_sigma") else { return };
    let (mut right, mut wrong, mut own) = (0, Vec::new(), 0);
    for tests in corpus::files(&folder, "_tests.json") {
        let rule = folder.join(tests.path.replace("_tests.json", ".yml"));
        let loaded = load(&rule, &Mappings::shipped());
        assert_eq!(loaded.rules.rules().len(), 1, "{}: {:?}", rule.display(), loaded.diagnostics);
        let verdicts: Value = serde_json::from_str(&tests.text).unwrap();
        for (key, expected) in [("should_match", true), ("should_not_match", false)] {
            for event in verdicts[key].as_array().into_iter().flatten() {
                let normalized = events::normalized(&[event.to_string()]);
                assert_eq!(normalized.events.len(), 1, "{}: {:?}", tests.path, normalized.rejects);
                let matched = matches(&loaded.rules, &normalized.events) == 1;
                if matched == expected {
                    right += 1;
                } else if !expected && OWN_READING.contains(&tests.path.as_str()) {
                    own += 1;
                } else {
                    wrong.push(format!("{} {key}", tests.path));
                }
            }
        }
    }
    println!("trailalerts: {right} right, {own} by its own reading, {} wrong", wrong.len());
    assert!(wrong.is_empty() && right >= 62, "{right} right; wrong: {wrong:#?}");
}

/// SigmaHQ's own regression data: Windows events that each rule must match. The log is not one of ours,
/// so the events are bare records and the fields plain paths.
#[test]
fn sigmahq_regression() {
    /// Its fields have other names in its event.
    const OTHER_NAMES: &str = "win_defender_exploit_redsun";
    const MAPPING: &str = "
        logsources: [{product: windows}, {product: cisco}]
        log_types: [aws_cloudtrail]
        roots: [Event.EventData, Event.System, Event.UserData.Operation_ClientFailure]
    ";
    let Some(folder) = corpus::folder("expected/sigmahq_regression") else { return };
    let (mappings, diagnostics) =
        Mappings::parse(&[RuleSource { path: "windows.yaml".into(), text: MAPPING.into() }]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let (mut right, mut wrong, mut without_event) = (0, Vec::new(), 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let rule = folder.join("rule.yml");
        if !rule.is_file() {
            println!("no rule: {name}");
            continue;
        }
        let loaded = load(&rule, &mappings);
        assert_eq!(loaded.rules.rules().len(), 1, "{name}: {:?}", loaded.diagnostics);
        let events: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        without_event += usize::from(events.is_empty());
        for path in events {
            let records = events::records(&std::fs::read_to_string(&path).unwrap());
            if records.iter().any(|_| matches(&loaded.rules, &events::bare(&records)) > 0) {
                right += 1;
            } else if !name.starts_with(OTHER_NAMES) {
                wrong.push(name.clone());
            }
        }
    }
    println!("sigmahq regression: {right} right, {} wrong, {without_event} without an event", wrong.len());
    assert!(wrong.is_empty() && right >= 100, "{right} right; wrong: {wrong:#?}");
}

fn load(path: &Path, mappings: &Mappings) -> Loaded {
    let text = std::fs::read_to_string(path).unwrap();
    let options = LoadOptions { mappings: mappings.clone(), ..LoadOptions::default() };
    rules::load_with(&[RuleSource { path: path.display().to_string(), text }], &options)
}

fn matches(rules: &RuleSet, events: &event::EventBatch) -> usize {
    rules.matches(events, &mut Scratch::default()).len()
}
