//! The one object store that a query can reach.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use object_store::ObjectStore;
use url::Url;

/// A scheme of our own, so that no address that somebody may write leads to the store.
const SCHEME: &str = "stormglass";

/// The address under which the scan of `events` finds its files.
pub(crate) fn events_url() -> DfResult<ObjectStoreUrl> {
    ObjectStoreUrl::parse(format!("{SCHEME}://events"))
}

/// Knows the store of the events table and no other; DataFusion's own registry opens the local file
/// system for every `file://` address.
#[derive(Debug)]
pub(crate) struct OnlyEvents {
    store: Arc<dyn ObjectStore>,
}

impl OnlyEvents {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }
}

impl ObjectStoreRegistry for OnlyEvents {
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DfResult<Arc<dyn ObjectStore>> {
        if url.scheme() == SCHEME {
            return Ok(self.store.clone());
        }
        Err(DataFusionError::Plan(format!("queries read no files; `{url}` is out of reach")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_store_is_reached() {
        let registry = OnlyEvents::new(Arc::new(object_store::memory::InMemory::new()));
        assert!(registry.get_store(events_url().unwrap().as_ref()).is_ok());
        for address in ["file:///", "s3://bucket", "http://127.0.0.1", "memory:///"] {
            let url = Url::parse(address).unwrap();
            registry.register_store(&url, Arc::new(object_store::memory::InMemory::new()));
            assert!(registry.get_store(&url).is_err(), "{address}");
        }
    }
}
