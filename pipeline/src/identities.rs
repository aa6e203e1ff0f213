//! The names of identities, for those who ask by name.

use std::collections::{HashSet, VecDeque};

use enrich::identity::{Change, IdentityGraph, Link, Node, NodeKind};
use parking_lot::RwLock;
use storage::remembered::{self, LinksVersion};
use storage::state::State;
use storage::state::rusqlite::Connection;

use crate::correlated;
use crate::who::MAX_LINKS;

/// So many names that have come to mean something else are remembered, for those who ask what has.
const MAX_RENAMED: usize = 100_000;

/// By name, the name of the identity, as the links in the database have it.
///
/// A name is a node (`aws:user:arn:aws:iam::1:user/ana`), or what the cloud calls it (the ARN alone) where
/// that names one identity only. Links that have come are added to those known; only where some have gone, which
/// somebody has undone or time has, all are read anew.
#[derive(Debug)]
pub struct Identities {
    state: State,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    version: Option<LinksVersion>,
    graph: IdentityGraph,
    renamed: Renamed,
}

/// Names that have come to mean something else, the newest last, by their numbers.
#[derive(Debug, Default)]
struct Renamed {
    names: VecDeque<Box<str>>,
    /// The number of the first; all before may mean anything.
    first: u64,
}

/// What the database has that is not known.
enum Found {
    /// Links that have come.
    New(Vec<Link>, LinksVersion),
    /// All links, as some have gone.
    All(Box<IdentityGraph>, LinksVersion),
}

impl Found {
    /// What has changed since `known`; `None` if nothing has. `db` is one view of the database.
    fn read(db: &Connection, known: Option<LinksVersion>) -> storage::Result<Option<Self>> {
        let version = remembered::links_version(db)?;
        if known == Some(version) {
            return Ok(None);
        }
        if let Some(known) = known
            && let Some((new, now)) = remembered::links_since(db, &known)?
        {
            return Ok(Some(Self::New(new.iter().filter_map(correlated::link).collect(), now)));
        }
        let mut graph = IdentityGraph::new(MAX_LINKS);
        remembered::links(db, |row| {
            if let Some(link) = correlated::link(&row) {
                graph.add(&link);
            }
        })?;
        Ok(Some(Self::All(Box::new(graph), version)))
    }
}

/// What names mean something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These at most: names that are asked for, and names of identities that were answers.
    Names(HashSet<String>),
    /// Any.
    Any,
}

impl Identities {
    /// The identities that `state` knows links of; [`look`](Self::look) reads them.
    pub fn new(state: State) -> Self {
        let graph = IdentityGraph::new(MAX_LINKS);
        Self { state, known: RwLock::new(Known { version: None, graph, renamed: Renamed::default() }) }
    }

    /// Takes in the links that have come or gone. Nobody who asks for a name waits for the database: what holds a
    /// reader of it may be asking.
    ///
    /// # Errors
    /// The database refuses.
    pub fn look(&self) -> storage::Result<()> {
        loop {
            let before = self.known.read().version;
            let Some(found) = self.state.read(|db| Found::read(db, before))? else { return Ok(()) };
            let mut known = self.known.write();
            // Somebody else has looked meanwhile, and may have seen less.
            if known.version == before {
                known.take(found);
                return Ok(());
            }
        }
    }

    /// The name of the identity that goes by `name`, as of the last [`look`](Self::look).
    pub fn identity(&self, name: &str) -> Option<String> {
        self.known.read().identity(name)
    }

    /// What may mean something else since `place`, which an earlier answer gave, and the place as of now.
    pub fn changed_since(&self, place: Option<u64>) -> (Changed, u64) {
        let known = self.known.read();
        let (first, end) = (known.renamed.first, known.renamed.end());
        let Some(skipped) = place.and_then(|place| place.checked_sub(first)) else {
            return (Changed::Any, end);
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let names = known.renamed.names.iter().skip(skipped).map(|name| name.to_string()).collect();
        (Changed::Names(names), end)
    }
}

impl Known {
    fn identity(&self, name: &str) -> Option<String> {
        if let Ok(node) = name.parse::<Node>()
            && self.graph.knows(&node)
        {
            return Some(self.graph.canonical(&node).to_string());
        }
        // A name that is cut in its node is none that anybody is told of when it means something else.
        let node = |kind: &NodeKind| Node::new(*kind, name).filter(|node| node.name() == name);
        let nodes: Vec<Node> = NodeKind::ALL.iter().filter_map(node).collect();
        let mut identities =
            nodes.iter().filter(|node| self.graph.knows(node)).map(|node| self.graph.canonical(node));
        let identity = identities.next()?;
        // Of two identities it is neither's.
        identities.all(|other| other == identity).then(|| identity.to_string())
    }

    fn take(&mut self, found: Found) {
        match found {
            Found::New(links, version) => {
                for link in &links {
                    self.add(link);
                }
                self.version = Some(version);
            }
            Found::All(graph, version) => {
                self.graph = *graph;
                self.renamed.forget();
                self.version = Some(version);
            }
        }
    }

    fn add(&mut self, link: &Link) {
        let is_new = [link.a(), link.b()].map(|node| !self.graph.knows(node));
        let change = self.graph.add(link);
        for (node, is_new) in [link.a(), link.b()].into_iter().zip(is_new) {
            if is_new && self.graph.knows(node) {
                self.renamed.push(node);
            }
        }
        let gone = match &change {
            None => return,
            Some(Change::Merged(merged)) => merged.gone.as_slice(),
            Some(Change::Split(split)) => std::slice::from_ref(&split.whole),
        };
        for node in gone.iter().chain(self.graph.moved()) {
            self.renamed.push(node);
        }
    }
}

impl Renamed {
    fn end(&self) -> u64 {
        self.first + self.names.len() as u64
    }

    /// A node, and what the cloud calls it.
    fn push(&mut self, node: &Node) {
        for name in [node.as_str(), node.name()] {
            self.names.push_back(name.into());
        }
        while self.names.len() > MAX_RENAMED {
            self.names.pop_front();
            self.first += 1;
        }
    }

    /// Anything may have changed.
    fn forget(&mut self) {
        self.first = self.end() + 1;
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use enrich::identity::LinkKind;
    use event::EventKey;
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 9] = [
        "aws:key:one",
        "aws:key:two",
        "aws:user:ana",
        "aws:user:bob",
        "entra:user:ana",
        "mail:ana",
        "saml:idp#bob",
        "aws:role-session:one",
        "aws:role-session:two",
    ];

    /// All that is asked for: nodes, and what clouds call them, of which some name several.
    fn asked() -> BTreeSet<String> {
        let bare = NAMES.iter().map(|name| name.parse::<Node>().unwrap().name().to_owned());
        NAMES.iter().map(ToString::to_string).chain(bare).collect()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Seen(usize, usize, usize),
        Undone(usize),
        Forgotten(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..LinkKind::ALL.len(), 0..NAMES.len(), 0..NAMES.len()).prop_map(|(kind, a, b)| Step::Seen(kind, a, b)),
            1 => any::<usize>().prop_map(Step::Undone),
            1 => (0..LinkKind::ALL.len()).prop_map(Step::Forgotten),
        ]
    }

    fn apply(state: &State, step: &Step) {
        let mut links = Vec::new();
        state.read(|db| remembered::links(db, |link| links.push(link))).unwrap();
        let write = |txn: &storage::state::Txn<'_>| match step {
            Step::Seen(kind, a, b) => {
                let [a, b] = [a, b].map(|n| NAMES[*n].parse().unwrap());
                match Link::new(LinkKind::ALL[*kind], a, b, (1, 2), EventKey(1)) {
                    Some(link) => remembered::set_link(txn, &correlated::link_row(&link)),
                    None => Ok(()),
                }
            }
            Step::Undone(_) if links.is_empty() => Ok(()),
            Step::Undone(n) => {
                remembered::undo_link(txn, &links[n % links.len()].id, "dana", "wrong", 1).map(drop)
            }
            Step::Forgotten(kind) => remembered::forget_links(txn, LinkKind::ALL[*kind].as_str(), 9),
        };
        state.write(write).unwrap();
    }

    #[test]
    fn several_look_at_once_while_links_come() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.db")).unwrap();
        let followed = Identities::new(state.clone());
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        followed.look().unwrap();
                        // As a query does that asks for names while it reads the state.
                        state.read(|_| Ok::<_, storage::Error>(followed.identity("aws:key:one"))).unwrap();
                    }
                });
            }
            for n in 0..60 {
                apply(
                    &state,
                    &Step::Seen(n % LinkKind::ALL.len(), n % NAMES.len(), (n * 5 + 1) % NAMES.len()),
                );
            }
        });
        followed.look().unwrap();
        let anew = Identities::new(state);
        anew.look().unwrap();
        for name in asked() {
            assert_eq!(followed.identity(&name), anew.identity(&name), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whoever looks after each step, or sometimes, knows what one knows who reads everything; and is told of
        /// every name that means something else.
        #[test]
        fn links_that_come_and_go_are_followed(steps in proptest::collection::vec((any_step(), any::<bool>()), 1..40)) {
            let folder = tempfile::tempdir().unwrap();
            let state = State::open(&folder.path().join("state.db")).unwrap();
            let followed = Identities::new(state.clone());
            followed.look().unwrap();
            let mut place = followed.changed_since(None).1;
            let answers = |of: &Identities| asked().into_iter().map(|name| of.identity(&name)).collect::<Vec<_>>();
            let mut before = answers(&followed);
            for (step, looks) in steps {
                apply(&state, &step);
                if !looks {
                    continue;
                }
                followed.look().unwrap();
                let anew = Identities::new(state.clone());
                anew.look().unwrap();
                let now = answers(&followed);
                prop_assert_eq!(&now, &answers(&anew));
                let (changed, next) = followed.changed_since(Some(place));
                if let Changed::Names(names) = changed {
                    for ((name, before), now) in asked().into_iter().zip(&before).zip(&now) {
                        let is_told = names.contains(&name)
                            || before.as_ref().is_some_and(|identity| names.contains(identity));
                        prop_assert!(before == now || is_told, "{name}: {before:?} to {now:?}, told of {names:?}");
                    }
                }
                (before, place) = (now, next);
            }
        }
    }
}
