//! `stormglass identity`

use std::process::ExitCode;

use super::pages;
use super::query_string::QueryString;
use crate::api::{LinkList, UndoBody};
use crate::cli::{Global, Identity};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Shows or undoes links between the names of an identity.
///
/// # Errors
/// There is no data or no such link, or the server cannot be asked.
pub(crate) async fn run(global: &Global, command: Identity) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    match command {
        Identity::Links { name, json } => {
            let mut query = QueryString::default();
            query.add("name", &name);
            let list = pages::all(&client, "/api/v1/identity/links", &query, |list: &mut LinkList| {
                (&mut list.links, &mut list.next)
            })
            .await?;
            if json {
                print(&serde_json::to_string(&list)?)?;
            } else {
                let mut rows =
                    vec![["LINK", "KIND", "SURE", "NAME", "OWNER", "PROOF"].map(String::from).to_vec()];
                rows.extend(list.links.into_iter().map(|link| {
                    vec![link.id, link.kind, format!("{} %", link.confidence), link.a, link.b, link.proof]
                }));
                print(&columns(&rows))?;
            }
        }
        Identity::Undo { link, reason } => {
            let path = format!("/api/v1/identity/links/{}/undo", super::query_string::encode(&link));
            client.post_for(&path, &UndoBody { reason }, "application/json").await?;
            if !global.quiet {
                say("the link is undone; alerts that rest on it are taken back");
            }
        }
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}
