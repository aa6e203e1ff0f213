//! Google Cloud: acting as service accounts, subjects of identity pools, addresses.

use event::{Col, EventBatch};

use super::labels::Labels;
use super::sightings::{Sighting, What};
use super::{Found, succeeded};
use crate::identity::IdentityConfig;
use crate::identity::actor::filled;
use crate::identity::actor::gcp::{actor, exchanged, is_exchange, origin, principal};
use crate::identity::json::member;
use crate::identity::link::LinkKind;
use crate::identity::node::{Node, NodeKind};
use crate::identity::subject::oidc_subject;

/// A call that gives a token or signs in another's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issue {
    Exchange,
    /// `GenerateAccessToken` and its like, for a service account.
    Token,
}

impl Issue {
    fn of(operation: &str) -> Option<Self> {
        if is_exchange(operation) {
            return Some(Self::Exchange);
        }
        let word = operation.rsplit('.').next().unwrap_or(operation);
        let is_token = matches!(word, "GenerateAccessToken" | "GenerateIdToken" | "SignBlob" | "SignJwt");
        is_token.then_some(Self::Token)
    }
}

pub(super) struct Evidence<'b> {
    batch: &'b EventBatch,
    config: &'b IdentityConfig,
    issues: Labels<'b, Option<Issue>>,
    is_trusted: Labels<'b, bool>,
}

impl<'b> Evidence<'b> {
    pub(super) fn new(batch: &'b EventBatch, config: &'b IdentityConfig) -> Self {
        let issues = Labels::new(batch, Col::ApiOperation);
        Self { batch, config, issues, is_trusted: Labels::new(batch, Col::ActorUserName) }
    }

    pub(super) fn look(&mut self, row: usize, found: &mut Found<'_>) {
        let Self { batch, config, .. } = *self;
        let issue = self.issues.of(row, Issue::of).flatten();
        if batch.label(Col::ActorSessionIssuer).key(row).is_some() && succeeded(batch, row) {
            found.sightings.see(batch, row, What::Impersonates);
        }
        if !config.mail_domains.is_empty()
            && issue != Some(Issue::Exchange)
            && self.is_trusted.of(row, |name| config.trusts_address(name)) == Some(true)
            && succeeded(batch, row)
        {
            found.sightings.see(batch, row, What::Mail);
        }
        match issue {
            Some(Issue::Exchange) if succeeded(batch, row) => self.prove_exchange(row, found),
            Some(Issue::Token) if succeeded(batch, row) => self.prove_token(row, found),
            _ => {}
        }
    }

    /// An outside token became one of Google's: the subject in the pool and the provider's, if they are the
    /// same text. The provider's issuer is known from the configuration alone.
    fn prove_exchange(&self, row: usize, found: &mut Found<'_>) {
        let issuer = filled(self.batch, Col::ResourceUid, row).and_then(|path| self.config.issuer_of(path));
        let outside = filled(self.batch, Col::ActorUserUid, row);
        let (Some(issuer), Some(outside)) = (issuer, outside) else { return };
        let inside = exchanged(self.batch, row).filter(|node| {
            node.name().split_once("/subject/").is_some_and(|(_, subject)| subject == outside)
        });
        found.prove(row, LinkKind::WorkloadIdentity, inside, oidc_subject(issuer, outside));
    }

    fn prove_token(&self, row: usize, found: &mut Found<'_>) {
        if filled(self.batch, Col::ApiServiceName, row) == Some("iamcredentials.googleapis.com") {
            found.prove(row, LinkKind::Impersonates, actor(self.batch, row), self.account_of_token(row));
        }
    }

    /// `projects/-/serviceAccounts/<address>`, or the address beside it where the path has a number.
    fn account_of_token(&self, row: usize) -> Option<Node> {
        let asked: Option<String> = filled(self.batch, Col::ApiRequestData, row)
            .and_then(|request| member(request, |key| key == "name"));
        let address = asked.as_deref().and_then(|path| path.rsplit('/').next());
        let address = address.filter(|address| address.contains('@'));
        let address = address.or_else(|| filled(self.batch, Col::UserEmailAddr, row))?;
        address
            .ends_with(".gserviceaccount.com")
            .then(|| Node::lower(NodeKind::GcpServiceAccount, address))
            .flatten()
    }
}

/// The ends of a link that many rows show: who is behind a chain of delegation, and as whom they act.
pub(super) fn ends(batch: &EventBatch, sighting: Sighting) -> Option<(Node, Node)> {
    let account = principal(filled(batch, Col::ActorUserUid, sighting.row)?)?;
    (account.kind() == NodeKind::GcpServiceAccount).then_some((origin(batch, sighting.row)?, account))
}
