//! One person under several names: correlations by actor follow the evidence, whenever it comes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use alerts::{AlertFilter, StoredAlert, Verdict};
use rules::{RuleSet, RuleSource};

use crate::records::batch_of;
use crate::running::{Running, Settings, until};

const ROLE: &str = "arn:aws:sts::444455556666:assumed-role/Admin/work";

fn rules() -> Arc<RuleSet> {
    let mut text = String::new();
    for name in ["GetSecretValue", "StopLogging"] {
        text += &format!(
            "title: {name}\nid: {name}\nname: {name}\nlevel: low\n\
             logsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{selection: {{eventName: {name}}}, condition: selection}}\n---\n"
        );
    }
    text += "title: then\nid: then\nlevel: high\n\
             correlation: {type: temporal_ordered, rules: [GetSecretValue, StopLogging], group-by: [actor], timespan: 1h}\n";
    let loaded = rules::load(&[RuleSource { path: "t.yml".into(), text }]);
    assert_eq!(loaded.rules.correlations().len(), 1, "{:?}", loaded.diagnostics);
    Arc::new(loaded.rules)
}

fn record(id: &str, minute: usize, identity: &str, rest: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{identity},"eventTime":"2026-03-01T10:{minute:02}:00Z",{rest},"awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","requestID":"r{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

fn user(name: &str) -> String {
    format!(
        r#"{{"type":"IAMUser","principalId":"AIDA{name}","arn":"arn:aws:iam::111122223333:user/{name}","accountId":"111122223333","accessKeyId":"AKIA{name}","userName":"{name}"}}"#
    )
}

fn session(key: &str) -> String {
    format!(
        r#"{{"type":"AssumedRole","principalId":"AROAX:work","arn":"{ROLE}","accountId":"444455556666","accessKeyId":"{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAX","arn":"arn:aws:iam::444455556666:role/Admin","accountId":"444455556666","userName":"Admin"}},"attributes":{{"creationDate":"2026-03-01T10:05:00Z","mfaAuthenticated":"false"}}}}}}"#
    )
}

/// A secret read as `who`, the role taken, logging stopped with the role's key.
fn story(who: &str, key: &str) -> [String; 3] {
    let read = r#""eventSource":"secretsmanager.amazonaws.com","eventName":"GetSecretValue""#;
    let take = format!(
        r#""eventSource":"sts.amazonaws.com","eventName":"AssumeRole","requestParameters":{{"roleArn":"arn:aws:iam::444455556666:role/Admin","roleSessionName":"work"}},"responseElements":{{"credentials":{{"accessKeyId":"{key}","expiration":"Mar 1, 2026, 11:05:00 AM","sessionToken":"t"}},"assumedRoleUser":{{"assumedRoleId":"AROAX:work","arn":"{ROLE}"}}}}"#
    );
    let stop = r#""eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging""#;
    [
        record(&format!("{who}1"), 1, &user(who), read),
        record(&format!("{who}2"), 5, &user(who), &take),
        record(&format!("{who}3"), 9, &session(key), stop),
    ]
}

fn settings() -> Settings {
    let mut settings = Settings::committing();
    settings.rules = rules();
    settings
}

fn standing(running: &Running) -> Vec<StoredAlert> {
    let page = running.alerts.list(&AlertFilter::default(), None, 100).unwrap();
    page.alerts.into_iter().filter(|stored| stored.verdict != Some(Verdict::Refuted)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_followed_into_a_role_whenever_the_evidence_comes() {
    let story = story("ana", "ASIAANA00000000000001");
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let data = tempfile::tempdir().unwrap();
        let mut running = Running::open(data.path(), &settings()).await;
        for (at, index) in order.into_iter().enumerate() {
            running.take(&[batch_of("a", &[&story[index]], 5)]).await;
            if at == 1 {
                running.close().await;
                running = Running::open(data.path(), &settings()).await;
            }
        }
        let alerts = standing(&running);
        assert_eq!(alerts.len(), 1, "{order:?}");
        let joined = alerts[0].alert.joined.clone().unwrap();
        let who = ("actor".to_owned(), "aws:user:arn:aws:iam::111122223333:user/ana".to_owned());
        assert_eq!((joined.by, joined.events), (vec![who], 2));
        running.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_a_person_is_known_by_all_of_them() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &settings()).await;
    let identities = pipeline::Identities::new(running.state.clone());
    identities.look().unwrap();
    let ana = "aws:user:arn:aws:iam::111122223333:user/ana";
    assert_eq!(identities.identity("AKIAana"), None);
    let (_, place) = identities.changed_since(None);
    running.take(&[batch_of("a", &story("ana", "ASIAANA00000000000001"), 5)]).await;
    identities.look().unwrap();
    for name in ["AKIAana", "ASIAANA00000000000001", "arn:aws:iam::111122223333:user/ana", "aws:key:AKIAana"]
    {
        assert_eq!(identities.identity(name).as_deref(), Some(ana), "{name}");
    }
    assert_eq!(identities.identity(ROLE), None, "a role is nobody's");
    let (pipeline::Changed::Names(changed), place) = identities.changed_since(Some(place)) else {
        panic!("links were added only");
    };
    assert!(changed.contains("AKIAana") && changed.contains("aws:key:AKIAana"), "{changed:?}");
    let none = (pipeline::Changed::Names(HashSet::new()), place);
    assert_eq!(identities.changed_since(Some(place)), none);
    let mut links = Vec::new();
    running.state.read(|db| storage::remembered::links(db, |link| links.push(link))).unwrap();
    for link in &links {
        let undone =
            |txn: &storage::state::Txn<'_>| storage::remembered::undo_link(txn, &link.id, "d", "w", 1);
        running.state.write(undone).unwrap();
    }
    identities.look().unwrap();
    assert_eq!(identities.identity("AKIAana"), None);
    assert_eq!(identities.changed_since(Some(place)).0, pipeline::Changed::Any);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_in_one_role_stay_two() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &settings()).await;
    let [read, take, _] = story("ana", "ASIAANA00000000000001");
    let [_, also_take, stop] = story("bob", "ASIABOB00000000000001");
    running.take(&[batch_of("a", &[read, take, also_take, stop], 5)]).await;
    assert_eq!(standing(&running).len(), 0, "what one has read and another has done is no sequence");
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undone_link_takes_its_alerts_back() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &settings()).await;
    let story = story("ana", "ASIAANA00000000000001");
    running.take(&[batch_of("a", &story, 5)]).await;
    assert_eq!(standing(&running).len(), 1);
    let mut links = Vec::new();
    running.state.read(|db| storage::remembered::links(db, |link| links.push(link))).unwrap();
    for link in &links {
        running
            .state
            .write(|txn| storage::remembered::undo_link(txn, &link.id, "dana", "not her", 1))
            .unwrap();
    }
    running.pipeline.link_undone();
    until("the alert to be taken back", || standing(&running).is_empty()).await;
    // The same evidence, delivered in another event, is not believed.
    running.take(&[batch_of("a", &[story[1].replace("ana2", "ana9")], 6)]).await;
    assert_eq!(standing(&running).len(), 0);
    running.close().await;
    let running = Running::open(data.path(), &settings()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(standing(&running).len(), 0);
    running.close().await;
}
