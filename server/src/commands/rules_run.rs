//! `stormglass rules run`: rules over files, without a store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use event::{Col, EventKey, LogType, RawBatch, SourceId};
use ingest::{Input, Limits, RecordReader};
use normalize::CustomMappings;
use parking_lot::Mutex;
use pipeline::{Places, Sifter};
use rules::{CompiledRule, Correlator, CorrelatorLimits, Finding, Hit, Observed, RuleSet};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::api::{format_us, source_id};
use crate::cli::{Global, RulesRun};
use crate::client::{load_config, usage};
use crate::output::{UsageError, say};
use crate::{app, rule_files};

/// Batches of an input that are judged and not yet printed.
const AHEAD: usize = 4;

/// A line of the output.
#[derive(Debug, Serialize)]
struct Found<'a> {
    rule_id: &'a str,
    title: &'a str,
    level: &'a str,
    tags: &'a [String],
    time: String,
    provider: &'a str,
    operation: &'a str,
    actor: Option<&'a str>,
    src_ip: Option<&'a str>,
    event_uid: &'a str,
    /// The cloud's own id of the event.
    uid: Option<&'a str>,
    file: &'a str,
    /// The record's number in the file, from 0.
    record: u64,
}

/// A line of the output for what a correlation joins.
#[derive(Debug, Serialize)]
struct FoundTogether<'a> {
    rule_id: &'a str,
    title: &'a str,
    level: &'a str,
    tags: &'a [String],
    /// When the first of the events happened.
    begin: String,
    /// When the last happened.
    time: String,
    /// What the events have in common.
    group: BTreeMap<&'a str, &'a str>,
    /// What was counted or computed, in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    events: Vec<Member<'a>>,
}

/// An event of a correlation.
#[derive(Debug, Serialize)]
struct Member<'a> {
    time: String,
    /// The rule that it matched, as the correlation names it.
    rule: &'a str,
    event_uid: String,
    file: &'a str,
    record: u64,
}

/// Prints a line of JSON for each match, and in the end for what correlations join. Exit status 1 if an input could not be read.
///
/// # Errors
/// No rule loads, a path does not exist, or standard output is closed.
pub(crate) async fn run(global: &Global, command: RulesRun) -> anyhow::Result<ExitCode> {
    let least = command.level.map(|name| least_severity(&name)).transpose()?.unwrap_or(0);
    let rules = Arc::new(load(global, &command.rules)?);
    let config = load_config(global)?;
    let mappings = Arc::new(app::load_mappings(&config.mappings)?);
    let places = app::load_places(&config.places)?;
    let source = source_id(&command.source).map_err(UsageError)?;
    let inputs = ingest::expand(&command.paths).await?;
    let judge = Arc::new(Judge {
        rules: rules.clone(),
        mappings,
        places,
        source,
        log_type: command.log_type,
        limits: config.limits,
        least,
        idle: Mutex::default(),
    });
    let mut worked = InOrder::new(inputs, judge);
    let mut rejected: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut failed, mut events) = (0, 0);
    let mut out = std::io::stdout();
    let mut correlator = Correlator::new(rules.clone(), CorrelatorLimits::default());
    let mut places: HashMap<EventKey, (Arc<str>, u64)> = HashMap::new();
    let mut full = 0_u64;
    while let Some(worked) = worked.next().await {
        let worked = match worked {
            Ok(worked) => worked?,
            Err(error) => {
                failed += 1;
                say(&format!("stormglass: {:#}", anyhow::Error::from(error)));
                continue;
            }
        };
        out.write_all(&worked.lines)?;
        for (hit, record) in worked.hits {
            if matches!(correlator.observe(&hit, hit.actor.as_deref()), Observed::Full(_)) {
                full += 1;
            }
            places.entry(hit.event).or_insert_with(|| (worked.origin.clone(), record));
        }
        events += worked.events;
        for reason in worked.rejects {
            *rejected.entry(reason).or_default() += 1;
        }
    }
    // Nothing more will come: what waits for a window to be over can be judged.
    for finding in correlator.settle(i64::MAX) {
        write_finding(&rules, &finding, &places, least, &mut out)?;
    }
    if full > 0 {
        say(&format!("correlations had no room for {full} matches; narrow their rules"));
    }
    if !global.quiet {
        let rejects: Vec<_> = rejected.iter().map(|(reason, count)| format!(", {count} {reason}")).collect();
        say(&format!("{events} events against {} rules{}", rules.len(), rejects.concat()));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn least_severity(name: &str) -> anyhow::Result<u8> {
    let names = ["informational", "low", "medium", "high", "critical"];
    let place = names.iter().position(|level| *level == name);
    let place = place
        .ok_or_else(|| UsageError(format!("unknown level `{name}`; choose one of {}", names.join(", "))))?;
    Ok(place as u8 + 1)
}

fn load(global: &Global, paths: &[PathBuf]) -> anyhow::Result<RuleSet> {
    let (rules, findings) = if paths.is_empty() {
        app::load_rules(&load_config(global)?)?
    } else {
        let options = app::load_options(&load_config(global)?)?;
        let loaded = rules::load_with(&rule_files::read(paths)?, &options);
        (loaded.rules, loaded.diagnostics)
    };
    let errors: Vec<_> =
        findings.into_iter().filter(|finding| finding.level == event::Level::Error).collect();
    if rules.is_empty() {
        return Err(if errors.is_empty() {
            UsageError("there are no rules".into()).into()
        } else {
            usage(errors)
        });
    }
    if !global.quiet {
        for finding in &errors {
            say(&finding.to_string());
        }
    }
    Ok(rules)
}

/// What is done with each input.
struct Judge {
    rules: Arc<RuleSet>,
    mappings: Arc<CustomMappings>,
    places: Arc<Places>,
    source: SourceId,
    log_type: Option<LogType>,
    limits: Limits,
    least: u8,
    /// Those not at work at the moment.
    idle: Mutex<Vec<Sifter>>,
}

/// What comes of a batch, or why an input could not be read to its end.
type Judged = ingest::Result<anyhow::Result<Worked>>;

impl Judge {
    fn judge(&self, input: &Input, runtime: &Handle, sender: &mpsc::Sender<Judged>) -> ingest::Result<()> {
        let mut reader = RecordReader::new(input.open(runtime)?, self.limits.clone()).outlined();
        if input.is_live() {
            reader = reader.live();
        }
        let idle = self.idle.lock().pop();
        let mut sifter = idle
            .unwrap_or_else(|| Sifter::with(self.rules.clone(), self.mappings.clone(), self.places.clone()));
        while let Some((kept, passed)) = reader.next_batch_of(sifter.keep(&self.source, self.log_type))? {
            let batch = kept.finish(self.source.clone(), self.log_type, input.origin(), app::now_us());
            let worked = work(&batch, passed, &mut sifter, self.least);
            if sender.blocking_send(Ok(worked)).is_err() {
                break;
            }
        }
        self.idle.lock().push(sifter);
        Ok(())
    }
}

/// Judges inputs on all cores and hands out what comes of them in their order.
struct InOrder {
    judge: Arc<Judge>,
    inputs: std::vec::IntoIter<Input>,
    /// Those at work or done, the next one first.
    open: VecDeque<mpsc::Receiver<Judged>>,
    workers: usize,
}

impl InOrder {
    fn new(inputs: Vec<Input>, judge: Arc<Judge>) -> Self {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        Self { judge, inputs: inputs.into_iter(), open: VecDeque::new(), workers }
    }

    async fn next(&mut self) -> Option<Judged> {
        loop {
            while self.open.len() < self.workers
                && let Some(input) = self.inputs.next()
            {
                self.open.push_back(self.start(input));
            }
            match self.open.front_mut()?.recv().await {
                Some(judged) => return Some(judged),
                None => drop(self.open.pop_front()),
            }
        }
    }

    fn start(&self, input: Input) -> mpsc::Receiver<Judged> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (judge, runtime) = (self.judge.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = judge.judge(&input, &runtime, &sender) {
                // Nobody to tell means that nobody waits for it.
                sender.blocking_send(Err(error)).ok();
            }
        });
        receiver
    }
}

/// What a batch gave.
struct Worked {
    lines: Vec<u8>,
    events: u64,
    rejects: Vec<&'static str>,
    /// What correlations take, with the numbers of the records.
    hits: Vec<(Hit, u64)>,
    origin: Arc<str>,
}

/// `passed`: records before it that no rule asks for.
fn work(batch: &RawBatch, passed: u64, sifter: &mut Sifter, least: u8) -> anyhow::Result<Worked> {
    let (normalized, passed_over) = sifter.sift(batch);
    let matches = sifter.matches(&normalized.events);
    let rules = sifter.rules();
    let events = &normalized.events;
    let hits = rules.hits(events, &matches, &|_| true, &|row| pipeline::actor(events, row)).hits;
    let hits = hits.into_iter().map(|hit| {
        let record = record_number(batch, events, hit.row as usize);
        (hit, record)
    });
    let hits = hits.collect();
    let mut lines = Vec::new();
    for found in matches {
        let Some(rule) = rules.rules().get(found.rule as usize) else { continue };
        // What only feeds a correlation is told with it.
        if rule.level().severity_id() < least || rule.only_feeds() {
            continue;
        }
        write_line(rule, batch, &normalized.events, found.row as usize, &mut lines)?;
    }
    Ok(Worked {
        lines,
        events: (normalized.events.len() + passed_over) as u64 + passed,
        rejects: normalized.rejects.iter().map(|reject| reject.reason.as_str()).collect(),
        hits,
        origin: batch.origin.as_str().into(),
    })
}

/// The record's number in its file. Offsets count from the batch's first record here.
fn record_number(batch: &RawBatch, events: &event::EventBatch, row: usize) -> u64 {
    let index = events.int_at(Col::LogOffset, row).and_then(|offset| usize::try_from(offset).ok());
    index.and_then(|index| batch.get(index)).map(|record| record.number).unwrap_or_default()
}

fn write_finding(
    rules: &RuleSet,
    finding: &Finding,
    places: &HashMap<EventKey, (Arc<str>, u64)>,
    least: u8,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let rule = rules.correlations().get(finding.correlation as usize);
    let (Some(rule), Ok(episode)) = (rule.filter(|rule| rule.yields_alert()), &finding.episode) else {
        return Ok(());
    };
    if rule.level().severity_id() < least {
        return Ok(());
    }
    let member = |(time_us, event, member): &(i64, EventKey, u16)| {
        let (file, record) = places.get(event).map_or(("", 0), |(file, record)| (&**file, *record));
        let rule = rule.members().get(usize::from(*member)).map_or("", String::as_str);
        Member { time: format_us(*time_us), rule, event_uid: event.uid().to_string(), file, record }
    };
    let group = rule.group_by().iter().zip(&finding.key);
    let found = FoundTogether {
        rule_id: rule.id(),
        title: rule.title(),
        level: rule.level().as_str(),
        tags: rule.tags(),
        begin: format_us(episode.begin_us),
        time: format_us(episode.end_us),
        group: group.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        why: &episode.why,
        events: episode.hits.iter().map(member).collect(),
    };
    serde_json::to_writer(&mut *out, &found)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn write_line(
    rule: &CompiledRule,
    batch: &RawBatch,
    events: &event::EventBatch,
    row: usize,
    lines: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let text = |col| events.str_at(col, row);
    let found = Found {
        rule_id: rule.id(),
        title: rule.title(),
        level: rule.level().as_str(),
        tags: rule.tags(),
        time: events.int_at(Col::Time, row).map(format_us).unwrap_or_default(),
        provider: text(Col::CloudProvider).unwrap_or_default(),
        operation: text(Col::ApiOperation).unwrap_or_default(),
        actor: text(Col::ActorUserName).or_else(|| text(Col::UserName)),
        src_ip: text(Col::SrcEndpointIp),
        event_uid: text(Col::EventUid).unwrap_or_default(),
        uid: text(Col::MetadataUid),
        file: &batch.origin,
        record: record_number(batch, events, row),
    };
    serde_json::to_writer(&mut *lines, &found)?;
    lines.push(b'\n');
    Ok(())
}
