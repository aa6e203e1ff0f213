//! Who is behind an identity, across accounts and clouds.
//!
//! A cloud names whoever acts in its own way: a user, a role session, a key, a service principal. Events tell
//! which of these names are the same identity: that a key was issued to a user, that a SAML subject began a
//! session. Such a fact is a [`Link`] between two [`Node`]s. [`links`] takes them out of a batch of events,
//! the [`IdentityGraph`] holds them together, and [`IdentityGraph::canonical`] gives each identity one name.
//!
//! # What is never tied together
//!
//! A wrong link is worse than a missing one: it makes one person out of two, for good and in every alert. So
//! a link never goes through a thing that several use.
//!
//! - **AWS.** The one thing that belongs to a single caller is the temporary key (`ASIA…`) that a call of STS
//!   answered with. Keys are tied to callers; roles are no nodes at all. A role session's ARN is not personal
//!   either: it ends in a name that the caller chose, and a whole company's jobs are called `GitHubActions`.
//!   What services and the console do within a session bears other keys than the one issued, so the session
//!   is needed; its node is the ARN *and the second in which it began*.
//! - **What two claim.** A key, a session, a service principal has one owner. Where two of a kind are named (two
//!   callers began "the same" session in one second, by chance or to put one's deeds on the other; a log was
//!   edited to show no real keys) it is neither's. The graph sees to that, in whatever order they come.
//! - **Calls by services.** A role assumed by EC2, Lambda or another service is tied to nobody.
//! - **Google Cloud.** Many may act as one service account. A call that is made so shows the chain of
//!   delegation: its [`actor`] is the first principal of the chain, and the link to the account
//!   ([`LinkKind::Impersonates`]) joins nothing. Google's own service agents, which stand in the chain of every
//!   call from a virtual machine, are passed over.
//! - **Identity pools.** A pool's subject is tied to the provider's only if both are the same text. A mapping
//!   by anything coarser (a repository, an organisation) would make one identity of many. What a token
//!   exchange calls the subject is never read as an address.
//! - **Entra.** An application may trust many outside subjects; they stay apart
//!   ([`LinkKind::FederatedCredential`] joins nothing). The client through which a person signs in, and the
//!   empty object id of sign-ins by nobody known, are tied to nobody.
//! - **Names.** Equal addresses join only in domains that the operator lists, and only where a provider vouches
//!   for them: Entra, Google, SAML. Names of IAM users and sessions, which any administrator or caller
//!   chooses, never do. The source identity of AWS joins only if configured, and a caller who names somebody
//!   else in it (a broker) is not tied to the key: else all of its users would be one.
//! - **Calls that failed** prove nothing.

mod actor;
mod evidence;
mod graph;
mod json;
mod link;
mod node;
mod subject;
#[cfg(test)]
mod tests;

pub use actor::{Actor, Actors, actor};
pub use evidence::links;
pub use graph::{Change, IdentityGraph, Merged, Split};
pub use link::{Confidence, Link, LinkId, LinkKind};
pub use node::{Node, NodeKind};

/// Which evidence counts beyond what the clouds themselves guarantee. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityConfig {
    /// Domains, such as `example.com`, in which one address is one person whatever the provider.
    pub mail_domains: Vec<String>,
    /// Whether the source identity of an AWS session tells who is behind it. Only for those whose trust policies
    /// leave no choice of `sts:SourceIdentity`.
    pub source_identity: bool,
    /// The issuers behind the providers of Google's identity pools, which no audit log names.
    pub pool_providers: Vec<PoolProvider>,
    /// The issuers of the tokens of Kubernetes clusters, which no audit event names.
    pub cluster_issuers: Vec<ClusterIssuer>,
}

/// The issuer of a Kubernetes cluster's service account tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterIssuer {
    /// The source that delivers the cluster's audit log.
    pub source: String,
    /// The issuer, such as `https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE`.
    pub issuer: String,
}

/// A provider of a Google identity pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolProvider {
    /// `projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>`.
    pub resource: String,
    /// The issuer of its tokens, such as `https://token.actions.githubusercontent.com`.
    pub issuer: String,
}

impl IdentityConfig {
    /// Whether `text` is an address that is trusted to be one person's.
    fn trusts_address(&self, text: &str) -> bool {
        let Some((name, domain)) = text.split_once('@') else { return false };
        // `ana_example.com#EXT#@tenant.onmicrosoft.com` is a guest's name, not an address.
        !name.is_empty()
            && !text.contains("#EXT#")
            && !text.chars().any(|char| char.is_control() || char.is_whitespace())
            && self.mail_domains.iter().any(|trusted| trusted.eq_ignore_ascii_case(domain))
    }

    /// The issuer of the tokens of the cluster whose log a source delivers.
    fn cluster_issuer(&self, source: &str) -> Option<&str> {
        let known = self.cluster_issuers.iter().find(|cluster| cluster.source == source);
        known.map(|cluster| cluster.issuer.as_str())
    }

    /// The issuer behind a pool's provider.
    fn issuer_of(&self, resource: &str) -> Option<&str> {
        let path = |text: &str| text.trim_start_matches("//iam.googleapis.com/").to_owned();
        let wanted = path(resource);
        let known = self.pool_providers.iter().find(|provider| path(&provider.resource) == wanted);
        known.map(|provider| provider.issuer.as_str())
    }
}
