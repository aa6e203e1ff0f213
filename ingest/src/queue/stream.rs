//! An object that a message announces, as a stream.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::broker::{Broker, Part};
use crate::Result;

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
#[derive(Debug)]
pub(super) struct ObjectStream<B: Broker> {
    broker: Arc<B>,
    object: B::Object,
    runtime: Handle,
    part: Bytes,
    /// Where the part after it begins.
    at: u64,
    /// `None` before the first part.
    size: Option<u64>,
    version: Option<String>,
    next: Option<JoinHandle<Result<Part>>>,
    seen: Arc<Mutex<Seen>>,
}

impl<B: Broker> ObjectStream<B> {
    /// A stream to be read on a thread that may wait for `runtime`, and what will be known of it.
    pub(super) fn new(broker: Arc<B>, object: B::Object, runtime: Handle) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stream = Self {
            broker,
            object,
            runtime,
            part: Bytes::new(),
            at: 0,
            size: None,
            version: None,
            next: None,
            seen: seen.clone(),
        };
        (stream, seen)
    }

    fn request(&self) -> JoinHandle<Result<Part>> {
        let (broker, object) = (self.broker.clone(), self.object.clone());
        let (at, version) = (self.at, self.version.clone());
        self.runtime.spawn(async move { broker.part(&object, at, version).await })
    }

    /// Waits for the next part, and asks for the one after it.
    fn advance(&mut self) -> io::Result<()> {
        let next = self.next.take().unwrap_or_else(|| self.request());
        let part = self.runtime.block_on(next).map_err(io::Error::other)?.map_err(io::Error::other)?;
        if self.size.is_none() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.start = part.bytes.get(..START_BYTES.min(part.bytes.len())).unwrap_or_default().to_vec();
            seen.version = part.version.as_deref().map(|tag| tag.trim_matches('"').to_owned());
        }
        if part.bytes.is_empty() && self.at < part.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += part.bytes.len() as u64;
        self.size = Some(part.size);
        self.version = part.version;
        self.part = part.bytes;
        if self.at < part.size {
            self.next = Some(self.request());
        }
        Ok(())
    }
}

impl<B: Broker> Read for ObjectStream<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.size.is_none_or(|size| self.at < size) {
            self.advance()?;
        }
        let count = self.part.len().min(out.len());
        let part = self.part.split_to(count);
        if let Some(out) = out.get_mut(..count) {
            out.copy_from_slice(&part);
        }
        Ok(count)
    }
}

impl<B: Broker> Drop for ObjectStream<B> {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            next.abort();
        }
    }
}
