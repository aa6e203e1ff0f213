//! An object that a message announces, as a stream.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::broker::Broker;
use crate::object::{Part, PartReader, Parts};

/// What is kept of an object's start for a dead letter.
const START_BYTES: usize = 1 << 10;

/// What is known of an object while and after it is read by an [`ObjectStream`].
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its first bytes, as they are stored.
    pub(super) start: Vec<u8>,
    /// Its version, without quotes.
    pub(super) version: Option<String>,
}

/// An object as a blocking stream that holds at most two parts of it and reads one ahead.
pub(super) type ObjectStream<B> = PartReader<BrokerParts<B>>;

/// The parts of an object, as its broker reads them.
#[derive(Debug)]
pub(super) struct BrokerParts<B: Broker> {
    broker: Arc<B>,
    object: B::Object,
    seen: Arc<Mutex<Seen>>,
}

impl<B: Broker> ObjectStream<B> {
    /// A stream to be read on a thread that may wait for `runtime`, and what will be known of it.
    pub(super) fn of_message(broker: Arc<B>, object: B::Object, runtime: Handle) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let parts = BrokerParts { broker, object, seen: seen.clone() };
        (Self::over(parts, None, runtime), seen)
    }
}

impl<B: Broker> Parts for BrokerParts<B> {
    fn part(
        &self,
        at: u64,
        _size: Option<u64>,
        version: Option<String>,
    ) -> BoxFuture<'static, io::Result<Part>> {
        let (broker, object, seen) = (self.broker.clone(), self.object.clone(), self.seen.clone());
        async move {
            let part = broker.part(&object, at, version).await.map_err(io::Error::other)?;
            if at == 0 {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.start = part.bytes.get(..START_BYTES.min(part.bytes.len())).unwrap_or_default().to_vec();
                seen.version = part.version.as_deref().map(|tag| tag.trim_matches('"').to_owned());
            }
            Ok(Part { bytes: part.bytes, e_tag: part.version, size: part.size })
        }
        .boxed()
    }
}
