//! The embedded log: raw records, durable before their source is told so, in offset order.
//!
//! The files are described in `docs/log-format.md`: segments named by their first offset, in them
//! frames, one for each batch, each with checksums of its own.
//!
//! - [`Log::append`] returns after the sync. One thread writes; what is queued while a sync runs goes
//!   into the next write as a group.
//! - [`LogReader`] hands out the batches again, in order, never more than is durable.
//! - [`Log::trim`] deletes segments that every consumer has passed. A log that reaches its size holds
//!   its sources back.
//! - A failed write or sync poisons the log: it is read on, but takes no more until it is opened
//!   again. A full disk does not; senders wait until there is space.
//!
//! What must not happen, and has its test: an acknowledged record is lost or doubled; an offset is
//! given out twice; a damaged record is handed out as if it were whole; damage passes in silence.

mod active;
mod bytes_at;
mod compression;
mod config;
mod decode;
mod entry;
mod frame;
mod frame_header;
mod fs;
mod handle;
mod lock;
mod lost;
mod meta;
mod open_log;
mod queue;
mod reader;
mod recovery;
mod scan;
mod segment_header;
mod segments;
mod stats;
#[cfg(test)]
mod tests;
mod trim;
mod writer;

pub use config::LogConfig;
pub use decode::{Decoded, decode_frames};
pub use entry::{LOST_SOURCE, LogEntry};
pub use handle::Log;
pub use lock::Holder;
pub use reader::LogReader;
pub use recovery::{Damage, Recovery};
pub use stats::LogStats;
