//! Microsoft Azure and Entra.
//!
//! Each log arrives in several shapes: streamed by diagnostic settings, fetched from its own API, exported
//! from Log Analytics. [`crate::fields`], [`crate::nested`] and [`diagnostic`] make them one, so that each log is
//! mapped once:
//! [`activity`], [`signin`], [`audit`], flow logs ([`flow`]) and VPN gateways ([`vpn`]).

pub(crate) mod activity;
pub(crate) mod audit;
pub(crate) mod device;
pub(crate) mod diagnostic;
pub(crate) mod flow;
pub(crate) mod signin;
pub(crate) mod tenant;
pub(crate) mod vpn;

mod activity_fields;
mod audit_fields;
mod change;
mod claims;
mod factors;
mod http_status;
mod outcome;
mod provisioning;
mod resource_id;
mod risk;
mod role_assignment;
mod signin_fields;
mod target;
mod verb;

#[cfg(test)]
mod tests;
