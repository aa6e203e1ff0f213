//! Bodies and streams that are pushed: nothing panics, and a stream is cut the same in any pieces.

#![no_main]

use ingest::Limits;
use ingest::push::otlp::Encoding;
use ingest::push::syslog::{Framer, Origin, parse};
use ingest::push::{Reception, hec, otlp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let limits = Limits { record_bytes: 4096, ..Limits::default() };
    let mut reception = Reception::new(0, "f".into());
    match first % 5 {
        0 => drop(hec::events(data, &mut reception, &limits)),
        1 => drop(hec::raw(data, &hec::RawMetadata::default(), &mut reception, &limits)),
        2 => drop(otlp::logs(data, Encoding::Protobuf, &mut reception, &limits)),
        3 => drop(otlp::logs(data, Encoding::Json, &mut reception, &limits)),
        _ => {
            let frames = frames(data, data.len().max(1));
            assert_eq!(frames, self::frames(data, 1 + usize::from(*first)));
            for frame in frames {
                let line = String::from_utf8_lossy(&frame);
                let origin = Origin { id: "i", received: "r", peer: "p", transport: "tcp", is_cut: false };
                let record = parse(&line, 0).record(&line, &origin);
                assert!(record.starts_with("{\"syslog\":{") && record.ends_with('}'));
            }
        }
    }
});

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
