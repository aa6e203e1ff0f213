//! The data files of the table.

use std::sync::Arc;

use chrono::DateTime;
use deltalake_core::kernel::{Add, LogicalFileView, Remove};
use event::{Col, Offset};
use object_store::path::Path;
use serde::Deserialize;

use super::partition::Partition;

/// One Parquet file, as the Delta log describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Where it lies, from the table's root.
    pub path: Path,
    /// The values of the columns that are not in the file.
    pub partition: Partition,
    /// Its rows; `None` if another engine wrote it without statistics.
    pub rows: Option<u64>,
    /// Its size.
    pub bytes: u64,
    /// When it was made, in milliseconds since 1970.
    pub modified_ms: i64,
    /// No row is earlier, in microseconds since 1970.
    pub min_time: Option<i64>,
    /// No row is later, in microseconds since 1970.
    pub max_time: Option<i64>,
    /// No row has a higher log offset.
    pub max_offset: Option<Offset>,
    /// The statistics as Delta writes them: JSON with `numRecords`, `minValues`, `maxValues`, `nullCount`.
    pub stats: Option<Arc<str>>,
}

/// What is read of a file's statistics.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Stats {
    num_records: Option<u64>,
    min_values: Bounds,
    max_values: Bounds,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Bounds {
    time: Option<String>,
    log_offset: Option<u64>,
}

impl DataFile {
    /// A file from the Delta log; `None` if its partition is not one of ours.
    pub(crate) fn from_view(view: &LogicalFileView) -> Option<Self> {
        let partition = Partition::from_values(&view.partition_values_map())?;
        let size = u64::try_from(view.size()).unwrap_or_default();
        Some(Self::new(view.object_store_path(), partition, size, view.modification_time(), view.stats()))
    }

    /// A file with its statistics as Delta writes them.
    pub(crate) fn new(
        path: Path,
        partition: Partition,
        bytes: u64,
        modified_ms: i64,
        stats: Option<String>,
    ) -> Self {
        let read: Stats =
            stats.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        Self {
            path,
            partition,
            rows: read.num_records,
            bytes,
            modified_ms,
            min_time: read.min_values.time.and_then(|text| micros(&text)),
            // Delta allows writers to cut a maximum down to its millisecond.
            max_time: read
                .max_values
                .time
                .and_then(|text| micros(&text))
                .map(|time| time.saturating_add(999)),
            max_offset: read.max_values.log_offset,
            stats: stats.map(Into::into),
        }
    }

    pub(crate) fn add_action(&self, data_change: bool) -> Add {
        Add {
            path: self.path.to_string(),
            partition_values: self.partition.values(),
            size: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            modification_time: self.modified_ms,
            data_change,
            stats: self.stats.as_deref().map(str::to_owned),
            ..Add::default()
        }
    }

    pub(crate) fn remove_action(&self, data_change: bool, now_ms: i64) -> Remove {
        Remove {
            path: self.path.to_string(),
            data_change,
            deletion_timestamp: Some(now_ms),
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition.values()),
            size: Some(i64::try_from(self.bytes).unwrap_or(i64::MAX)),
            ..Remove::default()
        }
    }
}

fn micros(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros())
}

// ---------------------------------------------------------------------------------------------

/// Columns that have their least and greatest value in the Delta log, so that other engines skip files.
pub(crate) const STATS_COLUMNS: [Col; 6] =
    [Col::Time, Col::MetadataLoggedTime, Col::LogOffset, Col::ClassUid, Col::SeverityId, Col::StatusId];

/// The bounds of one column over the rows of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Range {
    /// The least and the greatest value; `None`: all are null.
    pub(crate) bounds: Option<(i64, i64)>,
    /// Rows without a value.
    pub(crate) nulls: u64,
}

impl Range {
    /// Takes further rows in.
    pub(crate) fn add(&mut self, bounds: Option<(i64, i64)>, nulls: usize) {
        self.nulls += nulls as u64;
        self.bounds = match (self.bounds, bounds) {
            (Some((low, high)), Some((min, max))) => Some((low.min(min), high.max(max))),
            (one, other) => one.or(other),
        };
    }
}

/// The statistics of a file as Delta writes them (PROTOCOL.md, "Per-file Statistics").
pub(crate) fn stats_json(rows: usize, ranges: &[Range; STATS_COLUMNS.len()]) -> String {
    let mut min_values = serde_json::Map::new();
    let mut max_values = serde_json::Map::new();
    let mut null_count = serde_json::Map::new();
    for (col, range) in STATS_COLUMNS.iter().zip(ranges) {
        null_count.insert(col.name().to_owned(), range.nulls.into());
        let Some((min, max)) = range.bounds else { continue };
        let (min, max) = match col {
            // Times in milliseconds, rounded outwards: engines differ in how they read more digits.
            Col::Time | Col::MetadataLoggedTime => {
                let max = max.saturating_add(999).div_euclid(1000);
                let (Some(min), Some(max)) = (iso(min.div_euclid(1000)), iso(max)) else { continue };
                (min.into(), max.into())
            }
            _ => (min.into(), max.into()),
        };
        min_values.insert(col.name().to_owned(), min);
        max_values.insert(col.name().to_owned(), max);
    }
    serde_json::json!({
        "numRecords": rows, "minValues": min_values, "maxValues": max_values, "nullCount": null_count,
    })
    .to_string()
}

/// A time of four-digit year; others have no form that every engine reads, and then no statistics.
fn iso(millis: i64) -> Option<String> {
    let text = DateTime::from_timestamp_millis(millis)?.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    (text.len() == 24 && !text.starts_with('-')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ranges: [Range; STATS_COLUMNS.len()]) -> DataFile {
        DataFile::new(Path::from("x"), Partition::new(0, "AWS"), 1, 2, Some(stats_json(7, &ranges)))
    }

    #[test]
    fn bounds_hold_every_row() {
        let mut ranges = [Range::default(); STATS_COLUMNS.len()];
        ranges[0].add(Some((1_500_001, 1_600_001)), 0);
        ranges[0].add(None, 2);
        ranges[0].add(Some((-1, 7)), 0);
        ranges[2].add(Some((3, 9)), 0);
        let file = file(ranges);
        let stats = file.stats.as_deref().unwrap();
        assert!(stats.contains(r#""time":"1969-12-31T23:59:59.999Z""#), "{stats}");
        assert!(stats.contains(r#""time":"1970-01-01T00:00:01.601Z""#), "{stats}");
        assert_eq!((file.rows, file.max_offset), (Some(7), Some(9)));
        assert!(file.min_time.unwrap() <= -1 && file.max_time.unwrap() >= 1_600_001);
    }

    #[test]
    fn what_no_engine_reads_is_left_out() {
        let mut ranges = [Range::default(); STATS_COLUMNS.len()];
        ranges[0].add(Some((i64::MIN, i64::MAX)), 0);
        let file = file(ranges);
        assert_eq!((file.min_time, file.max_time), (None, None));
        assert!(!file.stats.as_deref().unwrap().contains("minValues\":{\"time"));
        for stats in
            [None, Some("{}".into()), Some("no json".into()), Some(r#"{"minValues":{"time":3}}"#.into())]
        {
            let file = DataFile::new(Path::from("x"), Partition::new(0, "AWS"), 1, 2, stats);
            assert_eq!((file.rows, file.min_time, file.max_offset), (None, None, None));
        }
    }
}
