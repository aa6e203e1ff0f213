//! The whole way of events over a real log, table and state.
//!
//! `running` opens the parts as the server does; `books` compares what came out with what went in.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod books;
mod correlation;
mod crash;
mod dead_letters;
mod duplicates;
mod identity;
mod kills;
mod once;
mod pressure;
mod pull;
mod records;
mod retention;
mod running;
mod trouble;
mod upkeep;
