//! `stormglass users`

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::pages;
use super::query_string::{QueryString, encode};
use crate::api::{NewUser, RoleList, UserBody, UserChange, UserList};
use crate::cli::{Global, Users};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Random bytes of a password that is made here: 144 bits, 24 characters.
const RANDOM_BYTES: usize = 18;
/// What is read of standard input at most.
const MOST_INPUT: u64 = 4096;

/// Adds, lists, changes or disables users.
///
/// # Errors
/// The server or the folder refuses, or standard input has no password.
pub(crate) async fn run(global: &Global, command: Users) -> anyhow::Result<ExitCode> {
    let client = Client::open_or_make(global).await?;
    let told = |text: String| {
        if !global.quiet {
            say(&text);
        }
    };
    let path = |name: &str| format!("/api/v1/users/{}", encode(name));
    match command {
        Users::Add { name, role, display, email, password_stdin } => {
            let password = password(password_stdin)?;
            let new = NewUser { name, role, password: password.clone(), display, email };
            let user: UserBody = client.post("/api/v1/users", &new).await?;
            told(format!("the user `{}` with the role `{}` is added", user.name, user.role));
            show_once(password_stdin, &password)?;
        }
        Users::List { json } => {
            let list =
                pages::all(&client, "/api/v1/users", &QueryString::default(), |list: &mut UserList| {
                    (&mut list.users, &mut list.next)
                })
                .await?;
            if json {
                print(&serde_json::to_string(&list)?)?;
            } else {
                let head = ["NAME", "ROLE", "STATE", "ORIGIN", "SESSIONS", "PERSON", "E-MAIL"];
                let mut rows = vec![head.map(String::from).to_vec()];
                rows.extend(list.users.into_iter().map(|user| {
                    let state = if user.active { "active" } else { "disabled" };
                    let sessions = user.sessions.to_string();
                    vec![user.name, user.role, state.into(), user.origin, sessions, user.display, user.email]
                }));
                print(&columns(&rows))?;
            }
        }
        Users::Disable { name } => {
            let change = UserChange { active: Some(false), ..UserChange::default() };
            let user: UserBody = client.patch(&path(&name), &change).await?;
            told(format!("`{}` is out: sessions have ended, tokens are revoked", user.name));
        }
        Users::Enable { name } => {
            let change = UserChange { active: Some(true), ..UserChange::default() };
            let user: UserBody = client.patch(&path(&name), &change).await?;
            told(format!("`{}` may come in again", user.name));
        }
        Users::Passwd { name, password_stdin } => {
            let password = password(password_stdin)?;
            let change = UserChange { password: Some(password.clone()), ..UserChange::default() };
            let user: UserBody = client.patch(&path(&name), &change).await?;
            told(format!("`{}` has another password; sessions have ended", user.name));
            show_once(password_stdin, &password)?;
        }
        Users::Role { name, role } => {
            let change = UserChange { role: Some(role), ..UserChange::default() };
            let user: UserBody = client.patch(&path(&name), &change).await?;
            told(format!("`{}` has the role `{}`; sessions have ended", user.name, user.role));
        }
        Users::Handle { name, handles } => {
            let change = UserChange { handles: Some(handles), ..UserChange::default() };
            let user: UserBody = client.patch(&path(&name), &change).await?;
            told(match user.handles.is_empty() {
                true => format!("`{}` is nobody elsewhere", user.name),
                false => format!("`{}` is {}", user.name, user.handles.join(" and ")),
            });
        }
        Users::Roles { json } => {
            let list: RoleList = client.get("/api/v1/roles").await?;
            if json {
                print(&serde_json::to_string(&list)?)?;
            } else {
                let mut rows = vec![["ROLE", "RIGHTS"].map(String::from).to_vec()];
                rows.extend(list.roles.into_iter().map(|role| vec![role.name, role.rights.join(" ")]));
                print(&columns(&rows))?;
            }
        }
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// The password of standard input, without the end of its line, or a new one.
fn password(is_given: bool) -> anyhow::Result<String> {
    if is_given {
        let mut text = String::new();
        std::io::stdin()
            .take(MOST_INPUT)
            .read_to_string(&mut text)
            .context("standard input has no password")?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let mut random = [0u8; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

fn show_once(is_given: bool, password: &str) -> anyhow::Result<()> {
    if is_given {
        return Ok(());
    }
    say("The password, shown this once; it can be changed after signing in:");
    print(password)
}
