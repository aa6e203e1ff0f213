//! What an Azure operation does, by its name.

use crate::class::{Activity, api_activity};

/// The verbs that actions and the operations of data planes begin or end with, in lower case. Event hubs
/// carry names in capitals, so there are no words to tell apart, only beginnings and ends.
const VERBS: [(&[&str], Activity); 4] = [
    (
        &[
            "list",
            "get",
            "read",
            "check",
            "validate",
            "query",
            "export",
            "begingetaccess",
            "download",
            "search",
            "show",
            "describe",
            "fetch",
            "view",
            "test",
            "preview",
            "evaluate",
            "exist",
            "head",
        ],
        api_activity::READ,
    ),
    (
        &["create", "add", "generate", "register", "import", "copy", "clone", "put", "upload"],
        api_activity::CREATE,
    ),
    (
        &["delete", "remove", "purge", "unregister", "revoke", "clear", "terminate", "evict", "drop"],
        api_activity::DELETE,
    ),
    (
        &[
            "update",
            "set",
            "start",
            "restart",
            "stop",
            "deallocate",
            "poweroff",
            "reset",
            "regenerate",
            "rotate",
            "enable",
            "disable",
            "assign",
            "move",
            "patch",
            "modify",
            "attach",
            "detach",
            "resume",
            "suspend",
            "pause",
            "scale",
            "redeploy",
            "reimage",
            "swap",
            "restore",
            "recover",
            "renew",
            "approve",
            "reject",
            "join",
            "apply",
            "sync",
            "failover",
            "migrate",
            "upgrade",
            "grant",
            "cancel",
            "endgetaccess",
            "append",
            "undelete",
            "lease",
            "seal",
        ],
        api_activity::UPDATE,
    ),
];

/// The activity of an operation, and the word for it where it is none of OCSF's.
///
/// `Microsoft.Compute/virtualMachines/write` makes or changes: it made something if the answer was `201
/// Created`. Under `…/action` the word before decides. Operations of a data plane (`GetBlob`,
/// `KeyDelete`) are their own word.
pub(super) fn activity(operation: &str, created: bool) -> (Activity, &str) {
    let (before, verb) = operation.rsplit_once('/').unwrap_or(("", operation));
    let word = match verb.to_ascii_lowercase().as_str() {
        "write" if created => return (api_activity::CREATE, verb),
        "write" => return (api_activity::UPDATE, verb),
        "delete" => return (api_activity::DELETE, verb),
        "read" => return (api_activity::READ, verb),
        "action" => before.rsplit('/').next().unwrap_or(before),
        _ => verb,
    };
    (by_word(word), word)
}

fn by_word(word: &str) -> Activity {
    let word = word.to_ascii_lowercase();
    let among = |fits: &dyn Fn(&str) -> bool| {
        VERBS.iter().find(|(verbs, _)| verbs.iter().any(|verb| fits(verb))).map(|(_, activity)| *activity)
    };
    among(&|verb| word.starts_with(verb))
        .or_else(|| among(&|verb| word.ends_with(verb)))
        .unwrap_or(api_activity::OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_suffix_and_word() {
        let id = |operation: &str, created| activity(operation, created).0.activity_id;
        assert_eq!(id("Microsoft.Compute/virtualMachines/write", false), 3);
        assert_eq!(id("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", true), 1);
        assert_eq!(id("Microsoft.Compute/disks/delete", false), 4);
        assert_eq!(id("MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION", false), 2);
        assert_eq!(id("Microsoft.Storage/storageAccounts/regenerateKey/action", false), 3);
        assert_eq!(id("Microsoft.Compute/disks/beginGetAccess/action", false), 2);
        assert_eq!(id("Microsoft.KeyVault/vaults/keys/purge/action", false), 4);
        assert_eq!(id("GetBlob", false), 2);
        assert_eq!(id("SetBlobMetadata", false), 3);
        assert_eq!(id("KeyDelete", false), 4);
        assert_eq!(id("", false), 99);
        assert_eq!(activity("Microsoft.Compute/virtualMachines/runCommand/action", false).1, "runCommand");
        assert_eq!(id("Microsoft.Compute/virtualMachines/runCommand/action", false), 99);
        assert_eq!(id("Microsoft.Authorization/policies/audit/action", false), 99);
    }
}
