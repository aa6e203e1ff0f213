use proptest::prelude::*;

use super::*;
use crate::NotificationKind;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, of_incident, told};
use crate::channel::tests::{client, fate, fixed, lines, python, run};
use cloudfake::notify::Receiver;

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn every_kind_as_an_event() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), event(&told(kind)));
    }
}

#[test]
fn severities_are_theirs() {
    for (severity_id, wanted) in
        [(1, "info"), (2, "info"), (3, "warning"), (4, "error"), (5, "critical"), (0, "info"), (9, "info")]
    {
        let told = Notification { severity_id, ..told(NotificationKind::Raised) };
        assert_eq!(event(&told).unwrap()["payload"]["severity"], wanted);
    }
}

#[test]
fn what_is_closed_is_not_opened_again() {
    let told = Notification { status: "closed".into(), ..told(NotificationKind::Amended) };
    assert_eq!(event(&told), None);
}

fn check(told: &Notification) {
    let Some(event) = event(told) else { return };
    assert!(event.to_string().len() < 64 << 10);
    let units = |path: &str| {
        event.pointer(path).and_then(Value::as_str).map_or(0, |text| text.encode_utf16().count())
    };
    assert!(units("/payload/summary") <= 1_024);
    assert!(units("/dedup_key") <= 255);
    if let Some(summary) = event.pointer("/payload/summary").and_then(Value::as_str) {
        assert!(summary.starts_with('[') && !summary.contains('\n'), "{summary}");
        assert!(!event["payload"]["source"].as_str().unwrap().is_empty());
    }
    each_text(&event, &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
}

#[test]
fn hostile_texts_stay_on_their_line() {
    for text in TEXTS {
        check(&all_of(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn limits_hold(told in any_notification()) {
        check(&told);
    }
}

#[tokio::test]
async fn events_are_taken_or_have_their_fate() {
    let receiver = Receiver::start(cloudfake::notify::pagerduty(KEY)).await;
    let url = format!("{}/v2/enqueue", receiver.url());
    let pagerduty = PagerDuty::new(client(), fixed(KEY), url.clone());
    for kind in KINDS {
        assert_eq!(
            pagerduty.send(delivery(&told(kind))).await,
            Outcome::Delivered { remember: None },
            "{kind:?}"
        );
    }
    for text in TEXTS {
        assert_eq!(fate(&pagerduty.send(delivery(&all_of(text))).await), "delivered", "{text:?}");
    }
    let told = told(NotificationKind::Raised);
    for (status, headers, wanted) in [
        (429, "", "retry"),
        (500, "", "retry"),
        (503, "retry-after: 2\r\n", "retry 2.5s"),
        (400, "", "refused"),
        (413, "", "refused"),
    ] {
        receiver.answer(status, headers, "");
        assert_eq!(fate(&pagerduty.send(delivery(&told)).await), wanted, "{status}");
    }
    let wrong = PagerDuty::new(client(), fixed("hunter2"), url).send(delivery(&told)).await;
    assert_eq!(fate(&wrong), "disabled");
    assert!(!format!("{wrong:?}").contains("hunter2"));
}

#[test]
fn an_incident_pages_under_its_thread() {
    let thread = "3f0c1d2e4b5a69788796a5b4c3d2e1f0";
    for (kind, action) in [
        (NotificationKind::Raised, "trigger"),
        (NotificationKind::Risen, "trigger"),
        (NotificationKind::Acknowledged, "acknowledge"),
        (NotificationKind::Closed, "resolve"),
        (NotificationKind::Merged, "resolve"),
    ] {
        let event = event(&of_incident(kind)).unwrap();
        assert_eq!((&event["event_action"], &event["dedup_key"]), (&json!(action), &json!(thread)));
    }
    insta::assert_json_snapshot!("incident", event(&of_incident(NotificationKind::Raised)));
}

/// PagerDuty's own client sends every event just so, to the same place, and reads the answers of the receiver, which
/// holds the names and types of the published schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pagerdutys_client_sends_the_same() {
    let Some(python) = python("pagerduty") else { return };
    let receiver = Receiver::start(cloudfake::notify::pagerduty(KEY)).await;
    let script = format!(
        r#"
import json, sys
from pagerduty import EventsApiV2Client, Error
class Here(EventsApiV2Client):
    # Theirs takes https alone.
    url = property(lambda self: self._url, lambda self, url: setattr(self, '_url', url))
client = Here({KEY:?}, base_url={:?})
count = 0
for line in sys.stdin:
    event = json.loads(line)
    action = event.pop('event_action')
    assert client.send_event(action, **event) == event['dedup_key']
    count += 1
good = dict(summary='s', source='s', severity='info')
for flaw in ({{'severity': 'high'}}, {{'summary': ''}}, {{'timestamp': 'now'}}, {{'colour': 'red'}}, {{'custom_details': 'x'}}):
    try: client.send_event('trigger', payload=good | flaw)
    except Error: continue
    raise SystemExit(f'{{flaw}} was taken')
print(count)
"#,
        receiver.url()
    );
    let events: Vec<_> = every().iter().filter_map(event).collect();
    let count = run(&python, &script, &lines(events.clone()));
    assert_eq!(count.trim(), events.len().to_string());
    let pagerduty = PagerDuty::new(client(), fixed(KEY), format!("{}/v2/enqueue", receiver.url()));
    for told in every() {
        assert_eq!(fate(&pagerduty.send(delivery(&told)).await), "delivered", "{told:?}");
    }
    let seen = receiver.seen();
    let (theirs, flawed_and_ours) = seen.split_at(events.len());
    let (flawed, ours) = flawed_and_ours.split_at(5);
    assert!(flawed.iter().all(|one| one.json()["payload"]["source"] == "s"));
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert_eq!((&theirs.method, &theirs.path, theirs.json()), (&ours.method, &ours.path, ours.json()));
    }
}
