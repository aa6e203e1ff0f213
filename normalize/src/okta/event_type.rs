//! What an event is, by its `eventType`, as Okta's catalogue of event types names them.

use crate::class::{Activity, account_change, api_activity, authentication, group_management, user_access};
use crate::verb;

/// The class and activity of an event.
pub(super) fn of(event_type: &str) -> Activity {
    sign_in(event_type)
        .or_else(|| account(event_type))
        .or_else(|| access(event_type))
        .unwrap_or_else(|| call(event_type))
}

fn sign_in(event_type: &str) -> Option<Activity> {
    Some(match event_type {
        "user.session.start" | "user.authentication.sso" | "user.session.access_admin_app" => {
            authentication::LOGON
        }
        "user.session.end" | "user.authentication.slo" | "user.authentication.universal_logout" => {
            authentication::LOGOFF
        }
        "user.session.impersonation.initiate" => authentication::ACCOUNT_SWITCH,
        "user.authentication.auth_via_mfa"
        | "user.authentication.verify"
        | "user.mfa.okta_verify.deny_push" => authentication::PREAUTH,
        _ if event_type.starts_with("user.authentication.auth") => authentication::LOGON,
        _ if event_type.starts_with("app.oauth2.") && event_type.contains("token.grant") => {
            authentication::SERVICE_TICKET_REQUEST
        }
        _ => return None,
    })
}

fn account(event_type: &str) -> Option<Activity> {
    Some(match event_type {
        "user.lifecycle.create" => account_change::CREATE,
        "user.lifecycle.activate" | "user.lifecycle.reactivate" | "user.lifecycle.unsuspend" => {
            account_change::ENABLE
        }
        "user.lifecycle.deactivate" | "user.lifecycle.suspend" => account_change::DISABLE,
        "user.lifecycle.delete.initiated" | "user.lifecycle.delete.completed" => account_change::DELETE,
        "user.account.update_password" => account_change::PASSWORD_CHANGE,
        "user.account.reset_password" | "user.account.expire_password" => account_change::PASSWORD_RESET,
        "user.account.lock" | "user.account.lock.limit" => account_change::LOCK,
        "user.account.unlock" | "user.account.unlock_by_admin" => account_change::UNLOCK,
        "user.mfa.factor.activate" => account_change::MFA_ENABLE,
        "user.mfa.factor.deactivate" | "user.mfa.factor.reset_all" | "user.mfa.factor.suspend" => {
            account_change::MFA_DISABLE
        }
        _ if event_type.starts_with("user.mfa.factor.")
            || event_type.starts_with("user.account.update_")
            || event_type.starts_with("user.lifecycle.") =>
        {
            account_change::OTHER
        }
        _ => return None,
    })
}

fn access(event_type: &str) -> Option<Activity> {
    Some(match event_type {
        "user.account.privilege.grant" | "application.user_membership.add" => user_access::ASSIGN_PRIVILEGES,
        "user.account.privilege.revoke" | "application.user_membership.remove" => {
            user_access::REVOKE_PRIVILEGES
        }
        "group.privilege.grant" => group_management::ASSIGN_PRIVILEGES,
        "group.privilege.revoke" => group_management::REVOKE_PRIVILEGES,
        "group.user_membership.add" => group_management::ADD_USER,
        "group.user_membership.remove" => group_management::REMOVE_USER,
        "group.lifecycle.create" => group_management::CREATE,
        "group.lifecycle.delete" => group_management::DELETE,
        "group.profile.update" => group_management::OTHER,
        _ => return None,
    })
}

/// Anything else is a call, whose verb is the last word.
fn call(event_type: &str) -> Activity {
    match event_type.rsplit('.').next() {
        Some("") | None => api_activity::UNKNOWN,
        Some(word) => verb::activity(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_event_type() {
        for (event_type, class_uid, activity_id) in [
            ("user.session.start", 3002, 1),
            ("user.session.end", 3002, 2),
            ("user.authentication.auth_via_mfa", 3002, 6),
            ("user.authentication.auth_via_IDP", 3002, 1),
            ("app.oauth2.as.token.grant.access_token", 3002, 4),
            ("user.account.lock", 3001, 9),
            ("user.mfa.factor.update", 3001, 99),
            ("user.account.privilege.grant", 3005, 1),
            ("group.user_membership.add", 3006, 3),
            ("system.api_token.create", 6003, 1),
            ("policy.rule.update", 6003, 3),
            ("application.lifecycle.delete", 6003, 4),
            ("security.threat.detected", 6003, 99),
            ("", 6003, 0),
        ] {
            let found = of(event_type);
            assert_eq!((found.class_uid, found.activity_id), (class_uid, activity_id), "{event_type}");
        }
    }
}
