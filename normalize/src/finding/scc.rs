//! Google Security Command Center findings: notifications with `finding` and `resource`, entries of exports and
//! of `findings.list`, or the finding alone.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::{FindingStatus, Resource, report, set_resources, severity_of};
use crate::address;
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::{Row, UNKNOWN};
use crate::time;

/// Where the columns come from, in Google's own field names below `finding`.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`eventTime`, else `createTime`"),
    (Col::ClassUid, "2004 Detection Finding"),
    (
        Col::ActivityId,
        "3 Close where inactive or muted; 2 Update where `eventTime` is later than `createTime`, else 1",
    ),
    (Col::SeverityId, "`severity`"),
    (Col::StatusId, "`mute` MUTED 3, `state` ACTIVE 1, INACTIVE 4"),
    (Col::StatusCode, "`state`"),
    (Col::Message, "`category`"),
    (Col::MetadataUid, "`name`"),
    (Col::MetadataEventCode, "`category`"),
    (Col::MetadataProductName, "`Security Command Center`"),
    (Col::MetadataProductVendorName, "`Google`"),
    (Col::MetadataProductFeatureName, "`parentDisplayName`: the service that found it"),
    (Col::MetadataOriginalTime, "as `time`"),
    (
        Col::CloudAccountUid,
        "the project in `resource.project`, `resource.gcpMetadata.project` or `resourceName`",
    ),
    (Col::CloudAccountName, "`resource.projectDisplayName`"),
    (Col::CloudRegion, "`resource.location`"),
    (Col::CloudOrgUid, "the organisation in `name`"),
    (Col::ApiOperation, "`access.methodName`"),
    (Col::ApiServiceName, "`access.serviceName`"),
    (Col::ActorUserName, "`access.principalEmail`, else `access.principalSubject`"),
    (Col::ActorUserUid, "`access.principalSubject`"),
    (Col::ActorUserEmailAddr, "`access.principalEmail`"),
    (Col::ActorUserCredentialUid, "the key in `access.serviceAccountKeyName`"),
    (Col::SrcEndpointIp, "`access.callerIp`, else the first of `indicator.ipAddresses`"),
    (Col::SrcEndpointPort, "the port in `access.callerIp`"),
    (Col::SrcEndpointName, "as `src_endpoint_ip`, where it is no address"),
    (Col::SrcEndpointDomain, "the first of `indicator.domains`"),
    (Col::SrcEndpointLocationCountry, "`access.callerIpGeo.regionCode`"),
    (Col::HttpRequestUserAgent, "`access.userAgent`, else `access.userAgentFamily`"),
    (Col::Resources, "`resourceName`, `resource.displayName`, `resource.type`"),
    (Col::ResourceUid, "`resourceName`"),
    (Col::ResourceName, "`resource.displayName`"),
    (Col::ResourceType, "`resource.type`"),
    (Col::FindingInfoUid, "`name`"),
    (Col::FindingInfoTitle, "`category`"),
    (Col::FindingInfoDesc, "`description`"),
    (Col::FindingInfoTypes, "`findingClass` and `category`"),
    (Col::FindingInfoCreatedTime, "`createTime`"),
    (Col::FindingInfoModifiedTime, "`eventTime`"),
    (Col::FindingInfoSrcUrl, "`externalUri`"),
    (Col::FindingInfoProductUid, "`parent`"),
    (Col::FindingInfoAnalyticName, "`moduleName`"),
    (Col::FindingInfoAnalyticTypeId, "1 Rule"),
    (Col::FindingInfoAttacks, "`mitreAttack.primaryTactic` with each of `mitreAttack.primaryTechniques`"),
    (Col::IsAlert, "whether it is active and not muted"),
    (Col::RemediationDesc, "`nextSteps`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when the finding was made.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut frame = Fields::of(*record, "");
    let nested = frame.nested(&["finding"]);
    let mut fields = Fields::default();
    match nested.object() {
        Some(finding) => {
            fields.add(finding, nested.path());
            map_resource(&mut frame, &mut fields, row);
            frame.keep(row);
        }
        None => {
            map_resource(&mut frame, &mut Fields::default(), row);
            fields = frame;
        }
    }
    map_finding(fields, record, row)
}

fn map_finding(mut fields: Fields<'_>, record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let moment = |fields: &Fields<'_>, name| fields.value(name).and_then(|value| time::of_value(&value).ok());
    let (created, changed) = (moment(&fields, "createTime"), moment(&fields, "eventTime"));
    let event_time = fields.peek("eventTime");
    fields.put_time(row, &["eventTime", "createTime"])?;
    if let Some(micros) = created {
        row.time(Col::FindingInfoCreatedTime, micros);
        fields.forget("createTime");
    }
    if let Some(micros) = changed {
        row.time(Col::FindingInfoModifiedTime, micros);
    }
    let state = fields.text("state").unwrap_or_default();
    row.text_if(Col::StatusCode, Some(&state));
    let mute = fields.peek("mute").unwrap_or_default();
    let status = match (mute.as_ref(), state.as_ref()) {
        ("MUTED", _) => FindingStatus::Suppressed,
        (_, "ACTIVE") => FindingStatus::New,
        (_, "INACTIVE") => FindingStatus::Resolved,
        _ => FindingStatus::Unknown,
    };
    let severity = severity_of(&fields.peek("severity").unwrap_or_default());
    report(status, created.is_some() && changed > created, severity, row);
    let name = fields.text("name");
    row.text_if(Col::MetadataUid, name.as_deref());
    row.text(Col::FindingInfoUid, name.as_deref().unwrap_or(UNKNOWN));
    let organization = name.as_deref().and_then(|name| name.strip_prefix("organizations/"));
    row.text_if(Col::CloudOrgUid, organization.and_then(|rest| rest.split('/').next()));
    map_info(&mut fields, row);
    map_access(&mut fields, row);
    map_indicator(&mut fields, row);
    map_attacks(&mut fields, row);
    fields.keep(row);
    Ok(match (name, event_time) {
        (Some(name), Some(time)) => EventKey::from_parts(
            LogType::GcpScc,
            &[name.as_bytes(), time.as_bytes(), state.as_bytes(), mute.as_bytes()],
        ),
        _ => EventKey::from_content(LogType::GcpScc, record.raw().as_bytes()),
    })
}

fn map_info(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let category = fields.text("category").unwrap_or_default();
    row.text_if(Col::Message, Some(&category));
    row.text_if(Col::MetadataEventCode, Some(&category));
    row.text_if(Col::FindingInfoTitle, Some(&category));
    let class = fields.text("findingClass");
    let types: Vec<&str> = class.as_deref().into_iter().chain([category.as_ref()]).collect();
    row.texts(Col::FindingInfoTypes, &types);
    fields.put(row, Col::FindingInfoDesc, &["description"]);
    fields.put(row, Col::FindingInfoSrcUrl, &["externalUri"]);
    fields.put(row, Col::FindingInfoProductUid, &["parent"]);
    fields.put(row, Col::FindingInfoAnalyticName, &["moduleName"]);
    if row.has(Col::FindingInfoAnalyticName) {
        row.int(Col::FindingInfoAnalyticTypeId, 1);
    }
    fields.put(row, Col::MetadataProductFeatureName, &["parentDisplayName"]);
    fields.put(row, Col::RemediationDesc, &["nextSteps"]);
    row.text(Col::MetadataProductName, "Security Command Center");
    row.text(Col::MetadataProductVendorName, "Google");
}

fn map_access(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["access"]);
    let mut access = nested.fields();
    let email = access.text("principalEmail");
    row.text_if(Col::ActorUserName, email.as_deref());
    row.text_if(Col::ActorUserEmailAddr, crate::email::address(email.as_deref()));
    let subject = access.text("principalSubject");
    row.text_if(Col::ActorUserName, subject.as_deref());
    row.text_if(Col::ActorUserUid, subject);
    if let Some(key) = access.peek("serviceAccountKeyName") {
        row.text_if(Col::ActorUserCredentialUid, key.rsplit('/').next());
    }
    if let Some(ip) = access.text("callerIp") {
        address::put(&ip, row);
    }
    let place = access.nested(&["callerIpGeo"]);
    let mut place = place.fields();
    place.put(row, Col::SrcEndpointLocationCountry, &["regionCode"]);
    place.keep(row);
    access.put(row, Col::HttpRequestUserAgent, &["userAgent", "userAgentFamily"]);
    access.put(row, Col::ApiOperation, &["methodName"]);
    if row.has(Col::ApiOperation) {
        access.put(row, Col::ApiServiceName, &["serviceName"]);
    }
    access.keep(row);
}

fn map_indicator(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let Some(indicator) = fields.value("indicator").and_then(|value| value.as_object()) else { return };
    let first = |key: &str| indicator.get(key)?.as_array()?.next()?.filled_text();
    if !row.has(Col::SrcEndpointIp)
        && let Some(ip) = first("ipAddresses").or_else(|| first("ip_addresses"))
    {
        address::put(&ip, row);
    }
    row.text_if(Col::SrcEndpointDomain, first("domains"));
}

/// Google has words for tactics and techniques, not ATT&CK's ids.
fn map_attacks(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["mitreAttack"]);
    let mut attack = nested.fields();
    let techniques = attack.nested(&["primaryTechniques"]);
    let tactic = attack.text("primaryTactic");
    let names = techniques.texts();
    if tactic.is_some() || !names.is_empty() {
        row.json(Col::FindingInfoAttacks, |json| {
            json.begin_array();
            for index in 0..names.len().max(1) {
                json.item();
                json.begin_object();
                for (key, name) in [("tactic", tactic.as_ref()), ("technique", names.get(index))] {
                    if let Some(name) = name {
                        json.key(key);
                        json.begin_object();
                        json.text_member("name", name);
                        json.end_object();
                    }
                }
                json.end_object();
            }
            json.end_array();
        });
    }
    attack.keep(row);
}

fn map_resource(frame: &mut Fields<'_>, finding: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = frame.nested(&["resource"]);
    let mut resource = nested.fields();
    let uid = finding.text("resourceName").or_else(|| frame.text("resourceName"));
    let uid = uid.or_else(|| resource.peek("name")).map(Cow::into_owned);
    if resource.peek("name").as_deref() == uid.as_deref() {
        resource.forget("name");
    }
    let project = resource.peek("project").or_else(|| {
        resource.value("gcpMetadata").and_then(|metadata| metadata.as_object()?.get("project")?.filled_text())
    });
    let project = project.or_else(|| uid.as_deref().map(|uid| Cow::Owned(uid.to_owned())));
    row.text_if(Col::CloudAccountUid, project.as_deref().and_then(project_of));
    resource.put(row, Col::CloudAccountName, &["projectDisplayName"]);
    resource.put(row, Col::CloudRegion, &["location"]);
    let name = resource.text("displayName").map(Cow::into_owned);
    let kind = resource.text("type").map(Cow::into_owned);
    row.text_if(Col::ResourceType, kind.as_deref());
    set_resources(&[Resource { uid, name, kind }], row);
    resource.keep(row);
}

/// The project in a path such as `//cloudresourcemanager.googleapis.com/projects/123`.
fn project_of(path: &str) -> Option<&str> {
    path.split("projects/").nth(1)?.split('/').next()
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use crate::sample;

    #[test]
    fn samples() {
        sample::check(LogType::GcpScc, "scc");
    }
}
