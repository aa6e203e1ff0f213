//! Mapping files wherever records are read: the server's commands over files, tests of rules, history, sources.

use std::path::Path;

use serde_json::Value;

use crate::running::{outcome, run};

const BY_SHAPE: &str = "name: shop_orders
when: {has: [orderId]}
time: ts
uid: [orderId]
class_uid: 6003
activity: {path: action, values: {new: Create, cancel: Delete}, default: Other}
columns: {api_operation: action, actor_user_name: user.login}
";

const BY_SOURCE: &str = "name: till
sources: [till]
time: at
class_uid: 6003
columns: {api_operation: what, actor_user_name: who}
";

const RULES: &str = "title: Order cancelled
id: 3f0c8f5e-0b4c-4a57-9d39-5f1d7c1b2a01
name: order_cancelled
logsource: {product: custom}
detection:
  selection: {metadata.log_name: [shop_orders, till], api.operation: cancel}
  condition: selection
level: high
";

const TESTS: &str = "rule: order_cancelled
tests:
  - name: an order is cancelled
    record: {orderId: 7, ts: '2026-03-02T10:00:00Z', action: cancel}
    match: true
  - name: an order is made
    record: {orderId: 7, ts: '2026-03-02T10:00:00Z', action: new}
    match: false
  - name: at the till
    source: till
    record: {at: '2026-03-02T10:00:00Z', what: cancel, who: bo}
    match: true
";

const ORDERS: &str = r#"{"orderId":1,"ts":"2026-03-01T10:00:00Z","action":"new","user":{"login":"ana"}}
{"orderId":2,"ts":"2026-03-01T10:00:01Z","action":"cancel","user":{"login":"ana"}}
"#;

const TILL: &str = r#"{"at":"2026-03-01T10:00:02Z","what":"cancel","who":"bo"}
"#;

struct Shop {
    folder: tempfile::TempDir,
    config: String,
}

impl Shop {
    /// A shop whose configuration names its mappings, or does not.
    fn new(has_mappings: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for below in ["mappings", "rules", "logs"] {
            std::fs::create_dir(folder.path().join(below)).unwrap();
        }
        for (name, text) in [
            ("mappings/shop.yml", BY_SHAPE),
            ("mappings/till.yaml", BY_SOURCE),
            ("rules/shop.yml", RULES),
            ("rules/shop.test.yml", TESTS),
            ("logs/orders.ndjson", ORDERS),
            ("till.ndjson", TILL),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mappings =
            if has_mappings { format!("mappings = [\"{}\"]\n", at("mappings")) } else { String::new() };
        let text = format!(
            "data = \"{}\"\n[ingest]\n{mappings}[rules]\nshipped = false\npaths = [\"{}\"]\n\
             [[sources]]\nname = \"orders\"\ntype = \"files\"\npaths = [\"{}\"]\n",
            at("data"),
            at("rules"),
            at("logs")
        );
        let config = at("stormglass.toml");
        std::fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> String {
        run(&[&["--config", self.config.as_str()][..], arguments].concat())
    }
}

fn matches(out: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let found: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        (text("title"), text("actor"))
    };
    out.lines().map(line).collect()
}

#[test]
fn rules_run_reads_by_shape_and_by_source() {
    let shop = Shop::new(true);
    let cancelled = |actor: &str| ("Order cancelled".to_owned(), actor.to_owned());
    assert_eq!(matches(&shop.run(&["rules", "run", &shop.path("logs")])), [cancelled("ana")]);
    let till = shop.path("till.ndjson");
    assert_eq!(matches(&shop.run(&["rules", "run", "--source", "till", &till])), [cancelled("bo")]);
    // Without its name it is of no known log, and that is said.
    let unnamed = outcome(&["--config", &shop.config, "rules", "run", &till]);
    let said = String::from_utf8_lossy(&unnamed.stderr).into_owned();
    assert!(unnamed.stdout.is_empty() && said.contains("1 unknown_log_type"), "{said}");
    let bad = outcome(&["--config", &shop.config, "rules", "run", "--source", "No Name", &till]);
    assert_eq!(bad.status.code(), Some(2));
    let none = Shop::new(false);
    let said = outcome(&["--config", &none.config, "rules", "run", &none.path("logs")]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("2 unknown_log_type"), "{said:?}");
}

#[test]
fn rules_explain_and_test_read_by_mappings() {
    let shop = Shop::new(true);
    let place = format!("{}:1", shop.path("logs/orders.ndjson"));
    let text = shop.run(&["rules", "explain", "order_cancelled", &place]);
    assert!(text.contains("custom, 2026-03-01T10:00:01") && text.contains(": matches"), "{text}");
    let till = shop.path("till.ndjson");
    let text = shop.run(&["rules", "explain", "order_cancelled", "--source", "till", &till]);
    assert!(text.contains(": matches"), "{text}");

    let out = outcome(&["--config", &shop.config, "rules", "test"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.contains("3 tests: 3 passed, 0 failed"), "{out:?}");
    let none = Shop::new(false);
    let out = outcome(&["--config", &none.config, "rules", "test", &none.path("rules")]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&out.stdout).contains("the record is no event: unknown_log_type"),
        "{out:?}"
    );
}

#[test]
fn history_is_searched_by_what_mappings_made_of_it() {
    let shop = Shop::new(true);
    shop.run(&["ingest", "--source", "web", &shop.path("logs")]);
    shop.run(&["ingest", "--source", "till", &shop.path("till.ndjson")]);
    let found = shop.run(&["rules", "backtest", "order_cancelled", "--since", "2026-03-01", "--json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["alerts"], &found["events"]), (&2.into(), &3.into()), "{found}");
}

#[test]
fn a_source_is_tested_with_its_mapping() {
    let shop = Shop::new(true);
    let told = shop.run(&["sources", "test", "orders"]);
    assert!(told.contains("understand: good: 2 would become events, 0 dead letters"), "{told}");
    let none = Shop::new(false);
    let told = outcome(&["--config", &none.config, "sources", "test", "orders"]);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(said.contains("0 would become events, 2 dead letters"), "{said}");
    assert_eq!(told.status.code(), Some(1));
}

#[test]
fn a_broken_mapping_is_named_by_every_command() {
    let shop = Shop::new(true);
    std::fs::write(
        Path::new(&shop.path("mappings/shop.yml")),
        "name: shop_orders\nwhen: {has: [orderId]}\ntime: ts\nclass_uid: 17\n",
    )
    .unwrap();
    let logs = shop.path("logs");
    for arguments in [&["rules", "run", &logs][..], &["rules", "test"], &["sources", "test", "orders"]] {
        let out = outcome(&[&["--config", shop.config.as_str()][..], arguments].concat());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("shop.yml:4") && said.contains("class_uid"), "{said}");
    }
}
