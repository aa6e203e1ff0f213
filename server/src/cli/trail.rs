//! `trail`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `trail`
#[derive(Debug, Subcommand)]
pub(crate) enum Trail {
    /// Prove with CloudTrail's digests that log files are all there and as they were. Exit status 1 if
    /// anything was changed, forged or deleted, or if there is a gap between digests.
    #[command(after_help = "Examples:
  stormglass trail verify arn:aws:cloudtrail:eu-west-1:111122223333:trail/main --start 7d
  stormglass trail verify arn:aws:cloudtrail:eu-west-1:111122223333:trail/main --bucket example-trail-logs \\
    --region eu-west-1 --region us-east-1 --start 2026-11-01 --end 2026-11-08 --json")]
    Verify(TrailVerify),
}

/// `trail verify`
#[derive(Debug, Args)]
pub(crate) struct TrailVerify {
    /// The trail's ARN.
    pub(crate) trail: String,
    /// From this time on, or so long before now, such as 7d.
    #[arg(long, visible_alias = "start-time", value_name = "TIME")]
    pub(crate) start: String,
    /// Before this time, or so long before now [default: now].
    #[arg(long, visible_alias = "end-time", value_name = "TIME")]
    pub(crate) end: Option<String>,
    /// The bucket that it writes to [default: what CloudTrail says].
    #[arg(long, visible_alias = "s3-bucket", value_name = "BUCKET")]
    pub(crate) bucket: Option<String>,
    /// What comes before AWSLogs in its keys [default: what CloudTrail says, or nothing].
    #[arg(long, visible_alias = "s3-prefix", value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// Only of this account [default: the trail's own].
    #[arg(long = "account", visible_alias = "account-id", value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,
    /// Only of this region [default: the trail's own].
    #[arg(long = "region", value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// The organisation's id (o-…), for a trail of one.
    #[arg(long, value_name = "ID")]
    pub(crate) organization: Option<String>,
    /// A file with what `aws cloudtrail list-public-keys` prints, instead of asking CloudTrail.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_keys: Option<PathBuf>,
    /// Only the digests: log files are not read.
    #[arg(long)]
    pub(crate) digests_only: bool,
    /// A profile of ~/.aws.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The ARN of a role to assume.
    #[arg(long, value_name = "ARN")]
    pub(crate) role: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// Where all services are, if not at AWS.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Also list what is valid.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
