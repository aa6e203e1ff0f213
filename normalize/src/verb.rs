//! The verb of a call's name: what a call that no other class fits does.
//!
//! Google's methods are `google.iam.admin.v1.CreateRole`, `v1.compute.instances.insert`,
//! `io.k8s.core.v1.pods.exec.create` or one word, Microsoft's cmdlets `New-InboxRule`, events of Okta and GitHub
//! `group.user_membership.add`, `protected_branch.update_name`; the verb begins the last word.

use crate::class::{Activity, api_activity};

const CREATE: &[&str] = &[
    "add",
    "batchcreate",
    "build",
    "clone",
    "copy",
    "create",
    "generate",
    "import",
    "insert",
    "install",
    "invite",
    "launch",
    "mint",
    "new",
    "provision",
    "publish",
    "recreate",
    "register",
    "restore",
    "submit",
    "undelete",
    "upload",
];
const READ: &[&str] = &[
    "access",
    "aggregate",
    "aggregated",
    "analyze",
    "batchget",
    "check",
    "count",
    "describe",
    "diff",
    "download",
    "explain",
    "export",
    "fetch",
    "find",
    "get",
    "list",
    "lookup",
    "poll",
    "preview",
    "pull",
    "query",
    "read",
    "resolve",
    "retrieve",
    "scan",
    "search",
    "show",
    "streamingpull",
    "streamingread",
    "test",
    "troubleshoot",
    "validate",
    "verify",
    "view",
    "watch",
];
const UPDATE: &[&str] = &[
    "acknowledge",
    "activate",
    "apply",
    "approve",
    "archive",
    "assign",
    "attach",
    "bind",
    "block",
    "cancel",
    "change",
    "commit",
    "complete",
    "deactivate",
    "deprecate",
    "detach",
    "disable",
    "dismiss",
    "edit",
    "enable",
    "failover",
    "grant",
    "invalidate",
    "link",
    "lock",
    "migrate",
    "modify",
    "move",
    "mutate",
    "patch",
    "pause",
    "promote",
    "push",
    "put",
    "release",
    "rename",
    "replace",
    "reset",
    "resize",
    "resume",
    "revoke",
    "rotate",
    "set",
    "start",
    "stop",
    "suspend",
    "swap",
    "switch",
    "transfer",
    "unarchive",
    "unassign",
    "unbind",
    "unblock",
    "undeploy",
    "unlink",
    "unlock",
    "update",
    "upgrade",
    "write",
];
const DELETE: &[&str] = &[
    "batchdelete",
    "clear",
    "delete",
    "destroy",
    "drop",
    "purge",
    "remove",
    "trash",
    "truncate",
    "uninstall",
    "unregister",
];

/// What a method does, by its verb.
pub(crate) fn activity(method_word: &str) -> Activity {
    let lists = [
        (CREATE, api_activity::CREATE),
        (READ, api_activity::READ),
        (UPDATE, api_activity::UPDATE),
        (DELETE, api_activity::DELETE),
    ];
    let verb = verb(method_word);
    lists
        .iter()
        .find(|(verbs, _)| verbs.contains(&verb.as_str()))
        .map_or(api_activity::OTHER, |(_, found)| *found)
}

/// The first word of a name, in lower case: `set` of `SetIAMPolicy`, `batchget` of `BatchGetAssets`.
///
/// A name without capitals (`deletecollection`) is cut after the longest verb that it begins with.
fn verb(method_word: &str) -> String {
    let mut words = method_word.to_ascii_lowercase();
    let capital = |from: usize| {
        method_word
            .bytes()
            .enumerate()
            .skip(from.max(1))
            .find(|(_, byte)| byte.is_ascii_uppercase())
            .map(|(at, _)| at)
    };
    let Some(first) = capital(1) else {
        let known = [CREATE, READ, UPDATE, DELETE].into_iter().flatten();
        let longest = known.filter(|verb| words.starts_with(**verb)).max_by_key(|verb| verb.len());
        return longest.map_or(words, |verb| (*verb).to_owned());
    };
    let end = match words.get(..first) {
        Some("batch" | "streaming") => capital(first + 1).unwrap_or(words.len()),
        _ => first,
    };
    words.truncate(end);
    words.truncate(words.trim_end_matches(['-', '_', ' ']).len());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_decides() {
        let id = |word| activity(word).activity_id;
        for word in ["insert", "CreateRole", "undelete", "createUser", "BatchCreateSessions"] {
            assert_eq!(id(word), 1, "{word}");
        }
        for word in [
            "get",
            "list",
            "aggregatedList",
            "ListKeys",
            "getIamPolicy",
            "BatchGetAssets",
            "StreamingRead",
            "watch",
            "getqueryresults",
        ] {
            assert_eq!(id(word), 2, "{word}");
        }
        for word in ["patch", "setMetadata", "SetIAMPolicy", "UpdateSink", "start", "disable"] {
            assert_eq!(id(word), 3, "{word}");
        }
        for word in ["delete", "DeleteSink", "deletecollection", "DestroyCryptoKeyVersion", "BatchDelete"] {
            assert_eq!(id(word), 4, "{word}");
        }
        for word in ["", "Predict", "connect", "AuthorizeUser", "é", "Éa", "settle", "2svEnroll"] {
            assert!(matches!(id(word), 99 | 3), "{word}");
        }
        assert_eq!(id("Predict"), 99);
        assert_eq!(id("AddressThing"), 99);
    }
}
