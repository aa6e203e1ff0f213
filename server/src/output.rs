//! What goes to the terminal: results to standard output, everything else to standard error.

use std::io::{self, Write};
use std::process::ExitCode;

/// The exit code for wrong usage or configuration; other failures are 1.
pub(crate) const USAGE: u8 = 2;

/// An error of usage or configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Prints an error with its causes and gives the exit code.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    let mut text = String::from("stormglass: ");
    for (depth, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        // A cause that its parent quotes already is not said twice.
        if depth > 0 {
            if text.ends_with(&cause) {
                continue;
            }
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    say(&text);
    ExitCode::from(if error.is::<UsageError>() { USAGE } else { 1 })
}

/// A line to standard error, with control characters made visible: the text may quote a log.
pub(crate) fn say(line: &str) {
    let clean: String = line.chars().map(|c| if c == '\n' || c == '\t' { c } else { printable(c) }).collect();
    // Where standard error is closed there is nobody left to tell.
    drop(writeln!(io::stderr(), "{clean}"));
}

/// A line to standard output, as [`say`].
///
/// # Errors
/// The output is closed or full.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    let clean: String = line.chars().map(|c| if c == '\n' || c == '\t' { c } else { printable(c) }).collect();
    writeln!(io::stdout(), "{clean}")?;
    Ok(())
}

/// Control characters and those that reorder text as U+FFFD, so that a log line cannot drive a terminal.
fn printable(c: char) -> char {
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || reorders { '\u{fffd}' } else { c }
}

/// Whether the reader of our output has gone, as `head` does: no error for a Unix program.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Cells in columns, the first line as the head. The last column is not padded.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let shown: String = "a\u{1b}[31mb\u{202e}c\u{9b}d".chars().map(printable).collect();
        assert_eq!(shown, "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["A".into(), "B".into()], vec!["long".into(), "x".into()]];
        assert_eq!(columns(&rows), "A     B\nlong  x");
    }
}
