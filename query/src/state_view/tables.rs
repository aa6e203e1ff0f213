//! The tables of the state database that `storage` keeps itself.

use event::Kind;
use storage::state_table::StateTable;

/// Records that could not become events.
pub(crate) const DEAD_LETTERS: StateTable = StateTable {
    name: "dead_letters",
    meaning: "Records that could not become events, with the reason.",
    // `record` last: SQLite reads a row up to the last column asked for.
    sql: "SELECT id, source, origin, record_number, log_type, reason, detail, received_us AS received_time,
              byte_len, blake3, truncated, retried_us AS retried_time, substr(bytes, 1, 65536) AS record
          FROM dead_letters ORDER BY id",
    columns: &[
        ("id", Kind::Long, "The record's number in Stormglass's own log."),
        ("source", Kind::Text, "The source that delivered it."),
        ("origin", Kind::Text, "The file, object or request that it lay in."),
        ("record_number", Kind::Long, "Its number in there, from 0."),
        ("log_type", Kind::Text, "The log type, where the source fixed it."),
        ("reason", Kind::Text, "Why it is no event, as a word."),
        ("detail", Kind::Text, "Why it is no event, in a sentence."),
        ("received_time", Kind::Time, "When it was received."),
        ("byte_len", Kind::Long, "Its length in bytes."),
        ("blake3", Kind::Text, "The BLAKE3 hash of its bytes."),
        ("truncated", Kind::Flag, "Whether only its beginning was kept."),
        ("retried_time", Kind::Time, "When it was last tried again."),
        ("record", Kind::Text, "Its first 64 KiB; bytes that are no UTF-8 are shown as U+FFFD."),
    ],
};

/// What became of the records of each source.
pub(crate) const SOURCES: StateTable = StateTable {
    name: "sources",
    meaning: "What became of the records of each source: received = rows + dead_letters + duplicates + dropped.",
    sql: "SELECT source, received, rows, dead_letters, duplicates, dropped, expired,
              last_received_us AS last_received_time, last_event_us AS last_event_time
          FROM ledger ORDER BY source",
    columns: &[
        ("source", Kind::Text, "The configured source."),
        ("received", Kind::Long, "Records made durable and worked on."),
        ("rows", Kind::Long, "Events that became rows."),
        ("dead_letters", Kind::Long, "Records that became dead letters."),
        ("duplicates", Kind::Long, "Events that had been delivered before."),
        ("dropped", Kind::Long, "Events older than the retention, dropped on arrival."),
        ("expired", Kind::Long, "Rows that the retention has removed since; part of `rows`."),
        ("last_received_time", Kind::Time, "When the latest record was received."),
        ("last_event_time", Kind::Time, "The latest time of an event."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use storage::state::State;

    #[test]
    fn each_select_gives_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.db")).unwrap();
        for table in [DEAD_LETTERS, SOURCES] {
            let names: Vec<String> = state
                .read(|db| {
                    let select = db.prepare(table.sql).map_err(storage::Error::from)?;
                    Ok::<_, storage::Error>(select.column_names().iter().map(|name| name.to_string()).collect())
                })
                .unwrap();
            let wanted: Vec<_> = table.columns.iter().map(|(name, ..)| *name).collect();
            assert_eq!(names, wanted, "{}", table.name);
        }
    }
}
