//! Access to data: objects in S3, items in DynamoDB.

use event::Col;

use super::cloudtrail::Record;
use super::verb;
use crate::class::Activity;
use crate::row::Row;

/// OCSF `databucket.type_id`.
const S3: i32 = 1;

/// Sets the bucket or table. Without one the event cannot be of class Datastore Activity and becomes a
/// plain API call; the return value says which.
pub(super) fn map(record: &Record<'_>, activity: &Activity, row: &mut Row<'_>) -> Activity {
    let named = if record.event_source == "dynamodb.amazonaws.com" {
        map_table(record, row)
    } else {
        map_bucket(record, row)
    };
    if named { *activity } else { verb::activity(&record.event_name, record.read_only) }
}

fn map_bucket(record: &Record<'_>, row: &mut Row<'_>) -> bool {
    let uid = record.resource_arn("AWS::S3::Bucket");
    let name = record.request_text("bucketName").or_else(|| {
        let arn = uid.as_deref()?;
        Some(arn.rsplit(':').next()?.to_owned().into())
    });
    let Some(name) = name else { return false };
    row.text(Col::DatabucketName, &name);
    row.text_if(Col::DatabucketUid, uid);
    row.int(Col::DatabucketTypeId, S3);
    true
}

fn map_table(record: &Record<'_>, row: &mut Row<'_>) -> bool {
    let uid = record.resource_arn("AWS::DynamoDB::Table");
    let name = record.request_text("tableName").or_else(|| {
        let arn = uid.as_deref()?;
        Some(arn.rsplit('/').next()?.to_owned().into())
    });
    let Some(name) = name else { return false };
    row.text(Col::TableName, &name);
    row.text_if(Col::TableUid, uid);
    true
}
