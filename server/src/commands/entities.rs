//! `stormglass entities`

use std::process::ExitCode;

use super::pages;
use super::query_string::{QueryString, encode};
use crate::api::{EntityList, EntityRiskBody, EntityRiskDetail};
use crate::cli::{Entities, Global};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Shows the risk of people and things.
///
/// # Errors
/// There is no data, nothing of this name, or the server cannot be asked.
pub(crate) async fn run(global: &Global, command: Entities) -> anyhow::Result<ExitCode> {
    let Entities::Risk { entity, limit, json } = command;
    let client = Client::open(global).await?;
    match entity {
        Some(entity) => one(&client, &entity, json).await?,
        None => ranked(&client, limit, json).await?,
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn ranked(client: &Client, limit: usize, json: bool) -> anyhow::Result<()> {
    let list =
        pages::first(client, "/api/v1/entities", &QueryString::default(), limit, |list: &mut EntityList| {
            (&mut list.entities, &mut list.next)
        })
        .await?;
    if json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.entities.is_empty() {
        say("no alert is about anybody or anything");
        return Ok(());
    }
    print(&table(&list.entities))
}

fn table(entities: &[EntityRiskBody]) -> String {
    let mut rows =
        vec![["RISK", "ALERTS", "LAST", "CRITICALITY", "KIND", "ENTITY"].map(String::from).to_vec()];
    rows.extend(entities.iter().map(|one| {
        vec![
            format!("{:.1}", one.risk),
            one.alerts.to_string(),
            one.last.clone(),
            one.criticality.clone(),
            one.kind.clone(),
            one.entity.clone(),
        ]
    }));
    columns(&rows)
}

async fn one(client: &Client, entity: &str, json: bool) -> anyhow::Result<()> {
    let detail: EntityRiskDetail = client.get(&format!("/api/v1/entities/{}/risk", encode(entity))).await?;
    if json {
        return print(&serde_json::to_string(&detail)?);
    }
    print(&table(&detail.entities))?;
    let mut rows = vec![["NOW", "SCORE", "TIME", "ALERT"].map(String::from).to_vec()];
    rows.extend(detail.parts.iter().map(|part| {
        vec![format!("{:.1}", part.left), part.score.to_string(), part.time.clone(), part.alert.clone()]
    }));
    print(&format!("\n{}", columns(&rows)))
}
