use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Lines that compress about as well as logs do.
fn lines(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{{\"n\":{n},\"h\":\"{:x}\"}}\n", n * 7_919 % 65_521).into_bytes())
        .collect()
}

/// What a decoder delivers, and what ends it.
fn decode_within(bytes: &[u8], limits: Limits, step: usize) -> (Vec<u8>, Chunk) {
    let mut decoder = Decoder::new(Box::new(Cursor::new(bytes.to_vec())), limits);
    let mut out = Vec::new();
    let mut room = vec![0; step];
    loop {
        match decoder.read(&mut room).unwrap() {
            Chunk::Bytes(count) => {
                assert!(count > 0);
                out.extend_from_slice(&room[..count]);
            }
            Chunk::End => {
                assert_eq!(decoder.bytes_read(), bytes.len() as u64);
                return (out, Chunk::End);
            }
            end => return (out, end),
        }
    }
}

fn decode(bytes: &[u8]) -> (Vec<u8>, Chunk) {
    decode_within(bytes, Limits::default(), 4_096)
}

#[track_caller]
fn check_damage(bytes: &[u8], delivered: &[u8], reason: &str) {
    match decode(bytes) {
        (out, Chunk::Damaged(told)) => {
            assert!(told.contains(reason), "{told}");
            assert!(out == delivered, "{} bytes delivered, {} expected", out.len(), delivered.len());
        }
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn text_comes_as_it_is() {
    for text in [&b""[..], b"{", b"{\"a\":1}\n", b"\x1f", b"\x28\xb5\x2f"] {
        assert_eq!(decode(text), (text.to_vec(), Chunk::End));
    }
    let large = lines(9_000);
    assert_eq!(decode(&large), (large, Chunk::End));
}

#[test]
fn both_compressions_are_taken_off() {
    for text in [&b""[..], b"{}", &lines(7_000)] {
        for compressed in [gzip(text), zstd(text)] {
            assert_eq!(decode(&compressed), (text.to_vec(), Chunk::End));
        }
    }
}

#[test]
fn members_follow_each_other() {
    for compress in [gzip, zstd] {
        let parts = [compress(b"{\"a\":1}"), compress(b""), compress(b"\n"), compress(b"{\"b\":2}")].concat();
        assert_eq!(decode(&parts), (b"{\"a\":1}\n{\"b\":2}".to_vec(), Chunk::End));
        let many = compress(b"x").repeat(10_000);
        assert_eq!(decode(&many).1, Chunk::End);
        check_damage(&[many, compress(b"x")].concat(), &[b'x'; 10_000], "too_large: more than 10000");
    }
    let padded = [gzip(b"{}"), vec![0; 100_000]].concat();
    assert_eq!(decode(&padded), (b"{}".to_vec(), Chunk::End));
    let skippable = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", &zstd(b"{}")[..]].concat();
    assert_eq!(decode(&skippable), (b"{}".to_vec(), Chunk::End));
}

#[test]
fn other_bytes_after_the_last_member_are_told() {
    check_damage(&[gzip(b"{}"), b"{\"a\":1}".to_vec()].concat(), b"{}", "other bytes follow it");
    check_damage(&[gzip(b"{}"), b"\x1f".to_vec()].concat(), b"{}", "other bytes follow it");
    check_damage(&[zstd(b"{}"), b"\0\0\0\0".to_vec()].concat(), b"{}", "other bytes follow it");
}

#[test]
fn a_cut_anywhere_is_told() {
    let text = lines(200);
    for compressed in [gzip(&text), zstd(&text), gzip(b"{}"), zstd(b"{}")] {
        // With fewer bytes it is not known as gzip or zstd.
        for cut in 4..compressed.len() {
            let (out, end) = decode(&compressed[..cut]);
            assert!(text.starts_with(&out) || out == b"{}", "{cut}");
            assert!(
                matches!(&end, Chunk::Damaged(reason) if reason.contains(&format!("at compressed byte {cut}"))),
                "{cut}: {end:?}"
            );
        }
    }
}

#[test]
fn what_lies_before_damage_is_delivered() {
    let text = lines(12_000);
    let mut compressed = gzip(&text);
    let middle = compressed.len() / 2;
    compressed.truncate(middle);
    let (out, _) = decode(&compressed);
    assert!(out.len() > text.len() / 3, "{} of {}", out.len(), text.len());
    assert!(text.starts_with(&out));
    // The check sums come last, so all is there.
    for compress in [gzip, zstd] {
        let mut compressed = compress(&text);
        let sum = compressed.len() - if compress(b"")[0] == 0x1f { 8 } else { 4 };
        compressed[sum] ^= 1;
        let (out, end) = decode(&compressed);
        assert!(out == text, "{} of {}", out.len(), text.len());
        assert!(matches!(end, Chunk::Damaged(_)), "{end:?}");
    }
}

#[test]
fn bombs_are_refused_early() {
    let zeros = vec![b' '; 12 << 20];
    for bomb in [gzip(&zeros), zstd(&zeros)] {
        let (out, end) = decode_within(&bomb, Limits::default(), 65_536);
        assert!(matches!(&end, Chunk::Damaged(reason) if reason.contains("more than 200 times")), "{end:?}");
        assert!(out.len() < bomb.len() * 200 + (2 << 20), "{}", out.len());
        let limits = Limits { inflate_ratio: u32::MAX, inflated_bytes: 5 << 20, ..Limits::default() };
        let (out, end) = decode_within(&bomb, limits, 65_536);
        assert!(
            matches!(&end, Chunk::Damaged(reason) if reason.contains("more than 5242880 bytes")),
            "{end:?}"
        );
        assert!(out.len() <= (5 << 20) + 65_536);
        let none = Limits { inflate_ratio: u32::MAX, ..Limits::default() };
        assert_eq!(decode_within(&bomb, none, 65_536), (zeros.clone(), Chunk::End));
    }
    // A short run is none.
    let short = vec![b' '; 1 << 20];
    assert_eq!(decode(&gzip(&short)), (short, Chunk::End));
}

#[test]
fn one_layer_is_taken_off() {
    for outer in [gzip, zstd] {
        for inner in [gzip(b"{}"), zstd(b"{}"), b"PK\x03\x04".to_vec()] {
            let (out, end) = decode(&outer(&inner));
            assert!(out.is_empty());
            assert!(
                matches!(&end, Chunk::Foreign(_, reason) if reason.contains("only one layer")),
                "{end:?}"
            );
        }
    }
}

#[test]
fn foreign_formats_are_named() {
    let (_, end) = decode(b"PK\x03\x04\x14\0\0\0\0\0");
    let reason = "not_json: this is a zip archive; give JSON text, plain or as gzip or zstd, or Parquet";
    assert_eq!(end, Chunk::Foreign(10, reason.into()));
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3_000), any::<bool>()), 1..4),
        step in 8..5_000_usize,
    ) {
        for compress in [gzip, zstd] {
            let text: Vec<u8> = parts.iter().flat_map(|(part, _)| [&b"{\n"[..], part].concat()).collect();
            let compressed: Vec<u8> = parts.iter().flat_map(|(part, _)| compress(&[&b"{\n"[..], part].concat())).collect();
            prop_assert_eq!(decode_within(&compressed, Limits::default(), step), (text, Chunk::End));
        }
    }

    #[test]
    fn flipped_bits_never_deliver_other_bytes_in_silence(flip in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let text = lines(60);
        for compress in [gzip, zstd] {
            let mut compressed = compress(&text);
            let at = flip.index(compressed.len() - 4) + 4;
            compressed[at] ^= 1 << bit;
            let (out, end) = decode(&compressed);
            // Some bits of the header carry no meaning for the content (time, system).
            prop_assert!(end != Chunk::End || out == text);
        }
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..400), start in 0..3_usize) {
        let magic: [&[u8]; 3] = [b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"];
        let (out, _) = decode(&[magic[start], &bytes].concat());
        prop_assert!(out.len() <= 1 << 20);
    }
}
