//! Roles: rights under a name.

use std::sync::Arc;

use super::{Right, Rights};

/// A role. What it does not list is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    name: Arc<str>,
    rights: Rights,
    /// What it is for, a sentence.
    doc: Arc<str>,
}

impl Role {
    /// A role of the configuration.
    pub(crate) fn new(name: &str, rights: Rights, doc: &str) -> Self {
        Self { name: name.into(), rights, doc: doc.into() }
    }

    /// Everything; also of callers on this machine while nobody else is known.
    pub(crate) fn admin() -> Self {
        Self::new("admin", Rights::all(), "Everything.")
    }

    /// The name in the configuration.
    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// What it may.
    pub(crate) fn rights(&self) -> Rights {
        self.rights
    }

    /// What it is for.
    pub(crate) fn doc(&self) -> &str {
        &self.doc
    }

    /// Whether the role has `right`.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.rights.contain(right)
    }

    /// The same role with no rights but those of `bound`.
    pub(crate) fn within(&self, bound: Rights) -> Self {
        Self { rights: self.rights.and(bound), ..self.clone() }
    }
}

/// Roles that are always there: name, rights, what each is for.
const BUILT_IN: &[(&str, &[Right], &str)] = &[
    (
        "detection_engineer",
        &[
            Right::Read,
            Right::ReadAlerts,
            Right::Triage,
            Right::Query,
            Right::ManageRules,
            Right::Manage,
            Right::OwnTokens,
        ],
        "Rules, sources and dead letters, besides the work of an analyst.",
    ),
    (
        "analyst",
        &[Right::Read, Right::ReadAlerts, Right::Triage, Right::Query, Right::OwnTokens],
        "Reads, asks, works on alerts.",
    ),
    (
        "responder",
        &[
            Right::Read,
            Right::ReadAlerts,
            Right::Triage,
            Right::Query,
            Right::Respond,
            Right::Export,
            Right::OwnTokens,
        ],
        "An analyst who may also act and take evidence out.",
    ),
    (
        "auditor",
        &[Right::Read, Right::ReadAlerts, Right::Query, Right::ReadUsers, Right::ReadAudit],
        "Reads everything, the audit log included, and changes nothing.",
    ),
    ("read_only", &[Right::Read, Right::ReadAlerts, Right::Query], "Reads and asks, changes nothing."),
    ("ingest", &[Right::Push], "Pushes records, nothing else."),
    ("provisioning", &[Right::Provision], "The token of a directory that tells users by SCIM."),
];

/// All roles of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roles(Vec<Role>);

impl Default for Roles {
    fn default() -> Self {
        let built_in =
            BUILT_IN.iter().map(|(name, rights, doc)| Role::new(name, rights.iter().copied().collect(), doc));
        Self(std::iter::once(Role::admin()).chain(built_in).collect())
    }
}

impl Roles {
    /// Adds a role of the configuration.
    ///
    /// # Errors
    /// There is one of this name.
    pub(crate) fn add(&mut self, role: Role) -> Result<(), String> {
        if self.0.iter().any(|known| known.name == role.name) {
            return Err(format!("there is a role called `{}` already; choose another name", role.name));
        }
        self.0.push(role);
        Ok(())
    }

    /// The role called `name`.
    ///
    /// # Errors
    /// There is none; the message lists all.
    pub(crate) fn named(&self, name: &str) -> Result<Role, String> {
        self.0.iter().find(|role| &*role.name == name).cloned().ok_or_else(|| {
            let names: Vec<_> = self.0.iter().map(Role::as_str).collect();
            format!("`{name}` is no role; choose one of {}", names.join(", "))
        })
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Role> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_of_roles_and_rights() {
        use Right::*;
        let roles = Roles::default();
        for (name, rights) in [
            ("admin", Right::ALL.map(|(right, _)| right).to_vec()),
            ("detection_engineer", vec![Read, ReadAlerts, Triage, Query, ManageRules, Manage, OwnTokens]),
            ("analyst", vec![Read, ReadAlerts, Triage, Query, OwnTokens]),
            ("responder", vec![Read, ReadAlerts, Triage, Query, Respond, Export, OwnTokens]),
            ("auditor", vec![Read, ReadAlerts, Query, ReadUsers, ReadAudit]),
            ("read_only", vec![Read, ReadAlerts, Query]),
            ("ingest", vec![Push]),
            ("provisioning", vec![Provision]),
        ] {
            let role = roles.named(name).unwrap();
            for (right, _) in Right::ALL {
                assert_eq!(role.may(right), rights.contains(&right), "{name} {right:?}");
            }
        }
        assert_eq!(roles.iter().count(), 8);
        assert!(roles.named("boss").unwrap_err().contains("admin, detection_engineer, analyst"));
    }

    #[test]
    fn names_of_roles_are_given_once() {
        let mut roles = Roles::default();
        assert!(roles.add(Role::new("admin", Rights::default(), "")).is_err());
        assert!(roles.add(Role::new("scraper", [Right::Read].into_iter().collect(), "")).is_ok());
        assert!(roles.add(Role::new("scraper", Rights::default(), "")).is_err());
        assert!(roles.named("scraper").unwrap().within(Rights::default()).rights() == Rights::default());
    }
}
