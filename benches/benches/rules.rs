//! Rules beside RSigma: the same rules, the same events, one thread each, in turn; matches compared event by
//! event. `cargo bench -p benches --bench rules`.
//!
//! From lines of JSON in memory to matches, as `stormglass rules run` does it: ours splits, looks at each record,
//! normalises to OCSF columns what may match, and matches that; RSigma is given each line where it lies, parses
//! a tree and evaluates it, with the log source given so that its index can leave out the others. Rules are
//! SigmaHQ's CloudTrail rules where there is a corpus (`STORMGLASS_CORPUS`), then variants in their manner.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use benches::{Generator, Random};
use event::{Col, EventBatch, SourceId};
use ingest::{Limits, RecordReader};
use pipeline::Sifter;
use rsigma_eval::{Engine, JsonEvent};
use rsigma_parser::{LogSource, parse_sigma_yaml};
use rules::RuleSource;

/// As in the server; both engines gain by it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 20_000;
const ROUNDS: usize = 9;
/// Lines that are worked on together, as the pipeline's groups.
const GROUP: usize = 2_500;

fn main() -> anyhow::Result<()> {
    keep_freed_memory();
    // `cargo test` runs benches, too, to see that they work.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let events = if quick { 200 } else { EVENTS };
    let mut generator = Generator::new(7);
    // Each round has other events: what an engine remembers of names must not be all that comes.
    let rounds: Vec<Vec<Arc<[u8]>>> = (0..if quick { 1 } else { ROUNDS })
        .map(|_| {
            let lines: Vec<_> = (0..events).map(|number| alarming(generator.cloudtrail(), number)).collect();
            lines.chunks(GROUP).map(|lines| lines.join("\n").into_bytes().into()).collect()
        })
        .collect();
    let bytes: usize = rounds.iter().flatten().map(|group| group.len()).sum();
    let real = sigmahq()?;
    println!(
        "{events} CloudTrail events of {} bytes on average; {} rules of SigmaHQ, the others variants\n",
        bytes / (events * rounds.len()),
        real.len()
    );
    println!(
        "| rules | Stormglass events/s | of it matching, µs an event | RSigma events/s | ratio | matches | differ |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for count in [10, 100, 225, 300, 3000] {
        let sources = rules(&real, count);
        let set = Arc::new(rules::load(&sources).rules);
        anyhow::ensure!(set.len() == sources.len(), "{} of {} rules load", set.len(), sources.len());
        let peer = Peer::new(&sources)?;
        let (mut ours, mut matching, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        let mut sifter = Sifter::new(set.clone());
        let (mut matches, mut differ) = (0, BTreeMap::new());
        for groups in &rounds {
            let (found, all, only_matching) = run(&mut sifter, groups)?;
            ours.push(all);
            matching.push(only_matching);
            let (peer_found, took) =
                if std::env::var_os("OURS").is_some() { (found.clone(), all) } else { peer.run(groups)? };
            theirs.push(took);
            matches += found.len();
            for (rule, times) in differences(&found, &peer_found) {
                *differ.entry(rule).or_insert(0) += times;
            }
        }
        let (ours, matching, theirs) = (median(ours), median(matching), median(theirs));
        println!(
            "| {count} | {:.0} | {:.2} | {:.0} | {:.1} | {} | {} |",
            events as f64 / ours.as_secs_f64(),
            matching.as_secs_f64() * 1e6 / events as f64,
            events as f64 / theirs.as_secs_f64(),
            theirs.as_secs_f64() / ours.as_secs_f64(),
            matches,
            differ.values().sum::<usize>(),
        );
        for (rule, times) in differ {
            println!("  {times} × {rule}");
        }
    }
    Ok(())
}

/// As in the server: memory goes back to the system after ten seconds, not at once. Both engines gain by it.
fn keep_freed_memory() {
    const MI_OPTION_PURGE_DELAY: std::ffi::c_int = 15;
    #[expect(unsafe_code, reason = "a plain setter of a C library, before any thread is started")]
    // SAFETY: the option exists in this version; its place in the list is checked by the server's test.
    unsafe {
        libmimalloc_sys::mi_option_set_default(MI_OPTION_PURGE_DELAY, 10_000);
    }
}

/// Every fiftieth event is a call that rules look for.
fn alarming(line: String, number: usize) -> String {
    const CALLS: &[(&str, &str)] = &[
        ("cloudtrail.amazonaws.com", "StopLogging"),
        ("cloudtrail.amazonaws.com", "DeleteTrail"),
        ("iam.amazonaws.com", "CreateLoginProfile"),
        ("guardduty.amazonaws.com", "CreateIPSet"),
        ("ec2.amazonaws.com", "DisableEbsEncryptionByDefault"),
        ("rds.amazonaws.com", "RestoreDBInstanceFromDBSnapshot"),
        ("ecs.amazonaws.com", "RegisterTaskDefinition"),
    ];
    let Some((source, name)) = CALLS.get(number / 50 % CALLS.len()).filter(|_| number.is_multiple_of(50))
    else {
        return line;
    };
    with(&with(&line, "eventSource", source), "eventName", name)
}

/// The record with another text for the first member of that name.
fn with(line: &str, member: &str, text: &str) -> String {
    let start = format!("\"{member}\":\"");
    let Some((before, rest)) = line.split_once(&start) else { return line.to_owned() };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{start}{text}\"{after}")
}

/// Event and rule of a match.
type Matched = (usize, String);

fn run(sifter: &mut Sifter, groups: &[Arc<[u8]>]) -> anyhow::Result<(Vec<Matched>, Duration, Duration)> {
    let set = sifter.rules().clone();
    let mut found = Vec::new();
    let (mut spent, mut matching) = (Duration::ZERO, Duration::ZERO);
    let mut first = 0;
    // The reader wants bodies of its own; who has read them has them.
    let bodies: Vec<_> = groups.iter().map(|group| group.to_vec()).collect();
    for body in bodies {
        let start = Instant::now();
        let mut reader = RecordReader::of_body(body, Limits::default()).outlined();
        let source = SourceId::new("bench");
        let mut records = 0;
        while let Some((kept, passed)) = reader.next_batch_of(sifter.keep(&source, None))? {
            let batch = kept.finish(source.clone(), None, "bench".into(), 1);
            records += batch.len() + passed as usize;
            let (normalized, _) = sifter.sift(&batch);
            let before = Instant::now();
            let matches = sifter.matches(&normalized.events);
            matching += before.elapsed();
            for matched in matches {
                let Some(rule) = set.rules().get(matched.rule as usize) else { continue };
                let place = number(&normalized.events, matched.row as usize);
                let record = batch.get(place).map_or(0, |record| record.number as usize);
                found.push((first + record, rule.id().to_owned()));
            }
        }
        spent += start.elapsed();
        first += records;
    }
    Ok((found, spent, matching))
}

/// The event's place in its batch.
fn number(events: &EventBatch, row: usize) -> usize {
    events.int_at(Col::LogOffset, row).and_then(|offset| usize::try_from(offset).ok()).unwrap_or_default()
}

struct Peer {
    engine: Engine,
    logsource: LogSource,
}

impl Peer {
    fn new(sources: &[RuleSource]) -> anyhow::Result<Self> {
        let text: Vec<_> = sources.iter().map(|source| source.text.as_str()).collect();
        let collection =
            parse_sigma_yaml(&text.join("\n---\n")).map_err(|error| anyhow::anyhow!("{error}"))?;
        anyhow::ensure!(
            collection.rules.len() == sources.len(),
            "RSigma reads {} rules",
            collection.rules.len()
        );
        let mut engine = Engine::new();
        engine.add_collection(&collection).map_err(|error| anyhow::anyhow!("{error}"))?;
        let logsource = LogSource {
            category: None,
            product: Some("aws".into()),
            service: Some("cloudtrail".into()),
            definition: None,
            custom: Default::default(),
        };
        Ok(Self { engine, logsource })
    }

    fn run(&self, groups: &[Arc<[u8]>]) -> anyhow::Result<(Vec<Matched>, Duration)> {
        let start = Instant::now();
        let mut found = Vec::new();
        for (number, line) in groups.iter().flat_map(|group| group.split(|byte| *byte == b'\n')).enumerate() {
            // Faster than leaving it to serde_json to look at each text.
            let value: serde_json::Value = serde_json::from_str(std::str::from_utf8(line)?)?;
            let event = JsonEvent::borrow(&value);
            for result in self.engine.evaluate_with_logsource(&event, &self.logsource) {
                found.push((number, result.header.rule_id.unwrap_or_default()));
            }
        }
        Ok((found, start.elapsed()))
    }
}

/// How often each rule's answers differ.
fn differences(ours: &[Matched], theirs: &[Matched]) -> BTreeMap<String, usize> {
    let ours: BTreeSet<_> = ours.iter().collect();
    let theirs: BTreeSet<_> = theirs.iter().collect();
    let mut differ = BTreeMap::new();
    for (side, only) in [("only ours", ours.difference(&theirs)), ("only RSigma's", theirs.difference(&ours))]
    {
        for (_, rule) in only {
            *differ.entry(format!("{rule}, {side}")).or_default() += 1;
        }
    }
    differ
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// SigmaHQ's CloudTrail rules; none without a corpus.
fn sigmahq() -> anyhow::Result<Vec<RuleSource>> {
    let corpus = std::env::var_os("STORMGLASS_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"), PathBuf::from);
    let folder = corpus.join("sigma/sigmahq/rules/cloud/aws/cloudtrail");
    if !folder.is_dir() {
        println!("no corpus at {}: variants only", corpus.display());
        return Ok(Vec::new());
    }
    let mut rules = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        // It fires on every call of an assumed role.
        if path.ends_with("aws_sts_assumerole_misuse.yml") {
            continue;
        }
        rules.push(RuleSource { path: path.display().to_string(), text });
    }
    rules.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rules)
}

/// `count` rules: SigmaHQ's first, then variants with their fields, modifiers and shapes.
fn rules(real: &[RuleSource], count: usize) -> Vec<RuleSource> {
    let mut rules: Vec<_> = real.iter().take(count).cloned().collect();
    let mut random = Random::new(11);
    while rules.len() < count {
        let number = rules.len();
        rules.push(RuleSource { path: format!("variant-{number}.yml"), text: variant(&mut random, number) });
    }
    rules
}

const VERBS: &[&str] =
    &["Create", "Delete", "Put", "Update", "Attach", "Detach", "Get", "List", "Describe", "Modify", "Enable"];
const NOUNS: &[&str] = &[
    "User",
    "Role",
    "Policy",
    "Bucket",
    "Key",
    "Trail",
    "Instance",
    "Snapshot",
    "Image",
    "Cluster",
    "Function",
    "Secret",
    "Parameter",
    "Group",
    "Rule",
    "Topic",
    "Queue",
    "Table",
    "Stream",
    "Domain",
    "Gateway",
    "Route",
];
const SERVICES: &[&str] = &["iam", "s3", "ec2", "kms", "lambda", "rds", "eks", "sts", "ssm", "cloudtrail"];

fn variant(random: &mut Random, number: usize) -> String {
    let mut pick = |words: &[&str]| {
        words.get(random.below(words.len() as u64) as usize).copied().unwrap_or("").to_owned()
    };
    let mut name = || format!("{}{}{}", pick(VERBS), pick(NOUNS), number % 97);
    let detection = match number % 6 {
        0 => format!(
            "selection:\n    eventSource: {}.amazonaws.com\n    eventName: {}\n  condition: selection",
            SERVICES.get(number % SERVICES.len()).unwrap_or(&"iam"),
            name()
        ),
        1 => {
            let names: Vec<_> = (0..5).map(|_| format!("      - {}", name())).collect();
            format!("selection:\n    eventName:\n{}\n  condition: selection", names.join("\n"))
        }
        2 => format!(
            "selection:\n    eventName|startswith: {}\n    errorCode|contains: Denied{number}\n  condition: selection",
            name()
        ),
        3 => format!(
            "selection:\n    eventName: {}\n    requestParameters.policyDocument|contains: 'Action{number}'\n  condition: selection",
            name()
        ),
        4 => format!(
            "selection:\n    userAgent|contains:\n      - tool{number}\n      - kit{number}/\n  filter:\n    userIdentity.arn|contains: ':role/known{number}'\n  condition: selection and not filter"
        ),
        _ => format!(
            "selection:\n    eventSource: {}.amazonaws.com\n    eventName|endswith: {}\n  failed:\n    errorCode: null\n  condition: selection and failed",
            SERVICES.get(number % SERVICES.len()).unwrap_or(&"iam"),
            name()
        ),
    };
    format!(
        "title: Variant {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\nlevel: low\n\
         logsource:\n  product: aws\n  service: cloudtrail\ndetection:\n  {detection}\n"
    )
}
