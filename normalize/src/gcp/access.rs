//! Changes of access: IAM policies on any resource, role bindings in Kubernetes, project ownership.
//!
//! What a policy change did stands in `serviceData.policyDelta`; services that write none are judged by
//! the policy that was asked for. Of several members the first is the event's user; all of them are in
//! the request and in `unmapped`. Changes that name no member and no role, such as those of the audit
//! configuration, are plain calls.

use std::borrow::Cow;

use event::Col;

use super::entry::AuditLog;
use super::principal::{Principal, TARGET};
use crate::class::{Activity, user_access};
use crate::json::{Object, Value};
use crate::row::Row;

/// Who was given or lost which roles.
#[derive(Debug, Default)]
struct Change<'a> {
    member: Option<Cow<'a, str>>,
    roles: Vec<Cow<'a, str>>,
    is_grant: bool,
}

/// Maps a change of access; `None` if this is none.
pub(super) fn map(log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let change = change(log)?;
    let member = change.member.filter(|_| !change.roles.is_empty())?;
    Principal::parse(&member).set(&TARGET, row);
    row.json(Col::Privileges, |json| {
        json.begin_array();
        for role in &change.roles {
            json.item();
            json.text(role);
        }
        json.end_array();
    });
    Some(if change.is_grant { user_access::ASSIGN_PRIVILEGES } else { user_access::REVOKE_PRIVILEGES })
}

fn change<'a>(log: &AuditLog<'a>) -> Option<Change<'a>> {
    let word = log.method_word();
    if word.eq_ignore_ascii_case("setIamPolicy") || word.eq_ignore_ascii_case("setIamPermissions") {
        return deltas(log).or_else(|| requested(log));
    }
    if word == "InsertProjectOwnershipInvite" {
        let member = log.request_text(&["member"]);
        return Some(Change { member, roles: vec!["roles/owner".into()], is_grant: true });
    }
    if log.method.starts_with("io.k8s.authorization.rbac.") {
        return role_binding(log);
    }
    None
}

/// What the policy's change was.
fn deltas<'a>(log: &AuditLog<'a>) -> Option<Change<'a>> {
    let deltas = log
        .service_data
        .and_then(|data| data.at(&["policyDelta", "bindingDeltas"]))
        .or_else(|| log.metadata_at(&["policyDelta", "bindingDeltas"]))?
        .as_array()?;
    let is_added = |delta: &Object<'_>| text(delta, "action").is_some_and(|action| action == "ADD");
    let deltas: Vec<Object<'a>> = deltas.filter_map(|delta| delta.as_object()).collect();
    // A change that gives and takes is above all a grant.
    let is_grant = deltas.iter().any(is_added);
    let mut change = Change { is_grant, ..Change::default() };
    for delta in deltas.iter().filter(|delta| is_added(delta) == is_grant) {
        change.add(text(delta, "member"), text(delta, "role"));
    }
    Some(change)
}

/// The policy that was asked for, where the record does not tell the change.
fn requested<'a>(log: &AuditLog<'a>) -> Option<Change<'a>> {
    let bindings = log.request?.as_object()?.at(&["policy", "bindings"])?.as_array()?;
    let mut change = Change { is_grant: true, ..Change::default() };
    for binding in bindings {
        let Some(binding) = binding.as_object() else { continue };
        let mut members = binding.get("members").and_then(|members| members.as_array()).into_iter().flatten();
        change.add(members.next().and_then(|member| member.filled_text()), text(&binding, "role"));
    }
    Some(change)
}

/// A `RoleBinding` or `ClusterRoleBinding` made or deleted. A deletion rarely says what it held.
fn role_binding<'a>(log: &AuditLog<'a>) -> Option<Change<'a>> {
    if !log.method.contains("rolebindings.") {
        return None;
    }
    let is_grant = match log.method_word() {
        "create" | "update" | "patch" => true,
        "delete" => false,
        _ => return None,
    };
    let binding = [log.request, log.response]
        .into_iter()
        .flatten()
        .filter_map(|value: Value<'a>| value.as_object())
        .find(|object| object.get("roleRef").is_some())?;
    let role = binding.at(&["roleRef", "name"]).and_then(|role| role.filled_text());
    let subject = binding.get("subjects")?.as_array()?.next()?.as_object()?;
    let name = text(&subject, "name")?;
    // `kind` is User, Group or ServiceAccount; the latter's full name has its namespace.
    let member = match (text(&subject, "kind").as_deref(), text(&subject, "namespace")) {
        (Some("ServiceAccount"), Some(namespace)) => {
            format!("system:serviceaccount:{namespace}:{name}").into()
        }
        _ => name,
    };
    let mut change = Change { is_grant, ..Change::default() };
    change.add(Some(member), role);
    Some(change)
}

impl<'a> Change<'a> {
    fn add(&mut self, member: Option<Cow<'a, str>>, role: Option<Cow<'a, str>>) {
        if self.member.is_none() {
            self.member = member;
        }
        if let Some(role) = role
            && !self.roles.contains(&role)
        {
            self.roles.push(role);
        }
    }
}

fn text<'a>(object: &Object<'a>, key: &str) -> Option<Cow<'a, str>> {
    object.get(key)?.filled_text()
}
