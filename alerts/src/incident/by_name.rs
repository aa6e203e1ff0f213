//! Alerts by the names that were looked up for them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::subject::{Place, Subject};

/// Where alerts are that ask for a name. Names are kept as their hashes: of two that share one, both are looked at.
#[derive(Debug, Default)]
pub(super) struct ByName {
    places: HashMap<u64, BTreeSet<Place>>,
    hasher: RandomState,
}

impl ByName {
    pub(super) fn add(&mut self, subject: &Subject, place: &Place) {
        for name in &subject.looked_up {
            self.places.entry(self.hasher.hash_one(name.as_str())).or_default().insert(place.clone());
        }
    }

    pub(super) fn remove(&mut self, subject: &Subject, place: &Place) {
        for name in &subject.looked_up {
            let hash = self.hasher.hash_one(name.as_str());
            if let Some(places) = self.places.get_mut(&hash) {
                places.remove(place);
                if places.is_empty() {
                    self.places.remove(&hash);
                }
            }
        }
    }

    /// The alerts that one of these names matters for.
    pub(super) fn places(&self, names: &HashSet<String>) -> BTreeSet<Place> {
        let found = names.iter().filter_map(|name| self.places.get(&self.hasher.hash_one(name.as_str())));
        found.flatten().cloned().collect()
    }
}
