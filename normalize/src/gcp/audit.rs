//! Google Cloud audit logs: admin activity, data access, system event, policy denied.
//!
//! All four are entries of Cloud Logging that differ by `logName` alone. Google gives no OCSF mapping;
//! ours follows the one that AWS published for CloudTrail: who called is `actor`, what was called is
//! `api`, and whoever was changed is `user`, `group` or `entity`.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::entry::{AuditLog, Entry, keep};
use super::{access, caller, datastore, iam, resource, workspace};
use crate::class::{Activity, Status, api_activity};
use crate::json::Object;
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::{time, verb};

pub(crate) use super::fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened, or is no audit log.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let entry = Entry::read(record, row);
    let payload = entry.payload.ok_or_else(|| {
        MapError::new(
            Reason::UnknownLogType,
            "the log entry has no object `protoPayload`, so it is no audit log",
        )
    })?;
    let written = AuditLog::read(&payload, entry.payload_key.clone(), row);
    if let Some(kind) = &written.kind
        && !kind.ends_with("AuditLog")
    {
        let kind: String = kind.chars().take(64).collect();
        return Err(MapError::new(
            Reason::UnknownLogType,
            format!("`protoPayload` is no AuditLog but `{kind}`"),
        ));
    }
    let strings = written.strings();
    written.keep_unread(&strings, row);
    let log = written.with(&strings);

    let time = map_time(&entry, row)?;
    let is_system_event = map_log(&entry, row);
    resource::map_place(&entry, &log, row);
    caller::map_actor(&log, row);
    caller::map_source(&log, row);
    map_call(&entry, &log, row);
    map_outcome(&log, row);
    row.severity(entry.severity());
    map_class(&entry, &log, is_system_event, row);
    row.text(Col::MetadataProductName, "Cloud Audit Logs");
    row.text(Col::MetadataProductVendorName, "Google");
    Ok(entry.identity(LogType::GcpAudit, record, time))
}

/// `timestamp` is when it happened, `receiveTimestamp` when Cloud Logging heard of it.
fn map_time(entry: &Entry<'_>, row: &mut Row<'_>) -> Result<i64, MapError> {
    let value = entry.timestamp.or(entry.received).ok_or_else(|| {
        MapError::new(Reason::MissingTime, "the log entry has neither `timestamp` nor `receiveTimestamp`")
    })?;
    let micros = time::of_value(&value)?;
    row.time(Col::Time, micros);
    row.text_if(Col::MetadataOriginalTime, value.text());
    Ok(micros)
}

/// `projects/P/logs/cloudaudit.googleapis.com%2Factivity`. Returns whether Google itself acted.
fn map_log(entry: &Entry<'_>, row: &mut Row<'_>) -> bool {
    let Some(path) = entry.log_name.as_deref() else { return false };
    let Some((_, log)) = path.split_once("/logs/") else { return false };
    // The slash within the log's name is escaped, except by some tools.
    let parts = log.split_once("%2F").or_else(|| log.split_once("%2f")).or_else(|| log.split_once('/'));
    let (provider, name) = parts.unwrap_or(("", log));
    row.text_if(Col::MetadataLogProvider, Some(provider));
    row.text_if(Col::MetadataLogName, Some(name));
    row.text_if(Col::MetadataProductFeatureName, feature(name));
    name == "system_event"
}

fn feature(log: &str) -> Option<&'static str> {
    Some(match log {
        "activity" => "Admin Activity",
        "data_access" => "Data Access",
        "system_event" => "System Event",
        "policy" => "Policy Denied",
        "access_transparency" => "Access Transparency",
        _ => return None,
    })
}

/// Sets request and response. OCSF wants an id with a request; without one the entry's own serves, since
/// there is one entry for a request that is no long operation.
fn map_call(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) {
    if let Some(request) = log.request {
        row.text(Col::ApiRequestData, &request.compact());
        row.text_if(Col::ApiRequestUid, entry.operation_id.as_deref().or(entry.insert_id.as_deref()));
    }
    if let Some(response) = log.response {
        row.text(Col::ApiResponseData, &response.compact());
    }
}

fn map_outcome(log: &AuditLog<'_>, row: &mut Row<'_>) {
    let path = format!("{}.status", log.path);
    let mut code = None;
    for member in log.status.iter().flat_map(Object::members) {
        match member.key.as_ref() {
            "code" => {
                code = member.value.integer();
                row.text_if(Col::StatusCode, member.value.text());
                row.put_int(Col::ApiResponseCode, &path, &member);
            }
            "message" => {
                row.text_if(Col::StatusDetail, member.value.filled_text());
                row.put_filled(Col::ApiResponseErrorMessage, &path, &member);
            }
            _ => keep(row, &path, &member),
        }
    }
    let failed = code.filter(|code| *code != 0);
    if let Some(code) = failed {
        row.text(Col::ApiResponseError, &error_name(code));
    }
    row.status(match failed {
        Some(_) => Status::Failure,
        None => workspace::outcome(log).unwrap_or(Status::Success),
    });
}

/// The names of `google.rpc.Code`; some services answer with HTTP's numbers instead.
fn error_name(code: i64) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        other => return Cow::Owned(other.to_string()),
    })
}

/// Sets the class and what OCSF wants for it. Each part looks whether the call is its own; a plain API
/// call is what remains.
fn map_class(entry: &Entry<'_>, log: &AuditLog<'_>, is_system_event: bool, row: &mut Row<'_>) {
    let activity = workspace::map(log, row)
        .or_else(|| access::map(log, row))
        .or_else(|| iam::map(entry, log, row))
        .or_else(|| datastore::map(entry, log, row))
        .unwrap_or_else(|| plain_call(log));
    // OCSF asks for the source's own word where an activity is 99 Other.
    match log.method_word() {
        word if activity.activity_id == 99 && !word.is_empty() => row.class_named(&activity, word),
        _ => row.class(&activity),
    }
    resource::map_resources(entry, log, matches!(activity.class_uid, 3005 | 6003), row);
    caller::map_absent(entry, log, is_system_event, activity.class_uid, row);
    if activity.class_uid == 6003 && log.method.is_empty() {
        row.text(Col::ApiOperation, UNKNOWN);
    }
}

fn plain_call(log: &AuditLog<'_>) -> Activity {
    if log.method.is_empty() { api_activity::UNKNOWN } else { verb::activity(log.method_word()) }
}

#[cfg(test)]
mod tests {
    use event::{Col, LogType};

    use crate::sample;

    #[test]
    fn samples() {
        sample::check(LogType::GcpAudit, "gcp");
    }

    fn uids(records: &[&str]) -> Vec<String> {
        let normalized = sample::map(records);
        assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
        (0..records.len())
            .map(|row| normalized.events.str_at(Col::EventUid, row).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn log_name_time_and_insert_id_are_the_identity() {
        let uids = uids(&[
            r#"{"logName":"projects/p/logs/a","insertId":"1","timestamp":"2024-05-14T09:30:00.123456Z","protoPayload":{}}"#,
            r#"{"insertId":"1","timestamp":"2024-05-14 09:30:00.123456 UTC","protoPayload":{"methodName":"x"},"logName":"projects/p/logs/a"}"#,
            r#"{"logName":"projects/p/logs/a","insertId":"2","timestamp":"2024-05-14T09:30:00.123456Z","protoPayload":{}}"#,
            r#"{"logName":"projects/q/logs/a","insertId":"1","timestamp":"2024-05-14T09:30:00.123456Z","protoPayload":{}}"#,
            r#"{"logName":"projects/p/logs/a","insertId":"1","timestamp":"2024-05-14T09:30:00.123457Z","protoPayload":{}}"#,
        ]);
        assert_eq!(uids[0], uids[1]);
        let distinct: std::collections::BTreeSet<_> = uids.iter().collect();
        assert_eq!(distinct.len(), 4);
    }

    #[test]
    fn without_all_of_them_the_record_stands_for_itself() {
        let uids = uids(&[
            r#"{"insertId":"1","timestamp":"2024-05-14T09:30:00Z","protoPayload":{"methodName":"a"}}"#,
            r#"{"insertId":"1","timestamp":"2024-05-14T09:30:00Z","protoPayload":{"methodName":"b"}}"#,
            r#"{"insertId":"1","timestamp":"2024-05-14T09:30:00Z","protoPayload":{"methodName":"a"}}"#,
        ]);
        assert_ne!(uids[0], uids[1]);
        assert_eq!(uids[0], uids[2]);
    }

    #[test]
    fn what_is_no_audit_log_is_refused() {
        for record in [
            r#"{"timestamp":"2024-05-14T09:30:00Z","protoPayload":"text"}"#,
            r#"{"timestamp":"2024-05-14T09:30:00Z","protoPayload":{"@type":"type.googleapis.com/google.appengine.logging.v1.RequestLog"}}"#,
            r#"{"timestamp":"2024-05-14T09:30:00Z","logName":"projects/p/logs/x","textPayload":"hello"}"#,
            r#"{"protoPayload":{}}"#,
            r#"{"timestamp":"soon","protoPayload":{}}"#,
        ] {
            assert_eq!(sample::map(&[record]).rejects.len(), 1, "{record}");
        }
    }
}
