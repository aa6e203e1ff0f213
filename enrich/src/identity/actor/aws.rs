//! AWS: users, root, role sessions, federated subjects.

use event::{Col, EventBatch};
use serde::Deserialize;

use super::{Actor, filled};
use crate::identity::json::member;
use crate::identity::node::{Node, NodeKind};
use crate::identity::subject::oidc_subject;

/// Who called, by `userIdentity.type`. Services that act by themselves are nobody.
pub(crate) fn actor(batch: &EventBatch, row: usize) -> Option<Actor> {
    let text = |col| filled(batch, col, row);
    match text(Col::ActorUserType)? {
        "IAMUser" => user_arn(text(Col::ActorUserUid)?).map(Actor::from),
        "Root" => Node::new(NodeKind::AwsRoot, text(Col::ActorUserAccountUid)?).map(Actor::from),
        "AssumedRole" => assumed_role(batch, row),
        // Its name is whatever the user that asked for the token chose.
        "FederatedUser" => issued_key(text(Col::ActorUserCredentialUid)?).map(Actor::from),
        // A caller from another account, of which CloudTrail shows the unique id alone.
        "AWSAccount" => {
            let id = text(Col::ActorUserUidAlt)?;
            id.starts_with("AIDA").then(|| Node::new(NodeKind::AwsUserId, id)).flatten().map(Actor::from)
        }
        "SAMLUser" => saml_subject(batch, row).map(Actor::from),
        "WebIdentityUser" => {
            oidc_subject(text(Col::ActorIdpName)?, subject_name(batch, row)?).map(Actor::from)
        }
        "IdentityCenterUser" => identity_center(batch, row).map(Actor::from),
        _ => None,
    }
}

fn assumed_role(batch: &EventBatch, row: usize) -> Option<Actor> {
    let began = batch.int_at(Col::ActorSessionCreatedTime, row);
    let session = filled(batch, Col::ActorUserUid, row).and_then(|arn| role_session(arn, began));
    let key = filled(batch, Col::ActorUserCredentialUid, row).and_then(issued_key);
    match key {
        Some(node) => Some(Actor { node, session }),
        None => session.map(Actor::from),
    }
}

/// The node of a temporary key. Only those begin with `ASIA`; a long-lived one is never issued for a session.
pub(crate) fn issued_key(id: &str) -> Option<Node> {
    id.starts_with("ASIA").then(|| Node::new(NodeKind::AccessKey, id)).flatten()
}

/// The node of an IAM user's ARN.
pub(crate) fn user_arn(arn: &str) -> Option<Node> {
    let is_user = arn.starts_with("arn:") && arn.contains(":iam:") && arn.contains(":user/");
    is_user.then(|| Node::new(NodeKind::AwsUser, arn)).flatten()
}

/// The node of a role session: its ARN and the second in which it began, if that is known.
pub(crate) fn role_session(arn: &str, began_us: Option<i64>) -> Option<Node> {
    if !arn.starts_with("arn:") || !arn.contains(":assumed-role/") {
        return None;
    }
    match began_us {
        Some(began_us) => {
            let second = began_us.div_euclid(1_000_000);
            Node::new(NodeKind::RoleSession, &format!("{arn}@{second}"))
        }
        None => Node::new(NodeKind::RoleSession, arn),
    }
}

/// What STS says of the SAML assertion that it took.
#[derive(Deserialize)]
struct Assertion {
    issuer: String,
    #[serde(default)]
    subject: String,
}

/// The subject of `AssumeRoleWithSAML`: the issuer stands in the response alone.
pub(crate) fn saml_subject(batch: &EventBatch, row: usize) -> Option<Node> {
    let response = filled(batch, Col::ApiResponseData, row)?;
    let Assertion { issuer, subject } = serde_json::from_str(response).ok()?;
    let subject = if subject.is_empty() { subject_name(batch, row)? } else { &subject };
    Node::scoped(NodeKind::SamlSubject, &issuer, subject)
}

/// The subject as `userIdentity` names it. The mapping says `Unknown` where the record does not: that is nobody.
fn subject_name(batch: &EventBatch, row: usize) -> Option<&str> {
    filled(batch, Col::ActorUserName, row).filter(|name| *name != "Unknown")
}

/// The person behind a call: `userIdentity.onBehalfOf`.
pub(crate) fn identity_center(batch: &EventBatch, row: usize) -> Option<Node> {
    let store = filled(batch, Col::ActorIdpUid, row).filter(|arn| is_identity_store(arn))?;
    let kept = filled(batch, Col::Unmapped, row)
        .and_then(|unmapped| member::<String>(unmapped, |key| key == "userIdentity.onBehalfOf.userId"));
    // An identity without an ARN has the person's id in its place.
    let user = || filled(batch, Col::ActorUserUid, row).filter(|uid| !uid.starts_with("arn:"));
    Node::scoped(NodeKind::IdentityCenterUser, store, kept.as_deref().or_else(user)?)
}

/// Whether this is the ARN of an identity store.
pub(crate) fn is_identity_store(arn: &str) -> bool {
    arn.starts_with("arn:") && arn.contains(":identitystore:")
}
