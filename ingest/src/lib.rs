//! Where records come from, and how bytes become records.
mod split;
pub use split::{KEPT_BYTES, LISTS, Splitter};
