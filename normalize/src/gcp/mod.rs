//! Google Cloud: the four Cloud Audit Logs, VPC flows ([`vpc_flow`]) and Cloud VPN ([`vpn`]).
//!
//! Of audit logs every service writes the same record: a LogEntry around an AuditLog. [`audit`] is the way in;
//! [`entry`] reads both once and hands the parts that need thought to one file each: who called
//! ([`caller`], [`principal`]), on what ([`resource`]), and what kind of event it is: a change of
//! access ([`access`]), of identities ([`iam`]) or of Workspace ([`workspace`]), work on data
//! ([`datastore`]), or a plain call told by its verb
//! ([`crate::verb`]).

pub(crate) mod audit;
pub(crate) mod vpc_flow;
pub(crate) mod vpn;

mod access;
mod caller;
mod datastore;
mod entry;
mod fields;
mod iam;
mod principal;
mod resource;
pub(crate) mod workspace;
