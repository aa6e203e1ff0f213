//! What Entra holds to be dangerous: risks that ID Protection detected, users and service principals at risk,
//! and alerts of Privileged Identity Management.
//!
//! Three records of Microsoft Graph, which diagnostic settings put under `properties` and Log Analytics spells
//! as columns: `riskDetection` (and `servicePrincipalRiskDetection`,
//! <https://learn.microsoft.com/en-us/graph/api/resources/riskdetection>), `riskyUser`
//! (<https://learn.microsoft.com/en-us/graph/api/resources/riskyuser>), and `unifiedRoleManagementAlert` with
//! its incidents (<https://learn.microsoft.com/en-us/graph/api/resources/unifiedrolemanagementalert>, beta). The
//! incidents have no time of their own, so they are read with the alert that holds them.

use event::{Col, EventKey, LogType};

use super::{FindingStatus, History, put_evidences, report, severity_of};
use crate::address;
use crate::azure::diagnostic::Diagnostic;
use crate::azure::{device, tenant};
use crate::class::Severity;
use crate::email;
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::{Row, UNKNOWN};

/// Where the columns come from, in Microsoft's own field names.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (
        Col::Time,
        "`lastUpdatedDateTime`, else `riskLastUpdatedDateTime`, `lastModifiedDateTime`, `detectedDateTime`, `activityDateTime`, `lastScannedDateTime`, hub `time`, row `TimeGenerated`",
    ),
    (Col::ClassUid, "2004 Detection Finding"),
    (
        Col::ActivityId,
        "3 Close where nothing is at risk any more; 2 Update where it changed after it was detected, else 1",
    ),
    (Col::SeverityId, "`riskLevel`, else `alertDefinition.severityLevel`"),
    (
        Col::StatusId,
        "`riskState`: atRisk and confirmedCompromised 1, remediated 4, dismissed and confirmedSafe 3; `isActive`: true 1, false 4",
    ),
    (Col::StatusCode, "`riskState`, else `isActive`"),
    (Col::StatusDetail, "`riskDetail` unless it is `none`"),
    (Col::Message, "as `finding_info_title`; not of PIM"),
    (Col::MetadataUid, "`id`"),
    (
        Col::MetadataEventCode,
        "`riskEventType`, else `riskType`; of PIM the type of the first of `alertIncidents`, else by `alertDefinitionId`",
    ),
    (Col::MetadataLogName, "hub and row `category`"),
    (Col::MetadataLogProvider, "the provider in hub and row `resourceId`"),
    (
        Col::MetadataProductName,
        "`Microsoft Entra ID Protection`, `Microsoft Entra Privileged Identity Management`",
    ),
    (Col::MetadataProductVendorName, "`Microsoft`"),
    (Col::MetadataCorrelationUid, "`correlationId`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::MetadataTenantUid, "as of sign-ins; of PIM the tenant in `alertDefinitionId`"),
    (Col::CloudOrgUid, "as `metadata_tenant_uid`"),
    (
        Col::ActorUserName,
        "`userPrincipalName`, else `userDisplayName`; `servicePrincipalDisplayName`, else `displayName`; of PIM `assigneeUserPrincipalName` of the first incident",
    ),
    (
        Col::ActorUserUid,
        "`userId`, else `servicePrincipalId`, of a risky user or service principal `id`; of PIM `assigneeId` of the first incident",
    ),
    (Col::ActorUserEmailAddr, "`actor_user_name` where it is an address"),
    (Col::ActorUserType, "`servicePrincipal` of a service principal"),
    (Col::ActorAppUid, "`appId`"),
    (Col::SrcEndpointIp, "`ipAddress`, else hub `callerIpAddress`"),
    (Col::SrcEndpointPort, "the port behind the address"),
    (Col::SrcEndpointName, "what stands in the address's place"),
    (Col::SrcEndpointLocationCountry, "`location.countryOrRegion`, else hub and row `location`"),
    (Col::SrcEndpointLocationRegion, "`location.state`"),
    (Col::SrcEndpointLocationCity, "`location.city`"),
    (Col::SrcEndpointLocationLat, "`location.geoCoordinates.latitude`, unless both are 0"),
    (Col::SrcEndpointLocationLong, "`location.geoCoordinates.longitude`, unless both are 0"),
    (Col::RiskLevel, "`riskLevel`, else `alertDefinition.severityLevel`"),
    (Col::FindingInfoUid, "`id`"),
    (
        Col::FindingInfoTitle,
        "`alertDefinition.displayName`, else `metadata_event_code`; `riskyUser`, `riskyServicePrincipal`",
    ),
    (Col::FindingInfoDesc, "`alertDefinition.description`"),
    (
        Col::FindingInfoTypes,
        "`metadata_event_code`; of PIM the types of `alertIncidents`, of `alertConfiguration`, and by `alertDefinitionId`",
    ),
    (Col::FindingInfoFirstSeenTime, "`activityDateTime`"),
    (Col::FindingInfoCreatedTime, "`detectedDateTime`"),
    (Col::FindingInfoModifiedTime, "as `time`, where it says when the record changed"),
    (Col::FindingInfoProductUid, "`source`"),
    (Col::FindingInfoAnalyticUid, "`alertDefinitionId`"),
    (Col::FindingInfoAnalyticTypeId, "0 Unknown"),
    (Col::Verdict, "`riskState` where it is a judgement"),
    (Col::VerdictId, "confirmedSafe 1, confirmedCompromised 2"),
    (Col::IsAlert, "whether something is at risk still"),
    (Col::Evidences, "`additionalInfo`, or `alertIncidents`, each as `data`"),
    (Col::RemediationDesc, "`alertDefinition.mitigationSteps`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut diagnostic = Diagnostic::of(*record);
    let mut fields = diagnostic.fields();
    let changed = ["lastUpdatedDateTime", "riskLastUpdatedDateTime", "lastModifiedDateTime"];
    let history = History::of(&fields, "detectedDateTime", &changed);
    let micros = fields.put_time(
        row,
        &[
            "lastUpdatedDateTime",
            "riskLastUpdatedDateTime",
            "lastModifiedDateTime",
            "detectedDateTime",
            "activityDateTime",
            "lastScannedDateTime",
            "time",
            "timeGenerated",
        ],
    )?;
    history.put(&mut fields, row);
    fields.put_moment(row, Col::FindingInfoFirstSeenTime, &["activityDateTime"]);
    tenant::map(&mut fields, row);
    row.text(Col::MetadataProductVendorName, "Microsoft");
    let id = fields.peek("id").map(|id| id.into_owned());
    let state = if fields.has("alertDefinitionId") {
        map_role_alert(&mut fields, row)
    } else {
        map_risk(&mut fields, history.is_changed(), row)
    };
    fields.put(row, Col::MetadataUid, &["id"]);
    row.text(Col::FindingInfoUid, id.as_deref().unwrap_or(UNKNOWN));
    fields.put(row, Col::MetadataCorrelationUid, &["correlationId"]);
    fields.put(row, Col::MetadataLogName, &["category"]);
    fields.keep(row);
    // The same finding comes again when it changes; every shape has its id, state and time to the second.
    let second = micros.div_euclid(1_000_000).to_string();
    Ok(match id {
        Some(id) => {
            let id = id.to_ascii_lowercase();
            let parts = [id.as_bytes(), state.as_bytes(), second.as_bytes()];
            EventKey::from_parts(LogType::EntraRisk, &parts)
        }
        None => EventKey::from_content(LogType::EntraRisk, record.raw().as_bytes()),
    })
}

/// A risk that was detected, or somebody at risk; returns the state.
fn map_risk(fields: &mut Fields<'_>, is_changed: bool, row: &mut Row<'_>) -> String {
    row.text(Col::MetadataProductName, "Microsoft Entra ID Protection");
    let state = fields.text("riskState").unwrap_or_default().into_owned();
    row.text_if(Col::StatusCode, Some(&state));
    let status = match state.to_ascii_lowercase().as_str() {
        "atrisk" | "confirmedcompromised" => FindingStatus::New,
        "remediated" | "none" => FindingStatus::Resolved,
        "dismissed" | "confirmedsafe" => FindingStatus::Suppressed,
        _ => FindingStatus::Unknown,
    };
    let verdict = match state.to_ascii_lowercase().as_str() {
        "confirmedsafe" => Some(1),
        "confirmedcompromised" => Some(2),
        _ => None,
    };
    if let Some(verdict) = verdict {
        row.text(Col::Verdict, &state);
        row.int(Col::VerdictId, verdict);
    }
    // Tenants without the licence get `hidden`.
    let level = fields.text("riskLevel").unwrap_or_default();
    row.text_if(Col::RiskLevel, Some(&level));
    report(status, is_changed, severity_of(&level), row);
    if let Some(detail) = fields.peek("riskDetail").filter(|detail| !detail.eq_ignore_ascii_case("none")) {
        row.text(Col::StatusDetail, &detail);
        fields.forget_repeats(&["riskDetail"], &detail);
    }
    // `riskType` is the same in beta and in diagnostic settings, there often in its place.
    let kind = fields.first(&["riskEventType", "riskType"]).map(|kind| kind.into_owned());
    if let Some(kind) = &kind {
        row.text(Col::MetadataEventCode, kind);
        row.texts(Col::FindingInfoTypes, &[kind.as_str()]);
    }
    map_identity(fields, kind.is_none(), row);
    let title = match (&kind, row.has(Col::ActorUserType)) {
        (Some(kind), _) => kind.as_str(),
        (None, true) => "riskyServicePrincipal",
        (None, false) => "riskyUser",
    };
    row.text(Col::FindingInfoTitle, title);
    row.text(Col::Message, title);
    fields.put(row, Col::FindingInfoProductUid, &["source"]);
    if let Some(address) = fields.first(&["ipAddress", "callerIpAddress"]) {
        address::put(&address, row);
    }
    device::map(fields, row);
    let nested = fields.nested(&["additionalInfo"]);
    match nested.objects().as_slice() {
        [] => nested.keep(row),
        objects => put_evidences(objects, row),
    }
    state
}

/// Who is at risk. A record of somebody and not of a detection has their id as its own.
fn map_identity(fields: &mut Fields<'_>, is_somebody: bool, row: &mut Row<'_>) {
    let is_service = fields.has("servicePrincipalId")
        || fields.has("servicePrincipalDisplayName")
        || (fields.has("appId") && !fields.has("userPrincipalName"));
    if is_service {
        fields.put(row, Col::ActorUserName, &["servicePrincipalDisplayName", "displayName"]);
        fields.put(row, Col::ActorUserUid, &["servicePrincipalId"]);
        row.text(Col::ActorUserType, "servicePrincipal");
        fields.put(row, Col::ActorAppUid, &["appId"]);
    } else {
        fields.put(row, Col::ActorUserUid, &["userId"]);
        let name = fields.first(&["userPrincipalName"]).or_else(|| fields.first(&["userDisplayName"]));
        if let Some(name) = name {
            row.text(Col::ActorUserName, &name);
            row.text_if(Col::ActorUserEmailAddr, email::of_principal(Some(&name)));
        }
    }
    if is_somebody {
        row.text_if(Col::ActorUserUid, fields.peek("id"));
    }
}

/// An alert of Privileged Identity Management; returns whether it is active.
fn map_role_alert(fields: &mut Fields<'_>, row: &mut Row<'_>) -> String {
    row.text(Col::MetadataProductName, "Microsoft Entra Privileged Identity Management");
    let state = fields.text("isActive").unwrap_or_default().into_owned();
    row.text_if(Col::StatusCode, Some(&state));
    let status = match state.as_str() {
        "true" => FindingStatus::New,
        "false" => FindingStatus::Resolved,
        _ => FindingStatus::Unknown,
    };
    let nested = fields.nested(&["alertDefinition"]);
    let mut definition = nested.fields();
    let level = definition.text("severityLevel");
    row.text_if(Col::RiskLevel, level.as_deref());
    let severity = level.map(|level| severity_of(&level));
    report(status, false, severity.unwrap_or(Severity::Informational), row);
    let definition_id = fields.text("alertDefinitionId").unwrap_or_default().into_owned();
    row.text(Col::FindingInfoAnalyticUid, &definition_id);
    row.int(Col::FindingInfoAnalyticTypeId, 0);
    let (tenant, named) = of_definition(&definition_id);
    if let Some(tenant) = tenant {
        row.text(Col::MetadataTenantUid, &tenant);
        row.text(Col::CloudOrgUid, &tenant);
    }
    let listed = fields.nested(&["alertIncidents"]);
    let incidents = listed.objects();
    if incidents.is_empty() {
        listed.keep(row);
    }
    let configuration = fields.nested(&["alertConfiguration"]);
    let configured = configuration.object();
    let mut kinds: Vec<String> = Vec::new();
    let typed = incidents.iter().copied().chain(configured).filter_map(|object| kind_of(&object));
    for kind in typed.chain(named) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if let Some(first) = kinds.first() {
        row.text(Col::MetadataEventCode, first);
        row.texts(Col::FindingInfoTypes, &kinds.iter().map(String::as_str).collect::<Vec<_>>());
    }
    definition.put(row, Col::FindingInfoTitle, &["displayName"]);
    row.text_if(Col::FindingInfoTitle, kinds.first());
    row.text(Col::FindingInfoTitle, UNKNOWN);
    definition.put(row, Col::FindingInfoDesc, &["description"]);
    definition.put(row, Col::RemediationDesc, &["mitigationSteps"]);
    definition.keep(row);
    configuration.keep(row);
    if let Some(first) = incidents.first() {
        let text = |name: &str| first.get(name).and_then(|value| value.filled_text());
        let name = text("assigneeUserPrincipalName").or_else(|| text("assigneeDisplayName"));
        row.text_if(Col::ActorUserName, name.as_deref());
        row.text_if(Col::ActorUserEmailAddr, email::of_principal(name.as_deref()));
        row.text_if(Col::ActorUserUid, text("assigneeId"));
    }
    put_evidences(&incidents, row);
    state
}

/// `#microsoft.graph.staleSignInAlertIncident` without what stands before.
fn kind_of(object: &Object<'_>) -> Option<String> {
    let kind = object.get("@odata.type").and_then(|kind| kind.filled_text())?;
    Some(kind.rsplit('.').next().unwrap_or(&kind).trim_start_matches('#').to_owned())
}

/// The tenant and the type of incident that a definition's id names:
/// `DirectoryRole_<tenant>_StaleSignInAlert`.
fn of_definition(id: &str) -> (Option<String>, Option<String>) {
    let mut parts = id.splitn(3, '_').skip(1);
    let tenant = parts.next().map(str::to_ascii_lowercase);
    let named = parts.next().and_then(|name| {
        let mut chars = name.chars();
        let first = chars.next()?.to_ascii_lowercase();
        name.ends_with("Alert").then(|| format!("{first}{}Incident", chars.as_str()))
    });
    (tenant, named)
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use super::of_definition;
    use crate::sample;

    #[test]
    fn samples() {
        sample::check(LogType::EntraRisk, "entra_risk");
    }

    #[test]
    fn a_definition_names_its_incidents() {
        let tenant = "99999999-aaaa-4bbb-8ccc-dddddddddddd";
        let id = format!("DirectoryRole_{tenant}_NoMfaOnRoleActivationAlert");
        let expected = (Some(tenant.to_owned()), Some("noMfaOnRoleActivationAlertIncident".to_owned()));
        assert_eq!(of_definition(&id), expected);
        assert_eq!(of_definition("x"), (None, None));
        assert_eq!(of_definition("x_y_éAlert").1.as_deref(), Some("éAlertIncident"));
    }
}
