//! `report.md` and `report.html`: the same for people.

use super::document::{AlertPart, Document};
use super::markup::{html as h, markdown as m};

/// How a page looks; it also prints well.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}h3{font-size:1rem;margin-bottom:.2rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #e5e5e5;overflow-wrap:anywhere}\
th{font-weight:600}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.5rem;font-size:12px}code{font-size:.9em}\
.overdue{color:#b00020;font-weight:600}@media print{body{margin:0}}";

/// The facts at the head of a report, as name and value.
fn facts(incident: &Document<'_>) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Incident", incident.id.to_owned()),
        ("Severity", format!("{} ({})", incident.severity, incident.severity_why.join("; "))),
        ("Status", incident.status.to_owned()),
    ];
    if let (Some(verdict), Some(reason)) = (incident.verdict, incident.reason) {
        facts.push(("Verdict", format!("{verdict}: {reason}")));
    }
    facts.push(("Owner", incident.owner.unwrap_or("nobody").to_owned()));
    if !incident.labels.is_empty() {
        facts.push(("Labels", incident.labels.join(", ")));
    }
    facts.push(("Confidence", format!("{} %", incident.confidence)));
    facts.push(("Risk", format!("{} of 100", incident.risk)));
    facts.push(("Events", format!("{} to {}", incident.first_event, incident.last_event)));
    facts.push(("Opened", incident.created.clone()));
    let clock = |at: &Option<String>, due: &Option<String>, overdue: bool| {
        let at = at.clone().unwrap_or_else(|| "not yet".to_owned());
        let due = due.as_ref().map(|due| format!(", due {due}")).unwrap_or_default();
        format!("{at}{due}{}", if overdue { ", overdue" } else { "" })
    };
    let acknowledged = clock(&incident.acknowledged, &incident.acknowledge_due, incident.acknowledge_overdue);
    facts.push(("Acknowledged", acknowledged));
    facts.push(("Closed", clock(&incident.closed, &incident.close_due, incident.close_overdue)));
    facts.push(("Clouds", incident.providers.join(", ")));
    facts.push(("Tactics", incident.tactics.join(", ")));
    if incident.progress.len() > 1 {
        facts.push(("In order", incident.progress.join(", then ")));
    }
    if !incident.merged.is_empty() {
        facts.push(("Also known as", incident.merged.join(", ")));
    }
    facts
}

fn risk(alert: &AlertPart<'_>) -> String {
    let Some(risk) = alert.risk else { return "not known".to_owned() };
    let parts: Vec<_> = alert
        .risk_parts
        .iter()
        .map(|part| format!("{} {:+} ({})", part.name, part.points, part.why))
        .collect();
    format!("{risk}: {}", parts.join(", "))
}

/// The report in Markdown.
pub(super) fn markdown(incident: &Document<'_>) -> String {
    let mut out = format!("# {}\n\n| | |\n| --- | --- |\n", m(incident.title));
    for (name, value) in facts(incident) {
        out.push_str(&format!("| {name} | {} |\n", m(&value)));
    }
    out.push_str("\n## Who and what\n\n| kind | name |\n| --- | --- |\n");
    for entity in &incident.entities {
        out.push_str(&format!("| {} | {} |\n", m(entity.kind), m(entity.name)));
    }
    out.push_str("\n## Timeline\n\n| time | cloud | actor | operation | rules | event |\n| --- | --- | --- | --- | --- | --- |\n");
    for event in &incident.timeline {
        let cells = [event.provider, event.actor, event.operation, &event.rules.join(", "), event.event_uid];
        out.push_str(&format!("| {} | {} |\n", event.time, cells.map(m).join(" | ")));
    }
    out.push_str(&format!("\n## Alerts ({})\n", incident.alert_count));
    for alert in &incident.alerts {
        out.push_str(&format!("\n### {}\n\n", m(&alert.rule.title)));
        let verdict = alert.verdict.map(|verdict| format!(", {verdict}")).unwrap_or_default();
        out.push_str(&format!(
            "Alert {}, rule {}, {}, {}{verdict}, {}.\n\nJoined because: {}.\n\nRisk {}.\n\n{}\n",
            m(alert.id),
            m(&alert.rule.id),
            alert.severity,
            alert.status,
            alert.time,
            m(alert.joined_because),
            m(&risk(alert)),
            m(alert.rule.description.trim()),
        ));
        for (number, step) in (1..).zip(&alert.rule.response) {
            out.push_str(&format!("{number}. {}\n", m(step)));
        }
    }
    out.push_str("\n## History\n\n| time | who | what | |\n| --- | --- | --- | --- |\n");
    for step in &incident.history {
        let verdict = step.verdict.map(|verdict| format!("{verdict}: ")).unwrap_or_default();
        let cells = [step.by, step.change, &format!("{verdict}{}", step.reason)];
        out.push_str(&format!("| {} | {} |\n", step.time, cells.map(m).join(" | ")));
    }
    out
}

/// The report as a page that needs nothing else and runs nothing.
pub(super) fn html(incident: &Document<'_>) -> String {
    let title = h(incident.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<table>\n"
    );
    for (name, value) in facts(incident) {
        let class = if value.ends_with(", overdue") { " class=\"overdue\"" } else { "" };
        out.push_str(&format!("<tr><th>{name}</th><td{class}>{}</td></tr>\n", h(&value)));
    }
    out.push_str("</table>\n<h2>Who and what</h2>\n");
    let entities =
        incident.entities.iter().map(|entity| vec![entity.kind.to_owned(), entity.name.to_owned()]);
    table(&mut out, &["Kind", "Name"], entities);
    out.push_str("<h2>Timeline</h2>\n");
    let events = incident.timeline.iter().map(|event| {
        let cells = [event.provider, event.actor, event.operation, &event.rules.join(", "), event.event_uid];
        std::iter::once(event.time.clone()).chain(cells.map(str::to_owned)).collect()
    });
    table(&mut out, &["Time", "Cloud", "Actor", "Operation", "Rules", "Event"], events);
    out.push_str(&format!("<h2>Alerts ({})</h2>\n", incident.alert_count));
    for alert in &incident.alerts {
        let verdict = alert.verdict.map(|verdict| format!(", {verdict}")).unwrap_or_default();
        out.push_str(&format!(
            "<h3>{}</h3>\n<p>Alert <code>{}</code>, rule <code>{}</code>, {}, {}{verdict}, {}.</p>\n\
             <p>Joined because: {}.</p>\n<p>Risk {}.</p>\n<pre>{}</pre>\n",
            h(&alert.rule.title),
            h(alert.id),
            h(&alert.rule.id),
            alert.severity,
            alert.status,
            alert.time,
            h(alert.joined_because),
            h(&risk(alert)),
            h(alert.rule.description.trim()),
        ));
        if !alert.rule.response.is_empty() {
            out.push_str("<ol>\n");
            for step in &alert.rule.response {
                out.push_str(&format!("<li>{}</li>\n", h(step)));
            }
            out.push_str("</ol>\n");
        }
    }
    out.push_str("<h2>History</h2>\n");
    let history = incident.history.iter().map(|step| {
        let verdict = step.verdict.map(|verdict| format!("{verdict}: ")).unwrap_or_default();
        vec![step.time.clone(), step.by.into(), step.change.into(), format!("{verdict}{}", step.reason)]
    });
    table(&mut out, &["Time", "Who", "What", ""], history);
    out.push_str("</body>\n</html>\n");
    out
}

fn table(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let cells = |tag: &str, texts: &mut dyn Iterator<Item = String>| {
        let cells: String = texts.map(|text| format!("<{tag}>{text}</{tag}>")).collect();
        format!("<tr>{cells}</tr>\n")
    };
    out.push_str("<table>\n");
    out.push_str(&cells("th", &mut head.iter().map(|text| (*text).to_owned())));
    for row in rows {
        out.push_str(&cells("td", &mut row.iter().map(|text| h(text))));
    }
    out.push_str("</table>\n");
}
