//! Notifications for tests.

use alerts::{Entity, EntityKind, Joined};
use proptest::prelude::*;

use crate::{Delivery, Notification, NotificationKind, Record, SubjectKind};

pub(crate) const KINDS: [NotificationKind; 15] = NotificationKind::ALL;

/// An alert as they are.
pub(crate) fn alert() -> Notification {
    let entity = |kind, value: &str, name: Option<&str>| Entity {
        kind,
        value: value.into(),
        name: name.map(Into::into),
    };
    Notification {
        kind: NotificationKind::Raised,
        about: SubjectKind::Alert,
        is_part: false,
        is_quiet: false,
        takes_over: false,
        note: String::new(),
        subject_id: "3f0c1d2e4b5a69788796a5b4c3d2e1f0".into(),
        thread: "3f0c1d2e4b5a69788796a5b4c3d2e1f0".into(),
        version: 1,
        title: "Root signs in without MFA & makes a key".into(),
        description:
            "The account's root user signed in without a second factor.\nIt then made an access key.".into(),
        severity_id: 4,
        status: "new".into(),
        owner: None,
        verdict: None,
        by: "stormglass".into(),
        rule_id: "5c2b1d3e-0000-4000-8000-000000000001".into(),
        tags: vec!["attack.t1078.004".into(), "attack.initial-access".into()],
        provider: "AWS".into(),
        entities: vec![
            entity(EntityKind::Actor, "arn:aws:iam::111122223333:root", Some("root")),
            entity(EntityKind::Account, "111122223333", Some("prod")),
            entity(EntityKind::Address, "203.0.113.7", None),
            entity(EntityKind::Resource, "arn:aws:iam::111122223333:user/ann", None),
        ],
        joined: Some(Joined {
            by: vec![("actor".into(), "root".into())],
            why: "2 events within 10 min".into(),
            begin_us: 1_772_445_600_000_000,
            events: 2,
        }),
        records: vec![
            Record {
                event_uid: "e-1".into(),
                time_us: 1_772_445_600_000_000,
                operation: "ConsoleLogin".into(),
            },
            Record {
                event_uid: "e-2".into(),
                time_us: 1_772_445_660_000_000,
                operation: "CreateAccessKey".into(),
            },
        ],
        events: 2,
        response: vec!["Ask the owner of the account.".into(), "Delete the key.".into()],
        count: 1,
        time_us: 1_772_445_660_000_000,
        created_us: 1_772_445_662_000_000,
        link: Some("https://stormglass.example.com/alerts/3f0c1d2e4b5a69788796a5b4c3d2e1f0".parse().unwrap()),
    }
}

/// The same, after what `kind` says.
pub(crate) fn told(kind: NotificationKind) -> Notification {
    let mut told = Notification { kind, ..alert() };
    match kind {
        NotificationKind::Acknowledged => (told.status, told.by) = ("acknowledged".into(), "ann".into()),
        NotificationKind::Closed => {
            (told.status, told.by) = ("closed".into(), "ann".into());
            told.verdict = Some(("false_positive".into(), "A drill.".into()));
        }
        NotificationKind::Digest | NotificationKind::Flood => told.count = 4_711,
        NotificationKind::Commented => {
            (told.by, told.note) = ("ann".into(), "I have asked <ops>.\nThey know *nothing* of it.".into());
        }
        NotificationKind::Assigned => {
            (told.by, told.note, told.owner) = ("ann".into(), "bob".into(), Some("bob".into()));
        }
        NotificationKind::Grown => told.note = "3 alerts more, 5 in all".into(),
        NotificationKind::Risen => told.note = "from medium to high: 3 tactics follow in order".into(),
        NotificationKind::Overdue => told.note = "nobody took it in time".into(),
        NotificationKind::Merged => told.note = "it goes on in: Trail stopped & 2 more".into(),
        _ => {}
    }
    told
}

/// The same of an incident of five alerts.
pub(crate) fn of_incident(kind: NotificationKind) -> Notification {
    Notification {
        about: SubjectKind::Incident,
        subject_id: "00112233445566778899aabbccddeeff".into(),
        title: "Root signs in without MFA & makes a key and 4 more alerts: root".into(),
        rule_id: String::new(),
        joined: None,
        events: 0,
        count: 5,
        records: vec![Record {
            event_uid: "3f0c1d2e4b5a69788796a5b4c3d2e1f0".into(),
            time_us: 1_772_445_600_000_000,
            operation: "[high] Root signs in without MFA & makes a key".into(),
        }],
        ..told(kind)
    }
}

/// An alert in which every text that others can choose is `text`.
pub(crate) fn all_of(text: &str) -> Notification {
    let entity = |kind| Entity { kind, value: text.into(), name: Some(text.into()) };
    Notification {
        title: text.into(),
        description: format!("{text}\n{text}"),
        verdict: Some((text.into(), text.into())),
        by: text.into(),
        note: text.into(),
        status: text.into(),
        rule_id: text.into(),
        tags: vec![text.into()],
        provider: text.into(),
        entities: vec![
            entity(EntityKind::Actor),
            entity(EntityKind::Address),
            entity(EntityKind::Account),
            entity(EntityKind::Resource),
        ],
        joined: Some(Joined {
            by: vec![(text.into(), text.into())],
            why: text.into(),
            begin_us: 0,
            events: 2,
        }),
        records: vec![Record { event_uid: text.into(), time_us: i64::MAX, operation: text.into() }],
        response: vec![text.into()],
        owner: Some(text.into()),
        ..alert()
    }
}

/// Everything that a channel may be told: each kind of alerts, of alerts in the thread of their incident and of
/// incidents, one of whom nothing is known, and hostile texts in all places of both.
pub(crate) fn every() -> Vec<Notification> {
    let part = |kind| Notification { is_part: true, thread: "t-1".into(), ..told(kind) };
    let mut every: Vec<_> =
        KINDS.into_iter().flat_map(|kind| [told(kind), part(kind), of_incident(kind)]).collect();
    let nothing = Notification {
        description: String::new(),
        rule_id: String::new(),
        tags: Vec::new(),
        provider: String::new(),
        entities: Vec::new(),
        joined: None,
        records: Vec::new(),
        response: Vec::new(),
        link: None,
        ..alert()
    };
    every.extend([Notification { about: SubjectKind::Incident, ..nothing.clone() }, nothing]);
    for (text, kind) in super::hostile::TEXTS.iter().zip(KINDS.into_iter().cycle()) {
        let note = (*text).to_owned();
        every.push(all_of(text));
        every.push(Notification { about: SubjectKind::Incident, kind, note, ..all_of(text) });
    }
    every
}

/// A delivery of it.
pub(crate) fn delivery(notification: &Notification) -> Delivery<'_> {
    Delivery { key: "k-5f2e9a77", notification, remembered: None, attempt: 1, now_us: 1_772_445_700_000_000 }
}

/// Texts of all lengths, many of them of characters that mean something somewhere.
fn text(most: usize) -> BoxedStrategy<String> {
    let short = proptest::collection::vec(
        prop_oneof![
            any::<char>(),
            proptest::sample::select(
                "<>&\"'|=\\\n\r\t@#*_`[]{}:/.%,;\u{202e}\u{200b}é東🙂".chars().collect::<Vec<_>>()
            )
        ],
        0..60,
    )
    .prop_map(String::from_iter);
    let long = (any::<char>(), 0..most).prop_map(|(character, count)| String::from(character).repeat(count));
    let hostile = proptest::sample::select(super::hostile::TEXTS.to_vec()).prop_map(str::to_owned);
    prop_oneof![4 => short, 1 => long, 3 => hostile].boxed()
}

/// Any notification at all.
pub(crate) fn any_notification() -> impl Strategy<Value = Notification> {
    let kinds = [
        EntityKind::Actor,
        EntityKind::Credential,
        EntityKind::User,
        EntityKind::Account,
        EntityKind::Address,
        EntityKind::Resource,
    ];
    let entity = (proptest::sample::select(kinds.to_vec()), text(3_000), proptest::option::of(text(300)))
        .prop_map(|(kind, value, name)| Entity { kind, value, name });
    let record = (text(300), any::<i64>(), text(300)).prop_map(|(event_uid, time_us, operation)| Record {
        event_uid,
        time_us,
        operation,
    });
    let joined =
        (proptest::collection::vec((text(300), text(300)), 0..12), text(2_000), any::<i64>(), any::<u64>())
            .prop_map(|(by, why, begin_us, events)| Joined { by, why, begin_us, events });
    let first = (
        proptest::sample::select(KINDS.to_vec()),
        text(300),
        text(300),
        any::<u32>(),
        text(3_000),
        text(20_000),
        any::<u8>(),
        prop_oneof![Just("new".to_owned()), Just("closed".to_owned()), text(100)],
        proptest::option::of((text(100), text(5_000))),
        (text(300), text(5_000), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
    );
    let second = (
        text(300),
        proptest::collection::vec(text(300), 0..40),
        text(100),
        proptest::collection::vec(entity, 0..40),
        proptest::option::of(joined),
        proptest::collection::vec(record, 0..25),
        any::<u64>(),
        proptest::collection::vec(text(3_000), 0..20),
        any::<u64>(),
        (
            any::<i64>(),
            any::<i64>(),
            proptest::option::of("[a-z&<>'\"]{0,3000}"),
            proptest::option::of(text(300)),
        ),
    );
    (first, second).prop_map(|(first, second)| {
        let (kind, subject_id, thread, version, title, description, severity_id, status, verdict, more) =
            first;
        let (by, note, is_incident, is_part, is_quiet, takes_over) = more;
        let (rule_id, tags, provider, entities, joined, records, events, response, count, rest) = second;
        let (time_us, created_us, path, owner) = rest;
        let link = path.and_then(|path| format!("https://stormglass.example.com/{path}").parse().ok());
        Notification {
            kind,
            about: if is_incident { SubjectKind::Incident } else { SubjectKind::Alert },
            is_part,
            is_quiet,
            takes_over,
            note,
            subject_id,
            thread,
            version,
            title,
            description,
            severity_id,
            status,
            owner,
            verdict,
            by,
            rule_id,
            tags,
            provider,
            entities,
            joined,
            records,
            events,
            response,
            count,
            time_us,
            created_us,
            link,
        }
    })
}
