//! Syslog: frames of a stream ([`Framer`]), messages ([`parse`]), records ([`Message::record`]).
//!
//! RFC 5424 and RFC 3164 with what is met in the wild: RFC 3339 times in old messages, a year behind the
//! day, no host, no priority. Whatever a line is, it becomes a message: syslog has no way to refuse one.

mod frame;
mod message;
mod stamp;

pub use frame::{Frame, Framer};
pub use message::{Message, Origin, parse};
