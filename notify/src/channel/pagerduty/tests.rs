use proptest::prelude::*;

use super::*;
use crate::NotificationKind;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, of_incident, told};
use crate::channel::tests::{client, fate, fixed};
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
