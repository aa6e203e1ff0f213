//! Whether a source can work, right by right: each that is missing is named, all in one run.

use cloudfake::azure::Azure;
use ingest::azure::{
    ActivityLogConfig, CONTENT_TYPES, GraphConfig, GraphLog, ManagementActivityConfig, StorageConfig,
    check_activity_log,
};
use ingest::{CheckOutcome, CheckStep, Environment, ListPurpose, SecretReference};

use super::azurite::{ACCOUNT, Azurite, KEY};
use super::{NOW_S, access, event};
use crate::{mend, options, steps};

const ONE: &str = "11111111-0000-4000-8000-000000000001";
const TWO: &str = "22222222-0000-4000-8000-000000000002";
const FAILED: CheckOutcome = CheckOutcome::Failed;
const GOOD: CheckOutcome = CheckOutcome::Good;

#[tokio::test]
async fn the_role_that_a_subscription_or_the_tenant_misses_is_named() {
    let azure = Azure::start(NOW_S).await;
    let folder = tempfile::tempdir().unwrap();
    for subscription in [ONE, TWO, ""] {
        let events = vec![event(&format!("{subscription}#1"), NOW_S - 3_000, 0)];
        azure.state().activity.insert(subscription.into(), events);
    }
    let config = ActivityLogConfig {
        access: access(&folder, &azure.url),
        endpoint: azure.url.clone(),
        subscriptions: vec![ONE.into(), TWO.into()],
        tenant_log: true,
        ..ActivityLogConfig::default()
    };
    let check = async |config: &ActivityLogConfig| -> Vec<CheckStep> {
        azure.end_tokens();
        check_activity_log(config, &Environment::default(), options(1).now_us).await
    };
    let (one, two) = (format!("subscriptions/{ONE}"), format!("subscriptions/{TWO}"));
    let all = [&one, &two, "tenant"];
    // Each right missing alone, and named with its scope.
    let rights = [format!("Reader/{ONE}"), format!("Reader/{TWO}"), "Reader/".to_owned()];
    for (missing, name) in all.iter().enumerate() {
        let others = rights.iter().enumerate().filter(|(place, _)| *place != missing);
        azure.state().applications[0].grants = others.map(|(_, grant)| grant.clone()).collect();
        let found = check(&config).await;
        assert_eq!(steps(&found, FAILED), [*name], "{found:#?}");
        assert_eq!(steps(&found, GOOD).len(), 3, "{found:#?}");
        let scope = if *name == "tenant" { "--scope /".to_owned() } else { format!("--scope /{name}") };
        let told = mend(&found, name);
        assert!(told.contains("Monitoring Reader") && told.contains(&scope), "{told}");
        assert!(found.iter().skip(1).all(|step| step.grant == "Microsoft.Insights/eventtypes/values/read"));
    }
    // Where subscriptions are looked for, nobody sees what they may not read.
    let looking = ActivityLogConfig { subscriptions: Vec::new(), tenant_log: false, ..config.clone() };
    azure.state().applications[0].grants.clear();
    let found = check(&looking).await;
    assert_eq!(steps(&found, FAILED), ["subscriptions"], "{found:#?}");
    azure.state().applications[0].grants = rights.iter().cloned().collect();
    let found = check(&looking).await;
    assert_eq!(steps(&found, GOOD), ["subscriptions", "credentials", &one, &two], "{found:#?}");
    // A secret that is wrong: nothing is tried with it.
    std::fs::write(folder.path().join("secret"), "wr0ng").unwrap();
    let found = check(&config).await;
    assert_eq!(steps(&found, FAILED), ["credentials"], "{found:#?}");
    assert_eq!(steps(&found, CheckOutcome::Skipped), all, "{found:#?}");
    assert!(mend(&found, "credentials").contains("the secret is wrong"), "{found:#?}");
    assert!(!format!("{found:?}").contains("wr0ng"));
}

#[tokio::test]
async fn the_permission_that_a_log_of_graph_misses_is_named() {
    let azure = Azure::start(NOW_S).await;
    azure.state().graph_limit = (100, std::time::Duration::from_secs(1));
    azure.state().risk_limit = (100, std::time::Duration::from_secs(1));
    let folder = tempfile::tempdir().unwrap();
    let config = GraphConfig {
        access: access(&folder, &azure.url),
        endpoint: azure.url.clone(),
        logs: GraphLog::ALL.to_vec(),
        gap: std::time::Duration::ZERO,
        ..GraphConfig::default()
    };
    let check = async || {
        let lists = config.lists(&Environment::default(), options(1).now_us).unwrap();
        lists.check((options(1).now_us)()).await
    };
    let all = ["AuditLog.Read.All", "SecurityAlert.Read.All"];
    let all = [all, ["IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All"]].concat();
    for (missing, count) in all.iter().zip([6, 1, 1, 1]) {
        let others = all.iter().filter(|grant| *grant != missing);
        azure.state().applications[0].grants = others.map(|grant| (*grant).to_owned()).collect();
        let found = check().await;
        assert_eq!(steps(&found, FAILED).len(), count, "{found:#?}");
        assert_eq!(found.len(), 10, "{found:#?}");
        for step in found.iter().filter(|step| step.outcome == FAILED) {
            assert!(step.grant == *missing && step.mend.contains(&format!("`{missing}`")), "{step:?}");
        }
    }
    azure.state().has_risk_licence = false;
    azure.grant(&all);
    let found = check().await;
    assert_eq!(steps(&found, FAILED), ["risk_detections", "risky_users"], "{found:#?}");
    assert!(mend(&found, "risk_detections").contains("Entra ID P1 or P2"), "{found:#?}");
    azure.state().has_risk_licence = true;
    // One that is busy is asked again.
    azure.state().graph_limit = (3, std::time::Duration::from_millis(500));
    azure.grant(&["AuditLog.Read.All"]);
    assert_eq!(steps(&check().await, FAILED), [""; 0]);
}

#[tokio::test]
async fn the_permission_that_a_content_type_misses_is_named_and_nothing_is_subscribed_to() {
    let azure = Azure::start(NOW_S).await;
    let folder = tempfile::tempdir().unwrap();
    let config = |subscribe| ManagementActivityConfig {
        access: access(&folder, &azure.url),
        endpoint: azure.url.clone(),
        content_types: CONTENT_TYPES.map(String::from).into(),
        subscribe,
        ..ManagementActivityConfig::default()
    };
    let check = async |subscribe| {
        let now_us = options(1).now_us;
        let lists = config(subscribe).lists(&Environment::default(), ListPurpose::Check, now_us).unwrap();
        lists.check(now_us()).await
    };
    azure.grant(&["ActivityFeed.Read"]);
    let found = check(true).await;
    assert_eq!(steps(&found, FAILED), ["DLP.All"], "{found:#?}");
    assert!(mend(&found, "DLP.All").contains("`ActivityFeed.ReadDlp`"), "{found:#?}");
    assert!(azure.state().subscriptions.is_empty(), "a check changes nothing");
    // Whoever does not subscribe needs to be subscribed.
    let found = check(false).await;
    assert_eq!(steps(&found, FAILED), CONTENT_TYPES, "{found:#?}");
    assert!(mend(&found, "Audit.General").contains("subscribe = true"), "{found:#?}");
    azure.state().applications[0].grants = ["ActivityFeed.ReadDlp".to_owned()].into();
    let found = check(true).await;
    assert_eq!(steps(&found, FAILED), CONTENT_TYPES, "{found:#?}");
    assert!(mend(&found, "Audit.General").contains("`ActivityFeed.Read`"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_and_reading_of_blobs_are_told_apart() {
    let Some(azurite) = Azurite::start().await else { return };
    azurite.container("logs").await;
    azurite.container("none").await;
    azurite.block_blob("logs/a.json", "{}").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signature");
    let config = StorageConfig {
        account: ACCOUNT.into(),
        containers: vec!["logs".into(), "none".into(), "gone".into()],
        signature: Some(SecretReference::File(path.clone())),
        endpoint: Some(azurite.url.clone()),
        ..StorageConfig::default()
    };
    let check = async |permissions: &str| {
        std::fs::write(&path, azurite.signature(permissions)).unwrap();
        config.check_access(&Environment::default(), options(1).now_us).await
    };
    let address = |what: &str, name: &str| format!("{what} az://{ACCOUNT}/{name}/");
    let (list, read) = (address("list", "logs"), address("read", "logs"));
    let gone = address("list", "gone");
    let found = check("rl").await;
    // A container that is not there is no matter of rights, and the others are tried all the same.
    assert_eq!(steps(&found, FAILED), [&*gone], "{found:#?}");
    assert_eq!(steps(&found, GOOD), [&*list, &*read, &*address("list", "none")], "{found:#?}");
    let found = check("l").await;
    assert_eq!(steps(&found, FAILED), [&*read, &*gone], "{found:#?}");
    assert!(mend(&found, &read).contains("misses `sp=r`"), "{found:#?}");
    let found = check("r").await;
    assert_eq!(steps(&found, FAILED).first(), Some(&&*list), "{found:#?}");
    assert!(mend(&found, &list).contains("misses `sp=l`"), "{found:#?}");
    // A key that is wrong.
    let wrong = folder.path().join("key");
    std::fs::write(&wrong, KEY.replace("Eby8", "Abc8")).unwrap();
    let config =
        StorageConfig { signature: None, account_key: Some(SecretReference::File(wrong)), ..config.clone() };
    let found = config.check_access(&Environment::default(), options(1).now_us).await;
    assert!(mend(&found, &list).contains("the account's key"), "{found:#?}");
    assert!(!format!("{found:?}").contains("Abc8"));
}
