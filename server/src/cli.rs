//! The command line.

mod access;
mod alerts;
mod audit;
mod incidents;
mod notify;
mod silences;
mod trail;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use access::{Login, TokenCommand, Tokens, Users};
pub(crate) use alerts::{Alerts, AlertsBulk, AlertsList, AlertsNoise, NoiseFormat, WhichAlerts};
pub(crate) use audit::{Audit, AuditFormat, AuditList, AuditVerify};
pub(crate) use incidents::{Entities, Incidents, IncidentsBulk, IncidentsList, WhichIncidents};
pub(crate) use notify::{DeadDeliveries, Notify, WhichDeliveries};
pub(crate) use silences::{Silences, WhichSilenced};
pub(crate) use trail::{Trail, TrailVerify};

/// Security log engine: reads AWS, Azure and GCP audit logs, matches Sigma rules, answers SQL.
#[derive(Debug, Parser)]
#[command(
    name = "stormglass",
    version,
    max_term_width = 100,
    after_help = "Examples:
  stormglass serve                                  run the server on ./data
  stormglass ingest logs/ more.json.gz              read files and folders into ./data
  stormglass sql \"SELECT actor_user_name, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC\"
  stormglass alerts list --severity high
  stormglass rules run --rules my-rules/ logs/      match rules over files, without a store
  stormglass --url http://127.0.0.1:7171 sources    ask a running server

Exit status: 0 done, 1 failed, 2 wrong usage or configuration."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Work in this data folder [default: ./data, or `data` of the configuration].
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "url")]
    pub(crate) data: Option<PathBuf>,
    /// Ask the server at this address; its token is read from STORMGLASS_TOKEN [env: STORMGLASS_URL].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Read this configuration [default: stormglass.toml, where there is one].
    #[arg(long, global = true, value_name = "FILE", env = "STORMGLASS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Say less: no progress, only errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

impl Arguments {
    /// The arguments of this process. `STORMGLASS_URL` counts where neither `--url` nor `--data` is given; a variable
    /// that is empty is not set.
    pub(crate) fn of_process() -> Self {
        let mut arguments = Self::parse();
        let named = std::env::var("STORMGLASS_URL").ok();
        arguments.global.name_server(named);
        arguments
    }
}

impl Global {
    fn name_server(&mut self, named: Option<String>) {
        if self.url.is_none() && self.data.is_none() {
            self.url = named;
        }
        self.url = self.url.take().filter(|url| !url.is_empty());
        self.config = self.config.take().filter(|config| !config.as_os_str().is_empty());
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: take records over HTTP, raise alerts, answer queries.
    #[command(after_help = "Example:
  stormglass serve --listen 127.0.0.1:7171")]
    Serve(Serve),
    /// Read records from files, folders, globs, object stores or standard input.
    #[command(after_help = "Examples:
  stormglass ingest logs/ 'archive/*.json.gz'
  zcat trail.json.gz | stormglass ingest --source trail -
  stormglass ingest s3://my-trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/")]
    Ingest(Ingest),
    /// Run a SELECT over events, alerts, incidents, dead_letters, sources and observables.
    #[command(after_help = "Examples:
  stormglass sql \"SELECT time, api_operation, actor_user_name FROM events ORDER BY time DESC LIMIT 10\"
  stormglass sql --format parquet \"SELECT * FROM events WHERE cloud_provider = 'AWS'\" > aws.parquet
  echo \"SHOW TABLES\" | stormglass sql -")]
    Sql(Sql),
    /// List, show and work on alerts.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Make, list, try and end silences: alerts that are known and not to be told for a while.
    #[command(subcommand)]
    Silences(Silences),
    /// List, show, work on and export incidents: alerts that belong together.
    #[command(subcommand)]
    Incidents(Incidents),
    /// Show the risk of people and things.
    #[command(subcommand)]
    Entities(Entities),
    /// Check and list rules, or run them over files.
    #[command(subcommand)]
    Rules(Rules),
    /// Check mapping files of JSON sources, or run their tests.
    #[command(subcommand)]
    Mappings(Mappings),
    /// Show and undo what ties names to one person or workload.
    #[command(subcommand)]
    Identity(Identity),
    /// Show what became of every record, by source; test, pause, resume and add sources.
    #[command(after_help = "Examples:
  stormglass sources --verify       count rows and dead letters instead of trusting the ledger
  stormglass sources test trail     try a source step by step
  stormglass sources add app type=files 'paths=[\"/var/log/app/*.log*\"]'")]
    Sources(Sources),
    /// Show, export and verify the log of what was done to Stormglass itself, and by whom.
    #[command(subcommand)]
    Audit(Audit),
    /// Verify a trail's log files with CloudTrail's digests.
    #[command(subcommand)]
    Trail(Trail),
    /// List, show and retry records that could not become events.
    #[command(subcommand)]
    Deadletters(DeadLetters),
    /// Try channels, see who would be told, and what could not be.
    #[command(subcommand)]
    Notify(Notify),
    /// Check, show and document the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Sign in to a running server as a user; commands with its `--url` are then yours until the session ends.
    #[command(after_help = "Examples:
  stormglass --url https://logs.example.com login ana
  pass show stormglass | stormglass --url https://logs.example.com login ana --password-stdin")]
    Login(Login),
    /// End the session that `login` began.
    Logout,
    /// Make, list and revoke tokens of the API; or make one for the configuration and print its entry.
    #[command(after_help = "Examples:
  stormglass token create laptop --role analyst     a token that ends, kept by the server
  stormglass token --role analyst --name laptop     an entry for the configuration file")]
    Token(TokenCommand),
    /// Add, list, change and disable users.
    #[command(subcommand)]
    Users(Users),
    /// Print shell completions.
    #[command(after_help = "Example:
  stormglass completions bash > /etc/bash_completion.d/stormglass")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// `serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Listen here [default: 127.0.0.1:7171].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
}

/// `ingest`
#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// Files, folders, globs, `-`, or file:// s3:// gs:// az:// addresses.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// The source that is charged with the records.
    #[arg(long, default_value = "cli")]
    pub(crate) source: String,
    /// The log type, where records do not show it: aws_cloudtrail, aws_vpc_flow, azure_activity and so on; a
    /// wrong one lists them all.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) log_type: Option<event::LogType>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sql`
#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The statement; `-` reads it from standard input.
    pub(crate) statement: String,
    /// How to print the answer.
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) format: SqlFormat,
    /// The most rows to answer [default: query.max_rows of the configuration].
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<usize>,
    /// The longest it may run, in seconds [default: query.timeout of the configuration].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
}

/// How `sql` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlFormat {
    /// Columns for the eye.
    Table,
    /// Comma-separated values with a head.
    Csv,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Parquet file.
    Parquet,
}

/// `mappings`
#[derive(Debug, Subcommand)]
pub(crate) enum Mappings {
    /// Check mapping files: what is wrong, where, and how to mend it. Exit status 1 if any is refused.
    #[command(after_help = "Example:
  stormglass mappings check mappings/")]
    Check {
        /// Mapping files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Print JSON, one finding a line.
        #[arg(long)]
        json: bool,
    },
    /// Run the tests that stand in mapping files. Exit status 1 if a file is refused or a test fails.
    #[command(after_help = "Example:
  stormglass mappings test mappings/shop.yaml")]
    Test {
        /// Mapping files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Print JSON, one finding a line.
        #[arg(long)]
        json: bool,
    },
}

/// `rules`
#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Check rules: what is wrong, what can hardly be meant, where, and how to mend it. Exit status 1 if any
    /// is refused.
    #[command(after_help = "Examples:
  stormglass rules check my-rules/
  stormglass rules check --strict --json my-rules/ | jq -r .problem")]
    Check {
        /// Rule files and folders; without any, the rules of the configuration.
        paths: Vec<PathBuf>,
        /// Exit status 1 for warnings, too.
        #[arg(long)]
        strict: bool,
        /// Print JSON, one finding a line.
        #[arg(long)]
        json: bool,
    },
    /// Show which techniques of ATT&CK's cloud matrix the rules name, how many rules each, and the logs that
    /// they need.
    #[command(after_help = "Examples:
  stormglass rules coverage
  stormglass rules coverage my-rules/ --navigator layer.json")]
    Coverage(RulesCoverage),
    /// Say why a rule matches an event or does not: its condition as a tree, each part with its answer and
    /// with what the event held.
    #[command(after_help = "Examples:
  stormglass rules explain my-rule.yml event.json
  stormglass rules explain 'Console sign-in without a second factor' trail.json.gz:12
  pbpaste | stormglass rules explain my-rule.yml - --json | jq .matches")]
    Explain(RulesExplain),
    /// List the rules in use.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the tests that lie beside rules: `NAME.test.yml` beside `NAME.yml`. Exit status 1 if one fails.
    #[command(after_help = "Examples:
  stormglass rules test                             the rules in use
  stormglass rules test my-rules/ --junit out.xml")]
    Test {
        /// Rule files and folders; without any, the rules of the configuration.
        paths: Vec<PathBuf>,
        /// Also write the results as JUnit XML.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Print JSON, one test a line.
        #[arg(long)]
        json: bool,
    },
    /// Say what a rule would have raised over the stored events, when and for whom; nothing is raised.
    #[command(after_help = "Examples:
  stormglass rules backtest trail_stopped --since 30d
  stormglass rules backtest my-rule --rules my-rules/ --since 2026-03-01 --until 2026-03-08")]
    Backtest(RulesHunt),
    /// The same, and raise what is found; what was raised before is not doubled.
    #[command(after_help = "Example:
  stormglass rules hunt trail_stopped --since 90d")]
    Hunt(RulesHunt),
    /// Match rules over files without a store: one line of JSON a match.
    #[command(after_help = "Examples:
  stormglass rules run --rules sigma/rules/cloud/aws logs/ | jq -r .title | sort | uniq -c
  stormglass rules run --rules my-rules/ --source shop orders.ndjson    read by the mapping of the source `shop`")]
    Run(RulesRun),
}

/// `rules run`
#[derive(Debug, Args)]
pub(crate) struct RulesRun {
    /// Rule files and folders; without any, the rules that come with Stormglass.
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// Files, folders, globs, `-`, or addresses, as for `ingest`.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// The log type, where records do not show it.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) log_type: Option<event::LogType>,
    /// The source whose records they are taken for; a mapping file may name it.
    #[arg(long, default_value = "rules-run", value_name = "NAME")]
    pub(crate) source: String,
    /// Only rules of at least this level: low, medium, high, critical.
    #[arg(long)]
    pub(crate) level: Option<String>,
}

/// `rules coverage`
#[derive(Debug, Args)]
pub(crate) struct RulesCoverage {
    /// Rule files and folders; without any, the rules of the configuration.
    pub(crate) paths: Vec<PathBuf>,
    /// Also write a layer for the ATT&CK Navigator into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) navigator: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rules explain`
#[derive(Debug, Args)]
pub(crate) struct RulesExplain {
    /// A rule or correlation: its id, name or title, or a .yml file of rules.
    pub(crate) rule: String,
    /// A file with a record, `-`, or `FILE:N` for record N of it, counted from 0 as by `rules run`.
    pub(crate) event: String,
    /// Rule files and folders to look in; without any, the rules of the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// The log type, where the record does not show it.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) log_type: Option<event::LogType>,
    /// The source whose record it is taken for; a mapping file may name it.
    #[arg(long, default_value = "rules-explain", value_name = "NAME")]
    pub(crate) source: String,
    /// Print JSON, one rule a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rules backtest` and `rules hunt`
#[derive(Debug, Args)]
pub(crate) struct RulesHunt {
    /// The rule or correlation, by id or name.
    pub(crate) rule: String,
    /// From this time on, or so long before now, such as 30d.
    #[arg(long, default_value = "30d", value_name = "TIME")]
    pub(crate) since: String,
    /// Before this time, or so long before now [default: now].
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Rule files and folders in which the rule may be, beside the rules of the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `identity`
#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// List the links of a name: of everything that is one identity with it, as far as links reach.
    #[command(after_help = "Example:
  stormglass identity links user/ana")]
    Links {
        /// A name, such as aws:user:arn:aws:iam::111122223333:user/ana, or a part of it.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Undo a link: its evidence is not believed, now or when it is seen again.
    #[command(after_help = "Example:
  stormglass identity undo 3f0c1d2e4b5a69788796a5b4c3d2e1f0 --reason 'a shared mailbox'")]
    Undo {
        /// The link's id.
        link: String,
        /// Why it is wrong.
        #[arg(long)]
        reason: String,
    },
}

/// `sources`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sources {
    #[command(subcommand)]
    pub(crate) command: Option<SourcesCommand>,
    #[command(flatten)]
    pub(crate) list: SourcesList,
}

/// `sources list`
#[derive(Debug, Args)]
pub(crate) struct SourcesList {
    /// Also count the rows in the table and the dead letters in the store.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do about sources.
#[derive(Debug, Subcommand)]
pub(crate) enum SourcesCommand {
    /// List sources with their accounts, and how those are doing that are pulled.
    List(SourcesList),
    /// Open a configured source and try it, step by step; nothing is kept and nothing acknowledged.
    Test {
        /// The source.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take nothing more from a source until it is resumed, also after a restart.
    Pause {
        /// The source.
        name: String,
    },
    /// Go on with a source; one that waits after an error is tried at once.
    Resume {
        /// The source.
        name: String,
    },
    /// Check a new source and append it to the configuration file.
    #[command(after_help = "Examples:
  stormglass sources add app type=files 'paths=[\"/var/log/app/*.log*\"]'
  stormglass sources add trail type=objects 'urls=[\"s3://my-trail/AWSLogs/\"]' existing=false")]
    Add {
        /// Its name.
        name: String,
        /// Its settings, as SETTING=VALUE; `type` is one of them.
        #[arg(required = true, value_name = "SETTING=VALUE")]
        settings: Vec<String>,
    },
    /// Read the past of a source beside its live feed, which goes first: objects by when they were modified.
    #[command(after_help = "Example:
  stormglass --url http://127.0.0.1:7171 sources backfill trail --since 2026-03-01 --until 2026-03-08")]
    Backfill {
        /// The source.
        name: String,
        /// From this time on, or so long before now, such as 30d.
        #[arg(long, value_name = "TIME")]
        since: String,
        /// Before this time, or so long before now [default: now].
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
}

/// `deadletters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List dead letters, newest first.
    List {
        #[command(flatten)]
        which: WhichDeadLetters,
        /// Also those that were retried already.
        #[arg(long)]
        retried: bool,
        /// How many.
        #[arg(long, default_value = "50")]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a dead letter with its bytes.
    Show {
        /// Its number.
        id: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put dead letters into the log again, as after a mapping was mended.
    Retry {
        #[command(flatten)]
        which: WhichDeadLetters,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct WhichDeadLetters {
    /// Only of this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only with this reason.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// `config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and the rules that it names.
    Check,
    /// Print what is in force and where each value comes from.
    Show,
    /// Print a configuration file with every setting at its default.
    Example,
    /// Print the reference page.
    #[command(hide = true)]
    Reference,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_empty_is_not_set() {
        let url = |arguments: &[&str], named: &str| {
            let mut parsed = Arguments::try_parse_from(arguments).unwrap().global;
            parsed.name_server(Some(named.to_owned()));
            parsed.url
        };
        let server = "http://127.0.0.1:7171";
        assert_eq!(url(&["stormglass", "sources"], server).as_deref(), Some(server));
        assert_eq!(url(&["stormglass", "sources"], ""), None);
        assert_eq!(url(&["stormglass", "--url", "", "sources"], server), None);
        // What is said is worth more than what is around.
        assert_eq!(url(&["stormglass", "--data", "d", "sources"], server), None);
    }
}
