//! `stormglass incidents`

use std::process::ExitCode;

use serde::Serialize;

use super::query_string::{QueryString, encode};
use super::{alerts, package};
use crate::api::{
    AssignBody, CloseIncidentBody, CommentBody, IncidentDetail, IncidentList, IncidentSummary, MergeBody,
    ReopenIncidentBody, SplitBody,
};
use crate::cli::{Global, Incidents, IncidentsList};
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
    match command {
        Incidents::List(wanted) => list(&client, wanted).await?,
        Incidents::Show { id, json } => show(&client, &id, json).await?,
        Incidents::Merge { id, with, reason } => {
            change(&client, &id, "merge", &MergeBody { with, reason }).await?;
        }
        Incidents::Split { id, alerts, reason } => {
            let mut whole = Vec::with_capacity(alerts.len());
            for alert in &alerts {
                whole.push(alerts::whole_id(&client, alert).await?);
            }
            change(&client, &id, "split", &SplitBody { alerts: whole, reason }).await?;
        }
        Incidents::Acknowledge { id } => {
            change(&client, &id, "acknowledge", &serde_json::json!({})).await?;
        }
        Incidents::Assign { id, owner, to } => {
            let owner = owner.or(to).unwrap_or_default();
            change(&client, &id, "assign", &AssignBody { owner }).await?;
        }
        Incidents::Comment { id, comment } => {
            change(&client, &id, "comment", &CommentBody { text: comment }).await?;
        }
        Incidents::Close { id, verdict, reason, keep_alerts } => {
            change(&client, &id, "close", &CloseIncidentBody { verdict, reason, keep_alerts }).await?;
        }
        Incidents::Reopen { id, reason } => {
            change(&client, &id, "reopen", &ReopenIncidentBody { reason }).await?;
        }
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
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, wanted: IncidentsList) -> anyhow::Result<()> {
    let mut query = QueryString::default();
    for (name, value) in [
        ("status", &wanted.status),
        ("severity", &wanted.severity),
        ("owner", &wanted.owner),
        ("entity", &wanted.entity),
        ("since", &wanted.since),
    ] {
        query.add_some(name, value.as_deref());
    }
    if wanted.overdue {
        query.add("overdue", "true");
    }
    query.add("limit", &wanted.limit.to_string());
    let list: IncidentList = client.get(&query.after("/api/v1/incidents")).await?;
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

async fn change(client: &Client, id: &str, step: &str, body: &impl Serialize) -> anyhow::Result<()> {
    let path = format!("/api/v1/incidents/{}/{step}", encode(id));
    let incident: IncidentSummary = client.post(&path, body).await?;
    print(&format!("{} is {}, {} alerts", incident.id, incident.status, incident.alerts))
}
