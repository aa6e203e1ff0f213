//! Input that nobody should send.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One record of each kind that carries evidence, with `text` wherever an identity could stand.
fn records(text: &str) -> Vec<String> {
    let issued = json!({
        "credentials": {"accessKeyId": format!("ASIA{text}")},
        "assumedRoleUser": {"arn": format!("arn:aws:sts::1:assumed-role/R/{text}")},
        "issuer": text, "subject": text, "provider": text, "subjectFromWebIdentityToken": text,
    });
    let aws = |number: u32, call: &str, kind: &str| {
        json!({
            "eventVersion": "1.08", "eventID": format!("e-{number}"), "eventTime": "2024-05-14T09:00:00Z",
            "eventSource": "sts.amazonaws.com", "eventName": call, "awsRegion": "eu-west-1",
            "userIdentity": {
                "type": kind, "principalId": format!("AIDA{text}"), "accountId": text, "userName": text,
                "arn": format!("arn:aws:iam::1:user/{text}"), "accessKeyId": format!("AKIA{text}"),
                "identityProvider": text,
                "onBehalfOf": {"userId": text, "identityStoreArn": format!("arn:aws:identitystore::{text}")},
            },
            "requestParameters": {"roleArn": text, "roleSessionName": text, "sourceIdentity": text},
            "responseElements": issued,
        })
    };
    let google = json!({
        "insertId": "1", "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        "timestamp": "2024-05-14T09:00:00Z",
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "sts.googleapis.com",
            "methodName": "google.identity.sts.v1.SecurityTokenService.ExchangeToken",
            "authenticationInfo": {
                "principalEmail": text, "principalSubject": format!("user:{text}"),
                "serviceAccountDelegationInfo": [{"principalSubject": text}],
            },
            "metadata": {"mapped_principal": format!("principal://x/subject/{text}")},
            "resourceName": text,
        },
    });
    let mut records = Vec::new();
    for kind in
        ["IAMUser", "Root", "AssumedRole", "FederatedUser", "AWSAccount", "SAMLUser", "WebIdentityUser"]
    {
        for call in ["AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "CreateAccessKey"] {
            records.push(aws(records.len() as u32, call, kind));
        }
    }
    records.push(google);
    records.iter().map(Value::to_string).collect()
}

fn everything_on() -> IdentityConfig {
    let provider = PoolProvider { resource: "x".into(), issuer: "https://x".into() };
    IdentityConfig { source_identity: true, pool_providers: vec![provider], ..mail() }
}

#[test]
fn any_text_makes_nodes_that_read_back() {
    let huge = "x#@".repeat(20_000);
    for text in ["", " ", "#", "@", "@example.com", "\u{0}\n\r\t", "a#b@c:d/e~", "\u{202e}\u{feff}", &huge] {
        let batch = events(&records(text));
        for link in links_of(&batch, &everything_on()) {
            for node in [link.a(), link.b()] {
                assert!(node.as_str().len() <= 512 && !node.as_str().chars().any(char::is_control));
                assert_eq!(node.as_str().parse::<Node>().as_ref(), Ok(node));
            }
        }
        let actors = Actors::of(&batch);
        for row in 0..batch.len() {
            assert_eq!(actors.get(row), actor(&batch, row).as_ref());
        }
    }
}

#[test]
fn rows_that_do_not_exist_are_nobody() {
    assert_eq!(actor(&EventBatch::empty(), 7), None);
    assert!(links(&EventBatch::empty(), 3..9, &by_default()).is_empty());
    assert!(Actors::of(&EventBatch::empty()).distinct().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn nothing_panics(text in "\\PC{0,20}", other in "[\\x00-\\x7f]{0,20}") {
        for text in [text, other] {
            let batch = events(&records(&text));
            let mut graph = IdentityGraph::new(50);
            for link in links_of(&batch, &everything_on()) {
                graph.add(&link);
            }
            prop_assert!(graph.len() <= 50);
        }
    }

    #[test]
    fn odd_json_is_ignored(json in "[\\[\\]{}\":,a-z0-9]{0,30}") {
        // In the place of each object that is read.
        let record = records("a")[1].replace("\"issuer\":\"a\"", &format!("\"issuer\":{}", Value::from(json)));
        links_of(&events(&[record]), &everything_on());
    }
}
