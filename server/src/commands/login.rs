//! `stormglass login` and `logout`: a session of a user for the command line.

use std::io::{IsTerminal, Read};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use serde_json::json;

use crate::api::SessionBody;
use crate::cli::{Global, Login};
use crate::client::{Client, server_base};
use crate::kept_session::{self, KeptSession};
use crate::output::{UsageError, say};

/// What is read of standard input, in bytes.
const MOST_INPUT: u64 = 4 << 10;

/// Signs in and keeps the session until it ends.
///
/// # Errors
/// No server is named, it does not let the user in, or the session cannot be kept.
pub(crate) async fn login(global: &Global, command: Login) -> anyhow::Result<ExitCode> {
    let base = base(global)?;
    let password = password(&command)?;
    let client = Client::anonymous(&base)?;
    let body = json!({ "user": command.user, "password": password });
    let answer = client.post_for("/api/v1/session", &body, "application/json").await?;
    let cookie = answer.session_cookie().context("the server gave no session")?.to_owned();
    let session: SessionBody = serde_json::from_slice(&answer.all().await?)
        .context("the answer is not what this version of the program expects")?;
    let csrf_token = session.csrf_token.unwrap_or_default();
    kept_session::keep(&base, KeptSession { cookie, csrf_token })?;
    let ends = session.ends.map(|ends| format!(", until {ends} at the latest")).unwrap_or_default();
    say(&format!("signed in to {base} as `{}`, role `{}`{ends}", session.name, session.role));
    Ok(ExitCode::SUCCESS)
}

/// Ends the session, here and at the server.
///
/// # Errors
/// No server is named, or the file of sessions cannot be written.
pub(crate) async fn logout(global: &Global) -> anyhow::Result<ExitCode> {
    let base = base(global)?;
    let Some(session) = kept_session::of(&base)? else {
        say(&format!("there is no session of {base}"));
        return Ok(ExitCode::SUCCESS);
    };
    let ended = Client::by_session(&base, session)?.delete("/api/v1/session").await;
    kept_session::forget(&base)?;
    if let Err(error) = ended {
        say(&format!(
            "the session is forgotten here; at the server it may go on until it ends by itself: {error:#}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn base(global: &Global) -> anyhow::Result<String> {
    match &global.url {
        Some(url) => server_base(url),
        None => bail!(UsageError("name the server: `--url URL`, or STORMGLASS_URL".into())),
    }
}

/// The password: of the terminal, without showing it, or of standard input.
fn password(command: &Login) -> anyhow::Result<String> {
    let mut text = String::new();
    if command.password_stdin {
        std::io::stdin()
            .take(MOST_INPUT)
            .read_to_string(&mut text)
            .context("standard input has no password")?;
    } else if std::io::stdin().is_terminal() {
        say(&format!("password of `{}`:", command.user));
        if !echo(false) {
            bail!(UsageError(
                "the terminal cannot be kept from showing the password; use --password-stdin".into()
            ));
        }
        let read = std::io::stdin().read_line(&mut text);
        echo(true);
        read.context("no password was typed")?;
    } else {
        bail!(UsageError(
            "standard input is no terminal; say --password-stdin to take the password from it".into()
        ));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether the terminal shows what is typed from now on; `false`: it could not be told.
fn echo(is_shown: bool) -> bool {
    let mode = if is_shown { "echo" } else { "-echo" };
    let told = Command::new("stty").arg(mode).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
    told.is_ok_and(|status| status.success())
}
