//! Azure Activity Log: what Azure Resource Manager was asked to do, and notices of the platform.
//!
//! The schema and the difference between its shapes are those of Microsoft's "Azure Activity Log event
//! schema": event hubs and storage (`time`, `resultType`, `identity`), the REST API and
//! `az monitor activity-log list` (`eventTimestamp`, pairs of `value` and `localizedValue`), the same from
//! the Python SDK (`event_timestamp`), and rows of the table `AzureActivity` of Log Analytics
//! (`TimeGenerated`, JSON in text). Resource logs share the frame (storage, key vault); they are read the
//! same way if a source declares them to be of this type.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::outcome::{self, Outcome};
use super::resource_id::ResourceId;
use super::{claims, role_assignment, verb};
use crate::address;
use crate::class::Severity;
use crate::fields::Fields;
use crate::json::{Object, Value};
use crate::nested::Nested;
use crate::reason::MapError;
use crate::row::{Row, UNKNOWN};

pub(crate) use super::activity_fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    let identity = fields.nested(&["identity"]);
    if let Some(object) = identity.object() {
        fields.add(object, identity.path());
    }
    let properties = either(&mut fields, ["properties", "propertiesD"]);
    let mut details = properties.fields();
    // An older form of the stream has the properties of the REST API one level down.
    let event_properties = details.nested(&["eventProperties"]);
    if let Some(object) = event_properties.object() {
        details.add(object, event_properties.path());
    }
    let micros = fields.put_time(row, &["eventTimestamp", "time", "timeGenerated"])?;
    let operation = fields.first(&["operationNameValue", "operationName"]).unwrap_or_default();
    row.text_if(Col::ApiOperation, Some(&operation));
    row.text(Col::ApiOperation, UNKNOWN);
    let resource_id = map_resource(&mut fields, &details, row);
    map_service(&mut fields, &operation, &resource_id, row);
    let outcome = outcome::map(&mut fields, &mut details, row);
    details.put(row, Col::ApiRequestUid, &["serviceRequestId"]);
    let actor = map_actor(&mut fields, row);
    map_class(&mut details, &operation, &outcome, &actor, row);
    map_severity(&fields, &details, row);
    map_metadata(&mut fields, &mut details, row);
    map_message(&mut fields, &mut details, &operation, row);
    let key = key(&fields, record, [&operation, &outcome.word, &resource_id], micros);
    fields.put(row, Col::MetadataUid, &["eventDataId"]);
    if row.has(Col::ApiRequestData) {
        // OCSF wants an id for a request that has data.
        row.text_if(Col::ApiRequestUid, fields.peek("correlationId"));
    }
    fields.put(row, Col::MetadataCorrelationUid, &["correlationId"]);
    fields.keep(row);
    details.keep(row);
    Ok(key)
}

/// A column of Log Analytics is text and, in newer tables, there again as an object under `…_d`.
fn either<'a>(fields: &mut Fields<'a>, names: [&str; 2]) -> Nested<'a> {
    let nested = fields.nested(&names);
    if nested.value().is_some() {
        fields.forget(names[1]);
    }
    nested
}

/// Each event has an id, but the stream to event hubs leaves it out. There, what tells the events of one
/// operation apart is its resource, their time and how far it has come.
fn key(
    fields: &Fields<'_>,
    record: &Object<'_>,
    [operation, word, resource_id]: [&str; 3],
    micros: i64,
) -> EventKey {
    let lower = |text: &str| text.to_ascii_lowercase();
    if let Some(id) = fields.peek("eventDataId") {
        return EventKey::from_parts(LogType::AzureActivity, &[lower(&id).as_bytes()]);
    }
    let Some(correlation) = fields.peek("correlationId") else {
        return EventKey::from_content(LogType::AzureActivity, record.raw().as_bytes());
    };
    let signature = fields.peek("resultSignature").unwrap_or_default();
    let time = micros.to_string();
    let parts = [&correlation, operation, &time, word, &signature, resource_id].map(lower);
    EventKey::from_parts(LogType::AzureActivity, &parts.each_ref().map(|part| part.as_bytes()))
}

/// What was acted on, and the subscription it is in; returns its id.
fn map_resource<'a>(fields: &mut Fields<'a>, details: &Fields<'_>, row: &mut Row<'_>) -> Cow<'a, str> {
    // Some notices name the resource in the properties only.
    let entity = || details.peek("entity").map(|id| Cow::Owned(id.into_owned()));
    let id = fields.first(&["resourceId", "resourceUri"]).or_else(entity).unwrap_or_default();
    let parts = ResourceId::parse(&id);
    let kind = fields.text("resourceType").map(Cow::into_owned).or(parts.kind);
    if !id.is_empty() {
        row.text(Col::ResourceUid, &id);
        row.text_if(Col::ResourceName, parts.name);
        row.text_if(Col::ResourceType, kind.as_deref());
        row.json(Col::Resources, |json| {
            json.begin_array();
            json.item();
            json.begin_object();
            json.text_member("uid", &id);
            for (name, value) in [("name", parts.name), ("type", kind.as_deref())] {
                if let Some(value) = value {
                    json.text_member(name, value);
                }
            }
            json.end_object();
            json.end_array();
        });
    }
    // Ids of subscriptions and tenants are GUIDs; event hubs write them in capitals.
    let lower = |id: &str| id.to_ascii_lowercase();
    let subscription = fields.first(&["subscriptionId"]);
    if let Some(subscription) = subscription.as_deref().or(parts.subscription) {
        row.text(Col::CloudAccountUid, &lower(subscription));
        row.text(Col::CloudAccountType, "Azure Subscription");
        row.int(Col::CloudAccountTypeId, 13);
    }
    // In a row of Log Analytics `TenantId` is the id of the workspace.
    let is_row = fields.has("timeGenerated") || fields.has("sourceSystem");
    if !is_row && let Some(tenant) = fields.text("tenantId") {
        row.text(Col::CloudOrgUid, &lower(&tenant));
        row.text(Col::MetadataTenantUid, &lower(&tenant));
    }
    fields.put(row, Col::CloudRegion, &["location"]);
    id
}

/// The service called is the namespace of the operation; the namespace of the resource can be another
/// one, as when Azure Policy audits it.
fn map_service(fields: &mut Fields<'_>, operation: &str, resource_id: &str, row: &mut Row<'_>) {
    const PROVIDER: [&str; 3] = ["resourceProviderValue", "resourceProviderName", "resourceProvider"];
    if let Some((namespace, _)) = operation.split_once('/') {
        row.text_if(Col::ApiServiceName, Some(namespace));
        fields.forget_repeats(&PROVIDER, namespace);
    } else {
        fields.put(row, Col::ApiServiceName, &PROVIDER);
        row.text_if(Col::ApiServiceName, ResourceId::parse(resource_id).provider);
    }
    fields.put(row, Col::ApiVersion, &["operationVersion"]);
}

/// Who called, and from where.
fn map_actor(fields: &mut Fields<'_>, row: &mut Row<'_>) -> claims::Actor {
    let authorization = either(fields, ["authorization", "authorizationD"]);
    let evidence = |key| authorization.object()?.at(&["evidence", key])?.filled_text();
    let principal_type = evidence("principalType");
    if let Some(value) = authorization.value() {
        let role = evidence("role").or_else(|| authorization.object()?.get("role")?.filled_text());
        write_authorization(&value, role.as_deref(), evidence("roleDefinitionId").as_deref(), row);
    }
    let caller = fields.text("caller");
    let token = either(fields, ["claims", "claimsD"]);
    let mut token = token.fields();
    let actor = claims::map(&mut token, caller.as_deref(), principal_type.as_deref(), row);
    let request = fields.nested(&["httpRequest"]);
    let mut request = request.fields();
    let address = fields
        .text("callerIpAddress")
        .or_else(|| request.peek("clientIpAddress").map(|text| Cow::Owned(text.into_owned())))
        .or_else(|| token.peek("ipaddr").map(|text| Cow::Owned(text.into_owned())));
    if let Some(address) = address {
        address::put(&address, row);
        // An address in the token other than the caller's is worth keeping.
        request.forget_repeats(&["clientIpAddress"], &address);
        token.forget_repeats(&["ipaddr"], &address);
    }
    address::require(row);
    request.put(row, Col::HttpRequestHttpMethod, &["method"]);
    request.put(row, Col::HttpRequestUrl, &["uri"]);
    request.put(row, Col::ApiRequestUid, &["clientRequestId"]);
    fields.put(row, Col::HttpRequestUrl, &["uri"]);
    request.keep(row);
    token.keep(row);
    actor
}

/// The role that allowed the call, as OCSF's `authorization.policy`, with Azure's own words as its data.
fn write_authorization(value: &Value<'_>, role: Option<&str>, role_id: Option<&str>, row: &mut Row<'_>) {
    row.json(Col::ActorAuthorizations, |json| {
        json.begin_array();
        json.item();
        json.begin_object();
        json.key("policy");
        json.begin_object();
        json.text_member("type", "Azure RBAC");
        for (name, text) in [("name", role), ("uid", role_id)] {
            if let Some(text) = text {
                json.text_member(name, text);
            }
        }
        json.key("data");
        value.write(json);
        json.end_object();
        json.end_object();
        json.end_array();
    });
}

/// The class, and the bodies of the call that decide it for changes of rights.
fn map_class(
    details: &mut Fields<'_>,
    operation: &str,
    outcome: &Outcome,
    actor: &claims::Actor,
    row: &mut Row<'_>,
) {
    let request = details.nested(&["requestBody"]);
    let response = details.nested(&["responseBody"]);
    for (nested, name, col) in
        [(&request, "requestBody", Col::ApiRequestData), (&response, "responseBody", Col::ApiResponseData)]
    {
        if let Some(value) = nested.value() {
            row.json(col, |json| value.write(json));
        } else if let Some(text) = details.text(name) {
            row.json(col, |json| json.text(&text));
        }
    }
    details.put(row, Col::HttpRequestUserAgent, &["userAgentHeader"]);
    if let Some(activity) = role_assignment::activity(operation, request.object()) {
        row.class(&activity);
        role_assignment::map(operation, &[request.object(), response.object()], actor, row);
        return;
    }
    let (activity, word) = verb::activity(operation, outcome.created);
    // OCSF asks for the source's own word where an activity is 99 Other.
    if activity.activity_id == 99 && !word.is_empty() {
        row.class_named(&activity, word);
    } else {
        row.class(&activity);
    }
}

/// An operation is a fact. Notices about health and threats are judgements, with a grade of their own.
fn map_severity(fields: &Fields<'_>, details: &Fields<'_>, row: &mut Row<'_>) {
    let category = details.peek("eventCategory").or_else(|| fields.peek("categoryValue"));
    let category = category.or_else(|| fields.peek("category")).unwrap_or_default().to_ascii_lowercase();
    let grade = match category.as_str() {
        "security" => details.peek("severity"),
        "servicehealth" | "resourcehealth" | "alert" => fields.peek("level"),
        _ => None,
    };
    row.severity(match grade.unwrap_or_default().to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "high" | "error" => Severity::High,
        "medium" | "warning" => Severity::Medium,
        "low" => Severity::Low,
        _ => Severity::Informational,
    });
}

fn map_metadata(fields: &mut Fields<'_>, details: &mut Fields<'_>, row: &mut Row<'_>) {
    details.put(row, Col::MetadataProductFeatureName, &["eventCategory"]);
    // The older stream has the kind of operation there, of an administrative event.
    if let Some("Write" | "Delete" | "Action") = fields.peek("category").as_deref() {
        row.text(Col::MetadataProductFeatureName, "Administrative");
    } else if let Some(category) = fields.first(&["categoryValue", "category"]) {
        row.text(Col::MetadataProductFeatureName, &category);
    }
    row.text(Col::MetadataLogName, "AzureActivity");
    row.text(Col::MetadataProductName, "Azure Activity Log");
    row.text(Col::MetadataProductVendorName, "Microsoft");
    fields.put(row, Col::MetadataEventCode, &["eventName"]);
    details.put(row, Col::MetadataEventCode, &["eventName"]);
    fields.put(row, Col::MetadataLogVersion, &["schemaVersion"]);
}

/// The event in words: its description, else the operation's name in plain language.
fn map_message(fields: &mut Fields<'_>, details: &mut Fields<'_>, operation: &str, row: &mut Row<'_>) {
    fields.put(row, Col::Message, &["description", "resultDescription"]);
    if !row.has(Col::Message) {
        let words = fields.localized("operationName").or_else(|| fields.text("operationName"));
        row.text_if(Col::Message, words);
    }
    details.put(row, Col::Message, &["title"]);
    // Mostly the name of the operation once more.
    details.forget_repeats(&["message"], operation);
    if details.peek("message").is_some_and(|message| !message.eq_ignore_ascii_case(operation)) {
        details.put(row, Col::Message, &["message"]);
    }
}
