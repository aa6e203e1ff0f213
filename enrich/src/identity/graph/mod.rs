//! The graph of identities: links in, one name for each identity out.
//!
//! A component is the set of nodes that joining links hold together; its canonical node is the least of
//! them, so it is a function of the set alone. The same links give the same components in whatever order
//! and however often they come.
//!
//! One rule goes beyond reachability: *what two owners claim is neither's*. A key is issued once, so links that
//! give it to two users cannot both be true; logs that were edited to show no real keys are full of them. And
//! a role session is named by what its caller chose and a second, so two callers may have begun "the same" one,
//! by chance or to put one's deeds on the other. Links of such a claim are kept and hold nothing until all but
//! one are undone.

mod claims;
mod members;
mod rows;
#[cfg(test)]
mod tests;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use self::claims::{Claim, Claims};
use self::members::Members;
use self::rows::{Row, Rows};
use super::actor::Actor;
use super::link::{Link, LinkId};
use super::node::Node;

/// What a link changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Several identities are one.
    Merged(Merged),
    /// One identity is several.
    Split(Split),
}

/// Components that became one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The canonical node of all together.
    pub kept: Node,
    /// The canonical nodes that the others had, in order.
    pub gone: Vec<Node>,
}

/// A component that fell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The canonical node that it had.
    pub whole: Node,
    /// The canonical nodes of its parts, in order; `whole` is the first.
    pub parts: Vec<Node>,
}

/// Which nodes are the same identity, and why.
#[derive(Debug)]
pub struct IdentityGraph {
    members: Members,
    rows: Rows,
    claims: Claims,
    max_links: usize,
    refused: u64,
}

impl IdentityGraph {
    /// An empty graph that holds at most `max_links` links.
    pub fn new(max_links: usize) -> Self {
        // Links and nodes, two for each link, are numbered in 32 bits.
        let max_links = max_links.min(u32::MAX as usize / 2);
        Self {
            members: Members::default(),
            rows: Rows::default(),
            claims: Claims::default(),
            max_links,
            refused: 0,
        }
    }

    /// Takes in a link. One that it has already widens the time range and takes the higher confidence. A new
    /// one is refused when the graph is full; see [`refused`](Self::refused).
    pub fn add(&mut self, link: &Link) -> Option<Change> {
        if let Some(row) = self.rows.get_mut(link.id()) {
            row.seen.widen(link.seen());
            return None;
        }
        if self.rows.len() >= self.max_links {
            self.refused += 1;
            return None;
        }
        let (a, b) = (self.members.intern(link.a()), self.members.intern(link.b()));
        let row = Row::new(link.id(), link.kind(), (a, b), *link.seen());
        self.rows.insert(row);
        match self.claim(&row) {
            Some(claim) if Claim::is_made_by(&row) => match self.claims.more(claim) {
                1 => self.gather(claim),
                // The new link has never held; the one that did no longer does.
                2 => {
                    let other = *self.claimants(claim).find(|other| other.id != row.id)?;
                    self.release(claim, &other)
                }
                _ => None,
            },
            _ if self.holds(&row) => self.members.join(&[a, b]).map(Change::Merged),
            _ => None,
        }
    }

    /// Takes a link out again: whatever it alone held together falls apart. `None` if there is no such link or
    /// it held nothing. The same evidence, seen again, brings it back: to keep it out is the caller's part.
    pub fn undo(&mut self, id: LinkId) -> Option<Change> {
        let row = self.rows.remove(id)?;
        match self.claim(&row) {
            Some(claim) if Claim::is_made_by(&row) => match self.claims.less(claim) {
                0 => self.release(claim, &row),
                1 => self.gather(claim),
                _ => None,
            },
            _ if self.holds(&row) => self.part(&[row.a], row.b).map(Change::Split),
            _ => None,
        }
    }

    fn claim(&self, row: &Row) -> Option<Claim> {
        Claim::of(row, self.members.node(row.b)?.kind())
    }

    /// Whether a link holds its ends together.
    fn holds(&self, row: &Row) -> bool {
        match self.claim(row) {
            Some(claim) => self.claims.hold(claim),
            None => row.kind.joins(),
        }
    }

    /// The links that make a claim.
    fn claimants(&self, claim: Claim) -> impl Iterator<Item = &Row> {
        self.dependents(claim).filter(|row| Claim::is_made_by(row))
    }

    /// The links that hold if a claim does.
    fn dependents(&self, claim: Claim) -> impl Iterator<Item = &Row> {
        self.rows.at(claim.node).filter(move |row| self.claim(row) == Some(claim))
    }

    /// Joins all that a claim holds together.
    fn gather(&mut self, claim: Claim) -> Option<Change> {
        let nodes: Vec<u32> = self.dependents(claim).flat_map(|row| [row.a, row.b]).collect();
        self.members.join(&nodes).map(Change::Merged)
    }

    /// Takes what is claimed, and all that hangs on it, away from the owner that it had by `held`.
    fn release(&mut self, claim: Claim, held: &Row) -> Option<Change> {
        let owner = held.other(claim.node);
        let seen = self.dependents(claim).filter(|row| !Claim::is_made_by(row)).map(|row| row.a);
        let seeds: Vec<u32> = seen.filter(|node| *node != owner).chain([claim.node]).collect();
        self.part(&seeds, owner).map(Change::Split)
    }

    /// Takes what hangs on `seeds` out of their component. `rest`, where links fell away too, is not walked: it
    /// may be large, and what no seed reaches hangs on it.
    fn part(&mut self, seeds: &[u32], rest: u32) -> Option<Split> {
        let component = self.members.component_of(rest);
        let mut reached: HashSet<u32, RandomState> = HashSet::default();
        let mut parts = Vec::new();
        for seed in seeds {
            if reached.insert(*seed) {
                parts.push(self.walk(*seed, &mut reached));
            }
        }
        self.members.part(component, parts)
    }

    /// The nodes that links hold together with one.
    fn walk(&self, start: u32, reached: &mut HashSet<u32, RandomState>) -> Vec<u32> {
        let mut nodes = vec![start];
        let mut at = 0;
        while let Some(node) = nodes.get(at).copied() {
            at += 1;
            for row in self.rows.at(node).filter(|row| self.holds(row)) {
                let other = row.other(node);
                if reached.insert(other) {
                    nodes.push(other);
                }
            }
        }
        nodes
    }

    /// The name of the identity that a node is part of: the node itself if nothing is known of it.
    pub fn canonical<'a>(&'a self, node: &'a Node) -> &'a Node {
        self.members.find(node).map_or(node, |id| self.members.canonical(id))
    }

    /// The name of whoever acted: by the key, else, as for keys that services and the console derive from a
    /// session, by the session.
    pub fn resolve<'a>(&'a self, actor: &'a Actor) -> &'a Node {
        let by_node = self.canonical(&actor.node);
        match &actor.session {
            Some(session) if by_node == &actor.node => {
                let by_session = self.canonical(session);
                if by_session == session { by_node } else { by_session }
            }
            _ => by_node,
        }
    }

    /// Whether a link names this node.
    pub fn knows(&self, node: &Node) -> bool {
        self.members.find(node).is_some()
    }

    /// The nodes that the last [`Change`] has put into another component; of the merged ones, those of all but the
    /// largest, so that over all merges a node is among them as often as the logarithm of their number at most.
    pub fn moved(&self) -> impl Iterator<Item = &Node> {
        self.members.moved()
    }

    /// All nodes of the identity that a node is part of, in order; the node alone if nothing is known of it.
    pub fn component<'a>(&'a self, node: &'a Node) -> Vec<&'a Node> {
        let Some(id) = self.members.find(node) else { return vec![node] };
        let members = self.members.of(self.members.component_of(id));
        let mut nodes: Vec<_> = members.iter().filter_map(|id| self.members.node(*id)).collect();
        nodes.sort();
        nodes
    }

    /// Every link that touches the identity of a node, and so explains it, by time; those that hold nothing
    /// too.
    pub fn links_of(&self, node: &Node) -> Vec<Link> {
        let Some(id) = self.members.find(node) else { return Vec::new() };
        let members = self.members.of(self.members.component_of(id));
        let mut links: Vec<_> =
            members.iter().flat_map(|id| self.rows.at(*id)).filter_map(|row| self.link_of(row)).collect();
        links.sort_by_key(|link| (link.from_us(), link.id()));
        links.dedup();
        links
    }

    /// A link as it stands, with all its sightings.
    pub fn link(&self, id: LinkId) -> Option<Link> {
        self.rows.get(id).and_then(|row| self.link_of(row))
    }

    fn link_of(&self, row: &Row) -> Option<Link> {
        let (a, b) = (self.members.node(row.a)?, self.members.node(row.b)?);
        Link::from_seen(row.kind, a.clone(), b.clone(), row.seen)
    }

    /// Every link, in no particular order.
    pub fn links(&self) -> impl Iterator<Item = Link> {
        self.rows.iter().filter_map(|row| self.link_of(row))
    }

    /// Every node with the canonical node of its component, in no particular order.
    pub fn nodes(&self) -> impl Iterator<Item = (&Node, &Node)> {
        self.members.all()
    }

    /// Forgets what concerns temporary credentials and was last seen before `before_us`, and returns the
    /// number of links that went. Builds the graph anew.
    pub fn forget_sessions(&mut self, before_us: i64) -> usize {
        let is_old = |row: &Row| row.kind.is_of_session() && row.seen.until_us < before_us;
        let old = self.rows.iter().filter(|row| is_old(row)).count();
        if old > 0 {
            let mut fresh = Self::new(self.max_links);
            for link in self.rows.iter().filter(|row| !is_old(row)).filter_map(|row| self.link_of(row)) {
                fresh.add(&link);
            }
            fresh.refused = self.refused;
            *self = fresh;
        }
        old
    }

    /// The number of links.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no link.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a new link was refused because the graph was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
