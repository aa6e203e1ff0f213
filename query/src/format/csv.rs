//! CSV that neither a parser nor a spreadsheet misunderstands.

use std::io::Write;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::{Error, Result};

/// Writes RFC 4180, with `\n` between records.
#[derive(Debug)]
pub(super) struct CsvWriter<W> {
    out: W,
    line: String,
}

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(mut out: W, schema: &Schema) -> Result<Self> {
        let mut line = String::new();
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            push_cell(&mut line, field.name(), true);
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        Ok(Self { out, line })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = options();
        let columns = batch
            .columns()
            .iter()
            .map(|column| Ok((ArrayFormatter::try_new(column, &options)?, is_text(column.data_type()))))
            .collect::<std::result::Result<Vec<_>, ArrowError>>()
            .map_err(|error| Error::Failed(error.to_string()))?;
        let mut cell = String::new();
        for row in 0..batch.num_rows() {
            self.line.clear();
            for (index, ((formatter, text), column)) in columns.iter().zip(batch.columns()).enumerate() {
                if index > 0 {
                    self.line.push(',');
                }
                if column.is_valid(row) {
                    cell.clear();
                    formatter.value(row).write(&mut cell).map_err(|error| Error::Failed(error.to_string()))?;
                    push_cell(&mut self.line, &cell, *text);
                }
            }
            self.line.push('\n');
            self.out.write_all(self.line.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}

/// Times as RFC 3339.
pub(super) fn options() -> FormatOptions<'static> {
    FormatOptions::new()
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
}

fn is_text(kind: &DataType) -> bool {
    !(kind.is_numeric() || kind.is_temporal() || matches!(kind, DataType::Boolean))
}

fn push_cell(line: &mut String, cell: &str, text: bool) {
    // Spreadsheets run what begins like this; a quote in front makes it text (OWASP, CSV injection).
    // The full-width forms count as the same signs in some of them.
    let formula = text && cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠']);
    if !formula && !cell.contains(['"', ',', '\n', '\r']) {
        line.push_str(cell);
        return;
    }
    line.push('"');
    if formula {
        line.push('\'');
    }
    line.push_str(&cell.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut line = String::new();
        push_cell(&mut line, text, true);
        line
    }

    #[test]
    fn cells_are_quoted_and_defused() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        for sign in ["+1", "-1", "@x", "\tx", "＝x"] {
            assert!(cell(sign).starts_with("\"'"), "{sign}");
        }
        let mut number = String::new();
        push_cell(&mut number, "-1", false);
        assert_eq!(number, "-1");
    }
}
