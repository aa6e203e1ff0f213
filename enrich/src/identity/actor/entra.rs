//! Entra and Azure: users and service principals by object id.

use event::{Col, EventBatch};

use super::filled;
use crate::identity::node::{Node, NodeKind};

/// OCSF `user.type_id`.
const USER: i64 = 1;
/// OCSF `user.type_id`.
const SERVICE: i64 = 4;

/// Who acted or signed in.
pub(crate) fn user_or_service(batch: &EventBatch, row: usize) -> Option<Node> {
    let text = |col| filled(batch, col, row);
    let uid = text(Col::ActorUserUid).filter(|uid| is_guid(uid));
    let kind = match batch.int_at(Col::ActorUserTypeId, row) {
        Some(USER) => NodeKind::EntraUser,
        Some(SERVICE) => NodeKind::EntraServicePrincipal,
        // Tokens of users always have a name.
        _ if text(Col::ActorUserName).is_some_and(|name| name.contains('@')) => NodeKind::EntraUser,
        _ => NodeKind::EntraServicePrincipal,
    };
    if let Some(uid) = uid {
        return Node::lower(kind, uid);
    }
    match kind {
        NodeKind::EntraUser => {
            let name = text(Col::ActorUserName).filter(|name| name.contains('@'))?;
            Node::lower(NodeKind::Mail, name)
        }
        // Of other rows it is the client, which is nobody.
        _ if text(Col::ActorUserType) == Some("servicePrincipal") => {
            let app = text(Col::ActorAppUid).filter(|app| is_guid(app))?;
            Node::lower(NodeKind::EntraApp, app)
        }
        _ => None,
    }
}

/// Whether this is the id of something: 8-4-4-4-12, and not all zeros as where Entra knows nobody.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && text.bytes().any(|byte| !matches!(byte, b'0' | b'-'))
}
