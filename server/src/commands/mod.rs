//! The commands, one a file.

mod alerts;
mod alerts_change;
mod alerts_noise;
mod alerts_watch;
mod audit;
mod completions;
mod config;
mod dead_letters;
mod entities;
mod identity;
mod incidents;
mod incidents_change;
mod ingest;
mod login;
pub(crate) mod mappings;
mod notify;
mod package;
mod pages;
mod progress;
mod query_string;
mod reading;
mod rules;
mod rules_coverage;
mod rules_explain;
mod rules_hunt;
mod rules_run;
mod rules_test;
mod serve;
mod silences;
mod sources;
mod sources_add;
mod sources_test;
mod sql;
mod token;
mod told;
mod trail;
mod users;

use std::process::ExitCode;

use crate::cli::{Arguments, Command, Rules, Trail};

/// Runs the command.
///
/// # Errors
/// What the command could not do, in words for the user.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let global = &arguments.global;
    match arguments.command {
        Command::Serve(command) => serve::run(global, command).await,
        Command::Ingest(command) => ingest::run(global, command).await,
        Command::Sql(command) => sql::run(global, command).await,
        Command::Alerts(command) => alerts::run(global, command).await,
        Command::Silences(command) => silences::run(global, command).await,
        Command::Incidents(command) => incidents::run(global, command).await,
        Command::Entities(command) => entities::run(global, command).await,
        Command::Rules(Rules::Check { paths, strict, json }) => rules::check(global, &paths, strict, json),
        Command::Rules(Rules::Coverage(command)) => rules_coverage::run(global, &command),
        Command::Rules(Rules::Explain(command)) => rules_explain::run(global, command).await,
        Command::Rules(Rules::List { json }) => rules::list(global, json).await,
        Command::Rules(Rules::Backtest(command)) => rules_hunt::run(global, command, false).await,
        Command::Rules(Rules::Hunt(command)) => rules_hunt::run(global, command, true).await,
        Command::Rules(Rules::Test { paths, junit, json }) => {
            rules_test::run(global, &paths, junit.as_deref(), json)
        }
        Command::Rules(Rules::Run(command)) => rules_run::run(global, command).await,
        Command::Mappings(command) => mappings::run(global, &command),
        Command::Identity(command) => identity::run(global, command).await,
        Command::Sources(command) => sources::run(global, command).await,
        Command::Deadletters(command) => dead_letters::run(global, command).await,
        Command::Notify(command) => notify::run(global, command).await,
        Command::Config(command) => config::run(global, command),
        Command::Audit(command) => audit::run(global, command).await,
        Command::Trail(Trail::Verify(command)) => trail::verify(global, command).await,
        Command::Login(command) => login::login(global, command).await,
        Command::Logout => login::logout(global).await,
        Command::Token(command) => token::run(global, command).await,
        Command::Users(command) => users::run(global, command).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
