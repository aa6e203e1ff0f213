//! Who may do what: roles and their rights, users and their sessions, tokens, single sign-on, and the gate in
//! front of every route.
//!
//! - [`access`]: what each route asks for; what is not listed is shut.
//! - [`Role`], [`Right`]: what callers may.
//! - [`Directory`]: users, sessions and tokens, in memory and on the disk.
//! - [`sign_in`]: by password, with waits after failed attempts ([`Lockout`]); by single sign-on ([`Oidc`]).
//! - [`Auth`]: the gate. What happens at it is told in one place, [`Auth::tell`].

mod access;
mod directory;
mod event;
mod guard;
mod jwt;
mod keys;
mod lockout;
#[cfg(test)]
mod matrix;
mod oidc;
mod password;
mod rate;
mod right;
mod role;
mod sign_in;
#[cfg(test)]
mod signer;
mod site;
mod token;

pub(crate) use access::{Access, access};
pub(crate) use directory::{Directory, Refused, SessionEnds};
pub(crate) use event::{AuthAct, AuthEvent};
pub(crate) use guard::{Auth, AuthConfig, Caller, Client, InProcess, Means, SESSION_COOKIE, authenticate};
pub(crate) use jwt::{Algorithm, Distrust};
pub(crate) use keys::{IssuerKeys, http_client};
pub(crate) use lockout::Lockout;
pub(crate) use oidc::{FLOW_TIME_S, Oidc, OidcConfig, OidcError, Return, is_safe_url};
pub(crate) use password::weakness;
pub(crate) use rate::RateLimit;
pub(crate) use right::{Right, Rights};
pub(crate) use role::{Role, Roles};
pub(crate) use sign_in::{SignInError, hashed, is_user_name};
pub(crate) use site::{CSRF_HEADER, Site, csrf_token};
pub(crate) use token::{Token, new_token};
