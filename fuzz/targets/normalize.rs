//! Any record, as any log type or as none: a row or a reject, never both, never a panic.
#![no_main]

use std::cell::RefCell;

use event::{LogType, SourceId};
use ingest::{Limits, split_body};
use libfuzzer_sys::fuzz_target;
use normalize::{Normalizer, Reason};

thread_local! {
    // Kept as a worker keeps it: what one batch leaves behind must not hurt the next.
    static NORMALIZER: RefCell<Normalizer> = RefCell::new(Normalizer::new());
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let log_type = LogType::ALL.get(usize::from(kind) % (LogType::ALL.len() + 1)).copied();
    let batch = split_body(bytes, &Limits::default()).finish(SourceId::new("fuzz"), log_type, "fuzz".into(), 1);
    let normalized = NORMALIZER.with_borrow_mut(|normalizer| normalizer.map(&batch, 7));
    assert_eq!(normalized.events.len() + normalized.rejects.len(), batch.len());
    for reject in &normalized.rejects {
        assert!(reject.record < batch.len());
        assert!(reject.reason != Reason::MapperPanicked, "{}", reject.detail);
    }
});
