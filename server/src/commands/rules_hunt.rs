//! `stormglass rules backtest` and `rules hunt`

use std::process::ExitCode;
use std::sync::Arc;

use super::query_string;
use crate::api::{HuntBody, HuntResult, hunt_result};
use crate::app;
use crate::cli::{Global, RulesHunt};
use crate::client::Client;
use crate::hunt::{Hunt, hunt};
use crate::output::{UsageError, columns, print, say};
use crate::rule_files;

/// Runs a rule over the stored history; `raise` makes alerts of what is found.
///
/// # Errors
/// There is no such rule or no data, or the server cannot be asked.
pub(crate) async fn run(global: &Global, command: RulesHunt, raise: bool) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    let body = HuntBody { since: command.since.clone(), until: command.until.clone() };
    let result: HuntResult = match &client {
        // In this process there is no limit on the time of a request, and rules of one's own can be tried.
        Client::Local { app, .. } => {
            let (since_us, until_us) = body.moments().map_err(|problem| UsageError(problem.detail))?;
            let wanted = Hunt { rule: command.rule.clone(), since_us, until_us, raise };
            let rules = match command.rules.as_slice() {
                [] => app.pipeline.rules(),
                own => Arc::new(own_rules(app, own)?),
            };
            let hunted = hunt(app, rules, &wanted).await?;
            hunt_result(&wanted, hunted)
        }
        Client::Remote { .. } => {
            if !command.rules.is_empty() {
                anyhow::bail!("`--rules` goes with a data folder; a server runs the rules that it has");
            }
            let what = if raise { "hunt" } else { "backtest" };
            let rule = query_string::encode(&command.rule);
            client.post(&format!("/api/v1/rules/{rule}/{what}"), &body).await?
        }
    };
    client.close().await?;
    if command.json {
        print(&serde_json::to_string(&result)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    show(&result, raise, global.quiet)?;
    Ok(ExitCode::SUCCESS)
}

fn own_rules(app: &app::App, paths: &[std::path::PathBuf]) -> anyhow::Result<rules::RuleSet> {
    let mut sources = app::rule_sources(&app.config)?;
    let own = rule_files::read(paths)?;
    sources.retain(|source| !own.iter().any(|own| own.path == source.path));
    // One's own come first: of two rules of one id the first counts.
    let loaded = rules::load_with(&[own, sources].concat(), &app::load_options(&app.config)?);
    Ok(loaded.rules)
}

fn show(result: &HuntResult, raise: bool, quiet: bool) -> anyhow::Result<()> {
    if !result.days.is_empty() {
        let mut rows = vec![vec!["DAY".to_owned(), "ALERTS".to_owned()]];
        rows.extend(result.days.iter().map(|share| vec![share.name.clone(), share.alerts.to_string()]));
        print(&columns(&rows))?;
        let mut rows = vec![vec!["ACTOR".to_owned(), "ALERTS".to_owned()]];
        rows.extend(result.actors.iter().map(|share| vec![share.name.clone(), share.alerts.to_string()]));
        print(&columns(&rows))?;
        let mut rows = vec![["TIME", "PROVIDER", "OPERATION", "ALERT"].map(str::to_owned).to_vec()];
        rows.extend(result.first.iter().map(|alert| {
            vec![alert.time.clone(), alert.provider.clone(), alert.operation.clone(), alert.id.clone()]
        }));
        print(&columns(&rows))?;
    }
    if result.no_room > 0 {
        say(&format!("there was no room for {} matches; choose a shorter time", result.no_room));
    }
    if !quiet {
        let raised = if raise { format!(", {} of them new", result.raised) } else { String::new() };
        say(&format!(
            "{} alerts{raised} in {} events from {} to {}",
            result.alerts, result.events, result.since, result.until
        ));
    }
    Ok(())
}
