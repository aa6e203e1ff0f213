//! Whether a source can work, right by right: each that is missing is named, all in one run.

use cloudfake::kafka::{Operation, PASSWORD, Resource};
use ingest::kafka::{KafkaSasl, KafkaSecurity, KafkaTls, check_kafka};
use ingest::{CheckOutcome, CheckStep, SecretReference};

use super::*;
use crate::{mend, steps};

async fn check(config: KafkaConfig) -> Vec<CheckStep> {
    let now_us = || chrono::Utc::now().timestamp_micros();
    check_kafka(config, SourceId::new("kafka"), now_us).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_missing_right_is_named_in_one_run() {
    let Some(kafka) = kafka() else { return };
    for topic in ["check-hidden", "check-known", "check-free", "check-empty"] {
        kafka.make_topic(topic, 2).await;
    }
    send(kafka, "check-known", 1, &events(0..3));
    send(kafka, "check-free", 1, &events(0..3));
    let topic = Resource::Topic;
    kafka.allow("nobody", Operation::Read, topic("check-hidden")).unwrap();
    kafka.allow("carol", Operation::Describe, topic("check-known")).unwrap();
    kafka.allow("carol", Operation::Read, topic("check-free")).unwrap();
    kafka.allow("carol", Operation::Read, topic("check-empty")).unwrap();
    kafka.allow("nobody", Operation::Read, Resource::Group("check-group")).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let password = SecretReference::File(password);
    let tls = KafkaTls { ca: Some(kafka.folder.join("ca.pem")), ..KafkaTls::default() };
    let carol = |password: SecretReference| KafkaConfig {
        brokers: vec![kafka.sasl.clone()],
        topics: ["check-hidden", "check-known", "check-free", "check-empty"].map(String::from).into(),
        group: Some("check-group".into()),
        security: KafkaSecurity {
            tls: Some(tls.clone()),
            sasl: Some(KafkaSasl::Plain { user: "carol".into(), password }),
        },
        ..config(kafka, "check-free")
    };
    let found = check(carol(password.clone())).await;
    let failed = ["describe check-hidden", "read check-known", "group check-group"];
    assert_eq!(steps(&found, CheckOutcome::Failed), failed, "{found:#?}");
    let good =
        ["cluster", "describe check-empty", "read check-empty", "describe check-free", "read check-free"];
    assert_eq!(
        steps(&found, CheckOutcome::Good),
        [&good[..], &["describe check-known"]].concat(),
        "{found:#?}"
    );
    let command = |rest: &str| {
        let broker = &kafka.sasl;
        format!(
            "allow it: `kafka-acls.sh --bootstrap-server {broker} --add --allow-principal User:carol --operation {rest}`"
        )
    };
    assert_eq!(
        mend(&found, "describe check-hidden"),
        command("Read --operation Describe --topic check-hidden")
    );
    assert_eq!(mend(&found, "read check-known"), command("Read --topic check-known"));
    assert_eq!(mend(&found, "group check-group"), command("Read --group check-group"));

    // What was told is done: nothing is missing.
    kafka.allow("carol", Operation::Read, topic("check-hidden")).unwrap();
    kafka.allow("carol", Operation::Read, topic("check-known")).unwrap();
    kafka.allow("carol", Operation::Read, Resource::Group("check-group")).unwrap();
    let found = check(carol(password)).await;
    assert_eq!(steps(&found, CheckOutcome::Failed), [""; 0], "{found:#?}");
    assert_eq!(found.len(), 10, "{found:#?}");

    // Who cannot sign in, and a topic that is not there.
    std::fs::write(folder.path().join("wrong"), "wr0ng").unwrap();
    let found = check(carol(SecretReference::File(folder.path().join("wrong")))).await;
    assert_eq!(steps(&found, CheckOutcome::Failed), ["cluster"], "{found:#?}");
    assert!(
        mend(&found, "cluster").contains("`sasl`") && !format!("{found:?}").contains("wr0ng"),
        "{found:#?}"
    );
    let found = check(config(kafka, "check-nothing")).await;
    assert!(mend(&found, "describe check-nothing").contains("make the topic"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_moves_no_group() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("check-moves", 1).await;
    send(kafka, "check-moves", 0, &events(0..60));
    let member = || KafkaConfig { group: Some("check-moves-group".into()), ..config(kafka, "check-moves") };
    let mut reader = Reader::open(member(), &BTreeMap::new());
    reader.until_count(60).await;
    // While it has a member, and after that.
    let found = check(member()).await;
    assert_eq!(steps(&found, CheckOutcome::Failed), [""; 0], "{found:#?}");
    drop(reader);
    let found = check(member()).await;
    assert_eq!(steps(&found, CheckOutcome::Failed), [""; 0], "{found:#?}");
    send(kafka, "check-moves", 0, &events(60..70));
    let mut reader = Reader::open(member(), &BTreeMap::new());
    reader.until("the new ones", |reader| reader.texts().len() >= 10).await;
    assert!(reader.records.len() < 60, "what was committed stays: {}", reader.records.len());
}
