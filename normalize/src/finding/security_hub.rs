//! AWS Security Hub findings in the AWS Security Finding Format (ASFF).
//!
//! EventBridge wraps an imported finding in `detail.findings`, a list of one; a custom action can send several. A
//! row tells the first, and the others are kept as they are.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::{FindingStatus, Resource, report, set_resources, severity_of};
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;
use crate::time;

/// Where the columns come from, in AWS's own field names.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`UpdatedAt`, else `LastObservedAt` or `CreatedAt`"),
    (Col::ClassUid, "2004 Detection Finding"),
    (
        Col::ActivityId,
        "3 Close where archived, resolved or suppressed; 2 Update where `UpdatedAt` is later than `CreatedAt`, else 1",
    ),
    (Col::SeverityId, "`Severity.Label`, else `FindingProviderFields.Severity.Label`"),
    (
        Col::StatusId,
        "`RecordState` ARCHIVED 5, else `Workflow.Status`: NEW 1, NOTIFIED 2, SUPPRESSED 3, RESOLVED 4",
    ),
    (Col::StatusCode, "`Compliance.Status`"),
    (Col::Message, "`Title`"),
    (Col::MetadataUid, "`Id`"),
    (Col::MetadataLogVersion, "`SchemaVersion`"),
    (Col::MetadataProductName, "`ProductName`, else `Security Hub`"),
    (Col::MetadataProductVendorName, "`CompanyName`, else `AWS`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::CloudAccountUid, "`AwsAccountId`"),
    (Col::CloudAccountName, "`AwsAccountName`"),
    (Col::CloudRegion, "`Region`"),
    (Col::ApiOperation, "`Action.AwsApiCallAction.Api`"),
    (Col::ApiServiceName, "`Action.AwsApiCallAction.ServiceName`"),
    (Col::SrcEndpointIp, "`Network.SourceIpV4`, else `IpAddressV4` of the action's `RemoteIpDetails`"),
    (Col::SrcEndpointPort, "`Network.SourcePort`"),
    (Col::SrcEndpointName, "as `src_endpoint_ip`, where it is no address"),
    (Col::SrcEndpointDomain, "`Network.SourceDomain`"),
    (Col::Resources, "`Resources`"),
    (Col::ResourceUid, "`Resources[0].Id`"),
    (Col::ResourceType, "`Resources[0].Type`"),
    (Col::FindingInfoUid, "`Id`"),
    (Col::FindingInfoTitle, "`Title`"),
    (Col::FindingInfoDesc, "`Description`"),
    (Col::FindingInfoTypes, "`Types`, else `FindingProviderFields.Types`"),
    (Col::FindingInfoFirstSeenTime, "`FirstObservedAt`"),
    (Col::FindingInfoLastSeenTime, "`LastObservedAt`"),
    (Col::FindingInfoCreatedTime, "`CreatedAt`"),
    (Col::FindingInfoModifiedTime, "`UpdatedAt`"),
    (Col::FindingInfoSrcUrl, "`SourceUrl`"),
    (Col::FindingInfoProductUid, "`ProductArn`"),
    (Col::FindingInfoAnalyticUid, "`GeneratorId`"),
    (Col::FindingInfoAnalyticTypeId, "1 Rule"),
    (Col::ConfidenceScore, "`Confidence`"),
    (Col::RiskScore, "`Criticality`"),
    (Col::Verdict, "`VerificationState`"),
    (Col::VerdictId, "`VerificationState`: TRUE_POSITIVE 2, FALSE_POSITIVE 1, BENIGN_POSITIVE 5"),
    (Col::IsAlert, "whether it is still open"),
    (Col::RemediationDesc, "`Remediation.Recommendation.Text`"),
    (Col::RemediationReferences, "`Remediation.Recommendation.Url`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when the finding was reported.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let list = record.get("findings").and_then(|list| list.as_array());
    let Some(list) = list else { return map_finding(*record, *record, row) };
    let mut findings = list.filter_map(|finding| finding.as_object());
    let first = findings.next().unwrap_or(*record);
    for member in record.members().filter(|member| member.key != "findings") {
        row.keep("", &member);
    }
    let rest: Vec<_> = findings.collect();
    if !rest.is_empty() {
        row.keep_objects("findings", &rest);
    }
    map_finding(first, *record, row)
}

fn map_finding(finding: Object<'_>, record: Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(finding, "");
    let (created, updated) = (fields.peek("createdAt"), fields.peek("updatedAt"));
    for (col, name) in
        [(Col::FindingInfoCreatedTime, "createdAt"), (Col::FindingInfoModifiedTime, "updatedAt")]
    {
        if let Some(Ok(micros)) = fields.value(name).map(|value| time::of_value(&value)) {
            row.time(col, micros);
        }
    }
    if let Some(Ok(micros)) = fields.value("lastObservedAt").map(|value| time::of_value(&value)) {
        row.time(Col::FindingInfoLastSeenTime, micros);
    }
    fields.put_time(row, &["updatedAt", "lastObservedAt", "createdAt"])?;
    if row.has(Col::FindingInfoCreatedTime) {
        fields.forget("createdAt");
    }
    if row.has(Col::FindingInfoLastSeenTime) {
        fields.forget("lastObservedAt");
    }
    fields.put_moment(row, Col::FindingInfoFirstSeenTime, &["firstObservedAt"]);
    let provider = fields.nested(&["findingProviderFields"]);
    let mut provider = provider.fields();
    let status = status(&mut fields);
    let severity = severity_of(&label(&fields, &provider));
    report(status, updated.is_some() && updated != created, severity, row);
    fields.put_json(row, Col::FindingInfoTypes, "types");
    provider.put_json(row, Col::FindingInfoTypes, "types");
    provider.keep(row);
    map_info(&mut fields, row);
    let id = fields.text("id");
    row.text_if(Col::MetadataUid, id.as_deref());
    row.text(Col::FindingInfoUid, id.as_deref().unwrap_or(crate::row::UNKNOWN));
    map_verdict(&mut fields, row);
    map_remediation(&mut fields, row);
    map_source(&mut fields, row);
    map_resources(&mut fields, row);
    fields.keep(row);
    Ok(match (id, updated) {
        (Some(id), Some(updated)) => {
            EventKey::from_parts(LogType::AwsSecurityHub, &[id.as_bytes(), updated.as_bytes()])
        }
        _ => EventKey::from_content(LogType::AwsSecurityHub, record.raw().as_bytes()),
    })
}

fn status(fields: &mut Fields<'_>) -> FindingStatus {
    let workflow = fields.value("workflow").and_then(|workflow| workflow.as_object()?.get("Status")?.text());
    match (fields.peek("recordState").as_deref(), workflow.as_deref()) {
        (Some("ARCHIVED"), _) => FindingStatus::Archived,
        (_, Some("NEW")) | (Some("ACTIVE"), None) => FindingStatus::New,
        (_, Some("NOTIFIED")) => FindingStatus::InProgress,
        (_, Some("SUPPRESSED")) => FindingStatus::Suppressed,
        (_, Some("RESOLVED")) => FindingStatus::Resolved,
        _ => FindingStatus::Unknown,
    }
}

/// The label as customers may have changed it, else the product's. The other members of the severity stay.
fn label(fields: &Fields<'_>, provider: &Fields<'_>) -> String {
    let of = |from: &Fields<'_>| {
        let severity = from.value("severity")?.as_object()?;
        Fields::of(severity, "").peek("label").map(Cow::into_owned)
    };
    of(fields).or_else(|| of(provider)).unwrap_or_default()
}

fn map_info(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let title = fields.text("title");
    row.text_if(Col::Message, title.as_deref());
    row.text_if(Col::FindingInfoTitle, title);
    fields.put(row, Col::FindingInfoDesc, &["description"]);
    fields.put(row, Col::FindingInfoSrcUrl, &["sourceUrl"]);
    fields.put(row, Col::FindingInfoProductUid, &["productArn"]);
    fields.put(row, Col::FindingInfoAnalyticUid, &["generatorId"]);
    if row.has(Col::FindingInfoAnalyticUid) {
        row.int(Col::FindingInfoAnalyticTypeId, 1);
    }
    fields.put_int(row, Col::ConfidenceScore, "confidence");
    fields.put_int(row, Col::RiskScore, "criticality");
    fields.put(row, Col::CloudAccountUid, &["awsAccountId"]);
    fields.put(row, Col::CloudAccountName, &["awsAccountName"]);
    fields.put(row, Col::CloudRegion, &["region"]);
    fields.put(row, Col::MetadataLogVersion, &["schemaVersion"]);
    fields.put(row, Col::MetadataProductName, &["productName"]);
    row.text(Col::MetadataProductName, "Security Hub");
    fields.put(row, Col::MetadataProductVendorName, &["companyName"]);
    row.text(Col::MetadataProductVendorName, "AWS");
    let compliance = fields.value("compliance").and_then(|value| value.as_object()?.get("Status")?.text());
    row.text_if(Col::StatusCode, compliance);
}

fn map_verdict(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let Some(state) = fields.text("verificationState") else { return };
    row.int(
        Col::VerdictId,
        match state.as_ref() {
            "TRUE_POSITIVE" => 2,
            "FALSE_POSITIVE" => 1,
            "BENIGN_POSITIVE" => 5,
            "UNKNOWN" => 0,
            _ => 99,
        },
    );
    row.text(Col::Verdict, &state);
}

fn map_remediation(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["remediation"]);
    let mut remediation = nested.fields();
    let nested = remediation.nested(&["recommendation"]);
    let mut advice = nested.fields();
    let url = advice.text("url");
    advice.put(row, Col::RemediationDesc, &["text"]);
    if let Some(url) = url {
        row.text(Col::RemediationDesc, &url);
        row.texts(Col::RemediationReferences, &[&url]);
    }
    advice.keep(row);
    remediation.keep(row);
}

fn map_source(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["network"]);
    let mut network = nested.fields();
    if let Some(address) = network.first(&["sourceIpV4", "sourceIpV6"]) {
        crate::address::put(&address, row);
    }
    network.put_int(row, Col::SrcEndpointPort, "sourcePort");
    network.put(row, Col::SrcEndpointDomain, &["sourceDomain"]);
    network.keep(row);
    let nested = fields.nested(&["action"]);
    let mut action = nested.fields();
    let nested = action.nested(&["awsApiCallAction"]);
    let mut call = nested.fields();
    call.put(row, Col::ApiOperation, &["api"]);
    // A service alone is no call.
    if row.has(Col::ApiOperation) {
        call.put(row, Col::ApiServiceName, &["serviceName"]);
    }
    let nested = call.nested(&["remoteIpDetails"]);
    let mut remote = nested.fields();
    if !row.has(Col::SrcEndpointIp)
        && let Some(address) = remote.text("ipAddressV4")
    {
        crate::address::put(&address, row);
    }
    remote.keep(row);
    call.keep(row);
    action.keep(row);
}

/// Ids and types of the resources; their details stay under `unmapped`.
fn map_resources(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let list = fields.value("resources").and_then(|list| list.as_array());
    let mut resources = Vec::new();
    for object in list.into_iter().flatten().filter_map(|resource| resource.as_object()) {
        let member = |key: &str| object.get(key).and_then(|value| value.filled_text()).map(Cow::into_owned);
        resources.push(Resource { uid: member("Id"), name: None, kind: member("Type") });
    }
    set_resources(&resources, row);
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::AwsSecurityHub, "security_hub");
    }

    #[test]
    fn the_corpus_maps() {
        let table = "expected/panther/AWS.SecurityFindingFormat.jsonl";
        corpus::check_folder(LogType::AwsSecurityHub, table, 0.0);
        corpus::check_folder(
            LogType::AwsSecurityHub,
            "ocsf/security_lake_validation/1.0.0-rc.2/SH_FINDINGS",
            0.0,
        );
    }
}
