//! What a caller may be allowed to do, one thing each.

use std::fmt;
use std::str::FromStr;

/// What a request needs. Where no finer one fits, reading needs `read` and changing needs `manage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read sources, dead letters, rules, metrics.
    Read,
    /// Read alerts with their evidence.
    ReadAlerts,
    /// Work on alerts; raise them by a rule from the past; undo links between identities.
    Triage,
    /// Run SQL; say what a rule would have raised.
    Query,
    /// Change the rules in use.
    ManageRules,
    /// Pause, resume and backfill sources; retry dead letters; change what the server does.
    Manage,
    /// Start and approve what changes something in a cloud.
    Respond,
    /// Take whole alerts and evidence out.
    Export,
    /// Push records.
    Push,
    /// Read users, tokens and roles.
    ReadUsers,
    /// Add, change and disable users; make and revoke anybody's tokens.
    ManageUsers,
    /// Make and revoke tokens of one's own.
    OwnTokens,
    /// Read the audit log.
    ReadAudit,
    /// Add, change and remove users for a directory (SCIM).
    Provision,
}

impl Right {
    /// All, with their names in the configuration.
    pub(crate) const ALL: [(Self, &'static str); 14] = [
        (Self::Read, "read"),
        (Self::ReadAlerts, "alerts.read"),
        (Self::Triage, "alerts.triage"),
        (Self::Query, "events.query"),
        (Self::ManageRules, "rules.manage"),
        (Self::Manage, "manage"),
        (Self::Respond, "respond"),
        (Self::Export, "export"),
        (Self::Push, "records.push"),
        (Self::ReadUsers, "users.read"),
        (Self::ManageUsers, "users.manage"),
        (Self::OwnTokens, "tokens.own"),
        (Self::ReadAudit, "audit.read"),
        (Self::Provision, "users.provision"),
    ];

    /// The name in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(right, _)| *right == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(right, _)| *right).ok_or_else(|| {
            format!("`{text}` is no right; choose among {}", Self::ALL.map(|(_, name)| name).join(", "))
        })
    }
}

/// Some rights.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rights(u32);

impl Rights {
    /// Every one.
    pub(crate) fn all() -> Self {
        Right::ALL.iter().map(|(right, _)| *right).collect()
    }

    /// Whether `right` is among them.
    pub(crate) fn contain(self, right: Right) -> bool {
        self.0 & bit(right) != 0
    }

    /// Whether all of `other` are among them.
    pub(crate) fn cover(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Those that are also in `other`.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Their names, in the order of the documentation.
    pub(crate) fn names(self) -> Vec<&'static str> {
        Right::ALL.iter().filter(|(right, _)| self.contain(*right)).map(|(_, name)| *name).collect()
    }
}

fn bit(right: Right) -> u32 {
    1 << right as u32
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | bit(right)))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_a_name_and_a_bit_of_its_own() {
        let mut seen = Rights::default();
        for (right, name) in Right::ALL {
            assert!(!seen.contain(right), "{name}");
            seen = [right]
                .into_iter()
                .chain(Right::ALL.map(|(r, _)| r).into_iter().filter(|r| seen.contain(*r)))
                .collect();
            assert_eq!((right.as_str(), name.parse()), (name, Ok(right)));
        }
        assert_eq!(seen, Rights::all());
        assert!("read ".parse::<Right>().unwrap_err().contains("alerts.triage"));
    }

    #[test]
    fn rights_are_sets() {
        let some: Rights = [Right::Read, Right::Push].into_iter().collect();
        let more: Rights = [Right::Read, Right::Push, Right::Query].into_iter().collect();
        assert!(more.cover(some) && !some.cover(more) && some.cover(some));
        assert_eq!(more.and(some), some);
        assert_eq!(format!("{some:?}"), "read,records.push");
    }
}
