//! Dropping the oldest entries, so that the rest can still be proved and nobody can use it to hide something.
//!
//! What is dropped is dropped whole: all entries up to a checkpoint. Before, they are read once more and must
//! fit each other, the beginning and that checkpoint, which must be signed with the log's own key: what somebody
//! has forged is kept, as evidence, and holds the retention up until it is looked at. In one transaction then,
//! an entry `audit.trim` says what goes, [`Start`] is signed over it, and the entries go. Before that, whoever
//! calls has them in an archive, or was told to do without.

#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::chain::Digest;
use super::page::bytes;
use super::{AuditLog, AuditRow, Checkpoint, Fact, Start, append, chain};
use crate::state::Txn;
use crate::{Error, Result};

/// What is younger stays, however large the log is: a flood of entries cannot push out what came before it.
const YOUNGEST_US: i64 = 24 * 3_600 * 1_000_000;
/// About the most bytes that are archived and dropped in one step, which other writers wait for.
const SEGMENT_BYTES: usize = 4 << 20;
/// What an entry takes on the disk besides its text: hash, keys of indexes, and what B-trees leave free.
const ROW_BYTES: u64 = 200;
/// How many entries are looked at to tell how large they are.
const SAMPLES: u64 = 500;
/// The most checkpoints that one look goes through.
const CHECKPOINTS: u32 = 10_000;

/// How much of the log is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Entries that were signed longer ago, in microseconds, go.
    pub age_us: Option<i64>,
    /// Of more bytes on the disk than this, about, the oldest go; never those of the last 24 hours.
    pub bytes: Option<u64>,
}

/// The oldest entries of a log, sound, and what is to be kept of them.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The chain's id.
    pub chain: String,
    /// The first entry.
    pub from: u64,
    /// The last one, signed.
    pub checkpoint: Checkpoint,
    /// Entries and checkpoints as an export has them, which [`verify`](super::verify::export) reads by itself.
    pub lines: Vec<u8>,
    /// The keys that were named until its end.
    keys: Vec<String>,
    head: Digest,
}

impl Segment {
    /// The name of its file in an archive.
    pub fn name(&self) -> String {
        format!("audit-{}-{:020}-{:020}.ndjson", self.chain, self.from, self.checkpoint.seq)
    }
}

/// How far a log reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// The last entry that was dropped; 0 while none was.
    pub dropped: u64,
    /// The newest entry.
    pub last: u64,
    /// The newest that is signed.
    pub signed: u64,
}

impl AuditLog {
    /// How far the log reaches.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn extent(&self) -> Result<Extent> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT coalesce((SELECT seq FROM audit_start), 0), coalesce((SELECT max(seq) FROM audit), 0), \
                 coalesce((SELECT max(seq) FROM audit_checkpoints), 0)",
            )?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Extent { dropped: row.get(0)?, last: row.get(1)?, signed: row.get(2)? })
            };
            Ok::<_, Error>(select.query_row([], read)?)
        })
    }

    /// The last entry that `retention` lets go at `now_us`, if there is one.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn expired(&self, retention: &Retention, now_us: i64) -> Result<Option<u64>> {
        let Extent { dropped, last, .. } = self.extent()?;
        // What is not known as signed besides the log stays.
        let proved = self.head.lock().newest.as_ref().map_or(0, |signed| signed.seq);
        let too_many = match retention.bytes {
            Some(limit) => self.size(dropped, last)?.map_or(0, |(entries, bytes)| {
                // As many as it takes to be below the limit again.
                let over = bytes.saturating_sub(limit);
                (u128::from(over) * u128::from(entries)).div_ceil(u128::from(bytes.max(1))) as u64
            }),
            None => 0,
        };
        let by_size = dropped + too_many;
        let old_us = retention.age_us.map(|age_us| now_us.saturating_sub(age_us));
        let day_us = now_us.saturating_sub(YOUNGEST_US);
        self.state().read(|db| {
            let mut select = db.prepare_cached(&format!(
                "SELECT seq, line FROM audit_checkpoints WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT {CHECKPOINTS}"
            ))?;
            let mut rows = select.query([dropped, proved])?;
            let mut found = None;
            while let Some(row) = rows.next()? {
                let seq: u64 = row.get(0)?;
                let Some(signed) = Checkpoint::parse(bytes(row.get_ref(1)?)) else { break };
                let is_old = old_us.is_some_and(|old_us| signed.at_us <= old_us);
                let is_too_much = seq <= by_size && signed.at_us <= day_us;
                // Behind one that stays, all stay: a clock that once stood wrong drops nothing.
                if !is_old && !is_too_much {
                    break;
                }
                found = Some(seq);
            }
            Ok(found)
        })
    }

    /// How many entries there are, and about how many bytes they take, told from some of them.
    fn size(&self, dropped: u64, last: u64) -> Result<Option<(u64, u64)>> {
        let entries = last.saturating_sub(dropped);
        let step = (entries / SAMPLES).max(1);
        self.state().read(|db| {
            let mut select = db.prepare_cached("SELECT octet_length(entry) FROM audit WHERE seq = ?1")?;
            let (mut looked, mut bytes) = (0_u64, 0_u64);
            let mut seq = dropped + 1;
            while seq <= last {
                if let Some(length) = select.query_row([seq], |row| row.get::<_, u64>(0)).optional()? {
                    (looked, bytes) = (looked + 1, bytes + length + ROW_BYTES);
                }
                seq += step;
            }
            Ok((looked > 0).then(|| (entries, bytes / looked * entries)))
        })
    }

    /// The oldest entries up to `through` or a checkpoint before it, read again and found sound.
    ///
    /// # Errors
    /// [`Error::AuditUnsound`]: they are not what was signed, and must stay.
    pub fn segment(&self, through: u64) -> Result<Segment> {
        let own = self.public_key();
        let unsound = |problem: String| Error::AuditUnsound { problem };
        self.state().read(|db| {
            let start: Option<String> =
                db.query_row("SELECT line FROM audit_start", [], |row| row.get(0)).optional()?;
            let (mut seq, mut head, mut keys, mut lines) = (0, Digest::ZERO, Vec::new(), Vec::new());
            if let Some(line) = start {
                let start = Start::parse(line.as_bytes()).filter(|start| start.is_by(&own));
                let start = start.ok_or_else(|| {
                    unsound("the log's beginning is not signed with the key of this folder".into())
                })?;
                head = Digest::parse(&start.hash).unwrap_or(Digest::ZERO);
                (seq, keys) = (start.seq, start.keys);
                lines.extend_from_slice(format!("{{\"start\":{line}}}\n").as_bytes());
            }
            let from = seq + 1;
            let mut select = db.prepare_cached(
                "SELECT seq, entry, hash, (SELECT line FROM audit_checkpoints c WHERE c.seq = audit.seq) \
                 FROM audit WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
            )?;
            let mut rows = select.query(params![seq, through])?;
            let mut whole: Option<(Segment, usize)> = None;
            while let Some(row) = rows.next()? {
                let found: u64 = row.get(0)?;
                let (entry, stored) = (bytes(row.get_ref(1)?), bytes(row.get_ref(2)?));
                head = head.next(entry);
                seq += 1;
                if found != seq || head.as_bytes() != stored {
                    return Err(unsound(format!("entry {seq} is missing, or not what it was")));
                }
                keys.extend(chain::named_key(entry).map(|key| key.to_string()));
                let checkpoint: Option<String> = row.get(3)?;
                let (entry, hash) = (String::from_utf8_lossy(entry).into_owned(), chain::hex(stored));
                let signed = checkpoint.as_deref().and_then(|line| Checkpoint::parse(line.as_bytes()));
                let row = AuditRow { seq, entry, hash, checkpoint };
                lines.extend_from_slice(row.to_lines().as_bytes());
                let Some(checkpoint) = signed.filter(|signed| signed.is_by(&own)) else { continue };
                if checkpoint.seq != seq || checkpoint.hash != row.hash || *checkpoint.chain != *self.chain {
                    return Err(unsound(format!("the checkpoint of entry {seq} is of something else")));
                }
                let segment = Segment {
                    chain: checkpoint.chain.clone(),
                    from,
                    checkpoint,
                    lines: Vec::new(),
                    keys: keys.clone(),
                    head,
                };
                whole = Some((segment, lines.len()));
                if lines.len() >= SEGMENT_BYTES {
                    break;
                }
            }
            let (mut segment, length) = whole.ok_or_else(|| {
                unsound(format!("no checkpoint up to entry {through} is signed with the key of this folder"))
            })?;
            lines.truncate(length);
            segment.lines = lines;
            Ok(segment)
        })
    }

    /// Drops the entries of a segment. `place`: where they are kept instead, with the SHA-256 of that; empty
    /// where they are not.
    ///
    /// # Errors
    /// The log has changed since, or the state refuses; nothing was dropped then.
    pub fn forget(&self, segment: &Segment, place: &str, sha256: &str, now_us: i64) -> Result<Start> {
        let Segment { from, checkpoint, keys, head, .. } = segment;
        self.state().write(|txn| {
            if dropped(txn)? + 1 != *from {
                return Err(Error::AuditUnsound { problem: "the log's beginning has moved".into() });
            }
            let start = Start::sign(&self.key, &self.chain, checkpoint.seq, *head, now_us, keys.clone());
            let fact = Fact::of_stormglass("audit.trim")
                .with("from", *from)
                .with("through", checkpoint.seq)
                .with("hash", head.to_string())
                .with("archive", if place.is_empty() { "none" } else { place });
            let fact = if sha256.is_empty() { fact } else { fact.with("sha256", sha256) };
            // First the new entry: the chain's head must not be dropped before it has a successor.
            append(txn, &fact, now_us)?;
            txn.execute(
                "INSERT INTO audit_start (one, seq, line) VALUES (1, ?1, ?2) \
                 ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, line = excluded.line",
                params![start.seq, start.to_line()],
            )?;
            txn.execute("DELETE FROM audit WHERE seq <= ?1", [start.seq])?;
            txn.execute("DELETE FROM audit_checkpoints WHERE seq <= ?1", [start.seq])?;
            Ok(start)
        })
    }
}

/// Where the log begins, if entries were dropped.
pub(super) fn start(db: &Connection) -> Result<Option<Start>> {
    let line = db.query_row("SELECT line FROM audit_start", [], |row| row.get::<_, String>(0));
    Ok(line.optional()?.and_then(|line| Start::parse(line.as_bytes())))
}

/// The last entry that was dropped.
fn dropped(txn: &Txn<'_>) -> Result<u64> {
    Ok(txn.query_row("SELECT coalesce((SELECT seq FROM audit_start), 0)", [], |row| row.get(0))?)
}
