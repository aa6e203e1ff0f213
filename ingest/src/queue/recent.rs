//! Objects that were read not long ago, known to all who read them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The newest of the objects whose records are durable, by address and version (entity tag or generation). It
/// forgets the oldest, and everything with the process: what it misses is read again and found later by the
/// events' ids.
///
/// Clones are the same memory. A queue and the digests of a trail share one, so that the digests read only
/// what the queue was never told of.
#[derive(Debug, Clone)]
pub struct RecentObjects(Arc<Mutex<Recent>>);

#[derive(Debug)]
struct Recent {
    limit: usize,
    known: HashMap<String, String>,
    order: VecDeque<String>,
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

    /// Whether an object was read, whatever its version was.
    pub(crate) fn has(&self, address: &str) -> bool {
        self.with(|recent| recent.known.contains_key(address))
    }

    pub(crate) fn contains(&self, address: &str, version: &str) -> bool {
        self.with(|recent| recent.known.get(address).is_some_and(|known| known == version))
    }

    pub(crate) fn add(&self, address: String, version: String) {
        self.with(|recent| {
            if recent.limit == 0 || recent.known.insert(address.clone(), version).is_some() {
                return;
            }
            recent.order.push_back(address);
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
        let recent = RecentObjects::new(2);
        for key in ["a", "b", "b", "c"] {
            recent.clone().add(key.into(), "1".into());
        }
        assert!(!recent.contains("a", "1") && !recent.has("a"));
        assert!(recent.contains("b", "1") && recent.contains("c", "1"));
        assert!(!recent.contains("c", "2") && recent.has("c"));
        // Written again, it is another object.
        recent.add("c".into(), "2".into());
        assert!(recent.contains("c", "2") && !recent.contains("c", "1"));
    }
}
