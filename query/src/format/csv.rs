//! Comma-separated values, RFC 4180.

use std::io::Write;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Format, names};
use crate::Result;

/// First characters that make a spreadsheet take a cell for a formula, the full-width ones included
/// (OWASP ASVS 1.2.10).
const FORMULA: [char; 13] = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '|', '＝', '＋', '－', '＠'];

pub(super) struct CsvWriter<W: Write> {
    sink: W,
    line: String,
    cell: String,
}

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(sink: W, schema: &SchemaRef) -> Result<Self> {
        let mut writer = Self { sink, line: String::new(), cell: String::new() };
        for (place, name) in names(schema).into_iter().enumerate() {
            if place > 0 {
                writer.line.push(',');
            }
            text_cell(&mut writer.line, name);
        }
        writer.end_line()?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = FormatOptions::default();
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| {
                Ok((column, ArrayFormatter::try_new(column, &options)?, is_typed(column.data_type())))
            })
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Format::Csv.failed(error))?;
        for row in 0..batch.num_rows() {
            for (place, (column, cells, typed)) in columns.iter().enumerate() {
                if place > 0 {
                    self.line.push(',');
                }
                if column.is_null(row) {
                    continue;
                }
                self.cell.clear();
                cells.value(row).write(&mut self.cell).map_err(|error| Format::Csv.failed(error))?;
                match typed {
                    true => self.line.push_str(&self.cell),
                    false => text_cell(&mut self.line, &self.cell),
                }
            }
            self.end_line()?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> W {
        self.sink
    }

    fn end_line(&mut self) -> Result<()> {
        // RFC 4180 says CR LF; what reads lines on Unix wants LF, and every spreadsheet takes it.
        self.line.push('\n');
        self.sink.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

/// Whether a type's text is made by us alone: numbers, times, flags. A negative number stays one.
fn is_typed(data_type: &DataType) -> bool {
    data_type.is_primitive() || *data_type == DataType::Boolean
}

/// Adds text, quoted where it must be. Empty text is `""`, null is nothing at all.
fn text_cell(line: &mut String, text: &str) {
    let formula = text.starts_with(FORMULA);
    let quoted = text.is_empty() || text.contains([',', '"', '\r', '\n', '\0']) || text != text.trim();
    if !quoted {
        if formula {
            line.push('\'');
        }
        line.push_str(text);
        return;
    }
    line.push('"');
    if formula {
        line.push('\'');
    }
    for part in text.split_inclusive('"') {
        line.push_str(part);
        if part.ends_with('"') {
            line.push('"');
        }
    }
    line.push('"');
}
