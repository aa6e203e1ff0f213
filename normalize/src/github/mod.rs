//! GitHub: the audit log of an organisation or enterprise.

pub(crate) mod audit;

mod action;
mod fields;
