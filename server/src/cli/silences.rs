//! `silences`

use clap::{Args, Subcommand};

/// `silences`
#[derive(Debug, Subcommand)]
pub(crate) enum Silences {
    /// Make a silence. It says what it would have hidden in the last 30 days.
    #[command(after_help = "Examples:
  stormglass silences add rule=trail_stopped actor='svc-*' --until 4h --reason \"moving the trail\"
  stormglass silences add account=111122223333 --until 2026-12-31 --window 'Sat,Sun 22:00-06:00' \\
    --time-zone Europe/Berlin --reason \"weekly maintenance\"

Fields: rule, title, severity, provider, operation, tag, entity, actor, credential, user, account, address,
resource, by.NAME for what the events of a correlation or group have in common, and fields.PATH for what each of the
records has there (fields.requestParameters.bucketName). A field that is named twice may be like either; different
fields must all be so. `*` and `?` are wildcards; 198.51.100.0/24 is every address in it. Times are those of the events.")]
    Add {
        #[command(flatten)]
        which: WhichSilenced,
        /// Until this time, or for so long, such as 4h.
        #[arg(long, value_name = "TIME")]
        until: String,
        /// From this time on [default: now].
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who answers for it [default: you].
        #[arg(long)]
        owner: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List silences that are in force or will be.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a silence.
    Show {
        /// Its id, or the first digits of it.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a silence before its time. What it hid stays hidden until it is released.
    End {
        /// Its id, or the first digits of it.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// Also release what it hid: from now on it counts as raised.
        #[arg(long)]
        release: bool,
    },
    /// Release what a silence hid: from now on it counts as raised.
    Release {
        /// Its id, or the first digits of it.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Say what a silence would have hidden in the last 30 days, and make none.
    #[command(
        visible_alias = "preview",
        after_help = "Example:
  stormglass silences preview rule=trail_stopped actor='svc-*'"
    )]
    Test {
        #[command(flatten)]
        which: WhichSilenced,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What a silence is for.
#[derive(Debug, Args)]
pub(crate) struct WhichSilenced {
    /// What alerts must be like.
    #[arg(required_unless_present = "everything", value_name = "FIELD=VALUE")]
    pub(crate) matching: Vec<String>,
    /// It is meant that nothing is named, or only severity and provider: all alerts may be hidden, for 7 days at most.
    #[arg(long)]
    pub(crate) everything: bool,
    /// Only at these hours of the week, such as 'Sat,Sun 22:00-06:00' or 'daily 02:00-04:00'.
    #[arg(long, value_name = "WINDOW")]
    pub(crate) window: Vec<String>,
    /// Whose hours they are, such as Europe/Berlin [default: UTC].
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
}
