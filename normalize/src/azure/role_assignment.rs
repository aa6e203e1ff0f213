//! Roles given and taken in Azure: changes to `Microsoft.Authorization/roleAssignments`.

use std::borrow::Cow;

use event::Col;

use super::claims::{Actor, SERVICE, USER};
use crate::class::{Activity, user_access};
use crate::fields::same_name;
use crate::json::Object;
use crate::row::{Row, UNKNOWN};

const ELEVATE: &str = "microsoft.authorization/elevateaccess/action";

/// What an operation does to somebody's rights; `None` if nothing.
///
/// Requests for a scheduled assignment are how Privileged Identity Management activates, assigns and
/// removes roles; which of these is in the request.
pub(super) fn activity(operation: &str, request: Option<Object<'_>>) -> Option<Activity> {
    match operation.to_ascii_lowercase().as_str() {
        "microsoft.authorization/roleassignments/write" | ELEVATE => Some(user_access::ASSIGN_PRIVILEGES),
        "microsoft.authorization/roleassignments/delete" => Some(user_access::REVOKE_PRIVILEGES),
        "microsoft.authorization/roleassignmentschedulerequests/write"
        | "microsoft.authorization/roleeligibilityschedulerequests/write" => {
            // AdminAssign, SelfActivate, AdminRemove, SelfDeactivate and so on.
            let kind =
                request.and_then(|body| text(&body, "requestType")).unwrap_or_default().to_ascii_lowercase();
            let revokes = kind.contains("remove") || kind.contains("deactivate");
            Some(if revokes { user_access::REVOKE_PRIVILEGES } else { user_access::ASSIGN_PRIVILEGES })
        }
        _ => None,
    }
}

/// Sets who got or lost which role, from the bodies of the request and, where that says nothing as with
/// deletions, of the response.
pub(super) fn map(operation: &str, bodies: &[Option<Object<'_>>], actor: &Actor, row: &mut Row<'_>) {
    if operation.eq_ignore_ascii_case(ELEVATE) {
        // It gives its own caller this role on everything in the tenant.
        row.texts(Col::Privileges, &["User Access Administrator"]);
        row.text_if(Col::UserName, actor.name.as_deref());
        row.text_if(Col::UserUid, actor.uid.as_deref());
    }
    let mut role = None;
    for body in bodies.iter().flatten() {
        row.text_if(Col::UserUid, text(body, "principalId"));
        if let Some(kind) = text(body, "principalType") {
            row.text(Col::UserType, &kind);
            row.int(Col::UserTypeId, type_id(&kind));
        }
        role = role.or_else(|| text(body, "roleDefinitionId"));
    }
    if !row.has(Col::Privileges) {
        row.texts(Col::Privileges, &[role.as_deref().unwrap_or(UNKNOWN)]);
    }
    if !row.has(Col::UserUid) && !row.has(Col::UserName) {
        row.text(Col::UserName, UNKNOWN);
    }
}

fn type_id(principal_type: &str) -> i32 {
    if principal_type.eq_ignore_ascii_case("user") {
        USER
    } else if principal_type.eq_ignore_ascii_case("servicePrincipal") {
        SERVICE
    } else {
        99
    }
}

/// A text in a body or in its `properties`; requests of the portal write `Properties`, `PrincipalId`.
fn text<'a>(body: &Object<'a>, name: &str) -> Option<Cow<'a, str>> {
    let find = |object: &Object<'a>, name| {
        object.members().find(|member| same_name(&member.key, name)).map(|member| member.value)
    };
    let direct = find(body, name).and_then(|value| value.filled_text());
    direct.or_else(|| find(&find(body, "properties")?.as_object()?, name)?.filled_text())
}
