//! `incidents` and `entities`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `incidents`
#[derive(Debug, Subcommand)]
pub(crate) enum Incidents {
    /// List incidents, the one with the latest event first.
    #[command(after_help = "Examples:
  stormglass incidents list --status new,acknowledged --severity high --unassigned
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
    /// Take incidents; those of nobody are yours from now on.
    #[command(visible_alias = "ack")]
    Acknowledge {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Say that you work on incidents; those of nobody are yours from now on.
    Start {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
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
    /// Take incidents from their owners.
    Unassign {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Put labels of your team on incidents, or take them off.
    #[command(
        visible_alias = "tag",
        after_help = "Example:
  stormglass incidents label 3f0c1d2e4b5a --add exercise --remove unclear"
    )]
    Label {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Labels to put on.
        #[arg(long, value_name = "LABEL")]
        add: Vec<String>,
        /// Labels to take off.
        #[arg(long, value_name = "LABEL")]
        remove: Vec<String>,
    },
    /// Say something about an incident.
    Comment {
        /// Its id.
        id: String,
        /// What you have to say.
        comment: String,
    },
    /// Close incidents, and their open alerts with them.
    #[command(after_help = "Example:
  stormglass incidents close 3f0c1d2e4b5a --verdict true_positive --reason 'keys revoked, users told'")]
    Close {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// true_positive, false_positive, benign or duplicate.
        #[arg(long)]
        verdict: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Leave their alerts as they are.
        #[arg(long)]
        keep_alerts: bool,
    },
    /// Open closed incidents again; their clocks begin anew.
    Reopen {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take a step with all incidents that a list with these flags shows.
    #[command(after_help = "Examples:
  stormglass incidents bulk assign --unassigned --status new --severity high --to dana
  stormglass incidents bulk close --label exercise --verdict benign --reason 'the yearly exercise'")]
    Bulk(IncidentsBulk),
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

/// Which incidents.
#[derive(Debug, Args)]
pub(crate) struct WhichIncidents {
    /// Only with one of these statuses, with commas between them: new, acknowledged, in_progress, closed.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only of at least this severity: low, medium, high, critical.
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// Only those of this owner.
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// Only those that are nobody's.
    #[arg(long)]
    pub(crate) unassigned: bool,
    /// Only with this label.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Only those in which this identity, credential, address or resource is involved.
    #[arg(long)]
    pub(crate) entity: Option<String>,
    /// Only those with an alert of the rule with this id.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only those whose last event is at or after this time.
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only those whose first event is before this time.
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Only those that are not acknowledged or closed in time.
    #[arg(long)]
    pub(crate) overdue: bool,
}

/// `incidents list`
#[derive(Debug, Args)]
pub(crate) struct IncidentsList {
    #[command(flatten)]
    pub(crate) which: WhichIncidents,
    /// Only closed with this verdict: true_positive, false_positive, benign, duplicate, refuted.
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// How many.
    #[arg(long, default_value = "50")]
    pub(crate) limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `incidents bulk`
#[derive(Debug, Args)]
pub(crate) struct IncidentsBulk {
    /// acknowledge, start, close, reopen, assign, unassign, comment or label.
    pub(crate) action: String,
    #[command(flatten)]
    pub(crate) which: WhichIncidents,
    /// For close and reopen: why; for comment: the comment.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// For close: true_positive, false_positive, benign or duplicate.
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// For close: leave the alerts as they are.
    #[arg(long)]
    pub(crate) keep_alerts: bool,
    /// For assign: whose they are from now on.
    #[arg(long, value_name = "OWNER")]
    pub(crate) to: Option<String>,
    /// For label: labels to put on.
    #[arg(long, value_name = "LABEL")]
    pub(crate) add: Vec<String>,
    /// For label: labels to take off.
    #[arg(long, value_name = "LABEL")]
    pub(crate) remove: Vec<String>,
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
