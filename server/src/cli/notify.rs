//! `notify`

use clap::{Args, Subcommand};

/// `notify`
#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// List the channels: how many notifications wait, which channels fail and why.
    Channels {
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send a test by a channel.
    #[command(after_help = "Example:
  stormglass notify test soc")]
    Test {
        /// The channel.
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// Show who would be told of an alert or incident now, what, and why.
    #[command(after_help = "Examples:
  stormglass notify preview 3f0c1d2e4b5a
  stormglass notify preview 00112233445566778899aabbccddeeff")]
    Preview {
        /// The id of an alert or incident.
        #[arg(value_name = "ALERT|INCIDENT")]
        id: String,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List deliveries, newest first.
    #[command(after_help = "Examples:
  stormglass notify list --state waiting
  stormglass notify list --alert 3f0c1d2e4b5a")]
    List(WhichDeliveries),
    /// Read the configuration and its secrets again: channels, routes and rotas.
    Reload,
    /// List and send again what could not be delivered.
    #[command(subcommand)]
    DeadLetters(DeadDeliveries),
}

/// Which deliveries.
#[derive(Debug, Args)]
pub(crate) struct WhichDeliveries {
    /// Only those that are waiting, delivered or dead.
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Only of this channel.
    #[arg(long)]
    pub(crate) channel: Option<String>,
    /// Only about this alert, told by itself, with its incident or in a digest; or about this incident.
    #[arg(long, value_name = "ALERT|INCIDENT")]
    pub(crate) alert: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Print as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `notify dead-letters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadDeliveries {
    /// List them, newest first.
    List {
        /// Only of this channel.
        #[arg(long)]
        channel: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send them again, under their old keys.
    #[command(after_help = "Examples:
  stormglass notify dead-letters resend 17
  stormglass notify dead-letters resend --all --channel soc")]
    Resend {
        /// The number of one.
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        id: Option<i64>,
        /// All of them, or all of `--channel`.
        #[arg(long)]
        all: bool,
        /// Only of this channel.
        #[arg(long, requires = "all")]
        channel: Option<String>,
    },
}
