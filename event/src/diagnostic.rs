//! One finding about a rule, mapping, configuration or query: where, what, and how to mend it.

use std::fmt;

use serde::Serialize;

/// How much a [`Diagnostic`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; nothing is refused.
    Warning,
    /// The thing was refused.
    Error,
}

/// A finding with its place; one renderer ([`fmt::Display`]) for terminal, API and editor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// The file as the user named it; empty for text that came from no file.
    pub file: String,
    /// Line, from 1; 0 where no line is known.
    pub line: u32,
    /// Column, from 1; 0 where no column is known.
    pub column: u32,
    /// The field, key or rule part meant, as a dotted path; may be empty.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it; may be empty.
    pub mend: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if self.column > 0 {
            write!(f, "{}:", self.column)?;
        }
        if !self.file.is_empty() || self.line > 0 {
            f.write_str(" ")?;
        }
        f.write_str(match self.level {
            Level::Warning => "warning: ",
            Level::Error => "error: ",
        })?;
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.problem)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_field_problem_and_mend() {
        let finding = Diagnostic {
            level: Level::Error,
            file: "rules/a.yml".into(),
            line: 7,
            column: 3,
            field: "detection.condition".into(),
            problem: "unknown identifier `sel`".into(),
            mend: "did you mean `selection`?".into(),
        };
        assert_eq!(
            finding.to_string(),
            "rules/a.yml:7:3: error: `detection.condition`: unknown identifier `sel`; did you mean `selection`?"
        );
    }
}
