//! SQL over a real table of events and a real state database, by the crate's public API only.
//!
//! `world` makes them; the other modules ask.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod answers;
mod hints;
mod hostile;
mod limits;
mod pruning;
mod world;
