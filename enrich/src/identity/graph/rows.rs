//! Links without their texts, by id and by end.
//!
//! The links of a node are a list that runs through the rows themselves, so that a node with one link, as most
//! have, costs a number.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::identity::link::{LinkId, LinkKind, Seen};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// A link between two numbered nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) id: LinkId,
    pub(super) kind: LinkKind,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) seen: Seen,
    /// The next link of `a`, and that of `b`.
    next: [u32; 2],
}

impl Row {
    pub(super) fn new(id: LinkId, kind: LinkKind, (a, b): (u32, u32), seen: Seen) -> Self {
        Self { id, kind, a, b, seen, next: [NONE; 2] }
    }

    /// The other end.
    pub(super) fn other(&self, node: u32) -> u32 {
        if self.a == node { self.b } else { self.a }
    }

    fn next_of(&mut self, node: u32) -> &mut u32 {
        let [of_a, of_b] = &mut self.next;
        if self.a == node { of_a } else { of_b }
    }
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    places: HashMap<LinkId, u32, RandomState>,
    /// The first link of each node.
    first: Vec<u32>,
}

// Places come from here alone and lists are mended when a row moves, so each is in range.
#[expect(clippy::indexing_slicing, reason = "places are indices that this module gave out")]
impl Rows {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Row> {
        self.places.get(&id).map(|place| &self.rows[*place as usize])
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Row> {
        self.places.get(&id).map(|place| &mut self.rows[*place as usize])
    }

    /// Adds a link that is not there yet.
    pub(super) fn insert(&mut self, mut row: Row) {
        let place = self.rows.len() as u32;
        let nodes = row.a.max(row.b) as usize + 1;
        if self.first.len() < nodes {
            self.first.resize(nodes, NONE);
        }
        for end in [row.a, row.b] {
            *row.next_of(end) = std::mem::replace(&mut self.first[end as usize], place);
        }
        self.places.insert(row.id, place);
        self.rows.push(row);
    }

    /// Takes a link out. Walks the lists of its ends and those of the link that takes its place.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<Row> {
        let place = self.places.remove(&id)?;
        let mut gone = self.rows[place as usize];
        for end in [gone.a, gone.b] {
            let next = *gone.next_of(end);
            self.relink(end, place, next);
        }
        let last = self.rows.len() as u32 - 1;
        if place != last {
            let moved = self.rows[last as usize];
            for end in [moved.a, moved.b] {
                self.relink(end, last, place);
            }
            self.places.insert(moved.id, place);
        }
        self.rows.swap_remove(place as usize);
        Some(gone)
    }

    /// In the list of a node, lets what pointed to `from` point to `to`.
    fn relink(&mut self, node: u32, from: u32, to: u32) {
        let mut at = self.first[node as usize];
        if at == from {
            self.first[node as usize] = to;
            return;
        }
        loop {
            let next = self.rows[at as usize].next_of(node);
            if *next == from {
                *next = to;
                return;
            }
            at = *next;
        }
    }

    /// The links of a node.
    pub(super) fn at(&self, node: u32) -> impl Iterator<Item = &Row> {
        let mut place = self.first.get(node as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let row = self.rows.get(place as usize)?;
            let [of_a, of_b] = row.next;
            place = if row.a == node { of_a } else { of_b };
            Some(row)
        })
    }
}
