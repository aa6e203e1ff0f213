//! A batch of raw records into a batch of events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use event::{
    Col, EventBatch, EventBuilder, EventKey, LogType, OCSF_VERSION, Offset, OuterKey, RawBatch, RawRecord,
    SourceId,
};

use crate::custom::{self, CustomMappings};
use crate::detect;
use crate::envelope::{self, Content, Envelope};
use crate::glance::{self, Asked, Sight, Told};
use crate::json::{Object, Tokens, Value};
use crate::mapping::{MapLine, Mapping};
use crate::pushed;
use crate::reason::{MapError, Reason, Reject};
use crate::row::{Row, RowScratch};
use crate::words::MAX_LINE_BYTES;

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
    /// One row for each record of `seen`, of which only the columns that were wanted are filled.
    pub events: EventBatch,
    /// Records that the mapping is sure to accept and that are not passed over, by their place in the batch.
    pub seen: Vec<usize>,
    /// Those of which nothing can be told without the mapping.
    pub unseen: Vec<usize>,
}

/// Turns raw records into events. Keep one per worker thread: it owns buffers that are used again.
#[derive(Debug, Default)]
pub struct Normalizer {
    builder: EventBuilder,
    tokens: Tokens,
    sight: Sight,
    scratch: RowScratch,
    mappings: Arc<CustomMappings>,
}

impl Normalizer {
    /// One with empty buffers, and without mappings of the user's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that reads records of other logs by these mappings, too.
    pub fn with_mappings(mappings: Arc<CustomMappings>) -> Self {
        Self { mappings, ..Self::default() }
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

    /// Looks at the records without mapping them, for those of the columns [`GLANCED`](crate::GLANCED) that
    /// are wanted. The log type is always told. Records for which `keep` says no are passed over.
    pub fn glance(
        &mut self,
        raw: &RawBatch,
        wanted: &[Col],
        mut keep: impl FnMut(LogType, &Told<'_>) -> bool,
    ) -> Glance {
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        if !self.glances(&raw.source, raw.log_type) {
            return Glance { events: EventBatch::empty(), seen, unseen: (0..raw.len()).collect() };
        }
        for (index, record) in raw.records().enumerate() {
            match look(&mut self.sight, record, raw.outline(index), raw.log_type, Asked::ALL) {
                Some(told) => {
                    if keep(glance::LOG_TYPE, &told) {
                        glance::add(&told, wanted, &mut self.builder);
                        seen.push(index);
                    }
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

    /// Whether anything can be told of this source's records without mapping them.
    pub fn glances(&self, source: &SourceId, log_type: Option<LogType>) -> bool {
        // Where a mapping file reads them all, what their keys show does not count.
        Known::new(source, log_type, &self.mappings).mapping.is_none()
    }

    /// Looks at one record of a source at which one can [glance](Self::glances): its log type, and its
    /// columns of [`GLANCED`](crate::GLANCED), of which those that are not asked for may be left out. `None`:
    /// nothing can be told of it without mapping it.
    pub fn look<'a>(
        &'a mut self,
        record: RawRecord<'a>,
        outline: Option<&'a [OuterKey]>,
        log_type: Option<LogType>,
        asked: Asked,
    ) -> Option<(LogType, Told<'a>)> {
        Some((glance::LOG_TYPE, look(&mut self.sight, record, outline, log_type, asked)?))
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
        let known = Known::of(raw, &self.mappings);
        let (log_type, key) = map_text(text, &mut self.tokens, &known, &mut row, 0)?;
        row.finish();
        finish_row(&mut self.builder, raw, log_type, offset, key)
    }
}

fn look<'a>(
    sight: &'a mut Sight,
    record: RawRecord<'a>,
    outline: Option<&'a [OuterKey]>,
    log_type: Option<LogType>,
    asked: Asked,
) -> Option<Told<'a>> {
    if record.reject.is_some() || record.bytes.len() > MAX_RECORD_BYTES {
        return None;
    }
    // ASCII is UTF-8, and the pass that made the outline has seen it.
    let is_ascii = outline.and_then(|keys| keys.first()).is_some_and(|key| key.begins_ascii());
    if !is_ascii {
        simdutf8::basic::from_utf8(record.bytes).ok()?;
    }
    let text = record.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(record.bytes);
    glance::glance(text, outline, sight, log_type, asked)
}

fn all_rejected(batches: &[(&RawBatch, Offset)], why: &str) -> Vec<Vec<Reject>> {
    let reject = |record| Reject { record, reason: Reason::MapperPanicked, detail: why.to_owned() };
    batches.iter().map(|(raw, _)| (0..raw.len()).map(reject).collect()).collect()
}

/// What is known of the records of a batch before they are looked at.
#[derive(Debug)]
struct Known<'a> {
    /// The log type that the source fixes.
    log_type: Option<LogType>,
    /// The mapping file that reads whatever the source delivers.
    mapping: Option<&'a custom::Mapping>,
    /// All mapping files.
    mappings: &'a CustomMappings,
}

impl<'a> Known<'a> {
    fn of(raw: &RawBatch, mappings: &'a CustomMappings) -> Self {
        Self::new(&raw.source, raw.log_type, mappings)
    }

    fn new(source: &SourceId, log_type: Option<LogType>, mappings: &'a CustomMappings) -> Self {
        let is_custom = matches!(log_type, None | Some(LogType::Custom));
        let mapping = mappings.of_source(source.as_str()).filter(|_| is_custom);
        Self { log_type, mapping, mappings }
    }
}

/// How many envelopes may lie in one another: SNS around EventBridge, Pub/Sub around a forwarder.
const MAX_ENVELOPES: usize = 4;

/// Maps the record that `text` is or carries.
fn map_text(
    text: &str,
    tokens: &mut Tokens,
    known: &Known<'_>,
    row: &mut Row<'_>,
    envelopes: usize,
) -> Result<(LogType, EventKey), MapError> {
    if let Some((log_type, map_line)) = line_mapping(text, known.log_type) {
        let text = text.trim_ascii_end();
        if text.len() > MAX_LINE_BYTES {
            let size = text.len();
            let problem = format!("a line of {size} bytes, limit {MAX_LINE_BYTES} bytes");
            return Err(MapError::new(Reason::TooLarge, problem));
        }
        row.text(Col::RawData, text);
        return Ok((log_type, map_line(text, row)?));
    }
    tokens.scan(text)?;
    let object = Value::root(text, tokens)
        .as_object()
        .ok_or_else(|| MapError::new(Reason::NotAnObject, "the record is JSON, but no object"))?;
    if !tokens.duplicates().is_empty() {
        row.keep_texts("", "duplicate_keys", tokens.duplicates());
    }
    map_object(&object, known, row, envelopes)
}

/// The mapping of a record that is no JSON: by the source's log type, if that has lines, else by its shape.
fn line_mapping(text: &str, fixed: Option<LogType>) -> Option<(LogType, MapLine)> {
    if text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let log_type = match fixed {
        Some(log_type) => log_type,
        None => detect::line(text)?,
    };
    Some((log_type, Mapping::of(log_type).line?))
}

fn map_object(
    object: &Object<'_>,
    known: &Known<'_>,
    row: &mut Row<'_>,
    envelopes: usize,
) -> Result<(LogType, EventKey), MapError> {
    // Its own mapping knows a record before anything else does, once it lies in no envelope.
    if let Some(mapping) = known.mapping.filter(|mapping| mapping.has_time(object)) {
        return map_custom(mapping, object, row);
    }
    // Most records lie in no envelope, and their keys tell so at once.
    let detected = if known.mapping.is_none() && known.log_type != Some(LogType::Custom) {
        detect::log_type(object)
    } else {
        Err(MapError::new(Reason::UnknownLogType, ""))
    };
    let log_type = match detected {
        Ok(detected) => {
            if envelopes < MAX_ENVELOPES
                && let Some(envelope) = pushed::open(detected, object)
            {
                return map_envelope(object, &envelope, known, row, envelopes + 1);
            }
            known.log_type.unwrap_or(detected)
        }
        Err(unknown) => {
            if matches!(known.log_type, None | Some(LogType::Custom))
                && let Some(mapping) = known.mappings.told_by(object)
            {
                return map_custom(mapping, object, row);
            }
            if envelopes < MAX_ENVELOPES
                && let Some(envelope) = envelope::open(object, known.log_type)?
            {
                return map_envelope(object, &envelope, known, row, envelopes + 1);
            }
            if let Some(mapping) = known.mapping {
                return map_custom(mapping, object, row);
            }
            known.log_type.ok_or(unknown)?
        }
    };
    row.text(Col::RawData, object.raw());
    let key = (Mapping::of(log_type).map)(object, row)?;
    Ok((log_type, key))
}

/// Maps a record by a mapping file.
fn map_custom(
    mapping: &custom::Mapping,
    object: &Object<'_>,
    row: &mut Row<'_>,
) -> Result<(LogType, EventKey), MapError> {
    row.text(Col::RawData, object.raw());
    Ok((LogType::Custom, mapping.map(object, row)?))
}

fn map_envelope(
    object: &Object<'_>,
    envelope: &Envelope<'_>,
    known: &Known<'_>,
    row: &mut Row<'_>,
    envelopes: usize,
) -> Result<(LogType, EventKey), MapError> {
    envelope.keep_rest(object, row);
    if let Some(cloud) = envelope.cloud {
        row.came_through(cloud);
    }
    match &envelope.content {
        Content::Object(inner) => map_object(inner, known, row, envelopes),
        Content::Text(text) => map_text(text, &mut Tokens::default(), known, row, envelopes),
        Content::Rebuilt(text) => {
            row.text(Col::RawData, object.raw());
            map_text(text, &mut Tokens::default(), known, row, envelopes)
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
