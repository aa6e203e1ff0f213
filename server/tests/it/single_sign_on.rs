//! Single sign-on with a provider that others wrote: oidc-provider for Node, driven as a browser would.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use crate::running::{Server, command, root};

/// What the provider has given us; with characters that must be encoded.
const SECRET: &str = "a secret: with / odd % signs + and =&";

/// The provider as a process.
struct Provider {
    child: Child,
    issuer: String,
}

impl Provider {
    /// None, loudly, where Node or the package is missing.
    fn start(redirect: &str) -> Option<Self> {
        let entry = root().join("target/oidc/node_modules/oidc-provider/lib/index.js");
        if !entry.exists() {
            println!("skipped: no oidc-provider; `scripts/need test` installs it");
            return None;
        }
        let script = root().join("cloudfake/oidc/provider.mjs");
        let spawned = Command::new("node")
            .args([&script, &entry])
            .arg(redirect)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = spawned else {
            println!("skipped: no node");
            return None;
        };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines.map(Result::unwrap).find(|line| line.starts_with("http://"));
        Some(Self { child, issuer: issuer.unwrap() })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A browser: follows redirects one by one and keeps cookies by host and port.
struct Browser {
    http: Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    fn new() -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, url: &Url, form: Option<&[(&str, &str)]>) -> Response {
        let place = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let jar = self.cookies.entry(place).or_default();
        let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match form {
            Some(form) => {
                let body = form.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
                self.http
                    .post(url.clone())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.join("&"))
            }
            None => self.http.get(url.clone()),
        };
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for set in answer.headers().get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.into(), value.into());
            }
        }
        answer
    }

    /// Goes where it is sent until a page is shown, or one of `until` would be asked for.
    async fn follow(&mut self, url: Url, until: &str) -> (Url, Option<Response>) {
        let mut url = url;
        for _ in 0..20 {
            if !until.is_empty() && url.path() == until {
                return (url, None);
            }
            let answer = self.send(&url, None).await;
            let Some(location) = answer.headers().get("location") else { return (url, Some(answer)) };
            url = url.join(location.to_str().unwrap()).unwrap();
        }
        panic!("too many redirects, the last to {url}");
    }

    /// Signs in at the provider as `user`; stops before it goes back to us.
    async fn sign_in_at_provider(&mut self, start: &str, user: &str) -> Url {
        let begin = Url::parse(&format!("{start}/api/v1/session/oidc")).unwrap();
        let (mut url, mut page) = self.follow(begin, CALLBACK).await;
        for _ in 0..3 {
            let Some(shown) = page else { return url };
            let html = shown.text().await.unwrap();
            let form: &[(&str, &str)] = if html.contains("name=\"login\"") {
                &[("prompt", "login"), ("login", user), ("password", "any")]
            } else {
                assert!(html.contains("value=\"consent\""), "{url}: {html}");
                &[("prompt", "consent")]
            };
            let action = html.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            let answer = self.send(&url.join(&action).unwrap(), Some(form)).await;
            let location = answer.headers()["location"].to_str().unwrap().to_owned();
            (url, page) = self.follow(url.join(&location).unwrap(), CALLBACK).await;
        }
        assert!(page.is_none(), "the provider does not let go, at {url}");
        url
    }
}

const CALLBACK: &str = "/api/v1/session/oidc/callback";

/// A port that is free now, as the provider must know where we are before we are.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A server at this very port.
async fn serve(folder: &Path, port: u16, config: &str) -> Running {
    let path = folder.join("stormglass.toml");
    std::fs::write(&path, config).unwrap();
    let (listen, data) = (format!("127.0.0.1:{port}"), folder.join("data"));
    let mut command = command(&["serve", "--listen", &listen, "--data", &data.to_string_lossy()]);
    command
        .env("STORMGLASS_CONFIG", &path)
        .env("STORMGLASS_LOGGING_FILTER", "warn")
        .env("OIDC_SECRET", SECRET);
    let mut running = Running(command.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while reqwest::get(format!("http://{listen}/health")).await.is_err() {
        assert!(Instant::now() < deadline && running.0.try_wait().unwrap().is_none(), "no answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_provider_come_in_with_the_role_of_their_group() {
    let port = free_port();
    let us = format!("http://127.0.0.1:{port}");
    let Some(provider) = Provider::start(&format!("{us}{CALLBACK}")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[server]\npublic_url = {us:?}\n[oidc]\nissuer = {:?}\nclient_id = \"stormglass\"\n\
         client_secret = \"env:OIDC_SECRET\"\ngroup_roles = [\"admins=admin\", \"soc=analyst\"]\n",
        provider.issuer
    );
    let server = serve(folder.path(), port, &config).await;
    // With a provider, this machine is not let in as it is.
    assert_eq!(reqwest::get(format!("{us}/api/v1/session")).await.unwrap().status(), 401);

    let mut ana = Browser::new();
    let back = ana.sign_in_at_provider(&us, "ana").await;
    // Another browser cannot use what came back for this one.
    let stolen = Browser::new().send(&back, None).await;
    assert_eq!(stolen.status(), 401, "{}", stolen.text().await.unwrap());
    let (landed, page) = ana.follow(back.clone(), "").await;
    assert_eq!(landed.path(), "/api/v1/session");
    let session: Value = page.unwrap().json().await.unwrap();
    assert_eq!((&session["name"], &session["role"]), (&json!("ana"), &json!("analyst")), "{session}");
    assert_eq!(session["means"], "session");
    // What came back is good once.
    assert_eq!(ana.send(&back, None).await.status(), 401);
    // The provider still knows the browser; a second sign-in is the same user.
    let (_, page) = {
        let back = ana.sign_in_at_provider(&us, "ana").await;
        ana.follow(back, "").await
    };
    assert_eq!(page.unwrap().json::<Value>().await.unwrap()["name"], "ana");

    let mut bob = Browser::new();
    let back = bob.sign_in_at_provider(&us, "bob").await;
    let refused = bob.send(&back, None).await;
    assert_eq!(refused.status(), 403, "bob is in no group that has a role");
    let mut eve = Browser::new();
    let back = eve.sign_in_at_provider(&us, "eve").await;
    let (_, page) = eve.follow(back, "").await;
    let eves: Value = page.unwrap().json().await.unwrap();
    assert_eq!(eves["role"], "admin");
    // Eve has Ana out: the next request of hers is refused, and so is her next sign-in.
    let cookie = |browser: &Browser| {
        let jar = &browser.cookies[&format!("127.0.0.1:{port}")];
        format!("stormglass_session={}", jar["stormglass_session"])
    };
    let disable = Client::new()
        .patch(format!("{us}/api/v1/users/ana"))
        .header("cookie", cookie(&eve))
        .header("x-csrf-token", eves["csrf_token"].as_str().unwrap())
        .json(&json!({"active": false}))
        .send()
        .await
        .unwrap();
    assert_eq!(disable.status(), 200, "{}", disable.text().await.unwrap());
    let asked = Client::new().get(format!("{us}/api/v1/session")).header("cookie", cookie(&ana)).send().await;
    assert_eq!(asked.unwrap().status(), 401);
    let back = ana.sign_in_at_provider(&us, "ana").await;
    assert_eq!(ana.send(&back, None).await.status(), 403);
    drop(server);
    // The secret is in no file of ours but where it was put.
    let shown = command(&["config", "show"])
        .env("STORMGLASS_CONFIG", folder.path().join("stormglass.toml"))
        .env("OIDC_SECRET", SECRET)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("client_secret = \"env:OIDC_SECRET\"") && !shown.contains("odd % signs"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_provider_that_is_away_is_said_to_be_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(
        &data,
        &[
            ("STORMGLASS_OIDC_ISSUER", "http://127.0.0.1:9"),
            ("STORMGLASS_OIDC_CLIENT_ID", "stormglass"),
            ("STORMGLASS_SERVER_PUBLIC_URL", "http://127.0.0.1:7171"),
        ],
    );
    let answer = reqwest::get(format!("{}/api/v1/session/oidc", server.url)).await.unwrap();
    assert_eq!(answer.status(), 502);
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("provider"), "{problem}");
    let callback = format!("{}{CALLBACK}?code=a&state=b", server.url);
    assert_eq!(reqwest::get(callback).await.unwrap().status(), 401);
    server.terminate();
}
