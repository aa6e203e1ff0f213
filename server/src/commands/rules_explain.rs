//! `stormglass rules explain`: why a rule matches an event or does not.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use event::{Col, EventBatch, Level, RawBatch};
use normalize::Normalizer;
use rules::RuleSource;
use rules::explain::{Asked, Explainer, Explanation, Looked, Member, Part, RuleRef, What};
use serde_json::{Value, json};

use super::reading::{Label, Reading, read};
use crate::api::{format_us, source_id};
use crate::cli::{Global, RulesExplain};
use crate::client::load_config;
use crate::output::{UsageError, print, say};
use crate::{app, rule_files};

/// Explains a rule, or all rules of a file. Exit status 1 if the record is no event.
///
/// # Errors
/// There is no such rule or record, or a file cannot be read.
pub(crate) async fn run(global: &Global, command: RulesExplain) -> anyhow::Result<ExitCode> {
    let config = load_config(global)?;
    let mut sources = if command.rules.is_empty() {
        app::rule_sources(&config)?
    } else {
        rule_files::read(&command.rules)?
    };
    let is_file = is_rule_file(&command.rule);
    if is_file {
        sources = with_file(sources, &command.rule)?;
    }
    let explainer = Explainer::new(&sources, app::load_options(&config)?).with_actor(pipeline::actor_name);
    let rules = find(&explainer, &command.rule, is_file)?;
    let source = source_id(&command.source).map_err(UsageError)?;
    let label = Label { source, log_type: command.log_type };
    let mut normalizer = Normalizer::with_mappings(Arc::new(app::load_mappings(&config.mappings)?));
    let places = app::load_places(&config.places)?;
    let (mut events, row) = match event(&command.event, label, config.limits, &mut normalizer).await? {
        Found::Event(events, row) => (events, row),
        Found::Rejected(reason) => {
            match command.json {
                true => print(&json!({"rejected": reason}).to_string())?,
                false => say(&format!("stormglass: the record is no event: {reason}")),
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    places.fill(&mut events)?;
    let signs = if std::io::stdout().is_terminal() { ["✓", "✗"] } else { ["yes", "no "] };
    for (number, rule) in rules.into_iter().enumerate() {
        let Some(explanation) = explainer.explain(rule, &events, row) else { continue };
        if command.json {
            print(&as_json(&explanation).to_string())?;
        } else {
            let mut text = Text { signs, out: String::new() };
            if number == 0 {
                text.event(&events, row);
            }
            text.explanation(&explanation, 0);
            print(text.out.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_rule_file(rule: &str) -> bool {
    let path = Path::new(rule);
    path.is_file() || path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// The file's rules first, so that a copy of a known rule is the one that is meant; filters and what a
/// correlation refers to may stand in the others.
fn with_file(others: Vec<RuleSource>, path: &str) -> anyhow::Result<Vec<RuleSource>> {
    let mut sources = rule_files::read(&[path.into()])?;
    let full = std::fs::canonicalize(path)?;
    let is_other = |source: &RuleSource| std::fs::canonicalize(&source.path).ok().as_ref() != Some(&full);
    sources.extend(others.into_iter().filter(is_other));
    Ok(sources)
}

fn find(explainer: &Explainer, rule: &str, is_file: bool) -> anyhow::Result<Vec<RuleRef>> {
    let found = if is_file { explainer.in_file(rule) } else { explainer.named(rule) };
    if !found.is_empty() {
        return Ok(found);
    }
    let of_file = |finding: &&event::Diagnostic| finding.level == Level::Error && finding.file == rule;
    let errors: Vec<_> = explainer.diagnostics().iter().filter(of_file).map(ToString::to_string).collect();
    if !errors.is_empty() {
        bail!("no rule of `{rule}` loads\n{}", errors.join("\n"));
    }
    let mend = match explainer.nearest(rule) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`stormglass rules list` lists all".into(),
    };
    Err(UsageError(format!("there is no rule `{rule}`; {mend}")).into())
}

enum Found {
    /// The event: a batch and the row in it.
    Event(EventBatch, usize),
    /// Why it is none.
    Rejected(String),
}

/// The record that `FILE`, `FILE:N` or `-` means, as an event.
async fn event(
    place: &str,
    label: Label,
    limits: ingest::Limits,
    normalizer: &mut Normalizer,
) -> anyhow::Result<Found> {
    let (path, number) = match place.rsplit_once(':') {
        Some((path, number)) if !Path::new(place).exists() && !path.is_empty() => match number.parse::<u64>()
        {
            Ok(number) => (path, Some(number)),
            Err(_) => (place, None),
        },
        _ => (place, None),
    };
    let wanted = number.unwrap_or(0);
    let inputs = ingest::expand(&[path.to_owned()]).await?;
    if inputs.len() > 1 {
        return Err(UsageError(format!("`{path}` is {} files; name one", inputs.len())).into());
    }
    let mut readings = read(inputs, label, limits);
    let mut seen = 0;
    let mut found = None;
    while let Some(reading) = readings.recv().await {
        let batch = match reading {
            Reading::Batch { batch, .. } => batch,
            Reading::Failed(error) => return Err(error.into()),
        };
        seen += batch.len() as u64;
        if found.is_none() {
            let index = batch.records().position(|record| record.number == wanted);
            found = index.map(|index| normalized(&batch, index, normalizer));
        }
        // One more record than asked for is enough to know that there are more.
        if found.is_some() && (number.is_some() || seen > 1) {
            break;
        }
    }
    match found {
        Some(found) => {
            if number.is_none() && seen > 1 {
                say(&format!(
                    "`{path}` holds more than one record; this is the first, `{path}:1` is the next"
                ));
            }
            found
        }
        None if seen == 0 => bail!("`{path}` holds no record"),
        None => bail!("`{path}` has no record {wanted}: its {seen} records are counted from 0"),
    }
}

fn normalized(batch: &RawBatch, index: usize, normalizer: &mut Normalizer) -> anyhow::Result<Found> {
    let normalized = normalizer.map(batch, 0);
    if let Some(reject) = normalized.rejects.iter().find(|reject| reject.record == index) {
        let detail = if reject.detail.is_empty() { String::new() } else { format!(": {}", reject.detail) };
        return Ok(Found::Rejected(format!("{}{detail}", reject.reason.as_str())));
    }
    let events = &normalized.events;
    let row = (0..events.len()).find(|row| events.int_at(Col::LogOffset, *row) == i64::try_from(index).ok());
    match row {
        Some(row) => Ok(Found::Event(normalized.events, row)),
        None => bail!("the record became neither an event nor a dead letter; please report it"),
    }
}

// ---------------------------------------------------------------------------------------------

/// The explanation for people.
struct Text {
    /// For what holds and what does not.
    signs: [&'static str; 2],
    out: String,
}

impl Text {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn sign(&self, holds: bool) -> &'static str {
        let [yes, no] = self.signs;
        if holds { yes } else { no }
    }

    fn event(&mut self, events: &EventBatch, row: usize) {
        let text = |col| events.str_at(col, row).unwrap_or_default();
        let time = events.int_at(Col::Time, row).map(format_us).unwrap_or_default();
        let words = [text(Col::LogType), &time, text(Col::ApiOperation), text(Col::ActorUserName)];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        self.line(0, &format!("event: {}", words.join(", ")));
        self.line(0, "");
    }

    fn explanation(&mut self, explanation: &Explanation, depth: usize) {
        let verdict = if explanation.matches { "matches" } else { "does not match" };
        let sign = self.sign(explanation.matches);
        self.line(depth, &format!("{sign} {} ({}): {verdict}", explanation.title, explanation.id));
        if depth == 0 {
            self.line(1, &format!("{}, line {}", explanation.path, explanation.line));
        }
        if let Some(reason) = unread(explanation) {
            self.line(depth + 1, &reason);
        }
        for reading in &explanation.readings {
            if explanation.readings.len() > 1 {
                let sign = self.sign(reading.holds);
                self.line(depth + 1, &format!("{sign} read as {}", reading.logsource));
            }
            for part in &reading.parts {
                self.part(part, depth + 1);
            }
        }
        for member in &explanation.members {
            self.member(member, depth + 1);
        }
    }

    fn member(&mut self, member: &Member, depth: usize) {
        self.explanation(&member.explanation, depth);
        if !member.explanation.matches {
            return;
        }
        for (part, value) in &member.key {
            let value = match value {
                Some(value) => format!("{value:?}"),
                None => "absent, so the event takes no part".into(),
            };
            self.line(depth + 1, &format!("group-by {part}: {value}"));
        }
        for (field, values) in &member.values {
            let values = if values.is_empty() { "absent".into() } else { format!("{values:?}") };
            self.line(depth + 1, &format!("value of {field}: {values}"));
        }
    }

    fn part(&mut self, part: &Part, depth: usize) {
        let sign = self.sign(part.holds);
        let text = match part.what {
            What::Item => match &part.asked {
                Some(asked) => item(part, asked),
                None => part.text.clone(),
            },
            What::Filter => format!("filter: {}", part.text),
            What::Member => "one of the list".into(),
            What::Search if part.parts.is_empty() => format!("{} (see above)", part.text),
            _ => part.text.clone(),
        };
        self.line(depth, &format!("{sign} {text}"));
        if let Some(asked) = &part.asked {
            // Behind the sign and one level further in.
            let indent = depth + 2;
            asked.looked.iter().for_each(|looked| self.line(indent, &place(looked)));
            for looked in &asked.compared_with {
                self.line(indent, &format!("compared with {}", place(looked)));
            }
        }
        for inner in &part.parts {
            self.part(inner, depth + 1);
        }
    }
}

/// Why the condition was not even asked.
fn unread(explanation: &Explanation) -> Option<String> {
    if !explanation.readings.is_empty() || !explanation.members.is_empty() {
        return None;
    }
    let log_type = &explanation.log_type;
    Some(match explanation.log_types.as_slice() {
        [] => "it waits: no source of its log is read yet".into(),
        read if read.iter().any(|own| own.as_str() == log_type) => "see above".into(),
        read => {
            let read: Vec<_> = read.iter().map(|log_type| log_type.as_str()).collect();
            format!("the event is of {log_type}; the rule reads {}", read.join(", "))
        }
    })
}

fn item(part: &Part, asked: &Asked) -> String {
    let list = |holds: bool| {
        let values = asked.values.iter().filter(|value| value.holds == holds);
        values.map(|value| value.text.as_str()).collect::<Vec<_>>().join(", ")
    };
    let key = if part.text.is_empty() { "keywords, in every text of the record" } else { &part.text };
    let (met, unmet, total) = (list(true), list(false), asked.values_total);
    let more = match total - asked.values.len().min(total) {
        0 => String::new(),
        more => format!(" and {more} more values"),
    };
    match (met.as_str(), unmet.as_str()) {
        (met, "") => format!("{key}: {met}{more}"),
        ("", unmet) => format!("{key}: {unmet}{more}"),
        (met, _) if part.holds => format!("{key}: {met} (of {total} values)"),
        (met, unmet) => format!("{key}: {met}; but not {unmet}{more}"),
    }
}

fn place(looked: &Looked) -> String {
    let found = match looked.found.as_slice() {
        [] => "absent".to_owned(),
        found => found.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", "),
    };
    let rest = match looked.found_total - looked.found.len().min(looked.found_total) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("{}: {found}{rest}", looked.place)
}

// ---------------------------------------------------------------------------------------------

fn as_json(explanation: &Explanation) -> Value {
    let readings = explanation.readings.iter().map(|reading| {
        let parts: Vec<_> = reading.parts.iter().map(part_json).collect();
        json!({"logsource": reading.logsource, "holds": reading.holds, "parts": parts})
    });
    let members = explanation.members.iter().map(|member| {
        let key: serde_json::Map<_, _> =
            member.key.iter().map(|(part, value)| (part.clone(), json!(value))).collect();
        let values: serde_json::Map<_, _> =
            member.values.iter().map(|(field, values)| (field.clone(), json!(values))).collect();
        json!({"name": member.name, "rule": as_json(&member.explanation), "key": key, "values": values})
    });
    json!({
        "rule_id": explanation.id,
        "title": explanation.title,
        "file": explanation.path,
        "line": explanation.line,
        "matches": explanation.matches,
        "reason": unread(explanation),
        "log_type": explanation.log_type,
        "reads": explanation.log_types.iter().map(|log_type| log_type.as_str()).collect::<Vec<_>>(),
        "readings": readings.collect::<Vec<_>>(),
        "members": members.collect::<Vec<_>>(),
    })
}

fn part_json(part: &Part) -> Value {
    let what = match part.what {
        What::All => "all",
        What::Any => "any",
        What::Not => "not",
        What::Search => "search",
        What::Member => "member",
        What::Item => "item",
        What::Filter => "filter",
    };
    let mut json = json!({"what": what, "text": part.text, "holds": part.holds});
    let looked = |looked: &Looked| json!({"place": looked.place, "found": looked.found, "found_total": looked.found_total});
    let Some(members) = json.as_object_mut() else { return json };
    if let Some(asked) = &part.asked {
        let values = asked.values.iter().map(|value| json!({"value": value.text, "holds": value.holds}));
        members.insert("values".into(), values.collect());
        members.insert("values_total".into(), asked.values_total.into());
        members.insert("looked".into(), asked.looked.iter().map(looked).collect());
        if !asked.compared_with.is_empty() {
            members.insert("compared_with".into(), asked.compared_with.iter().map(looked).collect());
        }
    }
    if !part.parts.is_empty() {
        members.insert("parts".into(), part.parts.iter().map(part_json).collect());
    }
    json
}
