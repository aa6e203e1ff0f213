//! Whether a source can work, right by right: each that is missing is named, all in one run.

use std::time::Duration;

use cloudfake::{Fault, Github, Okta, Proxy, Signer, Workspace, answer};
use ingest::github::{GithubAccess, GithubConfig, GithubOwner};
use ingest::google_workspace::WorkspaceConfig;
use ingest::http_list::{HttpAuth, HttpListConfig, Paging, TimeFormat};
use ingest::okta::{OktaAccess, OktaConfig};
use ingest::{CheckOutcome, CheckStep, ListPurpose, ListSource, Result};
use serde_json::json;

use super::http_list::config as list;
use super::workspace::SCOPE;
use super::{NOW_S, key, secret};
use crate::{mend, options, steps};

const FAILED: CheckOutcome = CheckOutcome::Failed;
const HOUR: Duration = Duration::from_secs(3_600);

async fn check(lists: impl Fn(ListPurpose, fn() -> i64) -> Result<ListSource>) -> Vec<CheckStep> {
    let now_us = options(1).now_us;
    lists(ListPurpose::Check, now_us).unwrap().check(now_us()).await
}

#[tokio::test]
async fn the_scope_or_role_that_okta_misses_is_named() {
    let okta = Okta::new("s3cret", NOW_S);
    let fake = Okta::serve(&okta).await;
    let folder = tempfile::tempdir().unwrap();
    let with = |url: &str, access: OktaAccess| OktaConfig {
        url: url.to_owned(),
        access,
        filter: String::new(),
        lookback: HOUR,
        every: Duration::from_secs(1),
    };
    let token = |text: &str| OktaAccess::Token(secret(folder.path(), text, text));
    let found = check(|purpose, now_us| with(&fake.url, token("s3cret")).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, CheckOutcome::Good), ["credentials", "logs"], "{found:#?}");
    assert_eq!(found[1].grant, "okta.logs.read");
    let found = check(|purpose, now_us| with(&fake.url, token("wr0ng")).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["logs"], "{found:#?}");
    assert!(mend(&found, "logs").contains("make another"), "{found:#?}");
    assert!(!format!("{found:?}").contains("wr0ng"));
    // A user without a role.
    let body = r#"{"errorCode":"E0000006","errorSummary":"You do not have permission to perform the requested action"}"#;
    let proxy = Proxy::start(&fake.url, move |_| answer("403 Forbidden", "", body)).await;
    let found = check(|purpose, now_us| with(&proxy.url, token("s3cret")).lists(purpose, now_us)).await;
    assert!(mend(&found, "logs").contains("Read-only Administrator"), "{found:#?}");
    // A file that is not there.
    let nowhere = OktaAccess::Token(ingest::SecretReference::File(folder.path().join("none")));
    let found = check(|purpose, now_us| with(&fake.url, nowhere.clone()).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["credentials"], "{found:#?}");
    assert_eq!(steps(&found, CheckOutcome::Skipped), ["logs"], "{found:#?}");

    let Some((private, public_key)) = key(folder.path(), false) else { return };
    let app = |client_id: &str| OktaAccess::App {
        client_id: client_id.into(),
        key: secret(folder.path(), "app.pem", &private),
        key_id: String::new(),
    };
    let signer = Signer { id: "0oa1".into(), public_key };
    okta.lock().app = Some((signer, vec!["okta.users.read".into()]));
    let found = check(|purpose, now_us| with(&fake.url, app("0oa1")).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["credentials"], "{found:#?}");
    assert!(mend(&found, "credentials").contains("grant the app the scope `okta.logs.read`"), "{found:#?}");
    let found = check(|purpose, now_us| with(&fake.url, app("0oa2")).lists(purpose, now_us)).await;
    assert!(mend(&found, "credentials").contains("`client_id`"), "{found:#?}");
}

#[tokio::test]
async fn the_scope_or_permission_that_github_misses_is_named() {
    let github = Github::new("ghp_s3cret", NOW_S);
    github.lock().weak_tokens.push("ghp_weak".into());
    let fake = Github::serve(&github).await;
    let folder = tempfile::tempdir().unwrap();
    let with = |access: GithubAccess| GithubConfig {
        url: fake.url.clone(),
        owner: GithubOwner::Organization("example".into()),
        access,
        include: "all".into(),
        lookback: HOUR,
        every: Duration::from_secs(60),
        settle: Duration::ZERO,
        overlap: Duration::from_secs(600),
        again_after: Some(HOUR),
    };
    let token = |text: &str| with(GithubAccess::Token(secret(folder.path(), text, text)));
    let found = check(|purpose, now_us| token("ghp_s3cret").lists(purpose, now_us)).await;
    assert_eq!(steps(&found, CheckOutcome::Good), ["credentials", "audit_log"], "{found:#?}");
    for (text, told) in
        [("ghp_weak", "give the token the scope `read:audit_log`"), ("ghp_old", "was revoked")]
    {
        let found = check(|purpose, now_us| token(text).lists(purpose, now_us)).await;
        assert_eq!(steps(&found, FAILED), ["audit_log"], "{found:#?}");
        assert!(mend(&found, "audit_log").contains(told), "{found:#?}");
        assert_eq!(found[1].grant, "read:audit_log");
    }
    let Some((private, public_key)) = key(folder.path(), true) else { return };
    github.lock().app = Some(Signer { id: "4711".into(), public_key });
    let app = |installation_id| {
        let key = secret(folder.path(), "app.pem", &private);
        with(GithubAccess::App { app_id: "4711".into(), installation_id, key })
    };
    let found = check(|purpose, now_us| app(8).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["credentials"], "{found:#?}");
    assert!(mend(&found, "credentials").contains("`installation_id`"), "{found:#?}");
    // The installation's token is good, and may not read the administration.
    github.lock().uses = 0;
    let found = check(|purpose, now_us| app(7).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["audit_log"], "{found:#?}");
    let body = r#"{"message":"Resource not accessible by integration"}"#;
    github.lock().uses = 100;
    let proxy = Proxy::start(&fake.url, move |seen| match seen.head.contains("audit-log") {
        true => answer("403 Forbidden", "", body),
        false => Fault::Pass,
    })
    .await;
    let config = GithubConfig { url: proxy.url.clone(), ..app(7) };
    let found = check(|purpose, now_us| config.lists(purpose, now_us)).await;
    assert!(mend(&found, "audit_log").contains("`Administration: read-only`"), "{found:#?}");
}

#[tokio::test]
async fn what_workspace_misses_is_named_for_each_application() {
    let folder = tempfile::tempdir().unwrap();
    let Some((private, public_key)) = key(folder.path(), false) else { return };
    let workspace = Workspace::new(NOW_S);
    let fake = Workspace::serve(&workspace).await;
    let account = "reader@example.iam.gserviceaccount.com";
    let signer = Signer { id: account.into(), public_key };
    workspace.lock().account = Some((signer.clone(), "admin@example.com".into(), vec![SCOPE.into()]));
    workspace.lock().unlicensed = vec!["chat".into()];
    let file = json!({
        "type": "service_account", "client_email": account, "private_key": private,
        "token_uri": format!("{}/token", fake.url),
    });
    let config = WorkspaceConfig {
        key: secret(folder.path(), "key.json", &file.to_string()),
        subject: "admin@example.com".into(),
        applications: ["login", "chat", "admin"].map(String::from).into(),
        url: fake.url.clone(),
        lookback: HOUR,
        every: Duration::from_secs(300),
        overlap: Duration::from_secs(600),
        again_after: Some(HOUR),
    };
    let found = check(|purpose, now_us| config.lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["chat"], "{found:#?}");
    assert_eq!(steps(&found, CheckOutcome::Good), ["credentials", "login", "admin"], "{found:#?}");
    assert!(mend(&found, "chat").contains("the privilege Reports"), "{found:#?}");
    // Without the delegation no list can be tried.
    workspace.lock().account = Some((signer, "admin@example.com".into(), Vec::new()));
    let found = check(|purpose, now_us| config.lists(purpose, now_us)).await;
    assert_eq!(steps(&found, FAILED), ["credentials"], "{found:#?}");
    assert_eq!(steps(&found, CheckOutcome::Skipped).len(), 3, "{found:#?}");
    let told = mend(&found, "credentials");
    assert!(told.contains("Domain-wide delegation") && told.contains(SCOPE), "{told}");
}

#[tokio::test]
async fn a_list_that_refuses_says_whether_the_secret_or_a_right_is_wrong() {
    let github = Github::new("s3cret", NOW_S);
    let fake = Github::serve(&github).await;
    let folder = tempfile::tempdir().unwrap();
    let config = |url: &str| HttpListConfig {
        records: String::new(),
        time: TimeFormat::Rfc3339,
        paging: Paging::Link,
        auth: HttpAuth::Bearer(secret(folder.path(), "bearer", "s3cret")),
        ..list(folder.path(), format!("{url}/orgs/example/audit-log?phrase=created:{{start}}..{{end}}"))
    };
    let found = check(|purpose, now_us| config(&fake.url).lists(purpose, now_us)).await;
    assert_eq!(steps(&found, CheckOutcome::Good), ["credentials", "list"], "{found:#?}");
    for (status, told) in [
        ("401 Unauthorized", "does not take the secret"),
        ("403 Forbidden", "give it the right to read"),
        ("404 Not Found", "check `url`"),
        ("400 Bad Request", "check the placeholders"),
    ] {
        let proxy = Proxy::start(&fake.url, move |_| answer(status, "", "{}")).await;
        let found = check(|purpose, now_us| config(&proxy.url).lists(purpose, now_us)).await;
        assert_eq!(steps(&found, FAILED), ["list"], "{found:#?}");
        assert!(mend(&found, "list").contains(told), "{found:#?}");
    }
}
