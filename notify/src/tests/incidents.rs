//! Incidents: one message for many alerts, one thread for all that follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alerts::incident::{Context, Deciding, Incident, IncidentFilter, Settings, Step};
use alerts::{Alert, AlertId, Change, EntityKind, Verdict};

use super::{Fixture, alert, fixture_of, now_us, route};
use crate::NotificationKind::{
    Acknowledged, Amended, Assigned, Closed, Commented, Escalated, Grown, Merged, Overdue, Raised, Reopened,
    Risen,
};
use crate::outbox::Outbox;
use crate::{DEFAULT_TELL, Escalation, Fold, Manner, Route, SubjectKind, Target, Wanted};

const MINUTE: Duration = Duration::from_secs(60);

/// An alert about `who` at a second, of a severity.
fn about(who: &str, event: &str, second: i64, severity_id: u8) -> Alert {
    let mut made = alert("r1", event);
    made.id = AlertId::new("r1", [event]);
    made.severity_id = severity_id;
    made.time_us = second * 1_000_000;
    made.entities.retain(|entity| entity.kind == EntityKind::Account);
    made.entities.push(alerts::Entity {
        kind: EntityKind::Actor,
        value: format!("arn:aws:iam::111122223333:user/{who}"),
        name: None,
    });
    made
}

fn telling(path: &str, channels: &[&str]) -> Route {
    Route {
        tell: DEFAULT_TELL.to_vec(),
        fold: Some(Fold { burst: 1, window: MINUTE }),
        ..route(path, channels)
    }
}

/// Incidents in which no risk is told of, and three channels that all are told by one route.
fn site() -> Fixture {
    site_of(vec![telling("all", &["chat", "page", "mail"])])
}

fn site_of(routes: Vec<Route>) -> Fixture {
    let mut settings = Settings::default();
    settings.fading.threshold = 1e9;
    let channels =
        [("chat", Manner::Chat), ("page", Manner::Page), ("mail", Manner::Letter), ("feed", Manner::Stream)];
    let at = fixture_of(&channels, routes, Some(settings));
    at.state.write(|txn| Outbox::set_incident_position(txn, 0)).unwrap();
    at
}

impl Fixture {
    fn all(&self) -> Vec<Incident> {
        let incidents = self.incidents.as_ref().unwrap();
        incidents.list(&IncidentFilter::default(), None, 500).unwrap().incidents
    }

    fn step(&self, id: &str, step: Step) {
        self.incidents.as_ref().unwrap().step(id, &step, "dana", now_us()).unwrap();
    }

    fn threads(&self, channel: &str) -> BTreeSet<String> {
        self.told(channel).into_iter().map(|told| told.thread).collect()
    }

    /// What was told since the last call: kinds and whether quietly.
    fn news(&self, channel: &str) -> Vec<(crate::NotificationKind, bool)> {
        let told = std::mem::take(&mut *self.channels[channel].told.lock());
        told.iter().map(|told| (told.kind, told.is_quiet)).collect()
    }
}

#[tokio::test]
async fn forty_alerts_within_a_minute_are_one_message_and_a_count() {
    let mut at = site();
    for n in 0..40 {
        at.record(&[about("dana", &format!("e{n}"), n, 4)]);
        at.settle().await;
        at.advance(Duration::from_secs(1));
    }
    at.advance(MINUTE);
    at.settle().await;
    at.advance(600 * MINUTE);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    for channel in ["chat", "page", "mail"] {
        let told = at.told(channel);
        assert!(told.iter().all(|told| told.subject == incident.id && told.thread == incident.id));
        assert!(told.iter().all(|told| told.about == SubjectKind::Incident));
        assert_eq!((told[0].kind, told[0].count), (Raised, 1));
    }
    let grown = at.told("chat").pop().unwrap();
    assert_eq!((grown.kind, grown.count, grown.is_quiet), (Grown, 40, true));
    assert_eq!(grown.note, "39 alerts more, 40 in all");
    assert_eq!(at.told("chat").len(), 2);
    assert_eq!((at.told("page").len(), at.told("mail").len()), (1, 1));
}

#[tokio::test]
async fn a_preview_of_an_incident_is_what_is_told_of_it() {
    let high = Wanted { severity_id: Some(4), ..Wanted::default() };
    let critical = Wanted { severity_id: Some(5), ..Wanted::default() };
    let digest = Route { digest: Some(MINUTE), ..telling("digest", &["mail"]) };
    let mut at = site_of(vec![
        Route { wanted: critical, ..telling("critical", &["page"]) },
        Route { goes_on: true, ..digest },
        Route { wanted: high, ..telling("high", &["chat", "mail"]) },
        telling("rest", &["page"]),
    ]);
    // One alone would go to the last route; their incident is as severe as the other.
    at.record(&[about("dana", "e1", 1, 3), about("dana", "e2", 2, 4)]);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    let preview = at.follower.preview(&incident.id, now_us()).unwrap();
    let taken: Vec<_> =
        preview.taken.iter().map(|taken| (taken.route.path.as_str(), taken.channels.clone())).collect();
    assert_eq!(taken, [("high", vec!["chat".to_owned(), "mail".to_owned()])]);
    let asked: Vec<_> =
        preview.considered.iter().map(|one| (one.path.as_str(), one.refusal.is_none())).collect();
    assert_eq!(asked, [("critical", false), ("digest", false), ("high", true)]);
    assert!(preview.considered[1].refusal.as_ref().unwrap().contains("digest"));
    let told = at.told("chat");
    assert_eq!((told.len(), &told[0].subject), (1, &preview.notification.subject_id));
    assert_eq!((preview.notification.about, preview.notification.count), (SubjectKind::Incident, 2));
    // Its beginning is enough, an alert is told with its incident and counted by digests, and what is neither is said.
    assert_eq!(at.follower.preview(incident.id.get(..12).unwrap(), now_us()).unwrap().taken.len(), 1);
    let alert = about("dana", "e1", 1, 3).id.to_string();
    let preview = at.follower.preview(alert.get(..12).unwrap(), now_us()).unwrap();
    assert_eq!(preview.notification.subject_id, incident.id);
    assert_eq!(preview.incident.as_ref(), Some(&incident.id));
    let taken: Vec<_> = preview.taken.iter().map(|taken| taken.route.path.as_str()).collect();
    assert_eq!(taken, ["high", "digest"]);
    assert_eq!(preview.considered[2].because, "its severity 4 is at least 4");
    let nothing = at.follower.preview("0123456789ab", now_us()).unwrap_err().to_string();
    assert!(nothing.contains("there is no alert or incident `0123456789ab`"), "{nothing}");
}

#[tokio::test]
async fn growth_that_goes_on_is_told_at_growing_intervals() {
    let all = Route { tell: vec![Grown], ..telling("all", &["mail"]) };
    let mut at = site_of(vec![all]);
    for n in 0..240 {
        at.record(&[about("dana", &format!("e{n}"), n, 4)]);
        at.settle().await;
        at.advance(Duration::from_secs(30));
    }
    // Two hours: after 1, 3, 7, 15, 31, 63 minutes.
    let counts: Vec<_> = at.told("mail").iter().map(|told| told.count).collect();
    assert!((6..=8).contains(&counts.len()), "{counts:?}");
    assert!(counts.is_sorted(), "{counts:?}");
}

#[tokio::test]
async fn an_incident_goes_on_in_the_thread_of_the_alert_that_was_told_before() {
    let mut at = site();
    let one = about("dana", "e1", 1, 3);
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    assert!(at.all().is_empty(), "alone it is no incident");
    at.advance(MINUTE);
    at.record(&[about("dana", "e2", 2, 3)]);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    for channel in ["chat", "page", "mail"] {
        let told = at.told(channel);
        let seen: Vec<_> = told.iter().map(|told| (told.kind, told.about, told.subject.as_str())).collect();
        let alert = (Raised, SubjectKind::Alert, one.id.as_str());
        assert_eq!(seen, [alert, (Raised, SubjectKind::Incident, incident.id.as_str())], "{channel}");
        assert_eq!(at.threads(channel), BTreeSet::from([one.id.to_string()]), "{channel}");
    }
    // What becomes of the alert is told in the thread, and not of the thread.
    at.alerts.change(one.id.as_str(), Change::Close(Verdict::Benign), "dana", "a drill", now_us()).unwrap();
    at.settle().await;
    let told = at.told("page").pop().unwrap();
    assert_eq!((told.kind, told.thread.as_str()), (Closed, one.id.as_str()));
    let found = at.state.read(|db| Outbox::incident_in(db, "page", one.id.as_str())).unwrap();
    assert_eq!(found, Some(incident.id.clone()), "a page leads to its incident");
    at.step(
        &incident.id,
        Step::Close { verdict: Verdict::TruePositive, reason: "done".into(), keeps_alerts: true },
    );
    at.settle().await;
    assert_eq!(at.threads("chat").len(), 1);
    assert_eq!(at.told("chat").pop().unwrap().subject, incident.id);
}

#[tokio::test]
async fn what_incidents_look_at_too_late_is_told_alone_and_says_once_where_it_goes_on() {
    let mut at = site();
    let (one, mut two) = (about("dana", "e1", 1, 4), about("dana", "e2", 2, 4));
    // Another rule: two alerts of one, by themselves, would be folded.
    two.rule.id = "r2".into();
    // Incidents do not follow for a while.
    let alone = |at: &Fixture| while at.follower.turn(now_us()).unwrap() {};
    at.record(std::slice::from_ref(&one));
    alone(&at);
    at.advance(Duration::from_secs(29));
    alone(&at);
    assert_eq!(at.outbox.queue("chat").unwrap().waiting, 0, "it waits");
    at.advance(Duration::from_secs(1));
    alone(&at);
    at.record(std::slice::from_ref(&two));
    alone(&at);
    at.advance(Duration::from_millis(999));
    alone(&at);
    assert_eq!(at.outbox.queue("chat").unwrap().waiting, 1);
    at.advance(Duration::from_millis(1));
    alone(&at);
    assert_eq!(at.outbox.queue("chat").unwrap().waiting, 2);
    at.settle().await;
    at.advance(MINUTE);
    at.record(&[about("dana", "e3", 3, 4)]);
    at.settle().await;
    at.advance(10 * MINUTE);
    at.settle().await;
    let (one, two) = (one.id.to_string(), two.id.to_string());
    let seen: Vec<_> = at.told("chat").into_iter().map(|told| (told.kind, told.about, told.thread)).collect();
    let alert = |kind, thread: &str| (kind, SubjectKind::Alert, thread.to_owned());
    let incident = |kind| (kind, SubjectKind::Incident, one.clone());
    // That they are an incident is no news, and pages nobody again.
    let wanted =
        [alert(Raised, &one), alert(Raised, &two), alert(Merged, &two), incident(Amended), incident(Grown)];
    assert_eq!(BTreeSet::from(wanted), seen.iter().cloned().collect(), "{seen:?}");
    assert_eq!(seen.len(), 5);
    let letters: Vec<_> = at.told("mail").into_iter().map(|told| told.kind).collect();
    assert_eq!(letters, [Raised, Raised], "what was read need not be told to go on");
}

/// Incidents do not follow while an alert waits, the program is killed and started again meanwhile, and then they do.
#[tokio::test]
async fn an_alert_that_incidents_look_at_late_is_told_once() {
    let alone = |at: &Fixture| while at.follower.turn(now_us()).unwrap() {};
    for seconds in [0, 1, 29, 31, 3600] {
        let mut at = site();
        at.follower.routing.routes[0].escalate =
            vec![Escalation { after: MINUTE * 120, targets: vec![Target::from("page")] }];
        at.follower.routing.routes[0].targets.push(Target::from("feed"));
        let one = about("dana", "e1", 1, 4);
        at.record(std::slice::from_ref(&one));
        alone(&at);
        // What is waited for so far is forgotten by a kill.
        at.follower.patience = Arc::default();
        alone(&at);
        at.advance(Duration::from_secs(seconds));
        alone(&at);
        let was_late = seconds > 30;
        assert_eq!(at.outbox.queue("page").unwrap().waiting, u64::from(was_late), "{seconds}");
        at.follower.patience = Arc::default();
        at.settle().await;
        at.settle().await;
        let [incident] = at.all().try_into().unwrap();
        for channel in ["chat", "page", "mail", "feed"] {
            let told = at.told(channel);
            let seen: Vec<_> = told.iter().map(|told| (told.kind, told.about)).collect();
            let wanted = match (was_late, channel) {
                (false, _) => vec![(Raised, SubjectKind::Incident)],
                (true, "mail") => vec![(Raised, SubjectKind::Alert)],
                // A receiver opens a case for each that is raised.
                (true, "feed") => vec![(Raised, SubjectKind::Alert), (Raised, SubjectKind::Incident)],
                (true, _) => vec![(Raised, SubjectKind::Alert), (Amended, SubjectKind::Incident)],
            };
            assert_eq!(seen, wanted, "{seconds} {channel}");
            assert_eq!(at.threads(channel).len(), 1, "{seconds} {channel}");
            // What becomes of the incident is told in the thread of the alert.
            let thread = at.state.read(|db| Outbox::incident_in(db, channel, &told[0].thread)).unwrap();
            assert_eq!(thread, Some(incident.id.clone()));
        }
        if was_late {
            let told = at.told("page").pop().unwrap();
            assert!(told.note.contains("nothing else has happened"), "{}", told.note);
            assert!(told.takes_over && at.told("chat").pop().unwrap().takes_over);
            assert_eq!(at.told("feed").pop().unwrap().note, "");
        }
        at.advance(MINUTE * 120);
        at.settle().await;
        assert_eq!(at.kinds("page").iter().filter(|kind| **kind == Escalated).count(), 1, "{seconds}");
    }
}

#[tokio::test]
async fn an_incident_that_says_more_than_its_alerts_did_is_news() {
    let alone = |at: &Fixture| while at.follower.turn(now_us()).unwrap() {};
    let mut at = site();
    at.record(&[about("dana", "e1", 1, 4)]);
    alone(&at);
    at.advance(Duration::from_secs(31));
    alone(&at);
    at.record(&[about("dana", "e2", 2, 5)]);
    at.settle().await;
    let seen: Vec<_> = at.told("mail").iter().map(|told| (told.kind, told.about, told.count)).collect();
    assert_eq!(seen, [(Raised, SubjectKind::Alert, 1), (Raised, SubjectKind::Incident, 2)]);
    assert_eq!(at.threads("mail").len(), 1);
}

#[tokio::test]
async fn alerts_that_leave_an_incident_change_its_message_and_are_not_more() {
    let mut at = site_of(vec![Route { tell: vec![Grown], ..telling("all", &["chat", "page", "mail"]) }]);
    let all: Vec<_> = (1..=4).map(|n| about("dana", &format!("e{n}"), n, 4)).collect();
    at.record(&all);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    for channel in ["chat", "page", "mail"] {
        at.news(channel);
    }
    at.advance(MINUTE);
    let incidents = at.incidents.clone().unwrap();
    let left = BTreeSet::from([all[3].id.to_string()]);
    let by = Deciding::new("dana", "another matter");
    incidents.split(&incident.id, &left, &by, &Context::default(), now_us()).unwrap();
    at.settle().await;
    at.advance(MINUTE);
    at.settle().await;
    let of_it = |at: &Fixture, channel: &str| -> Vec<_> {
        let told = at.told(channel).into_iter().filter(|told| told.subject == incident.id);
        told.map(|told| (told.kind, told.is_quiet, told.note)).collect()
    };
    assert_eq!(of_it(&at, "chat"), [(Amended, true, "1 alert fewer, 3 in all".to_owned())]);
    assert_eq!((of_it(&at, "page"), of_it(&at, "mail")), (vec![], vec![]));
    assert!(at.told("chat").iter().all(|told| !told.takes_over), "another alert's message stays as it is");
    // What comes later is counted from there.
    at.record(&[about("dana", "e5", 2, 4)]);
    at.settle().await;
    at.advance(10 * MINUTE);
    at.settle().await;
    let grown = at.told("mail").into_iter().filter(|told| told.kind == Grown);
    let counts: Vec<_> = grown.map(|told| (told.note, told.count)).collect();
    assert_eq!(counts, [("1 alert more, 4 in all".to_owned(), 4)]);
}

#[tokio::test]
async fn incidents_that_are_one_go_on_in_the_older_thread_and_the_younger_says_so_once() {
    let mut at = site();
    at.record(&[about("ann", "a", 1, 4)]);
    at.settle().await;
    at.advance(MINUTE);
    at.record(&[about("bob", "b", 2, 4)]);
    at.settle().await;
    let all = at.all();
    let by_age = |second: i64| {
        all.iter().find(|incident| incident.assessment.first_us == second * 1_000_000).unwrap().id.clone()
    };
    let (older, younger) = (by_age(1), by_age(2));
    assert_eq!(at.threads("page"), BTreeSet::from([older.clone(), younger.clone()]));
    for channel in ["chat", "page", "mail"] {
        at.news(channel);
    }
    let incidents = at.incidents.clone().unwrap();
    let ids = (older.as_str(), younger.as_str());
    incidents.merge(ids, &Deciding::new("dana", "the same laptop"), &Context::default(), now_us()).unwrap();
    at.settle().await;
    at.advance(10 * MINUTE);
    at.settle().await;
    for channel in ["chat", "page", "mail"] {
        let merged: Vec<_> = at.told(channel).into_iter().filter(|told| told.kind == Merged).collect();
        assert_eq!(merged.len(), 1, "{channel}");
        assert_eq!(merged[0].thread, younger, "{channel}");
    }
    at.news("chat");
    at.record(&[about("bob", "b2", 3, 4)]);
    at.settle().await;
    at.step(
        &younger,
        Step::Close { verdict: Verdict::TruePositive, reason: "done".into(), keeps_alerts: true },
    );
    at.settle().await;
    assert_eq!(at.threads("chat"), BTreeSet::from([older]));
    assert_eq!(at.news("chat").last().unwrap(), &(Closed, false));
}

#[tokio::test]
async fn an_id_that_changes_changes_no_thread() {
    let mut at = site();
    at.record(&[about("dana", "late", 100, 4)]);
    at.settle().await;
    let [first] = at.all().try_into().unwrap();
    at.advance(MINUTE);
    at.record(&[about("dana", "early", 1, 4)]);
    at.settle().await;
    let [now] = at.all().try_into().unwrap();
    assert_ne!(first.id, now.id);
    at.step(&first.id, Step::Acknowledge);
    at.settle().await;
    assert_eq!(at.threads("page"), BTreeSet::from([first.id.clone()]));
    let kinds: Vec<_> = at.told("page").into_iter().map(|told| (told.kind, told.subject)).collect();
    assert_eq!(kinds, [(Raised, first.id), (Acknowledged, now.id)]);
}

/// What is read of an incident is newer than the entries of its feed that a turn has come to.
#[tokio::test]
async fn an_id_that_changes_before_its_feed_says_so_changes_no_thread() {
    let mut at = site();
    at.record(&[about("dana", "late", 100, 4)]);
    at.settle().await;
    let [first] = at.all().try_into().unwrap();
    // More than a turn takes.
    for n in 0..600 {
        at.step(&first.id, Step::Comment(n.to_string()));
    }
    at.record(&[about("dana", "early", 1, 4)]);
    at.settle().await;
    let [now] = at.all().try_into().unwrap();
    assert_ne!(first.id, now.id);
    at.step(&first.id, Step::Acknowledge);
    at.settle().await;
    let told = at.told("page");
    assert_eq!(BTreeSet::from([first.id]), told.iter().map(|told| told.thread.clone()).collect());
    let count = |kind| told.iter().filter(|told| told.kind == kind).count();
    assert_eq!((count(Raised), count(Merged), count(Acknowledged)), (1, 0, 1));
}

#[tokio::test]
async fn what_is_more_severe_is_told_and_opens_other_routes() {
    let critical = Wanted { severity_id: Some(5), ..Wanted::default() };
    let urgent = Route { wanted: critical, goes_on: true, ..telling("urgent", &["page"]) };
    let mut at = site_of(vec![urgent, telling("rest", &["chat"])]);
    at.record(&[about("dana", "e1", 1, 4)]);
    at.settle().await;
    assert!(at.told("page").is_empty());
    at.record(&[about("dana", "e2", 2, 5)]);
    at.settle().await;
    assert_eq!(at.news("page"), [(Raised, false)]);
    assert_eq!(at.news("chat"), [(Raised, false), (Risen, false)]);
}

#[tokio::test]
async fn an_escalation_ends_when_the_incident_or_all_its_alerts_are_taken() {
    let step = Escalation { after: MINUTE * 15, targets: vec![Target::from("page")] };
    let escalating = || vec![Route { escalate: vec![step.clone()], ..telling("all", &["chat"]) }];
    for taken in ["nothing", "incident", "begun", "alert"] {
        let mut at = site_of(escalating());
        let one = about("dana", "e1", 1, 4);
        at.record(std::slice::from_ref(&one));
        at.settle().await;
        let [incident] = at.all().try_into().unwrap();
        match taken {
            "incident" => at.step(&incident.id, Step::Acknowledge),
            "begun" => at.step(&incident.id, Step::Start),
            "alert" => {
                at.alerts.change(one.id.as_str(), Change::Acknowledge, "dana", "", now_us()).unwrap();
            }
            _ => {}
        }
        at.settle().await;
        at.advance(15 * MINUTE);
        at.settle().await;
        let wanted = if taken == "nothing" { vec![Escalated] } else { vec![] };
        assert_eq!(at.kinds("page"), wanted, "{taken}");
    }
}

/// Who begins has taken it, for the page as well; whose it is and how it is labelled stands in what is told.
#[tokio::test]
async fn work_that_begins_is_told_as_taken() {
    let mut at = site();
    at.record(&[about("dana", "e1", 1, 4)]);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    let label = Step::Label { add: vec!["vault".into(), "exercise".into()], remove: Vec::new() };
    at.step(&incident.id, label);
    at.step(&incident.id, Step::Start);
    at.step(&incident.id, Step::Unassign);
    at.settle().await;
    let told: Vec<_> = at.told("chat").into_iter().map(|told| (told.kind, told.note)).collect();
    let wanted = [(Raised, ""), (Acknowledged, "in progress"), (Assigned, "nobody")]
        .map(|(kind, note)| (kind, note.to_owned()));
    assert_eq!(told, wanted);
    assert_eq!(at.kinds("page"), [Raised, Acknowledged]);
    let shown = at.follower.preview(&incident.id, now_us()).unwrap().notification;
    assert!(shown.description.ends_with("\nLabels: exercise, vault."), "{}", shown.description);
    assert_eq!((shown.status.as_str(), shown.owner), ("in_progress", None));
}

#[tokio::test]
async fn an_escalation_goes_on_with_the_incident() {
    let step = Escalation { after: MINUTE * 15, targets: vec![Target::from("page")] };
    let mut at = site_of(vec![Route { escalate: vec![step], ..telling("all", &["chat"]) }]);
    at.record(&[about("dana", "e1", 1, 3)]);
    at.settle().await;
    at.advance(5 * MINUTE);
    at.record(&[about("dana", "e2", 2, 3)]);
    at.settle().await;
    at.advance(10 * MINUTE);
    at.settle().await;
    assert_eq!(at.kinds("page"), [Escalated], "by the time of the first");
    at.advance(600 * MINUTE);
    at.settle().await;
    assert_eq!(at.kinds("page"), [Escalated], "and once");
}

#[tokio::test]
async fn comments_go_into_the_thread_but_not_to_pages() {
    let mut at = site();
    let one = about("dana", "e1", 1, 4);
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    at.step(&incident.id, Step::Comment("x".repeat(16_000)));
    at.alerts.change(one.id.as_str(), Change::Comment, "dana", "of the alert", now_us()).unwrap();
    at.settle().await;
    for channel in ["chat", "mail"] {
        assert_eq!(at.kinds(channel), [Raised, Commented, Commented]);
        let told = at.told(channel);
        let notes: BTreeSet<_> =
            told[1..].iter().map(|told| told.note.chars().take(4).collect::<String>()).collect();
        assert_eq!(notes, BTreeSet::from(["xxxx".to_owned(), "of t".to_owned()]));
        assert!(told.iter().all(|told| told.note.len() <= 4096));
        assert_eq!(at.threads(channel).len(), 1);
    }
    assert_eq!(at.kinds("page"), [Raised]);
}

#[tokio::test]
async fn alerts_of_an_incident_are_told_by_themselves_where_all_are_wanted() {
    let mut at = site_of(vec![Route { tells_all: true, fold: None, ..telling("all", &["chat"]) }]);
    at.record(&[about("dana", "e1", 1, 4), about("dana", "e2", 2, 4)]);
    at.settle().await;
    let seen: Vec<_> = at.told("chat").into_iter().map(|told| (told.kind, told.about)).collect();
    let alert = (Raised, SubjectKind::Alert);
    assert_eq!(seen, [(Raised, SubjectKind::Incident), alert, alert]);
    assert_eq!(at.threads("chat").len(), 1);
}

#[tokio::test]
async fn its_life_is_told_in_its_order() {
    let levels = alerts::incident::ServiceLevel { acknowledge_us: Some(60_000_000), close_us: None };
    let mut settings = Settings { levels: [levels; 5], ..Settings::default() };
    settings.fading.threshold = 1e9;
    let mut at = fixture_of(&[("chat", Manner::Chat)], vec![telling("all", &["chat"])], Some(settings));
    at.record(&[about("dana", "e1", 1, 4)]);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    at.advance(2 * MINUTE);
    at.settle().await;
    at.step(&incident.id, Step::Assign("ann".into()));
    at.step(
        &incident.id,
        Step::Close { verdict: Verdict::Benign, reason: "a drill".into(), keeps_alerts: true },
    );
    at.step(&incident.id, Step::Reopen("no drill".into()));
    at.settle().await;
    let wanted = [(Raised, false), (Overdue, false), (Assigned, true), (Closed, false), (Reopened, false)];
    assert_eq!(at.news("chat"), wanted);
}

#[tokio::test]
async fn what_was_split_off_in_hand_is_news_when_it_is_anybodys_again() {
    let mut at = site();
    let all: Vec<_> = (1..=3).map(|n| about("dana", &format!("e{n}"), n, 4)).collect();
    at.record(&all);
    at.settle().await;
    let [incident] = at.all().try_into().unwrap();
    at.step(&incident.id, Step::Acknowledge);
    at.settle().await;
    let incidents = at.incidents.clone().unwrap();
    let out = BTreeSet::from([all[0].id.to_string()]);
    let by = Deciding::new("dana", "another matter");
    let new = incidents.split(&incident.id, &out, &by, &Context::default(), now_us()).unwrap();
    at.settle().await;
    let of_new = |at: &Fixture| -> Vec<_> {
        let told = at.told("chat").into_iter().filter(|told| told.subject == new.id);
        told.map(|told| (told.kind, told.is_quiet)).collect()
    };
    assert_eq!(of_new(&at), []);
    let close = Step::Close { verdict: Verdict::Benign, reason: "a drill".into(), keeps_alerts: true };
    at.step(&new.id, close);
    at.step(&new.id, Step::Reopen("no drill".into()));
    at.settle().await;
    assert_eq!(of_new(&at), [(Raised, false)]);
    at.step(&new.id, Step::Acknowledge);
    at.settle().await;
    assert_eq!(of_new(&at), [(Raised, false), (Acknowledged, false)]);
}
