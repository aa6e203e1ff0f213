//! How large the lists of a row may be.
//!
//! A list in a page of some bytes can have millions of values: the levels that say where rows begin are run
//! lengths, and values are references into a dictionary, whose longest entry each of them may be. All of a row is
//! in memory at once, so the levels are counted before rows are decoded, and a row that is too large damages the
//! file (<https://github.com/apache/parquet-format/blob/master/Encodings.md>).

use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::column::page::Page;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;

use super::Handle;
use super::kept::Kept;

/// The most that one row may have in lists.
const MAX_ROW_BYTES: u64 = 64 << 20;
/// What a value takes that is none of a dictionary, with what is kept beside it.
const LEAST_VALUE_BYTES: u64 = 16;

/// The most that a row has in a column of lists; 1 where there are no lists.
///
/// # Errors
/// A page cannot be read, or a row is too large.
pub(super) fn largest_row(kept: &Arc<Kept>) -> Result<u64, String> {
    let file = SerializedFileReader::new(Handle(kept.clone())).map_err(|error| error.to_string())?;
    let mut largest = 1;
    for number in 0..file.num_row_groups() {
        let group = file.get_row_group(number).map_err(|error| error.to_string())?;
        for column in 0..group.num_columns() {
            let described = group.metadata().schema_descr().column(column);
            let max_level = u16::try_from(described.max_rep_level()).unwrap_or(0);
            if max_level == 0 {
                continue;
            }
            let is_text = described.physical_type() == Type::BYTE_ARRAY;
            let mut rows = Rows { width: 16 - max_level.leading_zeros(), ..Rows::default() };
            let mut value_bytes = LEAST_VALUE_BYTES;
            let mut pages = group.get_column_page_reader(column).map_err(|error| error.to_string())?;
            while let Some(page) = pages.get_next_page().map_err(|error| error.to_string())? {
                match &page {
                    Page::DictionaryPage { buf, .. } if is_text => {
                        value_bytes = value_bytes.max(longest_entry(buf));
                    }
                    Page::DictionaryPage { .. } => {}
                    Page::DataPage { buf, num_values, rep_level_encoding, .. } => {
                        let length = buf.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
                        let levels = length.and_then(|length| buf.get(4..)?.get(..length));
                        // The levels of old are not counted: they may all be of one row.
                        let levels = levels.filter(|_| *rep_level_encoding == Encoding::RLE);
                        rows.add(levels.unwrap_or_default(), u64::from(*num_values));
                    }
                    Page::DataPageV2 { buf, num_values, rep_levels_byte_len, .. } => {
                        let levels = buf.get(..*rep_levels_byte_len as usize);
                        rows.add(levels.unwrap_or_default(), u64::from(*num_values));
                    }
                }
                // A value of no dictionary lies in its page, which is bounded.
                let row_bytes = rows.largest().saturating_mul(value_bytes);
                if row_bytes > MAX_ROW_BYTES {
                    return Err(format!(
                        "a row has a list of {} values of up to {value_bytes} bytes; {MAX_ROW_BYTES} bytes are \
                         read at most",
                        rows.largest()
                    ));
                }
                largest = largest.max(row_bytes);
            }
        }
    }
    Ok(largest)
}

/// The longest of a dictionary's texts: each is its length and its bytes.
fn longest_entry(mut dictionary: &[u8]) -> u64 {
    let mut longest = 0;
    while let Some((length, rest)) = dictionary.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        longest = longest.max(u64::from(length));
        // Where it is broken the library will say so.
        let Some(rest) = rest.get(length as usize..) else { break };
        dictionary = rest;
    }
    longest
}

/// Counts values until the next row begins, which is where a level is 0.
#[derive(Debug, Default)]
struct Rows {
    /// Bits of a level.
    width: u32,
    /// Values of the row that is open; rows go on over pages.
    open: u64,
    most: u64,
}

impl Rows {
    fn largest(&self) -> u64 {
        self.most.max(self.open)
    }

    /// Adds so many values with run lengths and packed bits as their levels. What the levels do not tell
    /// belongs to the row that is open.
    fn add(&mut self, mut levels: &[u8], mut values: u64) {
        while values > 0 {
            let Some(head) = varint(&mut levels) else { break };
            if head & 1 == 0 {
                let bytes = self.width.div_ceil(8) as usize;
                let Some(level) = levels.get(..bytes) else { break };
                let is_start = level.iter().all(|byte| *byte == 0);
                levels = levels.get(bytes..).unwrap_or_default();
                let run = (head >> 1).min(values);
                if run == 0 {
                    break;
                }
                match is_start {
                    true => {
                        self.most = self.most.max(self.open);
                        self.open = 1;
                    }
                    false => self.open = self.open.saturating_add(run),
                }
                values -= run;
                continue;
            }
            let bytes =
                usize::try_from((head >> 1).saturating_mul(u64::from(self.width))).unwrap_or(usize::MAX);
            let packed = levels.get(..bytes.min(levels.len())).unwrap_or_default();
            levels = levels.get(packed.len()..).unwrap_or_default();
            let count = (packed.len() as u64 * 8 / u64::from(self.width.max(1))).min(values);
            if count == 0 {
                break;
            }
            for place in 0..count {
                let first = place * u64::from(self.width);
                let is_start = (first..first + u64::from(self.width)).all(|bit| {
                    let byte = usize::try_from(bit / 8).ok().and_then(|byte| packed.get(byte));
                    byte.is_none_or(|byte| byte >> (bit % 8) & 1 == 0)
                });
                if is_start {
                    self.most = self.most.max(self.open);
                    self.open = 0;
                }
                self.open += 1;
            }
            values -= count;
        }
        self.open = self.open.saturating_add(values);
    }
}

/// A number of seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(pages: &[(&[u8], u64)]) -> u64 {
        let mut rows = Rows { width: 1, ..Rows::default() };
        for (levels, values) in pages {
            rows.add(levels, *values);
        }
        rows.largest()
    }

    #[test]
    fn values_of_a_row_are_counted_over_runs_and_pages() {
        // Runs: 5 rows of one value; one of 1 + 7; packed 0,1,1,0,1,1,1,1.
        assert_eq!(largest(&[(&[10, 0], 5)]), 1);
        assert_eq!(largest(&[(&[2, 0, 14, 1], 8)]), 8);
        assert_eq!(largest(&[(&[3, 0b1111_0110], 8)]), 5);
        // A row that goes on in the next page; what no level tells belongs to it.
        assert_eq!(largest(&[(&[2, 0, 14, 1], 8), (&[8, 1, 2, 0], 5)]), 12);
        assert_eq!(largest(&[(&[], 9)]), 9);
        // Seventy million values in five bytes.
        assert_eq!(largest(&[(&[2, 0, 0x80, 0x8c, 0xb2, 0x43, 1], 70_000_001)]), 70_000_001);
        assert_eq!(longest_entry(b"\x01\0\0\0a\x03\0\0\0bcd\x02\0\0\0"), 3);
    }
}
