//! Where it happened and what it was done to: project, organisation, region and resources.

use std::borrow::Cow;
use std::collections::BTreeSet;

use event::{Col, JsonText};

use super::entry::{AuditLog, Entry};
use crate::row::Row;

/// Sets the columns of the project, organisation or folder and of the region.
pub(super) fn map_place(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) {
    let log_name = entry.log_name.as_deref().unwrap_or_default();
    let resource_name = log.resource_name.as_deref().unwrap_or_default();
    // The label has been set already. `_` and `-` stand for "whatever the project is".
    let project = segment_after("projects", log_name).or_else(|| segment_after("projects", resource_name));
    row.text_if(Col::CloudAccountUid, project.filter(|project| !matches!(*project, "_" | "-")));
    if row.has(Col::CloudAccountUid) {
        row.text(Col::CloudAccountType, "GCP Project");
        row.int(Col::CloudAccountTypeId, 11);
    }
    match (segment_after("organizations", log_name), segment_after("folders", log_name)) {
        (Some(organization), _) => row.text(Col::CloudOrgUid, organization),
        (None, Some(folder)) => row.text(Col::CloudOrgUid, &format!("folders/{folder}")),
        (None, None) => row.text_if(Col::CloudOrgUid, segment_after("organizations", resource_name)),
    }
    row.text_if(Col::CloudRegion, place(entry, log).as_deref().map(region_of));
}

/// The region, zone or other location that the record names.
fn place<'a>(entry: &Entry<'a>, log: &AuditLog<'a>) -> Option<Cow<'a, str>> {
    for name in ["location", "region", "zone"] {
        if let Some(place) = entry.label(name) {
            return Some(place);
        }
    }
    log.location?.get("currentLocations")?.as_array()?.next()?.filled_text()
}

/// The region of a zone: `us-central1` of `us-central1-a`. Anything else is no zone and stays.
fn region_of(place: &str) -> &str {
    match place.rsplit_once('-') {
        Some((region, zone))
            if zone.len() == 1
                && zone.bytes().all(|byte| byte.is_ascii_lowercase())
                && region.ends_with(|last: char| last.is_ascii_digit()) =>
        {
            region
        }
        _ => place,
    }
}

/// The segment of a path that follows the segment `name`, unless it is empty.
pub(super) fn segment_after<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    let mut segments = path.split('/');
    segments.find(|segment| *segment == name)?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// The name that people use: an object's whole name, else the last segment.
pub(super) fn short_name(path: &str) -> &str {
    match path.split_once("/objects/") {
        Some((_, object)) => object,
        None => path.rsplit('/').next().unwrap_or_default(),
    }
}

/// Sets the columns of the first resource, and where the class has them, the list of all: what the
/// call was about, then whatever else permissions were checked on.
pub(super) fn map_resources(entry: &Entry<'_>, log: &AuditLog<'_>, class_has_list: bool, row: &mut Row<'_>) {
    let kind = entry.resource_type.as_deref();
    if let Some(name) = log.resource_name.as_deref() {
        row.text(Col::ResourceUid, name);
        row.text_if(Col::ResourceName, Some(short_name(name)));
    }
    if class_has_list {
        row.json(Col::Resources, |json| list(log, kind, json));
    }
}

fn list(log: &AuditLog<'_>, kind: Option<&str>, json: &mut JsonText<'_>) {
    let mut seen: BTreeSet<Cow<'_, str>> = BTreeSet::new();
    if let Some(name) = log.resource_name.as_deref() {
        write_item(json, seen.is_empty(), name, kind);
        seen.insert(name.into());
    }
    for check in log.authorization.and_then(|value| value.as_array()).into_iter().flatten() {
        let Some(check) = check.as_object() else { continue };
        let attribute =
            |name: &str| check.at(&["resourceAttributes", name]).and_then(|value| value.filled_text());
        let resource =
            check.get("resource").and_then(|value| value.filled_text()).or_else(|| attribute("name"));
        if let Some(resource) = resource.filter(|resource| !seen.contains(resource)) {
            write_item(json, seen.is_empty(), &resource, attribute("type").as_deref());
            seen.insert(resource);
        }
    }
    if !seen.is_empty() {
        json.end_array();
    }
}

/// The list begins with its first item, so that an empty one is no value at all.
fn write_item(json: &mut JsonText<'_>, is_first: bool, uid: &str, kind: Option<&str>) {
    if is_first {
        json.begin_array();
    }
    json.item();
    json.begin_object();
    json.text_member("uid", uid);
    json.text_member("name", short_name(uid));
    if let Some(kind) = kind {
        json.text_member("type", kind);
    }
    json.end_object();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_zones() {
        assert_eq!(region_of("us-central1-a"), "us-central1");
        assert_eq!(region_of("europe-west1"), "europe-west1");
        for same in ["global", "US", "us", "nam-eur-asia1", "", "-a", "us-central1-aa", "us-central-a", "é-é"]
        {
            assert_eq!(region_of(same), same);
        }
    }

    #[test]
    fn segments_and_names() {
        assert_eq!(segment_after("projects", "projects/p-1/logs/x"), Some("p-1"));
        assert_eq!(segment_after("projects", "organizations/1/projects/"), None);
        assert_eq!(segment_after("projects", "myprojects/x"), None);
        assert_eq!(short_name("projects/_/buckets/b/objects/dir/file.txt"), "dir/file.txt");
        assert_eq!(short_name("projects/p/zones/z/instances/vm-1"), "vm-1");
        assert_eq!(short_name("plain"), "plain");
    }
}
