//! An OCSF validator: the schema's own sources, resolved, against documents.

mod check;
mod resolve;

pub use check::{Violation, check};
pub use resolve::Schema;
