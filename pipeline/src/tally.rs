//! Running totals since the start, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! tally {
    ($($field:ident, $meaning:literal;)*) => {
        /// Counters since the process started; each only grows.
        #[derive(Debug, Default)]
        pub struct Tally { $(pub(crate) $field: AtomicU64,)* }

        impl Tally {
            /// Every counter with its name and meaning.
            pub fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($field), $meaning, self.$field.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

tally! {
    accepted_records, "Records made durable in the log.";
    accepted_bytes, "Bytes of records made durable in the log.";
    refined_records, "Records taken from the log and normalised or rejected.";
    rows, "Events that became rows.";
    dead_letters, "Records that became dead letters.";
    duplicates, "Events that were delivered before.";
    expired, "Events older than the retention, dropped on arrival.";
    matches, "Matches of rules, informational ones included.";
    incomplete_hits, "Matches that no correlation could take, because the event lacks a part of the key or the value.";
    alerts, "Alerts raised for the first time.";
    commits, "Commits to the events table.";
    commit_retries, "Commits to the events table that had to be tried again.";
    committed_rows, "Rows written into the events table.";
    committed_file_bytes, "Bytes of Parquet written by commits.";
    compacted_files, "Small files merged into larger ones.";
    expired_rows, "Rows removed because the retention has passed.";
    vacuumed_files, "Files deleted that no version of the table needs.";
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
