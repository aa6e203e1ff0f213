use proptest::prelude::*;

use super::*;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, told};
use crate::channel::tests::{client, fate, fixed};
use cloudfake::notify::Receiver;

fn settings(instance: &str) -> ServiceNowSettings {
    ServiceNowSettings {
        instance: instance.into(),
        user: "stormglass".into(),
        password: fixed("hunter2"),
        table: "incident".into(),
        close_state: "6".into(),
        close_code: "Resolved by request".into(),
    }
}

#[test]
fn every_kind_as_an_incident_and_a_change() {
    let channel = ServiceNow::new(client(), settings(""));
    for kind in KINDS {
        insta::assert_json_snapshot!(
            format!("{kind:?}"),
            [incident(&told(kind)), channel.change(&told(kind))]
        );
    }
}

fn check(told: &Notification) {
    let channel = ServiceNow::new(client(), settings(""));
    let thread = told.subject_id.clone();
    let closed = Notification { kind: NotificationKind::Closed, thread, ..told.clone() };
    for body in [incident(told), channel.change(told), channel.change(&closed)] {
        let length = |name: &str| body[name].as_str().map_or(0, |text| text.encode_utf16().count());
        assert!(
            length("short_description") <= 160
                && length("description") <= 4_000
                && length("work_notes") <= 8_000
        );
        each_text(&body, &mut |at, text| {
            assert!(is_clean(text), "{at}: {text:?}");
            let lower = text.to_lowercase();
            assert!(!lower.contains("[code") && !lower.contains("[/code"), "{at}: {text:?}");
        });
        if let Some(title) = body["short_description"].as_str() {
            assert!(title.starts_with('['), "{title}");
        }
    }
}

#[test]
fn hostile_texts_begin_no_html() {
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
async fn one_incident_a_thread() {
    let receiver = Receiver::start(cloudfake::notify::servicenow("stormglass", "hunter2")).await;
    let channel = ServiceNow::new(client(), settings(&receiver.url()));
    let raised = told(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(id) } = channel.send(delivery(&raised)).await else { panic!() };
    // The answer was lost, or what was remembered.
    let again = channel.send(Delivery { attempt: 2, ..delivery(&raised) }).await;
    assert_eq!(again, Outcome::Delivered { remember: Some(id.clone()) });
    let closed = told(NotificationKind::Closed);
    assert_eq!(
        fate(&channel.send(Delivery { remembered: Some(&id), ..delivery(&closed) }).await),
        "delivered"
    );
    let seen = receiver.seen();
    let methods: Vec<_> = seen.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(methods, ["GET", "POST", "GET", "PATCH"]);
    assert_eq!(seen[3].json()["state"], "6");
    assert_eq!(seen[3].json()["close_notes"], "false_positive: A drill.");
    // Deleted there: told anew.
    let gone = "f".repeat(32);
    let sent = channel.send(Delivery { remembered: Some(&gone), ..delivery(&closed) }).await;
    assert!(matches!(&sent, Outcome::Delivered { remember: Some(id) } if *id != gone), "{sent:?}");
    for (status, wanted) in [(429, "retry"), (500, "retry"), (401, "disabled"), (400, "refused")] {
        receiver.answer(status, "", "");
        let outcome = channel.send(delivery(&raised)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}
