//! `stormglass config`

use std::process::ExitCode;

use event::Level;

use crate::cli::{ConfigCommand, Global};
use crate::output::{print, say};
use crate::{app, client, config};

/// Checks, shows or documents the configuration.
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
            let (rules, findings) = app::load_rules(&config)?;
            for finding in &findings {
                say(&finding.to_string());
            }
            let broken = findings.iter().filter(|finding| finding.level == Level::Error).count();
            print(&format!(
                "the configuration is good; {} rules load, {broken} findings are errors",
                rules.len()
            ))?;
            if broken > 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
