//! The tables `dead_letters` and `sources`, as `storage` keeps them.

use storage::state_table::{StateColumn, StateTable};

use StateColumn::{Integer, Text, Time};

/// Records that could not become events; `text` is the record as far as it is UTF-8.
pub(crate) fn dead_letters() -> StateTable {
    StateTable {
        name: "dead_letters",
        sql: "SELECT id, source, origin, record_number, log_type, reason, detail, received_us AS received, \
              byte_len, blake3, truncated, retried_us AS retried, CAST(bytes AS TEXT) AS text FROM dead_letters",
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
            ("text", Text),
        ],
    }
}

/// The account of every source.
pub(crate) fn sources() -> StateTable {
    StateTable {
        name: "sources",
        sql: "SELECT source, received, rows, dead_letters, duplicates, dropped, \
              received - rows - dead_letters - duplicates - dropped AS unaccounted, \
              last_received_us AS last_received, last_event_us AS last_event FROM ledger",
        columns: &[
            ("source", Text),
            ("received", Integer),
            ("rows", Integer),
            ("dead_letters", Integer),
            ("duplicates", Integer),
            ("dropped", Integer),
            ("unaccounted", Integer),
            ("last_received", Time),
            ("last_event", Time),
        ],
    }
}
