//! `stormglass rules check` and `rules list`

use std::path::PathBuf;
use std::process::ExitCode;

use event::Level;
use rules::LoadOptions;

use crate::api::{RuleBody, RuleList};
use crate::app;
use crate::cli::Global;
use crate::client::{Client, load_config};
use crate::output::{columns, print, say};
use crate::rule_files;

/// Checks rules. Exit status 1 if any is refused; if `strict`, for warnings too.
///
/// # Errors
/// A path cannot be read.
pub(crate) fn check(
    global: &Global,
    paths: &[PathBuf],
    strict: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let config = load_config(global)?;
    let sources = if paths.is_empty() { app::rule_sources(&config)? } else { rule_files::read(paths)? };
    let options = LoadOptions { lint: true, ..app::load_options(&config)? };
    let loaded = rules::load_with(&sources, &options);
    let (rules, findings) = (loaded.rules, loaded.diagnostics);
    for finding in &findings {
        print(&if json { serde_json::to_string(finding)? } else { finding.to_string() })?;
    }
    let errors = findings.iter().filter(|finding| finding.level == Level::Error).count();
    let warnings = findings.len() - errors;
    if !global.quiet {
        say(&format!(
            "{} rules and {} correlations load; {errors} errors, {warnings} warnings",
            rules.len(),
            rules.correlations().len()
        ));
    }
    let failed = errors > 0 || (strict && warnings > 0);
    Ok(if !failed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists the rules in use.
///
/// # Errors
/// The configuration is wrong, or the server cannot be asked.
pub(crate) async fn list(global: &Global, json: bool) -> anyhow::Result<ExitCode> {
    let list = if global.url.is_some() {
        Client::open(global).await?.get("/api/v1/rules").await?
    } else {
        // The rules are files: no data folder is needed, nor blocked.
        let (rules, findings) = app::load_rules(&load_config(global)?)?;
        RuleList::new(&rules, &findings, None)
    };
    if json {
        print(&serde_json::to_string(&list)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let counted = global.url.is_some();
    let mut head = vec!["ID", "LEVEL", "KIND", "TITLE", "FILE"];
    if counted {
        head.extend(["EVENTS", "MATCHED", "SUPPRESSED", "ERRORED"]);
    }
    head.push("NOTE");
    let mut rows = vec![head.into_iter().map(String::from).collect::<Vec<_>>()];
    rows.extend(list.rules.iter().map(|rule| {
        let mut row: Vec<_> =
            [&rule.id, &rule.level, &rule.kind, &rule.title, &rule.path].into_iter().cloned().collect();
        if counted {
            let counts = [rule.evaluated, rule.matched, rule.suppressed, rule.errored];
            row.extend(counts.map(|count| count.map_or(String::new(), |count| count.to_string())));
        }
        row.push(note(rule));
        row
    }));
    print(&columns(&rows))?;
    if let Some(watermark) = list.watermark.filter(|_| !global.quiet) {
        say(&format!("correlations wait for no event before {watermark}"));
    }
    if !list.findings.is_empty() {
        say(&format!("{} findings; `stormglass rules check` shows them", list.findings.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a rule may be silent.
fn note(rule: &RuleBody) -> String {
    let mut notes = Vec::new();
    notes.extend(rule.waits_for.as_ref().map(|log| format!("waits for {log}")));
    notes.extend(rule.undelivered.as_ref().map(|log| format!("no event of {log} came since the start")));
    if !rule.never_found.is_empty() {
        notes.push(format!("no event had {}", rule.never_found.join(", ")));
    }
    if let Some(remembers) = &rule.remembers {
        notes.extend((remembers.late > 0).then(|| format!("{} came too late", remembers.late)));
        notes.extend((remembers.full > 0).then(|| format!("no room for {}", remembers.full)));
    }
    notes.join("; ")
}
