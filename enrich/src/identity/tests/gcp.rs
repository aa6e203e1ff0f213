//! Google Cloud.

use super::*;

const POOL: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci";
const CI: &str = "ci@p.iam.gserviceaccount.com";

fn record(number: u32, service: &str, method: &str, who: &str, rest: &str) -> String {
    format!(
        r#"{{"insertId":"{number}","logName":"projects/p/logs/cloudaudit.googleapis.com%2Fdata_access","timestamp":"2024-05-14T09:00:0{number}Z","protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"{service}.googleapis.com","methodName":"{method}","authenticationInfo":{{{who}}}{rest}}}}}"#
    )
}

/// A call as a service account, with the chain of delegation to it.
fn delegated(number: u32, account: &str, chain: &str) -> String {
    let who = format!(
        r#""principalEmail":"{account}","principalSubject":"serviceAccount:{account}","serviceAccountDelegationInfo":[{chain}]"#
    );
    record(number, "compute", "v1.compute.instances.insert", &who, "")
}

fn first_party(address: &str) -> String {
    format!(r#"{{"firstPartyPrincipal":{{"principalEmail":"{address}"}}}}"#)
}

fn exchange(number: u32, outside: &str, inside: &str) -> String {
    let who = format!(r#""principalSubject":"{outside}""#);
    let rest = format!(
        r#","resourceName":"{}/providers/github","metadata":{{"@type":"type.googleapis.com/google.identity.sts.v1.AuditData","mapped_principal":"principal:{inside}"}}"#,
        POOL.trim_start_matches("//iam.googleapis.com/")
    );
    record(number, "sts", "google.identity.sts.v1.SecurityTokenService.ExchangeToken", &who, &rest)
}

fn github() -> IdentityConfig {
    let issuer = "https://token.actions.githubusercontent.com".to_owned();
    let provider = PoolProvider { resource: format!("{POOL}/providers/github"), issuer };
    IdentityConfig { pool_providers: vec![provider], ..IdentityConfig::default() }
}

#[test]
fn the_first_of_the_chain_acts_and_is_not_the_account() {
    let ana = first_party("ana@example.com");
    let middle = first_party("middle@p.iam.gserviceaccount.com");
    let records = [
        delegated(1, CI, &ana),
        delegated(2, CI, &format!("{},{middle}", first_party("bob@example.com"))),
        record(3, "storage", "storage.objects.get", &format!(r#""principalEmail":"{CI}""#), ""),
    ];
    let account = format!("gcp:sa:{CI}");
    let expected = ["gcp:user:ana@example.com", "gcp:user:bob@example.com", &account];
    assert_eq!(actors(&records, &by_default()), expected);
    let expected = ["ana", "bob"].map(|who| format!("gcp:user:{who}@example.com impersonates {account}"));
    assert_eq!(told(&records, &by_default()), expected);
    let graph = graph(&records, &by_default());
    for node in expected.iter().filter_map(|link| link.split(' ').next()) {
        assert_eq!(graph.component(&node.parse().unwrap()).len(), 1);
    }
}

#[test]
fn agents_of_google_are_behind_nothing() {
    let agent = first_party("service-12@compute-system.iam.gserviceaccount.com");
    let records =
        [delegated(1, CI, &agent), delegated(2, CI, &format!("{agent},{}", first_party("ana@example.com")))];
    assert_eq!(actors(&records, &by_default()), [format!("gcp:sa:{CI}"), "gcp:user:ana@example.com".into()]);
}

#[test]
fn what_a_third_party_claims_is_no_address() {
    let claimed = r#"{"thirdPartyPrincipal":{"thirdPartyClaims":{"sub":"ceo@example.com"}}}"#;
    let of_pool = format!(r#"{{"principalSubject":"principal:{POOL}/subject/repo:example/shop"}}"#);
    let records =
        [delegated(1, CI, claimed), delegated(2, CI, &of_pool), exchange(3, "ceo@example.com", "x")];
    let subject = format!("gcp:principal:{POOL}/subject/repo:example/shop");
    assert_eq!(actors(&records, &mail()), [format!("gcp:sa:{CI}"), subject.clone(), "-".into()]);
    assert_eq!(told(&records, &mail()), [format!("{subject} impersonates gcp:sa:{CI}")]);
}

#[test]
fn asking_for_a_token_is_acting() {
    let ana = r#""principalEmail":"ana@example.com","principalSubject":"user:ana@example.com""#;
    let asked = format!(r#","request":{{"name":"projects/-/serviceAccounts/{CI}"}}"#);
    let denied = format!(r#"{asked},"status":{{"code":7}}"#);
    let records = [
        record(1, "iamcredentials", "GenerateAccessToken", ana, &asked),
        record(2, "iamcredentials", "SignJwt", &ana.replace("ana", "bob"), &denied),
    ];
    assert_eq!(told(&records, &by_default()), [format!("gcp:user:ana@example.com impersonates gcp:sa:{CI}")]);
}

#[test]
fn a_job_is_one_identity_in_two_clouds() {
    let subject = "repo:example/shop:ref:refs/heads/main";
    let inside = format!("{POOL}/subject/{subject}");
    let call = |number| {
        let who = format!(r#""principalSubject":"principal:{inside}""#);
        record(number, "storage", "storage.objects.get", &who, "")
    };
    let records = [exchange(1, subject, &inside), call(2)];
    let job = format!("oidc:token.actions.githubusercontent.com#{subject}");
    assert_eq!(actors(&records, &github()), [job.as_str(); 2]);
    // Without the provider's issuer the pool's own name remains.
    let principal = format!("gcp:principal:{inside}");
    assert_eq!(actors(&records, &by_default()), [principal.as_str(); 2]);
    // A mapping by repository would make one of all branches.
    let coarse = exchange(1, subject, &format!("{POOL}/subject/example/shop"));
    assert!(told(&[coarse], &github()).is_empty());
}

#[test]
fn people_of_a_workforce_pool_may_be_known_by_address() {
    let who = |pool: &str| {
        format!(
            r#""principalSubject":"principal://iam.googleapis.com/locations/global/{pool}/subject/ana@example.com""#
        )
    };
    let call = |number, pool| record(number, "storage", "storage.objects.get", &who(pool), "");
    let records = [call(1, "workforcePools/staff"), call(2, "workloadIdentityPools/ci")];
    assert_eq!(told(&records, &mail()).len(), 1);
    assert_eq!(actors(&records, &mail())[0], "mail:ana@example.com");
}
