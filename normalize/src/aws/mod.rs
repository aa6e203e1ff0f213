//! Amazon Web Services.
//!
//! One record of CloudTrail is mapped by [`cloudtrail`], which reads its members once and hands the
//! parts that need thought to one file each: who called ([`identity`]), what kind of event it is
//! ([`selector`], [`verb`]), whom or what it changed ([`target`]), sign-ins ([`sign_in`]), what it
//! touched ([`resources`], [`data_event`]) and insights ([`insight`]). The logs of the network have a file each:
//! [`vpc_flow`], [`route53`], [`waf`], [`elb`], [`s3_access`], [`cloudfront`].

pub(crate) mod cloudfront;
pub(crate) mod cloudtrail;
pub(crate) mod elb;
pub(crate) mod route53;
pub(crate) mod s3_access;
pub(crate) mod vpc_flow;
pub(crate) mod waf;

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
