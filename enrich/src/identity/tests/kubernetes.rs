//! Kubernetes clusters, and services that people sign in to.

use super::*;

fn event(number: u32, user: &str, rest: &str) -> String {
    format!(
        r#"{{"kind":"Event","auditID":"{number}","stage":"ResponseComplete","verb":"get","requestURI":"/api","user":{{{user}}},"responseStatus":{{"code":200}},"requestReceivedTimestamp":"2024-05-14T09:00:0{number}Z"{rest}}}"#
    )
}

fn eks(number: u32, key: &str, arn: &str) -> String {
    let extra = format!(r#""extra":{{"accessKeyId":["{key}"],"arn":["{arn}"]}}"#);
    event(number, &format!(r#""username":"admin","uid":"aws-iam-authenticator:111122223333:X",{extra}"#), "")
}

fn assume_role(key: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventID":"a1","eventTime":"2024-05-14T08:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE"}},"requestParameters":{{"roleArn":"arn:aws:iam::111122223333:role/Admin","roleSessionName":"x"}},"responseElements":{{"credentials":{{"accessKeyId":"{key}"}},"assumedRoleUser":{{"arn":"arn:aws:sts::111122223333:assumed-role/Admin/x"}}}}}}"#
    )
}

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/Admin/x";

#[test]
fn the_key_behind_a_name_of_eks_leads_to_the_person() {
    let records = [
        assume_role("ASIAEXAMPLE1"),
        eks(1, "ASIAEXAMPLE1", SESSION),
        // The same name in the cluster and the same session's name, another key.
        eks(2, "ASIAEXAMPLE2", SESSION),
        eks(3, "AKIAEXAMPLE", "arn:aws:iam::111122223333:user/ana"),
    ];
    let ana = "aws:user:arn:aws:iam::111122223333:user/ana";
    assert_eq!(actors(&records, &by_default()), [ana, ana, "aws:key:ASIAEXAMPLE2", ana]);
}

#[test]
fn a_long_lived_key_is_its_users() {
    let records = [eks(1, "AKIAEXAMPLE", "arn:aws:iam::111122223333:user/ana")];
    let expected = ["aws:key:AKIAEXAMPLE owns_key aws:user:arn:aws:iam::111122223333:user/ana"];
    assert_eq!(told(&records, &by_default()), expected);
}

#[test]
fn names_hold_within_a_cluster() {
    let records = [
        event(1, r#""username":"ana@example.com""#, ""),
        event(2, r#""username":"system:serviceaccount:shop:web""#, ""),
        event(3, r#""username":"system:kube-scheduler""#, ""),
        event(4, r#""username":"system:anonymous""#, ""),
        event(5, r#""username":"system:serviceaccount:shop""#, ""),
        event(6, "", ""),
    ];
    let expected =
        ["k8s:user:test#ana@example.com", "k8s:user:test#system:serviceaccount:shop:web", "-", "-", "-", "-"];
    assert_eq!(actors(&records, &by_default()), expected);
    assert!(told(&records, &by_default()).is_empty());
    let told = told(&records, &mail());
    assert_eq!(told, ["k8s:user:test#ana@example.com same_mail mail:ana@example.com"]);
}

#[test]
fn a_service_account_is_the_subject_of_its_clusters_tokens() {
    let issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
    let config = IdentityConfig {
        cluster_issuers: vec![ClusterIssuer { source: "test".into(), issuer: issuer.into() }],
        ..IdentityConfig::default()
    };
    let name = "system:serviceaccount:shop:web";
    let web_identity = format!(
        r#"{{"eventVersion":"1.08","eventID":"w1","eventTime":"2024-05-14T08:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRoleWithWebIdentity","userIdentity":{{"type":"WebIdentityUser","userName":"{name}","identityProvider":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"}},"requestParameters":{{"roleArn":"arn:aws:iam::111122223333:role/Web","roleSessionName":"x"}},"responseElements":{{"credentials":{{"accessKeyId":"ASIAEXAMPLE9"}}}}}}"#
    );
    let records = [web_identity, event(1, &format!(r#""username":"{name}""#), "")];
    let same = format!("oidc:oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE#{name}");
    assert_eq!(actors(&records, &config), [same.as_str(), same.as_str()]);
    let alone = format!("k8s:user:test#{name}");
    assert_eq!(actors(&records, &by_default()), [same, alone]);
}

#[test]
fn acting_as_somebody_else_joins_nothing() {
    let bob = r#","impersonatedUser":{"username":"bob"}"#;
    let records = [
        event(1, r#""username":"ana""#, bob),
        event(2, r#""username":"eve""#, bob).replace(r#""code":200"#, r#""code":403"#),
    ];
    assert_eq!(told(&records, &by_default()), ["k8s:user:test#ana impersonates k8s:user:test#bob"]);
    assert_eq!(actors(&records, &by_default()), ["k8s:user:test#ana", "k8s:user:test#eve"]);
}

#[test]
fn object_ids_of_aks_are_those_of_entra() {
    let id = "11111111-2222-4333-8444-555555555555";
    let person =
        format!(r#""username":"ana@example.com","extra":{{"oid":["{id}"],"upn":["ana@example.com"]}}"#);
    let app = format!(r#""username":"{id}","extra":{{"oid":["{id}"]}}"#);
    let records = [event(1, &person, ""), event(2, &app, "")];
    assert_eq!(actors(&records, &by_default()), [format!("entra:user:{id}"), format!("entra:sp:{id}")]);
    assert_eq!(told(&records, &mail()), [format!("entra:user:{id} same_mail mail:ana@example.com")]);
}

fn okta(number: u32, result: &str) -> String {
    format!(
        r#"{{"eventType":"user.session.start","published":"2024-05-14T09:00:0{number}Z","uuid":"{number}","actor":{{"id":"00u1","type":"User","alternateId":"Ana@example.com"}},"outcome":{{"result":"{result}"}}}}"#
    )
}

fn github(number: u32) -> String {
    format!(
        r#"{{"@timestamp":171567840000{number},"_document_id":"{number}","action":"repo.create","actor":"Ana-1","org":"example","external_identity_nameid":"ana@example.com"}}"#
    )
}

#[test]
fn a_trusted_address_ties_the_services_together() {
    let entra = "11111111-2222-4333-8444-555555555555";
    let m365 = format!(
        r#"{{"CreationTime":"2024-05-14T09:00:00","Id":"m1","Operation":"UserLoggedIn","Workload":"AzureActiveDirectory","RecordType":15,"ResultStatus":"Success","UserId":"ana@example.com","UserKey":"{entra}","UserType":0}}"#
    );
    let workspace = r#"{"id":{"time":"2024-05-14T09:00:00Z","applicationName":"login","uniqueQualifier":"1"},"actor":{"email":"ana@example.com"},"events":[{"type":"login","name":"login_success"}]}"#;
    let records = [okta(1, "SUCCESS"), github(2), m365, workspace.to_owned()];
    let alone =
        ["okta:user:00u1", "github:user:ana-1", &format!("entra:user:{entra}"), "gcp:user:ana@example.com"];
    assert_eq!(actors(&records, &by_default()), alone);
    assert_eq!(actors(&records, &mail()), vec![format!("entra:user:{entra}"); 4]);
    assert!(told(&[okta(1, "FAILURE")], &mail()).is_empty());
}
