//! Any compressed or plain bytes: bounded, and ended by a reject where they are damaged.
#![no_main]

use std::io::Cursor;

use event::SourceId;
use ingest::{Limits, RecordReader};
use libfuzzer_sys::fuzz_target;

const MAGIC: [&[u8]; 3] = [b"", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x28\xb5\x2f\xfd"];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, rest) = input;
    let bytes = [MAGIC[usize::from(kind) % MAGIC.len()], rest].concat();
    let limits = Limits { inflated_bytes: 8 << 20, batch_records: 50, ..Limits::default() };
    let mut reader = RecordReader::new(Box::new(Cursor::new(bytes.clone())), limits);
    let (mut records, mut total) = (0, 0);
    while let Some(batch) = reader.next_batch().expect("memory can be read") {
        let batch = batch.finish(SourceId::new("fuzz"), None, String::new(), 0);
        assert!(!batch.is_empty() && batch.len() <= 50);
        for record in batch.records() {
            assert_eq!(record.number, records);
            records += 1;
        }
        total += batch.byte_len();
    }
    assert!(total <= 9 << 20);
    assert!(reader.bytes_read() <= bytes.len() as u64);
});
