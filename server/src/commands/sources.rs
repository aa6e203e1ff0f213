//! `stormglass sources`

use std::process::ExitCode;

use crate::api::SourceList;
use crate::cli::{Global, Sources};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Prints the account of every source. Exit status 1 if one does not add up.
///
/// # Errors
/// The store or the server cannot be asked.
pub(crate) async fn run(global: &Global, command: Sources) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    let path = if command.verify { "/api/v1/sources?verify=true" } else { "/api/v1/sources" };
    let list: SourceList = client.get(path).await?;
    client.close().await?;
    if command.json {
        print(&serde_json::to_string(&list)?)?;
    } else {
        print(&columns(&table(&list, command.verify)))?;
        if list.pending > 0 {
            say(&format!("{} records in the log are not accounted for yet", list.pending));
        }
    }
    let wrong: Vec<_> = list
        .sources
        .iter()
        .filter(|source| {
            source.unaccounted != 0
                || source.rows_counted.is_some_and(|counted| counted != source.rows - source.expired)
                || source.dead_letters_counted.is_some_and(|counted| counted != source.dead_letters)
        })
        .collect();
    for source in &wrong {
        say(&format!("the account of `{}` does not add up", source.source));
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(list: &SourceList, verify: bool) -> Vec<Vec<String>> {
    let mut head: Vec<String> =
        ["SOURCE", "RECEIVED", "ROWS", "DEAD LETTERS", "DUPLICATES", "DROPPED", "UNACCOUNTED", "LAST EVENT"]
            .map(Into::into)
            .to_vec();
    if verify {
        head.extend(["ROWS COUNTED".into(), "DEAD LETTERS COUNTED".into()]);
    }
    let mut rows = vec![head];
    for source in &list.sources {
        let mut row = vec![
            source.source.clone(),
            source.received.to_string(),
            source.rows.to_string(),
            source.dead_letters.to_string(),
            source.duplicates.to_string(),
            source.dropped.to_string(),
            source.unaccounted.to_string(),
            source.last_event.clone().unwrap_or_else(|| "-".into()),
        ];
        if verify {
            let counted = |count: Option<u64>| count.map_or_else(|| "-".into(), |count| count.to_string());
            row.extend([counted(source.rows_counted), counted(source.dead_letters_counted)]);
        }
        rows.push(row);
    }
    rows
}
