//! Silences: what they cover, what they hide, and how it comes back.

use super::{Fixture, alert, fixture};
use crate::silence::{
    LONGEST_OF_ALL_US, LONGEST_US, Matcher, Schedule, SilencePage, SilenceSpec, SilenceStatus,
};
use crate::{Alert, AlertFilter, AlertStore, Change, Cursor, Entity, EntityKind, Error, Selection, Verdict};

/// A silence for alerts with these values, from 100 to 10,000 µs.
pub(super) fn spec(matchers: &[(&str, &str)]) -> SilenceSpec {
    SilenceSpec {
        matchers: matchers
            .iter()
            .map(|(field, value)| Matcher::read(field, &[(*value).to_owned()]).unwrap())
            .collect(),
        starts_us: 100,
        ends_us: 10_000,
        schedule: None,
        owner: "ann".into(),
        reason: "the backup runs".into(),
        is_of_all: false,
    }
}

fn shown(at: &Fixture, is_suppressed: bool) -> Vec<String> {
    let filter = AlertFilter { is_suppressed: Some(is_suppressed), ..AlertFilter::default() };
    let page = at.store.list(&filter, None, 100).unwrap();
    page.alerts.into_iter().map(|stored| stored.alert.evidence[0].event_uid.clone()).collect()
}

fn feed(at: &Fixture) -> Vec<String> {
    at.store
        .feed(0, 1000)
        .unwrap()
        .into_iter()
        .map(|entry| format!("{} {}", entry.change, entry.by))
        .collect()
}

/// The alert of [`alert`], which is about dana, account 111122223333 and 192.0.2.7.
fn check(matchers: &[(&str, &str)], expected: bool) {
    let mut one = alert("r1", "e", 500);
    one.entities.push(Entity {
        kind: EntityKind::Resource,
        value: "arn:aws:s3:::logs".into(),
        name: Some("logs".into()),
    });
    assert_eq!(spec(matchers).covers(&one), expected, "{matchers:?}");
}

#[test]
fn each_field() {
    for (field, hit, miss) in [
        ("rule", "R1", "r2"),
        ("title", "title of *", "of"),
        ("severity", "high", "low"),
        ("provider", "aws", "gcp"),
        ("operation", "Stop*", "Start*"),
        ("tag", "attack.t1562*", "attack.t1078"),
        ("entity", "logs", "log"),
        ("actor", "DANA", "111122223333"),
        ("account", "1111*", "2222*"),
        ("address", "192.0.2.?", "198.51.100.?"),
        ("resource", "arn:aws:s3:::*", "arn:aws:iam::*"),
        ("by.actor", "dana", "eve"),
        ("address", "192.0.2.0/29", "192.0.2.8/29"),
        ("entity", "192.0.2.0/24", "198.51.100.0/24"),
    ] {
        check(&[(field, hit)], true);
        check(&[(field, miss)], false);
        check(&[("rule", "r1"), (field, hit)], true);
        check(&[("rule", "r1"), (field, miss)], false);
    }
    check(&[("user", "dana")], false);
    check(&[("by.nothing", "dana")], false);
    let either = Matcher::read("actor", &["eve".into(), "dan?".into()]).unwrap();
    assert!(either.matches(&alert("r1", "e", 500)));
}

#[test]
fn an_alert_about_somebody_else_too_is_not_covered() {
    let mut two = alert("r1", "e", 500);
    two.entities.push(Entity { kind: EntityKind::Actor, value: "mallory".into(), name: None });
    two.provider = "AWS, GCP".into();
    assert!(!spec(&[("actor", "dana")]).covers(&two));
    assert!(!spec(&[("rule", "r1"), ("provider", "AWS")]).covers(&two));
    assert!(spec(&[("entity", "dana")]).covers(&two), "of whatever kind, any one");
}

#[test]
fn fields_of_the_records_are_asked_of_each() {
    let with = |records: &[&str]| {
        let mut one = alert("r1", "e", 500);
        let event = one.evidence[0].clone();
        one.evidence =
            records.iter().map(|raw| crate::Evidence { raw: (*raw).to_owned(), ..event.clone() }).collect();
        one
    };
    let (logs, other) = (r#"{"p":{"bucket":"logs","ports":[22,443]}}"#, r#"{"p":{"bucket":"other"}}"#);
    let covers = |field: &str, value: &str, records: &[&str]| spec(&[(field, value)]).covers(&with(records));
    assert!(covers("fields.p.bucket", "log*", &[logs]));
    assert!(covers("fields.p.bucket", "LOGS", &[logs, logs]));
    assert!(covers("fields.p.ports", "443", &[logs]), "any one of a list");
    assert!(!covers("fields.p.bucket", "logs", &[logs, other]), "each of the records");
    assert!(!covers("fields.p.bucket", "logs", &[logs, ""]), "what is not kept fits nothing");
    assert!(!covers("fields.p.bucket", "logs", &["bucket=logs"]));
    assert!(!covers("fields.p", "*", &["{}"]));
    assert!(Matcher::read("fields.", &["x".into()]).is_err());
    // The trial reads the records, too.
    let at = fixture();
    at.record(&[with(&[logs])]);
    for (value, hidden) in [("logs", 1), ("other", 0)] {
        let tried = at.store.try_silence(&spec(&[("fields.p.bucket", value)]), 0).unwrap();
        assert_eq!((tried.alerts, tried.hidden), (1, hidden), "{value}");
    }
}

#[test]
fn everything_is_hidden_only_by_who_says_so_and_not_for_long() {
    let at = fixture();
    for matchers in [&[][..], &[("severity", "high")], &[("address", "0.0.0.0/0")]] {
        let all = SilenceSpec { is_of_all: true, ..spec(matchers) };
        assert!(matches!(at.store.try_silence(&spec(matchers), 0), Err(Error::SilenceRefused { .. })));
        at.store.try_silence(&all, 0).unwrap();
        let long = SilenceSpec { ends_us: 100 + LONGEST_OF_ALL_US + 1, ..all.clone() };
        let refused = at.store.add_silence(&long, "ann", 50).unwrap_err();
        assert!(refused.to_string().contains("7 days"), "{refused}");
        let made = at.store.add_silence(&all, "ann", 50).unwrap();
        assert!(made.spec.covers(&alert("r1", "e", 500)), "{matchers:?}");
    }
}

#[test]
fn times_are_those_of_the_events() {
    let at = |begin_us: i64, time_us: i64| {
        let mut one = alert("r1", "e", time_us);
        one.joined.as_mut().unwrap().begin_us = begin_us;
        spec(&[("rule", "r1")]).covers(&one)
    };
    assert!(at(100, 100) && at(100, 9_999));
    assert!(!at(99, 100) && !at(99, 99) && !at(100, 10_000) && !at(10_000, 10_000));
    // 2026-03-02T22:30:00Z, a Monday.
    let monday_us = 1_772_490_600_000_000;
    let mut nightly = spec(&[("rule", "r1")]);
    (nightly.starts_us, nightly.ends_us) = (monday_us - LONGEST_US / 2, monday_us + LONGEST_US / 2);
    nightly.schedule = Some(Schedule::read("UTC", &["Mon 22:00-23:00".into()]).unwrap());
    assert!(nightly.covers(&alert("r1", "e", monday_us)));
    assert!(!nightly.covers(&alert("r1", "e", monday_us + 3_600_000_000)));
    let mut since_before = alert("r1", "e", monday_us);
    since_before.joined.as_mut().unwrap().begin_us = monday_us - 3_600_000_000;
    assert!(!nightly.covers(&since_before), "it began before the window");
}

#[test]
fn what_names_nothing_or_never_ends_is_refused() {
    let at = fixture();
    let refused = |spec: &SilenceSpec| match at.store.add_silence(spec, "ann", 50) {
        Err(error @ Error::SilenceRefused { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for nothing in [
        &[][..],
        &[("rule", "*")],
        &[("actor", "*e*")],
        &[("title", "??*")],
        &[("severity", "low")],
        &[("severity", "low"), ("provider", "AWS"), ("entity", "*")],
    ] {
        assert!(refused(&spec(nothing)).contains("names nothing"), "{nothing:?}");
        assert!(at.store.try_silence(&spec(nothing), 0).is_err());
    }
    let good = || spec(&[("rule", "r1")]);
    let with = |change: &dyn Fn(&mut SilenceSpec)| {
        let mut changed = good();
        change(&mut changed);
        refused(&changed)
    };
    assert!(with(&|spec| spec.ends_us = 100).contains("before it starts"));
    assert!(with(&|spec| (spec.starts_us, spec.ends_us) = (0, 50)).contains("has passed"));
    assert!(with(&|spec| spec.ends_us = LONGEST_US + 101).contains("366 days"));
    assert!(with(&|spec| spec.ends_us = i64::MAX).contains("366 days"));
    assert!(with(&|spec| spec.reason = " ".into()).contains("say why"));
    assert!(with(&|spec| spec.owner = String::new()).contains("who answers"));
    assert!(with(&|spec| spec.matchers = vec![spec.matchers[0].clone(); 21]).contains("20 fields"));
    assert!(Matcher::read("severity", &["huge".into()]).is_err());
    assert!(Matcher::read("colour", &["red".into()]).unwrap_err().contains("unknown field"));
    assert!(at.store.silences(true, None, 10, 50).unwrap().silences.is_empty());
}

#[test]
fn silences_come_in_pages_while_others_come_and_go() {
    let at = fixture();
    let make = |now_us: i64| at.store.add_silence(&spec(&[("rule", "r1")]), "ann", now_us).unwrap().id;
    // Two of them at one moment.
    let mut made: Vec<String> = [10, 20, 20, 30, 40].iter().map(|now_us| make(*now_us)).collect();
    made.dedup();
    assert_eq!(made.len(), 4, "the same at the same moment is one");
    let first = at.store.silences(true, None, 2, 50).unwrap();
    let ids = |page: &SilencePage| page.silences.iter().map(|one| one.silence.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), [made[3].clone(), made[2].clone()]);
    let next = first.next.map(|cursor| Cursor::decode(&cursor.encode()).unwrap());
    let newer = make(45);
    let second = at.store.silences(true, next.as_ref(), 2, 50).unwrap();
    assert_eq!((ids(&second), second.next), (vec![made[1].clone(), made[0].clone()], None));
    // One that is over is in the list of all alone.
    at.store.end_silence(&made[1], "ann", "", 50).unwrap();
    assert_eq!(ids(&at.store.silences(false, None, 10, 50).unwrap()).len(), 4);
    assert_eq!(ids(&at.store.silences(true, None, 10, 50).unwrap())[0], newer);
}

#[test]
fn what_is_hidden_is_recorded_counted_and_comes_back() {
    let at = fixture();
    let silence = at.store.add_silence(&spec(&[("rule", "r1")]), "ann", 50).unwrap();
    assert_eq!((silence.status(50), silence.status(100)), (SilenceStatus::Pending, SilenceStatus::Active));
    at.record(&[alert("r1", "e1", 500), alert("r2", "e2", 500), alert("r1", "e3", 20_000)]);
    // A replay comes to the same.
    at.record(&[alert("r1", "e1", 500)]);
    assert_eq!((shown(&at, true), shown(&at, false)), (vec!["e1".into()], vec!["e3".into(), "e2".into()]));
    assert_eq!(feed(&at), ["suppressed stormglass", "raised stormglass", "raised stormglass"]);
    let hidden = alert("r1", "e1", 500).id;
    let stored = at.store.get(hidden.as_str()).unwrap().0;
    assert_eq!(stored.suppressed_by.as_deref(), Some(silence.id.as_str()));
    assert_eq!(stored.suppressed_reason.as_deref(), Some("the backup runs"));
    let counted = at.store.silence(&silence.id).unwrap();
    assert_eq!((counted.hidden, counted.released), (1, 0));

    // Ended, it covers nothing any more, and hides what it did.
    let ended = at.store.end_silence(&silence.id, "ben", "it was wrong", 900).unwrap();
    assert_eq!((ended.silence.status(950), ended.hidden), (SilenceStatus::Ended, 1));
    assert!(matches!(at.store.end_silence(&silence.id, "ben", "", 901), Err(Error::SilenceOver { .. })));
    at.record(&[alert("r1", "e4", 500)]);
    assert_eq!(shown(&at, true), ["e1"]);

    let outcome = at.store.release_silenced(&silence.id, "ben", "it was wrong", 1000).unwrap();
    assert_eq!(outcome.changed, [hidden.to_string()]);
    assert_eq!(feed(&at).last().unwrap(), "raised ben", "it is told now");
    assert!(shown(&at, true).is_empty());
    let (stored, history) = at.store.get(hidden.as_str()).unwrap();
    assert_eq!((stored.suppressed_by, stored.suppressed_reason), (None, None));
    assert_eq!((history[0].change.as_str(), history[0].before.as_deref()), ("released", Some(&*silence.id)));
    let counted = at.store.silence(&silence.id).unwrap();
    assert_eq!((counted.hidden, counted.released), (0, 1));
    let twice = at.store.change(hidden.as_str(), Change::Release, "ben", "", 1001).unwrap_err();
    assert_eq!(twice.to_string(), format!("alert `{hidden}` is not suppressed and cannot be released"));
    assert!(matches!(at.store.release_silenced("ffff", "ben", "", 1), Err(Error::SilenceUnknown { .. })));
}

#[test]
fn a_hidden_alert_that_grows_beyond_its_silence_is_told() {
    let at = fixture();
    at.store.add_silence(&spec(&[("actor", "dana")]), "ann", 50).unwrap();
    let amend = |alert: &Alert| at.state.write(|txn| AlertStore::record_or_amend(txn, alert, 600)).unwrap();
    let mut growing = alert("r1", "e1", 500);
    assert!(amend(&growing));
    growing.evidence.push(alert("r1", "e2", 510).evidence[0].clone());
    assert!(!amend(&growing));
    assert_eq!(shown(&at, true).len(), 1, "still about dana alone");
    growing.entities.push(Entity { kind: EntityKind::Actor, value: "mallory".into(), name: None });
    growing.evidence.push(alert("r1", "e3", 520).evidence[0].clone());
    assert!(!amend(&growing));
    assert_eq!(feed(&at).last().unwrap(), "raised stormglass");
    assert!(shown(&at, true).is_empty());
}

#[test]
fn people_can_work_on_what_is_hidden() {
    let at = fixture();
    let silence = at.store.add_silence(&spec(&[("rule", "r1")]), "ann", 50).unwrap();
    at.record(&[alert("r1", "e1", 500)]);
    let id = alert("r1", "e1", 500).id;
    let close = Change::Close(Verdict::TruePositive);
    let stored = at.store.change(id.as_str(), close, "ann", "it was real", 700).unwrap();
    assert_eq!(stored.suppressed_by.as_deref(), Some(silence.id.as_str()), "closing does not release");
    let filter = AlertFilter { suppressed_by: Some(silence.id), ..AlertFilter::default() };
    let edit = crate::Edit { change: Change::Release, by: "ann".into(), reason: String::new(), at_us: 800 };
    assert_eq!(at.store.edit_many(&Selection::Filter(filter), &edit).unwrap().changed.len(), 1);
}

#[test]
fn a_trial_says_what_would_have_been_hidden() {
    let at = fixture();
    let alerts: Vec<_> = (0..30).map(|n| alert("r1", &format!("a{n}"), n)).collect();
    at.record(&alerts);
    at.record(&[alert("r2", "b", 5), alert("r3", "c", 5)]);
    let close = Change::Close(Verdict::TruePositive);
    at.store.change(alerts[9].id.as_str(), close, "ann", "real", 1).unwrap();
    // Its own beginning and end do not matter: it is in the future.
    let trial = at.store.try_silence(&spec(&[("actor", "dana"), ("rule", "r?")]), 5);
    assert!(trial.is_ok(), "dana is named");
    let trial = trial.unwrap();
    assert_eq!((trial.alerts, trial.hidden, trial.hidden_true, trial.is_partial), (27, 27, 1, false));
    let rules: Vec<_> = trial.rules.iter().map(|rule| (rule.id.as_str(), rule.hidden)).collect();
    assert_eq!(rules, [("r1", 25), ("r2", 1), ("r3", 1)]);
    assert_eq!((trial.newest.len(), &trial.newest[0]), (20, &alerts[29].id.to_string()));
    assert_eq!(at.store.try_silence(&spec(&[("actor", "eve")]), 0).unwrap().hidden, 0);
    assert!(shown(&at, true).is_empty(), "nothing was hidden");
}

#[test]
fn a_damaged_silence_hides_nothing_and_stops_nothing() {
    let at = fixture();
    let silence = at.store.add_silence(&spec(&[("rule", "r1")]), "ann", 50).unwrap();
    let damage = |txn: &storage::state::Txn<'_>| {
        txn.execute("UPDATE silences SET matchers = '[{\"field\":\"colour\",\"values\":[]}]'", []).unwrap();
        Ok::<_, Error>(())
    };
    at.state.write(damage).unwrap();
    at.record(&[alert("r1", "e1", 500)]);
    assert_eq!(shown(&at, false), ["e1"]);
    assert!(matches!(at.store.silence(&silence.id), Err(Error::SilenceDamaged { .. })));
}
