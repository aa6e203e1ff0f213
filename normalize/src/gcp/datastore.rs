//! Work on data: objects in Cloud Storage, rows in BigQuery and Bigtable.
//!
//! OCSF's Datastore Activity needs the bucket or table by name; calls that name none (a query in
//! Spanner, a job in BigQuery without tables) and calls that manage the stores themselves are plain
//! API calls.

use std::borrow::Cow;

use event::Col;

use super::entry::{AuditLog, Entry};
use super::resource::segment_after;
use crate::class::{Activity, datastore_activity as store};
use crate::json::Value;
use crate::row::Row;

/// OCSF `databucket.type_id`.
const GCP_BUCKET: i32 = 3;

/// Maps work on data; `None` if this is none.
pub(super) fn map(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    match log.service.as_ref() {
        "storage.googleapis.com" => {
            let activity = of_object(&log.method)?;
            map_bucket(entry, log, row).then_some(activity)
        }
        "bigquery.googleapis.com" => map_bigquery(log, row),
        "bigquerystorage.googleapis.com" | "bigtable.googleapis.com" => {
            let activity = of_rows(log.method_word())?;
            map_table(log.resource_name.as_deref()?, row).then_some(activity)
        }
        _ => None,
    }
}

/// `storage.objects.get`, and `google.storage.objects.get` in the log of denied calls.
fn of_object(method: &str) -> Option<Activity> {
    let method = method.strip_prefix("google.").unwrap_or(method);
    let verb = method
        .strip_prefix("storage.objects.")
        .or_else(|| method.strip_prefix("storage.multipartUploads."))?;
    Some(match verb {
        "get" => store::READ,
        "list" | "listParts" => store::LIST,
        "create" | "insert" | "compose" | "copy" | "rewrite" | "move" => store::WRITE,
        "update" | "patch" | "restore" | "setRetention" | "overrideUnlockedRetention" => store::UPDATE,
        "delete" | "abort" => store::DELETE,
        _ => return None,
    })
}

fn map_bucket(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) -> bool {
    // A denied call is logged on the project; what it was about stands in the metadata.
    let denied =
        log.metadata_at(&["resourceNames"]).and_then(|names| names.as_array()?.next()?.filled_text());
    let path = log.resource_name.as_deref().unwrap_or_default();
    let in_path = segment_after("buckets", path).or_else(|| segment_after("buckets", denied.as_deref()?));
    let label = entry.label("bucket_name");
    let Some(bucket) = in_path.or(label.as_deref()) else { return false };
    row.text(Col::DatabucketName, bucket);
    row.text(Col::DatabucketUid, &format!("projects/_/buckets/{bucket}"));
    row.int(Col::DatabucketTypeId, GCP_BUCKET);
    true
}

fn of_rows(word: &str) -> Option<Activity> {
    Some(match word {
        "ReadRows" | "SampleRowKeys" | "CreateReadSession" | "SplitReadStream" => store::READ,
        "ExecuteQuery" | "PrepareQuery" => store::QUERY,
        "MutateRow" | "MutateRows" | "CheckAndMutateRow" | "ReadModifyWriteRow" | "AppendRows"
        | "FlushRows" => store::WRITE,
        _ => return None,
    })
}

/// BigQuery writes one entry for a job and one for each table that it touches. Both say in the metadata
/// what happened (`google.cloud.audit.BigQueryAuditMetadata`).
fn map_bigquery(log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let metadata = log.metadata.and_then(|value| value.as_object())?;
    for (member, activity) in [
        ("tableDataRead", store::READ),
        ("tableDataChange", store::UPDATE),
        ("tableCreation", store::CREATE),
        ("tableChange", store::UPDATE),
        ("tableDeletion", store::DELETE),
    ] {
        if metadata.get(member).is_some() {
            return map_table(log.resource_name.as_deref()?, row).then_some(activity);
        }
    }
    let job =
        metadata.at(&["jobChange", "job"]).or_else(|| metadata.at(&["jobInsertion", "job"]))?.as_object()?;
    let at = |path: &[&str]| job.at(path).and_then(|value| value.filled_text());
    let first = |path: &[&str]| job.at(path).and_then(first_text);
    let (activity, table) = match at(&["jobConfig", "type"])?.as_ref() {
        "QUERY" => {
            let read = first(&["jobStats", "queryStats", "referencedTables"]);
            (
                of_statement(at(&["jobConfig", "queryConfig", "statementType"]).as_deref()),
                read.or_else(|| at(&["jobConfig", "queryConfig", "destinationTable"])),
            )
        }
        "IMPORT" => (store::WRITE, at(&["jobConfig", "loadConfig", "destinationTable"])),
        "EXPORT" => (store::READ, at(&["jobConfig", "extractConfig", "sourceTable"])),
        "COPY" => (store::WRITE, at(&["jobConfig", "tableCopyConfig", "destinationTable"])),
        _ => return None,
    };
    map_table(&table?, row).then_some(activity)
}

fn of_statement(statement: Option<&str>) -> Activity {
    let statement = statement.unwrap_or_default();
    if statement.starts_with("DROP") {
        store::DELETE
    } else if statement.starts_with("CREATE") {
        store::CREATE
    } else if matches!(statement, "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE_TABLE") {
        store::UPDATE
    } else {
        store::QUERY
    }
}

fn first_text<'a>(list: Value<'a>) -> Option<Cow<'a, str>> {
    list.as_array()?.next()?.filled_text()
}

/// `projects/P/datasets/D/tables/T`. Results of ad-hoc queries go to tables that nobody named.
fn map_table(path: &str, row: &mut Row<'_>) -> bool {
    let Some(table) = segment_after("tables", path) else { return false };
    row.text(Col::TableName, table);
    row.text(Col::TableUid, path);
    true
}
