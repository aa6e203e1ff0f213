//! `stormglass incidents`

use std::process::ExitCode;

use super::incidents_change::{bulk, change, one};
use super::query_string::{QueryString, encode};
use super::{alerts, package, pages};
use crate::api::{
    AssignBody, CommentBody, IncidentBulkBody, IncidentDetail, IncidentList, IncidentQuery, IncidentSummary,
    MergeBody, SplitBody,
};
use crate::cli::{Global, Incidents, IncidentsList, WhichIncidents};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Lists, shows, changes or exports incidents.
///
/// # Errors
/// The store or the server cannot be asked, there is no such incident, or a package cannot be read or written.
pub(crate) async fn run(global: &Global, command: Incidents) -> anyhow::Result<ExitCode> {
    if let Incidents::Verify { package, sha256, json } = &command {
        return package::verify(package, sha256.as_deref(), *json);
    }
    let client = Client::open(global).await?;
    let (mut code, done) = (ExitCode::SUCCESS, IncidentBulkBody::default());
    match command {
        Incidents::List(wanted) => list(&client, wanted).await?,
        Incidents::Show { id, json } => show(&client, &id, json).await?,
        Incidents::Merge { id, with, reason } => {
            one(&client, &id, "merge", &MergeBody { with, reason }).await?;
        }
        Incidents::Split { id, alerts, reason } => {
            let mut whole = Vec::with_capacity(alerts.len());
            for alert in &alerts {
                whole.push(alerts::whole_id(&client, alert).await?);
            }
            one(&client, &id, "split", &SplitBody { alerts: whole, reason }).await?;
        }
        Incidents::Acknowledge { ids } => {
            let acknowledge = IncidentBulkBody { action: "acknowledge".into(), ..done };
            code = change(&client, ids, acknowledge).await?;
        }
        Incidents::Start { ids } => {
            code = change(&client, ids, IncidentBulkBody { action: "start".into(), ..done }).await?;
        }
        Incidents::Assign { id, owner, to } => {
            let owner = owner.or(to).unwrap_or_default();
            one(&client, &id, "assign", &AssignBody { owner }).await?;
        }
        Incidents::Unassign { ids } => {
            code = change(&client, ids, IncidentBulkBody { action: "unassign".into(), ..done }).await?;
        }
        Incidents::Label { ids, add, remove } => {
            let label = IncidentBulkBody { action: "label".into(), add, remove, ..done };
            code = change(&client, ids, label).await?;
        }
        Incidents::Comment { id, comment } => {
            one(&client, &id, "comment", &CommentBody { text: comment }).await?;
        }
        Incidents::Close { ids, verdict, reason, keep_alerts } => {
            let verdict = Some(verdict);
            let close = IncidentBulkBody { action: "close".into(), verdict, reason, keep_alerts, ..done };
            code = change(&client, ids, close).await?;
        }
        Incidents::Reopen { ids, reason } => {
            code = change(&client, ids, IncidentBulkBody { action: "reopen".into(), reason, ..done }).await?;
        }
        Incidents::Bulk(wanted) => code = bulk(&client, wanted).await?,
        Incidents::Export { id, to } => {
            package::check_target(&to)?;
            let path = format!("/api/v1/incidents/{}/export", encode(&id));
            let answer = client.post_for(&path, &serde_json::json!({}), "application/zip").await?;
            let sha256 = package::write(&to, &answer.all().await?)?;
            print(&sha256)?;
            if !global.quiet {
                say(&format!("`{}` is written; above is the SHA-256 of its manifest", to.display()));
            }
        }
        Incidents::Verify { .. } => {}
    }
    client.close().await?;
    Ok(code)
}

/// The parameters of a list that the flags mean.
pub(super) fn query(which: WhichIncidents) -> IncidentQuery {
    IncidentQuery {
        status: which.status,
        severity: which.severity,
        owner: which.owner,
        unassigned: which.unassigned,
        label: which.label,
        entity: which.entity,
        rule: which.rule,
        since: which.since,
        until: which.until,
        overdue: which.overdue,
        ..IncidentQuery::default()
    }
}

async fn list(client: &Client, wanted: IncidentsList) -> anyhow::Result<()> {
    let asked = IncidentQuery { verdict: wanted.verdict, ..query(wanted.which) };
    let mut address = QueryString::default();
    // As JSON has it: the names of the parameters stand in one place.
    if let serde_json::Value::Object(parameters) = serde_json::to_value(&asked)? {
        for (name, value) in parameters {
            address.add(&name, value.as_str().map_or(value.to_string(), str::to_owned).as_str());
        }
    }
    let list =
        pages::first(client, "/api/v1/incidents", &address, wanted.limit, |list: &mut IncidentList| {
            (&mut list.incidents, &mut list.next)
        })
        .await?;
    if wanted.json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.incidents.is_empty() {
        say("there are no such incidents");
        return Ok(());
    }
    let head = ["ID", "LAST", "SEVERITY", "STATUS", "RISK", "ALERTS", "OWNER", "TITLE"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(list.incidents.iter().map(row));
    print(&columns(&rows))?;
    if list.next.is_some() {
        say(&format!("there are more; --limit shows more than {}", wanted.limit));
    }
    Ok(())
}

fn row(incident: &IncidentSummary) -> Vec<String> {
    let is_overdue = incident.closed.is_none() && (incident.acknowledge_overdue || incident.close_overdue);
    vec![
        incident.id.chars().take(12).collect(),
        incident.last.clone(),
        incident.severity.clone(),
        format!("{}{}", incident.status, if is_overdue { ", overdue" } else { "" }),
        incident.risk.to_string(),
        incident.alerts.to_string(),
        incident.owner.clone().unwrap_or_default(),
        incident.title.clone(),
    ]
}

async fn show(client: &Client, id: &str, json: bool) -> anyhow::Result<()> {
    let incident: IncidentDetail = client.get(&format!("/api/v1/incidents/{}", encode(id))).await?;
    if json {
        return print(&serde_json::to_string(&incident)?);
    }
    print(&text(&incident))
}

fn text(incident: &IncidentDetail) -> String {
    let summary = &incident.summary;
    let clock = |at: &Option<String>, due: &Option<String>, overdue: bool| {
        let at = at.clone().unwrap_or_else(|| "not yet".into());
        let due = due.as_ref().map(|due| format!(", due {due}")).unwrap_or_default();
        format!("{at}{due}{}", if overdue { ", overdue" } else { "" })
    };
    let mut lines = vec![
        format!("{} ({}, {})", summary.title, summary.severity, summary.status),
        format!("incident:     {}", summary.id),
        format!("severity:     {}", incident.severity_why.join("; ")),
        format!("confidence:   {} %", summary.confidence),
        format!("risk:         {}", summary.risk),
        format!("owner:        {}", summary.owner.as_deref().unwrap_or("nobody")),
        format!("events:       {} to {}", summary.first, summary.last),
        format!("opened:       {}", summary.created),
        format!(
            "acknowledged: {}",
            clock(&summary.acknowledged, &summary.acknowledge_due, summary.acknowledge_overdue)
        ),
        format!("closed:       {}", clock(&summary.closed, &summary.close_due, summary.close_overdue)),
        format!("clouds:       {}", summary.providers.join(", ")),
        format!("tactics:      {}", summary.tactics.join(", ")),
    ];
    if summary.progress.len() > 1 {
        lines.push(format!("in order:     {}", summary.progress.join(", then ")));
    }
    if let (Some(verdict), Some(reason)) = (&summary.verdict, &summary.reason) {
        lines.push(format!("verdict:      {verdict}: {reason}"));
    }
    if !incident.merged.is_empty() {
        lines.push(format!("merged:       {}", incident.merged.join(", ")));
    }
    if !summary.labels.is_empty() {
        lines.push(format!("labels:       {}", summary.labels.join(", ")));
    }
    for entity in &summary.entities {
        lines.push(format!("{:<13} {}", format!("{}:", entity.kind), entity.name));
    }
    lines.push("\nalerts:".into());
    for member in &incident.members {
        let risk = member.risk.map(|risk| format!(", risk {risk}")).unwrap_or_default();
        lines.push(format!(
            "  {} {} {} ({}, {}{risk})\n    joined because: {}",
            member.time,
            member.alert.chars().take(12).collect::<String>(),
            member.title,
            member.severity,
            member.status,
            member.joined_because
        ));
    }
    lines.push("\ntimeline:".into());
    for event in &incident.timeline {
        lines.push(format!(
            "  {} {} {} {} [{}] {}",
            event.time,
            event.provider,
            event.actor,
            event.operation,
            event.rules.join(", "),
            event.event_uid
        ));
    }
    lines.extend(super::told::lines(&incident.told));
    lines.push("\nhistory:".into());
    for step in &incident.history {
        let verdict = step.verdict.as_deref().map(|verdict| format!(" as {verdict}")).unwrap_or_default();
        lines.push(format!("  {} {}{verdict} by {} {}", step.time, step.change, step.by, step.reason));
    }
    lines.join("\n")
}
