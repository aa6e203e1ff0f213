//! Sigma documents as written: YAML into an AST that knows the line of every part.
//!
//! Nothing here knows a log or a column; what the words mean is found in `check`.

pub(crate) mod condition;
pub(crate) mod correlation;
pub(crate) mod detection;
pub(crate) mod document;
pub(crate) mod filter;
pub(crate) mod head;
mod level;
pub(crate) mod modifier;
pub(crate) mod pattern;
pub(crate) mod rule;
pub(crate) mod yaml;

pub use level::{Level, Status};
