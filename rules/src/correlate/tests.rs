//! Correlations of every type, one by one; in [`any_order`] all at once.

mod any_order;

use std::collections::BTreeMap;
use std::sync::Arc;

use event::EventKey;
use proptest::prelude::*;

use super::*;
use crate::{RuleSet, RuleSource};

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 1440 * MINUTE_US;

/// Rules `a`, `b`, `c` and the correlations of a test.
fn load(correlations: &str) -> Arc<RuleSet> {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        text += &format!(
            "title: {name}\nid: {name}\nname: {name}\nlogsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{s: {{eventName: {name}}}, condition: s}}\nlevel: low\n---\n"
        );
    }
    text += correlations;
    let loaded = crate::load(&[RuleSource { path: "t.yml".into(), text }]);
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.level == event::Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    Arc::new(loaded.rules)
}

fn correlation(body: &str) -> String {
    let name = blake(body);
    format!("title: {name}\nid: {name}\nname: {name}\nlevel: high\ncorrelation:\n{body}\n")
}

fn blake(text: &str) -> String {
    EventKey::of("t", &[text.as_bytes()]).uid().to_string()
}

fn hit(correlation: u32, member: u16, minute: i64, event: u128) -> Hit {
    Hit {
        correlation,
        member,
        row: 0,
        time_us: minute * MINUTE_US,
        event: EventKey(event),
        key: vec!["k".into()],
        actor: None,
        value: HitValue::Nothing,
    }
}

/// What stands in the end: episodes by key and id.
#[derive(Debug, Default, PartialEq)]
struct Board(BTreeMap<(u32, Vec<String>, EventKey), Episode>);

impl Board {
    fn apply(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding.episode {
                Ok(episode) => {
                    self.0.insert((finding.correlation, finding.key, episode.id), episode);
                }
                Err(id) => {
                    let gone = self.0.remove(&(finding.correlation, finding.key.clone(), id));
                    assert!(gone.is_some(), "what was never told is withdrawn: {:?}", finding.key);
                }
            }
        }
    }

    /// What the other has otherwise.
    fn differs(&self, other: &Self) -> Option<String> {
        let lost = other.0.iter().find(|(key, episode)| self.0.get(key) != Some(episode));
        let more = self.0.iter().find(|(key, _)| !other.0.contains_key(key));
        match (lost, more) {
            (None, None) => None,
            (lost, more) => {
                let got = lost.and_then(|(key, _)| self.0.get(key));
                Some(format!("wanted {lost:?}\ngot {got:?}\nnot wanted {more:?}"))
            }
        }
    }

    /// The minutes of the hits of each episode.
    fn minutes(&self) -> Vec<Vec<i64>> {
        let minutes = |episode: &Episode| episode.hits.iter().map(|hit| hit.0 / MINUTE_US).collect();
        let mut all: Vec<Vec<i64>> = self.0.values().map(minutes).collect();
        all.sort();
        all
    }
}

fn board(set: &Arc<RuleSet>, hits: &[Hit], watermark_us: i64) -> Board {
    let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
    for hit in hits {
        correlator.observe(hit, hit.actor.as_deref());
    }
    let mut board = Board::default();
    board.apply(correlator.settle(watermark_us));
    board
}

fn minutes(body: &str, hits: &[(u16, i64)]) -> Vec<Vec<i64>> {
    let set = load(&correlation(body));
    let hits: Vec<_> = hits
        .iter()
        .enumerate()
        .map(|(at, (member, minute))| hit(0, *member, *minute, at as u128 + 1))
        .collect();
    board(&set, &hits, i64::MAX).minutes()
}

#[test]
fn counts_slide_and_overlapping_windows_are_one_episode() {
    let body =
        "  type: event_count\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {gte: 3}";
    let none: Vec<Vec<i64>> = vec![];
    assert_eq!(minutes(body, &[(0, 0), (0, 5), (0, 11)]), none);
    // No bucket cuts it in two.
    assert_eq!(minutes(body, &[(0, 8), (0, 9), (0, 12)]), [[8, 9, 12]]);
    assert_eq!(minutes(body, &[(0, 0), (0, 5), (0, 10)]), [[0, 5, 10]]);
    assert_eq!(minutes(body, &[(0, 0), (0, 1), (0, 2), (0, 8), (0, 9), (0, 40)]), [[0, 1, 2, 8, 9]]);
    assert_eq!(
        minutes(body, &[(0, 0), (0, 1), (0, 2), (0, 50), (0, 51), (0, 52)]),
        [[0, 1, 2], [50, 51, 52]]
    );
}

/// What comes late, before the first hit of an episode, can change by which hit it is decided and nothing else.
#[test]
fn an_episode_that_is_decided_later_is_told_anew() {
    let body = "  type: value_median\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  \
                condition: {field: requestParameters.x, gte: 50}";
    let set = load(&correlation(body));
    let of = |minute, value| Hit { value: HitValue::Number(value), ..hit(0, 0, minute, minute as u128) };
    let hits = [of(10, 200.0), of(16, 200.0), of(4, 1.0), of(5, 1.0)];
    let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
    let mut in_turn = Board::default();
    for hit in &hits {
        correlator.observe(hit, None);
        in_turn.apply(correlator.settle(i64::MAX));
    }
    assert_eq!(in_turn, board(&set, &hits, i64::MAX));
    assert_eq!(in_turn.minutes(), [[10, 16]]);
    assert_eq!(in_turn.0.values().map(|episode| episode.decided_us).collect::<Vec<_>>(), [16 * MINUTE_US]);
}

#[test]
fn upper_bounds_wait_for_the_end_of_the_window() {
    let body = "  type: event_count\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {gte: 2, lte: 3}";
    assert_eq!(minutes(body, &[(0, 0), (0, 1)]), [[0, 1]]);
    let none: Vec<Vec<i64>> = vec![];
    assert_eq!(minutes(body, &[(0, 0), (0, 1), (0, 2), (0, 3)]), none);
    let set = load(&correlation(body));
    let hits = [hit(0, 0, 0, 1), hit(0, 0, 1, 2)];
    assert_eq!(board(&set, &hits, 10 * MINUTE_US).minutes(), none);
    assert_eq!(board(&set, &hits, 10 * MINUTE_US + 1).minutes(), [[0, 1]]);
}

#[test]
fn order_is_asked_for_and_one_event_is_one_step() {
    let body = "  type: temporal_ordered\n  rules: [a, b, c]\n  group-by: [eventName]\n  timespan: 10m";
    let none: Vec<Vec<i64>> = vec![];
    assert_eq!(minutes(body, &[(0, 0), (1, 1), (2, 2)]), [[0, 1, 2]]);
    assert_eq!(minutes(body, &[(1, 0), (0, 1), (2, 2)]), none);
    assert_eq!(minutes(body, &[(0, 0), (1, 1), (2, 12)]), none);
    // The chain that began last counts.
    assert_eq!(minutes(body, &[(0, 0), (0, 5), (1, 8), (2, 14)]), [[5, 8, 14]]);
    // Clouds count in seconds: within one, any order may be the true one.
    assert_eq!(minutes(body, &[(2, 3), (0, 3), (1, 3)]), [[3, 3, 3]]);
    // One event that matches all three rules is no sequence.
    let set = load(&correlation(body));
    let hits = [hit(0, 0, 3, 1), hit(0, 1, 3, 1), hit(0, 2, 3, 1)];
    assert_eq!(board(&set, &hits, i64::MAX).minutes(), none);
}

#[test]
fn steps_can_be_asked_for_several_times() {
    let body = "  type: temporal_ordered\n  rules: [a, b]\n  group-by: [eventName]\n  timespan: 10m\n  x-counts: {a: 3}";
    let none: Vec<Vec<i64>> = vec![];
    assert_eq!(minutes(body, &[(0, 0), (0, 1), (1, 2)]), none);
    assert_eq!(minutes(body, &[(0, 0), (0, 1), (0, 2), (1, 3)]), [[0, 1, 2, 3]]);
    assert_eq!(minutes(body, &[(0, 0), (0, 8), (0, 9), (1, 11)]), none);
}

#[test]
fn a_step_can_be_any_of_several_rules() {
    let body = "  type: temporal_ordered\n  rules: [a, b, c]\n  group-by: [eventName]\n  timespan: 10m\n  condition: a and (b or c)";
    let none: Vec<Vec<i64>> = vec![];
    assert_eq!(minutes(body, &[(0, 0), (2, 5)]), [[0, 5]]);
    assert_eq!(minutes(body, &[(0, 0), (1, 5)]), [[0, 5]]);
    assert_eq!(minutes(body, &[(1, 0), (2, 1), (0, 5)]), none);
    assert_eq!(minutes(body, &[(1, 0), (2, 1)]), none);
    for (condition, word) in [("a and not b", "steps"), ("(a and b) or c", "steps"), ("a and d", "none of")] {
        let body = body.replace("a and (b or c)", condition);
        let source = RuleSource { path: "t.yml".into(), text: correlation(&body) };
        let loaded = crate::load(&[source]);
        let said = format!("{:?}", loaded.diagnostics);
        assert!(loaded.rules.correlations().is_empty() && said.contains(word), "{condition}: {said}");
    }
}

#[test]
fn steps_can_be_asked_to_differ() {
    let body = "  type: temporal_ordered\n  rules: [a, b]\n  group-by: [eventName]\n  timespan: 10m\n  x-differs: awsRegion";
    let set = load(&correlation(body));
    let at = |member, minute: i64, value: &str| Hit {
        value: HitValue::Text(value.into()),
        ..hit(0, member, minute, minute as u128 + 1)
    };
    let none: Vec<Vec<i64>> = vec![];
    let check = |hits: &[Hit]| board(&set, hits, i64::MAX).minutes();
    assert_eq!(check(&[at(0, 0, "x"), at(1, 2, "x")]), none);
    assert_eq!(check(&[at(0, 0, "x"), at(1, 2, "y")]), [[0, 2]]);
    assert_eq!(check(&[at(1, 0, "x"), at(0, 2, "y")]), none);
    // What began last is not what can go on: the one before with another value can.
    assert_eq!(check(&[at(0, 0, "x"), at(0, 1, "y"), at(0, 2, "y"), at(1, 3, "y")]), [[0, 1, 2, 3]]);
    assert_eq!(check(&[at(0, 0, "x"), at(0, 5, "y"), at(0, 6, "z"), at(1, 12, "z")]), [[5, 6, 12]]);
}

#[test]
fn conditions_over_rules() {
    let none: Vec<Vec<i64>> = vec![];
    let all = "  type: temporal\n  rules: [a, b]\n  group-by: [eventName]\n  timespan: 10m";
    assert_eq!(minutes(all, &[(1, 0), (0, 5)]), [[0, 5]]);
    assert_eq!(minutes(all, &[(0, 0), (0, 5)]), none);
    let not = "  type: temporal\n  rules: [a, b]\n  group-by: [eventName]\n  timespan: 10m\n  condition: a and not b";
    assert_eq!(minutes(not, &[(0, 0)]), [[0]]);
    assert_eq!(minutes(not, &[(0, 0), (1, 10)]), none);
    assert_eq!(minutes(not, &[(0, 0), (1, 11)]), [[0]]);
    let two = "  type: temporal\n  rules: [a, b, c]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {gte: 2}";
    assert_eq!(minutes(two, &[(2, 0), (0, 5)]), [[0, 5]]);
}

#[test]
fn absence_waits_and_is_refuted_by_a_late_event() {
    let body = "  type: x-absence\n  rules: [a, b]\n  group-by: [eventName]\n  timespan: 10m";
    let set = load(&correlation(body));
    let mut correlator = Correlator::new(set, CorrelatorLimits::default());
    let mut board = Board::default();
    correlator.observe(&hit(0, 0, 0, 1), None);
    board.apply(correlator.settle(5 * MINUTE_US));
    assert_eq!(board.minutes().len(), 0);
    assert_eq!(correlator.next_due_us(), Some(10 * MINUTE_US));
    board.apply(correlator.settle(11 * MINUTE_US));
    assert_eq!(board.minutes(), [[0]]);
    correlator.observe(&hit(0, 1, 7, 2), None);
    board.apply(correlator.settle(12 * MINUTE_US));
    assert_eq!(board.minutes().len(), 0);
}

#[test]
fn values_are_counted_and_computed_with() {
    let text =
        |minute, event, value: &str| Hit { value: HitValue::Text(value.into()), ..hit(0, 0, minute, event) };
    let number = |minute, event, value| Hit { value: HitValue::Number(value), ..hit(0, 0, minute, event) };
    let distinct = load(&correlation(
        "  type: value_count\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {field: awsRegion, gte: 2}",
    ));
    assert!(board(&distinct, &[text(0, 1, "x"), text(1, 2, "x")], i64::MAX).0.is_empty());
    let found = board(&distinct, &[text(0, 1, "x"), text(1, 2, "x"), text(2, 3, "y")], i64::MAX);
    assert_eq!(found.minutes(), [[0, 1, 2]]);
    assert_eq!(found.0.values().next().unwrap().why, "2 distinct values of awsRegion");
    for (kind, least, holds) in [
        ("value_sum", 60.0, true),
        ("value_sum", 61.0, false),
        ("value_avg", 20.0, true),
        ("value_median", 10.0, true),
        ("value_median", 41.0, false),
        ("value_percentile\n  percentile: 75", 25.0, true),
    ] {
        let set = load(&correlation(&format!(
            "  type: {kind}\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {{field: n, gte: {least}}}"
        )));
        let hits = [number(0, 1, 10.0), number(1, 2, 40.0), number(2, 3, 10.0)];
        assert_eq!(!board(&set, &hits, i64::MAX).0.is_empty(), holds, "{kind} {least}");
    }
}

#[test]
fn new_values_are_told_after_learning() {
    let set = load(&correlation(
        "  type: x-first-seen\n  rules: [a]\n  group-by: [eventName]\n  timespan: 30d\n  x-learning: 7d\n  condition: {field: awsRegion}",
    ));
    let seen = |day: i64, event, value: &str| Hit {
        value: HitValue::Text(value.into()),
        time_us: day * DAY_US,
        ..hit(0, 0, 0, event)
    };
    let days = |hits: &[Hit]| -> Vec<i64> {
        board(&set, hits, i64::MAX).0.values().map(|episode| episode.begin_us / DAY_US).collect()
    };
    assert_eq!(days(&[seen(0, 1, "x"), seen(3, 2, "y"), seen(8, 3, "x")]), [] as [i64; 0]);
    assert_eq!(days(&[seen(0, 1, "x"), seen(8, 3, "z")]), [8]);
    // Forgotten after the time span.
    assert_eq!(days(&[seen(0, 1, "x"), seen(1, 2, "y"), seen(20, 3, "x"), seen(40, 4, "y")]), [40]);
}

#[test]
fn nobody_travels_so_fast() {
    let set = load(&correlation(
        "  type: x-impossible-travel\n  rules: [a]\n  group-by: [eventName]\n  timespan: 1d",
    ));
    let at = |minute, event, lat, long| {
        let address = HitValue::address(&format!("192.0.2.{event}"));
        Hit { value: HitValue::At { lat, long, address }, ..hit(0, 0, minute, event) }
    };
    let (berlin, hamburg, sydney) = ((52.52, 13.40), (53.55, 9.99), (-33.87, 151.21));
    let near = [at(0, 1, berlin.0, berlin.1), at(5, 2, hamburg.0, hamburg.1)];
    assert!(board(&set, &near, i64::MAX).0.is_empty(), "255 km in five minutes may be one place");
    let far = [at(0, 1, berlin.0, berlin.1), at(60, 2, sydney.0, sydney.1)];
    let found = board(&set, &far, i64::MAX);
    assert_eq!(found.minutes(), [[0, 60]]);
    let why = &found.0.values().next().unwrap().why;
    assert_eq!(why, "16095 km in 1.00 hours, 16095 km/h, from 52.52,13.40 to -33.87,151.21");
    let at_once = [at(0, 1, berlin.0, berlin.1), at(0, 2, sydney.0, sydney.1)];
    let found = board(&set, &at_once, i64::MAX);
    let why = &found.0.values().next().unwrap().why;
    assert_eq!(why, "16095 km in 0.00 hours, from 52.52,13.40 to -33.87,151.21");
    let mut soon = at_once.clone();
    soon[1].time_us += 1_000;
    let found = board(&set, &soon, i64::MAX);
    let why = &found.0.values().next().unwrap().why;
    assert_eq!(why, "16095 km in 0.00 hours, from 52.52,13.40 to -33.87,151.21", "that is no speed");
    let mut disputed = far.clone();
    disputed[1].value = match &disputed[1].value {
        HitValue::At { lat, long, .. } => {
            HitValue::At { lat: *lat, long: *long, address: HitValue::address("192.0.2.1") }
        }
        other => other.clone(),
    };
    assert!(board(&set, &disputed, i64::MAX).0.is_empty(), "one address is at one place");
    let slow = [at(0, 1, berlin.0, berlin.1), at(60 * 20, 2, sydney.0, sydney.1)];
    assert!(board(&set, &slow, i64::MAX).0.is_empty());
}

#[test]
fn more_than_usual_is_told_with_its_numbers() {
    let set = load(&correlation(
        "  type: x-volume-anomaly\n  rules: [a]\n  group-by: [eventName]\n  timespan: 1h\n  x-learning: 2d\n  x-least: 20",
    ));
    let mut hits = Vec::new();
    let mut event = 0;
    for hour in 0..72_i64 {
        for minute in 0..if hour == 71 { 59 } else { 10 + hour % 3 } {
            event += 1;
            hits.push(hit(0, 0, hour * 60 + minute, event));
        }
    }
    let found = board(&set, &hits, i64::MAX);
    assert_eq!(found.0.len(), 1);
    let why = &found.0.values().next().unwrap().why;
    assert_eq!(why, "59 events; the median of this group's past is 11, its deviation 3.3");
}

#[test]
fn correlations_of_correlations() {
    let inner = "title: inner\nid: inner\nname: inner\nlevel: low\ncorrelation:\n  type: event_count\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {gte: 2}\n---\n";
    let outer = "title: outer\nid: outer\nlevel: high\ncorrelation:\n  type: temporal_ordered\n  rules: [inner, b]\n  group-by: [eventName]\n  timespan: 1h\n";
    // The order in the file does not matter.
    for text in [format!("{inner}{outer}"), format!("{outer}---\n{inner}")] {
        let set = load(&text);
        let names: Vec<_> = set.correlations().iter().map(|rule| rule.title().to_owned()).collect();
        assert_eq!(names, ["inner", "outer"]);
        assert!(!set.correlations()[0].yields_alert() && set.correlations()[1].yields_alert());
        let hits = [hit(0, 0, 0, 1), hit(0, 0, 5, 2), hit(1, 1, 30, 3)];
        let found = board(&set, &hits, i64::MAX);
        let outer: Vec<_> =
            found.0.iter().filter(|((index, ..), _)| *index == 1).map(|(_, found)| found).collect();
        assert_eq!(outer.len(), 1);
        let minutes: Vec<_> = outer[0].hits.iter().map(|hit| hit.0 / MINUTE_US).collect();
        assert_eq!(minutes, [0, 5, 30], "the events beneath are named");
        // What refutes nothing but comes first moves the inner episode, and the outer with it.
        let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
        let mut board = Board::default();
        for hit in &hits {
            correlator.observe(hit, None);
            board.apply(correlator.settle(i64::MIN));
        }
        correlator.observe(&hit(0, 0, -3, 4), None);
        board.apply(correlator.settle(i64::MIN));
        assert_eq!(board.0.len(), 2);
    }
}

#[test]
fn bounds_are_met_and_counted() {
    let body =
        "  type: event_count\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {gte: 3}";
    let limits = CorrelatorLimits { group_hits: 2, correlation_hits: 3, hits: 3 };
    let mut correlator = Correlator::new(load(&correlation(body)), limits);
    let other = |event| Hit { key: vec!["other".into()], ..hit(0, 0, 0, event) };
    assert_eq!(correlator.observe(&hit(0, 0, 0, 1), None), Observed::New);
    assert_eq!(correlator.observe(&hit(0, 0, 0, 1), None), Observed::Known);
    assert_eq!(correlator.observe(&hit(0, 0, 0, 2), None), Observed::New);
    assert_eq!(correlator.observe(&hit(0, 0, 0, 3), None), Observed::Full(Bound::Group));
    assert_eq!(correlator.observe(&other(4), None), Observed::New);
    assert_eq!(correlator.observe(&other(5), None), Observed::Full(Bound::Correlation));
    correlator.settle(0);
    let gone = correlator.forget(DAY_US);
    assert_eq!(gone.len(), 3);
    assert_eq!(correlator.observe(&hit(0, 0, 0, 6), None), Observed::Late);
    assert_eq!(correlator.stats(), [CorrelatorStats { groups: 0, hits: 0, late: 1, full: 2 }]);
}

/// A key or a correlation that was full once finds again as soon as what fills it is out of reach.
#[test]
fn who_meets_a_bound_is_not_deaf_for_good() {
    let body =
        "  type: event_count\n  rules: [a]\n  group-by: [eventName]\n  timespan: 10m\n  condition: {gte: 3}";
    let of = |key: &str, minute, event| Hit { key: vec![key.into()], ..hit(0, 0, minute, event) };
    let limits = CorrelatorLimits { group_hits: 40, correlation_hits: 100, hits: 1000 };
    let mut correlator = Correlator::new(load(&correlation(body)), limits);
    let mut board = Board::default();
    let at = |correlator: &mut Correlator, minute: i64| {
        let horizon_us = (minute - 2) * MINUTE_US;
        correlator.advance(horizon_us, horizon_us);
    };
    at(&mut correlator, 0);
    let burst: Vec<_> = (0..160).map(|event| of(&format!("burst {}", event % 4), 0, event + 1)).collect();
    let observed: Vec<_> = burst.iter().map(|hit| correlator.observe(hit, None)).collect();
    let full = observed.iter().filter(|observed| **observed == Observed::Full(Bound::Correlation)).count();
    assert_eq!(full, 60);
    board.apply(correlator.settle(0));
    assert!(correlator.is_short(0, Bound::Correlation));
    for round in 1..9_i64 {
        at(&mut correlator, round * 9);
        for event in 0..3 {
            let hit = of(&format!("new {round}"), round * 9, 1000 * round as u128 + event);
            let observed = correlator.observe(&hit, None);
            // Ten minutes and two of lateness: until then what fills it is needed.
            let is_over = round > 1;
            assert_eq!(observed == Observed::New, is_over, "{round} {observed:?}");
        }
        board.apply(correlator.cleared().findings);
        board.apply(correlator.settle(0));
    }
    assert!(!correlator.is_short(0, Bound::Correlation));
    let found = |name: &str| board.0.keys().filter(|(_, key, _)| key[0].starts_with(name)).count();
    assert_eq!((found("new"), found("burst")), (7, 4));

    // One key, a hit a minute, ten times more than it may hold.
    let limits = CorrelatorLimits { group_hits: 40, correlation_hits: 1000, hits: 1000 };
    let body = body.replace("{gte: 3}", "{gte: 30}");
    let mut correlator = Correlator::new(load(&correlation(&body)), limits);
    for minute in 0..400 {
        at(&mut correlator, minute);
        assert_eq!(correlator.observe(&of("k", minute, 1 + minute as u128), None), Observed::New, "{minute}");
    }
    let gone = correlator.cleared();
    assert!(gone.forgotten.len() >= 360 && gone.before_us.contains_key(&0));
}
