//! The nouns that every room of Stormglass shares: OCSF columns, batches of events, raw records, ids.
//!
//! An event is one row of an [`EventBatch`]: an Arrow record batch whose columns are OCSF 1.8.0
//! attributes laid flat ([`Col`]). A column's name is its OCSF path with `_` for `.`:
//! `actor.user.name` is `actor_user_name`. What a cloud wrote is never thrown away: `raw_data` holds
//! the record, `unmapped` what no column took.
//!
//! This crate is pure: no clock, no file, no socket, no thread. It knows no cloud and no rule language.

mod batch;
mod builder;
mod column;
mod diagnostic;
mod document;
mod fate;
mod fill;
mod json_block;
mod json_text;
mod labels;
mod log_type;
mod outline;
mod raw;
mod uid;
#[cfg(target_arch = "x86_64")]
mod vector_block;

pub use arrow::error::ArrowError;
pub use batch::EventBatch;
pub use builder::EventBuilder;
pub use column::{COLUMNS, Col, Column, Kind, OCSF_VERSION, arrow_schema, stored_schema};
pub use diagnostic::{Diagnostic, Level};
pub use document::ocsf_document;
pub use fate::Fate;
pub use json_block::JsonBlock;
pub use json_text::{JsonSink, JsonText};
pub use log_type::{LogType, Provider};
pub use outline::{MAX_DEPTH, MAX_KEYS, MAX_NUMBER_CHARS, OUTLINED_MEMBER, OuterKey, outline};
pub use raw::{Offset, RawBatch, RawBatchBuilder, RawRecord, SourceId};
pub use uid::{EventKey, EventUid};
