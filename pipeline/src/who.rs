//! Who is behind an actor, as far as the evidence of the events goes.
//!
//! A hit keeps the actor as its event names them; which identity that is may change with every link, also with
//! one that comes later. What changes is told to the correlator, so that the groups are always those of the
//! graph as it is.

use std::collections::{BTreeMap, BTreeSet};

use enrich::identity::{Actor, Change, IdentityGraph, Link, LinkId, Node};
use event::EventBatch;

/// The most links that are held; a link takes about 150 bytes.
pub(crate) const MAX_LINKS: usize = 1_000_000;

/// Stands between the two names of an actor; neither has control characters.
const SEPARATOR: char = '\u{1e}';

/// The graph, and the keys that are known by their session only.
#[derive(Debug)]
pub(crate) struct Who {
    graph: IdentityGraph,
    /// By role session: the actors of hits that the session may name one day.
    by_session: BTreeMap<Node, BTreeSet<String>>,
    /// Links that somebody has undone: their evidence is not believed when it is seen again.
    undone: BTreeSet<LinkId>,
}

/// What a link changes for groups.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renamed {
    /// Groups of the second name are those of the first from now on.
    Merged(String, String),
    /// What was taken for one identity was several: all groups must be made anew.
    Split,
}

impl Default for Who {
    fn default() -> Self {
        Self { graph: IdentityGraph::new(MAX_LINKS), by_session: BTreeMap::new(), undone: BTreeSet::new() }
    }
}

/// The actor of a row as text, to be kept with a hit: see [`Who::name`].
pub fn actor(events: &EventBatch, row: usize) -> Option<String> {
    let actor = enrich::identity::actor(events, row)?;
    Some(match actor.session {
        Some(session) => format!("{}{SEPARATOR}{session}", actor.node),
        None => actor.node.to_string(),
    })
}

/// The actor of a row, as the cloud names them.
pub fn actor_name(events: &EventBatch, row: usize) -> Option<String> {
    Some(enrich::identity::actor(events, row)?.node.to_string())
}

fn parse(text: &str) -> Option<Actor> {
    let (node, session) = match text.split_once(SEPARATOR) {
        Some((node, session)) => (node, Some(session.parse().ok()?)),
        None => (text, None),
    };
    Some(Actor { node: node.parse().ok()?, session })
}

impl Who {
    /// Nothing known yet, and some links not to be believed.
    pub(crate) fn without(undone: BTreeSet<LinkId>) -> Self {
        Self { undone, ..Self::default() }
    }

    /// Takes in a link.
    pub(crate) fn add(&mut self, link: &Link) -> Vec<Renamed> {
        if self.undone.contains(&link.id()) {
            return Vec::new();
        }
        match self.graph.add(link) {
            None => Vec::new(),
            Some(Change::Split(_)) => vec![Renamed::Split],
            Some(Change::Merged(merged)) => {
                let mut renamed = Vec::new();
                for gone in &merged.gone {
                    renamed.push(Renamed::Merged(merged.kept.to_string(), gone.to_string()));
                    // A session that has found its owner names the keys that nothing else names.
                    let actors = self.by_session.get(gone).into_iter().flatten();
                    for actor in actors.filter_map(|text| parse(text)) {
                        if self.graph.canonical(&actor.node) == &actor.node {
                            renamed.push(Renamed::Merged(merged.kept.to_string(), actor.node.to_string()));
                        }
                    }
                }
                renamed
            }
        }
    }

    /// When half of the room is used, forgets the links of temporary credentials that were last seen before, and
    /// says so.
    pub(crate) fn forget_sessions(&mut self, before_us: i64) -> bool {
        if self.graph.len() < MAX_LINKS / 2 || self.graph.forget_sessions(before_us) == 0 {
            return false;
        }
        self.by_session.clear();
        true
    }

    /// The name of the identity that an actor is.
    pub(crate) fn name(&mut self, text: &str) -> String {
        let Some(actor) = parse(text) else { return text.to_owned() };
        if let Some(session) = &actor.session {
            let known = self.by_session.entry(session.clone()).or_default();
            if !known.contains(text) {
                known.insert(text.to_owned());
            }
        }
        self.graph.resolve(&actor).to_string()
    }
}
