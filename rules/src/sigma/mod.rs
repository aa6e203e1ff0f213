//! Sigma documents as written: YAML into an AST that knows the line of every part.
//!
//! Nothing here knows a log or a column; what the words mean is found in `check`.

pub(crate) mod yaml;
