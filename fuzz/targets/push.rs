//! Bodies and streams that are pushed: nothing panics, a request that is sent again gives the same records, blanks
//! between tokens change nothing, and a stream is cut the same in any pieces.

#![no_main]

use event::{RawRecord, SourceId};
use ingest::Limits;
use ingest::push::hec::{BadBody, RawMetadata};
use ingest::push::otlp::Encoding;
use ingest::push::syslog::{Framer, Origin, parse};
use ingest::push::{Reception, Records, hec, okta, otlp, pubsub};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first byte chooses; of digits its value.
    let Some((first, data)) = data.split_first() else { return };
    match first % 8 {
        0 => events(data),
        1 => {
            let metadata = RawMetadata { host: Some("\"".into()), ..RawMetadata::default() };
            if let Ok(records) = hec::raw(data, &metadata, &mut reception(), &limits()) {
                texts(records, "{\"hec\":{\"id\":\"f-");
            }
        }
        2 => logs(data, Encoding::Protobuf),
        3 => logs(data, Encoding::Json),
        4 => {
            for event in okta::events(data).unwrap_or_default() {
                assert!(!event.is_empty());
            }
        }
        5 => drop(pubsub::open(data)),
        _ => stream(data, 1 + usize::from(*first)),
    }
});

fn limits() -> Limits {
    Limits { record_bytes: 4096, batch_records: 3, ..Limits::default() }
}

fn reception() -> Reception {
    Reception::new(0, "f".into())
}

/// The records, each of which is text that begins like that.
fn texts(records: Records, start: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for batch in records.into_batches() {
        let batch = batch.finish(SourceId::new("fuzz"), None, "fuzz".into(), 0);
        assert!((1..=3).contains(&batch.len()));
        for RawRecord { bytes, number, reject } in batch.records() {
            assert_eq!((number, reject), (texts.len() as u64, None));
            let text = std::str::from_utf8(bytes).expect("records are text");
            assert!(text.starts_with(start) && text.ends_with('}'), "{text}");
            texts.push(text.to_owned());
        }
    }
    texts
}

fn events(body: &[u8]) {
    let read = |body: &[u8]| -> Result<Vec<String>, BadBody> {
        let records = hec::events(body, &mut reception(), &limits())?;
        Ok(texts(records, "{\"hec\":{\"id\":\""))
    };
    let read_first = read(body);
    assert_eq!(read_first, read(body));
    // A blank sends an object another way through the code.
    if let [b'{', rest @ ..] = body {
        assert_eq!(read_first, read(&[b"{ ", rest].concat()));
    }
}

fn logs(body: &[u8], encoding: Encoding) {
    let read = || {
        let logs = otlp::logs(body, encoding, &mut reception(), &limits()).ok()?;
        assert_eq!(logs.rejected == 0, logs.reason.is_empty());
        Some((texts(logs.records, "{\"otlp\":{\"id\":\""), logs.rejected))
    };
    assert_eq!(read(), read());
}

fn stream(data: &[u8], piece: usize) {
    let found = frames(data, data.len().max(1));
    assert_eq!(found, frames(data, piece));
    for frame in found {
        let line = String::from_utf8_lossy(&frame);
        let origin = Origin { id: "i", received: "r", peer: "p", transport: "tcp", is_cut: false };
        let record = parse(&line, 0).record(&line, &origin);
        assert!(record.starts_with("{\"syslog\":{") && record.ends_with('}'));
    }
}

fn frames(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(256);
    let mut found = Vec::new();
    for bytes in stream.chunks(piece) {
        framer.feed(bytes);
        found.extend(std::iter::from_fn(|| framer.next_frame()).map(|frame| frame.bytes));
    }
    framer.finish();
    found.extend(std::iter::from_fn(|| framer.next_frame()).map(|frame| frame.bytes));
    found
}
