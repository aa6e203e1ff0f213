//! What an entry of the Entra audit log changed, and how, by its name.
//!
//! The names are those of Microsoft's "audit log activity reference". The same name occurs in several
//! categories (those of Privileged Identity Management in four), so the name decides and the category
//! only where it has to.

use crate::class::{
    Activity, account_change, api_activity, entity_management, group_management, user_access,
};
use crate::row::Row;

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    User,
    Group,
    /// A role or permission of somebody.
    Rights,
    /// An application, service principal, policy, device, domain and so on.
    Entity,
    Nothing,
}

/// What was changed and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) subject: Subject,
    pub(super) activity: Activity,
}

impl Change {
    /// Sets the class; OCSF asks for the source's own words where an activity is 99 Other.
    pub(super) fn map(&self, name: &str, row: &mut Row<'_>) {
        if self.activity.activity_id == 99 && !name.is_empty() {
            row.class_named(&self.activity, name.trim());
        } else {
            row.class(&self.activity);
        }
    }
}

/// Classifies an entry by its name, its type of operation, its category and the types of its targets.
pub(super) fn of(name: &str, operation_type: &str, category: &str, kinds: &[String]) -> Change {
    let name = name.trim().to_lowercase();
    let subject = subject(&name, category, kinds);
    let activity = match subject {
        Subject::Rights => rights(&name),
        Subject::Group => group(&name, kinds),
        Subject::User => user(&name),
        Subject::Entity => entity(&name, operation_type),
        Subject::Nothing => call(&name, operation_type),
    };
    Change { subject, activity }
}

fn contains_any(name: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| name.contains(part))
}

fn starts_with_any(name: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| name.starts_with(part))
}

fn subject(name: &str, category: &str, kinds: &[String]) -> Subject {
    const RIGHTS: &[&str] = &[
        "member to role",
        "member from role",
        "member in pim",
        "role assignment",
        "roleassignment",
        "elevated their access",
        "user access admin",
    ];
    const USER: &[&str] = &[
        "user",
        "account",
        "password",
        "security info",
        "strong authentication",
        "passkey",
        "fido2",
        "passwordless",
        "windows hello",
        "platform credential",
        "stsrefreshtoken",
        "suspicious activity",
    ];
    let has = |kind: &str| kinds.iter().any(|other| other.eq_ignore_ascii_case(kind));
    let first_is = |kind: &str| kinds.first().is_some_and(|other| other.eq_ignore_ascii_case(kind));
    if contains_any(name, RIGHTS) && !starts_with_any(name, &["download"]) {
        return Subject::Rights;
    }
    if name.contains("group") && (category == "GroupManagement" || has("Group")) {
        return Subject::Group;
    }
    let about_user = match category {
        "UserManagement" => first_is("User") || contains_any(name, USER),
        "Other" | "IdentityProtection" | "Policy" | "Authentication" | "" => first_is("User"),
        _ => false,
    };
    match () {
        () if about_user => Subject::User,
        () if kinds.is_empty() => Subject::Nothing,
        () => Subject::Entity,
    }
}

/// Requests and their approval change nothing yet; what they lead to is logged as completed.
fn rights(name: &str) -> Activity {
    if contains_any(name, &["requested", "cancel", "denied", "approv"]) || name.starts_with("update") {
        return user_access::OTHER;
    }
    if starts_with_any(name, &["remove", "delete"]) {
        return user_access::REVOKE_PRIVILEGES;
    }
    user_access::ASSIGN_PRIVILEGES
}

fn group(name: &str, kinds: &[String]) -> Activity {
    let member_is_group = !kinds.is_empty() && kinds.iter().all(|kind| kind.eq_ignore_ascii_case("Group"));
    if name.contains("group settings") {
        group_management::OTHER
    } else if name.contains("add member") {
        if member_is_group && kinds.len() > 1 {
            group_management::ADD_SUBGROUP
        } else {
            group_management::ADD_USER
        }
    } else if name.contains("remove member") {
        if member_is_group && kinds.len() > 1 {
            group_management::REMOVE_SUBGROUP
        } else {
            group_management::REMOVE_USER
        }
    } else if name.contains("add owner") {
        group_management::ASSIGN_PRIVILEGES
    } else if name.contains("remove owner") {
        group_management::REVOKE_PRIVILEGES
    } else if starts_with_any(name, &["add group", "create group"]) {
        group_management::CREATE
    } else if starts_with_any(name, &["delete group", "hard delete group"]) {
        group_management::DELETE
    } else {
        group_management::OTHER
    }
}

fn user(name: &str) -> Activity {
    const FACTOR: &[&str] = &[
        "strong authentication",
        "fido2",
        "passkey",
        "passwordless",
        "windows hello",
        "platform credential",
    ];
    if contains_any(name, &["started", "progress", "options", "canceled", "cancelled"]) {
        return account_change::OTHER;
    }
    if name.contains("security info") || contains_any(name, FACTOR) {
        return factor(name);
    }
    if name.contains("password") {
        return password(name);
    }
    match name {
        "enable account" => account_change::ENABLE,
        "disable account" => account_change::DISABLE,
        "add user" | "create user" | "viral user creation" => account_change::CREATE,
        _ if starts_with_any(name, &["invite", "bulk create users", "bulk invite users"]) => {
            account_change::CREATE
        }
        "delete user" | "hard delete user" | "delete external user" => account_change::DELETE,
        _ if starts_with_any(name, &["unlock", "clear block"]) => account_change::UNLOCK,
        _ if contains_any(name, &["blocked for mfa", "add blocked user"]) => account_change::LOCK,
        _ => account_change::OTHER,
    }
}

/// Second factors; a changed one is neither new nor gone.
fn factor(name: &str) -> Activity {
    if contains_any(name, &["registered", "enable "]) || name.starts_with("add") {
        account_change::MFA_ENABLE
    } else if contains_any(name, &["deleted", "disable "]) || starts_with_any(name, &["delete", "remove"]) {
        account_change::MFA_DISABLE
    } else {
        account_change::OTHER
    }
}

fn password(name: &str) -> Activity {
    if contains_any(name, &["application password", "force change", "blocked from", "policy", "registration"])
    {
        account_change::OTHER
    } else if contains_any(name, &["reset", "temporary password"]) {
        account_change::PASSWORD_RESET
    } else if name.contains("change") {
        account_change::PASSWORD_CHANGE
    } else {
        account_change::OTHER
    }
}

/// Create, read, update or delete, as far as words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Read,
    Update,
    Delete,
    Unclear,
}

fn verb(name: &str, operation_type: &str) -> Verb {
    // Parts of something else: `Add owner to application` changes the application.
    const PARTS: &[&str] = &[
        " to ",
        " from ",
        " of ",
        "credentials",
        "consent",
        "permission grant",
        "verified publisher",
        "external secrets",
    ];
    if starts_with_any(name, &["get ", "read ", "recover ", "reveal ", "retrieve ", "download ", "export"]) {
        return Verb::Read;
    }
    if contains_any(name, PARTS) {
        return Verb::Update;
    }
    let by_word = |word: &str| match word {
        "add" | "added" | "create" | "created" | "register" | "pre-create" => Verb::Create,
        "update" | "updated" | "set" | "unset" | "change" | "reset" | "assign" | "promote" | "demote"
        | "verify" | "no" => Verb::Update,
        "delete" | "deleted" | "remove" | "removed" | "hard" => Verb::Delete,
        _ => Verb::Unclear,
    };
    let mut words = name.split_whitespace();
    let first = words.next().map_or(Verb::Unclear, by_word);
    // `Authentication Methods Policy Update`, `Role definition created`.
    let found = if first == Verb::Unclear { words.next_back().map_or(Verb::Unclear, by_word) } else { first };
    if found != Verb::Unclear {
        return found;
    }
    match operation_type.to_ascii_lowercase().as_str() {
        "add" | "create" => Verb::Create,
        "update" | "assign" | "unassign" => Verb::Update,
        "delete" => Verb::Delete,
        "get" | "read" => Verb::Read,
        _ => Verb::Unclear,
    }
}

fn entity(name: &str, operation_type: &str) -> Activity {
    match name.split_whitespace().next().unwrap_or_default() {
        "register" if name.contains("device") => return entity_management::ENROLL,
        "unregister" => return entity_management::UNENROLL,
        "disable" | "deactivate" => return entity_management::DISABLE,
        "enable" => return entity_management::ENABLE,
        _ => {}
    }
    match verb(name, operation_type) {
        Verb::Create => entity_management::CREATE,
        Verb::Read => entity_management::READ,
        Verb::Update => entity_management::UPDATE,
        Verb::Delete => entity_management::DELETE,
        Verb::Unclear => entity_management::OTHER,
    }
}

/// Without a target there is nothing that the other classes could be about.
fn call(name: &str, operation_type: &str) -> Activity {
    match verb(name, operation_type) {
        Verb::Create => api_activity::CREATE,
        Verb::Read => api_activity::READ,
        Verb::Update => api_activity::UPDATE,
        Verb::Delete => api_activity::DELETE,
        Verb::Unclear => api_activity::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_uid(name: &str, category: &str, kinds: &[&str]) -> i64 {
        let kinds: Vec<_> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        of(name, "", category, &kinds).activity.type_uid()
    }

    #[test]
    fn users() {
        for (name, expected) in [
            ("Add user", 300_101),
            ("Invite external user", 300_101),
            ("Enable account", 300_102),
            ("Change user password", 300_103),
            ("Change password (self-service)", 300_103),
            ("Reset user password", 300_104),
            ("Reset password (by admin)", 300_104),
            ("Admin generates a temporary password", 300_104),
            ("Disable account", 300_105),
            ("Delete user", 300_106),
            ("Hard Delete user", 300_106),
            ("Fraud reported - user is blocked for MFA", 300_109),
            ("User registered security info", 300_110),
            ("User registered all required security info", 300_110),
            ("Admin registered security info", 300_110),
            ("Enable Strong Authentication", 300_110),
            ("Add FIDO2 security key", 300_110),
            ("User deleted security info", 300_111),
            ("Disable Strong Authentication", 300_111),
            ("Unlock user account (self-service)", 300_112),
            ("Update user", 300_199),
            ("User started security info registration", 300_199),
            ("User changed default security info", 300_199),
            ("Self-service password reset flow activity progress", 300_199),
            ("Set force change user password", 300_199),
            ("Restore user", 300_199),
            ("Change user license", 300_199),
        ] {
            assert_eq!(type_uid(name, "UserManagement", &["User"]), expected, "{name}");
        }
        assert_eq!(type_uid("ConfirmAccountCompromised", "Other", &["User"]), 300_199);
    }

    #[test]
    fn groups() {
        for (name, kinds, expected) in [
            ("Add member to group", &["User", "Group"] as &[_], 300_603),
            ("Add member to group", &["ServicePrincipal", "Group"], 300_603),
            ("Add member to group", &["Group", "Group"], 300_607),
            ("Remove member from group", &["Group"], 300_604),
            ("Remove member from group", &["Group", "Group"], 300_608),
            ("Add owner to group", &["User", "Group"], 300_601),
            ("Remove owner from group", &["User", "Group"], 300_602),
            ("Add group", &["Group"], 300_606),
            ("Delete group", &["Group"], 300_605),
            ("Update group", &["Group"], 300_699),
        ] {
            assert_eq!(type_uid(name, "GroupManagement", kinds), expected, "{name}");
        }
        assert_eq!(type_uid("Add member to group", "UserManagement", &["Group", "User"]), 300_603);
    }

    #[test]
    fn rights_in_whatever_category() {
        for category in ["RoleManagement", "GroupManagement", "ResourceManagement", "ApplicationManagement"] {
            for (name, expected) in [
                ("Add member to role", 300_501),
                ("Add eligible member to role", 300_501),
                ("Add member to role completed (PIM activation)", 300_501),
                ("Add member to role in PIM completed (permanent)", 300_501),
                ("Add member to role outside of PIM (permanent)", 300_501),
                ("Add app role assignment to service principal", 300_501),
                ("Add app role assignment grant to user", 300_501),
                (
                    "User has elevated their access to User Access Administrator for their Azure Resources",
                    300_501,
                ),
                ("Remove member from role", 300_502),
                ("Remove member from role (PIM activation expired)", 300_502),
                ("Remove app role assignment from service principal", 300_502),
                ("Add member to role requested (PIM activation)", 300_599),
                ("Add member to role request denied (PIM activation)", 300_599),
                ("Update eligible member in PIM requested (extend)", 300_599),
            ] {
                assert_eq!(type_uid(name, category, &["User", "Role"]), expected, "{name}");
            }
        }
    }

    #[test]
    fn the_rest() {
        for (name, category, kind, expected) in [
            ("Add application", "ApplicationManagement", "Application", 300_401),
            ("Add service principal", "ApplicationManagement", "ServicePrincipal", 300_401),
            ("Add owner to application", "ApplicationManagement", "Application", 300_403),
            (
                "Update application – Certificates and secrets management ",
                "ApplicationManagement",
                "Application",
                300_403,
            ),
            ("Consent to application", "ApplicationManagement", "ServicePrincipal", 300_403),
            ("Add delegated permission grant", "ApplicationManagement", "ServicePrincipal", 300_403),
            ("Hard Delete application", "ApplicationManagement", "Application", 300_404),
            ("Add Conditional Access policy", "Policy", "Policy", 300_401),
            ("Update Conditional Access policy", "Policy", "Policy", 300_403),
            ("Delete Conditional Access policy", "Policy", "Policy", 300_404),
            ("Authentication Methods Policy Update", "ApplicationManagement", "Other", 300_403),
            ("Register device", "Device", "Device", 300_406),
            ("Unregister device", "Device", "Device", 300_407),
            ("Recover device local administrator password", "Device", "Device", 300_402),
            ("Read BitLocker key", "KeyManagement", "Other", 300_402),
            ("Set domain authentication", "DirectoryManagement", "Domain", 300_403),
            ("Add role definition", "RoleManagement", "Role", 300_401),
            ("Disable PIM alert", "RoleManagement", "Other", 300_409),
            ("Add member to administrative unit", "AdministrativeUnit", "User", 300_403),
            ("Issue an access token to the application", "Authentication", "Other", 300_403),
            ("DSR Export: MFA.PostgreSQL.blocked_users", "DirectoryManagement", "Other", 300_499),
        ] {
            assert_eq!(type_uid(name, category, &[kind]), expected, "{name}");
        }
        assert_eq!(type_uid("Set federation settings on domain", "DirectoryManagement", &[]), 600_303);
        assert_eq!(type_uid("", "", &[]), 600_399);
    }
}
