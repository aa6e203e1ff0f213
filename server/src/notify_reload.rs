//! Channels, routes and rotas that change while the server runs.
//!
//! The configuration is read again as a whole, and one that is broken anywhere changes nothing: what was good last
//! stays in use, and an alert says so. What is taken over is what tells people ([`Outward`] and the notifier's
//! setup); all other settings wait for the next start, and are named.

use std::sync::Arc;

use arc_swap::ArcSwap;
use notify::Setup;
use parking_lot::Mutex;
use storage::audit::Fact;

use crate::api::Callbacks;
use crate::app::{App, open_channels};
use crate::config::{Config, Stamp, stamp};
use crate::rule_alerts;

/// What reaches out, and what is called back.
#[derive(Debug)]
pub(crate) struct Outward {
    /// What channels send by.
    pub(crate) egress: egress::Client,
    /// The keys of what services call back with.
    pub(crate) callbacks: Callbacks,
}

impl Outward {
    /// What the configuration names; a callback secret that cannot be read shuts its channel, see
    /// [`Callbacks::problems`].
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let egress = egress::Client::new(config.egress.clone())?;
        Ok(Self { egress, callbacks: Callbacks::open(&config.channels) })
    }

    /// Who is told what, and by what.
    ///
    /// # Errors
    /// A setting of a channel is wrong.
    pub(crate) fn setup(&self, config: &Config) -> anyhow::Result<Setup> {
        Ok(Setup {
            channels: open_channels(config, &self.egress)?,
            routing: config.routing.clone(),
            links: config.notify_links.clone(),
            keep: config.notify_keep,
            keep_rows: config.notify_keep_rows,
        })
    }
}

/// What of the configuration can change, as it was read last.
#[derive(Debug)]
pub(crate) struct Reloadable {
    outward: ArcSwap<Outward>,
    seen: Mutex<Seen>,
    /// Held by whoever reads it anew.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What was read last, whether it was good or not.
    read: Stamp,
    /// What the last look saw.
    looked: Stamp,
    status: Status,
}

/// How the configuration is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// What is wrong with it; then what was good last is in use.
    pub(crate) findings: Vec<String>,
    /// Settings that are other than those in use and wait for the next start.
    pub(crate) waiting: Vec<String>,
}

/// What became of a reading.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Whether the file was another than the one read before.
    pub(crate) is_other: bool,
    pub(crate) status: Status,
}

impl Reloadable {
    /// What a server starts with.
    pub(crate) fn new(config: &Config, outward: Outward) -> Self {
        let read = config.given().read();
        let seen = Seen { read, looked: read, status: Status::default() };
        Self {
            outward: ArcSwap::from_pointee(outward),
            seen: Mutex::new(seen),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// What is in use now.
    pub(crate) fn outward(&self) -> Arc<Outward> {
        self.outward.load_full()
    }

    /// How the configuration was when it was read last.
    pub(crate) fn status(&self) -> Status {
        self.seen.lock().status.clone()
    }

    /// Whether the file is another than the one read last, and is not being written: it was the same at the last
    /// look. What was refused is read again: a file that it names may have been what was wrong. Blocks.
    fn is_due(&self, config: &Config) -> bool {
        let stamp = stamp(config.given().text().ok().flatten().as_deref());
        let mut seen = self.seen.lock();
        let is_steady = seen.looked == stamp;
        seen.looked = stamp;
        is_steady && (seen.read != stamp || !seen.status.findings.is_empty())
    }
}

/// What a good reading gave.
struct Fresh {
    outward: Outward,
    setup: Setup,
    waiting: Vec<String>,
}

/// Reads a configuration; else what is wrong with it, each with file, field and mend. Blocks.
fn read(running: &Config, text: Option<&str>) -> Result<Fresh, Vec<String>> {
    let file = running.given().name();
    let config = running.given().load_text(text).map_err(|problems| {
        let named = problems.into_iter().map(|mut found| {
            if found.file.is_empty() {
                found.file.clone_from(&file);
            }
            found.to_string()
        });
        named.collect::<Vec<_>>()
    })?;
    let told = |error: anyhow::Error| vec![format!("{file}: {error:#}")];
    let outward = Outward::open(&config).map_err(told)?;
    let shut: Vec<String> = outward.callbacks.problems().flat_map(told).collect();
    if !shut.is_empty() {
        return Err(shut);
    }
    let setup = outward.setup(&config).map_err(told)?;
    Ok(Fresh { outward, setup, waiting: running.waiting(&config) })
}

/// Reads the configuration anew, secrets included, and puts channels, routes and rotas to use.
///
/// # Errors
/// The alert about a broken configuration cannot be written, or the audit log does not take the change: then nothing
/// has changed.
pub(crate) async fn reload(app: &Arc<App>) -> anyhow::Result<Reading> {
    let _turn = app.reloadable.turn.lock().await;
    let reading = app.clone();
    let (text_stamp, fresh) = tokio::task::spawn_blocking(move || {
        let given = reading.config.given();
        match given.text() {
            Ok(text) => (stamp(text.as_deref()), read(&reading.config, text.as_deref())),
            Err(problems) => (None, Err(problems.iter().map(ToString::to_string).collect())),
        }
    })
    .await?;
    let is_other = app.reloadable.seen.lock().read != text_stamp;
    let file = app.config.given().name();
    let findings = match &fresh {
        Ok(_) => Vec::new(),
        Err(findings) => findings.clone(),
    };
    let known = app.reloadable.status().findings;
    for finding in findings.iter().filter(|_| findings != known) {
        tracing::warn!(finding, "the configuration is broken; what was read before stays in use");
    }
    let telling = app.clone();
    let why = (!findings.is_empty()).then(|| findings.join("\n"));
    tokio::task::spawn_blocking(move || {
        rule_alerts::tell_configuration(&telling.state, &telling.alerts, &file, why.as_deref())
    })
    .await??;
    let waiting = match fresh {
        Ok(fresh) => use_it(app, fresh, text_stamp).await?,
        Err(_) => app.reloadable.status().waiting,
    };
    let status = Status { findings, waiting };
    let mut seen = app.reloadable.seen.lock();
    (seen.read, seen.looked, seen.status) = (text_stamp, text_stamp, status.clone());
    Ok(Reading { is_other, status })
}

/// Puts a good reading to use, once the audit log tells of it; gives what waits for the next start.
async fn use_it(app: &Arc<App>, fresh: Fresh, text: Stamp) -> anyhow::Result<Vec<String>> {
    let Fresh { outward, setup, waiting } = fresh;
    let sha256: String = text.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
    let (channels, routes) = (setup.channels.len() as u64, setup.routing.routes.len() as u64);
    let fact = Fact::of_stormglass("notifications.changed")
        .with("channels", channels)
        .with("routes", routes)
        .with("sha256", sha256);
    if let Err(problem) = app.audit.now(fact).await {
        anyhow::bail!("{}", problem.detail);
    }
    let using = app.clone();
    tokio::task::spawn_blocking(move || using.notifier.exchange(setup)).await??;
    app.reloadable.outward.store(Arc::new(outward));
    tracing::info!(channels, routes, "channels, routes and rotas are reloaded");
    for setting in &waiting {
        tracing::warn!(setting, "the setting is another now, and is used from the next start on");
    }
    Ok(waiting)
}

/// [`reload`], if the file has changed and is whole.
///
/// # Errors
/// As [`reload`].
pub(crate) async fn reload_if_changed(app: &Arc<App>) -> anyhow::Result<()> {
    let looking = app.clone();
    if tokio::task::spawn_blocking(move || looking.reloadable.is_due(&looking.config)).await? {
        reload(app).await?;
    }
    Ok(())
}
