use proptest::prelude::*;

use super::*;
use crate::NotificationKind;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, told};
use crate::channel::tests::{client, fate, fixed, lines, python, run};
use cloudfake::notify::Receiver;

#[test]
fn every_kind_as_a_request() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), request(&told(kind), false));
    }
}

fn check(told: &Notification) {
    for is_opsgenie in [false, true] {
        let Some((path, body)) = request(told, is_opsgenie) else { continue };
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
        let length = |name: &str| body[name].as_str().map_or(0, |text| text.encode_utf16().count());
        assert!(
            length("message") <= 130 && length("alias") <= 512 && length("description") <= 15_000,
            "{body}"
        );
        assert!(length("note") <= 25_000 && length("user") <= 100 && length("entity") <= 512);
        let details = if is_opsgenie { &body["details"] } else { &body["extraProperties"] };
        assert!(details.to_string().len() <= 8_000);
        for tag in body["tags"].as_array().into_iter().flatten() {
            assert!(tag.as_str().unwrap().encode_utf16().count() <= 50);
        }
        each_text(&body, &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
    }
}

#[test]
fn hostile_texts_stay_in_their_place() {
    for text in TEXTS {
        check(&all_of(text));
        let told = Notification { subject_id: (*text).into(), ..told(NotificationKind::Closed) };
        let (path, _) = request(&told, false).unwrap();
        assert_eq!((path.matches('?').count(), path.matches('/').count()), (1, 2), "{path}");
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
async fn alerts_are_taken_or_have_their_fate() {
    let receiver = Receiver::start(cloudfake::notify::jsm("k")).await;
    let jsm = Jsm::new(client(), fixed("k"), format!("{}/v2", receiver.url()));
    for kind in KINDS {
        assert_eq!(jsm.send(delivery(&told(kind))).await, Outcome::Delivered { remember: None }, "{kind:?}");
    }
    let paths: Vec<_> = receiver.seen().iter().map(|one| one.path.clone()).collect();
    for action in ["acknowledge", "close"] {
        let path = format!("/v2/alerts/3f0c1d2e4b5a69788796a5b4c3d2e1f0/{action}?identifierType=alias");
        assert!(paths.contains(&path), "{paths:?}");
    }
    let told = told(NotificationKind::Raised);
    for (status, wanted) in [(429, "retry"), (503, "retry"), (422, "refused"), (403, "disabled")] {
        receiver.answer(status, "", "");
        assert_eq!(fate(&jsm.send(delivery(&told)).await), wanted, "{status}");
    }
    let closed = crate::channel::sample::told(NotificationKind::Closed);
    receiver.answer(404, "", "");
    assert_eq!(fate(&jsm.send(delivery(&closed)).await), "delivered");
    receiver.answer(404, "", "");
    assert_eq!(fate(&jsm.send(delivery(&told)).await), "disabled");
    let wrong =
        Jsm::new(client(), fixed("hunter2"), format!("{}/v2", receiver.url())).send(delivery(&told)).await;
    assert_eq!(fate(&wrong), "disabled");
    assert!(!format!("{wrong:?}").contains("hunter2"));
}

/// Opsgenie's own models read every request and would write it again just so: nothing in it is unknown to them.
#[test]
fn opsgenies_models_take_every_request() {
    let Some(python) = python("opsgenie_sdk") else { return };
    let script = r#"
import json, sys
from opsgenie_sdk import ApiClient
api = ApiClient()
models = {'alerts': 'CreateAlertPayload', 'acknowledge': 'AcknowledgeAlertPayload', 'close': 'CloseAlertPayload'}
class Answer:
    def __init__(self, data): self.data = data
def is_theirs(path, body):
    model = models[path.split('?')[0].rsplit('/', 1)[-1]]
    return api.sanitize_for_serialization(api.deserialize(Answer(json.dumps(body)), model)) == body
count = 0
for line in sys.stdin:
    path, body = json.loads(line)
    assert is_theirs(path, body), line
    count += 1
assert not is_theirs('alerts', {'message': 'm', 'colour': 'red'})
try: is_theirs('alerts', {'message': 'm', 'priority': 'P9'}); raise SystemExit('a flaw was taken')
except ValueError: pass
print(count)
"#;
    let requests: Vec<_> = every().iter().filter_map(|told| request(told, true)).collect();
    let count = run(&python, script, &lines(requests.iter().map(|request| json!(request))));
    assert_eq!(count.trim(), requests.len().to_string());
    // Jira Service Management has another name for the details, and nothing else.
    let ours = every();
    let renamed = ours.iter().filter_map(|told| request(told, false)).map(|(path, mut body)| {
        if let Some(details) = body.as_object_mut().and_then(|body| body.remove("extraProperties")) {
            body["details"] = details;
        }
        (path, body)
    });
    assert_eq!(renamed.collect::<Vec<_>>(), requests);
}
