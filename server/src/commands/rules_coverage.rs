//! `stormglass rules coverage`: the rules on ATT&CK's cloud matrix.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use rules::RuleSet;
use rules::coverage::{Coverage, CoveredTechnique, coverage};
use serde_json::{Value, json};

use crate::app;
use crate::cli::{Global, RulesCoverage};
use crate::client::load_config;
use crate::output::{columns, print, say};
use crate::rule_files;

/// What the layer of the ATT&CK Navigator shows: the matrix is cut to these.
const PLATFORMS: [&str; 4] = ["IaaS", "SaaS", "Identity Provider", "Office Suite"];

/// Prints the matrix, and writes a Navigator layer where one is asked for.
///
/// # Errors
/// A path cannot be read, or the layer cannot be written.
pub(crate) fn run(global: &Global, command: &RulesCoverage) -> anyhow::Result<ExitCode> {
    let coverage = coverage(&load(global, &command.paths)?);
    if let Some(file) = &command.navigator {
        write_layer(&coverage, file)?;
        if !global.quiet {
            say(&format!("`{}` is written; open it in the ATT&CK Navigator", file.display()));
        }
    }
    if command.json {
        print(&as_json(&coverage).to_string())?;
    } else {
        print(&text(&coverage))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn load(global: &Global, paths: &[PathBuf]) -> anyhow::Result<RuleSet> {
    let config = load_config(global)?;
    if paths.is_empty() {
        return Ok(app::load_rules(&config)?.0);
    }
    Ok(rules::load_with(&rule_files::read(paths)?, &app::load_options(&config)?).rules)
}

fn text(coverage: &Coverage) -> String {
    let mut out = String::new();
    for tactic in &coverage.tactics {
        let techniques: Vec<_> =
            tactic.techniques.iter().filter_map(|index| coverage.techniques.get(*index)).collect();
        let (named, silent): (Vec<&CoveredTechnique>, Vec<_>) =
            techniques.iter().copied().partition(|technique| !technique.rules.is_empty());
        out.push_str(&format!(
            "{} ({}): {} of {} techniques\n",
            tactic.name,
            tactic.id,
            named.len(),
            techniques.len()
        ));
        if !named.is_empty() {
            let rows: Vec<_> = named.iter().map(|technique| row(technique)).collect();
            columns(&rows).lines().for_each(|line| out.push_str(&format!("  {line}\n")));
        }
        if !silent.is_empty() {
            let ids: Vec<_> = silent.iter().map(|technique| technique.id.as_str()).collect();
            wrap("  without a rule: ", &ids, &mut out);
        }
        out.push('\n');
    }
    if !coverage.others.is_empty() {
        out.push_str("Techniques beyond the cloud matrix\n");
        let rows: Vec<_> = coverage.others.iter().map(row).collect();
        columns(&rows).lines().for_each(|line| out.push_str(&format!("  {line}\n")));
        out.push('\n');
    }
    let named = coverage.techniques.iter().filter(|technique| !technique.rules.is_empty()).count();
    out.push_str(&format!(
        "{named} of the {} cloud techniques of ATT&CK {} are named by a rule; {} rules name none",
        coverage.techniques.len(),
        coverage.version,
        coverage.untagged
    ));
    out
}

fn row(technique: &CoveredTechnique) -> Vec<String> {
    let waiting = technique.rules.len() - technique.live();
    let rules = match (technique.live(), waiting) {
        (1, 0) => "1 rule".to_owned(),
        (live, 0) => format!("{live} rules"),
        (0, waiting) => format!("{waiting} waiting"),
        (live, waiting) => format!("{live} rules, {waiting} waiting"),
    };
    let logs: Vec<_> = technique.log_types.iter().map(|log_type| log_type.as_str()).collect();
    vec![technique.id.clone(), technique.name.clone(), rules, logs.join(", ")]
}

/// Words with commas, broken into lines that begin alike.
fn wrap(start: &str, words: &[&str], out: &mut String) {
    const WIDTH: usize = 100;
    let indent = " ".repeat(start.len());
    let mut line = start.to_owned();
    for (number, word) in words.iter().enumerate() {
        let comma = if number + 1 < words.len() { ", " } else { "" };
        if line.len() + word.len() + comma.len() > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push_str(comma);
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn as_json(coverage: &Coverage) -> Value {
    let technique = |technique: &CoveredTechnique| {
        let rules = technique
            .rules
            .iter()
            .map(|rule| json!({"id": rule.id, "title": rule.title, "waits": rule.waits}));
        let logs: Vec<_> = technique.log_types.iter().map(|log_type| log_type.as_str()).collect();
        json!({
            "id": technique.id,
            "name": technique.name,
            "rules": rules.collect::<Vec<_>>(),
            "log_types": logs,
        })
    };
    let tactics = coverage.tactics.iter().map(|tactic| {
        let own = tactic.techniques.iter().filter_map(|index| coverage.techniques.get(*index));
        let techniques: Vec<_> = own.map(technique).collect();
        json!({"id": tactic.id, "short": tactic.short, "name": tactic.name, "techniques": techniques})
    });
    json!({
        "attack": coverage.version,
        "tactics": tactics.collect::<Vec<_>>(),
        "others": coverage.others.iter().map(technique).collect::<Vec<_>>(),
        "untagged": coverage.untagged,
    })
}

fn write_layer(coverage: &Coverage, file: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&layer(coverage))?;
    std::fs::write(file, text + "\n").with_context(|| format!("the layer `{}`", file.display()))
}

/// A layer of the ATT&CK Navigator (layer format 4.5).
fn layer(coverage: &Coverage) -> Value {
    let mut techniques = Vec::new();
    for tactic in &coverage.tactics {
        for technique in tactic.techniques.iter().filter_map(|index| coverage.techniques.get(*index)) {
            // A technique is opened where a rule names one of its sub-techniques.
            let prefix = format!("{}.", technique.id);
            let opens = coverage
                .techniques
                .iter()
                .any(|other| other.id.starts_with(&prefix) && !other.rules.is_empty());
            if technique.rules.is_empty() && !opens {
                continue;
            }
            let titles: Vec<_> = technique.rules.iter().map(|rule| rule.title.as_str()).collect();
            let mut entry = json!({
                "techniqueID": technique.id,
                "tactic": tactic.short,
                "enabled": true,
                "showSubtechniques": opens,
                "comment": titles.join("\n"),
                "metadata": technique
                    .log_types
                    .iter()
                    .map(|log_type| json!({"name": "log", "value": log_type.as_str()}))
                    .collect::<Vec<_>>(),
            });
            if let (false, Some(entry)) = (technique.rules.is_empty(), entry.as_object_mut()) {
                entry.insert("score".into(), technique.live().into());
            }
            techniques.push(entry);
        }
    }
    let most = coverage.techniques.iter().map(CoveredTechnique::live).max().unwrap_or(0).max(1);
    json!({
        "name": "Stormglass rules",
        "versions": {"attack": coverage.version, "navigator": "5.1.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "How many rules name a technique",
        "filters": {"platforms": PLATFORMS},
        "sorting": 0,
        "hideDisabled": false,
        "techniques": techniques,
        "gradient": {"colors": ["#f7fbff", "#6baed6", "#08519c"], "minValue": 0, "maxValue": most},
        "legendItems": [],
        "metadata": [],
    })
}
