//! The crate as its users see it: raw records in, rows and OCSF documents out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic, and print what they found"
)]

mod custom;
mod hostile;
mod ocsf;
mod pairs;
mod records;
mod reference;
mod valid;
