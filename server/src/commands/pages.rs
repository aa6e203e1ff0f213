//! Lists that the API gives page by page, for commands that show more than a page.

use serde::de::DeserializeOwned;

use super::query_string::QueryString;
use crate::client::Client;

/// The largest page that the API gives.
const PAGE: usize = 500;

/// The first `most` entries of the list at `path`, as one page; `next` is left where there are more. `parts` are
/// the entries of a page and its `next`.
///
/// # Errors
/// The server cannot be asked, or refuses.
pub(crate) async fn first<L: DeserializeOwned, T>(
    client: &Client,
    path: &str,
    query: &QueryString,
    most: usize,
    parts: impl Fn(&mut L) -> (&mut Vec<T>, &mut Option<String>),
) -> anyhow::Result<L> {
    let mut list: L = ask(client, path, query, most, None).await?;
    loop {
        let (entries, next) = parts(&mut list);
        let left = most.saturating_sub(entries.len());
        let Some(cursor) = next.clone().filter(|_| left > 0) else { return Ok(list) };
        let mut page: L = ask(client, path, query, left, Some(&cursor)).await?;
        let (more, after) = parts(&mut page);
        // A page without entries leads nowhere.
        *next = after.take().filter(|_| !more.is_empty());
        entries.append(more);
    }
}

/// All entries of the list.
///
/// # Errors
/// As of [`first`].
pub(crate) async fn all<L: DeserializeOwned, T>(
    client: &Client,
    path: &str,
    query: &QueryString,
    parts: impl Fn(&mut L) -> (&mut Vec<T>, &mut Option<String>),
) -> anyhow::Result<L> {
    first(client, path, query, usize::MAX, parts).await
}

async fn ask<L: DeserializeOwned>(
    client: &Client,
    path: &str,
    query: &QueryString,
    most: usize,
    cursor: Option<&str>,
) -> anyhow::Result<L> {
    let mut query = query.clone();
    query.add("limit", &most.min(PAGE).to_string());
    query.add_some("cursor", cursor);
    client.get(&query.after(path)).await
}
