//! Tokens and roles.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Read everything, run SQL, work on alerts.
    Analyst,
    /// Push records, nothing else.
    Ingest,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read alerts, events, sources, dead letters; run SQL.
    Read,
    /// Change alerts.
    Triage,
    /// Push records.
    Push,
    /// Retry dead letters, reload rules.
    Manage,
    /// Read the audit log.
    Audit,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Admin, Self::Analyst, Self::Ingest];

    /// The name in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Analyst => "analyst",
            Self::Ingest => "ingest",
        }
    }

    /// Whether the role has `right`; what is not listed is denied.
    pub(crate) fn may(self, right: Right) -> bool {
        match self {
            Self::Admin => true,
            Self::Analyst => matches!(right, Right::Read | Right::Triage),
            Self::Ingest => matches!(right, Right::Push),
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| format!("`{name}` is no role; choose one of admin, analyst, ingest"))
    }
}

/// A token as the configuration holds it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is called in the history of alerts.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// SHA-256 of its text. A fast hash suffices: the text is 256 random bits, not a password.
    pub(crate) hash: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse_hash(text: &str) -> Option<[u8; 32]> {
        if text.len() != 64 {
            return None;
        }
        let mut hash = [0u8; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(hash)
    }

    /// The hash of a token's text.
    pub(crate) fn hash_of(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}

/// A new token's text and the hash of it. The prefix lets secret scanners find a leaked one.
///
/// # Errors
/// The system gives no randomness.
pub(crate) fn new_token() -> Result<(String, String), getrandom::Error> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random)?;
    let text = format!("sgm_{}", hex(&random));
    let hash = hex(&Token::hash_of(&text));
    Ok((text, hash))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_hashes_to_its_entry() {
        let (text, hash) = new_token().unwrap();
        assert!(text.starts_with("sgm_") && text.len() == 68);
        assert_eq!(Token::parse_hash(&hash), Some(Token::hash_of(&text)));
        assert_ne!(new_token().unwrap().0, text);
    }

    #[test]
    fn only_hashes_are_hashes() {
        assert_eq!(Token::parse_hash("0f"), None);
        assert_eq!(Token::parse_hash(&"zz".repeat(32)), None);
        assert_eq!(Token::parse_hash(&"é".repeat(32)), None);
    }

    #[test]
    fn the_matrix_of_roles_and_rights() {
        use Right::*;
        for (role, rights) in [
            (Role::Admin, vec![Read, Triage, Push, Manage, Audit]),
            (Role::Analyst, vec![Read, Triage]),
            (Role::Ingest, vec![Push]),
        ] {
            for right in [Read, Triage, Push, Manage, Audit] {
                assert_eq!(role.may(right), rights.contains(&right), "{role:?} {right:?}");
            }
        }
    }

    #[test]
    fn a_token_never_shows_its_hash() {
        let token = Token { name: "a".into(), role: Role::Admin, hash: [7; 32] };
        assert!(!format!("{token:?}").contains('7'));
    }
}
