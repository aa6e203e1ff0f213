//! `audit`: the log of what was done to Stormglass.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `audit`
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List entries, newest first.
    #[command(after_help = "Example:
  stormglass audit list --actor ana --action alerts. --since 2026-03-01")]
    List(AuditList),
    /// Print the whole log, oldest entry first, one JSON object a line.
    #[command(after_help = "Example:
  stormglass --url https://siem.example.com:7171 audit export > audit.ndjson")]
    Export {
        /// What the lines are.
        #[arg(long, value_enum, default_value = "chain")]
        format: AuditFormat,
    },
    /// Check that no entry was changed, removed or put in; needs only the log and the public key.
    #[command(after_help = "Examples:
  stormglass audit verify --key 3d40…                       the log of ./data, also while a server uses it
  stormglass audit verify --file audit.ndjson --key audit.pub --anchor /mnt/elsewhere/checkpoints.ndjson

Exit status: 0 nothing is wrong, 1 something is: the first place is named.")]
    Verify(AuditVerify),
}

/// `audit list`
#[derive(Debug, Args)]
pub(crate) struct AuditList {
    /// Only by this token or user.
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Only with this action; one that ends in a full stop is all that begin with it.
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// intended, done, failed, refused or unknown.
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// At or after this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// How many.
    #[arg(long, default_value = "50")]
    pub(crate) limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `audit export` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// Entries and checkpoints as they are, for `audit verify`.
    Chain,
    /// API Activity (6003) of OCSF 1.8.0.
    Ocsf,
}

/// `audit verify`
#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// An export; `-` reads standard input. Without it, the log of the data folder.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) file: Option<PathBuf>,
    /// A public key that is trusted: 64 hexadecimal digits, or a file of them. May be given more than once.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Checkpoints that were kept elsewhere: a file of them, or an address of an object store.
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
