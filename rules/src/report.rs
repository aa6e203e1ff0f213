//! Gathers the findings about one file.

use event::{Diagnostic, Level};

use crate::sigma::yaml::Position;

/// The findings about one file, and whether the document at hand is still sound.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
}

impl Report {
    /// Nothing found yet in `file`.
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), diagnostics: Vec::new(), errors: 0 }
    }

    /// The document is refused.
    pub(crate) fn error(
        &mut self,
        at: Position,
        field: &str,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.errors += 1;
        self.add(Level::Error, at, field, problem.into(), mend.into());
    }

    /// Worth knowing; the document stays.
    pub(crate) fn warning(
        &mut self,
        at: Position,
        field: &str,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(Level::Warning, at, field, problem.into(), mend.into());
    }

    fn add(&mut self, level: Level, at: Position, field: &str, problem: String, mend: String) {
        let (line, column) = (at.line, at.column);
        let found = Diagnostic {
            level,
            file: self.file.clone(),
            line,
            column,
            field: field.to_owned(),
            problem,
            mend,
        };
        // A rule that is read for several log types would say the same for each.
        if !self.diagnostics.contains(&found) {
            self.diagnostics.push(found);
        }
    }

    /// The file as the user named it.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The number of errors so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// The findings in the order of discovery.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }
}
