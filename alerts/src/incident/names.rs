//! What is known of names: which identity an account, key or session belongs to, over all clouds.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

/// Who knows identities by their names. What is known grows and changes while it is asked.
pub trait Names: Debug + Send + Sync {
    /// The name of the identity that goes by `name`.
    fn identity(&self, name: &str) -> Option<String>;

    /// What may mean something else since `place`, which an earlier answer gave, and the place as of now. Answers
    /// given from now on are at least as new.
    fn changed_since(&self, place: Option<u64>) -> (Renamed, u64);
}

/// What names mean something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renamed {
    /// These at most: names that are asked for, and names of identities that were answers.
    Names(HashSet<String>),
    /// Any.
    Any,
}

/// Names that stay as they are.
impl Names for HashMap<String, String> {
    fn identity(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }

    fn changed_since(&self, _: Option<u64>) -> (Renamed, u64) {
        (Renamed::Names(HashSet::new()), 0)
    }
}
