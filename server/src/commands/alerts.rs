//! `stormglass alerts`

use std::process::ExitCode;

use anyhow::bail;

use super::alerts_change::{bulk, change, check_duplicate};
use super::alerts_noise::noise;
use super::pages;
use super::query_string::QueryString;
use crate::api::{AlertDetail, AlertList, AlertQuery, AlertSummary, BulkBody, ChangeBody};
use crate::cli::{Alerts, AlertsList, Global, WhichAlerts};
use crate::client::Client;
use crate::output::{UsageError, columns, print, say};

/// Lists, shows or changes alerts.
///
/// # Errors
/// The store or the server cannot be asked, or there is no such alert.
pub(crate) async fn run(global: &Global, command: Alerts) -> anyhow::Result<ExitCode> {
    if matches!(command, Alerts::Watch { .. }) && global.url.is_none() {
        return Err(UsageError("alerts are raised by a server; name it with --url".into()).into());
    }
    let client = Client::open(global).await?;
    let (mut code, done) = (ExitCode::SUCCESS, BulkBody::default());
    match command {
        Alerts::List(wanted) => list(&client, wanted).await?,
        Alerts::Watch { after, json } => super::alerts_watch::run(&client, after, json).await?,
        Alerts::Show { id, json } => show(&client, &id, json).await?,
        Alerts::Ack { ids } => {
            let acknowledge = BulkBody { action: "acknowledge".into(), ..done };
            code = change(&client, &ids, acknowledge).await?;
        }
        Alerts::Start { ids } => {
            code = change(&client, &ids, BulkBody { action: "start".into(), ..done }).await?;
        }
        Alerts::Close(wanted) => {
            check_duplicate(Some(&wanted.verdict), wanted.duplicate_of.as_deref())?;
            let original = match wanted.duplicate_of {
                Some(start) => Some(whole_id(&client, &start).await?),
                None => None,
            };
            let close = BulkBody {
                action: "close".into(),
                verdict: Some(wanted.verdict),
                reason: wanted.reason,
                duplicate_of: original,
                ..done
            };
            code = change(&client, &wanted.ids, close).await?;
        }
        Alerts::Reopen { ids, reason } => {
            code = change(&client, &ids, BulkBody { action: "reopen".into(), reason, ..done }).await?;
        }
        Alerts::Assign { ids, to } => {
            let assign = BulkBody { action: "assign".into(), owner: Some(to), ..done };
            code = change(&client, &ids, assign).await?;
        }
        Alerts::Unassign { ids } => {
            code = change(&client, &ids, BulkBody { action: "unassign".into(), ..done }).await?;
        }
        Alerts::Comment { id, text } => {
            let comment = BulkBody { action: "comment".into(), reason: text, ..done };
            code = change(&client, &[id], comment).await?;
        }
        Alerts::Label { ids, add, remove } => {
            code = change(&client, &ids, BulkBody { action: "label".into(), add, remove, ..done }).await?;
        }
        Alerts::Release { ids, reason } => {
            code = change(&client, &ids, BulkBody { action: "release".into(), reason, ..done }).await?;
        }
        Alerts::Noise(wanted) => noise(&client, &wanted).await?,
        Alerts::Bulk(wanted) => code = bulk(&client, wanted).await?,
    }
    client.close().await?;
    Ok(code)
}

/// The parameters of a list that the flags mean.
pub(super) fn query(which: WhichAlerts) -> AlertQuery {
    AlertQuery {
        status: which.status,
        severity: which.severity,
        rule: which.rule,
        provider: which.provider,
        entity: which.entity,
        owner: which.owner,
        unassigned: which.unassigned,
        label: which.label,
        incident: which.incident,
        suppressed: which.suppressed,
        suppressed_by: which.suppressed_by,
        since: which.since,
        until: which.until,
        ..AlertQuery::default()
    }
}

async fn list(client: &Client, wanted: AlertsList) -> anyhow::Result<()> {
    let asked = AlertQuery { verdict: wanted.verdict, ..query(wanted.which) };
    let mut address = QueryString::default();
    // As JSON has it: the names of the parameters stand in one place.
    if let serde_json::Value::Object(parameters) = serde_json::to_value(&asked)? {
        for (name, value) in parameters {
            address.add(&name, value.as_str().map_or(value.to_string(), str::to_owned).as_str());
        }
    }
    let list = pages::first(client, "/api/v1/alerts", &address, wanted.limit, |list: &mut AlertList| {
        (&mut list.alerts, &mut list.next)
    })
    .await?;
    if wanted.json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.alerts.is_empty() {
        say("there are no such alerts");
        return Ok(());
    }
    let mut rows = vec![
        ["ID", "TIME", "SEVERITY", "STATUS", "OWNER", "EVENTS", "CLOUD", "TITLE", "ACTOR"]
            .map(String::from)
            .to_vec(),
    ];
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
        alert.owner.clone().unwrap_or_default(),
        alert.events.to_string(),
        alert.provider.clone(),
        alert.title.clone(),
        actor.map(|actor| actor.name.clone().unwrap_or(actor.value.clone())).unwrap_or_default(),
    ]
}

/// The whole id that begins with `start`: lists show its first twelve digits.
pub(super) async fn whole_id(client: &Client, start: &str) -> anyhow::Result<String> {
    match completed(client, start).await? {
        Some(id) => Ok(id),
        None => bail!("there is no alert `{start}`; `stormglass alerts list` shows those there are"),
    }
}

/// The id of the one alert that begins with `start`, or `start` where it is no beginning of an id.
async fn completed(client: &Client, start: &str) -> anyhow::Result<Option<String>> {
    if start.len() >= 32 || start.len() < 6 || !start.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(Some(start.to_owned()));
    }
    let body =
        serde_json::json!({ "sql": format!("SELECT id FROM alerts WHERE id LIKE '{start}%' LIMIT 2") });
    let found: Vec<serde_json::Value> = client.post("/api/v1/sql", &body).await?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.get("id").and_then(|id| id.as_str()).unwrap_or(start).to_owned())),
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
        let of = summary.duplicate_of.as_deref().map(|of| format!(" of {of}")).unwrap_or_default();
        lines.push(format!("verdict:  {verdict}{of}: {reason}"));
    }
    if let Some(owner) = &summary.owner {
        lines.push(format!("owner:    {owner}"));
    }
    if let (Some(silence), Some(reason)) = (&summary.suppressed_by, &summary.suppressed_reason) {
        lines.push(format!("hidden:   by silence {silence}: {reason}"));
    }
    if !summary.labels.is_empty() {
        lines.push(format!("labels:   {}", summary.labels.join(", ")));
    }
    if let Some(incident) = &alert.incident {
        let id: String = incident.id.chars().take(12).collect();
        lines.push(format!("incident: {id} ({}) {}", incident.status, incident.title));
    }
    if let Some(risk) = alert.risk {
        lines.push(format!("risk:     {risk}"));
        for part in &alert.risk_parts {
            lines.push(format!("          {:+} {}: {}", part.points, part.name, part.why));
        }
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
    for version in &alert.versions {
        lines.push(format!(
            "\nversion {} rested on {} events until {}, when {}\n  {}",
            version.version,
            version.events,
            version.replaced,
            version.why,
            version.event_uids.join("\n  ")
        ));
    }
    for step in &alert.history {
        lines.push(format!("\n{}", told(step)));
    }
    lines.extend(super::told::lines(&alert.told));
    print(&lines.join("\n"))
}

/// A step of the history in a line.
fn told(step: &ChangeBody) -> String {
    let mut line = format!("{} {} {}", step.time, step.by, step.change);
    if let Some(verdict) = &step.verdict {
        line.push_str(&format!(" as {verdict}"));
    }
    match (&step.before, &step.after) {
        (Some(before), Some(after)) => line.push_str(&format!(" ({before} → {after})")),
        (None, Some(after)) => line.push_str(&format!(" ({after})")),
        (Some(before), None) => line.push_str(&format!(" (was {before})")),
        (None, None) => {}
    }
    if !step.reason.is_empty() {
        line.push_str(&format!(": {}", step.reason));
    }
    line
}
