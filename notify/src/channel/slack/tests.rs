use proptest::prelude::*;
use serde_json::{Value, json};

use super::blocks::message;
use super::*;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, of_incident, told};
use crate::channel::tests::{client, fixed};
use cloudfake::notify::Receiver;

#[test]
fn every_kind_as_blocks() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), message(&told(kind), true));
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Slack's limits and escaping.
fn check(told: &Notification) {
    let body = message(told, true);
    assert!(units(body["text"].as_str().unwrap()) <= 300);
    let blocks = body["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    let mut all = units(body["text"].as_str().unwrap());
    for block in blocks {
        let text = &block["text"];
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(text["type"], "plain_text");
                assert!(units(text["text"].as_str().unwrap()) <= 150);
            }
            "section" => {
                if let Some(fields) = block["fields"].as_array() {
                    assert!((1..=10).contains(&fields.len()));
                    for field in fields {
                        assert!(units(field["text"].as_str().unwrap()) <= 2_000);
                    }
                } else {
                    assert!((1..=3_000).contains(&units(text["text"].as_str().unwrap())));
                }
            }
            "context" => assert!(block["elements"].as_array().unwrap().len() <= 10),
            "actions" => {
                for element in block["elements"].as_array().unwrap() {
                    assert!(units(element["text"]["text"].as_str().unwrap_or_default()) <= 75);
                    assert!(element["url"].as_str().map_or(0, units) <= 3_000);
                    assert!(element["value"].as_str().map_or(0, units) <= 2_000);
                    for option in element["options"].as_array().into_iter().flatten() {
                        assert!(units(option["value"].as_str().unwrap()) <= 75);
                    }
                }
            }
            other => panic!("{other}"),
        }
    }
    let mut see = |at: &str, text: &str| {
        if at.ends_with("/text") || at.ends_with("/url") {
            all += units(text);
        }
        assert!(is_clean(text), "{at}: {text:?}");
    };
    each_text(&body["blocks"], &mut see);
    assert!(all <= 8_000, "{all}");
    mrkdwn_is_escaped(&body["blocks"]);
    assert!(!body["text"].as_str().unwrap().contains(['<', '>']));
}

/// Where Slack would read `<`, there is none; and it is told not to look for names and links.
fn mrkdwn_is_escaped(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(mrkdwn_is_escaped),
        Value::Object(members) => {
            if members.get("type") == Some(&json!("mrkdwn")) {
                assert_eq!(members["verbatim"], true);
                assert!(!members["text"].as_str().unwrap().contains(['<', '>']), "{members:?}");
                let text = members["text"]
                    .as_str()
                    .unwrap()
                    .replace("&amp;", "")
                    .replace("&lt;", "")
                    .replace("&gt;", "");
                assert!(!text.contains('&'), "{members:?}");
            }
            members.values().for_each(mrkdwn_is_escaped);
        }
        _ => {}
    }
}

#[test]
fn hostile_texts_mention_nobody_and_are_no_links() {
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

fn bot(receiver: &Receiver) -> Slack {
    let access = SlackAccess::Bot { token: fixed("xoxb-secret"), channel: "C012AB3CD".into() };
    Slack::new(client(), SlackSettings { access, api: format!("{}/api", receiver.url()), buttons: true })
}

#[tokio::test]
async fn a_bot_sends_changes_and_answers_in_threads() {
    let receiver = Receiver::start(cloudfake::notify::slack("xoxb-secret")).await;
    let slack = bot(&receiver);
    let first = told(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(thread) } = slack.send(delivery(&first)).await else { panic!() };
    // A change: the message itself, and nothing more to remember.
    let second = told(NotificationKind::Acknowledged);
    let later = |told| Delivery { remembered: Some(&thread), ..delivery(told) };
    assert_eq!(slack.send(later(&second)).await, Outcome::Delivered { remember: None });
    // Another of the same thread: an answer, that is changed later in its turn.
    let other = Notification { subject_id: "feed".into(), ..told(NotificationKind::Raised) };
    let Outcome::Delivered { remember: Some(both) } = slack.send(later(&other)).await else { panic!() };
    let closed = Notification { subject_id: "feed".into(), ..told(NotificationKind::Closed) };
    let sent = slack.send(Delivery { remembered: Some(&both), ..delivery(&closed) }).await;
    assert_eq!(sent, Outcome::Delivered { remember: None });
    // Nobody took it: everybody sees that.
    let escalated = told(NotificationKind::Escalated);
    assert!(matches!(
        slack.send(Delivery { remembered: Some(&both), ..delivery(&escalated) }).await,
        Outcome::Delivered { .. }
    ));
    let seen = receiver.seen();
    let calls: Vec<_> = seen
        .iter()
        .map(|one| (one.path.as_str(), one.json()["thread_ts"].clone(), one.json()["ts"].clone()))
        .collect();
    assert_eq!(
        calls,
        [
            ("/api/chat.postMessage", Value::Null, Value::Null),
            ("/api/chat.update", Value::Null, json!("1.000001")),
            ("/api/chat.postMessage", json!("1.000001"), Value::Null),
            ("/api/chat.update", Value::Null, json!("1.000002")),
            ("/api/chat.postMessage", json!("1.000001"), Value::Null),
        ]
    );
    assert_eq!(seen[4].json()["reply_broadcast"], true);
    assert_eq!(seen[2].json()["reply_broadcast"], false);
    // The message was deleted: it is told anew, in the thread.
    receiver.answer(200, "", r#"{"ok":false,"error":"message_not_found"}"#);
    assert!(matches!(slack.send(later(&second)).await, Outcome::Delivered { remember: Some(_) }));
    assert_eq!(receiver.seen().last().unwrap().json()["thread_ts"], "1.000001");
}

#[tokio::test]
async fn errors_have_their_fate() {
    let receiver = Receiver::start(cloudfake::notify::slack("xoxb-secret")).await;
    let slack = bot(&receiver);
    let first = told(NotificationKind::Raised);
    for (status, headers, body, fate) in [
        (429, "retry-after: 30\r\n", r#"{"ok":false,"error":"ratelimited"}"#, "retry 30.5s"),
        (200, "", r#"{"ok":false,"error":"internal_error"}"#, "retry"),
        (503, "", "", "retry"),
        (200, "", r#"{"ok":false,"error":"invalid_auth"}"#, "disabled"),
        (200, "", r#"{"ok":false,"error":"not_in_channel"}"#, "disabled"),
        (200, "", r#"{"ok":false,"error":"is_archived"}"#, "disabled"),
        (200, "", r#"{"ok":false,"error":"invalid_blocks"}"#, "refused"),
        (200, "", r#"{"ok":false,"error":"<b>xoxb-secret</b>"}"#, "refused"),
        (200, "", "ok", "refused"),
        (302, "location: https://evil.example.com/\r\n", "", "disabled"),
    ] {
        receiver.answer(status, headers, body);
        let outcome = slack.send(delivery(&first)).await;
        assert_eq!(crate::channel::tests::fate(&outcome), fate, "{status} {body}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
    }
    receiver.quiet();
    let wrong = SlackAccess::Bot { token: fixed("xoxb-old"), channel: "C012AB3CD".into() };
    let wrong = Slack::new(
        client(),
        SlackSettings { access: wrong, api: format!("{}/api", receiver.url()), buttons: true },
    );
    assert_eq!(crate::channel::tests::fate(&wrong.send(delivery(&first)).await), "disabled");
}

#[tokio::test]
async fn an_incoming_webhook_only_sends() {
    let receiver = Receiver::start(cloudfake::notify::slack_hook()).await;
    let access = SlackAccess::Hook(fixed(&format!("{}/services/T0/B0/secret", receiver.url())));
    let slack = Slack::new(client(), SlackSettings { access, api: String::new(), buttons: false });
    let first = told(NotificationKind::Raised);
    assert_eq!(slack.send(delivery(&first)).await, Outcome::Delivered { remember: None });
    for (status, body, fate) in [
        (404, "no_service", "disabled"),
        (410, "channel_is_archived", "disabled"),
        (403, "action_prohibited", "disabled"),
        (400, "invalid_payload", "refused"),
        (500, "rollup_error", "retry"),
    ] {
        receiver.answer(status, "", body);
        let outcome = slack.send(delivery(&first)).await;
        assert_eq!(crate::channel::tests::fate(&outcome), fate, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
    }
}

#[test]
fn names_of_channels_are_refused() {
    for (channel, count) in [("C012AB3CD", 0), ("#alerts", 1), ("", 1)] {
        let access = SlackAccess::Bot { token: fixed("x"), channel: channel.into() };
        assert_eq!(
            SlackSettings { access, api: String::new(), buttons: false }.problems().len(),
            count,
            "{channel}"
        );
    }
}

/// Slack's own models read every block and find nothing wrong with it.
#[test]
fn slacks_models_take_every_block() {
    let Some(python) = crate::channel::tests::python("slack_sdk.models.blocks") else { return };
    let script = r#"
import json, sys
from slack_sdk.models.blocks import Block
from slack_sdk.errors import SlackObjectFormationError
count = 0
for line in sys.stdin:
    for block in json.loads(line)['blocks']:
        parsed = Block.parse(block)
        assert parsed is not None, block
        parsed.validate_json()
        assert parsed.to_dict()['type'] == block['type']
        count += 1
flawed = Block.parse({'type': 'header', 'text': {'type': 'plain_text', 'text': 'x' * 151}})
try:
    flawed.validate_json(); raise SystemExit('a flaw was not found')
except SlackObjectFormationError: pass
print(count)
"#;
    let every = every();
    let bodies: Vec<_> =
        every.iter().flat_map(|told| [message(told, true), message(told, false), news(told)]).collect();
    let blocks: usize = bodies.iter().map(|body| body["blocks"].as_array().unwrap().len()).sum();
    let count = crate::channel::tests::run(&python, script, &crate::channel::tests::lines(bodies));
    assert_eq!(count.trim(), blocks.to_string());
    assert!(blocks > 5 * every.len(), "{blocks}");
}

#[test]
fn incidents_as_blocks() {
    for kind in [NotificationKind::Raised, NotificationKind::Risen, NotificationKind::Merged] {
        insta::assert_json_snapshot!(format!("incident_{kind:?}"), message(&of_incident(kind), true));
    }
    let said: Vec<_> = KINDS.map(|kind| news(&of_incident(kind))["text"].clone()).into();
    insta::assert_json_snapshot!("news", said);
}

#[test]
fn news_mention_nobody_and_keep_the_limits() {
    for text in TEXTS.iter().copied().chain(["", "\u{202e}", "&<!channel>"]) {
        for kind in KINDS {
            let told = Notification { kind, note: text.repeat(400), ..all_of(text) };
            let body = news(&told);
            assert!(
                body["text"].as_str().is_some_and(|text| units(text) <= 300 && !text.contains(['<', '>']))
            );
            mrkdwn_is_escaped(&body["blocks"]);
            each_text(&body["blocks"], &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
            assert!(units(body["blocks"][0]["text"]["text"].as_str().unwrap()) <= 3_000);
        }
    }
}

#[tokio::test]
async fn an_incident_changes_its_message_and_says_in_the_thread_what_changed() {
    let receiver = Receiver::start(cloudfake::notify::slack("xoxb-secret")).await;
    let slack = bot(&receiver);
    let first = of_incident(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(thread) } = slack.send(delivery(&first)).await else { panic!() };
    // Its id is another by now, its message is not.
    let later = |kind, is_quiet| {
        let subject_id = "another".to_owned();
        Notification { subject_id, is_quiet, ..of_incident(kind) }
    };
    for told in [
        later(NotificationKind::Grown, true),
        later(NotificationKind::Risen, false),
        later(NotificationKind::Commented, false),
        Notification { about: SubjectKind::Alert, is_part: true, ..later(NotificationKind::Merged, false) },
        later(NotificationKind::Closed, false),
    ] {
        let sent = slack.send(Delivery { remembered: Some(&thread), ..delivery(&told) }).await;
        assert_eq!(sent, Outcome::Delivered { remember: None }, "{told:?}");
    }
    // What only changes a message that is not there is nothing.
    let quiet = later(NotificationKind::Grown, true);
    assert_eq!(slack.send(delivery(&quiet)).await, Outcome::Delivered { remember: None });
    let seen: Vec<_> = receiver
        .seen()
        .iter()
        .map(|one| {
            let body = one.json();
            let is_loud = body["reply_broadcast"] == true;
            (one.path.rsplit('.').next().unwrap().to_owned(), body["thread_ts"] == "1.000001", is_loud)
        })
        .collect();
    let call = |method: &str, in_thread, is_loud| (method.to_owned(), in_thread, is_loud);
    let wanted = [
        call("postMessage", false, false),
        call("update", false, false),
        call("update", false, false),
        call("postMessage", true, true),
        call("postMessage", true, false),
        call("postMessage", true, false),
        call("update", false, false),
        call("postMessage", true, false),
    ];
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn an_incident_of_which_its_alert_has_told_all_takes_over_its_message() {
    let receiver = Receiver::start(cloudfake::notify::slack("xoxb-secret")).await;
    let slack = bot(&receiver);
    let first = told(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(thread) } = slack.send(delivery(&first)).await else { panic!() };
    let incident = Notification { takes_over: true, ..of_incident(NotificationKind::Amended) };
    let sent = slack.send(Delivery { remembered: Some(&thread), ..delivery(&incident) }).await;
    let Outcome::Delivered { remember: Some(taken) } = sent else { panic!("{sent:?}") };
    // Its message it is from then on, and nobody was told anew.
    let closed = Notification { is_quiet: true, ..of_incident(NotificationKind::Closed) };
    let later = Delivery { remembered: Some(&taken), ..delivery(&closed) };
    assert_eq!(slack.send(later).await, Outcome::Delivered { remember: None });
    let calls = |receiver: &Receiver| {
        let seen = receiver.seen();
        let calls = seen.iter().map(|one| {
            let body = one.json();
            (one.path.rsplit('.').next().unwrap().to_owned(), body["ts"].clone(), body["thread_ts"].clone())
        });
        calls.collect::<Vec<_>>()
    };
    let root = json!("1.000001");
    let changed = ("update".to_owned(), root.clone(), Value::Null);
    let posted = ("postMessage".to_owned(), Value::Null, root.clone());
    assert_eq!(calls(&receiver)[1..], [changed.clone(), changed.clone()]);
    assert!(receiver.seen()[1].json().to_string().contains("and 4 more alerts"));
    // Another change of the incident, or an incident without this alert, leaves the alert's message alone.
    let amended = Notification { takes_over: false, ..incident.clone() };
    let stranger = Notification { thread: "t-1".into(), records: Vec::new(), ..incident.clone() };
    for other in [amended, stranger] {
        let sent = slack.send(Delivery { remembered: Some(&thread), ..delivery(&other) }).await;
        assert!(matches!(sent, Outcome::Delivered { remember: Some(_) }), "{sent:?}");
        assert_eq!(calls(&receiver).pop().unwrap(), posted);
    }
    // The message was deleted: it is told, in the thread, and that message is remembered.
    receiver.answer(200, "", r#"{"ok":false,"error":"message_not_found"}"#);
    let sent = slack.send(Delivery { remembered: Some(&thread), ..delivery(&incident) }).await;
    let Outcome::Delivered { remember: Some(anew) } = sent else { panic!("{sent:?}") };
    assert_eq!(calls(&receiver)[5..], [changed, posted]);
    let sent = slack.send(Delivery { remembered: Some(&anew), ..delivery(&closed) }).await;
    assert_eq!(sent, Outcome::Delivered { remember: None });
    assert_ne!(calls(&receiver).pop().unwrap().1, root);
}
