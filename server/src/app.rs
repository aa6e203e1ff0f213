//! The composition root: everything that a data folder needs, opened in the order of need.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use alerts::AlertStore;
use alerts::incident::Incidents;
use event::{Diagnostic, Level};
use ingest::SweepProgress;
use normalize::CustomMappings;
use parking_lot::Mutex;
use pipeline::{
    CorrelationConfig, Identities, Parts, Pipeline, PipelineConfig, Places, Source, SourceSpec, Sources,
};
use query::{QueryConfig, QueryEngine};
use rules::{CorrelatorLimits, LoadOptions, RuleSet, RuleSource};
use storage::log::{Log, LogConfig};
use storage::seen::SeenConfig;
use storage::state::State;
use storage::table::{EventTable, TableConfig};

use crate::api::Live;
use crate::asset_files::AssetFiles;
use crate::audit::Recorder;
use crate::auth::{Auth, Directory};
use crate::config::{BadSecret, Config, SourceConfig};
use crate::known_names::KnownNames;
use crate::notify_reload::{Outward, Reloadable};
use crate::place_files::PlaceFiles;
use crate::push::Push;
use crate::push::syslog::Listeners;
use crate::reload::{RuleFiles, When};
use crate::rule_files;
use crate::tls::Certificates;
use notify::{Notifier, NotifierParts};

/// A data folder in use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) log: Log,
    pub(crate) table: EventTable,
    pub(crate) state: State,
    pub(crate) alerts: AlertStore,
    pub(crate) incidents: Incidents,
    /// Of files; others are in the state.
    pub(crate) assets: AssetFiles,
    pub(crate) places: PlaceFiles,
    pub(crate) identities: Arc<KnownNames>,
    pub(crate) engine: QueryEngine,
    pub(crate) pipeline: Arc<Pipeline>,
    /// What is pulled; nothing before [`start_sources`](Self::start_sources).
    pub(crate) sources: Sources,
    /// Readings of the past, by the name of their positions.
    pub(crate) backfills: Mutex<Vec<BackfillRun>>,
    pub(crate) rule_files: RuleFiles,
    pub(crate) push: Push,
    /// What was done to this folder, and by whom.
    pub(crate) audit: Arc<Recorder>,
    /// What TLS is spoken with, if it is.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Streams of what happens to alerts.
    pub(crate) live: Live,
    /// Tells people; not before [`Notifier::start`].
    pub(crate) notifier: Notifier,
    /// What tells people and can change while the server runs.
    pub(crate) reloadable: Reloadable,
    /// Who may do what.
    pub(crate) auth: Arc<Auth>,
    pub(crate) started: Instant,
    /// Where the log ended when it was opened; once that is refined, the server is ready.
    pub(crate) recovered_head: event::Offset,
}

/// A reading of the past that was started in this process.
#[derive(Debug)]
pub(crate) struct BackfillRun {
    pub(crate) source: Arc<Source>,
    /// When objects must have been modified, in microseconds since 1970.
    pub(crate) span_us: Range<i64>,
    pub(crate) progress: Arc<SweepProgress>,
}

impl App {
    /// Opens the folder, takes up the work where the last run left it, and starts the stages.
    ///
    /// # Errors
    /// Another process uses the folder, a disk refuses, or a file is damaged; the message says which.
    pub(crate) async fn open(config: Config) -> anyhow::Result<Self> {
        let data = &config.data;
        crate::data_folder::make(data)?;
        let log_config = LogConfig {
            segment_bytes: config.log_segment,
            max_bytes: config.log_max,
            ..LogConfig::default()
        };
        let log = Log::open(&data.join("log"), log_config)?;
        let state = State::open(&data.join("state.db"))?;
        let alerts = AlertStore::open(state.clone())?;
        let audit = Recorder::open(&config, state.clone())?;
        let incidents = Incidents::open(state.clone(), config.incidents.clone())?;
        let outward = Outward::open(&config)?;
        // Before the stages: what they raise from now on is told.
        let notifier = Notifier::open(NotifierParts {
            state: state.clone(),
            alerts: alerts.clone(),
            incidents: Some(incidents.clone()),
            setup: outward.setup(&config)?,
            now_us,
        })?;
        let assets = AssetFiles::open(&config.assets).map_err(crate::client::usage)?;
        let (place_files, places) = PlaceFiles::open(&config.places).map_err(crate::client::usage)?;
        let identities = Arc::new(KnownNames(Identities::new(state.clone())));
        let table_config = TableConfig {
            commit_bytes: config.commit_size,
            commit_after: config.commit_after,
            file_bytes: config.file_size,
            ..TableConfig::default()
        };
        let table = EventTable::open(&data.join("events"), table_config).await?;
        // From here on this process is the one that writes: a second one is stopped by its next commit.
        table.claim().await?;
        log.raise_head(pipeline::passed(&table, &state)?).await?;
        let rule_files = RuleFiles::default();
        let rules = rule_files.read(&config, When::Now)?.map(|reading| reading.rules).unwrap_or_default();
        for finding in rule_files.findings().iter().filter(|finding| finding.level == Level::Error) {
            tracing::warn!(%finding, "a rule is left out");
        }
        let query_config = QueryConfig {
            memory_bytes: config.query_memory,
            max_rows: config.query_max_rows,
            timeout: config.query_timeout,
            concurrent: config.query_concurrent,
            ..QueryConfig::default()
        };
        let mut views = alerts::state_tables();
        views.extend(alerts::incident::state_tables());
        views.extend(notify::state_tables());
        views.push(storage::remembered::links_table());
        views.push(storage::audit::state_table());
        let engine = QueryEngine::new(table.clone(), state.clone(), views, identities.clone(), query_config);
        let parts = Parts {
            log: log.clone(),
            table: table.clone(),
            state: state.clone(),
            seen_folder: data.join("seen"),
            seen: SeenConfig { memory_bytes: config.duplicate_memory },
            rules: Arc::new(rules),
            now_us,
        };
        let pipeline_config = PipelineConfig {
            retention_days: config.retention_days,
            upkeep_every: config.upkeep_every,
            keep_removed_files: config.keep_removed_files,
            pending_bytes: config.commit_size.saturating_mul(2),
            identity: config.identity(),
            mappings: Arc::new(load_mappings(&config.mappings)?),
            places,
            correlation: CorrelationConfig {
                limits: CorrelatorLimits {
                    group_hits: config.correlation_key_hits,
                    correlation_hits: config.correlation_rule_hits,
                    hits: config.correlation_hits,
                },
                delay: config.correlation_delay,
                idle: config.correlation_idle,
                lateness: config.correlation_lateness,
            },
            ..PipelineConfig::default()
        };
        let recovered_head = log.head();
        let pipeline = Arc::new(Pipeline::start(parts, pipeline_config)?);
        let sources = Sources::new(pipeline.clone(), state.clone(), now_us);
        let backfills = Mutex::default();
        let started = Instant::now();
        let push = Push::open(&config)?;
        drop(tokio::spawn(audit.clone().run()));
        let reloadable = Reloadable::new(&config, outward);
        let directory = Arc::new(Directory::open(state.clone(), config.access.ends)?);
        let auth = Auth::new(config.auth()?, directory, push.tally.clone());
        let auth = Arc::new(auth.recording(audit.clone()));
        Ok(Self {
            config,
            log,
            table,
            state,
            alerts,
            incidents,
            assets,
            places: place_files,
            identities,
            engine,
            pipeline,
            sources,
            backfills,
            push,
            audit,
            certificates: None,
            live: Live::default(),
            notifier,
            reloadable,
            auth,
            rule_files,
            started,
            recovered_head,
        })
    }

    /// Starts every source that is configured, and the watch over their health.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn start_sources(&self) -> anyhow::Result<()> {
        for source in &self.config.sources {
            let (opened, limits) = (source.clone(), self.config.limits.clone());
            self.sources.start(SourceSpec {
                id: source.id.clone(),
                positions: source.id.to_string(),
                open: Box::new(move |positions| opened.open(&limits, positions)),
                in_flight_bytes: source.in_flight(),
                bounds: source.bounds(),
                gives_way: false,
            })?;
        }
        self.sources.watch(self.alerts.clone());
        Ok(())
    }

    /// Starts to read the past of a source beside its live reading, which goes first. The same span goes on
    /// where it was left. `None`: this kind of source has no past that could be read.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn backfill(
        &self,
        source: &SourceConfig,
        span_us: Range<i64>,
    ) -> anyhow::Result<Option<Arc<Source>>> {
        if !source.has_past() {
            return Ok(None);
        }
        let positions = format!("{} backfill {} {}", source.id, span_us.start, span_us.end);
        let progress = Arc::new(SweepProgress::default());
        let (opened, limits, told, span) =
            (source.clone(), self.config.limits.clone(), progress.clone(), span_us.clone());
        let mut runs = self.backfills.lock();
        let running = self.sources.start(SourceSpec {
            id: source.id.clone(),
            positions,
            open: Box::new(move |positions| opened.open_past(&limits, span.clone(), positions, told.clone())),
            in_flight_bytes: source.in_flight(),
            bounds: source.bounds(),
            gives_way: true,
        })?;
        if !runs.iter().any(|run| Arc::ptr_eq(&run.source, &running)) {
            runs.retain(|run| run.source.positions() != running.positions());
            runs.push(BackfillRun { source: running.clone(), span_us, progress });
        }
        Ok(Some(running))
    }

    /// Waits until all that the log holds can be queried.
    ///
    /// # Errors
    /// The pipeline has stopped.
    pub(crate) async fn catch_up(self: &Arc<Self>) -> anyhow::Result<()> {
        self.pipeline.caught_up(self.log.head()).await?;
        self.follow_new_alerts().await
    }

    /// Writes all that the log holds into the table and stops.
    ///
    /// # Errors
    /// The pipeline has stopped, or did not end in time; nothing is lost, the log keeps the rest.
    pub(crate) async fn close(self: &Arc<Self>) -> anyhow::Result<()> {
        self.sources.stop(self.config.shutdown_grace / 2).await;
        self.notifier.stop(self.config.shutdown_grace / 4).await;
        let flushed = self.pipeline.flushed(self.log.head()).await;
        let followed = self.follow_new_alerts().await;
        let stopped = self.pipeline.stop(self.config.shutdown_grace).await;
        self.audit.close().await;
        stopped?;
        flushed?;
        followed
    }
}

/// What `serve` would refuse to start for: secrets, certificates and files that it reads at its start. Nothing is
/// connected to. Of secrets that cannot be read [`Config::unreadable_secrets`] tells, and this does not.
pub(crate) fn problems(config: &Config) -> Vec<anyhow::Error> {
    let mut problems = Vec::new();
    match Push::open(config) {
        Ok(push) => problems.extend(push.problems()),
        Err(error) => problems.push(error),
    }
    let mut setup = Ok(());
    match Outward::open(config) {
        Ok(outward) => {
            problems.extend(outward.callbacks.problems());
            setup = outward.setup(config).map(drop);
        }
        Err(error) => problems.push(error),
    }
    let mut checks = vec![
        config.tls.clone().map_or(Ok(()), |files| Certificates::open(files).map(drop)),
        config.auth().and_then(|auth| auth.check()),
        setup,
        AssetFiles::open(&config.assets).map(drop).map_err(crate::client::usage),
        load_mappings(&config.mappings).map(drop),
        load_places(&config.places).map(drop),
    ];
    checks.extend(config.syslog.iter().map(Listeners::check));
    problems.extend(checks.into_iter().filter_map(Result::err));
    problems.retain(|problem| !matches!(problem.downcast_ref(), Some(BadSecret::Unread(_))));
    problems
}

/// The channels that routes may name, which send by one client under one policy.
///
/// # Errors
/// A setting is wrong.
pub(crate) fn open_channels(
    config: &Config,
    client: &egress::Client,
) -> anyhow::Result<BTreeMap<String, Arc<dyn notify::Channel>>> {
    let mut channels = BTreeMap::new();
    for channel in &config.channels {
        let opened = channel.open(client.clone()).map_err(|problem| {
            anyhow::anyhow!(
                "channel `{}`, `{}`: {}; {}",
                channel.name,
                problem.field,
                problem.problem,
                problem.mend
            )
        })?;
        channels.insert(channel.name.clone(), opened);
    }
    Ok(channels)
}

/// The rules that the configuration names, and what is wrong with them. Broken rules are left out.
///
/// # Errors
/// A path of `rules.paths` cannot be read.
pub(crate) fn load_rules(config: &Config) -> anyhow::Result<(RuleSet, Vec<Diagnostic>)> {
    let loaded = rules::load_with(&rule_sources(config)?, &load_options(config)?);
    Ok((loaded.rules, loaded.diagnostics))
}

/// The files of the rules that the configuration names.
///
/// # Errors
/// A path of `rules.paths` cannot be read.
pub(crate) fn rule_sources(config: &Config) -> anyhow::Result<Vec<RuleSource>> {
    let mut sources = if config.rules_shipped { rules::shipped() } else { Vec::new() };
    sources.extend(rule_files::read(&config.rules_paths)?);
    Ok(sources)
}

/// The mapping files of the configuration.
///
/// # Errors
/// A path cannot be read, or a file is refused: records of its source would all become dead letters.
pub(crate) fn load_mappings(paths: &[PathBuf]) -> anyhow::Result<CustomMappings> {
    if paths.is_empty() {
        return Ok(CustomMappings::default());
    }
    let (mappings, findings) = CustomMappings::parse(&crate::commands::mappings::read(paths)?);
    if !findings.is_empty() {
        return Err(crate::client::usage(findings));
    }
    Ok(mappings)
}

/// The places of addresses that the configuration names.
///
/// # Errors
/// A file cannot be read or is refused.
pub(crate) fn load_places(paths: &[PathBuf]) -> anyhow::Result<Arc<Places>> {
    PlaceFiles::open(paths).map(|(_, places)| places).map_err(crate::client::usage)
}

/// What rules are read by.
///
/// # Errors
/// A file of `rules.placeholders` cannot be read.
pub(crate) fn load_options(config: &Config) -> anyhow::Result<LoadOptions> {
    Ok(LoadOptions {
        placeholders: config.placeholders()?,
        groupings: config.rules_group.clone(),
        ..LoadOptions::default()
    })
}

/// The wall clock, in microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
