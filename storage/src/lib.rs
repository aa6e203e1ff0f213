//! Everything durable: the log, the events table, the state.

mod error;

pub mod dead_letter;
pub mod ledger;
pub mod log;
pub mod position;
pub mod seen;
pub mod state;
pub mod state_table;
pub mod table;

pub use error::{Error, Result};
