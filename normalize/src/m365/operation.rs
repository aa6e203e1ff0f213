//! What an operation is, by its name.

use crate::class::{
    Activity, account_change, api_activity, authentication, entity_management, file_hosting,
    group_management, user_access,
};
use crate::verb;

/// The class and activity of an operation. `is_file`: a file or folder is concerned.
pub(super) fn of(operation: &str, is_file: bool) -> Activity {
    let name = operation.trim().trim_end_matches('.');
    if is_file && let Some(found) = file(name) {
        return found;
    }
    identity(name).unwrap_or_else(|| call(name))
}

/// "File and page activities", "Folder activities" and "Sharing and access request activities" of
/// Microsoft's list of audited activities.
fn file(name: &str) -> Option<Activity> {
    Some(match name {
        "FileAccessed"
        | "FileAccessedExtended"
        | "AnonymousLinkUsed"
        | "SecureLinkUsed"
        | "CompanyLinkUsed" => file_hosting::OPEN,
        "FilePreviewed" => file_hosting::PREVIEW,
        "FileDownloaded" | "FileSyncDownloadedFull" | "FileSyncDownloadedPartial" => file_hosting::DOWNLOAD,
        "FileUploaded" | "FileSyncUploadedFull" | "FileSyncUploadedPartial" | "FolderCreated" => {
            file_hosting::UPLOAD
        }
        "FileModified" | "FileModifiedExtended" | "FolderModified" | "FileCheckedIn" => file_hosting::UPDATE,
        "FileRenamed" | "FolderRenamed" => file_hosting::RENAME,
        "FileCopied" | "FolderCopied" => file_hosting::COPY,
        "FileMoved" | "FolderMoved" => file_hosting::MOVE,
        "FileRestored" | "FolderRestored" => file_hosting::RESTORE,
        "FileCheckedOut" => file_hosting::LOCK,
        "FileCheckOutDiscarded" => file_hosting::UNLOCK,
        "SharingSet"
        | "SharingInvitationCreated"
        | "AnonymousLinkCreated"
        | "AnonymousLinkUpdated"
        | "SecureLinkCreated"
        | "SecureLinkUpdated"
        | "CompanyLinkCreated"
        | "AddedToSecureLink" => file_hosting::SHARE,
        "SharingRevoked"
        | "SharingInvitationRevoked"
        | "AnonymousLinkRemoved"
        | "SecureLinkDeleted"
        | "CompanyLinkRemoved"
        | "RemovedFromSecureLink" => file_hosting::UNSHARE,
        "FileMalwareDetected" => file_hosting::OTHER,
        _ if name.starts_with("FileDeleted")
            || name.starts_with("FolderDeleted")
            || name.starts_with("FileVersionsAll")
            || matches!(name, "FileRecycled" | "FolderRecycled" | "FileVersionRecycled") =>
        {
            file_hosting::DELETE
        }
        _ => return None,
    })
}

fn identity(name: &str) -> Option<Activity> {
    Some(match name {
        "UserLoggedIn" | "UserLoginFailed" | "MailboxLogin" | "TeamsSessionStarted" | "SignInEvent" => {
            authentication::LOGON
        }
        "UserLoggedOff" => authentication::LOGOFF,
        "Add user" => account_change::CREATE,
        "Delete user" | "Hard Delete user" => account_change::DELETE,
        "Change user password" => account_change::PASSWORD_CHANGE,
        "Reset user password" => account_change::PASSWORD_RESET,
        "Disable account" => account_change::DISABLE,
        "Enable account" | "Restore user" => account_change::ENABLE,
        "Enable Strong Authentication" => account_change::MFA_ENABLE,
        "Disable Strong Authentication" => account_change::MFA_DISABLE,
        "Update user" | "Update StsRefreshTokenValidFrom Timestamp" => account_change::OTHER,
        "Add member to role" | "Add eligible member to role" => user_access::ASSIGN_PRIVILEGES,
        "Remove member from role" | "Remove eligible member from role" => user_access::REVOKE_PRIVILEGES,
        "Add member to group" | "MemberAdded" => group_management::ADD_USER,
        "Remove member from group" | "MemberRemoved" => group_management::REMOVE_USER,
        "Add group" => group_management::CREATE,
        "Delete group" => group_management::DELETE,
        "Update group" | "Add owner to group" | "Remove owner from group" | "MemberRoleChanged" => {
            group_management::OTHER
        }
        _ => return entity(name),
    })
}

/// Applications, service principals, policies and devices of the directory.
fn entity(name: &str) -> Option<Activity> {
    let is_entity = ["application", "service principal", "policy", "device", "domain"]
        .iter()
        .any(|kind| name.contains(kind));
    if !is_entity || name.contains("grant") {
        return None;
    }
    Some(match name.split(' ').next().unwrap_or_default() {
        "Add" if name.contains(" to ") => entity_management::UPDATE,
        "Add" => entity_management::CREATE,
        "Update" | "Consent" | "Set" => entity_management::UPDATE,
        "Remove" if name.contains(" from ") => entity_management::UPDATE,
        "Remove" | "Delete" | "Hard" => entity_management::DELETE,
        _ => return None,
    })
}

/// Anything else is a call. Cmdlets begin with their verb, `New-InboxRule`; operations of mailboxes and sites
/// end with it: `MailItemsAccessed`, `ListItemUpdated`.
fn call(name: &str) -> Activity {
    if name.is_empty() {
        return api_activity::UNKNOWN;
    }
    let ends = [
        (["Accessed", "Viewed", "Visited"], api_activity::READ),
        (["Created", "Added", "Uploaded"], api_activity::CREATE),
        (["Updated", "Modified", "Changed"], api_activity::UPDATE),
        (["Deleted", "Removed", "Delete"], api_activity::DELETE),
    ];
    let found = ends.iter().find(|(words, _)| words.iter().any(|word| name.ends_with(word)));
    found.filter(|_| !name.contains('-')).map_or_else(|| verb::activity(name), |(_, activity)| *activity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_operation() {
        for (operation, class_uid, activity_id) in [
            ("UserLoggedIn", 3002, 1),
            ("Add user.", 3001, 1),
            ("Add member to role.", 3005, 1),
            ("Remove member from group.", 3006, 4),
            ("Add application.", 3004, 1),
            ("Update application – Certificates and secrets management ", 3004, 3),
            ("Add owner to application.", 3004, 3),
            ("Hard Delete application.", 3004, 4),
            ("Add delegated permission grant.", 6003, 1),
            ("FileDownloaded", 6006, 2),
            ("FileDeletedFirstStageRecycleBin", 6006, 4),
            ("AnonymousLinkCreated", 6006, 12),
            ("New-InboxRule", 6003, 1),
            ("Set-Mailbox", 6003, 3),
            ("Remove-UnifiedGroup", 6003, 4),
            ("MailItemsAccessed", 6003, 2),
            ("ListItemUpdated", 6003, 3),
            ("SoftDelete", 6003, 4),
            ("", 6003, 0),
        ] {
            let found = of(operation, true);
            assert_eq!((found.class_uid, found.activity_id), (class_uid, activity_id), "{operation}");
        }
        assert_eq!(of("SharingSet", false).class_uid, 6003);
    }
}
