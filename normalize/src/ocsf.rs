//! Records that are OCSF documents already, such as those of Amazon Security Lake: each attribute to the column
//! of its path.
//!
//! Whatever version the document follows, its attributes stand as they are; only what every row must have is
//! completed. The document's own version and time of logging stay under `unmapped`, since those columns are of
//! the row.

use std::collections::HashMap;
use std::sync::LazyLock;

use event::{COLUMNS, Col, EventKey, Kind, LogType, Provider};

use crate::json::{Member, Object};
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// Where the columns come from.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`time`, else `time_dt`"),
    (Col::ClassUid, "`class_uid`"),
    (Col::ActivityId, "`activity_id`, else the end of `type_uid`"),
    (Col::SeverityId, "`severity_id`, else 0"),
    (Col::StatusId, "`status_id`"),
    (Col::CloudProvider, "`cloud.provider`: AWS, Azure or GCP, else Other"),
    (Col::ResourceUid, "`resources[0].uid`"),
    (Col::ResourceName, "`resources[0].name`"),
    (Col::ResourceType, "`resources[0].type`"),
    (Col::ResourceNamespace, "`resources[0].namespace`"),
];

/// The column of each path, and the paths that lead to one.
static PATHS: LazyLock<HashMap<&'static str, Option<Col>>> = LazyLock::new(|| {
    let mut paths = HashMap::new();
    for column in COLUMNS.iter().filter(|column| !column.ocsf.is_empty() && !is_ours(column.col)) {
        paths.insert(column.ocsf, Some(column.col));
        for (at, _) in column.ocsf.match_indices('.') {
            if let Some(parent) = column.ocsf.get(..at) {
                paths.entry(parent).or_insert(None);
            }
        }
    }
    paths
});

/// Columns that the framework sets, or that are told otherwise here.
fn is_ours(col: Col) -> bool {
    matches!(
        col,
        Col::Time
            | Col::MetadataVersion
            | Col::MetadataLoggedTime
            | Col::CloudProvider
            | Col::Unmapped
            | Col::RawData
    )
}

/// Fills `row` from one record.
///
/// # Errors
/// The document does not say when it happened or of what class it is.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let value = record
        .get("time")
        .or_else(|| record.get("time_dt"))
        .ok_or_else(|| MapError::new(Reason::MissingTime, "the document has neither `time` nor `time_dt`"))?;
    let micros = time::of_value(&value)?;
    row.time(Col::Time, micros);
    let number = |key: &str| record.get(key).and_then(|value| value.integer());
    let class_uid = number("class_uid").and_then(|uid| i32::try_from(uid).ok()).filter(|uid| *uid >= 0);
    let Some(class_uid) = class_uid else {
        return Err(MapError::new(Reason::WrongType, "`class_uid` is no number of a class"));
    };
    walk(record, "", row);
    complete(class_uid, number("activity_id"), number("type_uid"), row);
    map_provider(record, row);
    map_resource(record, row);
    let uid = record.at(&["metadata", "uid"]).and_then(|uid| uid.filled_text());
    Ok(match uid {
        Some(uid) => EventKey::from_parts(
            LogType::Ocsf,
            &[uid.as_bytes(), &class_uid.to_be_bytes(), &micros.to_be_bytes()],
        ),
        None => EventKey::from_content(LogType::Ocsf, record.raw().as_bytes()),
    })
}

/// Sets the columns at and below `path`. Recursion ends where no column lies deeper.
fn walk(object: &Object<'_>, path: &str, row: &mut Row<'_>) {
    for member in object.members() {
        let is_apart =
            (path.is_empty() && member.key == "time") || (path == "cloud" && member.key == "provider");
        if is_apart {
            continue;
        }
        let name = if path.is_empty() { member.key.to_string() } else { format!("{path}.{}", member.key) };
        match (PATHS.get(name.as_str()), member.value.as_object()) {
            (Some(Some(col)), _) => put(*col, path, &member, row),
            (Some(None), Some(inner)) => walk(&inner, &name, row),
            _ => row.keep(path, &member),
        }
    }
}

fn put(col: Col, path: &str, member: &Member<'_>, row: &mut Row<'_>) {
    match col.column().kind {
        Kind::Label | Kind::Text => row.put(col, path, member),
        Kind::Json => row.put_json(col, path, member),
        Kind::Int => row.put_int(col, path, member),
        Kind::Flag => row.put_flag(col, path, member),
        Kind::Time => row.put_time(col, path, member),
        Kind::Long => match member.value.integer() {
            Some(number) if !row.has(col) => row.long(col, number),
            _ => row.keep(path, member),
        },
        Kind::Float => match member.value.text().and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if !row.has(col) && number.is_finite() => row.float(col, number),
            _ => row.keep(path, member),
        },
        Kind::Day => row.keep(path, member),
    }
}

/// Sets what every row must have.
fn complete(class_uid: i32, activity_id: Option<i64>, type_uid: Option<i64>, row: &mut Row<'_>) {
    let activity = activity_id.or(type_uid.map(|uid| uid % 100)).unwrap_or_default();
    row.int(Col::ClassUid, class_uid);
    row.int(Col::CategoryUid, class_uid / 1000);
    row.int(Col::ActivityId, i32::try_from(activity).unwrap_or_default());
    row.long(Col::TypeUid, i64::from(class_uid) * 100 + activity);
    row.int(Col::SeverityId, 0);
}

/// The table is partitioned by the provider, so only the words that it knows count.
fn map_provider(record: &Object<'_>, row: &mut Row<'_>) {
    let provider = record.at(&["cloud", "provider"]).and_then(|value| value.text());
    let Some(word) = provider else { return };
    let known = [Provider::Aws, Provider::Azure, Provider::Gcp];
    let found = known.iter().find(|known| known.as_str().eq_ignore_ascii_case(&word));
    if let Some(found) = found {
        row.text(Col::CloudProvider, found.as_str());
    }
    if found.is_none_or(|found| found.as_str() != word) {
        row.keep_text("cloud", "provider", &word);
    }
}

fn map_resource(record: &Object<'_>, row: &mut Row<'_>) {
    let first = record.get("resources").and_then(|list| list.as_array()?.next()?.as_object());
    let Some(first) = first else { return };
    for (col, key) in [
        (Col::ResourceUid, "uid"),
        (Col::ResourceName, "name"),
        (Col::ResourceType, "type"),
        (Col::ResourceNamespace, "namespace"),
    ] {
        row.text_if(col, first.get(key).and_then(|value| value.text()));
    }
}

#[cfg(test)]
mod tests {
    use event::{Col, LogType};

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::Ocsf, "ocsf");
    }

    #[test]
    fn any_provider_is_no_partition() {
        let document = |provider: &str| {
            format!(
                r#"{{"class_uid":6003,"category_uid":6,"type_uid":600302,"activity_id":2,"severity_id":1,"time":1777629600000,
                "metadata":{{"version":"1.1.0"}},"cloud":{{"provider":"{provider}"}}}}"#
            )
        };
        let events = sample::map(&[document("aws"), document("x/../y")]).events;
        assert_eq!(events.str_at(Col::CloudProvider, 0), Some("AWS"));
        assert_eq!(events.str_at(Col::CloudProvider, 1), Some("Other"));
    }

    #[test]
    fn the_corpus_maps() {
        corpus::check_folder(LogType::Ocsf, "expected/panther/OCSF.DnsActivity.jsonl", 0.8);
    }
}
