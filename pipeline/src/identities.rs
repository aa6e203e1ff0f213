//! The names of identities, for those who ask by name.

use std::collections::HashMap;
use std::sync::Arc;

use enrich::identity::IdentityGraph;
use parking_lot::Mutex;
use storage::remembered;
use storage::state::State;

use crate::correlated;
use crate::who::MAX_LINKS;

/// By name, the name of the identity, made anew when links have come or gone.
///
/// A name is a node (`aws:user:arn:aws:iam::1:user/ana`), or what the cloud calls it (the ARN alone) where
/// that names one identity only.
#[derive(Debug)]
pub struct Identities {
    state: State,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    version: Option<remembered::LinksVersion>,
    names: Arc<HashMap<String, String>>,
}

impl Identities {
    /// The identities that `state` knows links of.
    pub fn new(state: State) -> Self {
        Self { state, known: Mutex::default() }
    }

    /// The names as they are now.
    ///
    /// # Errors
    /// The database refuses.
    pub fn names(&self) -> storage::Result<Arc<HashMap<String, String>>> {
        // One at a time makes them; the others wait for it.
        let mut known = self.known.lock();
        let version = self.state.read(remembered::links_version)?;
        if known.version.as_ref() != Some(&version) {
            let mut graph = IdentityGraph::new(MAX_LINKS);
            self.state.read(|db| {
                remembered::links(db, |row| {
                    if let Some(link) = correlated::link(&row) {
                        graph.add(&link);
                    }
                })
            })?;
            known.names = Arc::new(names(&graph));
            known.version = Some(version);
        }
        Ok(known.names.clone())
    }
}

fn names(graph: &IdentityGraph) -> HashMap<String, String> {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut bare: HashMap<&str, Option<String>> = HashMap::new();
    for (node, identity) in graph.nodes() {
        names.insert(node.to_string(), identity.to_string());
        let identity = Some(identity.to_string());
        let known = bare.entry(node.name()).or_insert_with(|| identity.clone());
        // Of two identities it is neither's.
        if *known != identity {
            *known = None;
        }
    }
    for (name, identity) in bare {
        if let Some(identity) = identity {
            names.entry(name.to_owned()).or_insert(identity);
        }
    }
    names
}
