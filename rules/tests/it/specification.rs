//! The specification's own examples: its correlations over events of our own, and every block of its text.

use std::sync::Arc;

use rules::{LoadOptions, Loaded, Mappings, RuleSource};
use serde_json::{Value, json};

use crate::{corpus, events, sequence};

const MAPPING: &str = "
    logsources: [{product: windows}, {product: spec}, {category: process_creation, product: windows}]
    log_types: [aws_cloudtrail]
";

fn load(sources: &[RuleSource]) -> Loaded {
    let (mappings, diagnostics) =
        Mappings::parse(&[RuleSource { path: "spec.yaml".into(), text: MAPPING.into() }]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    rules::load_with(sources, &LoadOptions { mappings, ..LoadOptions::default() })
}

/// The rules that an example refers to, each of which finds events of its kind.
fn bases(names: &[&str]) -> String {
    let base = |name: &&str| {
        // The examples call some by id and some by name.
        let id = if name.contains('-') { (*name).to_owned() } else { format!("id-{name}") };
        format!(
            "title: {name}\nid: {id}\nname: {}\nlevel: low\nlogsource: {{product: spec}}\n\
             detection: {{selection: {{kind: '{name}'}}, condition: selection}}\n---\n",
            name.replace('-', "_")
        )
    };
    names.iter().map(base).collect()
}

/// Events `minutes` after a midnight, of a kind and with further members.
fn at(minutes: u64, kind: &str, members: Value) -> (String, String) {
    let mut event = json!({"kind": kind, "n": minutes});
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let time = format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + minutes / 1440, minutes / 60 % 24, minutes % 60);
    (time, event.to_string())
}

#[test]
fn its_correlations_find_what_they_describe() {
    const LOGIN: &str = "5638f7c0-ac70-491d-8465-2a65075e0d86";
    const RECON: [&str; 3] = ["recon_cmd_a", "recon_cmd_b", "recon_cmd_c"];
    let here = json!({"ComputerName": "pc1", "User": "u", "WorkstationName": "w"});
    let count = |number: u64, every: u64, rest: &dyn Fn(u64) -> Value| {
        (0..number).map(|n| at(n * every, LOGIN, rest(n))).collect::<Vec<_>>()
    };
    let user = |n: u64| json!({"ComputerName": "pc1", "WorkstationName": "w", "User": format!("u{n}")});
    let steps = |order: [usize; 3], every: u64, who: &dyn Fn(usize) -> Value| {
        let step = |(n, step): (usize, usize)| at(n as u64 * every, RECON[step], who(n));
        order.into_iter().enumerate().map(step).collect::<Vec<_>>()
    };
    let one = |_: usize| here.clone();
    let two = |n: usize| json!({"ComputerName": format!("pc{n}"), "User": "u"});
    let bytes = |field: &'static str, kind: &'static str, all: &[u64]| {
        let event = |(n, sent): (usize, &u64)| {
            at(n as u64, kind, json!({"SourceIP": "192.0.2.1", "User": "u", field: sent}))
        };
        all.iter().enumerate().map(event).collect::<Vec<_>>()
    };
    type Events = Vec<(String, String)>;
    let cases: Vec<(&str, Vec<&str>, Events, usize)> = vec![
        ("event_count.yml", vec![LOGIN], count(120, 0, &|_| here.clone()), 1),
        ("event_count.yml", vec![LOGIN], count(99, 0, &|_| here.clone()), 0),
        ("event_count.yml", vec![LOGIN], count(120, 2, &|_| here.clone()), 0),
        ("value_count.yml", vec![LOGIN], count(100, 10, &user), 1),
        ("value_count.yml", vec![LOGIN], count(100, 10, &|n| user(n / 2)), 0),
        ("value_count.yml", vec![LOGIN], count(100, 30, &user), 0),
        ("temporal.yml", RECON.to_vec(), steps([2, 0, 1], 2, &one), 1),
        ("temporal.yml", RECON.to_vec(), steps([2, 0, 1], 3, &one), 0),
        ("temporal.yml", RECON.to_vec(), steps([2, 0, 1], 2, &two), 0),
        ("temporal.yml", RECON.to_vec(), steps([0, 0, 1], 1, &one), 0),
        ("temporal_ordered.yml", RECON.to_vec(), steps([0, 1, 2], 2, &one), 1),
        ("temporal_ordered.yml", RECON.to_vec(), steps([2, 0, 1], 2, &one), 0),
        (
            "value_sum.yml",
            vec!["website_access"],
            bytes("bytes_sent", "website_access", &[600_000, 400_001]),
            1,
        ),
        (
            "value_sum.yml",
            vec!["website_access"],
            bytes("bytes_sent", "website_access", &[600_000, 400_000]),
            0,
        ),
        ("value_avg.yml", vec!["rule_a_id"], bytes("BytesOut", "rule_a_id", &[500, 502]), 1),
        ("value_avg.yml", vec!["rule_a_id"], bytes("BytesOut", "rule_a_id", &[500, 500]), 0),
    ];
    let Some(folder) = corpus::folder("sigma/specification_examples/correlation") else { return };
    for (file, names, events, expected) in cases {
        let example = std::fs::read_to_string(folder.join(file)).unwrap();
        let text = format!("{}{example}\nlevel: high\n", bases(&names));
        let loaded = load(&[RuleSource { path: file.into(), text }]);
        assert_eq!(loaded.rules.correlations().len(), 1, "{file}: {:?}", loaded.diagnostics);
        let events: Vec<_> = events
            .into_iter()
            .enumerate()
            // No two are one and the same event.
            .map(|(n, (time, event))| (time, event.replacen('{', &format!("{{\"event\":{n},"), 1)))
            .collect();
        let told = sequence::told_of(&Arc::new(loaded.rules), &events::bare_at(&events));
        assert_eq!(told.len(), expected, "{file} over {} events: {told:?}", events.len());
    }
}

/// The example of percentiles says no percentile, and is refused; with one it finds what it describes.
#[test]
fn its_percentile_needs_a_number() {
    let Some(folder) = corpus::folder("sigma/specification_examples/correlation") else { return };
    let example = std::fs::read_to_string(folder.join("value_percentile.yml")).unwrap();
    let example = example.replace("field: Image", "field: Image\n        percentile: 50");
    let text = format!("{}{example}\nlevel: high\n", bases(&["process_creation"]));
    let loaded = load(&[RuleSource { path: "value_percentile.yml".into(), text }]);
    assert_eq!(loaded.rules.correlations().len(), 1, "{:?}", loaded.diagnostics);
    let rules = Arc::new(loaded.rules);
    let told = |numbers: [u64; 5], every: u64| {
        let event = |(n, number): (u64, u64)| {
            at(n * every, "process_creation", json!({"ComputerName": "pc1", "Image": number}))
        };
        let events: Vec<_> = (0..).zip(numbers).map(event).collect();
        sequence::told_of(&rules, &events::bare_at(&events)).len()
    };
    assert_eq!(told([1, 0, 1, 8, 9], 60), 1);
    assert_eq!(told([2, 7, 2, 8, 9], 60), 0);
}

/// The last example of the text: failed logins, ten or more, and then one that succeeds.
#[test]
fn its_correlation_of_a_correlation() {
    let Some(folder) = corpus::folder("sigma/specification_snippets") else { return };
    let path = "sigma-correlation-rules-specification/15.yml";
    let text = std::fs::read_to_string(folder.join(path)).unwrap();
    let loaded = load(&[RuleSource { path: path.into(), text }]);
    assert_eq!(loaded.rules.correlations().len(), 2, "{:?}", loaded.diagnostics);
    let rules = Arc::new(loaded.rules);
    let told = |failed: u64, success: u64, user: &str| {
        let mut events: Vec<_> =
            (0..failed).map(|n| at(n / 2, "", json!({"User": "u", "EventID": 4625, "event": n}))).collect();
        events.push(at(success, "", json!({"User": user, "EventID": 4624})));
        sequence::told_of(&rules, &events::bare_at(&events))
    };
    assert_eq!(told(10, 6, "u"), ["Correlation - Multiple Failed Logins Followed by Successful Login"]);
    for (failed, success, user) in [(9, 6, "u"), (10, 30, "u"), (10, 6, "v")] {
        assert_eq!(told(failed, success, user), [""; 0], "{failed} {success} {user}");
    }
}

/// A filter is joined with `and`, so the example, whose title says the contrary, keeps the administrators.
#[test]
fn its_filter_is_joined_with_and() {
    let Some(folder) = corpus::folder("sigma/specification_examples/filter") else { return };
    let filter = std::fs::read_to_string(folder.join("filter_1.yml")).unwrap();
    let rule = "title: a\nid: 6f3e2987-db24-4c78-a860-b4f4095a7095\nlevel: low\n\
                logsource: {category: process_creation, product: windows}\n\
                detection: {selection: {kind: x}, condition: selection}\n---\n\
                title: b\nid: df0841c0-9846-4e9f-ad8a-7df91571771b\nlevel: low\n\
                logsource: {category: process_creation, product: windows}\n\
                detection: {selection: {kind: y}, condition: selection}\n---\n";
    for (filter, users) in [
        (filter.clone(), ["adm_x"]),
        (filter.replace("condition: selection", "condition: not selection"), ["bob"]),
    ] {
        let loaded = load(&[RuleSource { path: "f.yml".into(), text: format!("{rule}{filter}\n") }]);
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|found| found.level == event::Level::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
        for user in ["adm_x", "bob"] {
            let record = json!({"kind": "x", "User": user}).to_string();
            let found = loaded.rules.matches(&events::bare(&[record]), &mut rules::Scratch::default());
            assert_eq!(!found.is_empty(), users.contains(&user), "{user}");
        }
    }
}

/// What is not taken, and why.
#[test]
fn its_blocks_load_or_say_why_not() {
    /// Part of the file's path, and of the reason. Blocks of the text that lack a part are fragments.
    const REFUSED: &[(&str, &str)] = &[
        ("_ecs.yml", "taxonomy"),
        ("value_percentile.yml", "percentile"),
        // The same example in the text.
        ("sigma-correlation-rules-specification/11.yml", "percentile"),
    ];
    let Some(folder) = corpus::folder("sigma") else { return };
    let (mut whole, mut fragments, mut refused) = (0, 0, Vec::new());
    for pack in ["specification_examples", "specification_snippets"] {
        for file in corpus::files(&folder.join(pack), ".yml") {
            let path = file.path.clone();
            let loaded = load(&[file]);
            let errors: Vec<_> = loaded
                .diagnostics
                .iter()
                .filter(|found| found.level == event::Level::Error)
                // An example need not bring the rules that it refers to.
                .filter(|found| !found.to_string().contains("there is no rule"))
                .map(ToString::to_string)
                .collect();
            if errors.is_empty() {
                whole += 1;
            } else if errors.iter().any(|error| error.contains("a rule must have `")) {
                fragments += 1;
            } else if !REFUSED
                .iter()
                .any(|(file, why)| path.ends_with(file) && errors.iter().any(|error| error.contains(why)))
            {
                refused.push(format!("{path}: {}", errors.join(" / ")));
            }
        }
    }
    println!("specification: {whole} whole, {fragments} fragments");
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(whole >= 10, "{whole}");
}
