//! The binary from outside: processes, HTTP, files, signals.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "tests may panic, and print what they found"
)]

mod aws_files;
mod azure;
mod bad_input;
mod callbacks;
mod command_line;
mod corpus;
mod correlations;
mod google;
mod http;
mod kafka;
mod kill;
mod mappings;
mod object_store;
mod pressure;
mod pulled;
mod push;
mod readers;
mod rule_tools;
mod running;
mod saas;
mod sources;
mod story;
mod syslog;
mod trail;
