use proptest::prelude::*;

use super::*;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, told};
use crate::channel::tests::{client, fate, fixed};
use cloudfake::notify::Receiver;

fn settings(site: &str) -> JiraSettings {
    JiraSettings {
        site: site.into(),
        user: "stormglass@example.com".into(),
        token: fixed("hunter2"),
        project: "SEC".into(),
        issue_type: "Task".into(),
        close_transition: "done".into(),
        reopen_transition: "to do".into(),
    }
}

#[test]
fn every_kind_as_an_issue() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), issue(&told(kind), &settings("")));
    }
}

fn check(told: &Notification) {
    let issue = issue(told, &settings(""));
    let summary = issue["fields"]["summary"].as_str().unwrap();
    assert!(summary.encode_utf16().count() <= 255 && summary.starts_with('[') && !summary.contains('\n'));
    assert!(issue["fields"]["description"].to_string().len() <= 32_767);
    only_plain(&issue["fields"]["description"]);
    each_text(&issue, &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
}

/// Nodes of four kinds; no mention, no card, and one link that is ours.
fn only_plain(node: &Value) {
    let kind = node["type"].as_str().unwrap();
    assert!(["doc", "paragraph", "bulletList", "listItem", "text"].contains(&kind), "{kind}");
    if kind == "text" {
        assert!(!node["text"].as_str().unwrap().is_empty());
        for mark in node["marks"].as_array().into_iter().flatten() {
            assert!(mark["attrs"]["href"].as_str().unwrap().starts_with("https://stormglass.example.com/"));
        }
    }
    node["content"].as_array().into_iter().flatten().for_each(only_plain);
}

#[test]
fn hostile_texts_are_text_nodes() {
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
async fn one_issue_a_thread_comments_and_transitions() {
    let receiver = Receiver::start(cloudfake::notify::jira("stormglass@example.com", "hunter2")).await;
    let jira = Jira::new(client(), settings(&receiver.url()));
    let raised = told(NotificationKind::Raised);
    let sent = jira.send(delivery(&raised)).await;
    assert_eq!(sent, Outcome::Delivered { remember: Some("SEC-1".into()) });
    // The answer was lost: the issue is found, and neither made nor commented again.
    let again = jira.send(Delivery { attempt: 2, ..delivery(&raised) }).await;
    assert_eq!(again, Outcome::Delivered { remember: Some("SEC-1".into()) });
    let closed = told(NotificationKind::Closed);
    let later = Delivery { remembered: Some("SEC-1"), key: "k-2", ..delivery(&closed) };
    assert_eq!(jira.send(later).await, Outcome::Delivered { remember: None });
    // The comment is there: it is not made again.
    assert_eq!(jira.send(Delivery { attempt: 2, ..later }).await, Outcome::Delivered { remember: None });
    let seen = receiver.seen();
    let count = |method: &str, end: &str| {
        seen.iter().filter(|one| one.method == method && one.path.ends_with(end)).count()
    };
    assert_eq!(
        (count("POST", "/issue"), count("POST", "/comment"), count("POST", "/transitions")),
        (1, 1, 2)
    );
    let transition = seen.iter().rev().find(|one| one.path.ends_with("/transitions")).unwrap();
    assert_eq!(transition.json(), json!({"transition": {"id": "31"}}));
    // Another alert of the thread is a comment, and its end is not the thread's.
    let other = Notification { subject_id: "feed".into(), is_part: true, ..told(NotificationKind::Closed) };
    assert_eq!(
        fate(&jira.send(Delivery { remembered: Some("SEC-1"), ..delivery(&other) }).await),
        "delivered"
    );
    assert_eq!(receiver.seen().iter().filter(|one| one.path.ends_with("/transitions")).count(), 4);
    // Deleted there: told anew.
    for attempt in [1, 2] {
        let sent = jira.send(Delivery { remembered: Some("SEC-99"), attempt, ..delivery(&closed) }).await;
        assert!(
            matches!(&sent, Outcome::Delivered { remember: Some(issue) } if issue != "SEC-99"),
            "{sent:?}"
        );
    }
    for (status, wanted) in [(429, "retry"), (500, "retry"), (401, "disabled"), (400, "refused")] {
        receiver.answer(status, "", "");
        let outcome = jira.send(delivery(&raised)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn every_hostile_issue_is_taken() {
    let receiver = Receiver::start(cloudfake::notify::jira("stormglass@example.com", "hunter2")).await;
    let jira = Jira::new(client(), settings(&receiver.url()));
    for (number, text) in TEXTS.iter().enumerate() {
        let told = Notification { thread: format!("t{number}"), ..all_of(text) };
        assert_eq!(fate(&jira.send(delivery(&told)).await), "delivered", "{text:?}");
    }
}
