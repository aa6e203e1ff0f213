//! Cells of a batch that are filled after their record was mapped.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::error::ArrowError;

use crate::{Col, EventBatch};

impl EventBatch {
    /// The texts of a label column, and for each row which of them it has. Texts may be there that no row has.
    ///
    /// # Panics
    /// The column is not of [`Kind::Label`](crate::Kind::Label).
    pub fn labels_of(&self, col: Col) -> (Vec<&str>, Vec<Option<usize>>) {
        let labels = self.label(col);
        let texts = labels.values().as_string::<i32>();
        let texts = (0..texts.len()).map(|at| texts.value(at)).collect();
        let rows = labels.keys().iter().map(|key| key.and_then(|key| usize::try_from(key).ok()));
        (texts, rows.collect())
    }

    /// Whether no row has a value.
    pub fn is_blank(&self, col: Col) -> bool {
        let array = self.column(col);
        array.logical_null_count() == array.len()
    }

    /// Fills empty cells of a label column: `rows` says of each row which of `texts` is for it. A cell that has
    /// a value keeps it.
    ///
    /// # Errors
    /// `rows` has another length than the batch.
    ///
    /// # Panics
    /// The column is not of [`Kind::Label`](crate::Kind::Label).
    pub fn fill_labels(
        &mut self,
        col: Col,
        texts: &[Option<&str>],
        rows: &[Option<usize>],
    ) -> Result<(), ArrowError> {
        let (mut all, own) = self.labels_of(col);
        let mut known: HashMap<&str, usize> = all.iter().copied().zip(0..).collect();
        let mut keys = Vec::with_capacity(texts.len());
        for text in texts {
            keys.push(text.map(|text| {
                *known.entry(text).or_insert_with(|| {
                    all.push(text);
                    all.len() - 1
                })
            }));
        }
        let filled = |row: &Option<usize>| row.and_then(|row| keys.get(row).copied().flatten());
        let keys = own.iter().zip(rows).map(|(own, row)| {
            let key = own.or_else(|| filled(row));
            key.and_then(|key| i32::try_from(key).ok())
        });
        let keys: Int32Array = keys.collect();
        let column = DictionaryArray::try_new(keys, Arc::new(StringArray::from(all)))?;
        self.replace(col, Arc::new(column))
    }

    /// As [`fill_labels`](Self::fill_labels), for a column of fractions.
    ///
    /// # Errors
    /// `rows` has another length than the batch.
    ///
    /// # Panics
    /// The column is not of [`Kind::Float`](crate::Kind::Float).
    pub fn fill_floats(
        &mut self,
        col: Col,
        values: &[Option<f64>],
        rows: &[Option<usize>],
    ) -> Result<(), ArrowError> {
        let filled = |row: &Option<usize>| row.and_then(|row| values.get(row).copied().flatten());
        let own = self.column(col).as_primitive::<Float64Type>();
        let column: Float64Array =
            own.iter().zip(rows).map(|(own, row)| own.or_else(|| filled(row))).collect();
        self.replace(col, Arc::new(column))
    }

    /// As [`fill_labels`](Self::fill_labels), for a column of 64-bit integers.
    ///
    /// # Errors
    /// `rows` has another length than the batch.
    ///
    /// # Panics
    /// The column is not of [`Kind::Long`](crate::Kind::Long).
    pub fn fill_longs(
        &mut self,
        col: Col,
        values: &[Option<i64>],
        rows: &[Option<usize>],
    ) -> Result<(), ArrowError> {
        let filled = |row: &Option<usize>| row.and_then(|row| values.get(row).copied().flatten());
        let own = self.column(col).as_primitive::<Int64Type>();
        let column: Int64Array = own.iter().zip(rows).map(|(own, row)| own.or_else(|| filled(row))).collect();
        self.replace(col, Arc::new(column))
    }

    fn replace(&mut self, col: Col, column: ArrayRef) -> Result<(), ArrowError> {
        let batch = self.record_batch();
        let columns = batch.columns().iter().enumerate();
        let columns = columns.map(|(at, own)| if at == col as usize { column.clone() } else { own.clone() });
        let filled = RecordBatch::try_new(batch.schema(), columns.collect())?;
        *self = Self::from_checked(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventBuilder;

    fn batch(countries: &[Option<&str>]) -> EventBatch {
        let mut builder = EventBuilder::new();
        for country in countries {
            if let Some(country) = country {
                builder.text(Col::SrcEndpointLocationCountry, country);
            }
            builder.finish_row();
        }
        builder.finish_partial().unwrap()
    }

    #[test]
    fn empty_cells_are_filled_and_others_kept() {
        let mut events = batch(&[Some("DE"), None, None, Some("FR"), None]);
        assert!(events.is_blank(Col::SrcEndpointLocationCity));
        let texts = [Some("FR"), Some("AU"), None];
        let rows = [Some(1), Some(0), Some(1), None, Some(2)];
        events.fill_labels(Col::SrcEndpointLocationCountry, &texts, &rows).unwrap();
        events.fill_labels(Col::SrcEndpointLocationCity, &texts, &[None; 5]).unwrap();
        let country = |row| events.str_at(Col::SrcEndpointLocationCountry, row);
        assert_eq!(
            (0..5).map(country).collect::<Vec<_>>(),
            [Some("DE"), Some("FR"), Some("AU"), Some("FR"), None]
        );
        // A text is there once, whoever wrote it.
        let (texts, rows) = events.labels_of(Col::SrcEndpointLocationCountry);
        assert_eq!((texts, rows), (vec!["DE", "FR", "AU"], vec![Some(0), Some(1), Some(2), Some(1), None]));
        assert!(
            events.is_blank(Col::SrcEndpointLocationCity)
                && !events.is_blank(Col::SrcEndpointLocationCountry)
        );
        events
            .fill_floats(Col::SrcEndpointLocationLat, &[Some(1.5)], &[Some(0), None, None, Some(7), None])
            .unwrap();
        events.fill_floats(Col::SrcEndpointLocationLat, &[Some(2.5)], &[Some(0); 5]).unwrap();
        let lat = |row| events.float_at(Col::SrcEndpointLocationLat, row);
        assert_eq!((lat(0), lat(1)), (Some(1.5), Some(2.5)));
        events.fill_longs(Col::SrcEndpointAsn, &[Some(64_500)], &[None, Some(0), None, None, None]).unwrap();
        assert_eq!(events.int_at(Col::SrcEndpointAsn, 1), Some(64_500));
        assert!(events.fill_longs(Col::SrcEndpointAsn, &[], &[]).is_err());
        assert_eq!(events.len(), 5);
    }
}
