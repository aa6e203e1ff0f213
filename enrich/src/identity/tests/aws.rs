//! AWS.

use super::*;

const ACCOUNT: &str = "111122223333";

/// An event of CloudTrail: its number, when (seconds after 09:00), the call, who, and the rest.
fn record(number: u32, second: u32, call: &str, identity: &str, rest: &str) -> String {
    let (service, call) = call.split_once(':').unwrap();
    let time = format!("2024-05-14T09:{:02}:{:02}Z", second / 60, second % 60);
    format!(
        r#"{{"eventVersion":"1.09","eventID":"e-{number}","eventTime":"{time}","eventSource":"{service}.amazonaws.com","eventName":"{call}","awsRegion":"eu-west-1","recipientAccountId":"{ACCOUNT}","userIdentity":{identity}{rest}}}"#
    )
}

fn user(name: &str, key: &str) -> String {
    format!(
        r#"{{"type":"IAMUser","principalId":"AIDA{}","arn":"arn:aws:iam::{ACCOUNT}:user/{name}","accountId":"{ACCOUNT}","accessKeyId":"{key}","userName":"{name}"}}"#,
        name.to_uppercase()
    )
}

fn role(session: &str, key: &str, began: u32, more: &str) -> String {
    let time = format!("2024-05-14T09:{:02}:{:02}Z", began / 60, began % 60);
    format!(
        r#"{{"type":"AssumedRole","principalId":"AROA:x","arn":"{}","accountId":"{ACCOUNT}","accessKeyId":"{key}","sessionContext":{{"attributes":{{"creationDate":"{time}","mfaAuthenticated":"false"}}{more}}}}}"#,
        arn(session)
    )
}

/// The ARN of `Role/session`.
fn arn(session: &str) -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{session}")
}

/// What a call that issues a key asked for and answered.
fn issued(session: &str, key: &str, request: &str, response: &str) -> String {
    let (role, name) = session.split_once('/').unwrap();
    format!(
        r#","requestParameters":{{"roleArn":"arn:aws:iam::{ACCOUNT}:role/{role}","roleSessionName":"{name}"{request}}},"responseElements":{{"credentials":{{"accessKeyId":"{key}"}},"assumedRoleUser":{{"arn":"{}"}}{response}}}"#,
        arn(session)
    )
}

/// The answer to the OIDC token of a job.
fn job(number: u32, second: u32, subject: &str, session: &str, key: &str) -> String {
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com");
    let identity = format!(
        r#"{{"type":"WebIdentityUser","principalId":"{provider}:sts:{subject}","userName":"{subject}","identityProvider":"{provider}"}}"#
    );
    let response = format!(r#","subjectFromWebIdentityToken":"{subject}","provider":"{provider}""#);
    record(number, second, "sts:AssumeRoleWithWebIdentity", &identity, &issued(session, key, "", &response))
}

fn saml(number: u32, second: u32, issuer: &str, subject: &str, session: &str, key: &str) -> String {
    let identity = format!(
        r#"{{"type":"SAMLUser","principalId":"hash:{subject}","userName":"{subject}","identityProvider":"hash"}}"#
    );
    let response = format!(r#","subject":"{subject}","subjectType":"persistent","issuer":"{issuer}""#);
    record(number, second, "sts:AssumeRoleWithSAML", &identity, &issued(session, key, "", &response))
}

#[test]
fn a_job_is_followed_through_three_accounts() {
    let main = "repo:example/shop:ref:refs/heads/main";
    let records = [
        job(1, 0, main, "Ci/GitHubActions", "ASIAJOB1"),
        record(2, 5, "s3:GetObject", &role("Ci/GitHubActions", "ASIAJOB1", 0, ""), ""),
        record(
            3,
            6,
            "sts:AssumeRole",
            &role("Ci/GitHubActions", "ASIAJOB1", 0, ""),
            &issued("Deploy/shop", "ASIADEPLOY", "", ""),
        ),
        record(
            4,
            7,
            "sts:AssumeRole",
            &role("Deploy/shop", "ASIADEPLOY", 6, ""),
            &issued("Third/shop", "ASIATHIRD", "", ""),
        ),
        record(5, 9, "iam:CreateUser", &role("Third/shop", "ASIATHIRD", 7, ""), ""),
        // Another repository, with the same role and the session name that the action gives all of them.
        job(6, 3, "repo:example/blog:ref:refs/heads/main", "Ci/GitHubActions", "ASIAJOB2"),
        record(7, 8, "s3:GetObject", &role("Ci/GitHubActions", "ASIAJOB2", 3, ""), ""),
    ];
    let shop = format!("oidc:token.actions.githubusercontent.com#{main}");
    let blog = shop.replace("shop", "blog");
    let (shop, blog) = (shop.as_str(), blog.as_str());
    assert_eq!(actors(&records, &by_default()), [shop, shop, shop, shop, shop, blog, blog]);
}

#[test]
fn two_who_assume_one_role_are_never_one() {
    let assume = |number, second, who: &str, session: &str, key: &str| {
        record(number, second, "sts:AssumeRole", &user(who, "AKIA0"), &issued(session, key, "", ""))
    };
    let call = |number, second, session: &str, key: &str, began| {
        record(number, second, "s3:ListBuckets", &role(session, key, began, ""), "")
    };
    for (session_of_bob, second_of_bob) in [("Admin/bob", 0), ("Admin/work", 1), ("Admin/work", 0)] {
        let records = [
            assume(1, 0, "ana", "Admin/work", "ASIAANA"),
            assume(2, second_of_bob, "bob", session_of_bob, "ASIABOB"),
            call(3, 9, "Admin/work", "ASIAANA", 0),
            call(4, 9, session_of_bob, "ASIABOB", second_of_bob),
        ]
        .map(|record| record.replace("AKIA0", ""));
        let name = |who| format!("aws:user:arn:aws:iam::{ACCOUNT}:user/{who}");
        assert_eq!(actors(&records, &by_default()), ["ana", "bob", "ana", "bob"].map(name));
        let graph = graph(&records, &by_default());
        let ana = name("ana").parse().unwrap();
        assert!(!graph.component(&ana).contains(&&name("bob").parse().unwrap()));
    }
}

#[test]
fn keys_that_are_derived_from_a_session_are_known_by_it() {
    let derived = |number, key: &str, began| {
        record(
            number,
            40,
            "kms:Decrypt",
            &role("Admin/work", key, began, ""),
            r#","sessionCredentialFromConsole":"true""#,
        )
    };
    let records = [
        record(1, 0, "sts:AssumeRole", &user("ana", ""), &issued("Admin/work", "ASIA1", "", "")),
        derived(2, "ASIACONSOLE", 0),
        // A session of that name which began at another time is another one.
        derived(3, "ASIAOTHER", 20),
    ];
    let ana = format!("aws:user:arn:aws:iam::{ACCOUNT}:user/ana");
    assert_eq!(actors(&records, &by_default()), [ana.as_str(), ana.as_str(), "aws:key:ASIAOTHER"]);
    // Somebody else takes the same role in the same second under the same name.
    let bob = record(4, 0, "sts:AssumeRole", &user("bob", ""), &issued("Admin/work", "ASIA2", "", ""));
    let actors = actors(&[&records[..], &[bob]].concat(), &by_default());
    assert_eq!(actors[0..2], [ana.as_str(), "aws:key:ASIACONSOLE"]);
}

#[test]
fn the_console_goes_on_with_a_key_of_its_own() {
    let records = [
        saml(1, 0, "https://idp.example.com", "ana", "Staff/ana", "ASIASAML"),
        record(
            2,
            30,
            "sts:AssumeRole",
            &role("Staff/ana", "ASIACONSOLE", 0, ""),
            &issued("Admin/ana", "ASIAADMIN", "", ""),
        ),
        record(3, 40, "iam:CreateUser", &role("Admin/ana", "ASIAADMIN", 30, ""), ""),
    ];
    let ana = "saml:https://idp.example.com#ana";
    assert_eq!(actors(&records, &by_default()), [ana; 3]);
    // In any order, and not if another began a session of the same name and second.
    let twin = saml(4, 0, "https://idp.example.com", "eve", "Staff/ana", "ASIAEVE");
    let graph = graph(&[records[2].clone(), records[1].clone(), twin, records[0].clone()], &by_default());
    let admin = "aws:key:ASIAADMIN".parse().unwrap();
    assert!(graph.component(&admin).iter().all(|node| node.kind() != NodeKind::SamlSubject));
}

#[test]
fn single_sign_on() {
    let entra = "https://sts.windows.net/7f3c1a52-8d4e-4b6f-9a10-2c5e7d9b0f31/";
    let center = "https://portal.sso.eu-west-1.amazonaws.com/saml/assertion/MTEx";
    let store = "arn:aws:identitystore::111122223333:identitystore/d-1";
    let behalf = format!(r#""onBehalfOf":{{"userId":"u-1","identityStoreArn":"{store}"}}"#);
    let in_session = role("AWSReservedSSO_Admin_1/dave", "ASIACENTER", 1, "");
    let in_session = in_session.replacen('{', &format!("{{{behalf},"), 1);
    let records = [
        saml(1, 0, entra, "ana@example.com", "Saml/ana@example.com", "ASIASAML"),
        record(2, 5, "s3:GetObject", &role("Saml/ana@example.com", "ASIASAML", 0, ""), ""),
        record(3, 5, "ec2:RunInstances", &role("Saml/ana@example.com", "ASIACONSOLE", 0, ""), ""),
        saml(4, 1, center, "dave", "AWSReservedSSO_Admin_1/dave", "ASIACENTER"),
        record(5, 6, "s3:GetObject", &in_session, ""),
    ];
    let ana = format!("saml:{entra}#ana@example.com");
    let dave = format!("aws:identity-center:{store}#u-1");
    let (ana, dave) = (ana.as_str(), dave.as_str());
    assert_eq!(actors(&records, &by_default()), [ana, ana, ana, dave, dave]);
    assert_eq!(actors(&records, &mail())[0..3], ["mail:ana@example.com"; 3]);
}

#[test]
fn keys_belong_to_their_users() {
    let created = |asked: &str, name: &str| {
        format!(
            r#","requestParameters":{asked},"responseElements":{{"accessKey":{{"accessKeyId":"AKIANEW","userName":"{name}"}}}}"#
        )
    };
    let root = format!(
        r#"{{"type":"Root","principalId":"{ACCOUNT}","arn":"arn:aws:iam::{ACCOUNT}:root","accountId":"{ACCOUNT}","accessKeyId":"AKIAROOT"}}"#
    );
    let own = told(
        &[record(1, 0, "iam:CreateAccessKey", &user("ana", "AKIAOLD"), &created("null", "ana"))],
        &by_default(),
    );
    assert_eq!(
        own,
        [
            format!("aws:key:AKIANEW owns_key aws:user:arn:aws:iam::{ACCOUNT}:user/ana"),
            format!("aws:key:AKIAOLD owns_key aws:user:arn:aws:iam::{ACCOUNT}:user/ana"),
            format!("aws:user-id:AIDAANA same_user aws:user:arn:aws:iam::{ACCOUNT}:user/ana"),
        ]
    );
    let for_bob = created(r#"{"userName":"bob"}"#, "bob");
    let records = [
        record(1, 0, "iam:CreateAccessKey", &role("Admin/work", "ASIA1", 0, ""), &for_bob),
        record(2, 1, "s3:ListBuckets", &user("bob", "AKIANEW"), ""),
        record(3, 2, "iam:CreateAccessKey", &root, &created("null", "root").replace("AKIANEW", "AKIAROOT2")),
    ];
    let graph = graph(&records, &by_default());
    let names = |node: &str| {
        graph.component(&node.parse().unwrap()).into_iter().map(Node::as_str).collect::<Vec<_>>().join(" ")
    };
    let bob = format!("aws:user:arn:aws:iam::{ACCOUNT}:user/bob aws:user-id:AIDABOB aws:key:AKIANEW");
    assert_eq!(names("aws:key:AKIANEW"), bob);
    assert_eq!(names("aws:key:AKIAROOT"), format!("aws:root:{ACCOUNT} aws:key:AKIAROOT aws:key:AKIAROOT2"));
    assert_eq!(graph.component(&"aws:key:ASIA1".parse().unwrap()).len(), 1);
}

#[test]
fn the_other_account_knows_the_unique_id() {
    let stranger = r#"{"type":"AWSAccount","principalId":"AIDAANA","accountId":"444455556666"}"#;
    let records = [
        record(1, 0, "sts:AssumeRole", stranger, &issued("Audit/x", "ASIA1", "", "")),
        record(2, 5, "s3:ListBuckets", &role("Audit/x", "ASIA1", 0, ""), ""),
    ];
    assert_eq!(actors(&records, &by_default()), ["aws:user-id:AIDAANA"; 2]);
    let own = record(3, 6, "s3:ListBuckets", &user("ana", "AKIA1"), "");
    let ana = format!("aws:user:arn:aws:iam::{ACCOUNT}:user/ana");
    assert_eq!(actors(&[&records[..], &[own]].concat(), &by_default()), [ana.as_str(); 3]);
    // A role of another account is seen by a name that its caller chose.
    let role = stranger.replace("AIDAANA", "AROA1:work");
    let records = [record(1, 0, "sts:AssumeRole", &role, &issued("Audit/x", "ASIA1", "", ""))];
    assert_eq!(told(&records, &by_default()).len(), 1);
}

#[test]
fn services_and_failures_prove_nothing() {
    let service = r#"{"type":"AWSService","invokedBy":"lambda.amazonaws.com"}"#;
    let answer = issued("Resize/resize", "ASIA1", "", "");
    let denied = format!(r#"{answer},"errorCode":"AccessDenied""#);
    let records = [
        record(1, 0, "sts:AssumeRole", service, &answer),
        record(2, 0, "sts:AssumeRole", &user("ana", "AKIA1"), &denied),
        // A call of that name to another service, and a long-lived key as an answer.
        record(3, 0, "evil:AssumeRole", &role("A/b", "ASIA7", 0, ""), &answer),
        record(4, 0, "sts:AssumeRole", &role("A/b", "ASIA7", 0, ""), &answer.replace("ASIA1", "AKIA9")),
    ];
    assert_eq!(told(&records, &by_default()), Vec::<String>::new());
    assert_eq!(actors(&records, &by_default())[0], "-");
}

#[test]
fn a_source_identity_counts_if_configured() {
    let config = IdentityConfig { source_identity: true, ..IdentityConfig::default() };
    let named = |who: &str| format!(r#","sourceIdentity":"{who}""#);
    let call = |number, key: &str| record(number, 9, "s3:ListBuckets", &role("App/x", key, 0, ""), "");
    // A broker takes sessions for two people; one of them goes on to another role.
    let broker = |began| role("Broker/i-1", "ASIABROKER", began, "");
    let anas = role("App/x", "ASIAANA", 1, &named("ana"));
    let records = [
        record(1, 1, "sts:AssumeRole", &broker(0), &issued("App/x", "ASIAANA", &named("ana"), "")),
        record(2, 2, "sts:AssumeRole", &broker(0), &issued("App/x", "ASIABOB", &named("bob"), "")),
        record(3, 3, "sts:AssumeRole", &anas, &issued("Next/x", "ASIANEXT", &named("ana"), "")),
        call(4, "ASIAANA"),
        call(5, "ASIABOB"),
        call(6, "ASIANEXT"),
    ];
    let source = |who| format!("aws:source-identity:{who}");
    assert_eq!(actors(&records, &config)[3..], [source("ana"), source("bob"), source("ana")]);
    assert_eq!(actors(&records, &config)[0], "aws:key:ASIABROKER");
    // By default the broker is who called, in every session.
    let by_caller = actors(&records, &by_default());
    assert!(by_caller.iter().all(|who| *who == by_caller[0]), "{by_caller:?}");
    // A user who names themself is that.
    let own =
        [record(1, 0, "sts:AssumeRole", &user("ana", ""), &issued("App/x", "ASIAANA", &named("ana"), ""))];
    assert_eq!(graph(&own, &config).component(&source("ana").parse().unwrap()).len(), 5);
}

#[test]
fn a_federation_token_belongs_to_the_user_that_asked() {
    let answer = format!(
        r#","requestParameters":{{"name":"guest"}},"responseElements":{{"credentials":{{"accessKeyId":"ASIAFED"}},"federatedUser":{{"arn":"arn:aws:sts::{ACCOUNT}:federated-user/guest"}}}}"#
    );
    let guest = format!(
        r#"{{"type":"FederatedUser","principalId":"{ACCOUNT}:guest","arn":"arn:aws:sts::{ACCOUNT}:federated-user/guest","accountId":"{ACCOUNT}","accessKeyId":"ASIAFED"}}"#
    );
    let records = [
        record(1, 0, "sts:GetFederationToken", &user("ana", ""), &answer),
        record(2, 1, "s3:ListBuckets", &guest, ""),
    ];
    let ana = format!("aws:user:arn:aws:iam::{ACCOUNT}:user/ana");
    assert_eq!(actors(&records, &by_default()), [ana.as_str(); 2]);
}

#[test]
fn sightings_keep_the_earliest_and_the_latest() {
    let call = |number, second| record(number, second, "s3:ListBuckets", &user("ana", "AKIA1"), "");
    let records = [call(1, 30), call(2, 10), call(3, 50), call(4, 10)];
    let batch = events(&records);
    let all = links_of(&batch, &by_default());
    let owns = all.iter().find(|link| link.kind() == LinkKind::OwnsKey).unwrap();
    assert_eq!(owns.until_us() - owns.from_us(), 40_000_000);
    // However the rows are cut into batches.
    let mut one_by_one = IdentityGraph::new(10);
    for row in [2, 0, 3, 1] {
        for link in links(&batch, row..row + 1, &by_default()) {
            one_by_one.add(&link);
        }
    }
    assert_eq!(one_by_one.link(owns.id()).as_ref(), Some(owns));
    assert!(links(&batch, 4..9, &by_default()).is_empty());
}
