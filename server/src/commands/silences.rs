//! `stormglass silences`

use std::process::ExitCode;

use anyhow::bail;

use super::pages;
use super::query_string::QueryString;
use crate::api::{BulkResult, SilenceBody, SilenceList, SilenceRequest, TrialBody};
use crate::cli::{Global, Silences, WhichSilenced};
use crate::client::Client;
use crate::output::{UsageError, columns, print, say};

/// Makes, lists, tries or ends silences.
///
/// # Errors
/// The store or the server cannot be asked, there is no such silence, or it is refused.
pub(crate) async fn run(global: &Global, command: Silences) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    match command {
        Silences::Add { which, until, from, reason, owner, json } => {
            let asked = SilenceRequest { ends: until, starts: from, reason, owner, ..request(which)? };
            add(&client, &asked, json).await?;
        }
        Silences::List { all, json } => list(&client, all, json).await?,
        Silences::Show { id, json } => show(&client, &id, json).await?,
        Silences::End { id, reason, release: also_release } => {
            let id = whole_id(&client, &id).await?;
            let body = serde_json::json!({ "reason": reason });
            let ended: SilenceBody = client.post(&format!("/api/v1/silences/{id}/end"), &body).await?;
            print(&format!("{} is ended; it hides {} alerts", ended.id, ended.hidden))?;
            if also_release {
                release(&client, &id, &reason).await?;
            } else if ended.hidden > 0 {
                say(&format!(
                    "`stormglass alerts list --suppressed-by {id}` lists them, `stormglass silences release {id}` \
                     releases them"
                ));
            }
        }
        Silences::Release { id, reason } => {
            let id = whole_id(&client, &id).await?;
            release(&client, &id, &reason).await?;
        }
        Silences::Test { which, json } => {
            let trial: TrialBody = client.post("/api/v1/silences/test", &request(which)?).await?;
            match json {
                true => print(&serde_json::to_string(&trial)?)?,
                false => tell(&trial)?,
            }
        }
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn request(which: WhichSilenced) -> anyhow::Result<SilenceRequest> {
    let mut request = SilenceRequest {
        windows: which.window,
        time_zone: which.time_zone,
        everything: which.everything,
        ..SilenceRequest::default()
    };
    for pair in which.matching {
        let Some((field, value)) = pair.split_once('=') else {
            bail!(UsageError(format!(
                "`{pair}` names nothing; write FIELD=VALUE, such as rule=trail_stopped"
            )));
        };
        request.matching.entry(field.to_owned()).or_default().push(value.to_owned());
    }
    Ok(request)
}

async fn add(client: &Client, asked: &SilenceRequest, json: bool) -> anyhow::Result<()> {
    let made: SilenceBody = client.post("/api/v1/silences", asked).await?;
    if json {
        return print(&serde_json::to_string(&made)?);
    }
    print(&format!("{} is {} until {}", made.id, made.status, made.ends))?;
    made.trial.as_ref().map_or(Ok(()), tell)
}

fn tell(trial: &TrialBody) -> anyhow::Result<()> {
    let partial = if trial.partial { " newest" } else { "" };
    print(&format!(
        "of the last 30 days' {}{partial} alerts it would have hidden {}",
        trial.alerts, trial.hidden
    ))?;
    if !trial.rules.is_empty() {
        let mut rows = vec![["HIDDEN", "RULE", "TITLE"].map(String::from).to_vec()];
        rows.extend(
            trial.rules.iter().map(|rule| vec![rule.hidden.to_string(), rule.id.clone(), rule.title.clone()]),
        );
        print(&columns(&rows))?;
    }
    for warning in &trial.warnings {
        say(&format!("warning: {warning}"));
    }
    Ok(())
}

async fn listed(client: &Client, all: bool) -> anyhow::Result<SilenceList> {
    let mut query = QueryString::default();
    query.add("all", &all.to_string());
    pages::all(client, "/api/v1/silences", &query, |list: &mut SilenceList| {
        (&mut list.silences, &mut list.next)
    })
    .await
}

async fn list(client: &Client, all: bool, json: bool) -> anyhow::Result<()> {
    let list = listed(client, all).await?;
    if json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.silences.is_empty() {
        say("there are no such silences");
        return Ok(());
    }
    let head = ["ID", "STATUS", "ENDS", "OWNER", "HIDDEN", "RELEASED", "FOR", "REASON"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(list.silences.iter().map(|silence| {
        vec![
            silence.id.chars().take(12).collect(),
            silence.status.clone(),
            silence.ends.clone(),
            silence.owner.clone(),
            silence.hidden.to_string(),
            silence.released.to_string(),
            matching(silence),
            silence.reason.clone(),
        ]
    }));
    print(&columns(&rows))
}

fn matching(silence: &SilenceBody) -> String {
    let one = |(field, values): (&String, &Vec<String>)| format!("{field}={}", values.join("|"));
    silence.matching.iter().map(one).collect::<Vec<_>>().join(" ")
}

async fn show(client: &Client, id: &str, json: bool) -> anyhow::Result<()> {
    let id = whole_id(client, id).await?;
    let silence: SilenceBody = client.get(&format!("/api/v1/silences/{id}")).await?;
    if json {
        return print(&serde_json::to_string(&silence)?);
    }
    let mut lines = vec![
        format!("silence:  {} ({})", silence.id, silence.status),
        format!("for:      {}", matching(&silence)),
        format!("from:     {}", silence.starts),
        format!("until:    {}", silence.ends),
        format!("owner:    {}", silence.owner),
        format!("reason:   {}", silence.reason),
        format!("made:     {} by {}", silence.created, silence.created_by),
        format!("hidden:   {}, released {}", silence.hidden, silence.released),
    ];
    if let Some(zone) = &silence.time_zone {
        lines.push(format!("hours:    {} ({zone})", silence.windows.join("; ")));
    }
    if let (Some(ended), Some(by)) = (&silence.ended, &silence.ended_by) {
        let reason = silence.ended_reason.as_deref().unwrap_or_default();
        lines.push(format!("ended:    {ended} by {by} {reason}"));
    }
    print(lines.join("\n").trim_end())
}

async fn release(client: &Client, id: &str, reason: &str) -> anyhow::Result<()> {
    let body = serde_json::json!({ "reason": reason });
    let mut released = 0;
    loop {
        let part: BulkResult = client.post(&format!("/api/v1/silences/{id}/release"), &body).await?;
        released += part.changed.len();
        if !part.more || part.changed.is_empty() {
            break;
        }
    }
    print(&format!("{released} alerts are released"))
}

/// The whole id that begins with `start`: lists show its first twelve digits.
async fn whole_id(client: &Client, start: &str) -> anyhow::Result<String> {
    if start.len() >= 32 {
        return Ok(start.to_owned());
    }
    let list = listed(client, true).await?;
    let mut found = list.silences.into_iter().filter(|silence| silence.id.starts_with(start));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.id),
        (None, _) => {
            bail!("there is no silence `{start}`; `stormglass silences list --all` shows those there are")
        }
        (Some(_), Some(_)) => bail!("more than one silence begins with `{start}`; write more of the id"),
    }
}
