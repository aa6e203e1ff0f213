//! Kubernetes: who the cluster's authenticator says a caller is.

use event::{Col, EventBatch};

use super::aws::{issued_key, user_arn};
use super::entra::is_guid;
use super::filled;
use crate::identity::node::{Node, NodeKind};

/// OCSF `user.type_id`.
const USER: i64 = 1;

/// Who called: behind the names of EKS an AWS user or the key of a session, behind those of AKS an object id of
/// Entra, else a name that holds within the cluster.
pub(crate) fn actor(batch: &EventBatch, row: usize) -> Option<Node> {
    let other = filled(batch, Col::ActorUserUidAlt, row);
    if let Some(user) = other.and_then(user_arn) {
        return Some(user);
    }
    if other.is_some_and(|arn| arn.starts_with("arn:")) {
        return filled(batch, Col::ActorUserCredentialUid, row).and_then(issued_key);
    }
    if let Some(id) = other.filter(|id| is_guid(id)) {
        let is_person = filled(batch, Col::ActorUserEmailAddr, row).is_some();
        let kind = if is_person { NodeKind::EntraUser } else { NodeKind::EntraServicePrincipal };
        return Node::lower(kind, id);
    }
    // Components and nodes are the cluster itself.
    let is_user = batch.int_at(Col::ActorUserTypeId, row) == Some(USER);
    let name = filled(batch, Col::ActorUserName, row).filter(|name| *name != "Unknown")?;
    (is_user || is_service_account(name)).then(|| user(batch, row, name)).flatten()
}

/// A name within the cluster whose log the row is from.
pub(crate) fn user(batch: &EventBatch, row: usize, name: &str) -> Option<Node> {
    Node::scoped(NodeKind::KubernetesUser, filled(batch, Col::Source, row)?, name)
}

/// `system:serviceaccount:<namespace>:<name>`.
pub(crate) fn is_service_account(name: &str) -> bool {
    let rest = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    rest.is_some_and(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
}
