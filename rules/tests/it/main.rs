//! The engine from outside: files in, matches out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic, and print what they found"
)]

mod corpus;
mod events;
mod explain;
mod glance;
mod lint;
mod load;
mod native;
mod network;
mod panther;
mod placeholder;
mod products;
mod reference;
mod sequence;
mod set;
mod shipped;
mod sigmahq;
mod specification;
mod streamalert;
mod truth;
mod wishes;
