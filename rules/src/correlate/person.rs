//! The names that a person goes by, where no log proves that they are one: what a leaver's accounts are called.
//!
//! People have the same name everywhere, but each cloud writes it otherwise: Entra and Google an address, AWS a
//! user's bare name or, of a federated session, the name of the session, which the identity provider sets to
//! the address. An address is told from others in full; a bare name is the part before the `@` of any.
//! That is enough to ask a question about somebody, and not to take two for one: identities are joined by
//! evidence alone.

use event::{Col, EventBatch};

/// Whose names are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Whoever did it: one name, as the log has it.
    Actor,
    /// The user whom it was done to: the address, and the name before the `@`, by which others may know them.
    User,
}

/// The names in a row, in lower case; none where the record names nobody.
pub(crate) fn names(batch: &EventBatch, row: usize, whose: Whose) -> Vec<String> {
    let text = |col| batch.str_at(col, row).filter(|text| !text.is_empty());
    match whose {
        Whose::Actor => {
            let session = text(Col::ActorUserUid).and_then(session_name);
            // A role that is taken with an assertion: the session is named for whom it is taken.
            let is_federated = text(Col::ActorUserType).is_some_and(is_federated);
            let taken = text(Col::UserUid).filter(|_| is_federated).and_then(session_name);
            let user = text(Col::ActorUserName).or_else(|| text(Col::UserName));
            session.or(taken).or(user).map(str::to_lowercase).into_iter().collect()
        }
        Whose::User => {
            let Some(name) = text(Col::UserName) else { return Vec::new() };
            let name = before_deletion(name, text(Col::UserUid).unwrap_or_default()).to_lowercase();
            let bare = name.split_once('@').map(|(bare, _)| bare.to_owned()).filter(|bare| !bare.is_empty());
            std::iter::once(name).chain(bare).collect()
        }
    }
}

/// The name of a role session, from its ARN: `arn:aws:sts::111122223333:assumed-role/role/name`.
fn session_name(arn: &str) -> Option<&str> {
    let (_, path) = arn.split_once(":assumed-role/")?;
    path.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// Whether an identity provider chose the name of the session; an IAM user chooses it alone.
fn is_federated(kind: &str) -> bool {
    matches!(kind, "SAMLUser" | "WebIdentityUser")
}

/// The name that a deleted user had: Entra puts the object id before it, so that the name is free again.
fn before_deletion<'n>(name: &'n str, uid: &str) -> &'n str {
    let id = uid.replace('-', "").to_ascii_lowercase();
    match name.split_at_checked(id.len()) {
        Some((prefix, rest))
            if !id.is_empty() && !rest.starts_with('@') && prefix.eq_ignore_ascii_case(&id) =>
        {
            rest
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_its_end() {
        let arn = "arn:aws:sts::111122223333:assumed-role/dev/bob@example.com";
        assert_eq!(session_name(arn), Some("bob@example.com"));
        assert_eq!(session_name("arn:aws:iam::111122223333:role/dev/bob"), None);
        assert_eq!(session_name("arn:aws:sts::111122223333:assumed-role/dev/"), None);
    }

    #[test]
    fn the_deleted_have_their_name_back() {
        let uid = "0B5D7A1E-3c2f-4a6b-8d9e-1f2a3b4c5d6e";
        let id = "0b5d7a1e3c2f4a6b8d9e1f2a3b4c5d6e";
        assert_eq!(before_deletion(&format!("{id}bob@example.com"), uid), "bob@example.com");
        for name in ["bob@example.com", &format!("{id}@example.com"), "", "é"] {
            assert_eq!(before_deletion(name, uid), name);
            assert_eq!(before_deletion(name, ""), name);
        }
    }
}
