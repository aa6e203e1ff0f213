//! Who called: `user` of an audit event, with what the authenticator adds under `extra`.
//!
//! EKS adds `arn`, `canonicalArn`, `sessionName` and `accessKeyId` of the AWS session, AKS with Entra adds the
//! object id `oid` and the `upn`, OpenShift and others add scopes.

use event::Col;

use crate::email;
use crate::fields::Fields;
use crate::row::Row;

/// OCSF `user.type_id`.
const USER: i32 = 1;
const SYSTEM: i32 = 3;
const SERVICE: i32 = 4;
const OTHER: i32 = 99;

/// Sets the actor's columns.
pub(super) fn map(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["user"]);
    let mut user = nested.fields();
    if let Some(name) = user.text("username") {
        row.text(Col::ActorUserName, &name);
        let (kind, type_id) = kind(&name);
        row.text(Col::ActorUserType, kind);
        row.int(Col::ActorUserTypeId, type_id);
        row.text_if(Col::ActorUserEmailAddr, email::address(Some(&name)));
    }
    user.put(row, Col::ActorUserUid, &["uid"]);
    map_groups(&mut user, row);
    map_extra(&mut user, row);
    user.keep(row);
}

fn map_groups(user: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = user.nested(&["groups"]);
    let groups = nested.texts();
    if groups.is_empty() {
        return;
    }
    row.json(Col::ActorUserGroups, |json| {
        json.begin_array();
        for group in groups {
            json.item();
            json.begin_object();
            json.text_member("name", &group);
            json.end_object();
        }
        json.end_array();
    });
}

/// Each member of `extra` is a list of texts; what is not understood stays.
fn map_extra(user: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = user.nested(&["extra"]);
    let mut extra = nested.fields();
    for (name, col) in [
        ("accessKeyId", Col::ActorUserCredentialUid),
        ("authentication.kubernetes.io/credential-id", Col::ActorUserCredentialUid),
        ("arn", Col::ActorUserUidAlt),
        ("oid", Col::ActorUserUidAlt),
        ("canonicalArn", Col::ActorSessionIssuer),
        ("sessionName", Col::ActorSessionUid),
        ("upn", Col::ActorUserEmailAddr),
    ] {
        let list = extra.nested(&[name]);
        let values = list.texts();
        match values.as_slice() {
            [] => {}
            [one] if !row.has(col) && (name != "upn" || email::is_address(one)) => {
                row.text(col, one);
                if name == "arn" {
                    row.text_if(Col::ActorUserAccountUid, one.split(':').nth(4));
                }
            }
            _ => list.keep(row),
        }
    }
    extra.keep(row);
}

/// What kind of user a name is, by Kubernetes' own naming.
fn kind(name: &str) -> (&'static str, i32) {
    match name {
        "system:anonymous" => ("Anonymous", OTHER),
        _ if name.starts_with("system:serviceaccount:") => ("ServiceAccount", SERVICE),
        _ if name.starts_with("system:node:") => ("Node", SYSTEM),
        // Components of the cluster and of the provider's control plane.
        _ if name.starts_with("system:") || name.starts_with("eks:") || name == "aksService" => {
            ("System", SYSTEM)
        }
        _ => ("User", USER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_name() {
        for (name, expected) in [
            ("system:serviceaccount:shop:job", "ServiceAccount"),
            ("system:node:worker-1", "Node"),
            ("system:kube-scheduler", "System"),
            ("eks:node-manager", "System"),
            ("system:anonymous", "Anonymous"),
            ("ana@example.com", "User"),
            ("", "User"),
        ] {
            assert_eq!(kind(name).0, expected, "{name}");
        }
    }
}
