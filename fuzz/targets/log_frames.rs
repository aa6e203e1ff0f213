//! Any bytes as a segment of the log: whole frames or damage, and offsets that only grow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storage::log::decode_frames;

fuzz_target!(|bytes: &[u8]| {
    let mut next = None;
    let mut frames = 0;
    let decoded = decode_frames(bytes, |entry| {
        frames += 1;
        assert!(next.is_none_or(|next| entry.first >= next));
        next = Some(entry.first + entry.batch.len() as u64);
        assert_eq!(entry.batch.records().count(), entry.batch.len());
    });
    assert_eq!(decoded.whole, frames);
    assert!(next.is_none_or(|next| next <= decoded.next));
    for damaged in &decoded.damaged {
        assert!(damaged.start <= damaged.end && damaged.end <= bytes.len() as u64);
    }
});
