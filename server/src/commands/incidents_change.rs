//! `stormglass incidents acknowledge`, `close` and the other commands that change incidents.

use std::process::ExitCode;

use serde::Serialize;

use super::alerts_change::{code, tell};
use super::incidents::query;
use super::query_string::encode;
use crate::api::{BulkResult, IncidentBulkBody, IncidentSummary};
use crate::cli::IncidentsBulk;
use crate::client::Client;
use crate::output::print;

const BULK: &str = "/api/v1/incidents/bulk";

/// Takes a step with the incidents whose ids begin so.
///
/// # Errors
/// The store or the server cannot be asked, or of one incident: there is none, or the step cannot be taken.
pub(super) async fn change(
    client: &Client,
    ids: Vec<String>,
    body: IncidentBulkBody,
) -> anyhow::Result<ExitCode> {
    if let [id] = ids.as_slice() {
        let (step, request) = request(&body);
        one(client, id, step, &request).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let result: BulkResult = client.post(BULK, &IncidentBulkBody { ids: Some(ids), ..body }).await?;
    tell(&result)
}

/// Takes a step with one incident, and says what it is then.
///
/// # Errors
/// As [`change`].
pub(super) async fn one(client: &Client, id: &str, step: &str, body: &impl Serialize) -> anyhow::Result<()> {
    let path = format!("/api/v1/incidents/{}/{step}", encode(id));
    let incident: IncidentSummary = client.post(&path, body).await?;
    let owner = incident.owner.map(|owner| format!(", {owner}'s")).unwrap_or_default();
    print(&format!("{} is {}, {} alerts{owner}", incident.id, incident.status, incident.alerts))
}

/// The last part of the address of one incident's change, and what is sent there.
fn request(body: &IncidentBulkBody) -> (&str, serde_json::Value) {
    use serde_json::json;
    match body.action.as_str() {
        "close" => {
            let close =
                json!({ "verdict": body.verdict, "reason": body.reason, "keep_alerts": body.keep_alerts });
            ("close", close)
        }
        "reopen" => ("reopen", json!({ "reason": body.reason })),
        "label" => ("labels", json!({ "add": body.add, "remove": body.remove })),
        other => (other, json!({})),
    }
}

/// Takes a step with all incidents that a list with these flags shows, a thousand after the other.
///
/// # Errors
/// The store or the server cannot be asked, or the step makes no sense.
pub(super) async fn bulk(client: &Client, wanted: IncidentsBulk) -> anyhow::Result<ExitCode> {
    let body = IncidentBulkBody {
        filter: Some(query(wanted.which)),
        action: wanted.action,
        reason: wanted.reason,
        verdict: wanted.verdict,
        keep_alerts: wanted.keep_alerts,
        owner: wanted.to,
        add: wanted.add,
        remove: wanted.remove,
        ..IncidentBulkBody::default()
    };
    let mut all = BulkResult { changed: Vec::new(), unchanged: Vec::new(), more: true };
    while all.more {
        let part: BulkResult = client.post(BULK, &body).await?;
        // What cannot be changed is found again and again.
        all.more = part.more && !part.changed.is_empty();
        all.changed.extend(part.changed);
        all.unchanged = part.unchanged;
    }
    if wanted.json {
        print(&serde_json::to_string(&all)?)?;
        return Ok(code(&all));
    }
    tell(&all)
}
