//! Any bytes, in any pieces: the same records, nothing lost, nothing twice.
#![no_main]

use ingest::{LISTS, Splitter};
use libfuzzer_sys::fuzz_target;

/// Records and rejects: the bytes, and the reason of a reject.
type Pieces = Vec<(Vec<u8>, Option<String>)>;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (step, limit, bytes) = input;
    let limit = usize::from(limit);
    // However it is cut, also where a record is over the limit.
    assert_eq!(split(bytes, bytes.len(), limit), split(bytes, step.into(), limit));
    let whole = split(bytes, step.into(), 1 << 30);
    let has = |name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    // Nor where records are completed by what stands around them.
    if !LISTS.into_iter().any(has) && !["flowTuples", "#Fields:", "#Version:", "start"].into_iter().any(has) {
        conserves(bytes, &whole);
    }
});

fn split(bytes: &[u8], step: usize, limit: usize) -> Pieces {
    let mut splitter = Splitter::new(limit);
    let mut pieces = Pieces::new();
    for chunk in bytes.chunks(step.max(1)) {
        splitter.feed(chunk);
        take(&mut splitter, &mut pieces);
    }
    splitter.finish(None);
    take(&mut splitter, &mut pieces);
    pieces
}

fn take(splitter: &mut Splitter, pieces: &mut Pieces) {
    while let Some(record) = splitter.next_record() {
        assert_eq!(record.number, pieces.len() as u64);
        assert!(!record.bytes.is_empty() || record.reject.is_some());
        pieces.push((record.bytes.to_vec(), record.reject.map(Into::into)));
    }
}

/// Without a container, what is in no piece is white space or the syntax of arrays.
fn conserves(bytes: &[u8], pieces: &Pieces) {
    let is_syntax = |byte: u8| byte.is_ascii_whitespace() || b",[]\xef\xbb\xbf".contains(&byte);
    let mut rest = bytes;
    for (piece, _) in pieces {
        while !rest.starts_with(piece) {
            assert!(is_syntax(rest[0]), "{:?} is lost", rest[0] as char);
            rest = &rest[1..];
        }
        rest = &rest[piece.len()..];
    }
    assert!(rest.iter().all(|byte| is_syntax(*byte)));
}
