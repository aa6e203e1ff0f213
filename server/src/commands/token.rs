//! `stormglass token`

use std::process::ExitCode;

use super::pages;
use super::query_string::{QueryString, encode};
use crate::api::{MadeToken, NewToken, TokenList};
use crate::auth::new_token;
use crate::cli::{Global, TokenCommand, Tokens};
use crate::client::{Client, load_config};
use crate::output::{UsageError, columns, print, say};

/// Makes a token for the configuration, or makes, lists and revokes those that the server keeps.
///
/// # Errors
/// The role is none, the server or the folder refuses, or the system gives no randomness.
pub(crate) async fn run(global: &Global, command: TokenCommand) -> anyhow::Result<ExitCode> {
    let Some(kept) = command.command else {
        return entry(global, &command.name.unwrap_or_default(), &command.role.unwrap_or_default());
    };
    let client = Client::open_or_make(global).await?;
    match kept {
        Tokens::Create { name, role, rights, days, owner, json } => {
            let rights = Some(rights).filter(|rights| !rights.is_empty());
            let new = NewToken { name, role, rights, days: Some(days), owner, service: false };
            let made: MadeToken = client.post("/api/v1/tokens", &new).await?;
            if json {
                print(&serde_json::to_string(&made)?)?;
            } else {
                let (name, role) = (&made.body.name, &made.body.role);
                let expires = &made.body.expires;
                say(&format!(
                    "The token `{name}` with the role `{role}`, until {expires}; it is shown this once:"
                ));
                print(&made.token)?;
            }
        }
        Tokens::List { json } => {
            let list =
                pages::all(&client, "/api/v1/tokens", &QueryString::default(), |list: &mut TokenList| {
                    (&mut list.tokens, &mut list.next)
                })
                .await?;
            if json {
                print(&serde_json::to_string(&list)?)?;
            } else {
                let head = ["NAME", "STATE", "ROLE", "RIGHTS", "OWNER", "EXPIRES", "LAST USED"];
                let mut rows = vec![head.map(String::from).to_vec()];
                rows.extend(list.tokens.into_iter().map(|token| {
                    let rights = token.rights.map_or("all".to_owned(), |rights| rights.join(","));
                    let (owner, used) =
                        (token.owner.unwrap_or_default(), token.last_used.unwrap_or_default());
                    vec![token.name, token.state, token.role, rights, owner, token.expires, used]
                }));
                print(&columns(&rows))?;
            }
        }
        Tokens::Revoke { name } => {
            client.delete(&format!("/api/v1/tokens/{}", encode(&name))).await?;
            if !global.quiet {
                say(&format!("the token `{name}` is revoked"));
            }
        }
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// A token for the configuration. It is printed once, to standard output; its entry goes to standard error.
fn entry(global: &Global, name: &str, role: &str) -> anyhow::Result<ExitCode> {
    let role = load_config(global)?.roles.named(role).map_err(UsageError)?;
    let (text, hash) =
        new_token().map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    let name = toml_edit::Value::from(name);
    say(&format!(
        "Add this to the configuration; the token itself is not kept anywhere:\n\n\
         [[auth.tokens]]\nname = {name}\nrole = \"{}\"\nsha256 = \"{hash}\"\n\nThe token:",
        role.as_str()
    ));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
