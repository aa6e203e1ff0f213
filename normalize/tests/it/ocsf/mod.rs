//! An OCSF validator: the schema's own sources, resolved, against documents.

mod check;
mod resolve;
mod tests;

pub(crate) use check::{Violation, check};
pub(crate) use resolve::Schema;
