//! AWS: keys and who they were issued to.

use event::{Col, EventBatch};
use serde::Deserialize;

use super::labels::Labels;
use super::sightings::{Sighting, What};
use super::{Found, succeeded};
use crate::identity::IdentityConfig;
use crate::identity::actor::aws::{
    actor, identity_center, is_identity_store, issued_key, role_session, user_arn,
};
use crate::identity::actor::{Actor, filled};
use crate::identity::json::member;
use crate::identity::link::LinkKind;
use crate::identity::node::{Node, NodeKind};

/// A call that issues a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issue {
    /// A temporary key, to the caller.
    Temporary,
    /// A temporary key, to a subject of a provider.
    Federated,
    /// A long-lived key, to the user that it was created for.
    LongLived,
}

impl Issue {
    fn of(operation: &str) -> Option<Self> {
        Some(match operation {
            "AssumeRole" | "AssumeRoot" | "GetFederationToken" | "GetSessionToken" => Self::Temporary,
            "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity" => Self::Federated,
            "CreateAccessKey" => Self::LongLived,
            _ => return None,
        })
    }

    fn service(self) -> &'static str {
        if self == Self::LongLived { "iam.amazonaws.com" } else { "sts.amazonaws.com" }
    }
}

/// Whose credentials a call was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// An IAM user or root.
    Owner,
    Role,
    Other,
}

impl Holder {
    fn of(kind: &str) -> Self {
        match kind {
            "IAMUser" | "Root" => Self::Owner,
            "AssumedRole" => Self::Role,
            _ => Self::Other,
        }
    }
}

pub(super) struct Evidence<'b> {
    batch: &'b EventBatch,
    config: &'b IdentityConfig,
    issues: Labels<'b, Option<Issue>>,
    holders: Labels<'b, Holder>,
    is_long_lived: Labels<'b, bool>,
    is_unique_id: Labels<'b, bool>,
    is_identity_store: Labels<'b, bool>,
}

impl<'b> Evidence<'b> {
    pub(super) fn new(batch: &'b EventBatch, config: &'b IdentityConfig) -> Self {
        Self {
            batch,
            config,
            issues: Labels::new(batch, Col::ApiOperation),
            holders: Labels::new(batch, Col::ActorUserType),
            is_long_lived: Labels::new(batch, Col::ActorUserCredentialUid),
            is_unique_id: Labels::new(batch, Col::ActorUserUidAlt),
            is_identity_store: Labels::new(batch, Col::ActorIdpUid),
        }
    }

    pub(super) fn look(&mut self, row: usize, found: &mut Found<'_>) {
        let issue = self.issues.of(row, Issue::of).flatten();
        let see = |found: &mut Found<'_>, what| {
            if succeeded(self.batch, row) {
                found.sightings.see(self.batch, row, what);
            }
        };
        match self.holders.of(row, Holder::of) {
            Some(Holder::Owner) => {
                if self.is_long_lived.of(row, |key| key.starts_with("AKIA")) == Some(true) {
                    see(found, What::OwnsKey);
                }
                if self.is_unique_id.of(row, |id| id.starts_with("AIDA")) == Some(true) {
                    see(found, What::SameUser);
                }
            }
            Some(Holder::Role) if self.is_identity_store.of(row, is_identity_store) == Some(true) => {
                see(found, What::OnBehalfOf);
            }
            _ => {}
        }
        let Some(issue) = issue else { return };
        if !succeeded(self.batch, row)
            || filled(self.batch, Col::ApiServiceName, row) != Some(issue.service())
        {
            return;
        }
        match issue {
            Issue::Temporary => self.issued_to_caller(row, found),
            Issue::Federated => self.issued_to_subject(row, found),
            Issue::LongLived => self.created_key(row, found),
        }
    }

    fn text(&self, col: Col, row: usize) -> Option<&'b str> {
        filled(self.batch, col, row)
    }

    fn issued_to_caller(&self, row: usize, found: &mut Found<'_>) {
        // A service that acts by itself is nobody, and the sessions of its roles are of no use.
        if self.text(Col::ActorUserType, row) == Some("AWSService") {
            return;
        }
        let Some(key) = self.text(Col::SessionCredentialUid, row).and_then(issued_key) else { return };
        // A session alone is not known well enough to be the owner of another; see `Link::new`.
        if self.text(Col::ActorUserType, row) == Some("AssumedRole") {
            // Who goes on from here may do so with a key that the console derived.
            found.sightings.see(self.batch, row, What::InSession);
        }
        let caller = actor(self.batch, row).map(|actor| actor.node);
        let named = if self.config.source_identity { self.source_identity(row) } else { None };
        let is_broker = named.as_deref().is_some_and(|name| !self.bears(row, name));
        if !is_broker {
            found.prove(row, LinkKind::AssumedRole, Some(key.clone()), caller);
        }
        self.prove_session(row, &key, named.as_deref(), found);
    }

    fn issued_to_subject(&self, row: usize, found: &mut Found<'_>) {
        let Some(key) = self.text(Col::SessionCredentialUid, row).and_then(issued_key) else { return };
        let Some(subject) = actor(self.batch, row).map(|actor| actor.node) else { return };
        found.prove(row, LinkKind::Federated, Some(key.clone()), Some(subject.clone()));
        if subject.kind() == NodeKind::SamlSubject
            && let Some(address) = self.saml_address(row)
        {
            found.prove_mail(row, &subject, &address, self.config);
        }
        let named = if self.config.source_identity { self.source_identity(row) } else { None };
        self.prove_session(row, &key, named.as_deref(), found);
    }

    /// The session that a key began, and the source identity that it was given.
    fn prove_session(&self, row: usize, key: &Node, named: Option<&str>, found: &mut Found<'_>) {
        if let Some(name) = named {
            let source = Node::new(NodeKind::SourceIdentity, name);
            if let Some(source) = &source {
                found.prove_mail(row, source, name, self.config);
            }
            found.prove(row, LinkKind::SourceIdentity, Some(key.clone()), source);
        }
        // The session's `creationDate` is the second of the call.
        let began = self.batch.int_at(Col::Time, row);
        let session = self.text(Col::UserUid, row).and_then(|arn| role_session(arn, began));
        found.prove(row, LinkKind::SessionOf, Some(key.clone()), session);
    }

    fn saml_address(&self, row: usize) -> Option<String> {
        if self.config.mail_domains.is_empty() {
            return None;
        }
        let response = self.text(Col::ApiResponseData, row)?;
        let subject = member(response, |key| key == "subject");
        subject.or_else(|| self.text(Col::ActorUserName, row).map(str::to_owned))
    }

    /// The source identity that the call asked for or the assertion brought.
    fn source_identity(&self, row: usize) -> Option<String> {
        let named = |json: &str| member::<String>(json, |key| key == "sourceIdentity");
        let asked = self.text(Col::ApiRequestData, row).and_then(named);
        asked.or_else(|| self.text(Col::ApiResponseData, row).and_then(named)).filter(|name| !name.is_empty())
    }

    /// Whether the caller is known by this source identity already, or is the user of that name.
    fn bears(&self, row: usize, name: &str) -> bool {
        if self.text(Col::ActorUserType, row) == Some("IAMUser") {
            return self.text(Col::ActorUserName, row) == Some(name);
        }
        let is_own = |key: &str| key == "userIdentity.sessionContext.sourceIdentity";
        let own: Option<String> = self.text(Col::Unmapped, row).and_then(|unmapped| member(unmapped, is_own));
        own.as_deref() == Some(name)
    }

    fn created_key(&self, row: usize, found: &mut Found<'_>) {
        let id = self.text(Col::UserCredentialUid, row).filter(|id| id.starts_with("AKIA"));
        let key = id.and_then(|id| Node::new(NodeKind::AccessKey, id));
        found.prove(row, LinkKind::OwnsKey, key, self.owner_of_created_key(row));
    }

    /// Without a name in the request the key is the caller's own. With one, the path of the user's ARN is not
    /// told: that of a user who has one differs, and the key is then tied to neither; its calls name the user
    /// anyway.
    fn owner_of_created_key(&self, row: usize) -> Option<Node> {
        #[derive(Deserialize)]
        struct Request {
            #[serde(rename = "userName")]
            user_name: String,
        }
        let request = self.text(Col::ApiRequestData, row).and_then(|json| serde_json::from_str(json).ok());
        let Some(Request { user_name }) = request else {
            let caller = actor(self.batch, row)?.node;
            return matches!(caller.kind(), NodeKind::AwsUser | NodeKind::AwsRoot).then_some(caller);
        };
        let caller = self.text(Col::ActorUserUid, row).unwrap_or_default();
        if self.text(Col::ActorUserType, row) == Some("IAMUser")
            && self.text(Col::ActorUserName, row) == Some(user_name.as_str())
        {
            return user_arn(caller);
        }
        let partition = caller.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws");
        let account = self.text(Col::CloudAccountUid, row)?;
        user_arn(&format!("arn:{partition}:iam::{account}:user/{user_name}"))
    }
}

/// The ends of a link that many rows show.
pub(super) fn ends(batch: &EventBatch, sighting: Sighting) -> Option<(Node, Node)> {
    let row = sighting.row;
    let key = || Node::new(NodeKind::AccessKey, filled(batch, Col::ActorUserCredentialUid, row)?);
    match sighting.what {
        What::OwnsKey => Some((key()?, actor(batch, row)?.node)),
        What::SameUser => {
            let id = Node::new(NodeKind::AwsUserId, filled(batch, Col::ActorUserUidAlt, row)?)?;
            Some((id, user_arn(filled(batch, Col::ActorUserUid, row)?)?))
        }
        What::InSession => {
            let Actor { node, session } = actor(batch, row)?;
            Some((node, session?))
        }
        What::OnBehalfOf => {
            let key = issued_key(filled(batch, Col::ActorUserCredentialUid, row)?)?;
            Some((key, identity_center(batch, row)?))
        }
        _ => None,
    }
}
