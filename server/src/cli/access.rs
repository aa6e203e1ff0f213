//! `stormglass login`, `stormglass token` and `stormglass users`.

use clap::{Args, Subcommand};

/// `login`
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The user's name.
    pub(crate) user: String,
    /// Take the password from standard input instead of asking for it.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// `token`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct TokenCommand {
    #[command(subcommand)]
    pub(crate) command: Option<Tokens>,
    /// What it is called in the history of alerts.
    #[arg(long, required = true)]
    pub(crate) name: Option<String>,
    /// The name of a role, such as admin, analyst or ingest.
    #[arg(long, required = true)]
    pub(crate) role: Option<String>,
}

/// `token …`
#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Make a token that ends by itself and can be revoked; print it, this once.
    #[command(after_help = "Examples:
  stormglass --url https://logs.example.com token create pump --role ingest --days 365
  stormglass token create report --role analyst --right alerts.read --right read")]
    Create {
        /// What it is called: 1 to 64 of a-z, 0-9, `.`, `_`, `-`; given once for ever.
        name: String,
        /// The name of a role that may no more than you.
        #[arg(long)]
        role: Option<String>,
        /// Only this right of the role; may be repeated.
        #[arg(long = "right", value_name = "RIGHT")]
        rights: Vec<String>,
        /// How many days it lives, 1 to 365.
        #[arg(long, default_value = "90")]
        days: u16,
        /// The user whose token it is: it may no more than the user, and ends with the user.
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List tokens and when they were last used.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token: the next request with it is refused.
    Revoke {
        /// The token's name.
        name: String,
    },
}

/// `users`
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Add a user with a password that is made here and printed once, or read from standard input.
    #[command(after_help = "Examples:
  stormglass users add ana --role admin
  pass show stormglass/ana | stormglass users add ana --role admin --password-stdin")]
    Add {
        /// What the user signs in as: 1 to 128 of a-z, 0-9 and `. _ - @ +`.
        name: String,
        /// The name of a role that may no more than you.
        #[arg(long)]
        role: String,
        /// The name of the person.
        #[arg(long, default_value = "")]
        display: String,
        /// The e-mail address.
        #[arg(long, default_value = "")]
        email: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List users.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have a user out: sessions end, tokens are revoked for good.
    Disable {
        /// The user.
        name: String,
    },
    /// Let a user in again.
    Enable {
        /// The user.
        name: String,
    },
    /// Give a user another password; sessions end.
    Passwd {
        /// The user.
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another role; sessions end.
    Role {
        /// The user.
        name: String,
        /// The name of a role that may no more than you.
        role: String,
    },
    /// Say who a user is in Slack or PagerDuty, whose clicks and answers are then the user's own.
    #[command(after_help = "Example:
  stormglass users handle ana slack:U0123456789 pagerduty:PABC123

Without any, those that the user has are taken away.")]
    Handle {
        /// The user.
        name: String,
        /// `slack:ID` or `pagerduty:ID`, with the id of a member there; instead of those the user has.
        handles: Vec<String>,
    },
    /// List roles and their rights.
    Roles {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
