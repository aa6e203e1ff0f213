//! `stormglass token`

use std::process::ExitCode;

use crate::auth::{Role, new_token};
use crate::cli::TokenCommand;
use crate::output::{UsageError, print, say};

/// Makes a token. It is printed once, to standard output; its entry goes to standard error.
///
/// # Errors
/// The role is none, or the system gives no randomness.
pub(crate) fn run(command: TokenCommand) -> anyhow::Result<ExitCode> {
    let role: Role = command.role.parse().map_err(UsageError)?;
    let (text, hash) =
        new_token().map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    let name = toml_edit::Value::from(command.name.as_str());
    say(&format!(
        "Add this to the configuration; the token itself is not kept anywhere:\n\n\
         [[auth.tokens]]\nname = {name}\nrole = \"{}\"\nsha256 = \"{hash}\"\n\nThe token:",
        role.as_str()
    ));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
