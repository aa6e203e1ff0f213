//! A file of rules, as text.

/// A file that holds rules or mappings: one or more YAML documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSource {
    /// The file's name as the user knows it; it stands in diagnostics.
    pub path: String,
    /// Its text.
    pub text: String,
}
