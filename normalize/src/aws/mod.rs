//! Amazon Web Services.
//!
//! One record of CloudTrail is mapped by [`cloudtrail`], which reads its members once and hands the
//! parts that need thought to one file each: who called ([`identity`]), what kind of event it is
//! ([`selector`], [`verb`]), whom or what it changed ([`target`]), sign-ins ([`sign_in`]), what it
//! touched ([`resources`], [`data_event`]) and insights ([`insight`]).

pub(crate) mod cloudtrail;

mod arn;
mod data_event;
mod fields;
mod identity;
mod insight;
mod resources;
mod selector;
mod sign_in;
mod target;
mod verb;

#[cfg(test)]
pub(crate) mod tests;
