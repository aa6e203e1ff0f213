//! Clients of the vendors against the fakes that the collectors are tested with: Okta's SDK, GitHubKit (made
//! from GitHub's OpenAPI), Google's client with its discovery document.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloudfake::{Github, Okta, Signer, Workspace};
use serde_json::json;

use super::{github, key, okta, workspace};

/// What `clients.py` prints; `None`, loudly, where the clients are missing.
fn run(kind: &str, modules: &str, url: &str, folder: &Path) -> Option<Vec<String>> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_owned());
    let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/saas/clients.py"));
    let has = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "{modules} are missing; scripts/need installs them");
        println!("skipped: {python} has no {modules}; `scripts/need test` installs them");
        return None;
    }
    let output = Command::new(python).arg(script).args([kind, url]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// The clients have clocks of their own.
fn real_now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Runs a client, while the clock of what it calls goes on: a client may take long to load.
async fn beside<T>(set_clock: impl Fn(i64) + Send + 'static, client: impl FnOnce() -> T) -> T {
    let clock = tokio::spawn(async move {
        loop {
            set_clock(real_now_s());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let read = tokio::task::block_in_place(client);
    clock.abort();
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oktas_sdk_reads_our_okta() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_, public_key)) = key(folder.path(), false) else { return };
    let now_s = real_now_s();
    let state = Okta::new("s3cret", now_s);
    state.lock().app = Some((Signer { id: "0oa1".into(), public_key }, vec!["okta.logs.read".into()]));
    state.lock().events = (0..250).map(|n| okta::event(n, now_s - 1_000 + n, now_s - 500)).collect();
    let fake = Okta::serve(&state).await;
    let fakes = state.clone();
    let client = || run("okta", "okta.client", &fake.url, folder.path());
    let read = beside(move |now_s| fakes.lock().now_s = now_s, client).await;
    let wanted: Vec<String> = (0..250).map(|n| format!("e-{n:05}")).collect();
    assert!(read.is_none_or(|read| read == wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn githubs_client_reads_our_github() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_, public_key)) = key(folder.path(), true) else { return };
    let now_s = real_now_s();
    let state = Github::new("none", now_s);
    state.lock().app = Some(Signer { id: "12345".into(), public_key });
    state.lock().events = (0..250).map(|n| github::event(n, now_s - 1_000 + n, now_s - 500)).collect();
    let fake = Github::serve(&state).await;
    let modules = "githubkit_schemas.ghec_v2022_11_28.rest";
    let fakes = state.clone();
    let client = || run("github", modules, &fake.url, folder.path());
    let read = beside(move |now_s| fakes.lock().now_s = now_s, client).await;
    let wanted: Vec<String> = (0..250).map(|n| format!("d-{n:05}")).collect();
    assert!(read.is_none_or(|read| read == wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn googles_client_reads_our_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let Some((private, public_key)) = key(folder.path(), false) else { return };
    let now_s = real_now_s();
    let state = Workspace::new(now_s);
    let account = "reader@example.iam.gserviceaccount.com";
    let signer = Signer { id: account.into(), public_key };
    state.lock().account = Some((signer, "admin@example.com".into(), vec![workspace::SCOPE.into()]));
    state.lock().activities =
        (0..250).map(|n| workspace::activity("login", n, now_s - 1_000 + n, now_s - 500)).collect();
    let fake = Workspace::serve(&state).await;
    let file = json!({
        "type": "service_account", "client_email": account, "private_key": private, "private_key_id": "k1",
        "token_uri": format!("{}/token", fake.url),
    });
    std::fs::write(folder.path().join("key.json"), file.to_string()).unwrap();
    let modules = "googleapiclient.discovery, google_auth_httplib2, jsonschema";
    // Its clock stands: a page token holds the end of what is listed.
    let read = tokio::task::block_in_place(|| run("workspace", modules, &fake.url, folder.path()));
    // Newest first.
    let wanted: Vec<String> = (0..250).rev().map(|n| format!("login-{n:05}")).collect();
    assert!(read.is_none_or(|read| read == wanted));
}
