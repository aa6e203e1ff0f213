//! Kubernetes audit events: `Event` of `audit.k8s.io/v1` and the versions before it.
//!
//! The same event comes from the API server itself, from EKS through CloudWatch Logs, and from AKS as the text
//! `properties.log` of a diagnostic record. GKE writes Cloud Audit Logs instead. A call is told apart by its
//! verb; whoever called is the authenticated user, also where they acted as somebody else.

use std::borrow::Cow;

use event::{Col, EventKey, LogType, Provider};

use super::user;
use crate::address;
use crate::class::{Activity, Severity, Status, api_activity};
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::required;
use crate::row::{Row, UNKNOWN};

pub(crate) use super::fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut frame = Fields::of(*record, "");
    let properties = frame.nested(&["properties"]);
    let mut wrapped = properties.fields();
    let log = wrapped.nested(&["log"]);
    let mut fields = Fields::default();
    if let Some(event) = log.object() {
        fields.add(event, log.path());
        map_aks(&mut frame, row);
    }
    wrapped.keep(row);
    if row.carrier() == Some(Provider::Aws) {
        row.text(Col::CloudProvider, Provider::Aws.as_str());
    }
    fields.append(frame);
    // The last is what a data lake adds to records.
    const TIMES: [&str; 5] =
        ["requestReceivedTimestamp", "stageTimestamp", "timestamp", "time", "pEventTime"];
    fields.put_time(row, &TIMES)?;
    row.severity(Severity::Informational);
    let verb = fields.text("verb").unwrap_or_default();
    row.text(Col::ApiOperation, if verb.is_empty() { UNKNOWN } else { &verb });
    map_class(&verb, row);
    user::map(&mut fields, row);
    map_source(&mut fields, row);
    let request = fields.nested(&["requestObject"]);
    let response = fields.nested(&["responseObject"]);
    map_object(&mut fields, [request.object(), response.object()], row);
    if let Some(value) = request.value() {
        row.json(Col::ApiRequestData, |json| value.write(json));
    }
    if let Some(value) = response.value() {
        row.json(Col::ApiResponseData, |json| value.write(json));
    }
    map_decision(&mut fields, row);
    let stage = fields.text("stage").unwrap_or_default();
    row.text_if(Col::MetadataEventCode, Some(&stage));
    map_outcome(&mut fields, &stage, row);
    let id = fields.text("auditId");
    row.text_if(Col::MetadataUid, id.as_deref());
    // A request must have an id; a policy or a tool may have left it out.
    row.text(Col::ApiRequestUid, id.as_deref().unwrap_or(UNKNOWN));
    fields.put(row, Col::HttpRequestUrl, &["requestUri"]);
    fields.put(row, Col::HttpRequestUserAgent, &["userAgent"]);
    fields.put(row, Col::MetadataLogVersion, &["apiVersion"]);
    row.text(Col::MetadataLogName, "audit");
    row.text(Col::MetadataProductName, "Kubernetes");
    row.text(Col::MetadataProductVendorName, "Kubernetes");
    required::actor_and_source(row);
    fields.keep(row);
    Ok(match id {
        Some(id) => EventKey::from_parts(LogType::KubernetesAudit, &[id.as_bytes(), stage.as_bytes()]),
        None => EventKey::from_content(LogType::KubernetesAudit, record.raw().as_bytes()),
    })
}

/// The diagnostic record around an event of AKS: the cluster is its resource.
fn map_aks(frame: &mut Fields<'_>, row: &mut Row<'_>) {
    row.text(Col::CloudProvider, Provider::Azure.as_str());
    let Some(cluster) = frame.path("resourceId") else { return };
    let mut steps = cluster.split('/').skip_while(|step| !step.eq_ignore_ascii_case("subscriptions"));
    row.text_if(Col::CloudAccountUid, steps.nth(1));
}

fn map_class(verb: &str, row: &mut Row<'_>) {
    let activity = of_verb(verb);
    match activity.activity_id {
        99 => row.class_named(&activity, verb),
        _ => row.class(&activity),
    }
}

/// Kubernetes' verbs, and the HTTP methods that stand in their place where no resource is asked for.
fn of_verb(verb: &str) -> Activity {
    match verb {
        "" => api_activity::UNKNOWN,
        "create" | "post" => api_activity::CREATE,
        "get" | "list" | "watch" | "head" | "options" => api_activity::READ,
        "update" | "patch" | "put" => api_activity::UPDATE,
        "delete" | "deletecollection" => api_activity::DELETE,
        _ => api_activity::OTHER,
    }
}

/// The first address is the client's, the others are those of proxies.
fn map_source(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["sourceIps"]);
    let addresses = nested.texts();
    if let Some(first) = addresses.first() {
        address::put(first, row);
    }
    if addresses.len() > 1 {
        nested.keep(row);
    }
}

/// `objectRef`; of what is created, the name stands in the object alone.
fn map_object(fields: &mut Fields<'_>, objects: [Option<Object<'_>>; 2], row: &mut Row<'_>) {
    let nested = fields.nested(&["objectRef"]);
    let mut object = nested.fields();
    object.put(row, Col::ApiServiceName, &["apiGroup"]);
    object.put(row, Col::ApiVersion, &["apiVersion"]);
    let named =
        |key: &str| objects.iter().flatten().find_map(|object| object.at(&["metadata", key])?.filled_text());
    let namespace = object.text("namespace").or_else(|| named("namespace"));
    let name = object.text("name").or_else(|| named("name"));
    let uid = object.text("uid");
    let kind = object.text("resource").map(|resource| match object.text("subresource") {
        Some(subresource) => Cow::Owned(format!("{resource}/{subresource}")),
        None => resource,
    });
    row.text_if(Col::ResourceNamespace, namespace.as_deref());
    row.text_if(Col::ResourceName, name.as_deref());
    row.text_if(Col::ResourceUid, uid.as_deref());
    row.text_if(Col::ResourceType, kind.as_deref());
    object.keep(row);
    if name.is_none() && uid.is_none() {
        return;
    }
    row.json(Col::Resources, |json| {
        json.begin_array();
        json.item();
        json.begin_object();
        for (key, value) in [("uid", uid), ("name", name), ("type", kind), ("namespace", namespace)] {
            if let Some(value) = value {
                json.text_member(key, &value);
            }
        }
        json.end_object();
        json.end_array();
    });
}

/// The authoriser's decision, which Kubernetes writes as annotations.
fn map_decision(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["annotations"]);
    let mut annotations = nested.fields();
    let decision = annotations.text("authorization.k8s.io/decision");
    let reason = annotations.text("authorization.k8s.io/reason");
    if let Some(decision) = decision {
        row.json(Col::ActorAuthorizations, |json| {
            json.begin_array();
            json.item();
            json.begin_object();
            json.text_member("decision", &decision);
            if let Some(reason) = &reason {
                json.key("policy");
                json.begin_object();
                json.text_member("type", "RBAC");
                json.text_member("desc", reason);
                json.end_object();
            }
            json.end_object();
            json.end_array();
        });
    } else if let Some(reason) = reason {
        row.text(Col::StatusDetail, &reason);
    }
    annotations.keep(row);
}

/// `responseStatus`, which the first stage of a request does not have yet.
fn map_outcome(fields: &mut Fields<'_>, stage: &str, row: &mut Row<'_>) {
    let nested = fields.nested(&["responseStatus"]);
    let mut response = nested.fields();
    let code = response.peek("code").and_then(|code| code.parse::<i64>().ok());
    row.text_if(Col::StatusCode, response.peek("code"));
    response.put_int(row, Col::ApiResponseCode, "code");
    let said = response.peek("status");
    let status = match (code, said.as_deref(), stage) {
        (_, _, "Panic") | (_, Some("Failure"), _) => Status::Failure,
        (Some(code), ..) if code >= 400 => Status::Failure,
        (Some(_), ..) | (_, Some("Success"), _) => Status::Success,
        _ => Status::Unknown,
    };
    if status == Status::Failure {
        response.put(row, Col::ApiResponseError, &["reason"]);
        row.text_if(Col::StatusDetail, response.peek("message"));
        response.put(row, Col::ApiResponseErrorMessage, &["message"]);
    }
    row.status(status);
    response.keep(row);
}

#[cfg(test)]
mod tests {
    use event::{Col, LogType};

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::KubernetesAudit, "kubernetes");
    }

    #[test]
    fn a_request_has_an_event_for_each_stage() {
        let event = |stage: &str, extra: &str| {
            format!(
                r#"{{"kind":"Event","auditID":"a","stage":"{stage}","verb":"get","stageTimestamp":"2026-05-01T10:00:00Z"{extra}}}"#
            )
        };
        let events = sample::map(&[
            event("RequestReceived", ""),
            event("ResponseComplete", ""),
            event("ResponseComplete", r#","level":"Metadata""#),
        ])
        .events;
        let uid = |row| events.str_at(Col::EventUid, row).unwrap();
        assert_ne!(uid(0), uid(1));
        assert_eq!(uid(1), uid(2));
    }

    #[test]
    fn cloudwatch_tells_the_cloud() {
        let event = r#"{"kind":"Event","auditID":"a","verb":"get","stageTimestamp":"2026-05-01T10:00:00Z"}"#;
        let wrapped =
            format!(r#"{{"id":"1","timestamp":1777629600000,"message":{}}}"#, serde_json::json!(event));
        let events = sample::map(&[event, &wrapped]).events;
        assert_eq!(events.str_at(Col::CloudProvider, 0), Some("Other"));
        assert_eq!(events.str_at(Col::CloudProvider, 1), Some("AWS"));
        assert_eq!(events.str_at(Col::EventUid, 0), events.str_at(Col::EventUid, 1));
    }

    #[test]
    fn the_corpus_maps() {
        corpus::check_folder(LogType::KubernetesAudit, "sekoia/k8s_audit", 0.4);
        corpus::check_folder(
            LogType::KubernetesAudit,
            "ocsf/ocsf_examples/markdown/AWS/v1.5.0/EKS_Audit_Logs",
            0.0,
        );
        corpus::check_folder(LogType::KubernetesAudit, "expected/panther/Amazon.EKS.Audit.jsonl", 0.9);
    }
}
