//! AWS GuardDuty findings: as EventBridge and exports to S3 write them, and as the API does with capital letters.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::{FindingStatus, Resource, report, set_resources};
use crate::address;
use crate::class::Severity;
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;

/// Where the columns come from, in AWS's own field names.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`updatedAt`, else `service.eventLastSeen` or `createdAt`"),
    (Col::ClassUid, "2004 Detection Finding"),
    (
        Col::ActivityId,
        "3 Close where `service.archived`; 2 Update where `updatedAt` is later than `createdAt`, else 1",
    ),
    (Col::SeverityId, "`severity`: below 4 Low, below 7 Medium, below 9 High, else Critical"),
    (Col::StatusId, "5 Archived where `service.archived`, else 1 New"),
    (Col::Message, "`title`"),
    (Col::MetadataUid, "`id`"),
    (Col::MetadataEventCode, "`type`"),
    (Col::MetadataLogVersion, "`schemaVersion`"),
    (Col::MetadataProductName, "`GuardDuty`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::MetadataProductFeatureName, "`service.featureName`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::CloudAccountUid, "`accountId`"),
    (Col::CloudRegion, "`region`"),
    (
        Col::ApiOperation,
        "`service.action.awsApiCallAction.api`, `service.action.kubernetesApiCallAction.verb`",
    ),
    (Col::ApiServiceName, "`service.action.awsApiCallAction.serviceName`"),
    (Col::ApiResponseError, "`service.action.awsApiCallAction.errorCode`"),
    (
        Col::ActorUserName,
        "`resource.accessKeyDetails.userName`, else `resource.kubernetesDetails.kubernetesUserDetails.username`",
    ),
    (Col::ActorUserUid, "`resource.kubernetesDetails.kubernetesUserDetails.uid`"),
    (Col::ActorUserUidAlt, "`resource.accessKeyDetails.principalId`"),
    (Col::ActorUserType, "`resource.accessKeyDetails.userType`"),
    (Col::ActorUserCredentialUid, "`resource.accessKeyDetails.accessKeyId`"),
    (Col::SrcEndpointIp, "`ipAddressV4` of the action's `remoteIpDetails`"),
    (Col::SrcEndpointPort, "the action's `remotePortDetails.port`"),
    (Col::SrcEndpointName, "the same where it is no address"),
    (Col::SrcEndpointDomain, "the action's `domainDetails.domain`, `dnsRequestAction.domain`"),
    (Col::SrcEndpointLocationCity, "`remoteIpDetails.city.cityName`"),
    (Col::SrcEndpointAsn, "`remoteIpDetails.organization.asn`"),
    (Col::Resources, "`resource`, by its `resourceType`"),
    (Col::ResourceUid, "the first resource's ARN or id"),
    (Col::ResourceName, "its name"),
    (Col::ResourceType, "`resource.resourceType`"),
    (Col::FindingInfoUid, "`id`"),
    (Col::FindingInfoTitle, "`title`"),
    (Col::FindingInfoDesc, "`description`"),
    (Col::FindingInfoTypes, "`type`"),
    (Col::FindingInfoFirstSeenTime, "`service.eventFirstSeen`"),
    (Col::FindingInfoLastSeenTime, "`service.eventLastSeen`"),
    (Col::FindingInfoCreatedTime, "`createdAt`"),
    (Col::FindingInfoModifiedTime, "`updatedAt`"),
    (Col::FindingInfoProductUid, "`service.detectorId`"),
    (Col::FindingInfoRelatedEventsCount, "`service.count`"),
    (Col::ConfidenceScore, "`confidence`"),
    (Col::IsAlert, "whether it is not archived"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when the finding was reported.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    let (created, updated) = (fields.peek("createdAt"), fields.peek("updatedAt"));
    let nested = fields.nested(&["service"]);
    let mut service = nested.fields();
    service.put_moment(row, Col::FindingInfoFirstSeenTime, &["eventFirstSeen"]);
    let last_seen = service.value("eventLastSeen");
    service.put_moment(row, Col::FindingInfoLastSeenTime, &["eventLastSeen"]);
    if updated.is_none()
        && created.is_none()
        && let Some(value) = last_seen
    {
        row.time(Col::Time, crate::time::of_value(&value)?);
        row.text_if(Col::MetadataOriginalTime, value.text());
    } else {
        map_time(&mut fields, row)?;
    }
    let is_archived = service.flag("archived") == Some(true);
    let status = if is_archived { FindingStatus::Archived } else { FindingStatus::New };
    report(status, updated.is_some() && updated != created, severity(&mut fields), row);
    let kind = fields.text("type").unwrap_or_default();
    row.text_if(Col::MetadataEventCode, Some(&kind));
    row.texts(Col::FindingInfoTypes, &[&kind]);
    let id = fields.text("id");
    row.text_if(Col::MetadataUid, id.as_deref());
    row.text(Col::FindingInfoUid, id.as_deref().unwrap_or(&kind));
    let title = fields.text("title");
    row.text_if(Col::Message, title.as_deref());
    row.text_if(Col::FindingInfoTitle, title);
    fields.put(row, Col::FindingInfoDesc, &["description"]);
    fields.put(row, Col::CloudAccountUid, &["accountId"]);
    fields.put(row, Col::CloudRegion, &["region"]);
    fields.put(row, Col::MetadataLogVersion, &["schemaVersion"]);
    if let Some(score) = fields.number("confidence") {
        row.int(Col::ConfidenceScore, score as i32);
    }
    service.put(row, Col::FindingInfoProductUid, &["detectorId"]);
    service.put(row, Col::MetadataProductFeatureName, &["featureName"]);
    service.put_int(row, Col::FindingInfoRelatedEventsCount, "count");
    map_action(&mut service, row);
    service.keep(row);
    map_resource(&mut fields, row);
    row.text(Col::MetadataProductName, "GuardDuty");
    row.text(Col::MetadataProductVendorName, "AWS");
    fields.keep(row);
    Ok(match (id, updated) {
        (Some(id), Some(updated)) => {
            EventKey::from_parts(LogType::AwsGuardduty, &[id.as_bytes(), updated.as_bytes()])
        }
        _ => EventKey::from_content(LogType::AwsGuardduty, record.raw().as_bytes()),
    })
}

/// A finding happens when it is reported: made first, then changed.
fn map_time(fields: &mut Fields<'_>, row: &mut Row<'_>) -> Result<i64, MapError> {
    for (col, name) in
        [(Col::FindingInfoCreatedTime, "createdAt"), (Col::FindingInfoModifiedTime, "updatedAt")]
    {
        if let Some(Ok(micros)) = fields.value(name).map(|value| crate::time::of_value(&value)) {
            row.time(col, micros);
        }
    }
    let micros = fields.put_time(row, &["updatedAt", "createdAt"])?;
    if row.has(Col::FindingInfoCreatedTime) {
        fields.forget("createdAt");
    }
    Ok(micros)
}

/// "Severity levels of GuardDuty findings".
fn severity(fields: &mut Fields<'_>) -> Severity {
    match fields.number("severity") {
        Some(number) if number >= 9.0 => Severity::Critical,
        Some(number) if number >= 7.0 => Severity::High,
        Some(number) if number >= 4.0 => Severity::Medium,
        Some(_) => Severity::Low,
        None => Severity::Informational,
    }
}

/// What was done: an API call, a connection, a port probe, a DNS request, a sign-in to a database.
fn map_action(service: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = service.nested(&["action"]);
    let mut action = nested.fields();
    for name in [
        "awsApiCallAction",
        "kubernetesApiCallAction",
        "networkConnectionAction",
        "portProbeAction",
        "dnsRequestAction",
        "rdsLoginAttemptAction",
    ] {
        let nested = action.nested(&[name]);
        let mut details = nested.fields();
        details.put(row, Col::ApiOperation, &["api", "verb"]);
        details.put(row, Col::ApiServiceName, &["serviceName"]);
        details.put(row, Col::ApiResponseError, &["errorCode"]);
        details.put(row, Col::SrcEndpointDomain, &["domain"]);
        let nested = details.nested(&["domainDetails"]);
        let mut domain = nested.fields();
        domain.put(row, Col::SrcEndpointDomain, &["domain"]);
        domain.keep(row);
        let probes = details.value("portProbeDetails").and_then(|list| list.as_array()?.next()?.as_object());
        if let Some(probe) = probes {
            map_remote(&mut Fields::of(probe, ""), row);
        }
        map_remote(&mut details, row);
        details.keep(row);
    }
    action.keep(row);
}

fn map_remote(details: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = details.nested(&["remoteIpDetails"]);
    let mut remote = nested.fields();
    if !row.has(Col::SrcEndpointIp)
        && let Some(address) = remote.text("ipAddressV4")
    {
        address::put(&address, row);
    }
    let city = remote.nested(&["city"]);
    let mut city = city.fields();
    city.put(row, Col::SrcEndpointLocationCity, &["cityName"]);
    city.keep(row);
    let network = remote.nested(&["organization"]);
    let mut network = network.fields();
    if let Some(number) = network.peek("asn").and_then(|text| text.parse::<i64>().ok())
        && number > 0
        && !row.has(Col::SrcEndpointAsn)
    {
        row.long(Col::SrcEndpointAsn, number);
        network.forget("asn");
    }
    network.keep(row);
    remote.keep(row);
    let nested = details.nested(&["remotePortDetails"]);
    let mut port = nested.fields();
    port.put_int(row, Col::SrcEndpointPort, "port");
    port.keep(row);
}

/// What was concerned. The details of each kind stay under `unmapped`.
fn map_resource(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["resource"]);
    let mut resource = nested.fields();
    let kind = resource.text("resourceType").map(Cow::into_owned);
    let key = resource.nested(&["accessKeyDetails"]);
    let mut key = key.fields();
    key.put(row, Col::ActorUserName, &["userName"]);
    key.put(row, Col::ActorUserUidAlt, &["principalId"]);
    key.put(row, Col::ActorUserType, &["userType"]);
    key.put(row, Col::ActorUserCredentialUid, &["accessKeyId"]);
    key.keep(row);
    let kubernetes = resource.nested(&["kubernetesDetails"]);
    let mut kubernetes = kubernetes.fields();
    let user = kubernetes.nested(&["kubernetesUserDetails"]);
    let mut user = user.fields();
    user.put(row, Col::ActorUserName, &["username"]);
    user.put(row, Col::ActorUserUid, &["uid"]);
    user.keep(row);
    kubernetes.keep(row);
    let mut resources = Vec::new();
    for (details, uid, name) in [
        ("instanceDetails", "instanceId", ""),
        ("eksClusterDetails", "arn", "name"),
        ("ecsClusterDetails", "arn", "name"),
        ("lambdaDetails", "functionArn", "functionName"),
        ("rdsDbInstanceDetails", "dbInstanceArn", "dbInstanceIdentifier"),
        ("s3BucketDetails", "arn", "name"),
        ("containerDetails", "id", "name"),
    ] {
        let Some(value) = resource.value(details) else { continue };
        let first = value.as_array().and_then(|mut list| list.next()).unwrap_or(value);
        let Some(object) = first.as_object() else { continue };
        let member = Fields::of(object, "");
        resources.push(Resource {
            uid: member.peek(uid).map(Cow::into_owned),
            name: member.peek(name).filter(|_| !name.is_empty()).map(Cow::into_owned),
            kind: kind.clone(),
        });
    }
    set_resources(&resources, row);
    row.text_if(Col::ResourceType, kind);
    resource.keep(row);
}

#[cfg(test)]
mod tests {
    use event::{Col, LogType};

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::AwsGuardduty, "guardduty");
    }

    #[test]
    fn a_changed_finding_is_another_event() {
        let finding = |updated: &str| {
            format!(
                r#"{{"schemaVersion":"2.0","id":"f","type":"Recon:EC2/Portscan","service":{{"serviceName":"guardduty","detectorId":"d"}},
                "severity":8,"createdAt":"2026-05-01T10:00:00Z","updatedAt":"{updated}"}}"#
            )
        };
        let records = [finding("2026-05-01T10:00:00Z"), finding("2026-05-01T11:00:00Z")];
        let events = sample::map(&records).events;
        assert_ne!(events.str_at(Col::EventUid, 0), events.str_at(Col::EventUid, 1));
        assert_eq!(events.str_at(Col::FindingInfoUid, 0), events.str_at(Col::FindingInfoUid, 1));
        assert_eq!(events.str_at(Col::ActivityName, 0), Some("Create"));
        assert_eq!(events.str_at(Col::ActivityName, 1), Some("Update"));
        assert_eq!(events.str_at(Col::Severity, 1), Some("High"));
    }

    #[test]
    fn the_corpus_maps() {
        corpus::check_folder(LogType::AwsGuardduty, "sekoia/aws_guardduty", 0.0);
        corpus::check_folder(LogType::AwsGuardduty, "expected/panther/AWS.GuardDuty.jsonl", 0.0);
    }
}
