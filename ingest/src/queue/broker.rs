//! What a queue service is to the engine.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, Result};

/// What is asked of an object at once; two such parts are in memory. See the same in `object.rs`.
pub(crate) const PART_BYTES: u64 = 8 << 20;
/// What one call may name of receipts: Pub/Sub takes requests of 512 KiB, and each has quotes and a comma.
const CALL_BYTES: usize = 400 << 10;

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The same whenever it comes again.
    pub(crate) id: String,
    /// What stands for this receipt of it.
    pub(crate) receipt: String,
    pub(crate) body: Bytes,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Why the body is none.
    pub(crate) problem: Option<String>,
    /// How often it was received, this time included.
    pub(crate) receives: u32,
}

/// An entry of a call that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedEntry {
    /// Its place in the call.
    pub(crate) index: usize,
    pub(crate) code: String,
    /// Trying again cannot help: the receipt has ended.
    pub(crate) is_final: bool,
}

/// An object that a message announces.
#[derive(Debug, Clone)]
pub(crate) struct Announced<O> {
    /// Its address: the origin of its records.
    pub(crate) address: String,
    /// Entity tag or generation, where the message has it.
    pub(crate) version: Option<String>,
    /// What the service needs to read it.
    pub(crate) object: O,
}

/// What a message means. All of it may be there.
#[derive(Debug)]
pub(crate) struct Meaning<O> {
    /// Objects to read.
    pub(crate) objects: Vec<Announced<O>>,
    /// Texts in it that are a record each.
    pub(crate) records: Vec<String>,
    /// Parts that cannot be understood, and why.
    pub(crate) rejects: Vec<String>,
    /// The body is records itself.
    pub(crate) is_records: bool,
    /// Announcements of what holds no events.
    pub(crate) without_events: u64,
}

impl<O> Default for Meaning<O> {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
            records: Vec::new(),
            rejects: Vec::new(),
            is_records: false,
            without_events: 0,
        }
    }
}

/// What one request for an object gives.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    /// Entity tag or generation as the service writes it; the next parts must be of the same.
    pub(crate) version: Option<String>,
    /// The size of the object.
    pub(crate) size: u64,
}

/// A queue service, and the store of the objects that it announces.
#[async_trait]
pub(crate) trait Broker: fmt::Debug + Send + Sync + 'static {
    /// What is needed to read an object.
    type Object: fmt::Debug + Clone + Send + Sync + 'static;

    /// What deletes a message, as permissions name it.
    const DELETE: &'static str;
    /// Messages that one call receives at most.
    const RECEIVED: usize;
    /// Receipts that one call takes at most.
    const BATCH: usize;

    /// Messages that are ours for the lease; waits for the first.
    ///
    /// # Errors
    /// The service refuses or does not answer.
    async fn receive(&self) -> Result<Vec<Message>>;

    /// Removes messages for good; gives those that were not removed.
    ///
    /// # Errors
    /// The service refuses or does not answer; perhaps it has removed them.
    async fn delete(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>>;

    /// Makes messages ours for another lease from now on; gives those that are not.
    ///
    /// # Errors
    /// The service refuses or does not answer.
    async fn extend(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>>;

    /// What a message means, without asking anybody.
    fn read(&self, message: &Message) -> Meaning<Self::Object>;

    /// Where a message lies: the origin of its records.
    fn origin(&self, id: &str) -> String;

    /// Where all messages lie, and the number of this one there, if records of many may share an origin.
    fn numbered(&self, id: &str) -> Option<(String, u64)>;

    /// The bytes of an object from `at` on, up to [`PART_BYTES`], of the version that was read before.
    ///
    /// # Errors
    /// The store refuses or does not answer.
    async fn part(&self, object: &Self::Object, at: u64, version: Option<String>) -> Result<Part>;

    /// Whether an error says that there is no such object.
    fn is_missing(&self, error: &Error) -> bool;
}

/// How many of `receipts` one call takes; at least one, where there is one.
pub(super) fn fitting<'a>(receipts: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let (mut count, mut bytes) = (0, 0);
    for receipt in receipts.take(most) {
        bytes += receipt.len() + 3;
        if bytes > CALL_BYTES && count > 0 {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_bounds() {
        let fitting = |lengths: &[usize]| {
            let receipts: Vec<_> = lengths.iter().map(|length| "r".repeat(*length)).collect();
            fitting(receipts.iter().map(String::as_str), 1000)
        };
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&[1 << 20, 1]), 1);
        assert_eq!(fitting(&[200; 1500]), 1000);
        assert_eq!(fitting(&[1021; 1500]), 400);
    }
}
