//! OCSF 1.8.0 classes, activities, severities and statuses: the words, and the numbers they stand for.

/// What an event is: a class and one of its activities, with every word that OCSF has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Activity {
    pub(crate) class_uid: i32,
    pub(crate) class_name: &'static str,
    pub(crate) category_uid: i32,
    pub(crate) category_name: &'static str,
    pub(crate) activity_id: i32,
    pub(crate) activity_name: &'static str,
    /// Class and activity in words.
    pub(crate) type_name: &'static str,
}

impl Activity {
    /// Class and activity in one number.
    pub(crate) fn type_uid(&self) -> i64 {
        i64::from(self.class_uid) * 100 + i64::from(self.activity_id)
    }
}

macro_rules! class {
    (
        $(#[$doc:meta])* $module:ident, $uid:literal $name:literal, $category:literal $category_name:literal,
        { $($activity:ident = $id:literal $caption:literal,)* }
    ) => {
        $(#[$doc])*
        #[allow(dead_code, reason = "the class has them all, whether or not a mapping needs them yet")]
        pub(crate) mod $module {
            use super::Activity;

            $(pub(crate) const $activity: Activity = Activity {
                class_uid: $uid,
                class_name: $name,
                category_uid: $category,
                category_name: $category_name,
                activity_id: $id,
                activity_name: $caption,
                type_name: concat!($name, ": ", $caption),
            };)*

            /// Every activity of the class.
            pub(crate) const ALL: &[Activity] = &[$($activity),*];
        }
    };
}

class! {
    /// An event of no class.
    base_event, 0 "Base Event", 0 "Uncategorized", {
        UNKNOWN = 0 "Unknown",
        OTHER = 99 "Other",
    }
}

class! {
    /// A user, their password, key or second factor was created, changed or deleted.
    account_change, 3001 "Account Change", 3 "Identity & Access Management", {
        UNKNOWN = 0 "Unknown",
        CREATE = 1 "Create",
        ENABLE = 2 "Enable",
        PASSWORD_CHANGE = 3 "Password Change",
        PASSWORD_RESET = 4 "Password Reset",
        DISABLE = 5 "Disable",
        DELETE = 6 "Delete",
        ATTACH_POLICY = 7 "Attach Policy",
        DETACH_POLICY = 8 "Detach Policy",
        LOCK = 9 "Lock",
        MFA_ENABLE = 10 "MFA Factor Enable",
        MFA_DISABLE = 11 "MFA Factor Disable",
        UNLOCK = 12 "Unlock",
        OTHER = 99 "Other",
    }
}

class! {
    /// Someone or something signed in, out, or took a session.
    authentication, 3002 "Authentication", 3 "Identity & Access Management", {
        UNKNOWN = 0 "Unknown",
        LOGON = 1 "Logon",
        LOGOFF = 2 "Logoff",
        AUTHENTICATION_TICKET = 3 "Authentication Ticket",
        SERVICE_TICKET_REQUEST = 4 "Service Ticket Request",
        SERVICE_TICKET_RENEW = 5 "Service Ticket Renew",
        PREAUTH = 6 "Preauth",
        ACCOUNT_SWITCH = 7 "Account Switch",
        OTHER = 99 "Other",
    }
}

class! {
    /// Rights were given to a session.
    authorize_session, 3003 "Authorize Session", 3 "Identity & Access Management", {
        UNKNOWN = 0 "Unknown",
        ASSIGN_PRIVILEGES = 1 "Assign Privileges",
        ASSIGN_GROUPS = 2 "Assign Groups",
        OTHER = 99 "Other",
    }
}

class! {
    /// A role, application, policy, provider or device was managed.
    entity_management, 3004 "Entity Management", 3 "Identity & Access Management", {
        UNKNOWN = 0 "Unknown",
        CREATE = 1 "Create",
        READ = 2 "Read",
        UPDATE = 3 "Update",
        DELETE = 4 "Delete",
        MOVE = 5 "Move",
        ENROLL = 6 "Enroll",
        UNENROLL = 7 "Unenroll",
        ENABLE = 8 "Enable",
        DISABLE = 9 "Disable",
        ACTIVATE = 10 "Activate",
        DEACTIVATE = 11 "Deactivate",
        SUSPEND = 12 "Suspend",
        RESUME = 13 "Resume",
        OTHER = 99 "Other",
    }
}

class! {
    /// Rights were given to or taken from a user, role or principal.
    user_access, 3005 "User Access Management", 3 "Identity & Access Management", {
        UNKNOWN = 0 "Unknown",
        ASSIGN_PRIVILEGES = 1 "Assign Privileges",
        REVOKE_PRIVILEGES = 2 "Revoke Privileges",
        OTHER = 99 "Other",
    }
}

class! {
    /// A group, its members or its rights changed.
    group_management, 3006 "Group Management", 3 "Identity & Access Management", {
        UNKNOWN = 0 "Unknown",
        ASSIGN_PRIVILEGES = 1 "Assign Privileges",
        REVOKE_PRIVILEGES = 2 "Revoke Privileges",
        ADD_USER = 3 "Add User",
        REMOVE_USER = 4 "Remove User",
        DELETE = 5 "Delete",
        CREATE = 6 "Create",
        ADD_SUBGROUP = 7 "Add Subgroup",
        REMOVE_SUBGROUP = 8 "Remove Subgroup",
        OTHER = 99 "Other",
    }
}

class! {
    /// A call to a cloud's API; whatever no other class fits.
    api_activity, 6003 "API Activity", 6 "Application Activity", {
        UNKNOWN = 0 "Unknown",
        CREATE = 1 "Create",
        READ = 2 "Read",
        UPDATE = 3 "Update",
        DELETE = 4 "Delete",
        OTHER = 99 "Other",
    }
}

class! {
    /// Objects, rows or secrets were read or written.
    datastore_activity, 6005 "Datastore Activity", 6 "Application Activity", {
        UNKNOWN = 0 "Unknown",
        READ = 1 "Read",
        UPDATE = 2 "Update",
        CONNECT = 3 "Connect",
        QUERY = 4 "Query",
        WRITE = 5 "Write",
        CREATE = 6 "Create",
        DELETE = 7 "Delete",
        LIST = 8 "List",
        ENCRYPT = 9 "Encrypt",
        DECRYPT = 10 "Decrypt",
        OTHER = 99 "Other",
    }
}

class! {
    /// A file in a service that hosts files was opened, changed or shared.
    file_hosting, 6006 "File Hosting Activity", 6 "Application Activity", {
        UNKNOWN = 0 "Unknown",
        UPLOAD = 1 "Upload",
        DOWNLOAD = 2 "Download",
        UPDATE = 3 "Update",
        DELETE = 4 "Delete",
        RENAME = 5 "Rename",
        COPY = 6 "Copy",
        MOVE = 7 "Move",
        RESTORE = 8 "Restore",
        PREVIEW = 9 "Preview",
        LOCK = 10 "Lock",
        UNLOCK = 11 "Unlock",
        SHARE = 12 "Share",
        UNSHARE = 13 "Unshare",
        OPEN = 14 "Open",
        SYNC = 15 "Sync",
        UNSYNC = 16 "Unsync",
        ACCESS_CHECK = 17 "Access Check",
        OTHER = 99 "Other",
    }
}

class! {
    /// A product detected something and reports it.
    detection_finding, 2004 "Detection Finding", 2 "Findings", {
        UNKNOWN = 0 "Unknown",
        CREATE = 1 "Create",
        UPDATE = 2 "Update",
        CLOSE = 3 "Close",
        OTHER = 99 "Other",
    }
}

class! {
    /// A connection or flow was seen, or refused.
    network_activity, 4001 "Network Activity", 4 "Network Activity", {
        UNKNOWN = 0 "Unknown",
        OPEN = 1 "Open",
        CLOSE = 2 "Close",
        RESET = 3 "Reset",
        FAIL = 4 "Fail",
        REFUSE = 5 "Refuse",
        TRAFFIC = 6 "Traffic",
        LISTEN = 7 "Listen",
        OTHER = 99 "Other",
    }
}

class! {
    /// A server, proxy or firewall saw an HTTP request.
    http_activity, 4002 "HTTP Activity", 4 "Network Activity", {
        UNKNOWN = 0 "Unknown",
        CONNECT = 1 "Connect",
        DELETE = 2 "Delete",
        GET = 3 "Get",
        HEAD = 4 "Head",
        OPTIONS = 5 "Options",
        POST = 6 "Post",
        PUT = 7 "Put",
        TRACE = 8 "Trace",
        PATCH = 9 "Patch",
        OTHER = 99 "Other",
    }
}

class! {
    /// A name was asked for, or answered.
    dns_activity, 4003 "DNS Activity", 4 "Network Activity", {
        UNKNOWN = 0 "Unknown",
        QUERY = 1 "Query",
        RESPONSE = 2 "Response",
        TRAFFIC = 6 "Traffic",
        OTHER = 99 "Other",
    }
}

class! {
    /// A tunnel was opened, renewed or closed.
    tunnel_activity, 4014 "Tunnel Activity", 4 "Network Activity", {
        UNKNOWN = 0 "Unknown",
        OPEN = 1 "Open",
        CLOSE = 2 "Close",
        RENEW = 3 "Renew",
        OTHER = 99 "Other",
    }
}

/// The activities of each class.
const CLASSES: &[&[Activity]] = &[
    base_event::ALL,
    detection_finding::ALL,
    account_change::ALL,
    authentication::ALL,
    authorize_session::ALL,
    entity_management::ALL,
    user_access::ALL,
    group_management::ALL,
    api_activity::ALL,
    datastore_activity::ALL,
    file_hosting::ALL,
    network_activity::ALL,
    http_activity::ALL,
    dns_activity::ALL,
    tunnel_activity::ALL,
];

/// The activities of the class with that number.
pub(crate) fn of_uid(class_uid: i32) -> Option<&'static [Activity]> {
    CLASSES.iter().copied().find(|class| class.iter().all(|activity| activity.class_uid == class_uid))
}

/// An activity of each class.
pub(crate) fn all() -> impl Iterator<Item = &'static Activity> {
    CLASSES.iter().filter_map(|class| class.first())
}

/// OCSF `severity_id`. Audit logs report facts, so a mapping rarely has reason for anything but
/// [`Severity::Informational`]; rules judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
    Fatal = 6,
}

impl Severity {
    pub(crate) fn id(self) -> i32 {
        self as i32
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
            Self::Fatal => "Fatal",
        }
    }
}

/// OCSF `status_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Unknown = 0,
    Success = 1,
    Failure = 2,
    Other = 99,
}

impl Status {
    pub(crate) fn id(self) -> i32 {
        self as i32
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Success => "Success",
            Self::Failure => "Failure",
            Self::Other => "Other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&[Activity], &str); 14] = [
        (account_change::ALL, "iam/account_change"),
        (authentication::ALL, "iam/authentication"),
        (authorize_session::ALL, "iam/authorize_session"),
        (entity_management::ALL, "iam/entity_management"),
        (user_access::ALL, "iam/user_access"),
        (group_management::ALL, "iam/group_management"),
        (api_activity::ALL, "application/api_activity"),
        (datastore_activity::ALL, "application/datastore_activity"),
        (file_hosting::ALL, "application/file_hosting"),
        (detection_finding::ALL, "findings/detection_finding"),
        (network_activity::ALL, "network/network_activity"),
        (http_activity::ALL, "network/http_activity"),
        (dns_activity::ALL, "network/dns_activity"),
        (tunnel_activity::ALL, "network/tunnel_activity"),
    ];

    #[test]
    fn numbers_follow_the_arithmetic() {
        assert_eq!(authentication::LOGON.type_uid(), 300_201);
        assert_eq!(api_activity::OTHER.type_uid(), 600_399);
        for activity in FILES.iter().flat_map(|(activities, _)| *activities) {
            assert_eq!(activity.class_uid / 1000, activity.category_uid);
            assert_eq!(activity.type_name, format!("{}: {}", activity.class_name, activity.activity_name));
        }
    }

    /// Against the schema's own files, where the corpus is at hand.
    #[test]
    fn names_and_numbers_are_those_of_the_schema() {
        let Some(schema) = crate::corpus::folder("ocsf/schema_1.8.0") else { return };
        let read = |path: String| -> serde_json::Value {
            serde_json::from_str(&std::fs::read_to_string(schema.join(path)).unwrap()).unwrap()
        };
        let categories = read("categories.json".into());
        for (activities, file) in FILES {
            let class = read(format!("events/{file}.json"));
            // All findings share the activities of their base.
            let base = read(format!(
                "events/{}.json",
                file.replace("findings/detection_finding", "findings/finding")
            ));
            let ids = base["attributes"]["activity_id"]["enum"].as_object().unwrap();
            for activity in activities {
                let category = &categories["attributes"][class_category(file)];
                assert_eq!(category["uid"], activity.category_uid);
                assert_eq!(category["caption"], activity.category_name);
                assert_eq!(class["caption"], activity.class_name);
                let number = class["uid"].as_i64().unwrap() + 1000 * i64::from(activity.category_uid);
                assert_eq!(number, i64::from(activity.class_uid));
                if !matches!(activity.activity_id, 0 | 99) {
                    assert_eq!(ids[&activity.activity_id.to_string()]["caption"], activity.activity_name);
                }
            }
            let own = ids.keys().filter(|id| !matches!(id.as_str(), "0" | "99")).count();
            assert_eq!(own + 2, activities.len(), "{file} has other activities");
        }
    }

    #[test]
    fn the_base_event_has_no_category_and_no_activity() {
        let Some(schema) = crate::corpus::folder("ocsf/schema_1.8.0") else { return };
        let text = std::fs::read_to_string(schema.join("events/base_event.json")).unwrap();
        let class: serde_json::Value = serde_json::from_str(&text).unwrap();
        let attributes = &class["attributes"];
        for activity in base_event::ALL {
            assert_eq!(attributes["class_uid"]["enum"]["0"]["caption"], activity.class_name);
            assert_eq!(attributes["category_uid"]["enum"]["0"]["caption"], activity.category_name);
            let id = activity.activity_id.to_string();
            assert_eq!(attributes["activity_id"]["enum"][&id]["caption"], activity.activity_name);
            assert_eq!(activity.type_uid(), i64::from(activity.activity_id));
        }
    }

    fn class_category(file: &str) -> &str {
        file.split('/').next().unwrap()
    }
}
