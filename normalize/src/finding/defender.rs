//! Alerts of Microsoft Defender XDR and its siblings, as Microsoft Graph's `security/alerts_v2` gives them.

use event::{Col, EventKey, LogType};

use super::{FindingStatus, History, put_evidences, report, severity_of};
use crate::address;
use crate::email;
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::{Row, UNKNOWN};

/// Where the columns come from, in Microsoft's own field names.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`lastUpdateDateTime`, else `createdDateTime`"),
    (Col::ClassUid, "2004 Detection Finding"),
    (
        Col::ActivityId,
        "3 Close where resolved; 2 Update where `lastUpdateDateTime` is later than `createdDateTime`, else 1",
    ),
    (Col::SeverityId, "`severity`"),
    (Col::StatusId, "`status`: new 1, inProgress 2, resolved 4"),
    (Col::StatusCode, "`status`"),
    (Col::Message, "`title`"),
    (Col::MetadataUid, "`id`"),
    (Col::MetadataEventCode, "`category`"),
    (Col::MetadataProductName, "`productName`, else `serviceSource`"),
    (Col::MetadataProductVendorName, "`Microsoft`"),
    (Col::MetadataProductFeatureName, "`detectionSource`"),
    (Col::MetadataCorrelationUid, "`incidentId`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::MetadataTenantUid, "`tenantId`"),
    (Col::CloudOrgUid, "`tenantId`"),
    (Col::ActorUserName, "`evidence[].userAccount.userPrincipalName` of the first user, else `accountName`"),
    (Col::ActorUserUid, "`evidence[].userAccount.azureAdUserId`"),
    (Col::ActorUserUidAlt, "`evidence[].userAccount.userSid`"),
    (Col::ActorUserEmailAddr, "`evidence[].userAccount.userPrincipalName` where it is an address"),
    (Col::SrcEndpointIp, "`evidence[].ipAddress` of the first address"),
    (Col::SrcEndpointPort, "the port in it"),
    (Col::SrcEndpointName, "`evidence[].deviceDnsName` of the first device"),
    (Col::SrcEndpointUid, "its `mdeDeviceId`"),
    (Col::SrcEndpointLocationCountry, "`evidence[].countryLetterCode`"),
    (Col::FindingInfoUid, "`id`"),
    (Col::FindingInfoTitle, "`title`"),
    (Col::FindingInfoDesc, "`description`"),
    (Col::FindingInfoTypes, "`category`"),
    (Col::FindingInfoFirstSeenTime, "`firstActivityDateTime`"),
    (Col::FindingInfoLastSeenTime, "`lastActivityDateTime`"),
    (Col::FindingInfoCreatedTime, "`createdDateTime`"),
    (Col::FindingInfoModifiedTime, "`lastUpdateDateTime`"),
    (Col::FindingInfoSrcUrl, "`alertWebUrl`"),
    (Col::FindingInfoProductUid, "`serviceSource`"),
    (Col::FindingInfoAnalyticUid, "`detectorId`"),
    (Col::FindingInfoAnalyticTypeId, "0 Unknown"),
    (Col::FindingInfoAttacks, "`mitreTechniques`"),
    (Col::Verdict, "`classification`"),
    (Col::VerdictId, "`classification`: truePositive 2, falsePositive 1, informationalExpectedActivity 5"),
    (Col::IsAlert, "whether it is not resolved"),
    (Col::Evidences, "`evidence`, each as `data`"),
    (Col::RemediationDesc, "`recommendedActions`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when the alert was made.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    let history = History::of(&fields, "createdDateTime", &["lastUpdateDateTime"]);
    let update = fields.peek("lastUpdateDateTime");
    fields.put_time(row, &["lastUpdateDateTime", "createdDateTime"])?;
    history.put(&mut fields, row);
    fields.put_moment(row, Col::FindingInfoFirstSeenTime, &["firstActivityDateTime"]);
    fields.put_moment(row, Col::FindingInfoLastSeenTime, &["lastActivityDateTime"]);
    let state = fields.text("status").unwrap_or_default();
    row.text_if(Col::StatusCode, Some(&state));
    let status = match state.as_ref() {
        "new" => FindingStatus::New,
        "inProgress" => FindingStatus::InProgress,
        "resolved" => FindingStatus::Resolved,
        _ => FindingStatus::Unknown,
    };
    let severity = severity_of(&fields.peek("severity").unwrap_or_default());
    report(status, history.is_changed(), severity, row);
    let id = fields.text("id");
    row.text_if(Col::MetadataUid, id.as_deref());
    row.text(Col::FindingInfoUid, id.as_deref().unwrap_or(UNKNOWN));
    map_info(&mut fields, row);
    map_verdict(&mut fields, row);
    map_attacks(&mut fields, row);
    map_evidence(&mut fields, row);
    fields.keep(row);
    Ok(match (id, update) {
        (Some(id), Some(update)) => {
            EventKey::from_parts(LogType::MicrosoftDefender, &[id.as_bytes(), update.as_bytes()])
        }
        _ => EventKey::from_content(LogType::MicrosoftDefender, record.raw().as_bytes()),
    })
}

fn map_info(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let title = fields.text("title");
    row.text_if(Col::Message, title.as_deref());
    row.text_if(Col::FindingInfoTitle, title);
    fields.put(row, Col::FindingInfoDesc, &["description"]);
    fields.put(row, Col::FindingInfoSrcUrl, &["alertWebUrl"]);
    fields.put(row, Col::FindingInfoAnalyticUid, &["detectorId"]);
    if row.has(Col::FindingInfoAnalyticUid) {
        row.int(Col::FindingInfoAnalyticTypeId, 0);
    }
    fields.put(row, Col::RemediationDesc, &["recommendedActions"]);
    if let Some(category) = fields.text("category") {
        row.texts(Col::FindingInfoTypes, &[&category]);
        row.text(Col::MetadataEventCode, &category);
    }
    if let Some(tenant) = fields.text("tenantId") {
        row.text(Col::MetadataTenantUid, &tenant);
        row.text(Col::CloudOrgUid, &tenant);
    }
    let source = fields.text("serviceSource");
    row.text_if(Col::FindingInfoProductUid, source.as_deref());
    fields.put(row, Col::MetadataProductName, &["productName"]);
    row.text_if(Col::MetadataProductName, source);
    row.text(Col::MetadataProductName, "Microsoft Defender XDR");
    row.text(Col::MetadataProductVendorName, "Microsoft");
    fields.put(row, Col::MetadataProductFeatureName, &["detectionSource"]);
    fields.put(row, Col::MetadataCorrelationUid, &["incidentId"]);
}

fn map_verdict(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let Some(word) = fields.text("classification") else { return };
    row.int(
        Col::VerdictId,
        match word.as_ref() {
            "truePositive" => 2,
            "falsePositive" => 1,
            "informationalExpectedActivity" => 5,
            "unknown" => 0,
            _ => 99,
        },
    );
    row.text(Col::Verdict, &word);
}

/// Techniques by their ids; the part after the point is the sub-technique.
fn map_attacks(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["mitreTechniques"]);
    let ids = nested.texts();
    if ids.is_empty() {
        return;
    }
    row.json(Col::FindingInfoAttacks, |json| {
        json.begin_array();
        for id in ids {
            json.item();
            json.begin_object();
            let technique = id.split('.').next().unwrap_or(&id);
            let sub_technique = id.contains('.').then_some(id.as_ref());
            for (key, uid) in [("technique", Some(technique)), ("sub_technique", sub_technique)] {
                if let Some(uid) = uid {
                    json.key(key);
                    json.begin_object();
                    json.text_member("uid", uid);
                    json.end_object();
                }
            }
            json.end_object();
        }
        json.end_array();
    });
}

/// The first user, address and device among the evidence, and all of it.
fn map_evidence(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["evidence"]);
    let objects = nested.objects();
    if objects.is_empty() {
        return;
    }
    for evidence in &objects {
        let text = |path: &[&str]| evidence.at(path).and_then(|value| value.filled_text());
        let name =
            text(&["userAccount", "userPrincipalName"]).or_else(|| text(&["userAccount", "accountName"]));
        if let Some(name) = name.filter(|_| !row.has(Col::ActorUserName)) {
            row.text(Col::ActorUserName, &name);
            row.text_if(Col::ActorUserEmailAddr, email::of_principal(Some(&name)));
            row.text_if(Col::ActorUserUid, text(&["userAccount", "azureAdUserId"]));
            row.text_if(Col::ActorUserUidAlt, text(&["userAccount", "userSid"]));
        }
        if let Some(ip) = text(&["ipAddress"]).filter(|_| !row.has(Col::SrcEndpointIp)) {
            address::put(&ip, row);
            row.text_if(Col::SrcEndpointLocationCountry, text(&["countryLetterCode"]));
        }
        if !row.has(Col::SrcEndpointUid) {
            row.text_if(Col::SrcEndpointUid, text(&["mdeDeviceId"]));
            row.text_if(Col::SrcEndpointName, text(&["deviceDnsName"]));
        }
    }
    put_evidences(&objects, row);
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use crate::sample;

    #[test]
    fn samples() {
        sample::check(LogType::MicrosoftDefender, "defender");
    }
}
