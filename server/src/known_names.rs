//! Who knows identities by their names, for SQL and for incidents.

use alerts::incident::Renamed;
use pipeline::{Changed, Identities};

/// The identities behind names, as the links in the state have it.
#[derive(Debug)]
pub(crate) struct KnownNames(pub(crate) Identities);

impl query::Names for KnownNames {
    fn look(&self) -> Result<(), String> {
        self.0.look().map_err(|error| error.to_string())
    }

    fn identity(&self, name: &str) -> Option<String> {
        self.0.identity(name)
    }
}

impl alerts::incident::Names for KnownNames {
    fn identity(&self, name: &str) -> Option<String> {
        self.0.identity(name)
    }

    fn changed_since(&self, place: Option<u64>) -> (Renamed, u64) {
        let (changed, place) = self.0.changed_since(place);
        let renamed = match changed {
            Changed::Names(names) => Renamed::Names(names),
            Changed::Any => Renamed::Any,
        };
        (renamed, place)
    }
}
