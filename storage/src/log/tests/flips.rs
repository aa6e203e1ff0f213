//! Damage at rest is found before a record is handed out, and every offset is accounted for.

use event::Offset;

use super::disk::{Disk, Files, Rng};
use super::{Session, any_batch, name, newest};
use crate::log::decode_frames;

/// A closed log of several segments, and its records.
fn closed_log(rng: &mut Rng) -> (Files, Vec<Vec<u8>>) {
    let disk = Disk::default();
    let mut session = Session::open(&disk).unwrap();
    let mut records = Vec::new();
    for id in 0..25 {
        let batch = any_batch(id, rng);
        records.extend(batch.records().map(|record| record.bytes.to_vec()));
        session.append(std::slice::from_ref(&batch)).remove(0).unwrap();
    }
    session.close();
    (disk.files(), records)
}

/// Reads the damaged log; the number of records that are lost. Never a wrong one.
fn lost(files: Files, records: &[Vec<u8>]) -> usize {
    let session = Session::open(&Disk::with_files(files)).unwrap();
    assert_eq!(session.shared.head(), records.len() as Offset);
    let mut reader = session.reader(session.shared.segments.tail()).unwrap();
    let mut due = session.shared.segments.tail();
    let mut lost = 0;
    while let Some(entry) = reader.try_next().unwrap() {
        assert_eq!(entry.first, due);
        for (offset, record) in (entry.first..).zip(entry.batch.records()) {
            if record.reject.is_some_and(|reason| reason.starts_with("damaged in the log, segment `")) {
                lost += 1;
            } else {
                assert_eq!(record.bytes, records[offset as usize], "record {offset}");
            }
        }
        due = entry.next();
    }
    assert_eq!(due, records.len() as Offset);
    assert_eq!(session.shared.stats().damaged_records, lost as u64);
    lost
}

#[test]
fn a_flipped_bit_is_found() {
    let mut rng = Rng(7);
    let mut total = 0;
    for _ in 0..8 {
        let (files, records) = closed_log(&mut rng);
        assert!(files.len() > 5);
        assert_eq!(lost(files.clone(), &records), 0);
        for _ in 0..100 {
            let mut flipped = files.clone();
            let file = rng.below(files.len());
            let bit = rng.below(files[file].1.len() * 8);
            flipped[file].1[bit / 8] ^= 1 << (bit % 8);
            total += usize::from(lost(flipped, &records) > 0);
        }
    }
    // The rest hit headers of segments and seals, which hold no record.
    assert!(total > 600, "{total}");
}

#[test]
fn an_overwritten_stretch_is_accounted_for() {
    let mut rng = Rng(8);
    for _ in 0..300 {
        let (mut files, records) = closed_log(&mut rng);
        // Not the newest: there the loss of both headers is refused, and of the seal unseen.
        let file = rng.below(files.len() - 1);
        let content = &mut files[file].1;
        let start = rng.below(content.len());
        let end = start + rng.below(content.len() - start + 1);
        let value = rng.next() as u8;
        match rng.below(3) {
            0 => content[start..end].fill(value),
            1 => content.truncate(start),
            _ => {
                let stretch = content[..end - start].to_vec();
                content[start..end].copy_from_slice(&stretch);
            }
        }
        lost(files, &records);
    }
}

#[test]
fn a_missing_segment_is_accounted_for() {
    let (files, records) = closed_log(&mut Rng(9));
    for missing in 1..files.len() - 1 {
        let mut left = files.clone();
        left.remove(missing);
        assert!(lost(left, &records) > 0);
    }
}

#[test]
fn damage_is_reported_with_its_place() {
    let (mut files, _) = closed_log(&mut Rng(10));
    let at = files[2].1.len() - 1;
    files[2].1[at] ^= 1;
    let shared = Session::open(&Disk::with_files(files.clone())).unwrap().shared;
    drop(shared);
    let (_, _, _, report) = crate::log::handle::prepare(
        std::sync::Arc::new(Disk::with_files(files.clone())),
        &super::dir(),
        super::SMALL,
    )
    .unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].segment, name(&files[2].0));
    assert!(report.damage[0].to_string().contains("seal"), "{}", report.damage[0]);
}

#[test]
fn without_a_right_header_and_first_frame_the_newest_segment_is_refused() {
    let (files, _) = closed_log(&mut Rng(11));
    let disk = Disk::with_files(files);
    let (path, mut content) = newest(&disk);
    content[..100].fill(0xff);
    let mut files = disk.files();
    files.pop();
    files.push((path.clone(), content));
    let error = Session::open(&Disk::with_files(files)).err().unwrap();
    assert!(error.to_string().contains(name(&path)), "{error}");
}

#[test]
fn a_newer_version_changes_nothing() {
    let (mut files, _) = closed_log(&mut Rng(12));
    let header: &mut [u8] = &mut files[0].1[..64];
    header[8] = 2;
    let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..]);
    header[12..16].copy_from_slice(&sum.to_le_bytes());
    // A torn tail that opening would otherwise cut.
    files.last_mut().unwrap().1.extend_from_slice(&[1; 30]);
    let disk = Disk::with_files(files.clone());
    let error = Session::open(&disk).err().unwrap();
    assert!(error.to_string().contains("format version 2"), "{error}");
    assert_eq!(disk.files(), files);
}

#[test]
fn frames_inside_records_are_not_taken_for_frames() {
    // The beginning of a segment as a record, and damage right before it.
    let (files, _) = closed_log(&mut Rng(13));
    let planted: Vec<u8> = files[0].1.iter().copied().take(1000).collect();
    assert_eq!(decode_frames(&planted, |_| {}).refused, None);
    let disk = Disk::default();
    let mut session = Session::open(&disk).unwrap();
    let mut builder = event::RawBatchBuilder::with_capacity(0);
    assert!(builder.push(event::RawRecord { bytes: &planted, number: 0, reject: None }));
    let hostile = builder.finish(event::SourceId::new("a"), None, String::new(), 0);
    for answer in session.append(&[super::batch(1, 1, 0), hostile, super::batch(2, 1, 0)]) {
        answer.unwrap();
    }
    session.close();
    let mut files = disk.files();
    let mut damaged = 0;
    for (_, content) in &mut files {
        if let Some(at) = memchr::memmem::find(content, &planted) {
            // The last byte of the frame's meta: there is no way to the record but by its length.
            content[at - 1] ^= 1;
            // The frame's header, which has the length.
            let marker = content[24..40].to_vec();
            let header = memchr::memmem::rfind(&content[..at], &marker).unwrap();
            content[header + 64] ^= 1;
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let session = Session::open(&Disk::with_files(files)).unwrap();
    let mut reader = session.reader(0).unwrap();
    let mut sources = Vec::new();
    while let Some(entry) = reader.try_next().unwrap() {
        sources.push((entry.first, entry.batch.len(), entry.batch.source.to_string()));
    }
    assert_eq!(sources, [(0, 1, "cli".into()), (1, 1, "log".into()), (2, 1, "cli".into())]);
}

#[test]
fn a_segment_in_memory_reads_the_same() {
    let (files, records) = closed_log(&mut Rng(14));
    let mut back = Vec::new();
    for (_, content) in &files {
        let decoded = decode_frames(content, |entry| {
            back.extend(entry.batch.records().map(|record| record.bytes.to_vec()));
        });
        assert_eq!((decoded.refused, decoded.damaged.len()), (None, 0));
        assert_eq!(decoded.next, back.len() as Offset);
    }
    assert_eq!(back, records);
    let mut flipped = files[0].1.clone();
    flipped[100] ^= 1;
    assert_eq!(decode_frames(&flipped, |_| {}).damaged.len(), 1);
}
