//! `incidents` and `entities`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `incidents`
#[derive(Debug, Subcommand)]
pub(crate) enum Incidents {
    /// List incidents, the one with the latest event first.
    #[command(after_help = "Examples:
  stormglass incidents list --status new --severity high
  stormglass incidents list --overdue")]
    List(IncidentsList),
    /// Show an incident: its alerts and why they belong together, what happened in order, its history.
    Show {
        /// Its id, or the first digits of it.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make one incident of two; the older id lives on, and the other leads to it.
    #[command(after_help = "Example:
  stormglass incidents merge 3f0c1d2e4b5a 77aa01b2c3d4 --reason 'one intruder'")]
    Merge {
        /// An incident.
        id: String,
        /// The other.
        with: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take alerts out of an incident and make one of their own of them; no later alert joins them again.
    #[command(after_help = "Example:
  stormglass incidents split 3f0c1d2e4b5a --alert 9b1e… --alert 0c2d… --reason 'a drill'")]
    Split {
        /// The incident.
        id: String,
        /// An alert to take out, by its id or the first digits of it.
        #[arg(long = "alert", required = true, value_name = "ALERT")]
        alerts: Vec<String>,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take an incident: you work on it.
    #[command(visible_alias = "ack")]
    Acknowledge {
        /// Its id.
        id: String,
    },
    /// Give an incident to somebody.
    Assign {
        /// Its id.
        id: String,
        /// The owner; empty for nobody.
        #[arg(required_unless_present = "to", conflicts_with = "to")]
        owner: Option<String>,
        /// The same, as `alerts assign` has it.
        #[arg(long, value_name = "OWNER")]
        to: Option<String>,
    },
    /// Say something about an incident.
    Comment {
        /// Its id.
        id: String,
        /// What you have to say.
        comment: String,
    },
    /// Close an incident, and its open alerts with it.
    #[command(after_help = "Example:
  stormglass incidents close 3f0c1d2e4b5a --verdict true_positive --reason 'keys revoked, users told'")]
    Close {
        /// Its id.
        id: String,
        /// true_positive, false_positive, benign or duplicate.
        #[arg(long)]
        verdict: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Leave its alerts as they are.
        #[arg(long)]
        keep_alerts: bool,
    },
    /// Open a closed incident again; its clocks begin anew.
    Reopen {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Export everything that is known of an incident with its records and hashes. Who did and the hash of the
    /// manifest are written into its history.
    #[command(after_help = "Examples:
  stormglass incidents export 3f0c1d2e4b5a --to case-17.zip
  stormglass incidents export 3f0c1d2e4b5a --to case-17/")]
    Export {
        /// Its id.
        id: String,
        /// A new file whose name ends in .zip, or a new folder.
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
    },
    /// Prove that a package is whole and as it was exported; needs nothing but the package. Exit status 1 if it
    /// is not.
    #[command(after_help = "Example:
  stormglass incidents verify case-17.zip --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    Verify {
        /// The archive or folder.
        package: PathBuf,
        /// What the export printed, or the incident's history has: the hash of the manifest.
        #[arg(long, value_name = "HASH")]
        sha256: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `incidents list`
#[derive(Debug, Args)]
pub(crate) struct IncidentsList {
    /// Only with this status: new, acknowledged, closed.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only of at least this severity: low, medium, high, critical.
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// Only those of this owner.
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// Only those in which this identity, credential, address or resource is involved.
    #[arg(long)]
    pub(crate) entity: Option<String>,
    /// Only those with an event at or after this time.
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only those that are not acknowledged or closed in time.
    #[arg(long)]
    pub(crate) overdue: bool,
    /// How many.
    #[arg(long, default_value = "50")]
    pub(crate) limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `entities`
#[derive(Debug, Subcommand)]
pub(crate) enum Entities {
    /// Show people and things by their risk, the greatest first, or the risk of one with the alerts that make it.
    #[command(after_help = "Examples:
  stormglass entities risk
  stormglass entities risk arn:aws:iam::111122223333:user/ana")]
    Risk {
        /// A name; any of an identity.
        entity: Option<String>,
        /// How many.
        #[arg(long, default_value = "50")]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
