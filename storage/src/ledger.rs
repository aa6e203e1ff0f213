//! What became of every record, by source: the sum that must come out even.
//!
//! received = rows + dead letters + duplicates + dropped
//!
//! What is still on its way is not received yet: a record is counted in the transaction that also
//! counts what became of it. Rows that the table's retention removed later are counted as `expired`
//! besides; they stay in `rows`.

use event::SourceId;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::Result;
use crate::state::Txn;

pub(crate) const MIGRATIONS: &[&str] = &["
CREATE TABLE ledger (
    source            TEXT PRIMARY KEY,
    received          INTEGER NOT NULL,
    rows              INTEGER NOT NULL,
    dead_letters      INTEGER NOT NULL,
    duplicates        INTEGER NOT NULL,
    dropped           INTEGER NOT NULL,
    expired           INTEGER NOT NULL,
    last_received_us  INTEGER,
    last_event_us     INTEGER
) STRICT
"];

/// What became of the records of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceCounts {
    /// Records taken from the log.
    pub received: u64,
    /// Records that became rows of the events table.
    pub rows: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Records whose event had been seen at an earlier offset.
    pub duplicates: u64,
    /// Records dropped on purpose, such as events older than the retention.
    pub dropped: u64,
    /// Rows that the retention removed from the table later; part of `rows`.
    pub expired: u64,
    /// When the latest record was received, microseconds since 1970.
    pub last_received_us: Option<i64>,
    /// The latest time of an event, microseconds since 1970.
    pub last_event_us: Option<i64>,
}

impl SourceCounts {
    /// Records of which nobody knows what became: 0, or there is a bug. Below 0: more came out than
    /// went in.
    pub fn unaccounted(&self) -> i64 {
        let out = i128::from(self.rows)
            + i128::from(self.dead_letters)
            + i128::from(self.duplicates)
            + i128::from(self.dropped);
        let left = i128::from(self.received) - out;
        left.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

/// Adds to what `source` has so far; of the times the later ones stay.
///
/// # Errors
/// The database refuses.
pub fn add(txn: &Txn<'_>, source: &SourceId, counts: &SourceCounts) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO ledger (source, received, rows, dead_letters, duplicates, dropped, expired,
            last_received_us, last_event_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (source) DO UPDATE SET
            received = received + ?2, rows = rows + ?3, dead_letters = dead_letters + ?4,
            duplicates = duplicates + ?5, dropped = dropped + ?6, expired = expired + ?7,
            last_received_us = max(coalesce(last_received_us, ?8), coalesce(?8, last_received_us)),
            last_event_us = max(coalesce(last_event_us, ?9), coalesce(?9, last_event_us))",
    )?;
    upsert.execute((
        source.as_str(),
        counts.received,
        counts.rows,
        counts.dead_letters,
        counts.duplicates,
        counts.dropped,
        counts.expired,
        counts.last_received_us,
        counts.last_event_us,
    ))?;
    Ok(())
}

const COLUMNS: &str =
    "source, received, rows, dead_letters, duplicates, dropped, expired, last_received_us, last_event_us";

/// The counts of one source; `None` if it never sent anything.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Connection, source: &SourceId) -> Result<Option<SourceCounts>> {
    let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM ledger WHERE source = ?1"))?;
    Ok(select.query_row([source.as_str()], read).optional()?.map(|(_, counts)| counts))
}

/// The counts of all sources, by name.
///
/// # Errors
/// The database refuses.
pub fn all(db: &Connection) -> Result<Vec<(SourceId, SourceCounts)>> {
    let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM ledger ORDER BY source"))?;
    let rows = select.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(SourceId, SourceCounts)> {
    let counts = SourceCounts {
        received: row.get(1)?,
        rows: row.get(2)?,
        dead_letters: row.get(3)?,
        duplicates: row.get(4)?,
        dropped: row.get(5)?,
        expired: row.get(6)?,
        last_received_us: row.get(7)?,
        last_event_us: row.get(8)?,
    };
    Ok((SourceId::new(row.get_ref(0)?.as_str()?), counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    #[test]
    fn counts_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let (cli, http) = (SourceId::new("cli"), SourceId::new("http"));
        let first = SourceCounts {
            received: 10,
            rows: 5,
            dead_letters: 2,
            duplicates: 2,
            dropped: 1,
            expired: 3,
            last_received_us: Some(20),
            last_event_us: None,
        };
        let second = SourceCounts { last_received_us: Some(10), last_event_us: Some(-5), ..first };
        state
            .write(|txn| {
                add(txn, &http, &first)?;
                add(txn, &cli, &SourceCounts::default())?;
                add(txn, &http, &second)
            })
            .unwrap();
        let all = state.read(all).unwrap();
        assert_eq!(all[0], (cli, SourceCounts::default()));
        let sum = all[1].1;
        assert_eq!((sum.received, sum.rows, sum.expired), (20, 10, 6));
        assert_eq!((sum.last_received_us, sum.last_event_us), (Some(20), Some(-5)));
        assert_eq!(sum.unaccounted(), 0);
        assert_eq!(state.read(|db| get(db, &http)).unwrap(), Some(sum));
        assert_eq!(state.read(|db| get(db, &SourceId::new("other"))).unwrap(), None);
    }

    #[test]
    fn what_does_not_add_up_shows() {
        let lost = SourceCounts { received: 10, rows: 9, ..SourceCounts::default() };
        assert_eq!(lost.unaccounted(), 1);
        let doubled = SourceCounts { received: 10, rows: 11, ..SourceCounts::default() };
        assert_eq!(doubled.unaccounted(), -1);
        let expired = SourceCounts { received: 10, rows: 10, expired: 10, ..SourceCounts::default() };
        assert_eq!(expired.unaccounted(), 0);
        let absurd = SourceCounts { received: u64::MAX, ..SourceCounts::default() };
        assert_eq!(absurd.unaccounted(), i64::MAX);
    }
}
