//! Objects that were read not long ago.

use std::collections::{HashSet, VecDeque};

/// The newest of the objects whose records are durable, by address and version. It forgets the oldest,
/// and everything with the process: what it misses is read again and found later by the events' ids.
#[derive(Debug)]
pub(super) struct Recent {
    limit: usize,
    known: HashSet<(String, String)>,
    order: VecDeque<(String, String)>,
}

impl Recent {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, known: HashSet::new(), order: VecDeque::new() }
    }

    pub(super) fn contains(&self, address: &str, version: &str) -> bool {
        self.known.contains(&(address.to_owned(), version.to_owned()))
    }

    pub(super) fn add(&mut self, address: String, version: String) {
        if self.limit == 0 || !self.known.insert((address.clone(), version.clone())) {
            return;
        }
        self.order.push_back((address, version));
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut recent = Recent::new(2);
        for key in ["a", "b", "b", "c"] {
            recent.add(key.into(), "1".into());
        }
        assert!(!recent.contains("a", "1"));
        assert!(recent.contains("b", "1") && recent.contains("c", "1"));
        assert!(!recent.contains("c", "2"));
    }
}
