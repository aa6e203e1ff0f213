//! What came out against what went in.

use event::{Col, EventBatch};
use normalize::Normalizer;
use storage::dead_letter::{self, DeadLetterFilter};
use storage::ledger::{self, SourceCounts};
use storage::seen::{SeenConfig, UidIndex};

use crate::records::{batch, is_alarming};
use crate::running::Running;

/// The sums over all sources, once everything in the log has been worked on; checks that every record has
/// exactly one fate, and that rows and dead letters are there in the numbers that the ledger says.
pub(crate) async fn balanced(running: &Running) -> SourceCounts {
    running.caught_up().await;
    let accounts = running.state.read(ledger::all).unwrap();
    let mut sum = SourceCounts::default();
    for (source, counts) in accounts {
        assert_eq!(counts.unaccounted(), 0, "{source}: {counts:?}");
        sum.received += counts.received;
        sum.rows += counts.rows;
        sum.dead_letters += counts.dead_letters;
        sum.duplicates += counts.duplicates;
        sum.dropped += counts.dropped;
    }
    // What is pending is in the log and not received yet; nothing is, here.
    assert_eq!(running.pipeline.progress().raised, running.log.head());
    assert_eq!(sum.received, running.log.head(), "every record of the log is accounted for: {sum:?}");
    sum.expired = running.table.expired().values().sum();
    assert_eq!(rows(running), sum.rows - sum.expired, "rows in the table: {sum:?}");
    let letters = running.state.read(|db| dead_letter::count(db, &DeadLetterFilter::default())).unwrap();
    assert_eq!(letters, sum.dead_letters);
    sum
}

/// The rows that a query would count.
pub(crate) fn rows(running: &Running) -> u64 {
    let snapshot = running.table.snapshot();
    let stored: u64 = snapshot.files.iter().map(|file| file.rows.unwrap()).sum();
    let live: usize = snapshot.live.iter().map(EventBatch::len).sum();
    stored + live as u64
}

/// Checks that the table holds the events of `records`, each once, and no others; that each alarming one
/// has its alert, once; and that the books balance. All rows go into files.
pub(crate) async fn holds_exactly(running: &Running, records: &[String]) -> SourceCounts {
    running.flushed().await;
    let events = Normalizer::new().map(&batch(records), running.log.head()).events;
    assert_eq!(events.len(), records.len());
    // An index without files of its own knows what the table holds, and nothing else.
    let folder = tempfile::tempdir().unwrap();
    let config = SeenConfig { memory_bytes: 16 << 20 };
    let mut index = UidIndex::open(folder.path(), running.table.clone(), running.log.head(), config).unwrap();
    let found = index.admit(&events).await.unwrap().duplicates.len();
    assert_eq!(found, records.len(), "of {} events {} are lost", records.len(), records.len() - found);
    // All are there, and there are as many as there should be: so each is there once.
    assert_eq!(rows(running), records.len() as u64);

    let alarming: Vec<_> =
        (0..events.len()).filter(|row| is_alarming(events.str_at(Col::RawData, *row).unwrap())).collect();
    for row in &alarming {
        let id = alerts::AlertId::new(
            "6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c",
            [events.str_at(Col::EventUid, *row).unwrap()],
        );
        let (stored, _) = running.alerts.get(id.as_str()).expect("an alert is lost");
        assert_eq!(stored.alert.evidence[0].raw, events.str_at(Col::RawData, *row).unwrap());
    }
    assert_eq!(running.alerts.count().unwrap(), alarming.len() as u64, "alerts");
    balanced(running).await
}
