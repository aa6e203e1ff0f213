//! Google Workspace within Cloud Audit Logs: sign-ins, the admin console, groups.
//!
//! The first two carry the events of Workspace's own reports in `metadata.event`, each with a list of
//! named parameters; the names are those of the Admin SDK's "Login audit activity events" and "Admin
//! audit activity events".

use std::borrow::Cow;

use event::Col;

use super::entry::AuditLog;
use super::principal::{Principal, TARGET};
use super::resource::short_name;
use crate::class::{
    Activity, Status, account_change, authentication, entity_management, group_management, user_access,
};
use crate::json::{Object, Value};
use crate::row::Row;

/// One Workspace event; a record has one.
#[derive(Debug, Default, Clone, Copy)]
struct Report<'a> {
    event: Option<Object<'a>>,
}

impl<'a> Report<'a> {
    fn of(log: &AuditLog<'a>) -> Self {
        let event = log.metadata_at(&["event"]).and_then(|events| events.as_array()?.next()?.as_object());
        Self { event }
    }

    /// The parameter called `name`, as an object that holds its value.
    fn parameter(&self, name: &str) -> Option<Object<'a>> {
        let parameters = self.event?.get("parameter")?.as_array()?;
        let is_named = |parameter: &Object<'a>| {
            parameter.get("name").and_then(|value| value.as_str()).is_some_and(|found| found == name)
        };
        parameters.filter_map(|parameter: Value<'a>| parameter.as_object()).find(is_named)
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.parameter(name)?.get("value")?.filled_text()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.parameter(name)?.get("boolValue")?.boolean()
    }
}

/// Maps an event of Workspace; `None` if this is none, or one without a class of its own.
pub(super) fn map(log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let report = Report::of(log);
    if let Some(event) = report.event {
        row.text_if(Col::MetadataEventCode, event.get("eventName").and_then(|name| name.filled_text()));
    }
    match log.service.as_ref() {
        "login.googleapis.com" => map_login(log, &report, row),
        "admin.googleapis.com" => map_admin(log, &report, row),
        "cloudidentity.googleapis.com" => map_group(log, row),
        _ => None,
    }
}

/// The outcome of a sign-in, which has no `status` of its own; `None` for anything else.
pub(super) fn outcome(log: &AuditLog<'_>) -> Option<Status> {
    if log.service != "login.googleapis.com" {
        return None;
    }
    let report = Report::of(log);
    let said = report.event?.at(&["status", "success"]).and_then(|value| value.boolean());
    Some(match (log.method_word(), report.text("login_challenge_status").as_deref(), said) {
        ("loginFailure", ..) | (_, Some("failed"), _) | (_, _, Some(false)) => Status::Failure,
        // A challenge was put; whether it was met is another event.
        ("loginChallenge", None, None) => Status::Unknown,
        _ => Status::Success,
    })
}

fn map_login(log: &AuditLog<'_>, report: &Report<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let (activity, is_sign_in) = of_login(log.method_word())?;
    let affected = report.text("affected_email_address").or_else(|| caller(log))?;
    Principal::parse(&affected).set(&TARGET, row);
    if is_sign_in {
        row.text(Col::ServiceName, &log.service);
        row.flag(Col::IsRemote, true);
        map_factors(report, row);
    }
    Some(activity)
}

/// What an event of the login reports is, and whether it is a sign-in, by its name in camel case.
pub(crate) fn of_login(word: &str) -> Option<(Activity, bool)> {
    Some(match word {
        "loginSuccess"
        | "loginFailure"
        | "suspiciousLogin"
        | "suspiciousLoginLessSecureApp"
        | "suspiciousProgrammaticLogin"
        | "riskySensitiveActionAllowed" => (authentication::LOGON, true),
        "loginChallenge" | "loginVerification" => (authentication::PREAUTH, true),
        "logout" => (authentication::LOGOFF, true),
        "2svEnroll" => (account_change::MFA_ENABLE, false),
        "2svDisable" => (account_change::MFA_DISABLE, false),
        "passwordEdit" => (account_change::PASSWORD_CHANGE, false),
        word if word.starts_with("accountDisabled") => (account_change::DISABLE, false),
        "recoveryEmailEdit"
        | "recoveryPhoneEdit"
        | "recoverySecretQaEdit"
        | "emailForwardingOutOfDomain"
        | "titaniumEnroll"
        | "titaniumUnenroll" => (account_change::OTHER, false),
        _ => return None,
    })
}

/// Whether a second factor was used, and how the user signed in.
fn map_factors(report: &Report<'_>, row: &mut Row<'_>) {
    let methods =
        report.parameter("login_challenge_method").and_then(|parameter| parameter.get("multiStrValue"));
    let mut methods = methods.and_then(|list| list.as_array()).into_iter().flatten().peekable();
    if report.flag("is_second_factor") == Some(true) {
        row.flag(Col::IsMfa, true);
    } else if methods.peek().is_some() {
        row.flag(
            Col::IsMfa,
            methods.any(|method| method.as_str().is_some_and(|method| is_second_factor(&method))),
        );
    }
    match report.text("login_type").as_deref() {
        Some("saml") => {
            row.text(Col::AuthProtocol, "SAML");
            row.int(Col::AuthProtocolId, 5);
        }
        Some("unknown") | None => {}
        Some(other) => {
            row.text(Col::AuthProtocol, other);
            row.int(Col::AuthProtocolId, 99);
        }
    }
}

/// Challenges that prove nothing beyond the password.
pub(crate) fn is_second_factor(method: &str) -> bool {
    !matches!(method, "password" | "none" | "captcha" | "login_location" | "time_delay" | "unknown" | "other")
}

fn caller<'a>(log: &AuditLog<'a>) -> Option<Cow<'a, str>> {
    let info = log.authentication?;
    info.get("principalSubject").or_else(|| info.get("principalEmail"))?.filled_text()
}

fn map_admin(log: &AuditLog<'_>, report: &Report<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let word = log.method_word();
    let activity = of_admin(word)?;
    let user = report.text("USER_EMAIL");
    if let Some(user) = &user {
        Principal::parse(user).set(&TARGET, row);
    }
    match activity.class_uid {
        3001 if user.is_none() => return None,
        3005 => {
            user.as_ref()?;
            let role = report.text("ROLE_NAME").or_else(|| report.text("PRIVILEGE_NAME"));
            map_privilege(role.as_deref().unwrap_or("admin"), row);
        }
        3006 => {
            let group = report.text("GROUP_EMAIL")?;
            row.text(Col::GroupName, &group);
            row.text(Col::GroupUid, &group);
        }
        3004 => map_managed(report, row)?,
        _ => {}
    }
    Some(activity)
}

/// A role of administrators, or whom Google trusts to sign users in.
fn map_managed(report: &Report<'_>, row: &mut Row<'_>) -> Option<()> {
    if let Some(role) = report.text("ROLE_NAME") {
        row.text(Col::EntityName, &role);
        row.text_if(Col::EntityUid, report.text("ROLE_ID"));
        row.text(Col::EntityType, "role");
        return Some(());
    }
    let profile = report.text("INBOUND_SSO_PROFILE_NAME")?;
    row.text(Col::EntityName, short_name(&profile));
    row.text(Col::EntityUid, &profile);
    row.text(Col::EntityType, "inboundSsoProfile");
    Some(())
}

/// What an event of the admin reports is, by its name in camel case.
pub(crate) fn of_admin(word: &str) -> Option<Activity> {
    Some(match word {
        "createUser" | "undeleteUser" => account_change::CREATE,
        "deleteUser" => account_change::DELETE,
        "suspendUser" | "archiveUser" => account_change::DISABLE,
        "unsuspendUser" | "unarchiveUser" => account_change::ENABLE,
        "changePassword" => account_change::PASSWORD_RESET,
        "turnOff2StepVerification" | "unenrollUserFromStrongAuth" => account_change::MFA_DISABLE,
        "renameUser"
        | "changePasswordOnNextLogin"
        | "resetSigninCookies"
        | "revoke3loToken"
        | "generate2svScratchCodes"
        | "revoke2svScratchCodes"
        | "addRecoveryEmail"
        | "changeRecoveryEmail"
        | "addRecoveryPhone"
        | "changeRecoveryPhone"
        | "unenrollUserFromTitanium"
        | "moveUserToOrgUnit" => account_change::OTHER,
        "assignRole" | "grantAdminPrivilege" | "grantDelegatedAdminPrivileges" => {
            user_access::ASSIGN_PRIVILEGES
        }
        "unassignRole" | "revokeAdminPrivilege" | "revokeDelegatedAdminPrivileges" => {
            user_access::REVOKE_PRIVILEGES
        }
        "createGroup" => group_management::CREATE,
        "deleteGroup" => group_management::DELETE,
        "addGroupMember" => group_management::ADD_USER,
        "removeGroupMember" => group_management::REMOVE_USER,
        "updateGroupMember" | "changeGroupSetting" | "changeGroupName" | "changeGroupDescription" => {
            group_management::OTHER
        }
        "createRole" | "inboundSsoProfileCreated" => entity_management::CREATE,
        "deleteRole" | "inboundSsoProfileDeleted" => entity_management::DELETE,
        "renameRole" | "updateRole" | "addPrivilege" | "removePrivilege" | "inboundSsoProfileUpdated" => {
            entity_management::UPDATE
        }
        _ => return None,
    })
}

fn map_privilege(privilege: &str, row: &mut Row<'_>) {
    row.json(Col::Privileges, |json| {
        json.begin_array();
        json.item();
        json.text(privilege);
        json.end_array();
    });
}

/// Groups through Cloud Identity: the group is the resource, the change is in the metadata.
fn map_group(log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let activity = match log.method_word() {
        "CreateGroup" => group_management::CREATE,
        "DeleteGroup" => group_management::DELETE,
        "UpdateGroup" => group_management::OTHER,
        "CreateMembership" => group_management::ADD_USER,
        "DeleteMembership" => group_management::REMOVE_USER,
        "UpdateMembership" | "ModifyMembershipRoles" => of_membership(log),
        _ => return None,
    };
    let named = log.metadata_at(&["group"]).and_then(|group| group.filled_text());
    let group = named.or_else(|| log.resource_name.clone())?;
    row.text(Col::GroupUid, &group);
    row.text_if(Col::GroupName, Some(group.strip_prefix("group:").unwrap_or(short_name(&group))));
    let member = log.metadata_at(&["membershipDelta", "member"]).and_then(|member| member.filled_text());
    if let Some(member) = member {
        Principal::parse(&member).set(&TARGET, row);
    }
    let role = role_delta(log).and_then(|delta| delta.get("role")?.filled_text());
    if let Some(role) = role.filter(|role| role != "MEMBER") {
        map_privilege(&role, row);
    }
    Some(activity)
}

fn role_delta<'a>(log: &AuditLog<'a>) -> Option<Object<'a>> {
    log.metadata_at(&["membershipDelta", "roleDeltas"])?.as_array()?.next()?.as_object()
}

/// Being a member is a role like being a manager; only the former is membership.
fn of_membership(log: &AuditLog<'_>) -> Activity {
    let text = |key: &str| role_delta(log).and_then(|delta| delta.get(key)?.filled_text());
    match (text("action").as_deref(), text("role").as_deref()) {
        (Some("ADD"), Some("MEMBER")) => group_management::ADD_USER,
        (Some("REMOVE"), Some("MEMBER")) => group_management::REMOVE_USER,
        (Some("ADD"), Some(_)) => group_management::ASSIGN_PRIVILEGES,
        (Some("REMOVE"), Some(_)) => group_management::REVOKE_PRIVILEGES,
        _ => group_management::OTHER,
    }
}
