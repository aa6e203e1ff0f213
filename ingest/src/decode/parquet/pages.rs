//! What a Parquet file claims, held against bounds before memory is given for it.
//!
//! A page says how large it is inflated, and the library believes it: it reserves that much, and with gzip
//! inflates whatever comes. So every page is looked at first.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

use super::kept::Kept;
use super::thrift::Thrift;

/// The directory at a file's end: some ten thousand column chunks.
const MAX_FOOTER_BYTES: usize = 16 << 20;
/// The head of a page, with its statistics.
const MAX_HEAD_BYTES: u64 = 64 << 10;
/// The largest page, inflated. Writers aim at one MiB.
const MAX_PAGE_BYTES: i64 = 32 << 20;

/// What was found.
#[derive(Debug)]
pub(super) struct Sizes {
    /// The most that a row has on average in a row group, inflated.
    pub(super) row_bytes: u64,
}

/// Whether the footer is one.
pub(super) fn check_footer(kept: &Kept) -> Result<(), String> {
    let broken = || "its end is no footer of Parquet".to_owned();
    let tail_at = kept.len().checked_sub(8).ok_or_else(broken)?;
    let tail = kept.bytes(tail_at, 8).map_err(|_| broken())?;
    let (Some(length), Some(magic)) = (tail.first_chunk::<4>(), tail.get(4..)) else { return Err(broken()) };
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err("it is encrypted".into()),
        _ => return Err(broken()),
    }
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_FOOTER_BYTES {
        return Err(format!("its footer claims {length} bytes; {MAX_FOOTER_BYTES} are read at most"));
    }
    let start = tail_at.checked_sub(length as u64).ok_or_else(broken)?;
    let footer = kept.bytes(start, length).map_err(|_| broken())?;
    Thrift::new(&footer).structure(|_, _, _| ()).ok_or_else(broken)
}

/// Looks at every page of every column.
pub(super) fn check(metadata: &ParquetMetaData, kept: &Kept) -> Result<Sizes, String> {
    let mut sizes = Sizes { row_bytes: 1 };
    for group in metadata.row_groups() {
        let (mut group_bytes, mut dictionary_bytes) = (0_u64, 0_u64);
        for column in group.columns() {
            let starts = [Some(column.data_page_offset()), column.dictionary_page_offset()];
            // Writers leave an offset of 0 where there is no dictionary.
            let start = starts.into_iter().flatten().filter(|start| *start > 0).min();
            let place = start.and_then(|start| u64::try_from(start).ok());
            let length = u64::try_from(column.compressed_size()).ok();
            let (Some(start), Some(length)) = (place, length) else {
                return Err("a column lies nowhere".into());
            };
            let end = start.checked_add(length).filter(|end| *end <= kept.len());
            let end = end.ok_or("a column lies beyond its end")?;
            let is_gzip = matches!(column.compression(), Compression::GZIP(_));
            let mut at = start;
            while at < end {
                let page = page(kept, at, end, is_gzip)?;
                group_bytes += page.inflated;
                if page.is_dictionary {
                    dictionary_bytes += page.inflated;
                }
                at = page.end;
            }
        }
        // At worst each row has the longest entry of each dictionary.
        let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
        sizes.row_bytes = sizes.row_bytes.max(group_bytes / rows).max(dictionary_bytes / 256);
    }
    Ok(sizes)
}

struct Page {
    inflated: u64,
    is_dictionary: bool,
    end: u64,
}

/// Fields of `PageHeader` (<https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>):
/// 1 type, 2 `uncompressed_page_size`, 3 `compressed_page_size`; in 8, the head of data of version 2, 5 and 6
/// are the lengths of the levels before them, which are not compressed.
fn page(kept: &Kept, at: u64, end: u64, is_gzip: bool) -> Result<Page, String> {
    let head_length = usize::try_from((end - at).min(MAX_HEAD_BYTES)).unwrap_or_default();
    let head = kept.bytes(at, head_length).map_err(|error| error.to_string())?;
    let (mut kind, mut inflated, mut stored, mut levels) = (-1, -1, -1, 0_i64);
    let mut thrift = Thrift::new(&head);
    let read = thrift.structure(|within, number, value| match (within, number) {
        (0, 1) => kind = value,
        (0, 2) => inflated = value,
        (0, 3) => stored = value,
        (8, 5 | 6) => levels = levels.saturating_add(value),
        _ => {}
    });
    read.ok_or("the head of a page cannot be read")?;
    if !(0..=MAX_PAGE_BYTES).contains(&inflated) {
        return Err(format!("a page claims {inflated} bytes; {MAX_PAGE_BYTES} are read at most"));
    }
    let stored = u64::try_from(stored).map_err(|_| "a page claims less than nothing")?;
    let body = at + thrift.at() as u64;
    let page_end = body.checked_add(stored).filter(|page_end| *page_end <= end);
    let page_end = page_end.ok_or("a page reaches beyond its column")?;
    let inflated = inflated.unsigned_abs();
    if is_gzip {
        let stored = kept.bytes(body, usize::try_from(stored).unwrap_or_default());
        let stored = stored.map_err(|error| error.to_string())?;
        let levels = usize::try_from(levels).map_err(|_| "a page claims less than nothing")?;
        let mut decoder = MultiGzDecoder::new(stored.get(levels..).unwrap_or_default()).take(inflated + 1);
        let mut count = 0;
        let mut buffer = vec![0; 64 << 10];
        // Where it is broken the library will say so.
        while let Ok(more @ 1..) = decoder.read(&mut buffer) {
            count += more as u64;
        }
        if count > inflated {
            return Err("a page inflates to more than it claims".into());
        }
    }
    Ok(Page { inflated, is_dictionary: kind == DICTIONARY_PAGE, end: page_end })
}

/// Of `PageType`.
const DICTIONARY_PAGE: i64 = 2;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What is wrong with the page at the beginning, in a column of gzip.
    pub(in super::super) fn page_problem(kept: &Kept, end: u64) -> Option<String> {
        page(kept, 0, end, true).err()
    }
}
