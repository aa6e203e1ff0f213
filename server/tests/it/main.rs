//! The binary from outside: processes, HTTP, files, signals.

mod bad_input;
mod command_line;
mod corpus;
mod http;
mod kill;
mod readers;
mod running;
mod story;
