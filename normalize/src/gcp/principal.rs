//! Principals as IAM writes them: `user:ana@example.com`, `serviceAccount:…`, `principal://…`,
//! `allUsers`, bare addresses, and Kubernetes' `system:node:…`.

use event::Col;

use crate::email;
use crate::row::Row;

/// OCSF `user.type_id`.
const USER: i32 = 1;
const SYSTEM: i32 = 3;
const SERVICE: i32 = 4;
const OTHER: i32 = 99;

/// A principal taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Principal<'a> {
    /// As it was written.
    pub(super) uid: &'a str,
    /// Without its kind: an address, a domain, a subject.
    pub(super) name: &'a str,
    /// `user`, `serviceAccount`, `group`, `domain`, `principal`, `system`, `allUsers` and so on.
    pub(super) kind: &'a str,
    type_id: i32,
}

/// The columns of one user of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserColumns {
    name: Col,
    uid: Col,
    kind: Col,
    type_id: Col,
    email: Col,
    account: Col,
}

/// Who did it.
pub(super) const ACTOR: UserColumns = UserColumns {
    name: Col::ActorUserName,
    uid: Col::ActorUserUid,
    kind: Col::ActorUserType,
    type_id: Col::ActorUserTypeId,
    email: Col::ActorUserEmailAddr,
    account: Col::ActorUserAccountUid,
};

/// To whom it was done.
pub(super) const TARGET: UserColumns = UserColumns {
    name: Col::UserName,
    uid: Col::UserUid,
    kind: Col::UserType,
    type_id: Col::UserTypeId,
    email: Col::UserEmailAddr,
    account: Col::UserAccountUid,
};

impl<'a> Principal<'a> {
    pub(super) fn parse(uid: &'a str) -> Self {
        // A deleted principal keeps its name: `deleted:user:ana@example.com?uid=123`.
        let text = uid.strip_prefix("deleted:").unwrap_or(uid);
        let text = text.split_once("?uid=").map_or(text, |(name, _)| name);
        let (kind, name, type_id) = match text.split_once(':') {
            None => of_address(text),
            Some(("user", name)) => ("user", name, USER),
            Some(("serviceAccount", name)) => ("serviceAccount", name, SERVICE),
            Some((kind @ ("principal" | "principalSet"), path)) => (kind, subject(path), of_pool(path)),
            // Kubernetes: components, nodes and its own service accounts.
            Some(("system", name)) if name.starts_with("serviceaccount:") => {
                ("serviceAccount", text, SERVICE)
            }
            Some(("system", _)) => ("system", text, SYSTEM),
            Some((kind, name)) => (kind, name, OTHER),
        };
        Self { uid, name, kind, type_id }
    }

    /// Its e-mail address, if that is what its name is.
    pub(super) fn email(&self) -> Option<&'a str> {
        email::is_address(self.name).then_some(self.name)
    }

    /// Sets the columns of a user; what is set already stays.
    pub(super) fn set(&self, columns: &UserColumns, row: &mut Row<'_>) {
        row.text_if(columns.uid, Some(self.uid));
        row.text_if(columns.name, Some(self.name));
        row.text_if(columns.kind, Some(self.kind));
        row.int(columns.type_id, self.type_id);
        row.text_if(columns.email, self.email());
        row.text_if(columns.account, project_of(self.name));
    }
}

/// A bare address or word.
fn of_address(text: &str) -> (&str, &str, i32) {
    match text {
        "allUsers" | "allAuthenticatedUsers" => (text, text, OTHER),
        // Google's own hand, in system event logs.
        "system@google.com" => ("system", text, SYSTEM),
        _ if text.ends_with(".gserviceaccount.com") => ("serviceAccount", text, SERVICE),
        _ => ("user", text, USER),
    }
}

/// The subject at the end of a federated principal's path.
fn subject(path: &str) -> &str {
    path.split_once("/subject/").map_or(path, |(_, subject)| subject)
}

/// Workforce pools hold people, workload pools hold programs.
fn of_pool(path: &str) -> i32 {
    if path.contains("/workforcePools/") {
        USER
    } else if path.contains("/workloadIdentityPools/") {
        SERVICE
    } else {
        OTHER
    }
}

/// The project that a service account belongs to, which its address says.
pub(super) fn project_of(address: &str) -> Option<&str> {
    let (name, domain) = address.split_once('@')?;
    match domain {
        "appspot.gserviceaccount.com" => Some(name),
        _ => domain.strip_suffix(".iam.gserviceaccount.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uid: &str, kind: &str, name: &str, type_id: i32) {
        let found = Principal::parse(uid);
        assert_eq!((found.uid, found.kind, found.name, found.type_id), (uid, kind, name, type_id));
    }

    #[test]
    fn every_spelling() {
        check("ana@example.com", "user", "ana@example.com", USER);
        check("user:ana@example.com", "user", "ana@example.com", USER);
        check("deleted:user:ana@example.com?uid=12", "user", "ana@example.com", USER);
        check(
            "bot@p-1.iam.gserviceaccount.com",
            "serviceAccount",
            "bot@p-1.iam.gserviceaccount.com",
            SERVICE,
        );
        check("serviceAccount:bot@x.com", "serviceAccount", "bot@x.com", SERVICE);
        check("group:all@example.com", "group", "all@example.com", OTHER);
        check("allUsers", "allUsers", "allUsers", OTHER);
        check("system@google.com", "system", "system@google.com", SYSTEM);
        check("system:kube-scheduler", "system", "system:kube-scheduler", SYSTEM);
        check("system:serviceaccount:ns:job", "serviceAccount", "system:serviceaccount:ns:job", SERVICE);
        check(
            "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ana",
            "principal",
            "ana",
            USER,
        );
        check(
            "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/*",
            "principalSet",
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/*",
            SERVICE,
        );
        check("", "user", "", USER);
        check(":", "", "", OTHER);
    }

    #[test]
    fn addresses_and_projects() {
        assert_eq!(Principal::parse("user:ana@example.com").email(), Some("ana@example.com"));
        for no in ["system:kube-scheduler", "a@b", "@x.y", "a b@x.y", "a@x.y@z", "a@.y", "a@x."] {
            assert_eq!(Principal::parse(no).email(), None, "{no}");
        }
        assert_eq!(project_of("bot@p-1.iam.gserviceaccount.com"), Some("p-1"));
        assert_eq!(project_of("p-1@appspot.gserviceaccount.com"), Some("p-1"));
        assert_eq!(project_of("12-compute@developer.gserviceaccount.com"), None);
        assert_eq!(project_of("ana@example.com"), None);
    }
}
