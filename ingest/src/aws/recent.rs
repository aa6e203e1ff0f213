//! Objects that were read not long ago.

use std::collections::{HashSet, VecDeque};

use super::ObjectAddress;

/// The newest of the objects whose records are durable, by address and entity tag. It forgets the oldest,
/// and everything with the process: what it misses is read again and found later by the events' ids.
#[derive(Debug)]
pub(crate) struct Recent {
    limit: usize,
    known: HashSet<(ObjectAddress, String)>,
    order: VecDeque<(ObjectAddress, String)>,
}

impl Recent {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, known: HashSet::new(), order: VecDeque::new() }
    }

    pub(crate) fn contains(&self, object: &ObjectAddress, e_tag: &str) -> bool {
        self.known.contains(&(object.clone(), e_tag.to_owned()))
    }

    pub(crate) fn add(&mut self, object: ObjectAddress, e_tag: String) {
        if self.limit == 0 || !self.known.insert((object.clone(), e_tag.clone())) {
            return;
        }
        self.order.push_back((object, e_tag));
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
        let object = |key: &str| ObjectAddress { bucket: "b".into(), key: key.into() };
        let mut recent = Recent::new(2);
        for key in ["a", "b", "b", "c"] {
            recent.add(object(key), "1".into());
        }
        assert!(!recent.contains(&object("a"), "1"));
        assert!(recent.contains(&object("b"), "1") && recent.contains(&object("c"), "1"));
        assert!(!recent.contains(&object("c"), "2"));
    }
}
