use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, told};
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
    let provider =
        Notification { provider: String::new(), entities: Vec::new(), ..told(NotificationKind::Raised) };
    let samples = KINDS.map(told).into_iter().chain([provider]).chain(TEXTS.iter().map(|text| all_of(text)));
    for told in samples {
        let violations = check::check(&schema, &finding(&told));
        assert!(violations.is_empty(), "{violations:#?}\n{}", finding(&told));
    }
    let mut flawed = finding(&told(NotificationKind::Raised));
    flawed["severity_id"] = serde_json::json!("high");
    assert!(!check::check(&schema, &flawed).is_empty());
}

fn check_limits(told: &Notification) {
    let finding = finding(told);
    assert!(finding.to_string().len() <= 48 << 10, "{}", finding.to_string().len());
    each_text(&finding, &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
    assert_eq!(finding["type_uid"].as_i64().unwrap(), 200_400 + finding["activity_id"].as_i64().unwrap());
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
