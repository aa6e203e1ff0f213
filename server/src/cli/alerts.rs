//! `alerts`

use clap::{Args, Subcommand, ValueEnum};

/// `alerts`
#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// List alerts, newest event first.
    #[command(after_help = "Example:
  stormglass alerts list --status new --severity high --since 2026-03-01")]
    List(AlertsList),
    /// Show an alert with its evidence, earlier versions and history.
    Show {
        /// Its id, or the first digits of it.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what happens to alerts as it happens, until interrupted; asks a server.
    #[command(after_help = "Example:
  stormglass --url http://127.0.0.1:7171 alerts watch")]
    Watch {
        /// Begin after the entry with this number; 0 is the first that is kept [default: from now on].
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// Print JSON, one entry a line.
        #[arg(long)]
        json: bool,
    },
    /// Acknowledge alerts: you have seen them and take care.
    #[command(visible_alias = "acknowledge")]
    Ack {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Say that somebody works on alerts.
    Start {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Close alerts.
    #[command(after_help = "Examples:
  stormglass alerts close 3f0c… --verdict benign --reason \"our own key rotation\"
  stormglass alerts close 3f0c… 77ab… --verdict duplicate --duplicate-of 51d2… --reason \"the same key\"")]
    Close(AlertsClose),
    /// Open closed alerts again.
    Reopen {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Give alerts to somebody.
    #[command(after_help = "Example:
  stormglass alerts assign 3f0c… --to dana")]
    Assign {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Whose they are from now on.
        #[arg(long, value_name = "OWNER")]
        to: String,
    },
    /// Take alerts from their owners.
    Unassign {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Say something about an alert; it stands in its history.
    #[command(after_help = "Example:
  stormglass alerts comment 3f0c… \"asked the owner of the key\"")]
    Comment {
        /// Its id.
        id: String,
        /// What you have to say.
        text: String,
    },
    /// Put labels of your team on alerts, or take them off.
    #[command(
        visible_alias = "tag",
        after_help = "Example:
  stormglass alerts label 3f0c… --add exercise --remove unclear"
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
    /// Release alerts from the silence that hides them: from now on they count as raised.
    Release {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Show which rules cost attention and find little.
    #[command(after_help = "Examples:
  stormglass alerts noise --since 30d
  stormglass alerts noise --format csv > noise.csv")]
    Noise(AlertsNoise),
    /// Change all alerts that a list with these flags shows.
    #[command(after_help = "Example:
  stormglass alerts bulk close --rule trail_stopped --status new --verdict false_positive --reason \"a bad rule\"")]
    Bulk(AlertsBulk),
}

/// `alerts close`
#[derive(Debug, Args)]
pub(crate) struct AlertsClose {
    /// Their ids.
    #[arg(required = true)]
    pub(crate) ids: Vec<String>,
    /// true_positive, false_positive, benign or duplicate.
    #[arg(long)]
    pub(crate) verdict: String,
    /// Why.
    #[arg(long)]
    pub(crate) reason: String,
    /// The alert that a duplicate repeats.
    #[arg(long, value_name = "ID")]
    pub(crate) duplicate_of: Option<String>,
}

/// Which alerts.
#[derive(Debug, Args)]
pub(crate) struct WhichAlerts {
    /// Only with this status: new, acknowledged, in_progress, closed.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only of at least this severity: low, medium, high, critical.
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// Only of the rule with this id.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only of this provider: AWS, Azure, GCP.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// Only about this actor, credential, user, account, address or resource.
    #[arg(long)]
    pub(crate) entity: Option<String>,
    /// Only of this owner.
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// Only those that are nobody's.
    #[arg(long)]
    pub(crate) unassigned: bool,
    /// Only with this label, or this tag of the rule.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Only those of this incident, by its id or the first digits of it.
    #[arg(long)]
    pub(crate) incident: Option<String>,
    /// What silences hide: no, only, or all for both [default: no].
    #[arg(long, value_name = "WHICH")]
    pub(crate) suppressed: Option<String>,
    /// Only what the silence with this id hides.
    #[arg(long, value_name = "SILENCE")]
    pub(crate) suppressed_by: Option<String>,
    /// Only events at or after this time.
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only events before this time.
    #[arg(long)]
    pub(crate) until: Option<String>,
}

/// `alerts list`
#[derive(Debug, Args)]
pub(crate) struct AlertsList {
    #[command(flatten)]
    pub(crate) which: WhichAlerts,
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

/// `alerts bulk`
#[derive(Debug, Args)]
pub(crate) struct AlertsBulk {
    /// acknowledge, start, close, reopen, assign, unassign, comment, label or release.
    pub(crate) action: String,
    #[command(flatten)]
    pub(crate) which: WhichAlerts,
    /// Why, or the comment.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// For close: true_positive, false_positive, benign or duplicate.
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// For close as a duplicate: the alert that they repeat.
    #[arg(long, value_name = "ID")]
    pub(crate) duplicate_of: Option<String>,
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

/// `alerts noise`
#[derive(Debug, Args)]
pub(crate) struct AlertsNoise {
    /// Alerts raised since this time, or so long before now, such as 30d.
    #[arg(long, default_value = "30d", value_name = "TIME")]
    pub(crate) since: String,
    /// How to print them.
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) format: NoiseFormat,
}

/// How `alerts noise` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NoiseFormat {
    /// Columns for the eye.
    Table,
    /// Comma-separated values with a head, safe for spreadsheets.
    Csv,
    /// JSON.
    Json,
}
