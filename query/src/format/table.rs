//! Columns for the eye.
//!
//! Widths follow from the first rows, which are held back for that; later rows that are wider are cut.
//! Where columns do not fit next to each other, rows are written one under the other.

use std::io::Write;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::visible::{push_visible, text_width, width};
use super::{Format, names};
use crate::Result;

/// A terminal of unknown width.
const DEFAULT_WIDTH: usize = 160;
/// Rows whose widths count.
const SAMPLE_ROWS: usize = 1_000;
/// Characters of a cell that are looked at when columns are laid out; more never fit.
const MAX_CELL_CHARS: usize = 2_000;
/// A column is not made narrower than this to make room for others.
const LEAST_WIDTH: usize = 8;

pub(super) struct TableWriter<W: Write> {
    sink: W,
    heads: Vec<String>,
    /// Whether a column's cells stand at its right edge.
    right: Vec<bool>,
    width: usize,
    /// Rows held back until the layout is known.
    sample: Vec<Vec<Option<String>>>,
    layout: Option<Layout>,
    rows: u64,
}

enum Layout {
    /// Next to each other, in these widths.
    Columns(Vec<usize>),
    /// A line for each value.
    Records,
}

impl<W: Write> TableWriter<W> {
    pub(super) fn new(sink: W, schema: &SchemaRef) -> Self {
        let heads = names(schema).into_iter().map(|name| visible(name, MAX_CELL_CHARS)).collect();
        let numeric = |data_type: &DataType| data_type.is_numeric();
        let right = schema.fields().iter().map(|field| numeric(field.data_type())).collect();
        Self { sink, heads, right, width: DEFAULT_WIDTH, sample: Vec::new(), layout: None, rows: 0 }
    }

    pub(super) fn set_width(&mut self, columns: usize) {
        self.width = columns.max(LEAST_WIDTH);
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = FormatOptions::default();
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| Ok((column, ArrayFormatter::try_new(column, &options)?)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Format::Table.failed(error))?;
        for row in 0..batch.num_rows() {
            let cells = columns
                .iter()
                .map(|(column, cells)| {
                    let cell = column.is_valid(row).then(|| cells.value(row).try_to_string()).transpose()?;
                    Ok(cell.map(|cell| visible(&cell, self.longest())))
                })
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| Format::Table.failed(error))?;
            self.row(cells)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W> {
        self.lay_out()?;
        let plural = if self.rows == 1 { "" } else { "s" };
        writeln!(self.sink, "({} row{plural})", self.rows)?;
        Ok(self.sink)
    }

    /// Characters of a value that are worth keeping: in records, values are shown whole.
    fn longest(&self) -> usize {
        match self.layout {
            Some(Layout::Columns(_)) => MAX_CELL_CHARS,
            _ => usize::MAX,
        }
    }

    fn row(&mut self, cells: Vec<Option<String>>) -> Result<()> {
        if self.layout.is_some() {
            return self.write_row(&cells);
        }
        self.sample.push(cells);
        if self.sample.len() >= SAMPLE_ROWS { self.lay_out() } else { Ok(()) }
    }

    /// Decides the layout and writes what was held back.
    fn lay_out(&mut self) -> Result<()> {
        if self.layout.is_some() {
            return Ok(());
        }
        let layout = layout(&self.heads, &self.sample, self.width);
        if let Layout::Columns(widths) = &layout {
            let heads: Vec<_> = self.heads.iter().map(|head| Some(head.clone())).collect();
            let head = line(&heads, widths, &self.right);
            let rule: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
            writeln!(self.sink, "{}\n{}", head.trim_end(), rule.join("  "))?;
        }
        self.layout = Some(layout);
        for cells in std::mem::take(&mut self.sample) {
            self.write_row(&cells)?;
        }
        Ok(())
    }

    fn write_row(&mut self, cells: &[Option<String>]) -> Result<()> {
        self.rows += 1;
        if let Some(Layout::Columns(widths)) = &self.layout {
            writeln!(self.sink, "{}", line(cells, widths, &self.right).trim_end())?;
            return Ok(());
        }
        writeln!(self.sink, "── row {}", self.rows)?;
        let name_width = self.heads.iter().map(|head| text_width(head)).max().unwrap_or(0);
        for (head, cell) in self.heads.iter().zip(cells) {
            // Most of a hundred columns are null in any one event.
            let Some(cell) = cell else { continue };
            writeln!(self.sink, "{head}{}  {cell}", " ".repeat(name_width - text_width(head)))?;
        }
        Ok(())
    }
}

fn visible(text: &str, longest: usize) -> String {
    let cut = text.char_indices().nth(longest).map_or(text, |(at, _)| text.get(..at).unwrap_or(text));
    let mut out = String::with_capacity(cut.len());
    push_visible(&mut out, cut);
    out
}

fn layout(heads: &[String], sample: &[Vec<Option<String>>], total: usize) -> Layout {
    let mut widths: Vec<usize> = heads.iter().map(|head| text_width(head).max(1)).collect();
    for row in sample {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.as_deref().map_or(0, text_width));
        }
    }
    let gaps = heads.len().saturating_sub(1) * 2;
    let least: usize = widths.iter().map(|width| (*width).min(LEAST_WIDTH)).sum();
    if least + gaps > total {
        return Layout::Records;
    }
    let mut left = total - gaps;
    // The narrow ones get what they need, the others share the rest.
    let mut by_width: Vec<usize> = widths.clone();
    by_width.sort_unstable();
    let mut share = usize::MAX;
    for (done, width) in by_width.iter().enumerate() {
        let even = left / (by_width.len() - done);
        if *width > even {
            share = even;
            break;
        }
        left -= width;
    }
    Layout::Columns(widths.into_iter().map(|width| width.min(share.max(1))).collect())
}

fn line(cells: &[Option<String>], widths: &[usize], right: &[bool]) -> String {
    let mut line = String::new();
    for (place, ((cell, width), right)) in cells.iter().zip(widths).zip(right).enumerate() {
        if place > 0 {
            line.push_str("  ");
        }
        let (cell, taken) = fitted(cell.as_deref().unwrap_or_default(), *width);
        let blank = " ".repeat(width - taken);
        if *right {
            line.push_str(&blank);
            line.push_str(&cell);
        } else {
            line.push_str(&cell);
            line.push_str(&blank);
        }
    }
    line
}

/// The text, cut where it is wider than `room`, and its width.
fn fitted(text: &str, room: usize) -> (String, usize) {
    let whole = text_width(text);
    if whole <= room {
        return (text.to_owned(), whole);
    }
    let mut cut = String::new();
    let mut taken = 0;
    for c in text.chars() {
        if taken + width(c) + 1 > room {
            break;
        }
        taken += width(c);
        cut.push(c);
    }
    cut.push('…');
    (cut, taken + 1)
}
