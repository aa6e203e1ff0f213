use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::NotificationKind;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, of_incident, told};
use crate::channel::tests::{client, fate, fixed};
use cloudfake::notify::{Receiver, Reply};

/// The validator that documents of events are held to.
#[path = "../../../../normalize/tests/it/ocsf/check.rs"]
mod check;
#[path = "../../../../normalize/tests/it/ocsf/resolve.rs"]
mod resolve;

#[test]
fn every_kind_as_a_finding() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), finding(&told(kind)));
        insta::assert_json_snapshot!(format!("incident-{kind:?}"), finding(&of_incident(kind)));
    }
}

/// The schema; `None`, loudly, where it is not.
fn schema() -> Option<resolve::Schema> {
    let root = std::env::var_os("STORMGLASS_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let found = root.join("ocsf/schema_1.8.0");
    if found.exists() {
        return Some(resolve::Schema::load(&found));
    }
    println!("skipped: no schema of OCSF at {}", found.display());
    None
}

#[test]
fn every_finding_is_valid() {
    let Some(schema) = schema() else { return };
    for told in every() {
        let violations = check::check(&schema, &finding(&told));
        assert!(violations.is_empty(), "{violations:#?}\n{}", finding(&told));
        for name in ["severity_id", "metadata", "status_id"] {
            let mut flawed = finding(&told);
            flawed[name] = json!("high");
            assert!(!check::check(&schema, &flawed).is_empty(), "{name}");
        }
    }
    let mut nobody = finding(&of_incident(NotificationKind::Raised));
    nobody.as_object_mut().unwrap().remove("assignee_group");
    assert!(!check::check(&schema, &nobody).is_empty());
}

fn check_limits(told: &Notification) {
    let finding = finding(told);
    assert!(finding.to_string().len() <= 48 << 10, "{}", finding.to_string().len());
    each_text(&finding, &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
    let class = if told.about == SubjectKind::Incident { 2_005 } else { 2_004 };
    assert_eq!(finding["class_uid"], class);
    assert_eq!(finding["type_uid"].as_i64().unwrap(), class * 100 + finding["activity_id"].as_i64().unwrap());
}

#[test]
fn an_incident_is_opened_changed_and_closed_as_one() {
    let state = |told: &Notification| {
        let finding = finding(told);
        let at = |path: &str| finding.pointer(path).cloned().unwrap_or_default();
        assert_eq!(at("/metadata/correlation_uid"), told.thread.as_str());
        assert_eq!(at("/finding_info_list/0/uid"), "3f0c1d2e4b5a69788796a5b4c3d2e1f0");
        let owner = if told.owner.is_some() { at("/assignee/name") } else { at("/assignee_group/name") };
        [at("/activity_name"), at("/status"), at("/verdict"), owner]
            .map(|value| value.as_str().map(str::to_owned))
    };
    for (kind, wanted) in [
        (NotificationKind::Raised, [Some("Create"), Some("New"), None, Some("unassigned")]),
        (NotificationKind::Grown, [Some("Update"), Some("New"), None, Some("unassigned")]),
        (NotificationKind::Acknowledged, [Some("Update"), Some("In Progress"), None, Some("unassigned")]),
        (NotificationKind::Assigned, [Some("Update"), Some("New"), None, Some("bob")]),
        (NotificationKind::Merged, [Some("Close"), Some("Closed"), Some("Duplicate"), Some("unassigned")]),
        (
            NotificationKind::Closed,
            [Some("Close"), Some("Closed"), Some("False Positive"), Some("unassigned")],
        ),
    ] {
        assert_eq!(state(&of_incident(kind)), wanted.map(|word| word.map(str::to_owned)), "{kind:?}");
    }
    let tagged = Notification {
        tags: vec!["attack.command-and-control".into(), "attack.t1078.004".into(), "attack.s0002".into()],
        ..of_incident(NotificationKind::Raised)
    };
    let attacks = json!([
        {"technique": {"uid": "T1078"}, "sub_technique": {"uid": "T1078.004"}},
        {"tactic": {"name": "Command and Control"}},
    ]);
    assert_eq!(finding(&tagged)["attacks"], attacks);
}

#[test]
fn hostile_texts_stay_in_their_place() {
    for text in TEXTS {
        check_limits(&all_of(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn limits_hold(told in any_notification()) {
        check_limits(&told);
        thread_local!(static SCHEMA: Option<resolve::Schema> = schema());
        SCHEMA.with(|schema| {
            if let Some(schema) = schema {
                assert_eq!(check::check(schema, &finding(&told)), []);
            }
        });
    }
}

#[tokio::test]
async fn a_collector_takes_it_or_has_its_reasons() {
    let receiver = Receiver::start(Box::new(|_| Reply::new(202, ""))).await;
    let headers = vec![("Authorization".to_owned(), fixed("Splunk hunter2"))];
    let ocsf = Ocsf::new(client(), fixed(&receiver.url()), headers);
    let told = told(NotificationKind::Raised);
    assert_eq!(fate(&ocsf.send(delivery(&told)).await), "delivered");
    let seen = receiver.seen();
    assert_eq!(seen[0].header("authorization"), "Splunk hunter2");
    assert_eq!(seen[0].header("idempotency-key"), "k-5f2e9a77");
    assert_eq!(seen[0].json(), finding(&told));
    for (status, wanted) in [(503, "retry"), (401, "disabled"), (400, "refused")] {
        receiver.answer(status, "", "");
        let outcome = ocsf.send(delivery(&told)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}
