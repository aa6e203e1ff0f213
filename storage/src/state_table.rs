//! A table of the state database as SQL shows it.

/// What SQL sees of some table of the state; whoever owns the table describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTable {
    /// Its name in SQL.
    pub name: &'static str,
    /// A SELECT over the state database that gives [`columns`](Self::columns) by their names.
    pub sql: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, StateColumn)],
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateColumn {
    /// Text.
    Text,
    /// 64-bit integer.
    Integer,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Time,
}
