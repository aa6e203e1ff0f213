//! The binary from outside: processes, HTTP, files, signals.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "tests may panic, and print what they found"
)]

mod access;
mod access_attacks;
mod agreement;
mod audit;
mod audit_keeping;
mod aws_files;
mod azure;
mod bad_input;
mod callbacks;
mod command_line;
mod contract;
mod corpus;
mod correlations;
mod described;
mod google;
mod http;
mod incident_work;
mod incidents;
mod kafka;
mod kafka_channel;
mod kill;
mod lists;
mod live;
mod mappings;
mod notify;
mod notify_reload;
mod object_store;
mod places;
mod pressure;
mod pulled;
mod push;
mod readers;
mod rule_tools;
mod running;
mod saas;
mod silences;
mod single_sign_on;
mod sources;
mod story;
mod syslog;
mod tls;
mod told;
mod trail;
mod triage;
