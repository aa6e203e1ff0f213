//! A source of Azure, by a real server against fakes of Entra and Resource Manager: refused and mended, read,
//! killed and read on.

use cloudfake::azure::{Azure, Event, TENANT};
use serde_json::json;

use crate::running::{outcome, run, sql};
use crate::sources::{World, source, until};

const SUBSCRIPTION: &str = "11111111-0000-4000-8000-000000000001";

fn event(n: i64, now_s: i64) -> Event {
    let time_s = now_s - 600 - n;
    let time = chrono::DateTime::from_timestamp(time_s, 0).unwrap().format("%Y-%m-%dT%H:%M:%S.1234567Z");
    let record = json!({
        "authorization": {"action": "Microsoft.Compute/virtualMachines/delete", "scope": format!("/subscriptions/{SUBSCRIPTION}")},
        "caller": "dana@example.com", "eventTimestamp": time.to_string(), "eventDataId": format!("event-{n}"),
        "correlationId": format!("call-{n}"), "level": "Informational", "subscriptionId": SUBSCRIPTION,
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "operationName": {"value": "Microsoft.Compute/virtualMachines/delete", "localizedValue": "Delete Virtual Machine"},
        "resourceId": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm-{n}"),
        "status": {"value": "Succeeded"}, "httpRequest": {"clientIpAddress": "192.0.2.9", "method": "DELETE"},
    });
    Event { time_s, visible_s: 0, id: format!("event-{n:03}"), record }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_activity_log_is_mended_read_and_read_on_after_a_kill() {
    let now_s = chrono::Utc::now().timestamp();
    let azure = Azure::start(now_s).await;
    azure.state().page_size = 6;
    azure.state().activity.insert(SUBSCRIPTION.into(), (0..20).map(|n| event(n, now_s)).collect());
    let world = World::new(&format!(
        "[[sources]]\nname = \"activity\"\ntype = \"azure_activity_log\"\nsubscriptions = [\"{SUBSCRIPTION}\"]\n\
         tenant = \"{TENANT}\"\nclient_id = \"app\"\nclient_secret = \"file:@/secret\"\nauthority = \"{url}\"\n\
         endpoint = \"{url}\"\nevery = \"1 s\"\nsettle = \"1 s\"\n",
        url = azure.url
    ));
    world.append("secret", "s3cret\n");
    let test = || {
        let output = tokio::task::block_in_place(|| {
            outcome(&["--config", &world.config(), "sources", "test", "activity"])
        });
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains("s3cret"));
        (output.status.success(), said)
    };
    let (is_good, said) = test();
    assert!(!is_good && said.contains("403 `AuthorizationFailed`"), "{said}");
    let scope = format!("--role \"Monitoring Reader\" --scope /subscriptions/{SUBSCRIPTION}`");
    assert!(said.contains("mend: assign a role") && said.contains(&scope), "{said}");
    azure.grant(&[&format!("Reader/{SUBSCRIPTION}")]);
    let (is_good, said) = test();
    assert!(is_good && said.contains("6 would become events, 0 dead letters"), "{said}");
    let shown = tokio::task::block_in_place(|| run(&["--config", &world.config(), "config", "show"]));
    assert!(!shown.contains("s3cret"), "{shown}");

    tokio::task::block_in_place(|| {
        let server = world.start();
        until("all is read", || source(&server, "activity")["rows"] == 20);
        server.kill();
        azure
            .state()
            .activity
            .entry(SUBSCRIPTION.into())
            .or_default()
            .extend((20..25).map(|n| event(n, now_s)));
        // The overlap of an hour finds what is late and what came before.
        let server = world.start();
        until("what is new is read", || source(&server, "activity")["rows"] == 25);
        let account = source(&server, "activity");
        assert_eq!((&account["unaccounted"], &account["dead_letters"]), (&0.into(), &0.into()), "{account}");
        server.terminate();
    });
    let rows = sql(
        &world.data(),
        "SELECT count(*) AS n, count(DISTINCT metadata_uid) AS ids, min(log_type) AS kind, min(actor_user_name) AS who FROM events",
    );
    assert_eq!(rows[0], json!({"n": 25, "ids": 25, "kind": "azure_activity", "who": "dana@example.com"}));
}
