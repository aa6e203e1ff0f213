//! What an action is, by its name, as GitHub's "Audit log events" pages list them.

use crate::class::{Activity, account_change, api_activity, authentication, group_management, user_access};
use crate::verb;

/// The class and activity of an action.
pub(super) fn of(action: &str) -> Activity {
    identity(action).unwrap_or_else(|| call(action))
}

fn identity(action: &str) -> Option<Activity> {
    Some(match action {
        "business.sso_response" | "org.sso_response" | "user.login" | "user.failed_login" => {
            authentication::LOGON
        }
        "user.logout" => authentication::LOGOFF,
        "staff.fake_login" | "user.start_impersonation" => authentication::ACCOUNT_SWITCH,
        "user.create" => account_change::CREATE,
        "user.destroy" | "user.delete" => account_change::DELETE,
        "user.suspend" => account_change::DISABLE,
        "user.unsuspend" => account_change::ENABLE,
        "user.change_password" => account_change::PASSWORD_CHANGE,
        "user.forgot_password" | "user.reset_password" => account_change::PASSWORD_RESET,
        "two_factor_authentication.enabled" | "user.two_factor_enabled" => account_change::MFA_ENABLE,
        "two_factor_authentication.disabled" | "user.two_factor_disabled" => account_change::MFA_DISABLE,
        "org.add_member" | "team.add_member" => group_management::ADD_USER,
        "org.remove_member" | "team.remove_member" => group_management::REMOVE_USER,
        "team.create" => group_management::CREATE,
        "team.destroy" => group_management::DELETE,
        "team.add_repository" => group_management::ASSIGN_PRIVILEGES,
        "team.remove_repository" => group_management::REVOKE_PRIVILEGES,
        "business.add_admin" | "org.update_member" | "repo.add_member" | "repo.update_member"
        | "user.promote" => user_access::ASSIGN_PRIVILEGES,
        "business.remove_admin"
        | "org.remove_outside_collaborator"
        | "repo.remove_member"
        | "user.demote" => user_access::REVOKE_PRIVILEGES,
        _ => return None,
    })
}

/// Anything else is a call, whose verb is the last word.
fn call(action: &str) -> Activity {
    match action.rsplit('.').next() {
        Some("") | None => api_activity::UNKNOWN,
        Some(word) if word.starts_with("access") => api_activity::UPDATE,
        Some("clone" | "fetch" | "download_zip") => api_activity::READ,
        Some(word) => verb::activity(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_action() {
        for (action, class_uid, activity_id) in [
            ("org.sso_response", 3002, 1),
            ("user.create", 3001, 1),
            ("team.add_member", 3006, 3),
            ("repo.add_member", 3005, 1),
            ("repo.create", 6003, 1),
            ("git.clone", 6003, 2),
            ("git.push", 6003, 3),
            // Who may see a repository was changed.
            ("repo.access", 6003, 3),
            ("protected_branch.update_name", 6003, 3),
            ("secret_scanning.disable", 6003, 3),
            ("repo.destroy", 6003, 4),
            ("workflows.completed_workflow_run", 6003, 3),
            ("", 6003, 0),
        ] {
            let found = of(action);
            assert_eq!((found.class_uid, found.activity_id), (class_uid, activity_id), "{action}");
        }
    }
}
