//! Rules and files of assets that change while the server runs.
//!
//! The new set is compiled beside the old one and takes its place between two groups of records, so nothing
//! is missed or matched by half a set. A file that has become broken keeps the rules of its last good
//! version, and an alert says so.

use std::collections::HashMap;
use std::sync::Arc;

use ::alerts::{Alert, AlertId, AlertStore, Entity, EntityKind, RuleRef};
use ::rules::{RuleSet, RuleSource};
use event::{Diagnostic, Level};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use storage::audit::Fact;

use crate::app::{App, load_options, now_us, rule_sources};
use crate::config::Config;

/// The rule files as they were read last.
#[derive(Debug, Default)]
pub(crate) struct RuleFiles {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What was read, by path.
    texts: HashMap<String, String>,
    /// The last text of each file in which nothing was refused.
    good: HashMap<String, String>,
    findings: Arc<Vec<Diagnostic>>,
}

/// What a reading of the files gave.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The rules; of broken files those of the last good version.
    pub(crate) rules: RuleSet,
    /// Files that were sound before and are not now, with the first thing that is wrong.
    pub(crate) broken: Vec<(String, Diagnostic)>,
    /// SHA-256 of all paths and texts, in hexadecimal digits.
    pub(crate) sha256: String,
}

impl RuleFiles {
    /// Reads the files of the configuration; `None` if they are as they were.
    ///
    /// # Errors
    /// A path cannot be read; what was in use stays in use.
    pub(crate) fn read(&self, config: &Config) -> anyhow::Result<Option<Reading>> {
        let sources = rule_sources(config)?;
        let options = load_options(config)?;
        let texts = sources.iter().map(|source| (source.path.clone(), source.text.clone())).collect();
        let mut inner = self.inner.lock();
        if inner.texts == texts {
            return Ok(None);
        }
        let loaded = rules::load_with(&sources, &options);
        let refused = |path: &str| {
            loaded.diagnostics.iter().find(|found| found.level == Level::Error && found.file == path).cloned()
        };
        let mut broken = Vec::new();
        let mut mended = Vec::with_capacity(sources.len());
        for source in &sources {
            match (refused(&source.path), inner.good.get(&source.path)) {
                (Some(first), Some(good)) if *good != source.text => {
                    broken.push((source.path.clone(), first));
                    mended.push(RuleSource { path: source.path.clone(), text: good.clone() });
                }
                (Some(_), _) => mended.push(source.clone()),
                (None, _) => {
                    inner.good.insert(source.path.clone(), source.text.clone());
                    mended.push(source.clone());
                }
            }
        }
        let rules = if broken.is_empty() { loaded.rules } else { rules::load_with(&mended, &options).rules };
        inner.good.retain(|path, _| sources.iter().any(|source| source.path == *path));
        inner.texts = texts;
        inner.findings = Arc::new(loaded.diagnostics);
        Ok(Some(Reading { rules, broken, sha256: hash(&sources) }))
    }

    /// The next reading finds everything changed.
    pub(crate) fn forget(&self) {
        self.inner.lock().texts.clear();
    }

    /// What is wrong with the files as they are now.
    pub(crate) fn findings(&self) -> Arc<Vec<Diagnostic>> {
        self.inner.lock().findings.clone()
    }
}

fn hash(sources: &[RuleSource]) -> String {
    let mut hash = Sha256::new();
    for text in sources.iter().flat_map(|source| [&source.path, &source.text]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts the rules as they are now to use; `false` if they are as they were.
///
/// # Errors
/// A path cannot be read, or the alert about a broken file cannot be written.
pub(crate) async fn reload(app: &Arc<App>) -> anyhow::Result<bool> {
    let reading = {
        let app = app.clone();
        tokio::task::spawn_blocking(move || app.rule_files.read(&app.config)).await??
    };
    let Some(reading) = reading else { return Ok(false) };
    for (path, found) in &reading.broken {
        tracing::warn!(path, %found, "a rule file is broken; its last good version stays in use");
    }
    let alerts: Vec<_> = reading.broken.iter().map(|(path, found)| broken_alert(path, found)).collect();
    if !alerts.is_empty() {
        let state = app.state.clone();
        let write = move || state.write(|txn| AlertStore::record(txn, &alerts, now_us()));
        tokio::task::spawn_blocking(write).await??;
    }
    tracing::info!(
        rules = reading.rules.len(),
        correlations = reading.rules.correlations().len(),
        broken = reading.broken.len(),
        "rules are reloaded"
    );
    let fact = Fact::of_stormglass("rules.changed")
        .with("rules", reading.rules.len() as u64)
        .with("correlations", reading.rules.correlations().len() as u64)
        .with("broken_files", reading.broken.len() as u64)
        .with("sha256", reading.sha256.as_str());
    // Rules that the log does not tell of are not put to use.
    if let Err(problem) = app.audit.now(fact).await {
        app.rule_files.forget();
        anyhow::bail!("{}", problem.detail);
    }
    app.pipeline.swap_rules(Arc::new(reading.rules));
    Ok(true)
}

/// The same fault in the same place is told once.
fn broken_alert(path: &str, found: &Diagnostic) -> Alert {
    const RULE: &str = "stormglass-rule-broken";
    let text = found.to_string();
    Alert {
        id: AlertId::new(RULE, [path, text.as_str()]),
        rule: RuleRef {
            id: RULE.to_owned(),
            title: "A Rule File Is Broken".to_owned(),
            level: "medium".to_owned(),
            tags: Vec::new(),
            description: format!("The last good version of `{path}` stays in use. {text}"),
            response: vec!["Mend the file; `stormglass rules check` says what is wrong.".to_owned()],
        },
        severity_id: 3,
        time_us: now_us(),
        provider: String::new(),
        entities: vec![Entity { kind: EntityKind::Resource, value: path.to_owned(), name: None }],
        evidence: Vec::new(),
        joined: None,
    }
}

/// Puts the files of assets as they are now to use; the incidents follow.
async fn reload_assets(app: &Arc<App>) {
    let reading = app.clone();
    match tokio::task::spawn_blocking(move || reading.assets.reload(&reading.config.assets)).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(assets))) => {
            let (assets, indicators) = (assets.assets.len() as u64, assets.indicators.len() as u64);
            tracing::info!(assets, indicators, "assets are reloaded");
            let fact = Fact::of_stormglass("assets.changed");
            app.audit.later(fact.with("assets", assets).with("indicators", indicators));
        }
        Ok(Err(problems)) => {
            for problem in problems {
                tracing::warn!(%problem, "assets are not reloaded; what was read before stays in use");
            }
        }
        Err(error) => tracing::error!("reading assets failed: {error}"),
    }
}

/// Looks for changes every so often, for as long as the server runs.
pub(crate) async fn watch(app: Arc<App>) {
    let every = app.config.rules_reload;
    if every.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(every).await;
        if let Err(error) = reload(&app).await {
            tracing::warn!("rules are not reloaded: {error:#}");
        }
        reload_assets(&app).await;
    }
}
