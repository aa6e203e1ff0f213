//! A batch of events as Arrow columns.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

use crate::column::{COLUMNS, Col, Kind, arrow_schema, stored_schema};

/// Events as columns, in the schema of [`arrow_schema`]. Cloning is cheap: the columns are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBatch {
    batch: RecordBatch,
}

impl EventBatch {
    /// Takes a batch that has just been built with [`arrow_schema`].
    pub(crate) fn from_checked(batch: RecordBatch) -> Self {
        Self { batch }
    }

    /// No events.
    pub fn empty() -> Self {
        Self { batch: RecordBatch::new_empty(arrow_schema()) }
    }

    /// Takes rows read back from the table or from Arrow IPC: columns are found by name and cast.
    ///
    /// # Errors
    /// A required column is absent or a type cannot be cast.
    pub fn from_stored(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(COLUMNS.len());
        for column in COLUMNS {
            let target = column.kind.arrow_type();
            arrays.push(match batch.column_by_name(column.name) {
                Some(array) => cast(array, &target)?,
                None => arrow::array::new_null_array(&target, batch.num_rows()),
            });
        }
        Ok(Self { batch: RecordBatch::try_new(arrow_schema(), arrays)? })
    }

    /// The rows of all `batches`, in order.
    ///
    /// # Errors
    /// The columns together pass what an Arrow array can hold (2 GiB of text).
    pub fn concat(batches: &[Self]) -> Result<Self, ArrowError> {
        match batches {
            [] => Ok(Self::empty()),
            [one] => Ok(one.clone()),
            many => {
                let parts = many.iter().map(|part| &part.batch);
                Ok(Self { batch: arrow::compute::concat_batches(&arrow_schema(), parts)? })
            }
        }
    }

    /// The rows in the schema of the table ([`stored_schema`]).
    ///
    /// # Errors
    /// None in practice: a dictionary of text always casts to text.
    pub fn to_stored(&self) -> Result<RecordBatch, ArrowError> {
        let arrays = COLUMNS
            .iter()
            .zip(self.batch.columns())
            .map(|(column, array)| match column.kind {
                Kind::Label => cast(array, &column.kind.stored_type()),
                _ => Ok(array.clone()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(stored_schema(), arrays)
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The Arrow batch.
    pub fn record_batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// A column as it is.
    pub fn column(&self, col: Col) -> &ArrayRef {
        self.batch.column(col as usize)
    }

    /// A label column.
    ///
    /// # Panics
    /// The column is not of [`Kind::Label`].
    pub fn label(&self, col: Col) -> &DictionaryArray<Int32Type> {
        self.column(col).as_dictionary()
    }

    /// A text or JSON column.
    ///
    /// # Panics
    /// The column is neither of [`Kind::Text`] nor of [`Kind::Json`].
    pub fn text(&self, col: Col) -> &StringArray {
        self.column(col).as_string()
    }

    /// The text in a label, text or JSON column; `None` for null and for other kinds of column.
    pub fn str_at(&self, col: Col, row: usize) -> Option<&str> {
        match col.column().kind {
            Kind::Label => {
                let labels = self.label(col);
                let key = usize::try_from(*labels.keys().values().get(row)?).ok()?;
                let values = labels.values().as_string::<i32>();
                (labels.is_valid(row) && key < values.len()).then(|| values.value(key))
            }
            Kind::Text | Kind::Json => {
                let texts = self.text(col);
                (row < texts.len() && texts.is_valid(row)).then(|| texts.value(row))
            }
            _ => None,
        }
    }

    /// The number in an integer, time or day column; `None` for null and for other kinds.
    pub fn int_at(&self, col: Col, row: usize) -> Option<i64> {
        use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
        let array = self.column(col);
        if row >= array.len() || array.is_null(row) {
            return None;
        }
        match col.column().kind {
            Kind::Int => Some(array.as_primitive::<Int32Type>().value(row).into()),
            Kind::Long => Some(array.as_primitive::<Int64Type>().value(row)),
            Kind::Time => Some(array.as_primitive::<TimestampMicrosecondType>().value(row)),
            Kind::Day => Some(array.as_primitive::<Date32Type>().value(row).into()),
            _ => None,
        }
    }

    /// The number in a column of fractions; `None` for null and for other kinds.
    pub fn float_at(&self, col: Col, row: usize) -> Option<f64> {
        let array = self.column(col).as_primitive_opt::<arrow::datatypes::Float64Type>()?;
        (row < array.len() && array.is_valid(row)).then(|| array.value(row))
    }

    /// The flag in a true-or-false column; `None` for null and for other kinds.
    pub fn flag_at(&self, col: Col, row: usize) -> Option<bool> {
        let array = self.column(col).as_boolean_opt()?;
        (row < array.len() && array.is_valid(row)).then(|| array.value(row))
    }

    /// The rows where `keep` is true.
    ///
    /// # Errors
    /// `keep` has another length.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self, ArrowError> {
        Ok(Self { batch: filter_record_batch(&self.batch, keep)? })
    }
}
