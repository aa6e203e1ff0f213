//! TLS of what listens: certificates from files, read again while connections stay.

mod files;
mod listener;
mod reload;
mod serve;

pub(crate) use files::{TlsFiles, server_config};
pub(crate) use listener::{Listener, Peer};
pub(crate) use reload::Certificates;
pub(crate) use serve::{Limits, serve};
