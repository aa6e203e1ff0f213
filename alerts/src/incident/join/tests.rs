//! Which alerts belong together, in any order.

use proptest::prelude::*;

use super::*;
use std::collections::HashMap;

use crate::incident::Seed;
use crate::{Entity, EntityKind};

const HOUR_US: i64 = 3_600_000_000;

/// An alert at an hour with entities, written `actor=ana address=192.0.2.7`, and tactics, written `+impact`.
pub(in crate::incident) fn subject(id: &str, hour: i64, about: &str) -> Subject {
    let mut entities = Vec::new();
    let mut tags = Vec::new();
    for word in about.split_whitespace() {
        if let Some(tactic) = word.strip_prefix('+') {
            tags.push(format!("attack.{tactic}"));
            continue;
        }
        let (kind, value) = word.split_once('=').unwrap();
        let kind = serde_json::from_value::<EntityKind>(kind.into()).unwrap();
        entities.push(Entity { kind, value: value.into(), name: None });
    }
    let seed = Seed {
        id: id.into(),
        time_us: hour * HOUR_US,
        created_us: 0,
        severity_id: 3,
        rule_id: "r".into(),
        title: "t".into(),
        tactics: crate::incident::Tactic::of_tags(&tags),
        provider: "AWS".into(),
        event: None,
        entities,
        is_closed: false,
        is_harmless: false,
        is_hidden: false,
    };
    let names = [("0aaaaaaa-aaaa-4bbb-accc-000000000003", "ana"), ("ASIAANA", "ana")];
    Subject::new(
        seed,
        &names.map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter().collect::<HashMap<_, _>>(),
    )
}

/// The groups as ids, `a b | c`.
fn groups(subjects: &[Subject], decisions: &[Decision], joining: &Joining) -> String {
    let id = |joined: &Joined| subjects[joined.at].seed.id.clone();
    let mut groups: Vec<String> = join(subjects, decisions, joining)
        .iter()
        .map(|group| group.members.iter().map(id).collect::<Vec<_>>().join(" "))
        .collect();
    groups.sort();
    groups.join(" | ")
}

fn check(subjects: &[Subject], expected: &str) {
    assert_eq!(groups(subjects, &[], &Joining::default()), expected);
}

#[test]
fn one_person_under_two_names_is_one_incident() {
    check(
        &[
            subject("a", 0, "actor=0aaaaaaa-aaaa-4bbb-accc-000000000003 address=192.0.2.7"),
            subject(
                "b",
                3,
                "actor=arn:aws:sts::1:assumed-role/Admin/x credential=ASIAANA address=198.51.100.1",
            ),
            subject("c", 4, "actor=bob address=203.0.113.9"),
        ],
        "a b | c",
    );
}

#[test]
fn the_window_slides_and_ends() {
    let at = |id, hour| subject(id, hour, "actor=ana");
    check(&[at("a", 0), at("b", 20), at("c", 40), at("d", 65)], "a b c | d");
}

#[test]
fn a_shared_address_glues_nothing_together() {
    let tactics = ["+initial-access", "+persistence", "+exfiltration", "+impact", "+discovery"];
    let nat: Vec<_> = (0..50)
        .map(|n| {
            let about = format!("actor=u{n} address=192.0.2.1 account=111122223333 {}", tactics[n % 5]);
            subject(&format!("a{n:02}"), n as i64 / 10, &about)
        })
        .collect();
    let found = join(&nat, &[], &Joining::default());
    assert_eq!(found.len(), 50);
    // Two people behind an address of their own, through three tactics.
    check(
        &[
            subject("a", 0, "actor=ana address=192.0.2.7 +initial-access"),
            subject("b", 1, "actor=bob address=192.0.2.7 +persistence"),
            subject("c", 2, "actor=bob address=192.0.2.7 +impact"),
        ],
        "a b c",
    );
    // Without progress the address alone means nothing.
    check(
        &[
            subject("a", 0, "actor=ana address=192.0.2.7 +impact"),
            subject("b", 1, "actor=bob address=192.0.2.7 +persistence"),
        ],
        "a | b",
    );
}

#[test]
fn a_service_account_that_everything_uses_joins_only_what_has_more_in_common() {
    let ci = "actor=deploy@p.iam.gserviceaccount.com";
    let mut alerts: Vec<_> = (0..6)
        .map(|n| {
            subject(&format!("a{n}"), n, &format!("{ci} resource=bucket-{n} address=192.0.2.{n} account=p"))
        })
        .collect();
    alerts.push(subject("b", 6, &format!("{ci} resource=other address=192.0.2.5 account=p")));
    check(&alerts, "a0 | a1 | a2 | a3 | a4 | a5 b");
    // A user with a key that is used from everywhere is one, too.
    let many: Vec<_> = (0..60)
        .map(|n| {
            subject(&format!("a{n:02}"), 0, &format!("actor=arn:aws:iam::1:user/ci address=198.51.100.{n}"))
        })
        .collect();
    assert_eq!(join(&many, &[], &Joining::default()).len(), 60);
}

/// Over months everybody has many addresses.
#[test]
fn a_traveller_is_one_person() {
    let days: Vec<_> = (0..60)
        .map(|n| subject(&format!("a{n:02}"), 20 * n, &format!("actor=ana address=198.51.100.{n}")))
        .collect();
    assert_eq!(join(&days, &[], &Joining::default()).len(), 1);
}

#[test]
fn the_account_glues_nothing_together() {
    check(
        &[
            subject("a", 0, "account=111122223333 resource=111122223333"),
            subject("b", 0, "account=111122223333 resource=111122223333"),
        ],
        "a | b",
    );
}

#[test]
fn a_user_that_was_made_and_then_acts_belongs_to_its_maker() {
    check(
        &[
            subject("a", 0, "actor=ana user=backdoor +persistence"),
            subject("b", 2, "actor=backdoor +exfiltration"),
        ],
        "a b",
    );
    // Whose password was reset, and who was not seen to go on, stays apart.
    check(
        &[subject("a", 0, "actor=desk user=bob +persistence"), subject("b", 2, "actor=bob +initial-access")],
        "a | b",
    );
}

#[test]
fn what_grows_beyond_bounds_is_joined_by_its_strongest_keys_alone() {
    let joining = Joining { alerts: 6, ..Joining::default() };
    let mut alerts = Vec::new();
    for n in 0..4 {
        let who = ["ana", "bob"][n % 2];
        alerts.push(subject(
            &format!("{who}{n}"),
            n as i64,
            &format!("actor={who} address=192.0.2.7 resource=r"),
        ));
    }
    assert_eq!(groups(&alerts, &[], &joining), "ana0 bob1 ana2 bob3");
    for n in 4..8 {
        let who = ["ana", "bob"][n % 2];
        alerts.push(subject(
            &format!("{who}{n}"),
            n as i64,
            &format!("actor={who} address=192.0.2.7 resource=r"),
        ));
    }
    assert_eq!(groups(&alerts, &[], &joining), "ana0 ana2 ana4 ana6 | bob1 bob3 bob5 bob7");
    let days: Vec<_> = (0..8).map(|n| subject(&format!("d{n}"), 20 + n, "actor=ana")).collect();
    assert_eq!(groups(&days, &[], &joining), "d0 d1 d2 d3 | d4 d5 d6 d7");
}

#[test]
fn each_alert_says_why_it_is_there() {
    let alerts =
        [subject("a", 0, "actor=ana address=192.0.2.7"), subject("b", 3, "actor=ana address=192.0.2.8")];
    let [group] = join(&alerts, &[], &Joining::default()).try_into().unwrap();
    let why: Vec<_> = group.members.iter().map(|joined| joined.why.as_str()).collect();
    assert_eq!(why, ["it is the first", "the same actor `ana` as alert a, 3 h before"]);
    assert_eq!(group.strength, 90);
}

fn ids(text: &str) -> BTreeSet<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn decision(kind: DecisionKind) -> Decision {
    Decision { by: "dana".into(), reason: "so it is".into(), at_us: 0, kind }
}

#[test]
fn a_split_is_not_glued_again_by_the_next_alert() {
    let ana = |id, hour| subject(id, hour, "actor=ana");
    let mut alerts = vec![ana("a", 0), ana("b", 1), ana("c", 2), ana("d", 3)];
    let split = [decision(DecisionKind::Split { out: ids("b d"), rest: ids("a c"), ids: None })];
    assert_eq!(groups(&alerts, &split, &Joining::default()), "a c | b d");
    // It goes with the nearest, and takes no side with it.
    alerts.push(ana("e", 4));
    assert_eq!(groups(&alerts, &split, &Joining::default()), "a c | b d e");
    alerts.push(ana("f", -5));
    assert_eq!(groups(&alerts, &split, &Joining::default()), "b d e | f a c");
}

/// The reasons of the alerts of a group that begins with `first`, and its strength.
fn reasons(subjects: &[Subject], decisions: &[Decision], first: &str) -> (Vec<String>, u8) {
    let groups = join(subjects, decisions, &Joining::default());
    let is_it = |group: &&Group| subjects[group.members[0].at].seed.id == first;
    let group = groups.iter().find(is_it).unwrap();
    (group.members.iter().map(|joined| joined.why.clone()).collect(), group.strength)
}

#[test]
fn a_split_leaves_the_reasons_that_there_are() {
    let ana = |id, hour| subject(id, hour, "actor=ana");
    let alerts = [ana("a", 0), ana("b", 1), ana("c", 2), ana("d", 3)];
    let split = [decision(DecisionKind::Split { out: ids("b d"), rest: ids("a c"), ids: None })];
    for first in ["a", "b"] {
        let same = format!("the same actor `ana` as alert {first}, 2 h before");
        assert_eq!(reasons(&alerts, &split, first), (vec!["it is the first".to_owned(), same], 90));
    }
    // The one that held the others together is taken out.
    let alerts = [
        subject("a", 0, "actor=ana"),
        subject("b", 1, "actor=ana credential=AKIAB"),
        subject("c", 2, "credential=AKIAB"),
        subject("d", 3, "actor=ana"),
    ];
    let split = [decision(DecisionKind::Split { out: ids("b"), rest: ids("a c d"), ids: None })];
    let kept = |with: &str| format!("kept with alert {with} when dana took others out: so it is");
    let same = "the same actor `ana` as alert a, 3 h before".to_owned();
    let why = vec!["it is the first".to_owned(), kept("d"), same];
    assert_eq!(reasons(&alerts, &split, "a"), (why, 90));
    // Two that only one taken out held together, and have no other reason.
    let split = [decision(DecisionKind::Split { out: ids("b d"), rest: ids("a c"), ids: None })];
    assert_eq!(reasons(&alerts, &split, "a"), (vec!["it is the first".to_owned(), kept("a")], BY_HAND));
    let split = [decision(DecisionKind::Split { out: ids("a c"), rest: ids("b d"), ids: None })];
    let taken = "taken out with alert a by dana: so it is";
    assert_eq!(reasons(&alerts, &split, "a").0[1], taken);
}

/// A merge is the reason where nothing else is; where keys show the same, they are.
#[test]
fn what_is_merged_and_belongs_together_says_why_it_does() {
    let alerts = [subject("a", 0, "actor=ana"), subject("b", 1, "actor=ana"), subject("c", 900, "actor=ana")];
    let merges = [("a", "b"), ("b", "c")]
        .map(|(a, b)| decision(DecisionKind::Merge { a: a.to_owned(), b: b.to_owned() }));
    let (reasons, strength) = reasons(&alerts, &merges, "a");
    assert_eq!(reasons[1], "the same actor `ana` as alert a, 60 min before");
    assert_eq!(reasons[2], "joined by hand to alert b by dana: so it is");
    assert_eq!(strength, 90);
}

#[test]
fn a_merge_by_hand_joins_what_nothing_else_does() {
    let alerts =
        [subject("a", 0, "actor=ana"), subject("b", 900, "actor=bob"), subject("c", 901, "actor=bob")];
    let merge = [decision(DecisionKind::Merge { a: "c".into(), b: "a".into() })];
    assert_eq!(groups(&alerts, &merge, &Joining::default()), "a b c");
    let group = &join(&alerts, &merge, &Joining::default())[0];
    assert!(group.members[2].why.contains("by hand to alert a by dana: so it is"), "{group:?}");
}

pub(in crate::incident) fn any_alert() -> impl Strategy<Value = (i64, String)> {
    let who = prop::sample::select(vec![
        "actor=ana",
        "actor=bob",
        "actor=cy",
        "actor=dee",
        "actor=ci@p.iam.gserviceaccount.com",
        "credential=ASIAX",
        "",
    ]);
    let from = prop::sample::select(vec!["address=192.0.2.1", "address=192.0.2.2", ""]);
    let what = prop::sample::select(vec!["resource=r1", "resource=r2", "user=ana", "user=new", ""]);
    let tactic = prop::sample::select(vec!["+initial-access", "+persistence", "+impact", ""]);
    (0_i64..200, who, from, what, tactic).prop_map(|(hour, a, b, c, d)| (hour, format!("{a} {b} {c} {d}")))
}

proptest! {
    /// The same alerts give the same incidents, in any order and however often each comes.
    #[test]
    fn order_and_repetition_change_nothing(
        alerts in proptest::collection::vec(any_alert(), 0..40),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        sides in proptest::collection::vec(0_u8..6, 40),
        seed in any::<u64>(),
        most in 4_usize..50,
    ) {
        let all: Vec<_> = alerts.iter().enumerate().map(|(n, (hour, about))| subject(&format!("{n:02}"), *hour, about)).collect();
        let side = |wanted: u8| -> BTreeSet<String> {
            (0..all.len()).filter(|n| sides[*n] == wanted).map(|n| format!("{n:02}")).collect()
        };
        let parted = |out: u8, rest: u8| Decision::split("one", side(out), side(rest), "dana", "so it is", out.into());
        let decisions = [
            decision(DecisionKind::Split { out: side(0), rest: side(1), ids: None }),
            parted(2, 3),
            parted(3, 2),
        ];
        let mut shuffled = all.clone();
        if !all.is_empty() {
            shuffled.extend(again.iter().map(|index| index.get(&all).clone()));
        }
        shuffled.sort_by_key(|subject| blake3::hash(format!("{seed} {}", subject.seed.id).as_bytes()).as_bytes().to_vec());
        let joining = Joining { alerts: most, ..Joining::default() };
        let told = |subjects: &[Subject]| {
            let of = |joined: &Joined, group: &Group| {
                (subjects[joined.at].seed.id.clone(), joined.why.clone(), group.id.clone())
            };
            let mut told: Vec<Vec<(String, String, String)>> = join(subjects, &decisions, &joining)
                .iter()
                .map(|group| group.members.iter().map(|joined| of(joined, group)).collect())
                .collect();
            told.sort();
            told
        };
        let (one, other) = (told(&all), told(&shuffled));
        prop_assert_eq!(&one, &other);
        // Each alert is in exactly one group, and no group has both sides of a split.
        let mut seen: Vec<_> = one.iter().flatten().map(|(id, ..)| id.clone()).collect();
        seen.sort();
        prop_assert_eq!(seen, all.iter().map(|subject| subject.seed.id.clone()).collect::<Vec<_>>());
        for group in &one {
            let on = |ids: &BTreeSet<String>| group.iter().any(|(id, ..)| ids.contains(id));
            prop_assert!(!(on(&side(0)) && on(&side(1))));
            prop_assert!(!(on(&side(2)) && on(&side(3))));
        }
    }
}
