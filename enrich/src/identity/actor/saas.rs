//! Users of services: Okta, GitHub, Google Workspace, and those that findings name.

use event::{Col, EventBatch};

use super::entra::is_guid;
use super::{filled, gcp};
use crate::identity::node::{Node, NodeKind};

/// A person in Okta; its own principal and applications are nobody.
pub(super) fn okta_user(batch: &EventBatch, row: usize) -> Option<Node> {
    let is_user = filled(batch, Col::ActorUserType, row) == Some("User");
    Node::new(NodeKind::OktaUser, filled(batch, Col::ActorUserUid, row).filter(|_| is_user)?)
}

/// A person in GitHub. Logins ignore case.
pub(super) fn github_user(batch: &EventBatch, row: usize) -> Option<Node> {
    let is_user = filled(batch, Col::ActorUserType, row) == Some("User");
    let login = filled(batch, Col::ActorUserName, row).filter(|name| is_user && *name != "Unknown")?;
    Node::lower(NodeKind::GithubUser, login)
}

/// A Google account or service account by its address.
pub(super) fn google_user(batch: &EventBatch, row: usize) -> Option<Node> {
    gcp::principal(filled(batch, Col::ActorUserName, row).filter(|name| name.contains('@'))?)
}

/// Whoever holds the access key that a finding is about.
pub(super) fn key_holder(batch: &EventBatch, row: usize) -> Option<Node> {
    let key = filled(batch, Col::ActorUserCredentialUid, row)?;
    (key.starts_with("AKIA") || key.starts_with("ASIA"))
        .then(|| Node::new(NodeKind::AccessKey, key))
        .flatten()
}

/// The person in Entra that an alert names.
pub(super) fn entra_user(batch: &EventBatch, row: usize) -> Option<Node> {
    Node::lower(NodeKind::EntraUser, filled(batch, Col::ActorUserUid, row).filter(|uid| is_guid(uid))?)
}

/// Who is at risk: a person or a service principal.
pub(super) fn entra_risk(batch: &EventBatch, row: usize) -> Option<Node> {
    let is_service = filled(batch, Col::ActorUserType, row) == Some("servicePrincipal");
    let kind = if is_service { NodeKind::EntraServicePrincipal } else { NodeKind::EntraUser };
    Node::lower(kind, filled(batch, Col::ActorUserUid, row).filter(|uid| is_guid(uid))?)
}
