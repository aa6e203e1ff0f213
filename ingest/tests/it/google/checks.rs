//! Whether a source can work, right by right: each that is missing is named, all in one run.

use cloudfake::google::Google;
use cloudfake::{Fault, Proxy, Seen, answer};
use ingest::google::{Environment, GoogleAccess, LoggingConfig, PubSubConfig, SccConfig, check_pubsub};
use ingest::{CheckOutcome, CheckStep};
use serde_json::json;

use super::servers::{PubSub, Storage};
use super::{anonymous, config, entry};
use crate::{mend, options, steps};

const FAILED: CheckOutcome = CheckOutcome::Failed;

/// As Google refuses a permission.
fn denied(permission: &str) -> Fault {
    let message = format!("Permission '{permission}' denied on resource (or it may not exist).");
    let error = json!({"code": 403, "message": message, "status": "PERMISSION_DENIED"});
    answer("403 Forbidden", "content-type: application/json\r\n", &json!({"error": error}).to_string())
}

fn refusing(word: &'static str, permission: &'static str) -> impl FnMut(&Seen) -> Fault + Send {
    move |seen| if seen.head.contains(word) { denied(permission) } else { Fault::Pass }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_that_a_subscription_or_its_objects_miss_is_named() {
    let Some(pubsub) = PubSub::start(json!({})).await else { return };
    let Some(storage) = Storage::start(&pubsub).await else { return };
    storage.put("a.json", entry("a")).await;
    let settings = PubSubConfig {
        buckets: vec!["logs".into()],
        ..config(GoogleAccess { anonymous: true, ..GoogleAccess::default() })
    };
    let check = async |messages: &str, objects: &str| -> Vec<CheckStep> {
        let environment = Environment {
            pubsub_emulator: Some(messages.to_owned()),
            storage_emulator: Some(objects.to_owned()),
            ..Environment::default()
        };
        check_pubsub(&settings, &environment, options(1).now_us).await
    };
    let found = check(&pubsub.url, &storage.url).await;
    let all = ["credentials", "subscription", "pull", "list gs://logs", "object"];
    assert_eq!(steps(&found, CheckOutcome::Good), all, "{found:#?}");
    // The message was given back: it comes again.
    let found = check(&pubsub.url, &storage.url).await;
    let pull = found.iter().find(|step| step.name == "pull").unwrap();
    assert!(
        pull.detail.starts_with("1 message came") && pull.grant == "pubsub.subscriptions.consume",
        "{pull:?}"
    );

    let spare = CheckOutcome::Spare;
    for (word, permission, step, outcome, told) in [
        ("GET /v1/", "pubsub.subscriptions.get", "subscription", spare, "roles/pubsub.viewer"),
        (":pull", "pubsub.subscriptions.consume", "pull", FAILED, "roles/pubsub.subscriber"),
        ("/b/logs/o?maxResults", "storage.objects.list", "list gs://logs", spare, "gs://logs --member"),
        ("/b/logs/o/", "storage.objects.get", "object", FAILED, "--role=roles/storage.objectViewer"),
    ] {
        let messages = Proxy::start(&pubsub.url, refusing(word, permission)).await;
        let objects = Proxy::start(&storage.url, refusing(word, permission)).await;
        let found = check(&messages.url, &objects.url).await;
        assert_eq!(steps(&found, outcome), [step], "{found:#?}");
        assert_eq!(steps(&found, CheckOutcome::Good).len(), 4, "{found:#?}");
        assert!(mend(&found, step).contains(told), "{found:#?}");
        assert!(found.iter().any(|step| step.grant == permission), "{found:#?}");
    }
}

#[tokio::test]
async fn the_role_that_a_list_misses_is_named_for_each() {
    let google = Google::start(true).await;
    let logging = |url: &str| LoggingConfig {
        access: anonymous(url),
        resources: vec!["projects/p-1".into(), "projects/forbidden".into(), "folders/7".into()],
        ..LoggingConfig::default()
    };
    let now_us = options(1).now_us;
    let lists = logging(&google.url).lists(&Environment::default(), now_us).unwrap();
    let found = lists.check(now_us()).await;
    assert_eq!(steps(&found, FAILED), ["projects/forbidden"], "{found:#?}");
    assert_eq!(steps(&found, CheckOutcome::Good), ["credentials", "projects/p-1", "folders/7"], "{found:#?}");
    assert!(mend(&found, "projects/forbidden").contains("roles/logging.viewer"), "{found:#?}");

    let refusal = refusing("organizations/1/", "securitycenter.findings.list");
    let proxy = Proxy::start(&google.url, refusal).await;
    let config = SccConfig {
        access: anonymous(&proxy.url),
        parents: vec!["organizations/1".into(), "projects/p".into()],
        ..SccConfig::default()
    };
    let found = config.lists(&Environment::default(), now_us).unwrap().check(now_us()).await;
    assert_eq!(steps(&found, FAILED), ["organizations/1"], "{found:#?}");
    assert!(mend(&found, "organizations/1").contains("roles/securitycenter.findingsViewer"), "{found:#?}");
    assert!(found.iter().skip(1).all(|step| step.grant == "securitycenter.findings.list"), "{found:#?}");
}
