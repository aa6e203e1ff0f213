//! `stormglass audit`

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use storage::audit::verify::{self, Verifier};
use storage::audit::{Checkpoint, PublicKey};

use super::query_string::QueryString;
use crate::api;
use crate::app::now_us;
use crate::audit::anchor;
use crate::cli::{Audit, AuditFormat, AuditList, AuditVerify, Global};
use crate::client::{Client, load_config};
use crate::output::{columns, print, say};

/// How often the log is signed where nothing else is set.
const SIGN_EVERY: Duration = Duration::from_secs(60);

/// Lists, exports or verifies the audit log.
///
/// # Errors
/// The log or the server cannot be asked.
pub(crate) async fn run(global: &Global, command: Audit) -> anyhow::Result<ExitCode> {
    let client = match command {
        Audit::Verify(wanted) => return verify(global, wanted).await,
        Audit::List(wanted) => {
            let client = Client::open(global).await?;
            list(&client, wanted).await?;
            client
        }
        Audit::Export { format } => {
            let client = Client::open(global).await?;
            export(&client, format).await?;
            client
        }
    };
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, wanted: AuditList) -> anyhow::Result<()> {
    let mut query = QueryString::default();
    for (name, value) in [
        ("actor", &wanted.actor),
        ("action", &wanted.action),
        ("outcome", &wanted.outcome),
        ("since", &wanted.since),
        ("until", &wanted.until),
    ] {
        query.add_some(name, value.as_deref());
    }
    query.add("limit", &wanted.limit.to_string());
    let list: api::AuditList = client.get(&query.after("/api/v1/audit")).await?;
    if wanted.json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.entries.is_empty() {
        say("there are no such entries");
        return Ok(());
    }
    let head = ["SEQ", "TIME", "ACTOR", "ACTION", "OUTCOME", "COUNT", "ADDRESS", "OBJECT"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for entry in &list.entries {
        rows.push(vec![
            entry.seq.to_string(),
            entry.time.clone(),
            entry.actor.clone(),
            entry.action.clone(),
            entry.outcome.clone(),
            entry.count.to_string(),
            entry.address.clone(),
            entry.object.clone(),
        ]);
    }
    print(&columns(&rows))?;
    if list.next.is_some() {
        say(&format!("there are more; --limit shows more than {}", wanted.limit));
    }
    Ok(())
}

/// The lines go out byte for byte: escaped control characters are JSON's affair.
async fn export(client: &Client, format: AuditFormat) -> anyhow::Result<()> {
    let path = match format {
        AuditFormat::Chain => "/api/v1/audit/export",
        AuditFormat::Ocsf => "/api/v1/audit/export?format=ocsf",
    };
    let mut answer = client.get_for(path, "application/x-ndjson").await?;
    let mut out = std::io::stdout().lock();
    while let Some(piece) = answer.next().await {
        out.write_all(&piece.context("the export broke off")?)?;
    }
    out.flush()?;
    Ok(())
}

async fn verify(global: &Global, wanted: AuditVerify) -> anyhow::Result<ExitCode> {
    let mut keys = wanted.key.iter().map(|text| key(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut anchors = Vec::new();
    for place in &wanted.anchor {
        let Some(found) = anchor(place)? else { bail!("`--anchor` is empty; name a file of checkpoints") };
        let (checkpoints, unreadable) = found.read().await?;
        if unreadable > 0 {
            say(&format!("{unreadable} lines of `{place}` are no checkpoints, as a crash leaves them"));
        }
        anyhow::ensure!(!checkpoints.is_empty(), "`{place}` holds no checkpoint");
        anchors.extend(checkpoints);
    }
    let folder = match &wanted.file {
        Some(_) => None,
        None => Some(match &global.data {
            Some(data) => data.clone(),
            None => load_config(global)?.data,
        }),
    };
    if keys.is_empty() {
        // A key from beside the log proves less, but more than none.
        let beside = folder.as_ref().map(|folder| folder.join(storage::audit::PUBLIC_KEY_FILE));
        if let Some(path) = beside.filter(|path| path.exists()) {
            keys.push(key(&path.to_string_lossy())?);
        }
        say("no --key is given: whoever can change the log may have changed the key beside it as well");
    }
    // The server may be set otherwise, on another machine; without a word of it, to what is usual.
    let sign_every = load_config(global).map_or(SIGN_EVERY, |config| config.audit.checkpoint_every);
    let sign_every_us = i64::try_from(sign_every.as_micros()).unwrap_or(i64::MAX);
    // An export is as old as its last entry. The head is read before the log, which may grow.
    let (now_us, head) = match &folder {
        Some(folder) => (Some(now_us()), head(folder)?),
        None => (None, None),
    };
    let verifier = Verifier::new(keys, anchors).signed_every(sign_every_us, now_us).head(head);
    let path: Option<PathBuf> = folder.map(|folder| folder.join("state.db"));
    let work = move || match (wanted.file, path) {
        (Some(file), _) if file == Path::new("-") => Ok(verify::export(std::io::stdin().lock(), verifier)?),
        (Some(file), _) => {
            let text = std::fs::File::open(&file).with_context(|| format!("`{}`", file.display()))?;
            Ok(verify::export(BufReader::with_capacity(1 << 20, text), verifier)?)
        }
        (None, Some(path)) => {
            anyhow::ensure!(path.exists(), "there is no `{}`; `--data` names another folder", path.display());
            Ok(verify::database(&path, verifier)?)
        }
        (None, None) => bail!("name a data folder or a file"),
    };
    match tokio::task::spawn_blocking(work).await?? {
        Ok(report) => {
            let keys: Vec<_> = report.keys.iter().map(ToString::to_string).collect();
            if wanted.json {
                print(
                    &serde_json::json!({"sound": true, "chain": report.chain, "dropped": report.dropped,
                    "dropped_at": report.dropped_us.map(api::format_us), "entries": report.entries,
                    "head": report.head.to_string(), "checkpoints": report.checkpoints, "signed": report.signed,
                    "anchors": report.anchors, "keys": keys})
                    .to_string(),
                )?;
                return Ok(ExitCode::SUCCESS);
            }
            print(&format!(
                "nothing is wrong: {} entries, signed up to entry {} by {}, {} checkpoints, {} kept elsewhere\nhead: {}",
                report.entries - report.dropped,
                report.signed,
                if keys.is_empty() { "nobody".to_owned() } else { keys.join(" and ") },
                report.checkpoints,
                report.anchors,
                report.head
            ))?;
            if let Some(at_us) = report.dropped_us {
                say(&format!(
                    "entries 1 to {} were dropped at {}; `audit.trim` in the log says where they are",
                    report.dropped,
                    api::format_us(at_us)
                ));
            }
            if report.signed < report.entries {
                let rest = report.entries - report.signed;
                say(&format!("the last {rest} entries are chained, but not signed yet"));
            }
            if report.anchors == 0 {
                say("without --anchor it is not seen if the end was cut off");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(found) => {
            if wanted.json {
                print(
                    &serde_json::json!({"sound": false, "kind": found.kind.as_str(), "from": found.from,
                    "to": found.seq, "detail": found.detail})
                    .to_string(),
                )?;
            } else {
                print(&found.to_string())?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What lies beside the key of a data folder.
fn head(folder: &Path) -> anyhow::Result<Option<Checkpoint>> {
    let path = folder.join(storage::audit::HEAD_FILE);
    match storage::audit::kept_head(folder) {
        Ok(Some(head)) => Ok(Some(head)),
        Ok(None) => {
            say(&format!(
                "there is no `{}`: a log that an older version has signed, or one that was tampered with",
                path.display()
            ));
            Ok(None)
        }
        Err(storage::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            say(&format!(
                "`{}` may not be read: it is not seen if checkpoints after the last one here are gone",
                path.display()
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A key as it is written, or in the file so called.
fn key(text: &str) -> anyhow::Result<PublicKey> {
    if let Some(key) = PublicKey::parse(text) {
        return Ok(key);
    }
    let read = std::fs::read_to_string(text);
    let read = read
        .with_context(|| format!("`{text}` is neither a key of 64 hexadecimal digits nor a file of one"))?;
    PublicKey::parse(&read).with_context(|| format!("`{text}` holds no key of 64 hexadecimal digits"))
}
