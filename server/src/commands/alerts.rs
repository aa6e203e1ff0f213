//! `stormglass alerts`

use std::process::ExitCode;

use anyhow::bail;

use super::query_string::QueryString;
use crate::api::{AlertDetail, AlertList, AlertSummary};
use crate::cli::{Alerts, AlertsList, Global};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Lists, shows or changes alerts.
///
/// # Errors
/// The store or the server cannot be asked, or there is no such alert.
pub(crate) async fn run(global: &Global, command: Alerts) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    match command {
        Alerts::List(wanted) => list(&client, wanted).await?,
        Alerts::Show { id, json } => show(&client, &id, json).await?,
        Alerts::Ack { id } => change(&client, &id, "acknowledge", &serde_json::json!({})).await?,
        Alerts::Close { id, verdict, reason } => {
            change(&client, &id, "close", &serde_json::json!({ "verdict": verdict, "reason": reason }))
                .await?;
        }
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, wanted: AlertsList) -> anyhow::Result<()> {
    let mut query = QueryString::default();
    for (name, value) in [
        ("status", &wanted.status),
        ("severity", &wanted.severity),
        ("rule", &wanted.rule),
        ("provider", &wanted.provider),
        ("entity", &wanted.entity),
        ("since", &wanted.since),
        ("until", &wanted.until),
    ] {
        query.add_some(name, value.as_deref());
    }
    query.add("limit", &wanted.limit.to_string());
    let list: AlertList = client.get(&query.after("/api/v1/alerts")).await?;
    if wanted.json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.alerts.is_empty() {
        say("there are no such alerts");
        return Ok(());
    }
    let mut rows =
        vec![["ID", "TIME", "SEVERITY", "STATUS", "CLOUD", "TITLE", "ACTOR"].map(String::from).to_vec()];
    rows.extend(list.alerts.iter().map(row));
    print(&columns(&rows))?;
    if list.next.is_some() {
        say(&format!("there are more; --limit shows more than {}", wanted.limit));
    }
    Ok(())
}

fn row(alert: &AlertSummary) -> Vec<String> {
    let actor = alert.entities.iter().find(|entity| entity.kind == "actor");
    vec![
        alert.id.chars().take(12).collect(),
        alert.time.clone(),
        alert.severity.clone(),
        alert.status.clone(),
        alert.provider.clone(),
        alert.title.clone(),
        actor.map(|actor| actor.name.clone().unwrap_or(actor.value.clone())).unwrap_or_default(),
    ]
}

/// The whole id that begins with `start`: lists show its first twelve digits.
pub(super) async fn whole_id(client: &Client, start: &str) -> anyhow::Result<String> {
    if start.len() >= 32 || start.len() < 6 || !start.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(start.to_owned());
    }
    let body =
        serde_json::json!({ "sql": format!("SELECT id FROM alerts WHERE id LIKE '{start}%' LIMIT 2") });
    let found: Vec<serde_json::Value> = client.post("/api/v1/sql", &body).await?;
    match found.as_slice() {
        [] => bail!("there is no alert `{start}`; `stormglass alerts list` shows those there are"),
        [one] => Ok(one.get("id").and_then(|id| id.as_str()).unwrap_or(start).to_owned()),
        _ => bail!("more than one alert begins with `{start}`; write more of the id"),
    }
}

async fn show(client: &Client, id: &str, json: bool) -> anyhow::Result<()> {
    let id = whole_id(client, id).await?;
    let alert: AlertDetail = client.get(&format!("/api/v1/alerts/{id}")).await?;
    if json {
        return print(&serde_json::to_string(&alert)?);
    }
    let summary = &alert.summary;
    let mut lines = vec![
        format!("{} ({}, {})", summary.title, summary.severity, summary.status),
        format!("alert:    {}", summary.id),
        format!("rule:     {}", summary.rule_id),
        format!("time:     {} (raised {})", summary.time, summary.created),
        format!("tags:     {}", summary.tags.join(", ")),
    ];
    if let (Some(verdict), Some(reason)) = (&summary.verdict, &summary.reason) {
        lines.push(format!("verdict:  {verdict}: {reason}"));
    }
    for entity in &summary.entities {
        let name = entity.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        lines.push(format!("{:<9} {}{name}", format!("{}:", entity.kind), entity.value));
    }
    if let Some(joined) = &alert.joined {
        for part in &joined.by {
            lines.push(format!("joined by {} = {}", part.field, part.value));
        }
        let why = if joined.why.is_empty() { String::new() } else { format!(": {}", joined.why) };
        lines.push(format!("{} events since {}{why}", joined.events, joined.begin));
    }
    lines.push(String::new());
    lines.push(alert.description.trim().to_owned());
    for (number, step) in (1..).zip(&alert.response) {
        lines.push(format!("  {number}. {step}"));
    }
    for event in &alert.evidence {
        lines.push(format!(
            "\nevidence: {} {} at {}\n{}",
            event.event_uid, event.operation, event.time, event.raw
        ));
    }
    for step in &alert.history {
        let verdict = step.verdict.as_deref().map(|verdict| format!(" as {verdict}")).unwrap_or_default();
        lines.push(format!("\n{} {}{verdict} by {} {}", step.time, step.change, step.by, step.reason));
    }
    print(&lines.join("\n"))
}

async fn change(client: &Client, id: &str, step: &str, body: &serde_json::Value) -> anyhow::Result<()> {
    let id = whole_id(client, id).await?;
    let alert: AlertSummary = client.post(&format!("/api/v1/alerts/{id}/{step}"), body).await?;
    print(&format!("{} is {}", alert.id, alert.status))
}
