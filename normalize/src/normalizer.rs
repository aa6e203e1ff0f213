//! A batch of raw records into a batch of events.

use std::panic::{AssertUnwindSafe, catch_unwind};

use event::{Col, EventBatch, EventBuilder, LogType, OCSF_VERSION, Offset, RawBatch, RawRecord};

use crate::detect;
use crate::json::{Tokens, Value};
use crate::mapping::Mapping;
use crate::reason::{MapError, Reason, Reject};
use crate::row::{Row, RowScratch};

/// The largest record, in bytes.
const MAX_RECORD_BYTES: usize = 4 << 20;

/// What became of a batch: each record is in exactly one of the two.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// One row per record that could be mapped, in the order of the records.
    pub events: EventBatch,
    /// The others, in the order of the records.
    pub rejects: Vec<Reject>,
}

/// Turns raw records into events. Keep one per worker thread: it owns buffers that are used again.
#[derive(Debug, Default)]
pub struct Normalizer {
    builder: EventBuilder,
    tokens: Tokens,
    scratch: RowScratch,
}

impl Normalizer {
    /// One with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps each record of `raw`; the first has the log offset `first`.
    ///
    /// Never panics: should a mapping do so, the batch is mapped again record by record, and only the
    /// record that is to blame is rejected ([`Reason::MapperPanicked`]).
    pub fn map(&mut self, raw: &RawBatch, first: Offset) -> Normalized {
        let whole = catch_unwind(AssertUnwindSafe(|| self.map_all(raw, first)));
        if let Ok(Some(normalized)) = whole {
            return normalized;
        }
        self.map_one_by_one(raw, first)
    }

    fn map_all(&mut self, raw: &RawBatch, first: Offset) -> Option<Normalized> {
        let mut rejects = Vec::new();
        for (record, (index, offset)) in raw.records().zip((0..).zip(first..)) {
            if let Err(error) = self.map_record(raw, record, offset) {
                self.builder.discard_row();
                rejects.push(Reject { record: index, reason: error.reason, detail: error.detail });
            }
        }
        let events = self.builder.finish().ok()?;
        Some(Normalized { events, rejects })
    }

    /// The slow way, after a panic.
    fn map_one_by_one(&mut self, raw: &RawBatch, first: Offset) -> Normalized {
        let mut rejects = Vec::new();
        let mut parts = Vec::new();
        for (record, (index, offset)) in raw.records().zip((0..).zip(first..)) {
            // Whatever half-filled columns the panic left behind go with the old builder.
            self.builder = EventBuilder::new();
            let one = catch_unwind(AssertUnwindSafe(|| {
                self.map_record(raw, record, offset)?;
                self.builder.finish().map_err(|error| MapError::new(Reason::MapperPanicked, error.to_string()))
            }));
            let error = match one {
                Ok(Ok(part)) => {
                    parts.push(part);
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => MapError::new(Reason::MapperPanicked, "the mapping failed; please report the record"),
            };
            rejects.push(Reject { record: index, reason: error.reason, detail: error.detail });
        }
        self.builder = EventBuilder::new();
        let events = EventBatch::concat(&parts).unwrap_or_else(|_| EventBatch::empty());
        Normalized { events, rejects }
    }

    fn map_record(&mut self, raw: &RawBatch, record: RawRecord<'_>, offset: Offset) -> Result<(), MapError> {
        if let Some(reason) = record.reject {
            return Err(MapError::new(Reason::TornInput, reason));
        }
        if record.bytes.len() > MAX_RECORD_BYTES {
            let size = record.bytes.len();
            return Err(MapError::new(Reason::TooLarge, format!("{size} bytes, limit {MAX_RECORD_BYTES} bytes")));
        }
        let text = std::str::from_utf8(record.bytes)
            .map_err(|error| MapError::new(Reason::NotUtf8, format!("byte {} of the record", error.valid_up_to())))?;
        self.tokens.scan(text)?;
        let root = Value::root(text, &self.tokens);
        let object = root
            .as_object()
            .ok_or_else(|| MapError::new(Reason::NotAnObject, "the record is JSON, but no object"))?;
        let log_type = match raw.log_type {
            Some(log_type) => log_type,
            None => detect::log_type(&object)?,
        };
        let mut row = Row::new(&mut self.builder, &mut self.scratch);
        let key = (Mapping::of(log_type).map)(&object, &mut row)?;
        for name in self.tokens.duplicates() {
            row.keep_text("", "duplicate_keys", name);
        }
        row.finish();
        finish_row(&mut self.builder, raw, log_type, offset, object.raw(), key)
    }
}

/// Sets what is the same for every mapping, and ends the row.
fn finish_row(
    builder: &mut EventBuilder,
    raw: &RawBatch,
    log_type: LogType,
    offset: Offset,
    text: &str,
    key: event::EventKey,
) -> Result<(), MapError> {
    if !builder.has(Col::Time) {
        return Err(MapError::new(Reason::MissingTime, "the record does not say when it happened"));
    }
    builder.text(Col::EventUid, key.uid().as_str());
    builder.text(Col::LogType, log_type.as_str());
    builder.text(Col::Source, raw.source.as_str());
    builder.long(Col::LogOffset, offset.cast_signed());
    builder.text(Col::MetadataVersion, OCSF_VERSION);
    builder.time(Col::MetadataLoggedTime, raw.received_us);
    builder.text(Col::CloudProvider, log_type.provider().as_str());
    builder.text(Col::RawData, text);
    builder.finish_row();
    Ok(())
}
