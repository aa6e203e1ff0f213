use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use event::SourceId;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use crate::{Limits, RecordReader};

/// A file of so many rows.
fn file(rows: i64, compression: Compression, version: WriterVersion) -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let texts = (0..rows).map(|n| (n % 3 > 0).then(|| format!("text {}", n % 7)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
    let batch =
        RecordBatch::try_from_iter_with_nullable([("n", numbers, false), ("t", texts, true)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(400))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Records, and of a reject its reason.
fn read(bytes: Vec<u8>, limits: Limits) -> Vec<String> {
    let mut reader = RecordReader::new(Box::new(Cursor::new(bytes)), limits);
    let mut records = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        for record in batch.finish(SourceId::new("t"), None, "o".into(), 0).records() {
            let text = String::from_utf8_lossy(record.bytes).into_owned();
            records.push(record.reject.map_or(text, str::to_owned));
        }
    }
    records
}

fn small() -> Vec<u8> {
    file(50, Compression::SNAPPY, WriterVersion::PARQUET_1_0)
}

#[test]
fn rows_are_lines_whatever_the_codec_and_version() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let gzip = Compression::GZIP(GzipLevel::default());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip, zstd] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let records = read(file(1000, compression, version), Limits::default());
            assert_eq!(records.len(), 1000, "{compression:?} {version:?}");
            assert_eq!(records[3..5], ["{\"n\":3}", "{\"n\":4,\"t\":\"text 4\"}"]);
        }
    }
    assert!(read(file(0, gzip, WriterVersion::PARQUET_1_0), Limits::default()).is_empty());
}

#[test]
fn what_is_broken_is_one_reject() {
    let whole = small();
    let reason = |bytes: Vec<u8>| {
        let records = read(bytes, Limits::default());
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    };
    let damaged = "torn_input: the Parquet file is damaged: ";
    for end in [4, 8, 100, whole.len() / 2, whole.len() - 1] {
        let reason = reason(whole[..end].to_vec());
        assert!(reason.starts_with(damaged), "{end}: {reason}");
    }
    let changed = |place: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let length = whole.len() - 8;
    assert!(reason(changed(length, &u32::MAX.to_le_bytes())).contains("its footer claims 4294967295 bytes"));
    assert!(reason(changed(length, &(1_u32 << 20).to_le_bytes())).contains("no footer of Parquet"));
    assert!(reason(changed(whole.len() - 4, b"PARE")).contains("it is encrypted"));
    let limits = Limits { inflated_bytes: 200, ..Limits::default() };
    assert_eq!(read(whole, limits), ["too_large: a Parquet file of more than 200 bytes"]);
}

/// The head of the first page: its type, then its size inflated as a zigzag number.
#[test]
fn a_page_that_claims_too_much_is_not_believed() {
    let whole = small();
    assert_eq!(whole[4..6], [0x15, 0x04], "a dictionary page");
    assert_eq!(whole[6], 0x15);
    let end = 7 + whole[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    // 2^30 takes five bytes where there were fewer: the rest of the head moves into the page, which is
    // broken then, but what it claims comes first.
    let mut bytes = whole[..7].to_vec();
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x08]);
    bytes.extend(&whole[end..]);
    let records = read(bytes, Limits::default());
    assert_eq!(records.len(), 1);
    assert!(records[0].starts_with("torn_input"), "{records:?}");
}

#[test]
fn gzip_that_inflates_to_more_than_it_claims_is_refused() {
    use std::io::Write;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 50 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    // type 0, 100 bytes inflated, so many stored; then a head of data that says nothing, and the end.
    let mut page = vec![0x15, 0x00, 0x15, 0xc8, 0x01, 0x15];
    let mut stored = (bomb.len() as u64) << 1;
    while stored >= 0x80 {
        page.push(stored as u8 | 0x80);
        stored >>= 7;
    }
    page.extend([stored as u8, 0x2c, 0x00, 0x00]);
    page.extend(&bomb);
    let mut kept = super::Kept::new(1 << 30);
    kept.push(&page).unwrap();
    let told = super::pages::tests::page_problem(&kept, page.len() as u64);
    assert_eq!(told.as_deref(), Some("a page inflates to more than it claims"));
}

#[test]
fn rows_are_the_same_however_they_are_cut() {
    let whole = file(2000, Compression::SNAPPY, WriterVersion::PARQUET_2_0);
    let limits = Limits { batch_records: 7, ..Limits::default() };
    assert_eq!(read(whole.clone(), limits), read(whole, Limits::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever is changed in a file, it is read or refused: no panic, no memory without end.
    #[test]
    fn any_damage_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_footer in any::<bool>(), gzip in any::<bool>(),
    ) {
        let compression = if gzip { Compression::GZIP(GzipLevel::default()) } else { Compression::SNAPPY };
        let mut bytes = file(50, compression, WriterVersion::PARQUET_1_0);
        let start = if in_footer { bytes.len() - 600 } else { 0 };
        for (place, byte) in changes {
            let place = start + place.index(bytes.len() - start);
            bytes[place] = byte;
        }
        let records = read(bytes, Limits::default());
        prop_assert!(records.len() <= 2000, "{}", records.len());
    }
}

/// A row whose list has the same long text so often.
fn lists(times: usize, text: &str, version: WriterVersion) -> Vec<u8> {
    use arrow::array::{ListBuilder, StringBuilder};
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in 0..3 {
        let times = if row == 1 { times } else { 2 };
        (0..times).for_each(|_| builder.values().append_value(text));
        builder.append(true);
    }
    let column: ArrayRef = Arc::new(builder.finish());
    let batch = RecordBatch::try_from_iter([("l", column)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_writer_version(version)
        .set_dictionary_page_size_limit(1 << 20)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_long_text_that_a_list_repeats_takes_no_memory_before_it_is_refused() {
    let text = "x".repeat(50_000);
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let good = read(lists(40, &text, version), Limits { inflate_ratio: u32::MAX, ..Limits::default() });
        assert_eq!(good.len(), 3);
        assert!(good[1].len() > 2_000_000);
        // 150 MB of JSON in a file of some KB.
        let bytes = lists(3_000, &text, version);
        assert!(bytes.len() < 100_000, "{}", bytes.len());
        let told = read(bytes, Limits::default());
        let [told] = &told[..] else { panic!("{} records", told.len()) };
        assert!(told.contains("a row has a list of 3000 values of up to 50000 bytes"), "{told}");
    }
}
