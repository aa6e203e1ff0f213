//! Who did an event.

use event::{Col, EventBatch, LogType};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::node::Node;

pub(super) mod aws;
pub(super) mod entra;
pub(super) mod gcp;

/// Who did an event; see [`IdentityGraph::resolve`](super::IdentityGraph::resolve).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The most special name: of a call with temporary credentials, their key.
    pub node: Node,
    /// The role session that it belongs to, which may be known where the key is not.
    pub session: Option<Node>,
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
        LogType::AzureActivity | LogType::EntraSignin | LogType::EntraAudit => {
            entra::user_or_service(batch, row).map(Actor::from)
        }
        LogType::GcpAudit => gcp::actor(batch, row).map(Actor::from),
    }
}

/// The actors of a batch, each once.
#[derive(Debug, Default)]
pub struct Actors {
    distinct: Vec<Actor>,
    rows: Vec<Option<u32>>,
}

/// The columns that say who acted, unless more than labels is looked at.
const COLUMNS: [Col; 8] = [
    Col::LogType,
    Col::ActorUserType,
    Col::ActorUserUid,
    Col::ActorUserCredentialUid,
    Col::ActorUserName,
    Col::ActorUserUidAlt,
    Col::ActorUserAccountUid,
    Col::ActorAppUid,
];

/// What decides a row's actor: the labels of [`COLUMNS`], the session's beginning, the kind of user.
type Signature = ([Option<usize>; 8], i64, i64);

impl Actors {
    /// The actors of all rows. Rows that differ in nothing that matters are looked at once.
    pub fn of(batch: &EventBatch) -> Self {
        let mut actors = Self { distinct: Vec::new(), rows: Vec::with_capacity(batch.len()) };
        let mut known: HashMap<Signature, Option<u32>, RandomState> = HashMap::default();
        let mut numbers: HashMap<Actor, u32, RandomState> = HashMap::default();
        let mut last = None;
        for row in 0..batch.len() {
            let signature = signature(batch, row);
            let number = match (&signature, &last) {
                (Some(signature), Some((same, number))) if signature == same => *number,
                (Some(signature), _) => {
                    *known.entry(*signature).or_insert_with(|| actors.number(actor(batch, row), &mut numbers))
                }
                (None, _) => actors.number(actor(batch, row), &mut numbers),
            };
            last = signature.map(|signature| (signature, number));
            actors.rows.push(number);
        }
        actors
    }

    fn number(
        &mut self,
        actor: Option<Actor>,
        numbers: &mut HashMap<Actor, u32, RandomState>,
    ) -> Option<u32> {
        let actor = actor?;
        if let Some(number) = numbers.get(&actor) {
            return Some(*number);
        }
        let number = self.distinct.len() as u32;
        self.distinct.push(actor.clone());
        numbers.insert(actor, number);
        Some(number)
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

/// `None` where the actor stands in JSON.
fn signature(batch: &EventBatch, row: usize) -> Option<Signature> {
    let in_json = match batch.str_at(Col::LogType, row)? {
        "aws_cloudtrail" => matches!(
            batch.str_at(Col::ActorUserType, row),
            Some("SAMLUser" | "WebIdentityUser" | "IdentityCenterUser")
        ),
        "gcp_audit" => {
            batch.label(Col::ActorSessionIssuer).key(row).is_some()
                || batch.str_at(Col::ApiOperation, row).is_some_and(gcp::is_exchange)
        }
        _ => false,
    };
    if in_json {
        return None;
    }
    let labels = COLUMNS.map(|col| batch.label(col).key(row));
    let created = batch.int_at(Col::ActorSessionCreatedTime, row).unwrap_or(i64::MIN);
    Some((labels, created, batch.int_at(Col::ActorUserTypeId, row).unwrap_or(i64::MIN)))
}

/// The text of a column, if it is not empty.
pub(super) fn filled(batch: &EventBatch, col: Col, row: usize) -> Option<&str> {
    batch.str_at(col, row).filter(|text| !text.is_empty())
}
