//! Kubernetes: keys behind the names of EKS, tokens of service accounts, acting as somebody else.

use event::{Col, EventBatch};

use super::Found;
use super::labels::Labels;
use super::sightings::{Sighting, What};
use crate::identity::IdentityConfig;
use crate::identity::actor::aws::user_arn;
use crate::identity::actor::filled;
use crate::identity::actor::kubernetes::{actor, is_service_account, user};
use crate::identity::json::member;
use crate::identity::link::LinkKind;
use crate::identity::node::{Node, NodeKind};
use crate::identity::subject::oidc_subject;

/// OCSF `status_id`.
const FAILURE: i64 = 2;

pub(super) struct Evidence<'b> {
    batch: &'b EventBatch,
    config: &'b IdentityConfig,
    is_long_lived: Labels<'b, bool>,
    is_trusted: Labels<'b, bool>,
    is_account: Labels<'b, bool>,
    has_issuer: Labels<'b, bool>,
}

impl<'b> Evidence<'b> {
    pub(super) fn new(batch: &'b EventBatch, config: &'b IdentityConfig) -> Self {
        Self {
            batch,
            config,
            is_long_lived: Labels::new(batch, Col::ActorUserCredentialUid),
            is_trusted: Labels::new(batch, Col::ActorUserEmailAddr),
            is_account: Labels::new(batch, Col::ActorUserName),
            has_issuer: Labels::new(batch, Col::Source),
        }
    }

    /// Who calls was authenticated before anything is decided, so a call that is refused proves it, too; but
    /// not that it may act as somebody else.
    pub(super) fn look(&mut self, row: usize, found: &mut Found<'_>) {
        let Self { batch, config, .. } = *self;
        if self.is_long_lived.of(row, |key| key.starts_with("AKIA")) == Some(true) {
            found.sightings.see(batch, row, What::ClusterKey);
        }
        if !config.mail_domains.is_empty()
            && self.is_trusted.of(row, |address| config.trusts_address(address)) == Some(true)
        {
            found.sightings.see(batch, row, What::ClusterMail);
        }
        if self.has_issuer.of(row, |source| config.cluster_issuer(source).is_some()) == Some(true)
            && self.is_account.of(row, is_service_account) == Some(true)
        {
            found.sightings.see(batch, row, What::ServiceAccount);
        }
        if batch.int_at(Col::StatusId, row) != Some(FAILURE) {
            self.prove_impersonation(row, found);
        }
    }

    fn prove_impersonation(&self, row: usize, found: &mut Found<'_>) {
        let Some(unmapped) = filled(self.batch, Col::Unmapped, row) else { return };
        if !unmapped.contains("impersonatedUser") {
            return;
        }
        let is_user = |key: &str| key == "impersonatedUser" || key.ends_with(".impersonatedUser");
        let name = member::<Impersonated>(unmapped, is_user).map(|user| user.username);
        let other = name.and_then(|name| user(self.batch, row, &name));
        found.prove(row, LinkKind::Impersonates, actor(self.batch, row), other);
    }
}

/// `impersonatedUser` of an audit event.
#[derive(serde::Deserialize)]
struct Impersonated {
    username: String,
}

/// The ends of a link that many rows show.
pub(super) fn ends(batch: &EventBatch, sighting: Sighting, config: &IdentityConfig) -> Option<(Node, Node)> {
    let row = sighting.row;
    match sighting.what {
        What::ClusterKey => {
            let key = Node::new(NodeKind::AccessKey, filled(batch, Col::ActorUserCredentialUid, row)?)?;
            Some((key, user_arn(filled(batch, Col::ActorUserUidAlt, row)?)?))
        }
        What::ClusterMail => {
            let address = filled(batch, Col::ActorUserEmailAddr, row)?;
            let actor = actor(batch, row)?;
            // A session's key is tied to the person by what issued it; EKS lets the cluster choose the name.
            let is_person = matches!(actor.kind(), NodeKind::EntraUser | NodeKind::KubernetesUser);
            is_person.then(|| Some((actor, Node::lower(NodeKind::Mail, address)?))).flatten()
        }
        What::ServiceAccount => {
            let issuer = config.cluster_issuer(filled(batch, Col::Source, row)?)?;
            let name = filled(batch, Col::ActorUserName, row)?;
            Some((user(batch, row, name)?, oidc_subject(issuer, name)?))
        }
        _ => None,
    }
}
