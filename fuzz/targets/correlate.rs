//! Any correlations over any events: what stands in the end does not depend on order, repetition or rhythm, nor on
//! room that is made for what comes in order.
//!
//! The input is the text of correlations of the rules `a`, `b` and `c`, a zero byte, and five bytes an event.
#![no_main]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use event::{EventKey, RawBatchBuilder, RawRecord, SourceId};
use libfuzzer_sys::fuzz_target;
use normalize::Normalizer;
use rules::{
    Correlator, CorrelatorLimits, Episode, Finding, Hit, Observed, RuleSet, RuleSource, Scratch, load,
};

/// More events only take more time.
const EVENTS: usize = 48;

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == 0) else { return };
    let (text, events) = input.split_at(end);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut source = String::new();
    for name in ["a", "b", "c"] {
        write!(
            source,
            "title: {name}\nid: {name}\nname: {name}\nlogsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{s: {{eventName: {name}}}, condition: s}}\nlevel: low\n---\n"
        )
        .expect("text takes everything");
    }
    source += text;
    let set = Arc::new(load(&[RuleSource { path: "fuzz.yml".into(), text: source }]).rules);
    if set.correlations().is_empty() {
        return;
    }
    let mut hits = hits(&set, &events[1..]);
    let mut straight = Correlator::new(set.clone(), CorrelatorLimits::default());
    for hit in &hits {
        straight.observe(hit, hit.actor.as_deref());
    }
    let mut expected = Board::default();
    apply(&mut expected, straight.settle(i64::MAX));

    let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
    let mut found = Board::default();
    for (at, hit) in hits.iter().rev().chain(hits.iter().step_by(3)).enumerate() {
        correlator.observe(hit, hit.actor.as_deref());
        if at % 5 == 0 {
            apply(&mut found, correlator.settle(hit.time_us));
        }
    }
    apply(&mut found, correlator.settle(i64::MAX));
    assert_eq!(found, expected);

    hits.sort_by_key(|hit| hit.time_us);
    let mut correlator = Correlator::new(set.clone(), least_room(&set, &hits));
    let mut found = Board::default();
    for (at, hit) in hits.iter().enumerate() {
        correlator.advance(hit.time_us, hit.time_us);
        let observed = correlator.observe(hit, hit.actor.as_deref());
        assert!(matches!(observed, Observed::New | Observed::Known), "{observed:?}: there is room for all that counts");
        if at % 3 == 0 {
            apply(&mut found, correlator.cleared().findings);
            apply(&mut found, correlator.settle(hit.time_us));
            correlator.forget_early();
        }
    }
    apply(&mut found, correlator.cleared().findings);
    apply(&mut found, correlator.settle(i64::MAX));
    assert_eq!(found, expected);
});

/// The room that is needed where all that can be forgotten is, at once; and a sixteenth more, for a correlator looks
/// for room only when so much is new.
fn least_room(set: &Arc<RuleSet>, hits: &[Hit]) -> CorrelatorLimits {
    let mut tidy = Correlator::new(set.clone(), CorrelatorLimits::default());
    let (mut of_one, mut of_all) = (0, 0);
    for hit in hits {
        tidy.observe(hit, hit.actor.as_deref());
        of_all = of_all.max(tidy.len());
        of_one = of_one.max(tidy.stats().iter().map(|stats| stats.hits).max().unwrap_or(0) as usize);
        tidy.settle(hit.time_us);
        tidy.forget(hit.time_us);
    }
    let roomy = |most: usize| most + most / 15 + 1;
    // How full a group is nobody tells: it may be all of its correlation.
    CorrelatorLimits { group_hits: roomy(of_one), correlation_hits: roomy(of_one), hits: roomy(of_all) }
}

/// What stands: episodes by correlation, key and id.
type Board = BTreeMap<(u32, Vec<String>, EventKey), Episode>;

fn apply(board: &mut Board, findings: Vec<Finding>) {
    for finding in findings {
        match finding.episode {
            Ok(episode) => drop(board.insert((finding.correlation, finding.key, episode.id), episode)),
            Err(id) => {
                let gone = board.remove(&(finding.correlation, finding.key, id));
                assert!(gone.is_some(), "what was never told is withdrawn");
            }
        }
    }
}

/// The hits of events that say which rule, when within 46 days, who, and with what value.
fn hits(set: &RuleSet, events: &[u8]) -> Vec<Hit> {
    let mut raw = RawBatchBuilder::with_capacity(1 << 16);
    for (number, event) in (0..).zip(events.chunks_exact(5).take(EVENTS)) {
        let [rule, minute_high, minute_low, actor, value] = event else { continue };
        let minute = u32::from(*minute_high) << 8 | u32::from(*minute_low);
        let (day, hour, minute) = (1 + minute / 1440 % 28, minute / 60 % 24, minute % 60);
        let record = format!(
            r#"{{"eventVersion":"1.08","eventTime":"2026-03-{day:02}T{hour:02}:{minute:02}:00Z","eventName":"{}",
            "eventSource":"iam.amazonaws.com","awsRegion":"eu-west-1","eventID":"{number}",
            "sourceIPAddress":"192.0.2.{value}","userIdentity":{{"type":"IAMUser","userName":"u{}",
            "arn":"arn:aws:iam::111122223333:user/u{}","accountId":"111122223333"}},
            "requestParameters":{{"x":{value}}}}}"#,
            ["a", "b", "c"][usize::from(rule % 3)],
            actor % 4,
            actor % 4,
        );
        assert!(raw.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
    }
    let batch = raw.finish(SourceId::new("fuzz"), None, "fuzz".into(), 1);
    let events = Normalizer::new().map(&batch, 0).events;
    let matches = set.matches(&events, &mut Scratch::default());
    let actor = |row: usize| events.str_at(event::Col::ActorUserName, row).map(str::to_owned);
    set.hits(&events, &matches, &|_| true, &actor).hits
}
