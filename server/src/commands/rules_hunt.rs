//! `stormglass rules backtest` and `rules hunt`

use std::process::ExitCode;

use super::query_string;
use crate::api::{HuntBody, HuntResult, RuleText, hunt_result};
use crate::cli::{Global, RulesHunt};
use crate::client::Client;
use crate::hunt::{Hunt, hunt, with_own};
use crate::output::{UsageError, columns, print, say};
use crate::rule_files;

/// Runs a rule over the stored history; `raise` makes alerts of what is found.
///
/// # Errors
/// There is no such rule or no data, or the server cannot be asked.
pub(crate) async fn run(global: &Global, command: RulesHunt, raise: bool) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    let own = match command.rules.as_slice() {
        [] => Vec::new(),
        paths => rule_files::read(paths)?,
    };
    let mut body = HuntBody { since: command.since.clone(), until: command.until.clone(), rules: Vec::new() };
    let result: HuntResult = match &client {
        // In this process there is no limit on the time of a request, and rules of one's own can be tried.
        Client::Local { app, .. } => {
            let (since_us, until_us) = body.moments().map_err(|problem| UsageError(problem.detail))?;
            let wanted = Hunt { rule: command.rule.clone(), since_us, until_us, raise };
            let rules = match own.is_empty() {
                true => app.pipeline.rules(),
                false => with_own(&app.config, own)?,
            };
            let hunted = hunt(app, rules, &wanted).await?;
            hunt_result(&wanted, hunted)
        }
        Client::Remote { .. } => {
            body.rules = own.into_iter().map(|own| RuleText { path: own.path, text: own.text }).collect();
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
