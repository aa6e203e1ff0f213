//! Records that could not become events, whole, with the reason: nothing that was received is thrown
//! away unseen.
//!
//! A dead letter's id is its record's offset in the log, so a record that is refined twice after a
//! crash gives one dead letter. Once the cause is mended, its bytes can be sent through the log
//! again, as a new record; the letter then says when.

use event::{Offset, RawBatch, RawRecord, SourceId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::Result;
use crate::state::Txn;

/// Records up to this many bytes are stored whole.
pub const WHOLE_BYTES: usize = 16 << 20;

/// What is stored of larger ones.
pub const CUT_BYTES: usize = 64 << 10;

/// What [`list`] shows of each.
pub const PREVIEW_BYTES: usize = 1024;

/// The most letters that [`list`] returns at once.
pub const MAX_LIMIT: usize = 1000;

/// Details are cut here; they may quote what was sent.
const DETAIL_CHARS: usize = 1024;

// `bytes` is the last column: what SQLite reads of a row ends at the last column it is asked for.
pub(crate) const MIGRATIONS: &[&str] = &["
CREATE TABLE dead_letters (
    id             INTEGER PRIMARY KEY,
    source         TEXT NOT NULL,
    origin         TEXT NOT NULL,
    record_number  INTEGER NOT NULL,
    log_type       TEXT,
    reason         TEXT NOT NULL,
    detail         TEXT NOT NULL,
    received_us    INTEGER NOT NULL,
    byte_len       INTEGER NOT NULL,
    blake3         TEXT NOT NULL,
    truncated      INTEGER NOT NULL,
    retried_us     INTEGER,
    bytes          BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_source ON dead_letters (source, id);
CREATE INDEX dead_letters_by_reason ON dead_letters (reason, id);
"];

/// A record that could not become an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The record's offset in the log.
    pub id: Offset,
    /// The source it came from.
    pub source: SourceId,
    /// The file, object or request it lay in.
    pub origin: String,
    /// Its number in there, from 0; above 2^63 - 1 it is stored as that.
    pub record_number: u64,
    /// The log type, where the source fixed it.
    pub log_type: Option<String>,
    /// Why, as a word for filters and counts.
    pub reason: String,
    /// Why, for people.
    pub detail: String,
    /// When it was received, microseconds since 1970.
    pub received_us: i64,
    /// Its length in bytes as it was received.
    pub byte_len: u64,
    /// The BLAKE3 hash of all its bytes, in hexadecimal.
    pub blake3: String,
    /// Whether `bytes` is only the beginning; it then cannot be tried again.
    pub truncated: bool,
    /// When it was last sent through the log again, microseconds since 1970.
    pub retried_us: Option<i64>,
    /// Its bytes: all of them ([`get`]), or the beginning ([`list`], and where `truncated`).
    pub bytes: Vec<u8>,
}

impl DeadLetter {
    /// The dead letter of `record`, which is in `batch` and has the offset `id`.
    pub fn new(id: Offset, batch: &RawBatch, record: &RawRecord<'_>, reason: &str, detail: &str) -> Self {
        let truncated = record.bytes.len() > WHOLE_BYTES;
        let kept = if truncated { CUT_BYTES } else { record.bytes.len() };
        Self {
            id,
            source: batch.source.clone(),
            origin: batch.origin.clone(),
            record_number: record.number,
            log_type: batch.log_type.map(|log_type| log_type.as_str().to_owned()),
            reason: reason.to_owned(),
            detail: detail.chars().take(DETAIL_CHARS).collect(),
            received_us: batch.received_us,
            byte_len: record.bytes.len() as u64,
            blake3: blake3::hash(record.bytes).to_hex().to_string(),
            truncated,
            retried_us: None,
            bytes: record.bytes.get(..kept).unwrap_or_default().to_vec(),
        }
    }

    /// Whether sending it again could help: all its bytes are there, and there are some.
    pub fn is_retryable(&self) -> bool {
        !self.truncated && self.byte_len > 0
    }
}

/// Which dead letters are meant; the default means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// Of this source.
    pub source: Option<SourceId>,
    /// With this reason.
    pub reason: Option<String>,
    /// Received then or later, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Whether it was sent through the log again.
    pub retried: Option<bool>,
}

/// Some dead letters, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterPage {
    /// The letters, with no more than [`PREVIEW_BYTES`] of their bytes.
    pub letters: Vec<DeadLetter>,
    /// What to pass as `after` for the next page; `None` on the last.
    pub next: Option<Offset>,
}

/// Records dead letters; those that are there already stay as they are. Returns how many are new.
///
/// # Errors
/// The database refuses.
pub fn insert(txn: &Txn<'_>, letters: &[DeadLetter]) -> Result<usize> {
    let mut insert = txn.prepare_cached(
        "INSERT INTO dead_letters (id, source, origin, record_number, log_type, reason, detail, received_us,
            byte_len, blake3, truncated, retried_us, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (id) DO NOTHING",
    )?;
    let mut new = 0;
    for letter in letters {
        new += insert.execute(rusqlite::params![
            letter.id,
            letter.source.as_str(),
            letter.origin,
            // A hostile number must not stop the transaction.
            letter.record_number.min(i64::MAX as u64),
            letter.log_type,
            letter.reason,
            letter.detail,
            letter.received_us,
            letter.byte_len,
            letter.blake3,
            letter.truncated,
            letter.retried_us,
            letter.bytes,
        ])?;
    }
    Ok(new)
}

/// A page of dead letters, newest first: at most `limit` (and [`MAX_LIMIT`]) of those below `after`.
///
/// # Errors
/// The database refuses.
pub fn list(
    db: &Connection,
    filter: &DeadLetterFilter,
    after: Option<Offset>,
    limit: usize,
) -> Result<DeadLetterPage> {
    let limit = limit.clamp(1, MAX_LIMIT);
    let (mut clauses, mut values) = conditions(filter);
    if let Some(after) = after {
        clauses.push("id < ?");
        values.push(Value::Integer(i64::try_from(after).unwrap_or(i64::MAX)));
    }
    let clauses = if clauses.is_empty() { "TRUE".to_owned() } else { clauses.join(" AND ") };
    // Of no bytes, SQLite's `substr` is NULL.
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, coalesce(substr(bytes, 1, {PREVIEW_BYTES}), x'') FROM dead_letters
         WHERE {clauses} ORDER BY id DESC LIMIT {}",
        limit + 1
    ))?;
    let rows = select.query_map(rusqlite::params_from_iter(values), read)?;
    let mut letters: Vec<DeadLetter> = rows.collect::<rusqlite::Result<_>>()?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|letter| letter.id);
    Ok(DeadLetterPage { letters, next })
}

/// One dead letter with all bytes that are stored; `None` if there is none.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Connection, id: Offset) -> Result<Option<DeadLetter>> {
    let mut select =
        db.prepare_cached(&format!("SELECT {COLUMNS}, bytes FROM dead_letters WHERE id = ?1"))?;
    Ok(select.query_row([id], read).optional()?)
}

/// How many dead letters match.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Connection, filter: &DeadLetterFilter) -> Result<u64> {
    let (clauses, values) = conditions(filter);
    let clauses = if clauses.is_empty() { "TRUE".to_owned() } else { clauses.join(" AND ") };
    let mut select = db.prepare_cached(&format!("SELECT count(*) FROM dead_letters WHERE {clauses}"))?;
    Ok(select.query_row(rusqlite::params_from_iter(values), |row| row.get(0))?)
}

/// Notes when dead letters were sent through the log again. Returns how many there were of them.
///
/// # Errors
/// The database refuses.
pub fn mark_retried(txn: &Txn<'_>, ids: &[Offset], at_us: i64) -> Result<usize> {
    let mut update = txn.prepare_cached("UPDATE dead_letters SET retried_us = ?2 WHERE id = ?1")?;
    let mut marked = 0;
    for id in ids {
        marked += update.execute((id, at_us))?;
    }
    Ok(marked)
}

// ---------------------------------------------------------------------------------------------

const COLUMNS: &str = "id, source, origin, record_number, log_type, reason, detail, received_us, byte_len, \
                       blake3, truncated, retried_us";

fn conditions(filter: &DeadLetterFilter) -> (Vec<&'static str>, Vec<Value>) {
    let DeadLetterFilter { source, reason, since_us, retried } = filter;
    let (mut clauses, mut values) = (Vec::new(), Vec::new());
    if let Some(source) = source {
        clauses.push("source = ?");
        values.push(Value::Text(source.as_str().to_owned()));
    }
    if let Some(reason) = reason {
        clauses.push("reason = ?");
        values.push(Value::Text(reason.clone()));
    }
    if let Some(since_us) = since_us {
        clauses.push("received_us >= ?");
        values.push(Value::Integer(*since_us));
    }
    match retried {
        Some(true) => clauses.push("retried_us IS NOT NULL"),
        Some(false) => clauses.push("retried_us IS NULL"),
        None => {}
    }
    (clauses, values)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get(0)?,
        source: SourceId::new(row.get_ref(1)?.as_str()?),
        origin: row.get(2)?,
        record_number: row.get(3)?,
        log_type: row.get(4)?,
        reason: row.get(5)?,
        detail: row.get(6)?,
        received_us: row.get(7)?,
        byte_len: row.get(8)?,
        blake3: row.get(9)?,
        truncated: row.get(10)?,
        retried_us: row.get(11)?,
        bytes: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use event::{LogType, RawBatchBuilder};

    use super::*;
    use crate::state::State;

    fn state() -> (tempfile::TempDir, State) {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        (dir, state)
    }

    fn letter(id: Offset, source: &str, reason: &str, bytes: &[u8]) -> DeadLetter {
        let mut builder = RawBatchBuilder::with_capacity(0);
        assert!(builder.push(RawRecord { bytes, number: 3, reject: None }));
        let batch = builder.finish(
            SourceId::new(source),
            Some(LogType::AwsCloudtrail),
            "a.json".into(),
            1000 + id as i64,
        );
        DeadLetter::new(id, &batch, &batch.get(0).unwrap(), reason, "expected `{`")
    }

    fn ids(page: &DeadLetterPage) -> Vec<Offset> {
        page.letters.iter().map(|letter| letter.id).collect()
    }

    #[test]
    fn the_same_record_gives_one_letter() {
        let (_dir, state) = state();
        let first = letter(7, "cli", "not_json", b"oops");
        let again = letter(7, "cli", "too_deep", b"other");
        assert_eq!(state.write(|txn| insert(txn, &[first.clone(), first.clone()])).unwrap(), 1);
        assert_eq!(state.write(|txn| insert(txn, &[again])).unwrap(), 0);
        let back = state.read(|db| get(db, 7)).unwrap().unwrap();
        assert_eq!(back, first);
        assert_eq!(back.blake3, blake3::hash(b"oops").to_hex().to_string());
        assert_eq!(back.log_type.as_deref(), Some("aws_cloudtrail"));
        assert!(back.is_retryable());
        assert_eq!(state.read(|db| get(db, 8)).unwrap(), None);
    }

    #[test]
    fn a_letter_without_bytes_is_listed_and_not_retried() {
        let (_dir, state) = state();
        let letters = [letter(1, "cli", "torn_input", b""), letter(2, "cli", "not_json", b"oops")];
        assert_eq!(state.write(|txn| insert(txn, &letters)).unwrap(), 2);
        let page = state.read(|db| list(db, &DeadLetterFilter::default(), None, 10)).unwrap();
        assert_eq!(page.letters, [letters[1].clone(), letters[0].clone()]);
        assert_eq!(state.read(|db| get(db, 1)).unwrap().unwrap(), letters[0]);
        assert!(!letters[0].is_retryable());
    }

    #[test]
    fn pages_and_filters() {
        let (_dir, state) = state();
        let letters: Vec<_> = (0..10)
            .map(|id| {
                letter(
                    id,
                    if id % 2 == 0 { "cli" } else { "http" },
                    if id < 5 { "not_json" } else { "bad_time" },
                    b"x",
                )
            })
            .collect();
        state.write(|txn| insert(txn, &letters)).unwrap();
        assert_eq!(state.write(|txn| mark_retried(txn, &[1, 2, 99], 5)).unwrap(), 2);
        let page = |filter: &DeadLetterFilter, after, limit| {
            state.read(|db| list(db, filter, after, limit)).unwrap()
        };

        let all = DeadLetterFilter::default();
        let first = page(&all, None, 4);
        assert_eq!((ids(&first), first.next), (vec![9, 8, 7, 6], Some(6)));
        let second = page(&all, first.next, 6);
        assert_eq!((ids(&second), second.next), (vec![5, 4, 3, 2, 1, 0], None));
        assert_eq!(ids(&page(&all, None, 0)), [9]);

        let filter = DeadLetterFilter {
            source: Some(SourceId::new("cli")),
            reason: Some("not_json".into()),
            since_us: Some(1001),
            retried: Some(false),
        };
        assert_eq!(ids(&page(&filter, None, 10)), [4]);
        assert_eq!(state.read(|db| count(db, &filter)).unwrap(), 1);
        let retried = DeadLetterFilter { retried: Some(true), ..all.clone() };
        assert_eq!(ids(&page(&retried, None, 10)), [2, 1]);
        assert_eq!(page(&retried, None, 10).letters[0].retried_us, Some(5));
        assert_eq!(state.read(|db| count(db, &all)).unwrap(), 10);
    }

    #[test]
    fn large_records_are_whole_up_to_the_limit() {
        let (_dir, state) = state();
        let whole = letter(1, "cli", "too_large", &vec![b'x'; WHOLE_BYTES]);
        let cut = letter(2, "cli", "too_large", &vec![b'x'; WHOLE_BYTES + 1]);
        assert!(whole.is_retryable() && !cut.is_retryable());
        assert_eq!((cut.bytes.len(), cut.byte_len), (CUT_BYTES, WHOLE_BYTES as u64 + 1));
        state.write(|txn| insert(txn, &[whole.clone(), cut.clone()])).unwrap();
        assert_eq!(state.read(|db| get(db, 1)).unwrap(), Some(whole));
        assert_eq!(state.read(|db| get(db, 2)).unwrap(), Some(cut));
        let page = state.read(|db| list(db, &DeadLetterFilter::default(), None, 10)).unwrap();
        assert!(page.letters.iter().all(|letter| letter.bytes.len() == PREVIEW_BYTES));
    }

    #[test]
    fn hostile_text_is_stored_as_it_is() {
        let (_dir, state) = state();
        let mut letter = letter(1, "cli", "x'); DROP TABLE dead_letters; --", b"\xff\0");
        letter.origin = "\0\u{202e}'\"".into();
        letter.record_number = u64::MAX;
        letter.detail = "é".repeat(5000);
        state.write(|txn| insert(txn, std::slice::from_ref(&letter))).unwrap();
        let back = state.read(|db| get(db, 1)).unwrap().unwrap();
        assert_eq!(
            (&back.origin, &back.reason, &back.bytes),
            (&letter.origin, &letter.reason, &letter.bytes)
        );
        assert_eq!(back.record_number, i64::MAX as u64);
        let mut builder = RawBatchBuilder::with_capacity(0);
        assert!(builder.push(RawRecord { bytes: b"", number: 0, reject: None }));
        let batch = builder.finish(SourceId::new("cli"), None, String::new(), 0);
        let long = DeadLetter::new(2, &batch, &batch.get(0).unwrap(), "r", &"é".repeat(5000));
        assert_eq!(long.detail.chars().count(), DETAIL_CHARS);
        assert!(!long.is_retryable());
    }
}
