//! The crate as its users see it: raw records in, rows and OCSF documents out.

mod hostile;
mod ocsf;
mod pairs;
mod records;
mod reference;
mod valid;
