//! Who may do what: bearer tokens, hashed at rest, each with a role.

mod guard;
mod rate;
mod token;

pub(crate) use guard::{Auth, Caller, InProcess, authenticate};
pub(crate) use rate::RateLimit;
pub(crate) use token::{Right, Role, Token, new_token};
