//! How events lie in a Parquet file.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use event::{Col, Kind};
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::config::TableConfig;
use super::data_file::{Range, STATS_COLUMNS, stats_json};
use super::rows::{bounds, file_columns, file_schema};
use crate::Result;

/// The start of `created_by` in the footer.
const CREATED_BY: &str = "stormglass";
/// The start of the names of our files: they are sorted by time.
const OWN_NAMES: &str = "events-";

/// Columns in which an analyst looks for one value: a bloom filter tells which row groups lack it.
const NEEDLES: [Col; 9] = [
    Col::EventUid,
    Col::MetadataUid,
    Col::ActorUserName,
    Col::ActorUserUid,
    Col::ActorUserCredentialUid,
    Col::SrcEndpointIp,
    Col::ApiRequestUid,
    Col::UserName,
    Col::ResourceUid,
];

/// Columns whose least and greatest value are kept for every page, so that reading skips pages.
const PAGE_STATISTICS: [Col; 14] = [
    Col::Time,
    Col::MetadataLoggedTime,
    Col::LogOffset,
    Col::ClassUid,
    Col::ActivityId,
    Col::SeverityId,
    Col::StatusId,
    Col::LogType,
    Col::Source,
    Col::ApiOperation,
    Col::ApiServiceName,
    Col::CloudAccountUid,
    Col::ActorUserName,
    Col::SrcEndpointIp,
];

/// Longest text in statistics, in bytes.
const STATISTICS_BYTES: usize = 64;

fn properties(config: &TableConfig, rows: usize) -> Result<WriterProperties> {
    let group_rows = config.row_group_rows.max(1);
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("{CREATED_BY} {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(config.zstd_level)?))
        .set_max_row_group_row_count(Some(group_rows))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(sorted_by_time());
    for col in file_columns() {
        builder = column_properties(builder, col, rows.min(group_rows));
    }
    Ok(builder.build())
}

fn column_properties(
    mut builder: WriterPropertiesBuilder,
    col: Col,
    group_rows: usize,
) -> WriterPropertiesBuilder {
    let path = || ColumnPath::from(col.name());
    builder = match (col, col.column().kind) {
        // Rising numbers: the steps are small.
        (Col::Time | Col::LogOffset, _) => builder
            .set_column_dictionary_enabled(path(), false)
            .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED),
        // Mostly distinct: a dictionary would be built and thrown away, statistics would name one row.
        (_, Kind::Text | Kind::Json) => builder
            .set_column_dictionary_enabled(path(), false)
            .set_column_encoding(path(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
            .set_column_statistics_enabled(path(), EnabledStatistics::None),
        _ => builder,
    };
    if PAGE_STATISTICS.contains(&col) {
        builder = builder.set_column_statistics_enabled(path(), EnabledStatistics::Page);
    }
    if NEEDLES.contains(&col) {
        // Sized for a row group of distinct values; the writer folds it down to what came.
        builder = builder
            .set_column_bloom_filter_max_ndv(path(), group_rows.max(64) as u64)
            .set_column_bloom_filter_fpp(path(), 0.01);
    }
    builder
}

fn sorted_by_time() -> Option<Vec<SortingColumn>> {
    let place = file_columns().position(|col| col == Col::Time)?;
    let column_idx = i32::try_from(place).ok()?;
    Some(vec![SortingColumn { column_idx, descending: false, nulls_first: false }])
}

/// Writes one file; the rows must come sorted by time.
pub(crate) struct FileWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    /// The places of [`STATS_COLUMNS`] in the file's schema.
    places: [usize; STATS_COLUMNS.len()],
    ranges: [Range; STATS_COLUMNS.len()],
    rows: usize,
}

impl<W: Write + Send> FileWriter<W> {
    /// A writer into `sink` for about `rows` rows of [`file_schema`].
    pub(crate) fn new(sink: W, config: &TableConfig, rows: usize) -> Result<Self> {
        let schema: SchemaRef = file_schema();
        // Without the Arrow schema in the footer a reader takes the Parquet types: plain text.
        let options = ArrowWriterOptions::new()
            .with_properties(properties(config, rows)?)
            .with_skip_arrow_metadata(true);
        let place = |col: Col| file_columns().position(|other| other == col).unwrap_or_default();
        Ok(Self {
            writer: ArrowWriter::try_new_with_options(sink, schema, options)?,
            places: STATS_COLUMNS.map(place),
            ranges: [Range::default(); STATS_COLUMNS.len()],
            rows: 0,
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for (place, range) in self.places.iter().zip(&mut self.ranges) {
            if let Some(column) = batch.columns().get(*place) {
                range.add(bounds(column), column.null_count());
            }
        }
        self.rows += batch.num_rows();
        Ok(self.writer.write(batch)?)
    }

    /// The sink, for taking out what is complete. Nothing may be written to it.
    pub(crate) fn sink(&mut self) -> &mut W {
        self.writer.inner_mut()
    }

    /// Writes the footer; gives the sink and the file's statistics for the Delta log.
    pub(crate) fn finish(self) -> Result<(W, String)> {
        let stats = stats_json(self.rows, &self.ranges);
        Ok((self.writer.into_inner()?, stats))
    }
}

/// A name that no other file has.
pub(crate) fn new_name() -> String {
    format!("{OWN_NAMES}{}.zstd.parquet", uuid::Uuid::new_v4())
}

/// Whether [`new_name`] made the name of this file.
pub(crate) fn is_own_name(path: &Path) -> bool {
    path.filename().is_some_and(|name| name.starts_with(OWN_NAMES))
}
