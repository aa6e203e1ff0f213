//! Columns for the eye.

use std::io::Write;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::ArrayFormatter;

use super::csv::options;
use crate::{Error, Result};

/// Wider tables are written one field a line.
const WIDTH: usize = 200;

/// A cell shows no more than this in a table.
const CELL: usize = 80;

/// Gathers all rows, because the widths of columns depend on them; answers have a limit of rows.
#[derive(Debug)]
pub(super) struct TableWriter<W> {
    out: W,
    schema: SchemaRef,
    rows: Vec<Vec<Option<String>>>,
}

impl<W: Write> TableWriter<W> {
    pub(super) fn new(out: W, schema: SchemaRef) -> Self {
        Self { out, schema, rows: Vec::new() }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = options();
        let failed = |error: ArrowError| Error::Failed(error.to_string());
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(failed)?;
        for row in 0..batch.num_rows() {
            let cells = formatters.iter().zip(batch.columns());
            let cells = cells.map(|(formatter, column)| {
                column.is_valid(row).then(|| visible(&formatter.value(row).to_string()))
            });
            self.rows.push(cells.collect());
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let widths: Vec<usize> = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let cells = self.rows.iter().filter_map(|row| row.get(index)?.as_ref());
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(name.chars().count())
            })
            .collect();
        let total: usize = widths.iter().map(|width| width.min(&CELL) + 2).sum();
        let text = if total <= WIDTH || self.rows.is_empty() {
            as_table(&names, &widths, &self.rows)
        } else {
            as_fields(&names, &self.rows)
        };
        self.out.write_all(text.as_bytes())?;
        let rows = self.rows.len();
        writeln!(self.out, "({rows} row{})", if rows == 1 { "" } else { "s" })?;
        Ok(self.out.flush()?)
    }
}

fn as_table(names: &[&str], widths: &[usize], rows: &[Vec<Option<String>>]) -> String {
    let mut text = String::new();
    let mut push = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(widths) {
            let width = (*width).min(CELL);
            let shown: String = if cell.chars().count() > CELL {
                cell.chars().take(CELL - 1).chain(['…']).collect()
            } else {
                cell.to_owned()
            };
            line.push_str(&format!("{shown:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push(&mut names.iter().copied());
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat((*width).min(CELL))).collect();
    push(&mut rule.iter().map(String::as_str));
    for row in rows {
        push(&mut row.iter().map(|cell| cell.as_deref().unwrap_or("")));
    }
    text
}

/// One field a line; empty ones are left out, because a whole event has a hundred.
fn as_fields(names: &[&str], rows: &[Vec<Option<String>>]) -> String {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&format!("--- row {} ---\n", number + 1));
        for (name, cell) in names.iter().zip(row) {
            if let Some(cell) = cell {
                text.push_str(&format!("{name:<width$}  {cell}\n"));
            }
        }
    }
    text
}

/// Makes control characters and those that reorder text visible: the cell is an attacker's to fill.
fn visible(text: &str) -> String {
    let bad = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(bad) {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if bad(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_shown_instead() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\n");
        assert_eq!(visible("plain é"), "plain é");
    }
}
