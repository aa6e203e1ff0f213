//! `stormglass rules test`: the tests that lie beside the rules.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use event::{Diagnostic, Level, RawBatchBuilder, RawRecord, SourceId};
use normalize::{CustomMappings, Normalizer};
use pipeline::{IdentityConfig, Places, Rehearsal};
use rules::{CorrelatorLimits, Expectation, Records, RuleSet, RuleSource, RuleTest, RuleTests, TestRecord};
use serde::Serialize;

use crate::app;
use crate::cli::Global;
use crate::client::load_config;
use crate::output::{print, say};
use crate::rule_files;

/// What became of a test.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    line: u32,
    rule: String,
    test: String,
    /// Why it failed; absent if it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// What the tests are run with.
struct Given {
    rules: Arc<RuleSet>,
    mappings: Arc<CustomMappings>,
}

/// What the tests of one file are run with.
struct GivenFile<'g> {
    rules: &'g Arc<RuleSet>,
    mappings: &'g Arc<CustomMappings>,
    /// Where addresses are; nowhere, unless the file says so.
    places: Places,
}

/// Runs the tests of the rules at or below `paths`; without any, of the rules in use. Exit status 1 if one
/// fails.
///
/// # Errors
/// A path cannot be read.
pub(crate) fn run(
    global: &Global,
    paths: &[PathBuf],
    junit: Option<&Path>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let config = load_config(global)?;
    let options = app::load_options(&config)?;
    let mappings = Arc::new(app::load_mappings(&config.mappings)?);
    let mut sources = if paths.is_empty() { app::rule_sources(&config)? } else { rule_files::read(paths)? };
    let asked: HashSet<_> = sources.iter().map(|source| source.path.clone()).collect();
    let mut tests =
        if paths.is_empty() && config.rules_shipped { rules::shipped_tests() } else { Vec::new() };
    let beside = if paths.is_empty() { &config.rules_paths } else { paths };
    tests.extend(rule_files::read_tests(beside)?);
    if !paths.is_empty() && config.rules_shipped {
        // Rules of one's own may correlate those that are shipped; who names them again means their own.
        let own: Vec<_> = rules::load_with(&sources, &options).rules.ids().map(str::to_owned).collect();
        let shipped =
            rules::shipped().into_iter().filter(|source| !own.iter().any(|id| source.text.contains(id)));
        sources.extend(shipped.collect::<Vec<_>>());
    }
    let mut record_files = rules::shipped_records();
    record_files.extend(rule_files::read_records(beside)?);
    let loaded = rules::load_with(&sources, &options);
    let given = Given { rules: Arc::new(loaded.rules), mappings };
    let (records, mut findings) = Records::parse(&record_files);
    findings.extend(loaded.diagnostics.into_iter().filter(|found| found.level == Level::Error));

    let mut outcomes = Vec::new();
    for source in &tests {
        let (tests, found) = rules::read_tests(source, &records);
        findings.extend(found);
        let (path, text) = (source.path.clone(), tests.places.clone().unwrap_or_default());
        match Places::read(Some((path, text.into_bytes())).filter(|(_, text)| !text.is_empty())) {
            Ok(places) => {
                let given = GivenFile { rules: &given.rules, mappings: &given.mappings, places };
                outcomes.extend(run_file(&given, source, &tests));
            }
            // Lines are those of the table, which begins somewhere in the file.
            Err(wrong) => findings.extend(wrong.into_iter().map(|found| Diagnostic {
                line: found.line.saturating_add(tests.places_line.saturating_sub(1)),
                field: format!("places.{}", found.field).trim_end_matches('.').to_owned(),
                ..found
            })),
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    for outcome in &outcomes {
        if json {
            print(&serde_json::to_string(outcome)?)?;
        } else if let Some(failure) = &outcome.failure {
            print(&format!("{}:{}: {}: FAILED: {failure}", outcome.file, outcome.line, outcome.test))?;
        }
    }
    for finding in &findings {
        say(&finding.to_string());
    }
    if let Some(path) = junit {
        let file = std::fs::File::create(path).with_context(|| format!("`{}`", path.display()))?;
        write_junit(std::io::BufWriter::new(file), &outcomes, &findings)?;
    }
    if !global.quiet {
        let rules = &given.rules;
        let (tested, all) = coverage(rules, &asked, &outcomes);
        say(&format!(
            "{} tests: {} passed, {failed} failed; {tested} of {all} rules have a test",
            outcomes.len(),
            outcomes.len() - failed,
        ));
    }
    let broken = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if failed == 0 && !broken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many of the rules and correlations in the files that were asked for have a test, and how many there are.
fn coverage(rules: &RuleSet, asked: &HashSet<String>, outcomes: &[Outcome]) -> (usize, usize) {
    let single = rules.rules().iter().map(|rule| (rule.id(), rule.path()));
    let joined = rules.correlations().iter().map(|rule| (rule.id(), rule.path()));
    let asked = || single.clone().chain(joined.clone()).filter(|(_, path)| asked.contains(*path));
    let tested = asked().filter(|(id, _)| outcomes.iter().any(|outcome| outcome.rule == *id)).count();
    (tested, asked().count())
}

fn run_file(given: &GivenFile<'_>, source: &RuleSource, tests: &RuleTests) -> Vec<Outcome> {
    let rule = match &tests.rule {
        Some(name) => given.rules.id_of(name),
        None => given.rules.last_in(&rule_path(&source.path)),
    };
    let one = |case: &RuleTest| Outcome {
        file: source.path.clone(),
        line: case.line,
        rule: rule.unwrap_or_default().to_owned(),
        test: case.name.clone(),
        failure: match rule {
            Some(rule) => run_case(given, rule, case).err(),
            None => Some(match &tests.rule {
                Some(name) => format!("there is no rule `{name}` that loads"),
                None => format!("there is no rule in `{}` that loads", rule_path(&source.path)),
            }),
        },
    };
    tests.cases.iter().map(one).collect()
}

/// `x.test.yml` tests `x.yml`.
fn rule_path(test_path: &str) -> String {
    test_path.replace(".test.y", ".y")
}

fn run_case(given: &GivenFile<'_>, rule: &str, case: &RuleTest) -> Result<(), String> {
    match case.expects {
        Expectation::Match(expected) => run_match(given, rule, case, expected),
        Expectation::Alerts(expected) => {
            // Late, out of order, twice: the same events must come to the same alerts.
            let written: Vec<&TestRecord> = case.records.iter().collect();
            let backwards: Vec<_> = written.iter().rev().copied().collect();
            let (late, rest) = written.split_at(written.len() / 2);
            let twice: Vec<_> = rest.iter().chain(late).chain(&written).copied().collect();
            for (order, records) in
                [("", written.clone()), (" backwards", backwards), (" late and twice", twice)]
            {
                let alerts = alerts(given, rule, &records)?;
                if alerts != expected {
                    return Err(format!("{alerts} alerts{order}, {expected} expected"));
                }
            }
            Ok(())
        }
    }
}

fn run_match(given: &GivenFile<'_>, rule: &str, case: &RuleTest, expected: bool) -> Result<(), String> {
    let rules = given.rules;
    let index = rules.rules().iter().position(|known| known.id() == rule);
    let Some(index) = index else {
        return Err("a correlation does not match single events; write `sequence` and `alerts`".into());
    };
    let rehearsal =
        Rehearsal::new(rules.clone(), CorrelatorLimits::default(), IdentityConfig::default(), 0).only(rule);
    let mut rehearsal = rehearsal.ok_or("there is no such rule")?;
    for record in &case.records {
        let events = events(record, given)?;
        let matches = rehearsal.observe(&events).iter().any(|found| found.rule as usize == index);
        if matches != expected {
            let said = if matches { "it matches" } else { "it does not match" };
            return Err(format!("{said}; `stormglass rules explain` says why"));
        }
    }
    Ok(())
}

fn alerts(given: &GivenFile<'_>, rule: &str, records: &[&TestRecord]) -> Result<usize, String> {
    let rules = given.rules.clone();
    let rehearsal = Rehearsal::new(rules, CorrelatorLimits::default(), identity(), usize::MAX).only(rule);
    let mut rehearsal = rehearsal.ok_or("there is no such rule")?;
    for record in records {
        rehearsal.observe(&events(record, given)?);
    }
    Ok(rehearsal.finish().alert_count as usize)
}

/// In tests one address of example.com is one person.
fn identity() -> IdentityConfig {
    IdentityConfig { mail_domains: vec!["example.com".into()], ..IdentityConfig::default() }
}

fn events(record: &TestRecord, given: &GivenFile<'_>) -> Result<event::EventBatch, String> {
    let mut batch = RawBatchBuilder::with_capacity(0);
    if !batch.push(RawRecord { bytes: record.json.as_bytes(), number: 0, reject: None }) {
        return Err("the record is larger than a batch holds".into());
    }
    let source = SourceId::new(record.source.as_deref().unwrap_or("test"));
    let batch = batch.finish(source, None, "test".into(), record.time_us);
    let mut normalized = Normalizer::with_mappings(given.mappings.clone()).map(&batch, 0);
    given.places.fill(&mut normalized.events).map_err(|error| error.to_string())?;
    match normalized.rejects.first() {
        Some(reject) => Err(format!("the record is no event: {}: {}", reject.reason.as_str(), reject.detail)),
        None => Ok(normalized.events),
    }
}

/// JUnit's XML, as CI systems read it.
fn write_junit(mut out: impl Write, outcomes: &[Outcome], findings: &[Diagnostic]) -> std::io::Result<()> {
    let failures = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let errors: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Error).collect();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuite name="stormglass rules" tests="{}" failures="{failures}" errors="{}">"#,
        outcomes.len() + errors.len(),
        errors.len()
    )?;
    for outcome in outcomes {
        write!(
            out,
            r#"  <testcase classname="{}" name="{}" file="{}" line="{}""#,
            xml(&outcome.rule),
            xml(&outcome.test),
            xml(&outcome.file),
            outcome.line
        )?;
        match &outcome.failure {
            Some(failure) => writeln!(out, r#"><failure message="{}"/></testcase>"#, xml(failure))?,
            None => writeln!(out, "/>")?,
        }
    }
    for error in errors {
        writeln!(
            out,
            r#"  <testcase classname="{}" name="{}"><error message="{}"/></testcase>"#,
            xml(&error.file),
            xml(&error.field),
            xml(&error.to_string())
        )?;
    }
    writeln!(out, "</testsuite>")?;
    out.flush()
}

/// Text as an attribute of XML; what XML cannot hold is left out.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(' '),
            control if control.is_control() => {}
            other => safe.push(other),
        }
    }
    safe
}
