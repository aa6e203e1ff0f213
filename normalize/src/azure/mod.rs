//! Microsoft Azure and Entra.

pub(crate) mod activity;
pub(crate) mod audit;
pub(crate) mod signin;
