//! Beside RSigma on real rules and real records: every rule of every product over records of every log, all
//! taken as they are, so that only the engines differ and no mapping.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic, and print what they found"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use benches::Random;
use event::{Col, EventBatch, EventBuilder, EventKey, LogType};
use rsigma_eval::{Engine, JsonEvent};
use rsigma_parser::parse_sigma_yaml;
use rules::{LoadOptions, Mappings, RuleSource, Scratch};
use serde_json::Value;

/// Records of one folder at most.
const RECORDS: usize = 700;

/// How many rules are made of records.
const MADE: usize = 400;

/// Where the corpus has raw logs, and then what others made of such.
const LOGS: [&str; 12] = [
    "cloudtrail",
    "azure_activity",
    "entra_audit",
    "entra_signin",
    "gcp_audit",
    "k8s_audit",
    "m365",
    "okta",
    "dns_route53",
    "sekoia",
    "expected",
    "ocsf",
];

/// Rules that are answered differently, by a part of their path, and why.
const DIFFER: &[(&str, &str)] = &[
    ("rules-placeholder/", "`%name%` without values: refused here, text there; Modifiers, expand, decides"),
    (
        "rule_ecs.yml",
        "`taxonomy: ecs` without a translation: refused here, as Taxonomy asks, read as it is there",
    ),
    (
        "microsoft365_susp_email_forwarding_activity.yml",
        "`contains` over a list of objects: its JSON here, nothing there; the specification is silent",
    ),
];

#[test]
fn the_rules_of_the_corpus_are_answered_alike_or_differ_for_a_reason() {
    let Some(corpus) = corpus() else { return };
    let (alike, found, used) = compare(&sources(&corpus), &records(&corpus, &LOGS));
    let unused: Vec<_> = DIFFER.iter().filter(|(path, _)| !used.contains(path)).collect();
    assert!(unused.is_empty(), "no longer needed: {unused:?}");
    assert!(alike >= 750 && found >= 2_000, "{alike} rules, {found} matches");
}

/// Rules made of what the records hold, so that all of them match something. `neq` is left out: RSigma
/// does not count an absent field as different; the specification (Modifiers, neq) and pySigma do.
#[test]
fn rules_made_of_the_records_are_answered_alike() {
    let Some(corpus) = corpus() else { return };
    let records: Vec<Value> = records(&corpus, &LOGS[..10]).into_iter().step_by(2).collect();
    let mut objects = BTreeSet::new();
    for record in &records {
        note_objects(record, "", &mut objects);
    }
    let mut random = Random::new(5);
    let mut sources = Vec::new();
    while sources.len() < MADE {
        let record = &records[random.below(records.len() as u64) as usize];
        let number = sources.len();
        let Some(detection) = detection(record, number, &objects, &mut random) else { continue };
        let text = format!("{}title: Rule {number}\nlevel: low\ndetection:\n{detection}", head(number));
        sources.push(RuleSource { path: detection, text });
    }
    let (alike, found, _) = compare(&sources, &records);
    assert!(alike == MADE && found >= 5_000, "{alike} rules, {found} matches");
}

/// The paths at which there is an object, also within a list: `contains` sees its JSON here alone.
fn note_objects(value: &Value, path: &str, objects: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            objects.insert(path.to_owned());
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                note_objects(value, &format!("{path}{dot}{name}"), objects);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|value| note_objects(value, path, objects)),
        _ => {}
    }
}

/// Two searches, each for something that the record holds.
fn detection(
    record: &Value,
    number: usize,
    objects: &BTreeSet<String>,
    random: &mut Random,
) -> Option<String> {
    const CONDITIONS: [&str; 5] = ["a", "a and b", "a or b", "a and not b", "1 of * and not (a and b)"];
    let (a, b) = (item(record, objects, random)?, item(record, objects, random)?);
    let condition = CONDITIONS[number % CONDITIONS.len()];
    Some(format!("  a:\n    {a}\n  b:\n    {b}\n  condition: {condition}\n"))
}

/// A field of the record and a demand that its value meets.
fn item(record: &Value, objects: &BTreeSet<String>, random: &mut Random) -> Option<String> {
    let mut pick = |count: usize| random.below(count as u64) as usize;
    let (mut path, mut at) = (String::new(), record);
    while let Value::Object(members) = at {
        let (name, value) = members.iter().nth(pick(members.len().max(1)))?;
        // The first two are columns of every event here. Names with other letters cannot be written plainly.
        if ["time", "severity", ""].contains(&name.as_str())
            || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        {
            return None;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path += name;
        at = value;
    }
    if objects.contains(&path) {
        return None;
    }
    if let Value::Array(elements) = at {
        at = elements.get(pick(elements.len().max(1)))?;
    }
    let text = match at {
        Value::String(text)
            if text.len() < 200 && !text.contains(['\n', '\r', '\t', '\u{85}', '\u{2028}']) =>
        {
            text
        }
        Value::Number(number) => {
            let modifier = ["", "|gte", "|lte", "|gt", "|lt"][pick(5)];
            return Some(format!("{path}{modifier}: {number}"));
        }
        Value::Bool(value) => return Some(format!("{path}: {value}")),
        Value::Null => return Some(format!("{path}: null")),
        _ => return None,
    };
    let letters: Vec<char> = text.chars().collect();
    let (mut from, mut to) = (pick(letters.len() + 1), pick(letters.len() + 1));
    if from > to {
        std::mem::swap(&mut from, &mut to);
    }
    // Empty text is in everything, and only here also in objects.
    if from == 0 || to == from || to == letters.len() {
        return None;
    }
    let part = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
    let quoted = |text: String| format!("'{}'", text.replace('\'', "''"));
    let plain = |text: String| text.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
    let (modifier, value) = match pick(12) {
        0 => ("", plain(text.to_uppercase())),
        1 => ("|contains", plain(part(from, to))),
        2 => ("|startswith", plain(part(0, to))),
        3 => ("|endswith", plain(part(from, letters.len()))),
        4 => ("|cased", plain(text.clone())),
        5 => ("|contains|cased", plain(part(from, to))),
        6 => ("", format!("{}*{}", plain(part(0, from)), plain(part(to, letters.len())))),
        7 => ("", format!("{}?{}", plain(part(0, from)), plain(part(from + 1, letters.len())))),
        8 => ("|re", format!("{}.*", regex_escape(&part(from, to)))),
        9 => ("|re|i", format!("^{}", regex_escape(&part(0, to).to_lowercase()))),
        10 => ("|contains|all", String::new()),
        _ => ("|exists", String::new()),
    };
    Some(match modifier {
        "|exists" => format!("{path}|exists: {}", from % 2 == 0),
        "|contains|all" => {
            let (first, second) = (quoted(plain(part(0, from))), quoted(plain(part(to, letters.len()))));
            format!("{path}|contains|all: [{first}, {second}]")
        }
        _ => format!("{path}{modifier}: {}", quoted(value)),
    })
}

fn regex_escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_ascii_punctuation() {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn corpus() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let corpus = PathBuf::from(std::env::var("STORMGLASS_CORPUS").unwrap_or_else(|_| default.to_owned()));
    if !corpus.is_dir() {
        println!("skipped: no corpus at {}", corpus.display());
        return None;
    }
    Some(corpus)
}

/// How many rules are answered alike, with how many matches, and the reasons why the others are not; panics
/// where there is none.
fn compare(sources: &[RuleSource], records: &[Value]) -> (usize, usize, BTreeSet<&'static str>) {
    let ours = ours(sources, records);
    let theirs = theirs(sources, records);
    let (mut alike, mut found, mut said, mut used) = (0, 0, String::new(), BTreeSet::new());
    for (place, source) in sources.iter().enumerate() {
        let (ours, theirs) = (&ours[place], &theirs[place]);
        if ours == theirs {
            alike += 1;
            found += ours.as_ref().map_or(0, BTreeSet::len);
            continue;
        }
        if let Some((path, _)) = DIFFER.iter().find(|(path, _)| source.path.contains(path)) {
            used.insert(*path);
            continue;
        }
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => {
                for (who, places) in [("Stormglass", ours - theirs), ("RSigma", theirs - ours)] {
                    if let Some(place) = places.first() {
                        let record: String = records[*place].to_string().chars().take(300).collect();
                        writeln!(said, "{}: only {who}: {}: {record}", source.path, places.len()).unwrap();
                    }
                }
            }
            (None, _) => writeln!(said, "{}: only Stormglass refuses it", source.path).unwrap(),
            (_, None) => writeln!(said, "{}: only RSigma refuses it", source.path).unwrap(),
        }
    }
    println!(
        "RSigma: {} rules over {} records: {alike} alike with {found} matches",
        sources.len(),
        records.len()
    );
    assert!(said.is_empty(), "\n{said}");
    (alike, found, used)
}

/// What each rule finds; `None` where it is refused.
type Answers = Vec<Option<BTreeSet<usize>>>;

fn ours(sources: &[RuleSource], records: &[Value]) -> Answers {
    let mapping = "logsources: [{product: spec}]\nlog_types: [aws_cloudtrail]\n";
    let (mappings, _) = Mappings::parse(&[RuleSource { path: "spec.yaml".into(), text: mapping.into() }]);
    let options = LoadOptions { mappings, ..LoadOptions::default() };
    let set = rules::load_with(sources, &options).rules;
    let mut answers: Answers = vec![None; sources.len()];
    let places: Vec<usize> = set.rules().iter().map(|rule| number(rule.id())).collect();
    for place in &places {
        answers[*place] = Some(BTreeSet::new());
    }
    let mut scratch = Scratch::default();
    for (group, chunk) in records.chunks(1_000).enumerate() {
        for found in set.matches(&bare(chunk), &mut scratch) {
            let matches = answers[places[found.rule as usize]].as_mut().unwrap();
            matches.insert(group * 1_000 + found.row as usize);
        }
    }
    answers
}

fn theirs(sources: &[RuleSource], records: &[Value]) -> Answers {
    let mut engine = Engine::new();
    let mut answers: Answers = vec![None; sources.len()];
    for (place, source) in sources.iter().enumerate() {
        let Ok(collection) = parse_sigma_yaml(&source.text) else { continue };
        if collection.errors.is_empty() && engine.add_collection(&collection).is_ok() {
            answers[place] = Some(BTreeSet::new());
        }
    }
    for (place, record) in records.iter().enumerate() {
        for found in engine.evaluate(&JsonEvent::borrow(record)) {
            let rule = number(&found.header.rule_id.unwrap());
            answers[rule].as_mut().unwrap().insert(place);
        }
    }
    answers
}

/// The rules with a number for an id and one log source for all.
fn sources(corpus: &Path) -> Vec<RuleSource> {
    let mut files = Vec::new();
    walk(&corpus.join("sigma"), &mut files);
    files.retain(|path| path.extension().is_some_and(|end| end == "yml"));
    let mut sources = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let several = text.trim_start_matches("---").contains("\n---");
        if several || !text.contains("\ndetection:") || !text.contains("\nlogsource:") {
            continue;
        }
        let mut rule = head(sources.len());
        let mut inside = false;
        for line in text.lines() {
            inside = line.starts_with("logsource:")
                || (inside && (line.starts_with([' ', '#']) || line.is_empty()));
            if !inside && !line.starts_with("id:") && !line.starts_with("---") {
                rule += line;
                rule.push('\n');
            }
        }
        let path = path.strip_prefix(corpus).unwrap().display().to_string();
        sources.push(RuleSource { path, text: rule });
    }
    sources
}

fn head(number: usize) -> String {
    format!("id: 00000000-0000-4000-8000-{number:012}\nlogsource: {{product: spec}}\n")
}

fn number(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

/// Records of every log, without those that are there twice.
fn records(corpus: &Path, logs: &[&str]) -> Vec<Value> {
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    for name in logs {
        for folder in std::fs::read_dir(corpus.join(name)).unwrap() {
            let mut files = Vec::new();
            walk(&folder.unwrap().path(), &mut files);
            let mut found = Vec::new();
            for path in files {
                if found.len() >= RECORDS {
                    break;
                }
                let bytes = std::fs::read(&path).unwrap();
                let mut text = Vec::new();
                if flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).is_err() {
                    text = bytes;
                }
                let values = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
                values.map_while(Result::ok).for_each(|value| split(value, &mut found));
            }
            found.truncate(RECORDS);
            records.extend(found.into_iter().filter(|record| seen.insert(record.to_string())));
        }
    }
    records
}

fn split(value: Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.into_iter().for_each(|value| split(value, found)),
        Value::Object(mut object) => {
            if let Some(list) = ["Records", "records", "value"].into_iter().find_map(|key| {
                object.get(key).is_some_and(Value::is_array).then(|| object.remove(key).unwrap_or_default())
            }) {
                split(list, found);
            } else if let Some(message) = object.get("input").and_then(|input| input["message"].as_str()) {
                // A raw record within a parser's test.
                if let Ok(value) = serde_json::from_str(message) {
                    split(value, found);
                }
            } else {
                found.push(Value::Object(object));
            }
        }
        _ => {}
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => return files.push(folder.to_owned()),
    };
    entries.sort();
    for path in entries {
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// Events that have nothing but the record itself.
fn bare(records: &[Value]) -> EventBatch {
    let mut row = EventBuilder::new();
    for (index, record) in (0..).zip(records) {
        let record = record.to_string();
        row.time(Col::Time, index);
        row.text(Col::EventUid, EventKey::of("bare", &[record.as_bytes()]).uid().as_str());
        row.text(Col::LogType, LogType::AwsCloudtrail.as_str());
        row.text(Col::Source, "test");
        row.text(Col::CloudProvider, "AWS");
        for col in [Col::ClassUid, Col::CategoryUid, Col::ActivityId, Col::SeverityId] {
            row.int(col, 1);
        }
        row.long(Col::TypeUid, 1);
        row.long(Col::LogOffset, index);
        row.text(Col::RawData, &record);
        row.finish_row();
    }
    row.finish().unwrap()
}
