//! `stormglass alerts ack`, `close` and the other commands that change alerts.

use std::process::ExitCode;

use super::alerts::{query, whole_id};
use crate::api::{BulkBody, BulkResult, ChangeResult};
use crate::cli::AlertsBulk;
use crate::client::Client;
use crate::output::{UsageError, print, say};

/// Changes the alerts whose ids begin so. Of one alert it also says what was overwritten: the last one who
/// writes wins.
///
/// # Errors
/// The store or the server cannot be asked, there is no such alert, or one alert cannot be changed so.
pub(super) async fn change(client: &Client, starts: &[String], body: BulkBody) -> anyhow::Result<ExitCode> {
    let mut ids = Vec::with_capacity(starts.len());
    for start in starts {
        ids.push(whole_id(client, start).await?);
    }
    let [id] = ids.as_slice() else {
        let result: BulkResult =
            client.post("/api/v1/alerts/bulk", &BulkBody { ids: Some(ids), ..body }).await?;
        return tell(&result);
    };
    let (step, request) = request(&body);
    let result: ChangeResult = client.post(&format!("/api/v1/alerts/{id}/{step}"), &request).await?;
    let alert = &result.alert;
    let owner = alert.owner.as_deref().map(|owner| format!(", {owner}'s")).unwrap_or_default();
    let already = if result.changed { "" } else { " already" };
    print(&format!("{} is {}{owner}{already}", alert.id, alert.status))?;
    if let Some(overwrote) = &result.overwrote {
        say(&format!(
            "its {} was `{}`, set by {} at {}",
            overwrote.field, overwrote.value, overwrote.by, overwrote.time
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a duplicate of nothing, and another verdict that names an original.
///
/// # Errors
/// What is missing or too much, by its flag.
pub(super) fn check_duplicate(verdict: Option<&str>, of: Option<&str>) -> anyhow::Result<()> {
    let problem = match (verdict, of) {
        (Some("duplicate"), None) => "a duplicate names the alert that it repeats: add `--duplicate-of ID`",
        (Some("duplicate"), Some(_)) | (_, None) => return Ok(()),
        (_, Some(_)) => "`--duplicate-of` goes with `--verdict duplicate`",
    };
    Err(UsageError(problem.to_owned()).into())
}

/// The last part of the address of one alert's change, and what is sent there.
fn request(body: &BulkBody) -> (&str, serde_json::Value) {
    use serde_json::json;
    match body.action.as_str() {
        "close" => {
            let mut request = json!({ "verdict": body.verdict, "reason": body.reason });
            if let (Some(of), Some(fields)) = (&body.duplicate_of, request.as_object_mut()) {
                fields.insert("duplicate_of".into(), of.as_str().into());
            }
            ("close", request)
        }
        "assign" => ("assign", json!({ "owner": body.owner, "reason": body.reason })),
        "comment" => ("comments", json!({ "text": body.reason })),
        "label" => ("labels", json!({ "add": body.add, "remove": body.remove })),
        other => (other, json!({ "reason": body.reason })),
    }
}

/// Changes all alerts that a list with these flags shows, a thousand after the other.
///
/// # Errors
/// The store or the server cannot be asked, or the change makes no sense.
pub(super) async fn bulk(client: &Client, wanted: AlertsBulk) -> anyhow::Result<ExitCode> {
    check_duplicate(wanted.verdict.as_deref(), wanted.duplicate_of.as_deref())?;
    let original = match wanted.duplicate_of {
        Some(start) => Some(whole_id(client, &start).await?),
        None => None,
    };
    let body = BulkBody {
        filter: Some(query(wanted.which)),
        action: wanted.action,
        reason: wanted.reason,
        verdict: wanted.verdict,
        duplicate_of: original,
        owner: wanted.to,
        add: wanted.add,
        remove: wanted.remove,
        ..BulkBody::default()
    };
    let mut all = BulkResult { changed: Vec::new(), unchanged: Vec::new(), more: true };
    while all.more {
        let part: BulkResult = client.post("/api/v1/alerts/bulk", &body).await?;
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

/// Says what became of many.
///
/// # Errors
/// The output cannot be written.
pub(super) fn tell(result: &BulkResult) -> anyhow::Result<ExitCode> {
    for unchanged in &result.unchanged {
        say(&format!("{} is unchanged: {}", unchanged.id, unchanged.reason));
    }
    print(&format!("{} changed, {} unchanged", result.changed.len(), result.unchanged.len()))?;
    Ok(code(result))
}

/// The exit status: a failure where any was not changed.
pub(super) fn code(result: &BulkResult) -> ExitCode {
    if result.unchanged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_names_its_original_by_the_flag() {
        let told = |verdict, of| check_duplicate(Some(verdict), of).map_err(|error| error.to_string());
        assert!(told("duplicate", None).unwrap_err().contains("`--duplicate-of ID`"));
        assert!(told("benign", Some("51d2")).unwrap_err().contains("`--verdict duplicate`"));
        assert_eq!(told("duplicate", Some("51d2")), Ok(()));
        assert_eq!(told("benign", None), Ok(()));
    }
}
