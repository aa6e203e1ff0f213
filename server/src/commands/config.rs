//! `stormglass config`

use std::process::ExitCode;

use event::Level;

use crate::cli::{ConfigCommand, Global};
use crate::output::{UsageError, print, say};
use crate::{app, client, config};

/// Checks, shows or documents the configuration. A check reads what `serve` reads at its start.
///
/// # Errors
/// Its problems, a line each.
pub(crate) fn run(global: &Global, command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Example => print(config::example().trim_end())?,
        ConfigCommand::Reference => print(config::reference_page().trim_end())?,
        ConfigCommand::Show => print(config::show(&client::load_config(global)?).trim())?,
        ConfigCommand::Check => {
            let config = client::load_config(global)?;
            let secrets = config.unreadable_secrets();
            let (needed, others): (Vec<_>, Vec<_>) =
                secrets.iter().partition(|secret| secret.level == Level::Error);
            let mut lines: Vec<_> = needed.iter().map(ToString::to_string).collect();
            lines.extend(app::problems(&config).iter().map(|problem| format!("{problem:#}")));
            // Another environment may have them: that of `serve` is not that of whoever checks.
            for secret in &others {
                say(&secret.to_string());
            }
            if !lines.is_empty() {
                return Err(UsageError(lines.join("\n")).into());
            }
            let (rules, findings) = app::load_rules(&config)?;
            for finding in &findings {
                say(&finding.to_string());
            }
            let broken = findings.iter().filter(|finding| finding.level == Level::Error).count();
            let unread = match others.len() {
                0 => String::new(),
                count => format!("; {count} secrets cannot be read here"),
            };
            print(&format!(
                "the configuration is good; {} rules load, {broken} findings are errors{unread}",
                rules.len()
            ))?;
            if broken > 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
