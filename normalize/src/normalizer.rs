//! A batch of raw records into a batch of events.

use std::panic::{AssertUnwindSafe, catch_unwind};

use event::{Col, EventBatch, EventBuilder, EventKey, LogType, OCSF_VERSION, Offset, RawBatch, RawRecord};

use crate::detect;
use crate::envelope::{self, Content, Envelope};
use crate::glance;
use crate::json::{Object, Tokens, Value};
use crate::mapping::Mapping;
use crate::pushed;
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

/// The records of a batch at a glance.
#[derive(Debug, Clone)]
pub struct Glance {
    /// One row for each record of `seen`, of which only the columns [`GLANCED`](crate::GLANCED) are filled.
    pub events: EventBatch,
    /// Records that the mapping is sure to accept, by their place in the batch.
    pub seen: Vec<usize>,
    /// The others, of which nothing can be told without the mapping.
    pub unseen: Vec<usize>,
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
        let (events, mut rejects) = self.map_all(&[(raw, first)]);
        Normalized { events, rejects: rejects.pop().unwrap_or_default() }
    }

    /// Maps the records of several batches into one batch of events: the events of all in their order, and
    /// the rejects of each. As [`map`](Self::map) otherwise.
    pub fn map_all(&mut self, batches: &[(&RawBatch, Offset)]) -> (EventBatch, Vec<Vec<Reject>>) {
        self.builder.reserve(batches.iter().map(|(raw, _)| raw.len()).sum());
        let whole = catch_unwind(AssertUnwindSafe(|| {
            let rejects = batches.iter().map(|(raw, first)| self.map_batch(raw, *first)).collect();
            (self.builder.finish(), rejects)
        }));
        if let Ok((Ok(events), rejects)) = whole {
            return (events, rejects);
        }
        self.map_one_by_one(batches)
    }

    /// Looks at the records without mapping them.
    pub fn glance(&mut self, raw: &RawBatch) -> Glance {
        let (mut seen, mut unseen) = (Vec::with_capacity(raw.len()), Vec::new());
        for (index, record) in raw.records().enumerate() {
            let text = match record.reject {
                None if record.bytes.len() <= MAX_RECORD_BYTES => {
                    simdutf8::basic::from_utf8(record.bytes).ok()
                }
                _ => None,
            };
            let text = text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
            match text.and_then(|text| glance::glance(text, &mut self.tokens, raw.log_type)) {
                Some(told) => {
                    glance::add(&told, &mut self.builder);
                    seen.push(index);
                }
                None => unseen.push(index),
            }
        }
        match self.builder.finish_partial() {
            Ok(events) => Glance { events, seen, unseen },
            // Too much text for one batch, which a batch of records is far too small for.
            Err(_) => {
                Glance { events: EventBatch::empty(), seen: Vec::new(), unseen: (0..raw.len()).collect() }
            }
        }
    }

    /// Maps some of the records of `raw`, by their places in it, as [`map`](Self::map) does all.
    pub fn map_some(&mut self, raw: &RawBatch, first: Offset, records: &[usize]) -> Normalized {
        self.builder.reserve(records.len());
        let whole = catch_unwind(AssertUnwindSafe(|| {
            let rejects = self.map_records(raw, first, records.iter().copied());
            (self.builder.finish(), rejects)
        }));
        if let Ok((Ok(events), rejects)) = whole {
            return Normalized { events, rejects };
        }
        // All of them, the slow way; more than asked for, after a panic.
        let (events, mut rejects) = self.map_one_by_one(&[(raw, first)]);
        Normalized { events, rejects: rejects.pop().unwrap_or_default() }
    }

    fn map_batch(&mut self, raw: &RawBatch, first: Offset) -> Vec<Reject> {
        self.map_records(raw, first, 0..raw.len())
    }

    fn map_records(
        &mut self,
        raw: &RawBatch,
        first: Offset,
        records: impl Iterator<Item = usize>,
    ) -> Vec<Reject> {
        let mut rejects = Vec::new();
        for index in records {
            let Some(record) = raw.get(index) else { continue };
            if let Err(error) = self.map_record(raw, record, first + index as Offset) {
                self.builder.discard_row();
                rejects.push(Reject { record: index, reason: error.reason, detail: error.detail });
            }
        }
        rejects
    }

    /// The slow way, after a panic.
    fn map_one_by_one(&mut self, batches: &[(&RawBatch, Offset)]) -> (EventBatch, Vec<Vec<Reject>>) {
        let mut parts = Vec::new();
        let mut all_rejects = Vec::with_capacity(batches.len());
        for (raw, first) in batches {
            let mut rejects = Vec::new();
            for (record, (index, offset)) in raw.records().zip((0..).zip(*first..)) {
                match self.map_alone(raw, record, offset) {
                    Ok(part) => parts.push(part),
                    Err(error) => {
                        rejects.push(Reject { record: index, reason: error.reason, detail: error.detail });
                    }
                }
            }
            all_rejects.push(rejects);
        }
        self.builder = EventBuilder::new();
        match EventBatch::concat(&parts) {
            Ok(events) => (events, all_rejects),
            // Too much text for one batch, which the log's frames are far too small for.
            Err(error) => (EventBatch::empty(), all_rejected(batches, &error.to_string())),
        }
    }

    fn map_alone(
        &mut self,
        raw: &RawBatch,
        record: RawRecord<'_>,
        offset: Offset,
    ) -> Result<EventBatch, MapError> {
        // Whatever half-filled columns a panic left behind go with the old builder.
        self.builder = EventBuilder::new();
        let one = catch_unwind(AssertUnwindSafe(|| {
            self.map_record(raw, record, offset)?;
            self.builder.finish().map_err(|error| MapError::new(Reason::MapperPanicked, error.to_string()))
        }));
        one.unwrap_or_else(|_| {
            Err(MapError::new(Reason::MapperPanicked, "the mapping failed; please report the record"))
        })
    }

    fn map_record(&mut self, raw: &RawBatch, record: RawRecord<'_>, offset: Offset) -> Result<(), MapError> {
        if let Some(reason) = record.reject {
            return Err(MapError::new(Reason::TornInput, reason));
        }
        if record.bytes.len() > MAX_RECORD_BYTES {
            let size = record.bytes.len();
            return Err(MapError::new(
                Reason::TooLarge,
                format!("{size} bytes, limit {MAX_RECORD_BYTES} bytes"),
            ));
        }
        let text = simdutf8::compat::from_utf8(record.bytes).map_err(|error| {
            MapError::new(Reason::NotUtf8, format!("byte {} of the record", error.valid_up_to()))
        })?;
        // A byte order mark is allowed by nobody and written by many.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut row = Row::new(&mut self.builder, &mut self.scratch);
        let (log_type, key) = map_text(text, &mut self.tokens, raw.log_type, &mut row, 0)?;
        row.finish();
        finish_row(&mut self.builder, raw, log_type, offset, key)
    }
}

fn all_rejected(batches: &[(&RawBatch, Offset)], why: &str) -> Vec<Vec<Reject>> {
    let reject = |record| Reject { record, reason: Reason::MapperPanicked, detail: why.to_owned() };
    batches.iter().map(|(raw, _)| (0..raw.len()).map(reject).collect()).collect()
}

/// How many envelopes may lie in one another: SNS around EventBridge, Pub/Sub around a forwarder.
const MAX_ENVELOPES: usize = 4;

/// Maps the record that `text` is or carries.
fn map_text(
    text: &str,
    tokens: &mut Tokens,
    fixed: Option<LogType>,
    row: &mut Row<'_>,
    envelopes: usize,
) -> Result<(LogType, EventKey), MapError> {
    tokens.scan(text)?;
    let object = Value::root(text, tokens)
        .as_object()
        .ok_or_else(|| MapError::new(Reason::NotAnObject, "the record is JSON, but no object"))?;
    if !tokens.duplicates().is_empty() {
        row.keep_texts("", "duplicate_keys", tokens.duplicates());
    }
    map_object(&object, fixed, row, envelopes)
}

fn map_object(
    object: &Object<'_>,
    fixed: Option<LogType>,
    row: &mut Row<'_>,
    envelopes: usize,
) -> Result<(LogType, EventKey), MapError> {
    // Most records lie in no envelope, and their keys tell so at once.
    let log_type = match detect::log_type(object) {
        Ok(detected) => {
            if envelopes < MAX_ENVELOPES
                && let Some(envelope) = pushed::open(detected, object)
            {
                return map_envelope(object, &envelope, fixed, row, envelopes + 1);
            }
            fixed.unwrap_or(detected)
        }
        Err(unknown) => {
            if envelopes < MAX_ENVELOPES
                && let Some(envelope) = envelope::open(object)?
            {
                return map_envelope(object, &envelope, fixed, row, envelopes + 1);
            }
            fixed.ok_or(unknown)?
        }
    };
    row.text(Col::RawData, object.raw());
    let key = (Mapping::of(log_type).map)(object, row)?;
    Ok((log_type, key))
}

fn map_envelope(
    object: &Object<'_>,
    envelope: &Envelope<'_>,
    fixed: Option<LogType>,
    row: &mut Row<'_>,
    envelopes: usize,
) -> Result<(LogType, EventKey), MapError> {
    envelope.keep_rest(object, row);
    match &envelope.content {
        Content::Object(inner) => map_object(inner, fixed, row, envelopes),
        Content::Text(text) => map_text(text, &mut Tokens::default(), fixed, row, envelopes),
        Content::Rebuilt(text) => {
            row.text(Col::RawData, object.raw());
            map_text(text, &mut Tokens::default(), fixed, row, envelopes)
        }
    }
}

/// Sets what is the same for every mapping, and ends the row.
fn finish_row(
    builder: &mut EventBuilder,
    raw: &RawBatch,
    log_type: LogType,
    offset: Offset,
    key: EventKey,
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
    builder.finish_row();
    Ok(())
}
