//! What is told goes into topics of a real Apache Kafka, over every way to sign in.

use std::path::Path;

use cloudfake::kafka::{Kafka, PASSWORD, kafka};
use serde_json::Value;

use crate::running::{Server, outcome, run};

/// A channel of the configuration; `more` are its settings besides those of all.
fn channel(name: &str, brokers: &str, topic: &str, more: &str) -> String {
    format!(
        "[[channels]]\nname = \"{name}\"\nkind = \"kafka\"\nbrokers = [\"{brokers}\"]\ntopic = \"{topic}\"\n{more}\n\n"
    )
}

/// Channels that deliver, and channels that do not with what they say of it.
fn channels(kafka: &Kafka, folder: &Path) -> (Vec<String>, Vec<(&'static str, &'static str)>, String) {
    let file = |name: &str| kafka.folder.join(name).to_string_lossy().into_owned();
    let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let secret = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        format!("file:{}", path.to_string_lossy())
    };
    let (right, wrong) = (secret("right", PASSWORD), secret("wrong", "hunter2"));
    let sasl = |mechanism: &str, user: &str, password: &str| {
        format!("ca_file = {ca:?}\nsasl = \"{mechanism}\"\nuser = \"{user}\"\npassword = {password:?}")
    };
    let mutual =
        format!("ca_file = {ca:?}\ncertificate = {certificate:?}\nkey = {key:?}\nkey_password = {right:?}");
    let good = [
        ("open", kafka.plain.as_str(), "tls = false".to_owned()),
        ("plain", &kafka.sasl, sasl("plain", "alice", &right)),
        ("scram-256", &kafka.sasl, sasl("scram-sha-256", "bob", &right)),
        ("scram-512", &kafka.sasl, format!("format = \"ocsf\"\n{}", sasl("scram-sha-512", "bob", &right))),
        ("mutual", &kafka.mutual, mutual),
    ];
    let refused = "check the user, the secret and the mechanism of `sasl`";
    let bad = [
        ("plain-wrong", kafka.sasl.as_str(), sasl("plain", "alice", &wrong), refused),
        ("scram-wrong", &kafka.sasl, sasl("scram-sha-256", "bob", &wrong), refused),
        ("nobody", &kafka.sasl, sasl("scram-sha-512", "mallory", &right), refused),
        (
            "untrusted",
            &kafka.sasl,
            sasl("plain", "alice", &right).replace(&format!("ca_file = {ca:?}\n"), ""),
            "name the authority of the brokers' certificates",
        ),
        ("no-certificate", &kafka.mutual, format!("ca_file = {ca:?}"), ""),
    ];
    let mut text = String::new();
    for (name, brokers, more) in &good {
        text.push_str(&channel(name, brokers, "told", more));
    }
    for (name, brokers, more, _) in &bad {
        text.push_str(&channel(name, brokers, "told", more));
    }
    text.push_str(&channel("no-topic", &kafka.plain, "not-there", "tls = false"));
    let mut refusals: Vec<_> = bad.iter().map(|(name, _, _, says)| (*name, *says)).collect();
    refusals.push(("no-topic", "make the topic"));
    // The port of a broker that is gone.
    text.push_str(&channel("gone", "127.0.0.1:1", "told", "tls = false"));
    refusals.push(("gone", "(retry): "));
    (good.iter().map(|(name, ..)| (*name).to_owned()).collect(), refusals, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_told_over_every_way_to_sign_in() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("told", 3).await;
    tokio::task::block_in_place(|| {
        let root = tempfile::tempdir().unwrap();
        let (good, bad, text) = channels(kafka, root.path());
        let config = root.path().join("stormglass.toml");
        std::fs::write(&config, text).unwrap();
        let config = config.to_string_lossy().into_owned();
        let settings = [("STORMGLASS_CONFIG", config.as_str()), ("STORMGLASS_RULES_SHIPPED", "false")];
        let server = Server::start(&root.path().join("data"), &settings);
        for name in &good {
            let told = run(&["--url", &server.url, "notify", "test", name]);
            assert!(told.contains(&format!("`{name}` took the test")), "{told}");
        }
        let messages = kafka.read("told", good.len());
        assert_eq!(messages.len(), good.len());
        let mut keys = std::collections::BTreeSet::new();
        for name in &good {
            let title = format!("A test of the channel {name}");
            let message = messages.iter().find(|message| message.payload.contains(&title)).unwrap();
            let said: Value = serde_json::from_str(&message.payload).unwrap();
            let thread = match name.as_str() {
                "scram-512" => {
                    assert_eq!(message.headers["content-type"], "application/json; class=2004");
                    assert_eq!(
                        (&said["class_uid"], &said["finding_info"]["title"]),
                        (&2_004.into(), &title.into())
                    );
                    &said["metadata"]["correlation_uid"]
                }
                _ => {
                    assert_eq!(message.headers["content-type"], "application/json");
                    assert_eq!(said["type"], "alert.test");
                    &said["data"]["thread"]
                }
            };
            assert_eq!(*thread, message.key.as_str());
            keys.insert(message.headers["webhook-id"].clone());
        }
        assert_eq!(keys.len(), good.len());
        // Each waits for what librdkafka tries again; together they wait once.
        std::thread::scope(|scope| {
            for (name, says) in bad {
                let url = &server.url;
                scope.spawn(move || {
                    let tried = outcome(&["--url", url, "notify", "test", name]);
                    let told = String::from_utf8_lossy(&tried.stdout).into_owned();
                    assert!(!tried.status.success() && told.contains(says), "{name}: {told}");
                    assert!(!told.contains("hunter2") && !told.contains(PASSWORD), "{name}: {told}");
                });
            }
        });
        server.terminate();
    });
}
