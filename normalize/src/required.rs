//! What OCSF requires, where the record says nothing of it.

use event::Col;

use crate::address;
use crate::row::{Row, UNKNOWN};

/// An actor is known by name or id, or through an application.
pub(crate) fn actor(row: &mut Row<'_>) {
    let identified = [Col::ActorUserName, Col::ActorUserUid, Col::ActorAppUid, Col::ActorAppName];
    if !identified.into_iter().any(|col| row.has(col)) {
        row.text(Col::ActorUserName, UNKNOWN);
    }
}

/// Actor and source, for classes that require both.
pub(crate) fn actor_and_source(row: &mut Row<'_>) {
    actor(row);
    address::require(row);
}

/// A user is known by name or id.
pub(crate) fn user(row: &mut Row<'_>) {
    if !row.has(Col::UserName) && !row.has(Col::UserUid) {
        row.text(Col::UserName, UNKNOWN);
    }
}
