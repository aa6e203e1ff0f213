//! Links out of a batch of events.
//!
//! Most events carry no evidence, and their labels tell so: what a label means is asked once for each
//! distinct one of a batch. What many rows show alike (a user's key, an application's service principal) is
//! gathered as [`Sightings`] and read once.

mod aws;
mod entra;
mod gcp;
mod labels;
mod sightings;

use std::ops::Range;

use event::{Col, EventBatch, EventKey, LogType};

use self::labels::Labels;
use self::sightings::Sightings;
use super::IdentityConfig;
use super::link::{Link, LinkKind};
use super::node::{Node, NodeKind};

/// The links that events of `rows` prove. Each link is there once with all its sightings, but for those that
/// calls which issue something prove, which come as often as they were made.
pub fn links(batch: &EventBatch, rows: Range<usize>, config: &IdentityConfig) -> Vec<Link> {
    let mut log_types = Labels::new(batch, Col::LogType);
    let mut aws = aws::Evidence::new(batch, config);
    let mut entra = entra::Evidence::new(batch, config);
    let mut gcp = gcp::Evidence::new(batch, config);
    let mut found = Found { batch, links: Vec::new(), sightings: Sightings::default() };
    for row in rows.start..rows.end.min(batch.len()) {
        match log_types.of(row, |name| name.parse::<LogType>().ok()).flatten() {
            Some(LogType::AwsCloudtrail) => aws.look(row, &mut found),
            Some(LogType::AzureActivity | LogType::EntraSignin | LogType::EntraAudit) => {
                entra.look(row, &mut found);
            }
            Some(LogType::GcpAudit) => gcp.look(row, &mut found),
            Some(LogType::Syslog | LogType::Otlp | LogType::Hec) | None => {}
        }
    }
    found.finish(config)
}

/// Links under collection.
struct Found<'b> {
    batch: &'b EventBatch,
    links: Vec<Link>,
    sightings: Sightings,
}

impl Found<'_> {
    /// A link that one event proves.
    fn prove(&mut self, row: usize, kind: LinkKind, a: Option<Node>, b: Option<Node>) {
        let (Some(a), Some(b)) = (a, b) else { return };
        let Some((time, proof)) = moment(self.batch, row) else { return };
        self.links.extend(Link::new(kind, a, b, (time, time), proof));
    }

    /// Ties an identity to an address, if the address is trusted.
    fn prove_mail(&mut self, row: usize, node: &Node, address: &str, config: &IdentityConfig) {
        if config.trusts_address(address) {
            self.prove(row, LinkKind::SameMail, Some(node.clone()), Node::lower(NodeKind::Mail, address));
        }
    }

    fn finish(self, config: &IdentityConfig) -> Vec<Link> {
        let Self { batch, mut links, sightings } = self;
        for sighting in sightings.iter() {
            let ends = match sighting.what.kind() {
                LinkKind::ServicePrincipalOf => entra::ends(batch, sighting),
                LinkKind::Impersonates => gcp::ends(batch, sighting),
                LinkKind::SameMail => mail_ends(batch, sighting.row, config),
                _ => aws::ends(batch, sighting),
            };
            let Some(((a, b), (_, proof))) = ends.zip(moment(batch, sighting.row)) else { continue };
            let seen = (sighting.from_us, sighting.until_us);
            links.extend(Link::new(sighting.what.kind(), a, b, seen, proof));
        }
        links
    }
}

/// An actor of Entra or Google and the address that it is known by.
fn mail_ends(batch: &EventBatch, row: usize, config: &IdentityConfig) -> Option<(Node, Node)> {
    let actor = super::actor(batch, row)?.node;
    let address = match actor.kind() {
        NodeKind::EntraUser => batch.str_at(Col::ActorUserName, row)?,
        NodeKind::GcpUser => actor.name(),
        NodeKind::GcpPrincipal => workforce_subject(actor.name())?,
        _ => return None,
    };
    let mail = config.trusts_address(address).then(|| Node::lower(NodeKind::Mail, address))??;
    Some((actor, mail))
}

/// The subject of a workforce pool: people, unlike those of workload pools.
fn workforce_subject(path: &str) -> Option<&str> {
    path.contains("/workforcePools/").then(|| path.split_once("/subject/")).flatten().map(|(_, name)| name)
}

/// When the event of a row happened, and its id.
fn moment(batch: &EventBatch, row: usize) -> Option<(i64, EventKey)> {
    Some((batch.int_at(Col::Time, row)?, EventKey::parse(batch.str_at(Col::EventUid, row)?)?))
}

/// Whether the call of a row succeeded.
fn succeeded(batch: &EventBatch, row: usize) -> bool {
    /// OCSF `status_id`.
    const SUCCESS: i64 = 1;
    batch.int_at(Col::StatusId, row) == Some(SUCCESS)
}
