//! The validator must be able to fail: one flaw at a time in a valid document.

use event::ocsf_document;
use serde_json::{Value, json};

use super::{Schema, check};
use crate::records;

fn document(sample: &str) -> Value {
    let record = records::samples().iter().find(|record| record.origin == sample).unwrap();
    ocsf_document(&records::map(&[&record.text]).events, 0).unwrap()
}

/// Puts `value` at a JSON pointer, or takes away what is there.
fn spoil(document: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut spoilt = document.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = spoilt.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(key.to_owned(), value),
        None => parent.remove(key),
    };
    spoilt
}

#[test]
fn each_flaw_is_found() {
    let Some(root) = records::corpus("ocsf/schema_1.8.0") else { return };
    let schema = Schema::load(&root);
    let call = document("gcp/compute_firewall_insert.json");
    assert_eq!(check(&schema, &call), []);
    for (pointer, value, path, problem) in [
        ("/class_uid", Some(json!(6999)), "class_uid", "no class 6999"),
        ("/class_uid", Some(json!(3001)), "user", "required"),
        ("/time", None, "time", "required"),
        ("/time", Some(json!("2024-05-14")), "time", "is no timestamp_t"),
        ("/cloud", None, "cloud", "required"),
        ("/cloud/provider", None, "cloud.provider", "required"),
        ("/metadata/product", None, "metadata.product", "required"),
        ("/api/request/uid", None, "api.request.uid", "required"),
        ("/api/operation", Some(json!(7)), "api.operation", "is no string_t"),
        ("/actor", Some(json!({})), "actor", "at least one of"),
        ("/actor/user", Some(json!({ "type_id": 1 })), "actor.user", "at least one of"),
        ("/actor/user/type_id", Some(json!(42)), "actor.user.type_id", "not among its values"),
        ("/actor/user/email_addr", Some(json!("nobody")), "actor.user.email_addr", "is no email_t"),
        ("/actor/user/nick", Some(json!("x")), "actor.user.nick", "no such attribute"),
        ("/actor/authorizations", Some(json!({})), "actor.authorizations", "is no array"),
        ("/src_endpoint/ip", Some(json!("private")), "src_endpoint.ip", "is no ip_t"),
        ("/src_endpoint/port", Some(json!(70_000)), "src_endpoint.port", "is no port_t"),
        ("/resources", Some(json!(["x"])), "resources[]", "is no object"),
        ("/resources", Some(json!([{ "type": "x" }])), "resources[]", "at least one of"),
        ("/type_uid", Some(json!(600_399)), "type_uid", "class_uid * 100"),
        ("/severity_id", Some(json!(1.5)), "severity_id", "is no integer_t"),
        ("/is_mfa", Some(json!(true)), "is_mfa", "no such attribute"),
        // The attributes of a profile exist only where the document names the profile.
        ("/device", Some(json!({})), "device", "no such attribute"),
        ("/metadata/profiles", Some(json!([])), "cloud", "no such attribute"),
    ] {
        let found = check(&schema, &spoil(&call, pointer, value));
        let is_found =
            found.iter().any(|violation| violation.path == path && violation.problem.contains(problem));
        assert!(is_found, "`{path}`: {problem}, but found {found:?}");
    }
}

#[test]
fn flaws_of_single_classes_are_found() {
    let Some(root) = records::corpus("ocsf/schema_1.8.0") else { return };
    let schema = Schema::load(&root);
    for (sample, pointer, value, path, problem) in [
        ("gcp/predict.json", "/activity_name", None, "activity_id", "99 without a word"),
        ("gcp/login_success.json", "/service", None, "", "at least one of service, dst_endpoint"),
        (
            "gcp/login_success.json",
            "/auth_protocol",
            Some(json!("")),
            "auth_protocol_id",
            "99 without a word",
        ),
        ("gcp/login_success.json", "/resources", Some(json!([])), "resources", "no such attribute"),
        ("gcp/access_project_grant.json", "/privileges", Some(json!([])), "privileges", "empty"),
        ("gcp/access_project_grant.json", "/privileges", Some(json!([1])), "privileges[]", "is no string_t"),
        ("gcp/storage_get.json", "/databucket", None, "", "at least one of database, databucket, table"),
        ("gcp/storage_get.json", "/databucket/type_id", None, "databucket.type_id", "required"),
        ("gcp/admin_create_group.json", "/group", None, "group", "required"),
        ("gcp/iam_create_role.json", "/entity", Some(json!({})), "entity", "at least one of"),
    ] {
        let found = check(&schema, &spoil(&document(sample), pointer, value));
        let is_found =
            found.iter().any(|violation| violation.path == path && violation.problem.contains(problem));
        assert!(is_found, "{sample} `{path}`: {problem}, but found {found:?}");
    }
}
