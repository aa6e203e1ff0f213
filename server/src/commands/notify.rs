//! `stormglass notify`

use std::process::ExitCode;

use super::pages;
use super::query_string::{QueryString, encode};
use crate::api::{
    ChannelList, DeliveryBody, DeliveryList, PreviewBody, ReloadBody, ResendBody, ResendResult, TestResult,
};
use crate::cli::{DeadDeliveries, Global, Notify, WhichDeliveries};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Shows, tries and repairs what tells people.
///
/// # Errors
/// The store or the server cannot be asked, or there is no such channel, alert or delivery.
pub(crate) async fn run(global: &Global, command: Notify) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    let mut code = ExitCode::SUCCESS;
    match command {
        Notify::Channels { json } => channels(&client, json).await?,
        Notify::Test { channel } => code = test(&client, &channel).await?,
        Notify::Reload => code = reload(&client).await?,
        Notify::Preview { id, json } => preview(&client, &id, json).await?,
        Notify::List(which) => list(&client, &which, "there are no such deliveries").await?,
        Notify::DeadLetters(DeadDeliveries::List { channel, limit, json }) => {
            let state = Some("dead".to_owned());
            let which = WhichDeliveries { state, channel, alert: None, limit, json };
            list(&client, &which, "everything was delivered, or is still being tried").await?;
        }
        Notify::DeadLetters(DeadDeliveries::Resend { id, all: _, channel }) => {
            let body = ResendBody { id, channel };
            let result: ResendResult = client.post("/api/v1/notifications/resend", &body).await?;
            print(&format!("{} sent again", result.resent))?;
        }
    }
    client.close().await?;
    Ok(code)
}

async fn channels(client: &Client, json: bool) -> anyhow::Result<()> {
    let list: ChannelList = client.get("/api/v1/notifications/channels").await?;
    if json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.channels.is_empty() {
        say("there are no channels; docs/notifications.md tells how to add one");
        return Ok(());
    }
    let mut rows =
        vec![["CHANNEL", "KIND", "STATE", "WAITING", "DEAD", "OLDEST", "REASON"].map(String::from).to_vec()];
    for channel in list.channels {
        rows.push(vec![
            channel.name,
            channel.kind,
            channel.state,
            channel.waiting.to_string(),
            channel.dead.to_string(),
            channel.oldest.unwrap_or_default(),
            channel.reason.unwrap_or_default(),
        ]);
    }
    print(&columns(&rows))
}

async fn test(client: &Client, channel: &str) -> anyhow::Result<ExitCode> {
    let path = format!("/api/v1/notifications/channels/{}/test", encode(channel));
    let result: TestResult = client.post(&path, &serde_json::json!({})).await?;
    if result.outcome == "delivered" {
        print(&format!("`{channel}` took the test"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("`{channel}` did not take the test ({}): {}", result.outcome, result.reason))?;
    Ok(ExitCode::FAILURE)
}

async fn reload(client: &Client) -> anyhow::Result<ExitCode> {
    let body: ReloadBody = client.post("/api/v1/notifications/reload", &serde_json::json!({})).await?;
    for setting in &body.waiting {
        say(&format!("`{setting}` has changed, and is used from the next start on"));
    }
    if body.findings.is_empty() {
        let told = if body.changed { "read again" } else { "as it was; secrets are read again" };
        print(&format!("the configuration is {told}: {} channels", body.channels))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("{}\nnothing has changed: what was good last stays in use", body.findings.join("\n")))?;
    Ok(ExitCode::FAILURE)
}

async fn preview(client: &Client, start: &str, json: bool) -> anyhow::Result<()> {
    let path = format!("/api/v1/notifications/preview/{}", encode(start));
    let preview: PreviewBody = client.get(&path).await?;
    if json {
        return print(&serde_json::to_string(&preview)?);
    }
    let mut out = String::new();
    if let Some(incident) = &preview.incident {
        out.push_str(&format!("it is told with incident {incident}:\n\n"));
    }
    out.push_str(&format!("{}\n{}\n\nroutes:\n", preview.title, preview.description.trim_end()));
    for route in &preview.considered {
        let told = match (&route.refusal, &route.because) {
            (Some(why), _) => format!("no: {why}"),
            (None, Some(why)) => format!("matches: {why}"),
            (None, None) => "matches".to_owned(),
        };
        out.push_str(&format!("  {}: {told}\n", route.route));
    }
    for silence in &preview.silences {
        let owner = silence.owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
        let until = silence.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        out.push_str(&format!("\nsilence {}{owner} hides it{until}: {}", silence.id, silence.reason));
    }
    if preview.taken.is_empty() {
        let has_routes = !preview.considered.is_empty();
        out.push_str(if has_routes {
            "\nnobody would be told"
        } else {
            "\nnobody would be told: there are no routes (`notify.routes`)"
        });
    }
    for route in &preview.taken {
        let channels = match route.channels.as_slice() {
            [] => "nobody".to_owned(),
            channels => channels.join(", "),
        };
        out.push_str(&format!("\nby `{}`: {channels}", route.route));
        if let Some(seconds) = route.digest_seconds {
            out.push_str(&format!(", in a digest every {}", span(seconds)));
        }
        if route.by_itself {
            out.push_str(", besides the incident by itself");
        }
        if let Some(until) = &route.counted_until {
            out.push_str(&format!("\n  there are many of its rule: it is counted until {until}"));
        }
        for one in &route.on_call {
            let who = one.channel.as_deref().unwrap_or("nobody");
            out.push_str(&format!("\n  on call of {}: {who}", one.rota));
        }
        for step in &route.escalation {
            let after = span(step.after_seconds);
            out.push_str(&format!("\n  not acknowledged after {after}: {}", step.targets.join(", ")));
        }
    }
    print(&out)
}

/// Seconds in words.
fn span(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

async fn list(client: &Client, which: &WhichDeliveries, none: &str) -> anyhow::Result<()> {
    let mut query = QueryString::default();
    query.add_some("state", which.state.as_deref());
    query.add_some("channel", which.channel.as_deref());
    query.add_some("alert", which.alert.as_deref());
    let list =
        pages::first(client, "/api/v1/notifications", &query, which.limit, |list: &mut DeliveryList| {
            (&mut list.deliveries, &mut list.next)
        })
        .await?;
    if which.json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.deliveries.is_empty() {
        say(none);
        return Ok(());
    }
    let head = ["ID", "CHANNEL", "KIND", "STATE", "ATTEMPTS", "CREATED", "SUBJECT", "TITLE", "ERROR"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(list.deliveries.into_iter().map(row));
    print(&columns(&rows))?;
    if list.next.is_some() {
        say(&format!("there are more; --limit shows more than {}", which.limit));
    }
    Ok(())
}

fn row(delivery: DeliveryBody) -> Vec<String> {
    vec![
        delivery.id.to_string(),
        delivery.channel,
        delivery.kind,
        delivery.state,
        delivery.attempts.to_string(),
        delivery.created,
        delivery.subject,
        delivery.title.chars().take(60).collect(),
        delivery.last_error.chars().take(100).collect(),
    ]
}
