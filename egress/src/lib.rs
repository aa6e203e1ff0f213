//! The only way out for what Stormglass sends to others: notifications, tickets, pages.
//!
//! A destination is judged by the address that a connection is made to, not by its name: names can be pointed
//! elsewhere between a check and its use. So the [`EgressPolicy`] is asked inside the name resolution of the
//! connection itself, for every address of an answer; what it refuses is not connected to.
//!
//! What is absent: redirects, proxies of the environment, unverified TLS, answers without bounds, addresses
//! and headers in errors.
//!
//! ```
//! use egress::{Client, EgressPolicy};
//!
//! # fn main() -> Result<(), egress::Error> {
//! let policy = EgressPolicy { allow: vec!["10.20.0.0/16".parse()?], ..EgressPolicy::default() };
//! let client = Client::new(policy)?;
//! # drop(client);
//! # Ok(())
//! # }
//! ```

mod address;
mod client;
mod error;
mod policy;
mod request;
mod resolver;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use error::{Error, Result};
pub use policy::{Allow, EgressPolicy};
pub use request::{ANSWER_BYTES, Answer, Method, Request};
pub use resolver::{Resolve, Resolving};
