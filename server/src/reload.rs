//! What changes while the server runs is looked after here: rules and files of assets and places in this file,
//! channels, routes and rotas in [`crate::notify_reload`].
//!
//! The new set is compiled beside the old one and takes its place between two groups of records, so nothing
//! is missed or matched by half a set. A file that has become broken keeps the rules of its last good
//! version, and an alert says so.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ::rules::{Placeholders, RuleSet, RuleSource};
use event::{Diagnostic, Level};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use storage::audit::Fact;
use tokio::signal::unix::Signal;

use crate::app::{App, load_options, rule_sources};
use crate::config::Config;
use crate::notify_reload;
use crate::place_files;
use crate::rule_alerts::{self, FilesState};

/// The rule files as they were read last.
#[derive(Debug, Default)]
pub(crate) struct RuleFiles {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What was read, by path.
    texts: HashMap<String, String>,
    /// The lists that rules name, as they were read with them.
    placeholders: Placeholders,
    /// The last text of each file in which nothing was refused.
    good: HashMap<String, String>,
    findings: Arc<Vec<Diagnostic>>,
    /// SHA-256 of what the last look saw, where that was not read, and how many looks saw something else.
    looked: Option<(String, u32)>,
    /// Whether the last look could not read them.
    is_unread: bool,
}

/// After so many looks files are read that are others each time: one that never rests must not hold up the rest.
const MOST_LOOKS: u32 = 5;

/// When files that have changed are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Now.
    Now,
    /// Once they are as they were at the last look: half a file, or none yet, is no change that anybody wants.
    Steady,
}

/// What a reading of the files gave.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The rules; of broken files those of the last good version.
    pub(crate) rules: RuleSet,
    /// Files that were sound before and are not now, with the first thing that is wrong.
    pub(crate) broken: Vec<(String, Diagnostic)>,
    /// SHA-256 of all paths, texts and lists, in hexadecimal digits.
    pub(crate) sha256: String,
}

impl RuleFiles {
    /// Reads the files of the configuration; `None` if they are as they were, or not steady yet.
    ///
    /// # Errors
    /// A path cannot be read; what was in use stays in use, and the one finding says so.
    pub(crate) fn read(&self, config: &Config, when: When) -> anyhow::Result<Option<Reading>> {
        let found = rule_sources(config).and_then(|sources| Ok((sources, load_options(config)?)));
        let was_unread = std::mem::replace(&mut self.inner.lock().is_unread, found.is_err());
        let (sources, options) = match found {
            Ok(found) => found,
            // A folder may be about to be put in the place of another.
            Err(_) if when == When::Steady && !was_unread => return Ok(None),
            Err(error) => {
                self.unreadable(&format!("{error:#}"));
                return Err(error);
            }
        };
        let texts = sources.iter().map(|source| (source.path.clone(), source.text.clone())).collect();
        let mut inner = self.inner.lock();
        if inner.texts == texts && inner.placeholders == options.placeholders {
            inner.looked = None;
            return Ok(None);
        }
        let sha256 = hash(&sources, &options.placeholders);
        let looks = match &inner.looked {
            Some((looked, _)) if *looked == sha256 => MOST_LOOKS,
            Some((_, looks)) => looks + 1,
            None => 1,
        };
        if when == When::Steady && looks < MOST_LOOKS {
            inner.looked = Some((sha256, looks));
            return Ok(None);
        }
        inner.looked = None;
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
        inner.placeholders = options.placeholders;
        inner.findings = Arc::new(loaded.diagnostics);
        Ok(Some(Reading { rules, broken, sha256 }))
    }

    fn unreadable(&self, why: &str) {
        let finding = Diagnostic {
            level: Level::Error,
            file: String::new(),
            line: 0,
            column: 0,
            field: "rules.paths".to_owned(),
            problem: format!("the rule files cannot be read: {why}"),
            mend: "the rules that were read last stay in use; put the files back, or change the setting"
                .to_owned(),
        };
        let mut inner = self.inner.lock();
        inner.findings = Arc::new(vec![finding]);
        // What is read next is news, also if it is what was read last.
        inner.texts.clear();
    }

    /// The files in which something is refused, as they are now.
    fn refused(&self) -> BTreeSet<String> {
        let findings = self.findings();
        let errors = findings.iter().filter(|found| found.level == Level::Error);
        errors.map(|found| found.file.clone()).collect()
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

fn hash(sources: &[RuleSource], placeholders: &Placeholders) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{placeholders:?}"));
    for text in sources.iter().flat_map(|source| [&source.path, &source.text]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts the rules as they are now to use; `false` if they are as they were, or not steady yet.
///
/// # Errors
/// A path cannot be read, or the alert about a broken file cannot be written.
pub(crate) async fn reload(app: &Arc<App>, when: When) -> anyhow::Result<bool> {
    let reading = {
        let app = app.clone();
        tokio::task::spawn_blocking(move || app.rule_files.read(&app.config, when)).await?
    };
    let reading = match reading {
        Ok(Some(reading)) => reading,
        Ok(None) => return Ok(false),
        Err(error) => {
            tell(app, FilesState { unreadable: Some(format!("{error:#}")), ..FilesState::default() }).await?;
            return Err(error);
        }
    };
    for (path, found) in &reading.broken {
        tracing::warn!(path, %found, "a rule file is broken; its last good version stays in use");
    }
    let broken = reading.broken.iter().map(|(path, found)| (path.clone(), found.to_string())).collect();
    let state = FilesState { broken, refused: app.rule_files.refused(), unreadable: None };
    if let Err(error) = tell(app, state).await {
        // They are read again.
        app.rule_files.forget();
        return Err(error);
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

/// Raises and closes the alerts about rule files.
async fn tell(app: &Arc<App>, files: FilesState) -> anyhow::Result<()> {
    let app = app.clone();
    tokio::task::spawn_blocking(move || rule_alerts::tell(&app.state, &app.alerts, &files)).await??;
    Ok(())
}

/// Puts the files of assets as they are now to use; the incidents follow.
async fn reload_assets(app: &Arc<App>, when: When) {
    let reading = app.clone();
    match tokio::task::spawn_blocking(move || reading.assets.reload(&reading.config.assets, when)).await {
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

/// Looks for changes every so often, and on SIGHUP, for as long as the server runs.
pub(crate) async fn watch(app: Arc<App>, mut hangup: Signal) {
    // What was mended while no server ran.
    let refused = app.rule_files.refused();
    if let Err(error) = tell(&app, FilesState { refused, ..FilesState::default() }).await {
        tracing::warn!("the alerts about rule files are not brought up to date: {error:#}");
    }
    if let Err(error) = place_files::tell(&app).await {
        tracing::warn!("the alert about files of places is not brought up to date: {error:#}");
    }
    // The server has started with a good one.
    let (starting, file) = (app.clone(), app.config.given().name());
    let told = tokio::task::spawn_blocking(move || {
        rule_alerts::tell_configuration(&starting.state, &starting.alerts, &file, None)
    });
    if let Ok(Err(error)) = told.await {
        tracing::warn!("the alert about the configuration is not brought up to date: {error}");
    }
    let every = app.config.rules_reload;
    // What lasts is logged once.
    let mut last_error = None;
    loop {
        let is_asked = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(every), if !every.is_zero() => false,
        };
        let told = match is_asked {
            true => notify_reload::reload(&app).await.map(drop),
            false => notify_reload::reload_if_changed(&app).await,
        };
        if let Err(error) = told {
            tracing::warn!("channels, routes and rotas are not reloaded: {error:#}");
        }
        let when = if is_asked { When::Now } else { When::Steady };
        let error = reload(&app, when).await.err().map(|error| format!("{error:#}"));
        if let Some(error) = error.as_ref().filter(|_| error != last_error) {
            tracing::warn!("rules are not reloaded: {error}");
        }
        last_error = error;
        reload_assets(&app, when).await;
        place_files::reload(&app, when).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_has_changed_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("bad.txt");
        std::fs::write(&list, "198.51.100.7\n").unwrap();
        std::fs::write(
            folder.path().join("one.yml"),
            "title: One\nid: 5f7d9c1e-2b44-4c7a-9a51-0d3c8e6f1a20\nlogsource:\n  product: ocsf\ndetection:\n  s:\n    \
             src_endpoint_ip|expand: '%bad%'\n  condition: s\n",
        )
        .unwrap();
        let config = Config::from_text(&format!(
            "[rules]\npaths = [{:?}]\n[rules.placeholders]\nbad = \"file:{}\"\n",
            folder.path(),
            list.display()
        ));
        let files = RuleFiles::default();
        let read = |when| files.read(&config, when).unwrap().is_some();
        assert!(read(When::Now) && !read(When::Steady));
        std::fs::write(&list, "198.51.100.7\n198.51.100.99\n").unwrap();
        assert!(!read(When::Steady) && read(When::Steady) && !read(When::Steady));
        std::fs::write(&list, "198.51.100.99\n").unwrap();
        assert!(read(When::Now) && !read(When::Now));
    }

    #[test]
    fn half_a_file_is_no_change() {
        const RULE: &str = "title: One\nid: 5f7d9c1e-2b44-4c7a-9a51-0d3c8e6f1a20\nlogsource:\n  product: aws\n\
                            detection:\n  s:\n    eventName: GetSecretValue\n  condition: s\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.yml");
        std::fs::write(&file, RULE).unwrap();
        let config = Config::from_text(&format!("[rules]\npaths = [{:?}]\n", folder.path()));
        let files = RuleFiles::default();
        let read = |when| files.read(&config, when).unwrap().map(|reading| reading.rules.len());
        let all = read(When::Now).unwrap();
        assert_eq!(read(When::Steady), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(read(When::Steady), None, "it may be about to be written");
        std::fs::write(&file, RULE.replace("One", "Other")).unwrap();
        assert_eq!(read(When::Steady), None);
        assert_eq!(read(When::Steady), Some(all));
        std::fs::write(&file, "").unwrap();
        assert_eq!(read(When::Now), Some(all - 1), "whoever asks for it gets it");
        let restless = (0..20).find(|n| {
            std::fs::write(&file, RULE.replace("One", &format!("No {n}"))).unwrap();
            read(When::Steady).is_some()
        });
        assert_eq!(restless, Some(4), "what never rests is read all the same");
    }
}
