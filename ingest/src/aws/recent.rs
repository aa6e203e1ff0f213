//! Objects that were read not long ago, known to all who read them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::ObjectAddress;

/// The newest of the objects whose records are durable, by address and entity tag. It forgets the oldest,
/// and everything with the process: what it misses is read again and found later by the events' ids.
///
/// Clones are the same memory. A queue and the digests of a trail share one, so that the digests read only
/// what the queue was never told of.
#[derive(Debug, Clone)]
pub struct RecentObjects(Arc<Mutex<Recent>>);

#[derive(Debug)]
struct Recent {
    limit: usize,
    known: HashMap<ObjectAddress, String>,
    order: VecDeque<ObjectAddress>,
}

impl RecentObjects {
    /// Remembers so many objects.
    pub fn new(limit: usize) -> Self {
        let recent = Recent { limit, known: HashMap::new(), order: VecDeque::new() };
        Self(Arc::new(Mutex::new(recent)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Recent) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an object was read, whatever its tag was.
    pub(crate) fn has(&self, object: &ObjectAddress) -> bool {
        self.with(|recent| recent.known.contains_key(object))
    }

    pub(crate) fn contains(&self, object: &ObjectAddress, e_tag: &str) -> bool {
        self.with(|recent| recent.known.get(object).is_some_and(|known| known == e_tag))
    }

    pub(crate) fn add(&self, object: ObjectAddress, e_tag: String) {
        self.with(|recent| {
            if recent.limit == 0 || recent.known.insert(object.clone(), e_tag).is_some() {
                return;
            }
            recent.order.push_back(object);
            if recent.order.len() > recent.limit
                && let Some(oldest) = recent.order.pop_front()
            {
                recent.known.remove(&oldest);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let object = |key: &str| ObjectAddress { bucket: "b".into(), key: key.into() };
        let recent = RecentObjects::new(2);
        for key in ["a", "b", "b", "c"] {
            recent.clone().add(object(key), "1".into());
        }
        assert!(!recent.contains(&object("a"), "1") && !recent.has(&object("a")));
        assert!(recent.contains(&object("b"), "1") && recent.contains(&object("c"), "1"));
        assert!(!recent.contains(&object("c"), "2") && recent.has(&object("c")));
        // Written again, it is another object.
        recent.add(object("c"), "2".into());
        assert!(recent.contains(&object("c"), "2") && !recent.contains(&object("c"), "1"));
    }
}
