//! Nodes by number, and which component each is in.
//!
//! Joining moves the smaller component's members into the larger one, so a node moves at most as often as
//! the logarithm of the number of nodes.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{Merged, Node, Split};

#[derive(Debug, Default)]
pub(super) struct Members {
    nodes: Vec<Entry>,
    /// The numbers of the nodes, by the hash of their text.
    index: HashTable<u32>,
    hasher: RandomState,
    components: Vec<Component>,
    /// Components that have no member.
    free: Vec<u32>,
    /// What the last joining or parting has put into another component.
    moved: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    component: u32,
}

#[derive(Debug, Default)]
struct Component {
    members: Vec<u32>,
    /// The member whose node is the least.
    canonical: u32,
}

// Numbers of nodes and components come from here alone and are never taken back, so each is in range.
#[expect(clippy::indexing_slicing, reason = "numbers are indices that this module gave out")]
impl Members {
    /// The number of a node, new in a component of its own if need be.
    pub(super) fn intern(&mut self, node: &Node) -> u32 {
        if let Some(id) = self.find(node) {
            return id;
        }
        let id = self.nodes.len() as u32;
        self.nodes.push(Entry { node: node.clone(), component: 0 });
        self.new_component(vec![id]);
        let Self { nodes, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(node.as_str()), id, |id| {
            hasher.hash_one(nodes[*id as usize].node.as_str())
        });
        id
    }

    /// The number of a node that is known.
    pub(super) fn find(&self, node: &Node) -> Option<u32> {
        let hash = self.hasher.hash_one(node.as_str());
        self.index.find(hash, |id| self.nodes[*id as usize].node == *node).copied()
    }

    pub(super) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(id as usize).map(|entry| &entry.node)
    }

    pub(super) fn component_of(&self, id: u32) -> u32 {
        self.nodes[id as usize].component
    }

    pub(super) fn canonical(&self, id: u32) -> &Node {
        self.name(self.component_of(id))
    }

    /// The numbers of the nodes of a component.
    pub(super) fn of(&self, component: u32) -> &[u32] {
        &self.components[component as usize].members
    }

    /// Every node with the canonical node of its component.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Node, &Node)> {
        self.nodes.iter().map(|entry| (&entry.node, self.name(entry.component)))
    }

    /// The nodes that the last joining or parting has put into another component.
    pub(super) fn moved(&self) -> impl Iterator<Item = &Node> {
        self.moved.iter().filter_map(|id| self.node(*id))
    }

    /// Makes one component of those of all `nodes`.
    pub(super) fn join(&mut self, nodes: &[u32]) -> Option<Merged> {
        self.moved.clear();
        let mut components: Vec<_> = nodes.iter().map(|id| self.component_of(*id)).collect();
        components.sort_unstable();
        components.dedup();
        if components.len() < 2 {
            return None;
        }
        let mut names: Vec<_> = components.iter().map(|component| self.name(*component).clone()).collect();
        names.sort();
        let kept = names.remove(0);
        let large = components.iter().copied().max_by_key(|component| self.of(*component).len())?;
        for small in components.into_iter().filter(|component| *component != large) {
            self.absorb(large, small);
        }
        Some(Merged { kept, gone: names })
    }

    fn absorb(&mut self, large: u32, small: u32) {
        let Component { members, canonical } = std::mem::take(&mut self.components[small as usize]);
        self.free.push(small);
        for id in &members {
            self.nodes[*id as usize].component = large;
        }
        self.moved.extend(&members);
        let keeps_name = self.name(large) < &self.nodes[canonical as usize].node;
        let into = &mut self.components[large as usize];
        into.members.extend(members);
        if !keeps_name {
            into.canonical = canonical;
        }
    }

    /// Makes components of their own of `parts` of one; what is in none of them stays.
    pub(super) fn part(&mut self, component: u32, mut parts: Vec<Vec<u32>>) -> Option<Split> {
        self.moved.clear();
        let whole = self.name(component).clone();
        let size = self.of(component).len();
        let taken: usize = parts.iter().map(Vec::len).sum();
        if taken == size {
            // The largest stays where it is.
            let largest = (0..parts.len()).max_by_key(|index| parts[*index].len())?;
            parts.swap_remove(largest);
        }
        if parts.is_empty() {
            return None;
        }
        let mut components = vec![component];
        for members in parts {
            self.moved.extend(&members);
            let new = self.new_component(members);
            components.push(new);
        }
        let Self { nodes, components: all, .. } = self;
        all[component as usize].members.retain(|id| nodes[*id as usize].component == component);
        self.rename(component);
        let mut parts: Vec<_> =
            components.into_iter().map(|component| self.name(component).clone()).collect();
        parts.sort();
        Some(Split { whole, parts })
    }

    fn new_component(&mut self, members: Vec<u32>) -> u32 {
        let new = self.free.pop().unwrap_or_else(|| {
            self.components.push(Component::default());
            self.components.len() as u32 - 1
        });
        for id in &members {
            self.nodes[*id as usize].component = new;
        }
        self.components[new as usize].members = members;
        self.rename(new);
        new
    }

    /// Finds the least member.
    fn rename(&mut self, component: u32) {
        let least = self.of(component).iter().copied().min_by_key(|id| &self.nodes[*id as usize].node);
        if let Some(least) = least {
            self.components[component as usize].canonical = least;
        }
    }

    fn name(&self, component: u32) -> &Node {
        &self.nodes[self.components[component as usize].canonical as usize].node
    }
}
