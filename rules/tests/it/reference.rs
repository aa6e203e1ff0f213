//! pySigma, the reference implementation, over the same rules and events.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use event::Col;
use rules::{LoadOptions, Mappings, Placeholders, RuleSource, Scratch};
use serde_json::{Value, json};

use crate::{corpus, events};

/// Python with pySigma; `None`, with a line that says so, where there is none.
fn python() -> Option<PathBuf> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_owned());
    let ready = Command::new(&python).args(["-c", "import sigma.policy"]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python.into());
    }
    assert!(std::env::var_os("CI").is_none(), "pySigma is missing; scripts/need installs it");
    println!("skipped: no pySigma 2 at {python}; `scripts/need test` installs it");
    None
}

/// A line for the script; events are put in as they are written, for numbers have more than one spelling.
fn task(name: &str, rule: &str, lists: &Value, events: Option<&[&str]>) -> String {
    let mut line = json!({"name": name, "rule": rule, "lists": lists}).to_string();
    if let Some(events) = events {
        line.pop();
        write!(line, ",\"events\":[{}]}}", events.join(",")).unwrap();
    }
    line
}

/// What pySigma says of each rule: the events that match, or why it refuses.
fn ask(python: &Path, tasks: &[String]) -> Vec<Result<Vec<usize>, String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/reference.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = tasks.iter().fold(String::new(), |mut lines, task| {
        writeln!(lines, "{task}").unwrap();
        lines
    });
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answer = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => {
                let matches = line["matches"].as_array().unwrap().iter();
                Ok(matches.map(|place| usize::try_from(place.as_u64().unwrap()).unwrap()).collect())
            }
        }
    };
    String::from_utf8(output.stdout).unwrap().lines().map(answer).collect()
}

/// Where only this engine or only pySigma finds an event or refuses a rule.
#[derive(Default)]
struct Case {
    name: String,
    rule: String,
    lists: Value,
    /// The verdict, and the event.
    events: Vec<(char, String)>,
    refused_here: bool,
    refused_there: bool,
    why: bool,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../reference/cases.txt");
    let mut cases = Vec::new();
    for block in text.split("\n== ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (body, verdicts) = rest.rsplit_once("\n---\n").unwrap();
        let mut case = Case { name: name.to_owned(), ..Case::default() };
        let mut detection = String::new();
        for line in body.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("lists: ") {
                Some(lists) => case.lists = serde_json::from_str(lists).unwrap(),
                None => writeln!(detection, "{line}").unwrap(),
            }
        }
        case.rule = if detection.starts_with("title:") {
            detection
        } else {
            let detection = detection.lines().fold(String::new(), |mut all, line| {
                writeln!(all, "  {line}").unwrap();
                all
            });
            format!("title: A Rule\nlogsource: {{product: spec}}\ndetection:\n{detection}level: low\n")
        };
        for line in verdicts.lines().filter(|line| !line.is_empty()) {
            match line {
                "refused" => (case.refused_here, case.refused_there) = (true, true),
                "refused here" => case.refused_here = true,
                "refused there" => case.refused_there = true,
                line if line.starts_with("why: ") => case.why = true,
                line => {
                    let (verdict, event) = line.split_once(' ').unwrap();
                    assert!(["+", "-", "<", ">"].contains(&verdict), "{name}: {line}");
                    case.events.push((verdict.chars().next().unwrap(), event.to_owned()));
                }
            }
        }
        cases.push(case);
    }
    cases
}

const MAPPING: &str = "
    logsources: [{product: spec}]
    log_types: [aws_cloudtrail]
";

/// What this engine says of a case.
fn ours(case: &Case) -> Result<Vec<usize>, String> {
    let (mappings, diagnostics) =
        Mappings::parse(&[RuleSource { path: "spec.yaml".into(), text: MAPPING.into() }]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let mut placeholders = Placeholders::default();
    for (name, values) in case.lists.as_object().into_iter().flatten() {
        placeholders.set(name, values.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()));
    }
    let source = RuleSource { path: "case.yml".into(), text: case.rule.clone() };
    let options = LoadOptions { mappings, placeholders, ..LoadOptions::default() };
    let loaded = rules::load_with(&[source], &options);
    if loaded.rules.rules().is_empty() {
        return Err(format!("{:?}", loaded.diagnostics));
    }
    let records: Vec<String> = case.events.iter().map(|(_, event)| event.clone()).collect();
    let mut found: Vec<usize> = Vec::new();
    if !records.is_empty() {
        let matches = loaded.rules.matches(&events::bare(&records), &mut Scratch::default());
        found.extend(matches.iter().map(|found| found.row as usize));
    }
    Ok(found)
}

/// What is wrong with an answer: whoever refuses must be expected to, and find what the case says.
fn wrong(case: &Case, who: &str, refused: bool, mark: char, answer: &Result<Vec<usize>, String>) -> String {
    let mut said = String::new();
    match answer {
        Err(_) if refused => {}
        Err(error) => writeln!(said, "{}: {who} refuses: {error}", case.name).unwrap(),
        Ok(_) if refused => writeln!(said, "{}: {who} does not refuse", case.name).unwrap(),
        Ok(found) => {
            for (place, (verdict, event)) in case.events.iter().enumerate() {
                let expected = *verdict == '+' || *verdict == mark;
                if found.contains(&place) != expected {
                    let found = if expected { "does not find" } else { "finds" };
                    writeln!(said, "{}: {who} {found} {event}", case.name).unwrap();
                }
            }
        }
    }
    said
}

#[test]
fn cases_are_answered_alike_or_differ_for_a_reason() {
    let cases = cases();
    let mut said = String::new();
    let (mut alike, mut differ) = (0, 0);
    for case in &cases {
        let differs = case.refused_here != case.refused_there
            || case.events.iter().any(|(verdict, _)| ['<', '>'].contains(verdict));
        if differs != case.why {
            writeln!(said, "{}: {}", case.name, if differs { "why?" } else { "nothing differs" }).unwrap();
        }
        *if differs { &mut differ } else { &mut alike } += 1;
        said += &wrong(case, "this engine", case.refused_here, '>', &ours(case));
    }
    if let Some(python) = python() {
        let task = |case: &Case| {
            let events: Vec<&str> = case.events.iter().map(|(_, event)| event.as_str()).collect();
            task(&case.name, &case.rule, &case.lists, Some(&events))
        };
        let answers = ask(&python, &cases.iter().map(task).collect::<Vec<_>>());
        assert_eq!(answers.len(), cases.len());
        for (case, answer) in cases.iter().zip(&answers) {
            said += &wrong(case, "pySigma", case.refused_there, '<', answer);
        }
        println!("pySigma: {alike} cases alike, {differ} differ for a reason");
    }
    assert!(said.is_empty(), "\n{said}");
    assert!(alike >= 100, "{alike}");
}

fn without_nulls(record: &str) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(strip);
            }
            Value::Array(elements) => elements.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(record).unwrap();
    strip(&mut value);
    value.to_string()
}

#[test]
fn real_rules_over_real_records_are_answered_alike() {
    let Some(python) = python() else { return };
    let mut records: Vec<String> = Vec::new();
    for folder in ["stratus_detonation", "traildiscover", "opensearch_catalog", "permiso_console_sessions"] {
        let Some(folder) = corpus::folder(&format!("cloudtrail/{folder}")) else { return };
        let found: Vec<String> =
            corpus::files(&folder, "").iter().flat_map(|file| events::records(&file.text)).collect();
        let step = found.len().div_ceil(1_500);
        records.extend(found.into_iter().step_by(step));
    }
    let batch = events::normalized(&records).events;
    // Nulls count for `exists` there and not here, which a case above shows; it would hide what else differs.
    let texts: Vec<String> = records.iter().map(|record| without_nulls(record)).collect();
    let mut tasks = vec![format!("{{\"events\":[{}]}}", texts.join(","))];
    let mut rules = Vec::new();
    for pack in ["sigma/sigmahq", "sigma/suzaku"] {
        let folder = corpus::folder(pack).unwrap();
        for source in corpus::files(&folder, ".yml") {
            if source.text.contains("cloudtrail") && !source.text.contains("\ncorrelation:") {
                tasks.push(task(&source.path, &source.text, &Value::Null, None));
                rules.push(source);
            }
        }
    }
    let answers = ask(&python, &tasks);
    assert_eq!(answers.len(), rules.len());
    let (mut found, mut said) = (0, String::new());
    for (source, theirs) in rules.iter().zip(answers) {
        let loaded = rules::load(std::slice::from_ref(source)).rules;
        let ours: BTreeSet<usize> = loaded
            .matches(&batch, &mut Scratch::default())
            .iter()
            .map(|found| batch.int_at(Col::LogOffset, found.row as usize).unwrap())
            .map(|place| usize::try_from(place).unwrap())
            .collect();
        found += ours.len();
        match theirs {
            Ok(theirs) => {
                let theirs = theirs.into_iter().collect();
                for (who, places) in [("this engine", &ours - &theirs), ("pySigma", &theirs - &ours)] {
                    if let Some(place) = places.first() {
                        let event: String = records[*place].chars().take(700).collect();
                        writeln!(said, "{}: only {who} finds {}: {event}", source.path, places.len())
                            .unwrap();
                    }
                }
            }
            // Placeholders have no values here, to neither.
            Err(_) if loaded.rules().is_empty() => {}
            Err(error) => writeln!(said, "{}: pySigma refuses: {error}", source.path).unwrap(),
        }
    }
    println!("pySigma: {} rules over {} records, {found} matches alike", rules.len(), batch.len());
    assert!(said.is_empty(), "\n{said}");
    assert!(rules.len() >= 400 && found >= 1_000, "{} rules, {found} matches", rules.len());
}
