//! Who did an event.

use event::{Col, EventBatch, LogType};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::node::Node;

pub(super) mod aws;
pub(super) mod entra;
pub(super) mod gcp;
pub(super) mod kubernetes;
mod saas;

/// Who did an event; see [`IdentityGraph::resolve`](super::IdentityGraph::resolve).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The most special name: of a call with temporary credentials, their key.
    pub node: Node,
    /// The role session that it belongs to, which may be known where the key is not.
    pub session: Option<Node>,
}

impl From<&Actor> for Actor {
    fn from(actor: &Actor) -> Self {
        actor.clone()
    }
}

impl From<Node> for Actor {
    fn from(node: Node) -> Self {
        Self { node, session: None }
    }
}

/// Who did the event of a row: for sign-ins the user. `None` where the record names nobody, or a cloud service
/// that acts by itself.
pub fn actor(batch: &EventBatch, row: usize) -> Option<Actor> {
    match batch.str_at(Col::LogType, row)?.parse().ok()? {
        LogType::AwsCloudtrail => aws::actor(batch, row),
        LogType::AzureActivity | LogType::EntraSignin | LogType::EntraAudit | LogType::M365Audit => {
            entra::user_or_service(batch, row).map(Actor::from)
        }
        LogType::GcpAudit => gcp::actor(batch, row).map(Actor::from),
        LogType::KubernetesAudit => kubernetes::actor(batch, row).map(Actor::from),
        LogType::OktaSystem => saas::okta_user(batch, row).map(Actor::from),
        LogType::GithubAudit => saas::github_user(batch, row).map(Actor::from),
        LogType::GoogleWorkspace | LogType::GcpScc => saas::google_user(batch, row).map(Actor::from),
        LogType::AwsGuardduty => saas::key_holder(batch, row).map(Actor::from),
        LogType::MicrosoftDefender => saas::entra_user(batch, row).map(Actor::from),
        LogType::EntraRisk => saas::entra_risk(batch, row).map(Actor::from),
        LogType::AwsSecurityHub | LogType::Ocsf | LogType::Custom => None,
        // Network logs know addresses, and what is pushed names nobody in a field of its own.
        _ => None,
    }
}

/// The actors of a batch, each once.
#[derive(Debug, Default)]
pub struct Actors {
    distinct: Vec<Actor>,
    rows: Vec<Option<u32>>,
}

impl Actors {
    /// The actors of all rows.
    pub fn of(batch: &EventBatch) -> Self {
        let mut actors = Self { distinct: Vec::new(), rows: Vec::with_capacity(batch.len()) };
        let mut numbers: HashMap<Actor, u32, RandomState> = HashMap::default();
        for row in 0..batch.len() {
            let number = actor(batch, row).map(|actor| match actors.rows.last() {
                // Most rows repeat the actor of the one before.
                Some(Some(last)) if actors.distinct.get(*last as usize) == Some(&actor) => *last,
                _ => *numbers.entry_ref(&actor).or_insert_with(|| {
                    actors.distinct.push(actor.clone());
                    actors.distinct.len() as u32 - 1
                }),
            });
            actors.rows.push(number);
        }
        actors
    }

    /// Each actor once.
    pub fn distinct(&self) -> &[Actor] {
        &self.distinct
    }

    /// The actor of a row, by its place in [`distinct`](Self::distinct).
    pub fn index(&self, row: usize) -> Option<usize> {
        self.rows.get(row).copied().flatten().map(|number| number as usize)
    }

    /// The actor of a row.
    pub fn get(&self, row: usize) -> Option<&Actor> {
        self.distinct.get(self.index(row)?)
    }
}

/// The text of a column, if it is not empty.
pub(super) fn filled(batch: &EventBatch, col: Col, row: usize) -> Option<&str> {
    batch.str_at(col, row).filter(|text| !text.is_empty())
}
