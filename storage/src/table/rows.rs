//! Rows of several batches, ordered and gathered for a file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{Date32Type, Field, Int32Type, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use event::{COLUMNS, Col, EventBatch};

use super::partition::Partition;
use crate::Result;

/// Where a row lies. The order of the fields is the order of rows in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowRef {
    /// Its `time`.
    pub(crate) time: i64,
    /// The number of its batch.
    pub(crate) batch: u32,
    /// The number of the row in the batch.
    pub(crate) row: u32,
}

/// The columns of a data file: all but the partition's. Labels are dictionaries, which a Parquet file
/// does not show: they are written as plain text columns.
pub(crate) fn file_schema() -> SchemaRef {
    let fields: Vec<Field> = file_columns()
        .map(|col| Field::new(col.name(), col.column().kind.arrow_type(), !col.is_required()))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The columns of [`file_schema`], in order.
pub(crate) fn file_columns() -> impl Iterator<Item = Col> {
    let partition = Partition::columns();
    COLUMNS.iter().map(|column| column.col).filter(move |col| !partition.contains(&col.name()))
}

/// The file's columns of a batch.
pub(crate) fn to_file_columns(batch: &EventBatch) -> Result<RecordBatch> {
    let columns = file_columns().map(|col| batch.column(col).clone()).collect();
    Ok(RecordBatch::try_new(file_schema(), columns)?)
}

/// The rows of each partition, by time. Rows of the same time keep their order in the log.
pub(crate) fn by_partition(batches: &[EventBatch]) -> Vec<(Partition, Vec<RowRef>)> {
    let mut groups: HashMap<Partition, Vec<RowRef>> = HashMap::new();
    for (number, batch) in batches.iter().enumerate() {
        let times = batch.column(Col::Time).as_primitive::<TimestampMicrosecondType>().values();
        let days = batch.column(Col::EventDay).as_primitive::<Date32Type>().values();
        let providers = batch.label(Col::CloudProvider);
        let names = providers.values().as_string::<i32>();
        let mut run: Option<(i32, i32, Vec<RowRef>)> = None;
        let keys = providers.keys().values();
        for (row, ((time, day), key)) in times.iter().zip(days).zip(keys).enumerate() {
            let here = RowRef { time: *time, batch: number as u32, row: row as u32 };
            match &mut run {
                Some((of_day, of_key, rows)) if of_day == day && of_key == key => rows.push(here),
                other => {
                    if let Some((day, key, rows)) = other.replace((*day, *key, vec![here])) {
                        groups.entry(partition(day, key, names)).or_default().extend(rows);
                    }
                }
            }
        }
        if let Some((day, key, rows)) = run {
            groups.entry(partition(day, key, names)).or_default().extend(rows);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    for (_, rows) in &mut groups {
        rows.sort_unstable();
    }
    // The same files in the same order each time: the largest first, so that the cores end together.
    groups.sort_by(|(a, a_rows), (b, b_rows)| b_rows.len().cmp(&a_rows.len()).then_with(|| a.cmp(b)));
    groups
}

fn partition(day: i32, key: i32, names: &arrow::array::StringArray) -> Partition {
    let key = usize::try_from(key).unwrap_or(usize::MAX);
    Partition::new(day, if key < names.len() { names.value(key) } else { "" })
}

/// Copies `rows` out of `batches`, which all have `schema`.
pub(crate) fn gather(batches: &[RecordBatch], rows: &[RowRef], schema: &SchemaRef) -> Result<RecordBatch> {
    // Only the batches that take part: joining dictionaries costs by their size.
    let mut place: HashMap<u32, usize> = HashMap::new();
    let mut taking_part: Vec<&RecordBatch> = Vec::new();
    let mut indices: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
    let mut last = (u32::MAX, 0);
    for row in rows {
        if row.batch != last.0 {
            let known = place.get(&row.batch).copied();
            let at = known.unwrap_or(taking_part.len());
            if known.is_none() {
                taking_part.push(batches.get(row.batch as usize).ok_or_else(|| no_batch(row.batch))?);
                place.insert(row.batch, at);
            }
            last = (row.batch, at);
        }
        indices.push((last.1, row.row as usize));
    }
    if let Some(slice) = whole_slice(&taking_part, &indices) {
        return Ok(slice);
    }
    let columns = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(column, field)| {
            let parts: Vec<&dyn Array> =
                taking_part.iter().map(|batch| batch.column(column).as_ref()).collect();
            if field.is_nullable() && parts.iter().all(|part| part.null_count() == part.len()) {
                return Ok(new_null_array(field.data_type(), indices.len()));
            }
            interleave(&parts, &indices)
        })
        .collect::<std::result::Result<Vec<ArrayRef>, ArrowError>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The rows as a slice of the only batch, if they follow each other in it: no copy then.
fn whole_slice(batches: &[&RecordBatch], indices: &[(usize, usize)]) -> Option<RecordBatch> {
    let ([batch], Some((_, first))) = (batches, indices.first()) else { return None };
    let in_order = indices.iter().enumerate().all(|(at, (_, row))| *row == first + at);
    in_order.then(|| batch.slice(*first, indices.len()))
}

fn no_batch(number: u32) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("there is no batch {number}"))
}

/// The least and greatest number in an integer or time column.
pub(crate) fn bounds(array: &dyn Array) -> Option<(i64, i64)> {
    use arrow::compute::{max, min};
    use arrow::datatypes::Int64Type;
    if let Some(array) = array.as_primitive_opt::<Int32Type>() {
        return Some((min(array)?.into(), max(array)?.into()));
    }
    if let Some(array) = array.as_primitive_opt::<Int64Type>() {
        return Some((min(array)?, max(array)?));
    }
    let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((min(array)?, max(array)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::testing::{Row, batch};

    #[test]
    fn rows_fall_into_partitions_by_time() {
        const DAY: i64 = 86_400_000_000;
        let batches = [
            batch(&[
                Row { key: 1, offset: 0, time: DAY + 5, ..Row::default() },
                Row { key: 2, offset: 1, time: 3, ..Row::default() },
                Row { key: 3, offset: 2, time: DAY + 1, ..Row::default() },
            ]),
            batch(&[
                Row { key: 4, offset: 3, time: DAY + 1, ..Row::default() },
                Row { key: 5, offset: 4, time: DAY + 1, provider: "GCP", ..Row::default() },
            ]),
        ];
        let groups = by_partition(&batches);
        let show: Vec<_> = groups
            .iter()
            .map(|(partition, rows)| {
                (partition.to_string(), rows.iter().map(|row| (row.batch, row.row)).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            show,
            [
                ("1970-01-02 AWS".to_owned(), vec![(0, 2), (1, 0), (0, 0)]),
                ("1970-01-01 AWS".to_owned(), vec![(0, 1)]),
                ("1970-01-02 GCP".to_owned(), vec![(1, 1)]),
            ]
        );
        let files: Vec<_> = batches.iter().map(|batch| to_file_columns(batch).unwrap()).collect();
        let gathered = gather(&files, &groups[0].1, &file_schema()).unwrap();
        let offsets = gathered.column_by_name("log_offset").unwrap();
        let offsets = offsets.as_primitive::<arrow::datatypes::Int64Type>();
        assert_eq!(offsets.values(), &[2, 3, 0]);
        assert_eq!(bounds(offsets), Some((0, 3)));
        assert_eq!(bounds(gathered.column_by_name("time").unwrap()), Some((DAY + 1, DAY + 5)));
        assert_eq!(bounds(gathered.column_by_name("status_id").unwrap()), None);
    }
}
