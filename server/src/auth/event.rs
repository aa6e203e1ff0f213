//! What happens at the gate, told in one place.

use std::net::IpAddr;

/// Something that whoever reads the audit log wants to know. Never with a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthEvent {
    /// What happened.
    pub(crate) what: AuthAct,
    /// Who did it or tried to: a user's or token's name as it was given, at most 128 characters.
    pub(crate) who: String,
    /// Whom or what it was done to, where that is another.
    pub(crate) whom: String,
    /// Where from; none of the command line on the data folder.
    pub(crate) address: Option<IpAddr>,
    /// More, in words.
    pub(crate) detail: String,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthAct {
    /// Signed in.
    SignedIn,
    /// Tried to sign in, and was refused.
    SignInRefused,
    /// Signed out.
    SignedOut,
    /// Used a token, a session or none, and was refused.
    Refused,
    /// Used a token for the first time in a while.
    TokenUsed,
    /// Made a token.
    TokenMade,
    /// Ended a token.
    TokenRevoked,
    /// Added a user.
    UserAdded,
    /// Changed a user: role, name, password, active or not.
    UserChanged,
    /// Removed a user.
    UserRemoved,
    /// Ended the sessions of a user.
    SessionsEnded,
}

impl AuthAct {
    /// The name in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInRefused => "sign_in_refused",
            Self::SignedOut => "signed_out",
            Self::Refused => "refused",
            Self::TokenUsed => "token_used",
            Self::TokenMade => "token_made",
            Self::TokenRevoked => "token_revoked",
            Self::UserAdded => "user_added",
            Self::UserChanged => "user_changed",
            Self::UserRemoved => "user_removed",
            Self::SessionsEnded => "sessions_ended",
        }
    }

    /// Whether somebody was turned away.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::SignInRefused | Self::Refused)
    }
}

impl AuthEvent {
    /// `who` did `what`, from `address`.
    pub(crate) fn new(what: AuthAct, who: &str, address: Option<IpAddr>) -> Self {
        // A name that somebody made up may be long.
        let who = who.chars().take(128).collect();
        Self { what, who, whom: String::new(), address, detail: String::new() }
    }

    /// The same, done to `whom`.
    pub(crate) fn to(mut self, whom: &str) -> Self {
        self.whom = whom.chars().take(128).collect();
        self
    }

    /// The same with more in words.
    pub(crate) fn because(mut self, detail: &str) -> Self {
        self.detail = detail.chars().take(512).collect();
        self
    }
}
