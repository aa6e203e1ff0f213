//! How far alerts and incidents were told, and what would be told of them.

use std::collections::BTreeSet;
use std::time::Duration;

use alerts::incident::{Context, Deciding, IncidentFilter, Settings, Step};
use alerts::silence::{Matcher, SilenceSpec};
use alerts::{Alert, Change, EntityKind};

use super::{Fixture, alert, fixture, fixture_of, now_us, retry, route};
use crate::outbox::Outbox;
use crate::rota::wall_time;
use crate::{
    DeliveryFilter, Error, Escalation, Fold, Manner, Outcome, Rota, Route, Standing, StandingState, Target,
    TimeZone, Wanted,
};

const MINUTE: Duration = Duration::from_secs(60);

impl Fixture {
    fn standing(&self, id: &str) -> Standing {
        self.follower.standing(id).unwrap()
    }

    /// The state, and of deliveries as what, to whom and what became of them.
    fn stands(&self, id: &str) -> (StandingState, Vec<String>) {
        let standing = self.standing(id);
        let told = standing.deliveries.iter().rev().map(|told| {
            let delivery = &told.delivery;
            format!("{} {} {} {}", told.vehicle, delivery.kind, delivery.channel, delivery.state.as_str())
        });
        (standing.state, told.collect())
    }

    fn kinds_of_reasons(&self, id: &str) -> Vec<&'static str> {
        self.standing(id).reasons.into_iter().map(|reason| reason.kind).collect()
    }

    fn listed(&self, id: &str) -> Vec<String> {
        let subjects = Some(self.follower.subjects(id).unwrap());
        let found = self.outbox.list(&DeliveryFilter { subjects, ..DeliveryFilter::default() }, 100).unwrap();
        found.iter().rev().map(|row| format!("{} {}", row.kind, row.channel)).collect()
    }

    fn silence(&self, rule: &str) -> String {
        let spec = SilenceSpec {
            matchers: vec![Matcher::read("rule", &[rule.into()]).unwrap()],
            starts_us: 0,
            ends_us: 3_600_000_000,
            schedule: None,
            owner: "ann".into(),
            reason: "the backup runs".into(),
            is_of_all: false,
        };
        self.alerts.add_silence(&spec, "ann", now_us()).unwrap().id
    }
}

fn start(id: &str, digits: usize) -> &str {
    id.get(..digits).unwrap()
}

#[tokio::test]
async fn an_alert_says_what_became_of_each_delivery() {
    let mut at = fixture(&["a", "b", "c", "d"], vec![route("all", &["a", "b", "c", "d"])]);
    let one = alert("r1", "e1");
    let id = one.id.as_str();
    at.record(std::slice::from_ref(&one));
    assert_eq!((at.stands(id).0, at.kinds_of_reasons(id)), (StandingState::Pending, vec!["pending"]));
    at.follow();
    assert_eq!(at.stands(id).0, StandingState::Waiting);
    at.answers("b", &[retry(None)]);
    at.settle().await;
    let (state, told) = at.stands(id);
    assert_eq!(state, StandingState::Retrying);
    let wanted = [
        "itself raised a delivered",
        "itself raised b waiting",
        "itself raised c delivered",
        "itself raised d delivered",
    ];
    assert_eq!(told, wanted);
    let busy = at.standing(id).deliveries.into_iter().find(|told| told.delivery.channel == "b").unwrap();
    assert_eq!((busy.delivery.last_error.as_str(), busy.delivery.attempts), ("busy", 1));
    assert!(busy.delivery.next_us.is_some());
    at.advance(MINUTE);
    at.settle().await;
    assert_eq!(at.stands(id).0, StandingState::Delivered);
    at.answers("c", &[Outcome::Refused { reason: "too large".into() }]);
    at.alerts.change(id, Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.settle().await;
    assert_eq!(at.stands(id).0, StandingState::Dead);
    // The beginning of an id is enough, and what is there is listed.
    assert_eq!(at.stands(start(id, 8)), at.stands(id));
    assert_eq!(at.listed(start(id, 6)).len(), 8);
    for nothing in ["0123456789ab", "0123", "x' OR 1", ""] {
        assert!(matches!(at.follower.standing(nothing), Err(Error::SubjectUnknown { .. })), "{nothing}");
        assert!(matches!(at.follower.subjects(nothing), Err(Error::SubjectUnknown { .. })), "{nothing}");
    }
}

#[tokio::test]
async fn an_alert_that_nobody_is_told_of_says_why() {
    let high = Wanted { severity_id: Some(5), ..Wanted::default() };
    let mut at = fixture(&["a"], vec![Route { wanted: high, ..route("critical", &["a"]) }]);
    let one = alert("r1", "e1");
    let id = one.id.as_str();
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    let standing = at.standing(id);
    assert_eq!(standing.state, StandingState::Unrouted);
    assert_eq!(standing.reasons[0].text, "no route takes it: `critical`: its severity 4 is below 5");
    // What was decided stays, whatever the routes are by now.
    at.follower.routing.routes = vec![route("all", &["rota:empty"])];
    assert_eq!(at.standing(id), standing);
    let two = alert("r1", "e2");
    at.record(std::slice::from_ref(&two));
    at.settle().await;
    assert_eq!(at.kinds_of_reasons(two.id.as_str()), ["nobody"]);
    // A silence says whose it is and until when.
    let silence = at.silence("r2");
    let three = alert("r2", "e3");
    at.record(std::slice::from_ref(&three));
    at.settle().await;
    let standing = at.standing(three.id.as_str());
    assert_eq!(standing.state, StandingState::Silenced);
    let reason = &standing.reasons[0];
    assert_eq!((reason.of.as_ref(), reason.until_us), (Some(&silence), Some(3_600_000_000)));
    assert!(reason.text.contains("ann") && reason.text.contains("the backup runs"), "{}", reason.text);
    // Of one that is older than all that is known, nothing is.
    at.outbox.forget(i64::MAX, now_us()).unwrap();
    assert_eq!(at.kinds_of_reasons(id), ["unknown"]);
    at.follower.routing.routes.clear();
    assert!(at.standing(id).reasons[0].text.contains("no routes"));
}

#[tokio::test]
async fn an_alert_of_a_digest_or_flood_says_until_when_it_is_counted_and_in_what_it_was_told() {
    let digest = Route { digest: Some(10 * MINUTE), goes_on: true, ..route("digest", &["b"]) };
    let fold = Route { fold: Some(Fold { burst: 1, window: MINUTE }), ..route("fold", &["a"]) };
    let mut at = fixture(&["a", "b"], vec![digest, fold]);
    let all: Vec<_> = (0..3).map(|n| alert("r1", &format!("e{n}"))).collect();
    at.record(&all);
    let begin_us = now_us();
    at.settle().await;
    let last = all[2].id.as_str();
    let standing = at.standing(last);
    assert_eq!(standing.state, StandingState::Held);
    let until: Vec<_> = standing.reasons.iter().map(|reason| (reason.kind, reason.until_us)).collect();
    assert_eq!(until, [("digest", Some(begin_us + 600_000_000)), ("fold", Some(begin_us + 60_000_000))]);
    // A preview says that it would only be counted.
    let preview = at.follower.preview(last, now_us()).unwrap();
    let counted: Vec<_> = preview.taken.iter().map(|taken| taken.counted_until_us).collect();
    assert_eq!(counted, [None, Some(begin_us + 60_000_000)]);
    at.advance(MINUTE);
    at.settle().await;
    assert_eq!(at.stands(last), (StandingState::Delivered, vec!["flood flood a delivered".into()]));
    // The flood goes on: what is told of later ones is not told of this one.
    at.record(&(3..6).map(|n| alert("r1", &format!("e{n}"))).collect::<Vec<_>>());
    at.settle().await;
    at.advance(9 * MINUTE);
    at.settle().await;
    let told = vec!["flood flood a delivered".to_owned(), "digest digest b delivered".to_owned()];
    assert_eq!(at.stands(last), (StandingState::Delivered, told));
    assert_eq!(at.listed(start(last, 12)), ["flood a", "digest b"]);
    assert_eq!(at.kinds_of_reasons(last), ["digest", "fold"]);
}

#[tokio::test]
async fn what_is_held_alone_is_told_by_itself_or_says_that_somebody_was_faster() {
    let fold = Route { fold: Some(Fold { burst: 1, window: MINUTE }), ..route("fold", &["a"]) };
    for is_taken in [false, true] {
        let mut at = fixture(&["a"], vec![fold.clone()]);
        let (one, two) = (alert("r1", "e1"), alert("r1", "e2"));
        at.record(&[one, two.clone()]);
        at.settle().await;
        let id = two.id.as_str();
        assert_eq!(at.stands(id).0, StandingState::Held);
        if is_taken {
            at.alerts.change(id, Change::Acknowledge, "dana", "", now_us()).unwrap();
        }
        at.advance(MINUTE);
        at.settle().await;
        let wanted = if is_taken {
            (StandingState::Taken, vec![])
        } else {
            (StandingState::Delivered, vec!["itself raised a delivered".to_owned()])
        };
        assert_eq!(at.stands(id), wanted);
    }
}

fn site(routes: Vec<Route>) -> Fixture {
    let mut settings = Settings::default();
    settings.fading.threshold = 1e9;
    let at = fixture_of(&[("a", Manner::Letter), ("b", Manner::Chat)], routes, Some(settings));
    at.state.write(|txn| Outbox::set_incident_position(txn, 0)).unwrap();
    at
}

fn of_dana(rule: &str, event: &str) -> Alert {
    let mut made = alert(rule, event);
    made.entities[0].value = "arn:aws:iam::111122223333:user/dana".into();
    made
}

#[tokio::test]
async fn an_alert_says_with_which_incident_it_is_told() {
    let mut at = site(vec![route("all", &["a", "b"])]);
    let (one, two) = (of_dana("r1", "e1"), of_dana("r2", "e2"));
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    at.advance(MINUTE);
    at.record(std::slice::from_ref(&two));
    at.settle().await;
    let incidents = at.incidents.as_ref().unwrap();
    let [incident] =
        incidents.list(&IncidentFilter::default(), None, 9).unwrap().incidents.try_into().unwrap();
    let raised = ["incident raised a delivered", "incident raised b delivered"];
    for (id, reasons) in [(&one.id, vec!["incident"]), (&two.id, vec!["incident", "counted"])] {
        let (state, told) = at.stands(id.as_str());
        assert_eq!(state, StandingState::Delivered);
        assert_eq!(told[..2], raised);
        assert_eq!(at.kinds_of_reasons(id.as_str()), reasons);
        assert_eq!(at.standing(id.as_str()).reasons[0].of.as_ref(), Some(&incident.id));
        assert_eq!(at.listed(start(id.as_str(), 10)), at.listed(start(&incident.id, 10)));
    }
    let (state, told) = at.stands(start(&incident.id, 12));
    assert_eq!(state, StandingState::Delivered);
    assert_eq!(told[0], "itself raised a delivered");
    assert!(at.listed(&incident.id).len() >= 2);
}

#[tokio::test]
async fn what_was_told_of_an_incident_before_a_split_is_told_of_what_was_taken_out() {
    // What is left of medium severity is no incident; one that somebody works on is not told anew.
    for (severity_id, is_worked_on) in [(3, false), (4, true)] {
        let mut at = site(vec![route("all", &["a", "b"])]);
        let made = |n: i64| Alert { severity_id, time_us: n * 1_000_000, ..of_dana("r1", &format!("e{n}")) };
        let (all, late) = ([made(1), made(2), made(3)], made(4));
        at.record(&all);
        at.settle().await;
        at.advance(MINUTE);
        at.record(std::slice::from_ref(&late));
        at.settle().await;
        at.advance(MINUTE);
        let incidents = at.incidents.clone().unwrap();
        let [whole] =
            incidents.list(&IncidentFilter::default(), None, 9).unwrap().incidents.try_into().unwrap();
        if is_worked_on {
            incidents.step(&whole.id, &Step::Start, "dana", now_us()).unwrap();
            at.settle().await;
            at.advance(MINUTE);
        }
        let split = |alert: &Alert| {
            let left = BTreeSet::from([alert.id.to_string()]);
            let by = Deciding::new("dana", "another matter");
            incidents.split(&whole.id, &left, &by, &Context::default(), now_us()).unwrap()
        };
        let (old, new) = (split(&all[2]), split(&late));
        at.settle().await;
        at.advance(MINUTE);
        let say = Step::Assign("ann".into());
        incidents.step(&whole.id, &say, "dana", now_us()).unwrap();
        at.settle().await;
        let raised = ["incident raised a delivered", "incident raised b delivered"];
        let grown = ["incident grown b delivered"];
        for (alert, apart, wanted) in [(&all[2], old, &raised[..]), (&late, new, &grown[..])] {
            let id = alert.id.as_str();
            let (state, told) = at.stands(id);
            assert_eq!((state, told.as_slice()), (StandingState::Delivered, wanted_of(wanted).as_slice()));
            let reasons = at.standing(id).reasons;
            let before = reasons.iter().find(|reason| reason.of.as_ref() == Some(&whole.id)).unwrap();
            assert_eq!(before.kind, "incident");
            assert_eq!(before.text, format!("it was told with incident {} before that was split", whole.id));
            assert_eq!(at.listed(id).len(), wanted.len());
            assert_eq!(apart.id == whole.id, !is_worked_on);
            if is_worked_on {
                let (state, told) = at.stands(&apart.id);
                assert_eq!((state, told), (StandingState::Delivered, wanted_of(wanted)));
                assert!(at.standing(&apart.id).reasons.contains(before));
                assert_eq!(at.listed(&apart.id).len(), wanted.len());
            }
        }
        // Of what stayed nothing is said of a split.
        let stayed = at.kinds_of_reasons(all[0].id.as_str());
        assert_eq!(stayed, ["incident"]);
    }
}

fn wanted_of(wanted: &[&str]) -> Vec<String> {
    wanted.iter().map(|&one| one.to_owned()).collect()
}

#[tokio::test]
async fn what_was_gathered_says_that_nobody_is_on_call_when_it_is_told() {
    let digest = Route { digest: Some(MINUTE), goes_on: true, ..route("digest", &["rota:first"]) };
    let fold = Fold { burst: 1, window: MINUTE };
    let fold = Route { fold: Some(fold), ..route("fold", &["rota:first"]) };
    let rota = Rota {
        name: "first".into(),
        members: vec!["a".into()],
        start: wall_time("2026-01-05T09:00").unwrap(),
        every: Duration::from_secs(86_400),
        zone: TimeZone::UTC,
        overrides: Vec::new(),
    };
    for (count, is_orphaned) in [(3, false), (2, false), (3, true), (2, true)] {
        let mut at = fixture(&["a"], vec![digest.clone(), fold.clone()]);
        at.follower.routing.rotas = vec![rota.clone()];
        let all: Vec<_> = (0..count).map(|n| alert("r1", &format!("e{n}"))).collect();
        at.record(&all);
        at.settle().await;
        let held = all.last().unwrap().id.as_str();
        assert_eq!(at.kinds_of_reasons(held), ["digest", "fold"]);
        at.follower.routing.rotas.clear();
        if is_orphaned {
            at.follower.routing.routes = vec![route("other", &["rota:first"])];
        }
        at.advance(MINUTE);
        at.settle().await;
        let standing = at.standing(held);
        let kinds: Vec<_> = standing.reasons.iter().map(|reason| reason.kind).collect();
        assert_eq!(kinds, ["nobody", "nobody"], "{count} {is_orphaned}");
        assert!(standing.reasons.iter().all(|reason| reason.text.ends_with("nobody is on call")));
        assert_eq!((standing.state, standing.deliveries.len()), (StandingState::Unrouted, 0));
    }
}

#[tokio::test]
async fn the_digests_of_a_route_that_is_gone_are_found_in_all_channels() {
    let digest = Route { digest: Some(10 * MINUTE), ..route("digest", &["a"]) };
    let mut at = fixture(&["a", "b"], vec![digest]);
    let (one, two) = (alert("r1", "e1"), alert("r2", "e2"));
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    at.advance(MINUTE);
    at.record(std::slice::from_ref(&two));
    at.settle().await;
    let of_two = Wanted { rules: vec!["r2".into()], ..Wanted::default() };
    at.follower.routing.routes =
        vec![Route { wanted: of_two, goes_on: true, ..route("two", &["a"]) }, route("all", &["b"])];
    at.advance(10 * MINUTE);
    at.settle().await;
    assert_eq!(at.listed(one.id.as_str()), ["digest b"]);
    assert_eq!(at.listed(two.id.as_str()), ["digest a", "digest b"]);
    assert_eq!((at.told("a")[0].count, at.told("b")[0].count), (1, 2));
    assert_eq!(at.kinds_of_reasons(two.id.as_str()), ["digest", "digest"]);
}

#[tokio::test]
async fn what_is_far_ahead_in_a_feed_is_still_to_be_told() {
    let at = fixture(&["a"], vec![route("all", &["a"])]);
    at.record(&(0..600).map(|n| alert("r1", &format!("e{n}"))).collect::<Vec<_>>());
    let last = alert("r1", "last");
    at.record(std::slice::from_ref(&last));
    assert_eq!(at.stands(last.id.as_str()).0, StandingState::Pending);
    // Its alert was followed, and its incident not yet.
    let at = site(vec![route("all", &["a"])]);
    let one = of_dana("r1", "e1");
    at.record(std::slice::from_ref(&one));
    let incidents = at.incidents.as_ref().unwrap();
    incidents.follow(&Context::default(), now_us()).unwrap();
    let end = at.alerts.feed_end().unwrap();
    at.state.write(|txn| Outbox::set_position(txn, end)).unwrap();
    let [incident] =
        incidents.list(&IncidentFilter::default(), None, 9).unwrap().incidents.try_into().unwrap();
    for id in [one.id.as_str(), incident.id.as_str()] {
        assert_eq!(at.stands(id).0, StandingState::Pending, "{id}");
    }
    at.follow();
    assert_eq!(at.stands(&incident.id).0, StandingState::Waiting);
}

#[tokio::test]
async fn a_preview_says_who_is_on_call_and_what_a_silence_hides() {
    let on_call = Route {
        escalate: vec![Escalation { after: MINUTE, targets: vec![Target::from("rota:second")] }],
        ..route("all", &["rota:first", "b"])
    };
    let mut at = site(vec![on_call]);
    at.follower.routing.rotas = vec![Rota {
        name: "first".into(),
        members: vec!["a".into()],
        start: wall_time("2026-01-05T09:00").unwrap(),
        every: Duration::from_secs(86_400),
        zone: TimeZone::UTC,
        overrides: Vec::new(),
    }];
    let mut one = alert("r1", "e1");
    one.severity_id = 3;
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    let preview = at.follower.preview(one.id.as_str(), now_us()).unwrap();
    assert_eq!(preview.taken[0].channels, ["a", "b"]);
    let rotas = [("first".to_owned(), Some("a".to_owned())), ("second".to_owned(), None)];
    assert_eq!(preview.taken[0].on_call, rotas);
    assert_eq!(preview.considered[0].because, "it takes everything");
    // Raised now it would be hidden, and what a silence has hidden is.
    let silence = at.silence("r1");
    let two = alert("r1", "e2");
    at.record(std::slice::from_ref(&two));
    at.settle().await;
    for id in [&one.id, &two.id] {
        let preview = at.follower.preview(id.as_str(), now_us()).unwrap();
        assert!(preview.taken.is_empty());
        assert_eq!(preview.considered.len(), 1, "what routes would say is shown");
        let [hiding] = preview.silences.try_into().unwrap();
        assert_eq!((&hiding.id, hiding.owner.as_deref()), (&silence, Some("ann")));
        assert_eq!((hiding.until_us, hiding.reason.as_str()), (Some(3_600_000_000), "the backup runs"));
    }
    // What was released would be told.
    at.alerts.release_silenced(&silence, "dana", "it was no backup", now_us()).unwrap();
    at.settle().await;
    let preview = at.follower.preview(two.id.as_str(), now_us()).unwrap();
    assert_eq!((preview.silences.len(), preview.taken.len()), (0, 1));
    assert_eq!(two.entity(EntityKind::Actor), Some("dana"));
}
