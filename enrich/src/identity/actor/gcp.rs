//! Google Cloud: accounts, service accounts, subjects of identity pools, and chains of delegation.

use event::{Col, EventBatch};
use serde::Deserialize;

use super::filled;
use crate::identity::json::member;
use crate::identity::node::{Node, NodeKind};

/// Who called: the first of the chain of delegation, else the principal.
pub(crate) fn actor(batch: &EventBatch, row: usize) -> Option<Node> {
    if filled(batch, Col::ApiOperation, row).is_some_and(is_exchange) {
        return exchanged(batch, row);
    }
    origin(batch, row).or_else(|| principal(filled(batch, Col::ActorUserUid, row)?))
}

/// Whether a call turns an outside token into one of Google's. Its `principalSubject` is what the outside
/// provider calls the subject, whatever it looks like.
pub(crate) fn is_exchange(operation: &str) -> bool {
    operation.ends_with("SecurityTokenService.ExchangeToken")
}

/// The identity that a token exchange gave: `metadata.mapped_principal`, or the subject if it is one.
pub(crate) fn exchanged(batch: &EventBatch, row: usize) -> Option<Node> {
    let mapped = filled(batch, Col::Unmapped, row).and_then(mapped_principal);
    let written = || filled(batch, Col::ActorUserUid, row).map(str::to_owned);
    mapped.or_else(written).as_deref().and_then(pool_subject)
}

fn mapped_principal(unmapped: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        mapped_principal: String,
    }
    let whole = || member::<Metadata>(unmapped, |key| key.ends_with(".metadata"));
    member(unmapped, |key| key.ends_with(".metadata.mapped_principal"))
        .or_else(|| Some(whole()?.mapped_principal))
}

/// The node of a principal as audit logs write it. Names that only hold within a cluster, and Google itself,
/// are nobody.
pub(crate) fn principal(text: &str) -> Option<Node> {
    let (kind, name) = match text.split_once(':') {
        Some((kind @ ("user" | "serviceAccount"), name)) => (kind, name),
        Some(("principal", _)) => return pool_subject(text),
        Some(_) => return None,
        None if text.ends_with(".gserviceaccount.com") => ("serviceAccount", text),
        None => ("user", text),
    };
    match kind {
        "serviceAccount" => Node::lower(NodeKind::GcpServiceAccount, name),
        _ if name.contains('@') && name != "system@google.com" => Node::lower(NodeKind::GcpUser, name),
        _ => None,
    }
}

fn pool_subject(text: &str) -> Option<Node> {
    let path = text.strip_prefix("principal:").filter(|path| path.starts_with("//"))?;
    path.contains("/subject/").then(|| Node::new(NodeKind::GcpPrincipal, path)).flatten()
}

/// One link of `serviceAccountDelegationInfo`. What a third party claims is no name of Google's and not read.
#[derive(Deserialize)]
struct Delegate {
    #[serde(default, rename = "principalSubject", alias = "principal_subject")]
    subject: Option<String>,
    #[serde(default, rename = "firstPartyPrincipal", alias = "first_party_principal")]
    first_party: Option<FirstParty>,
}

#[derive(Deserialize)]
struct FirstParty {
    #[serde(default, rename = "principalEmail", alias = "principal_email")]
    email: Option<String>,
}

/// Who is behind a chain of delegation: Google lists it in order, so the first that is no agent of its own.
pub(crate) fn origin(batch: &EventBatch, row: usize) -> Option<Node> {
    batch.label(Col::ActorSessionIssuer).key(row)?;
    let is_chain = |key: &str| {
        key.ends_with(".serviceAccountDelegationInfo") || key.ends_with(".service_account_delegation_info")
    };
    let chain: Vec<Delegate> = member(filled(batch, Col::Unmapped, row)?, is_chain)?;
    let name = |link: Delegate| link.subject.or_else(|| link.first_party?.email);
    let first = chain.into_iter().map(name).find(|name| !name.as_deref().is_some_and(is_service_agent))?;
    principal(&first?)
}

/// Whether this is an account by which a service of Google's acts: `service-<number>@` in a project of
/// Google's. They are in the chain of every virtual machine's calls, so they are behind none.
fn is_service_agent(name: &str) -> bool {
    let name = name.strip_prefix("serviceAccount:").unwrap_or(name);
    let Some((local, domain)) = name.split_once('@') else { return false };
    let numbered = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match domain.strip_suffix(".gserviceaccount.com") {
        Some("system") => true,
        Some("cloudservices") => numbered(local),
        Some(project) => {
            local.strip_prefix("service-").is_some_and(numbered)
                && project.strip_suffix(".iam").is_some_and(is_googles_project)
        }
        None => name == "system@google.com",
    }
}

/// The projects that hold service agents, by Google's list of them
/// (<https://cloud.google.com/iam/docs/service-agents>).
fn is_googles_project(project: &str) -> bool {
    project.starts_with("gcp-sa-")
        || matches!(
            project,
            "compute-system"
                | "container-engine-robot"
                | "containerregistry"
                | "cloud-ml.google.com"
                | "cloud-tpu"
                | "cloudcomposer-accounts"
                | "dataflow-service-producer-prod"
                | "dataproc-accounts"
                | "endpoints-portal"
                | "gae-api-prod.google.com"
                | "gcf-admin-robot"
                | "genomics-api.google.com"
                | "remotebuildexecution"
                | "serverless-robot-prod"
                | "service-consumer-management"
                | "service-networking"
                | "sourcerepo-service-accounts"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(principal(text).as_ref().map(Node::as_str), expected, "{text}");
    }

    #[test]
    fn every_spelling() {
        check("user:Ana@Example.com", Some("gcp:user:ana@example.com"));
        check("ana@example.com", Some("gcp:user:ana@example.com"));
        check("bot@p.iam.gserviceaccount.com", Some("gcp:sa:bot@p.iam.gserviceaccount.com"));
        check("serviceAccount:p.svc.id.goog[ns/job]", Some("gcp:sa:p.svc.id.goog[ns/job]"));
        let path = "//iam.googleapis.com/locations/global/workforcePools/staff/subject/ana";
        check(&format!("principal:{path}"), Some(&format!("gcp:principal:{path}")));
        for nobody in [
            "",
            ":",
            "user:",
            "allUsers",
            "system@google.com",
            "system:serviceaccount:ns:job",
            "deleted:user:ana@example.com?uid=1",
            "principal:ana@example.com",
            "principalSet://iam.googleapis.com/x/subject/y",
            "repo:example/shop",
        ] {
            check(nobody, None);
        }
    }

    #[test]
    fn agents_of_google() {
        assert!(is_service_agent("service-12@compute-system.iam.gserviceaccount.com"));
        assert!(is_service_agent("serviceAccount:service-12@gcp-sa-pubsub.iam.gserviceaccount.com"));
        assert!(is_service_agent("12@cloudservices.gserviceaccount.com"));
        for own in ["service-12@shop.iam.gserviceaccount.com", "ana@example.com", "service-@x", ""] {
            assert!(!is_service_agent(own), "{own}");
        }
    }
}
