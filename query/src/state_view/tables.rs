//! The tables of the state database that `storage` keeps itself.

use storage::state_table::StateColumn::{Integer, Text, Time};
use storage::state_table::StateTable;

/// Records that could not become events. `record` is the first 64 KiB of one, U+FFFD for what is no UTF-8;
/// it comes last, as SQLite reads a row up to the last column asked for.
pub(crate) const DEAD_LETTERS: StateTable = StateTable {
    name: "dead_letters",
    sql: "SELECT id, source, origin, record_number, log_type, reason, detail, received_us AS received, \
          byte_len, blake3, truncated, retried_us AS retried, coalesce(substr(bytes, 1, 65536), x'') AS record \
          FROM dead_letters",
    columns: &[
        ("id", Integer),
        ("source", Text),
        ("origin", Text),
        ("record_number", Integer),
        ("log_type", Text),
        ("reason", Text),
        ("detail", Text),
        ("received", Time),
        ("byte_len", Integer),
        ("blake3", Text),
        ("truncated", Integer),
        ("retried", Time),
        ("record", Text),
    ],
};

/// What became of the records of each source.
pub(crate) const SOURCES: StateTable = StateTable {
    name: "sources",
    sql: "SELECT source, received, rows, dead_letters, duplicates, dropped, expired, \
          received - rows - dead_letters - duplicates - dropped AS unaccounted, \
          last_received_us AS last_received, last_event_us AS last_event FROM ledger",
    columns: &[
        ("source", Text),
        ("received", Integer),
        ("rows", Integer),
        ("dead_letters", Integer),
        ("duplicates", Integer),
        ("dropped", Integer),
        ("expired", Integer),
        ("unaccounted", Integer),
        ("last_received", Time),
        ("last_event", Time),
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
                    Ok::<_, storage::Error>(select.column_names().map(str::to_owned).collect())
                })
                .unwrap();
            let wanted: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, wanted, "{}", table.name);
        }
    }
}
