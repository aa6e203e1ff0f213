//! Users, sessions, tokens and directories over a socket.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::running::{Server, command, run};

pub(crate) const PASSWORD: &str = "seven tall lighthouses";
/// What the first wait after failed attempts is.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// Adds a user to a folder that no server has open.
pub(crate) fn add_user(data: &Path, name: &str, role: &str) {
    let arguments =
        ["--data", &data.to_string_lossy(), "users", "add", name, "--role", role, "--password-stdin"];
    let mut child = command(&arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Makes a token on a folder that no server has open.
pub(crate) fn make_token(data: &Path, arguments: &[&str]) -> String {
    let data = data.to_string_lossy();
    let made = run(&[&["--data", &data, "token", "create"], arguments].concat());
    made.trim().to_owned()
}

/// Somebody who is signed in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) cookie: String,
    set_cookie: String,
    csrf_token: String,
    body: Value,
}

pub(crate) async fn try_sign_in(url: &str, user: &str, password: &str) -> Response {
    let body = json!({"user": user, "password": password});
    Client::new().post(format!("{url}/api/v1/session")).json(&body).send().await.unwrap()
}

pub(crate) async fn sign_in(url: &str, user: &str, password: &str) -> SignedIn {
    let answer = try_sign_in(url, user, password).await;
    assert_eq!(answer.status(), 200, "{user}");
    let set_cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = set_cookie.split(';').next().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    let csrf_token = body["csrf_token"].as_str().unwrap().to_owned();
    SignedIn { cookie, set_cookie, csrf_token, body }
}

impl SignedIn {
    pub(crate) fn ask(&self, method: Method, url: String) -> RequestBuilder {
        Client::new().request(method, url).header("cookie", &self.cookie)
    }

    pub(crate) fn change(&self, method: Method, url: String) -> RequestBuilder {
        self.ask(method, url).header("x-csrf-token", &self.csrf_token)
    }
}

pub(crate) async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_rotates_and_ends_at_the_server() {
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "ana", "admin");
    let server = Server::start(folder.path(), &[]);
    let me = || format!("{}/api/v1/session", server.url);
    // With a user, this machine is no longer let in as it is; nothing has a default password.
    assert_eq!(reqwest::get(me()).await.unwrap().status(), 401);
    for (user, password) in [("admin", "admin"), ("ana", ""), ("ana", "wrong password"), ("", PASSWORD)] {
        let refused = try_sign_in(&server.url, user, password).await;
        assert_eq!(refused.status(), 401, "{user}");
        assert!(!refused.headers().contains_key("set-cookie"));
        let detail = refused.json::<Value>().await.unwrap()["detail"].clone();
        assert_eq!(detail, "the name or the password is not right");
    }
    let first = sign_in(&server.url, " Ana ", PASSWORD).await;
    assert!(first.set_cookie.contains("; HttpOnly; SameSite=Lax") && !first.set_cookie.contains("Secure"));
    assert_eq!((&first.body["name"], &first.body["role"]), (&json!("ana"), &json!("admin")));
    let shown: Value = first.ask(Method::GET, me()).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["csrf_token"], first.csrf_token);

    // A second sign-in of the same browser has another id, and the first one is worth nothing.
    let body = json!({"user": "ana", "password": PASSWORD});
    let again = first.ask(Method::POST, me()).json(&body).send().await.unwrap();
    assert_eq!(again.status(), 200);
    assert!(!again.headers()["set-cookie"].to_str().unwrap().contains(&first.cookie));
    assert_eq!(status(first.ask(Method::GET, me())).await, 401);

    // A change by cookie needs the token of this session, and a page of ours.
    let session = sign_in(&server.url, "ana", PASSWORD).await;
    let reload = || format!("{}/api/v1/rules/reload", server.url);
    assert_eq!(status(session.ask(Method::POST, reload())).await, 403);
    assert_eq!(
        status(session.ask(Method::POST, reload()).header("x-csrf-token", &first.csrf_token)).await,
        403
    );
    for (name, value) in
        [("origin", "https://evil.example.com"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        assert_eq!(
            status(session.change(Method::POST, reload()).header(name, value)).await,
            403,
            "{name}: {value}"
        );
    }
    assert_eq!(status(session.change(Method::POST, reload())).await, 200);
    assert_eq!(status(session.change(Method::POST, reload()).header("origin", &server.url)).await, 200);
    // A page of another site cannot sign anybody in, nor can a form.
    let body = json!({"user": "ana", "password": PASSWORD});
    let login = || Client::new().post(me());
    assert_eq!(status(login().header("origin", "https://evil.example.com").json(&body)).await, 403);
    assert_eq!(status(login().header("content-type", "text/plain").body(body.to_string())).await, 415);

    // Signed out, the cookie is refused: the session is gone, not only the cookie.
    assert_eq!(status(session.ask(Method::DELETE, me())).await, 403);
    let out = session.change(Method::DELETE, me()).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status(session.ask(Method::GET, me())).await, 401);
    // Sessions are durable, and so is their end.
    let stays = sign_in(&server.url, "ana", PASSWORD).await;
    server.kill();
    let server = Server::start(folder.path(), &[]);
    let me = format!("{}/api/v1/session", server.url);
    assert_eq!(status(stays.ask(Method::GET, me.clone())).await, 200);
    assert_eq!(status(session.ask(Method::GET, me)).await, 401);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_have_to_wait_and_names_tell_nothing() {
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "ana", "admin");
    let server = Server::start(folder.path(), &[]);
    // However slow this machine is: waits double, so that one is met at last.
    for name in ["ana", "nobody"] {
        let mut wrong = 0;
        let mut asked = Instant::now();
        let waiting = loop {
            let before = std::mem::replace(&mut asked, Instant::now());
            let answer = try_sign_in(&server.url, name, "a wrong password").await;
            if answer.status() == 429 {
                // The right password has to wait as well; that is seen where this machine is quick enough.
                let right = try_sign_in(&server.url, name, PASSWORD).await.status();
                assert!(right == 429 || before.elapsed() >= FIRST_WAIT, "{name}: {right}");
                break answer;
            }
            assert_eq!(answer.status(), 401, "{name}");
            wrong += 1;
            assert!(wrong < 12, "{name} may be guessed at for ever");
        };
        assert!(wrong >= 5, "{name}: {wrong}");
        assert!(waiting.headers().contains_key("retry-after"));
        let detail = waiting.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("there were failed attempts"), "{detail}");
    }
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_disabled_is_out_at_once() {
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "root-ana", "admin");
    let server = Server::start(folder.path(), &[]);
    let admin = sign_in(&server.url, "root-ana", PASSWORD).await;
    let users = format!("{}/api/v1/users", server.url);
    let add = |body: Value| admin.change(Method::POST, users.clone()).json(&body);
    let bob = json!({"name": "bob", "role": "analyst", "password": PASSWORD});
    assert_eq!(status(add(bob.clone())).await, 201);
    assert_eq!(status(add(bob)).await, 409);
    for bad in [
        json!({"name": "Carol", "role": "analyst", "password": PASSWORD}),
        json!({"name": "cli", "role": "analyst", "password": PASSWORD}),
        json!({"name": "carol", "role": "boss", "password": PASSWORD}),
        json!({"name": "carol", "role": "analyst", "password": "short"}),
        json!({"name": "carol", "role": "analyst", "password": "password1234"}),
        json!({"name": "carol", "role": "analyst", "password": "carol-is-the-best"}),
    ] {
        assert_eq!(status(add(bad.clone())).await, 400, "{bad}");
    }
    let bob = sign_in(&server.url, "bob", PASSWORD).await;
    let me = format!("{}/api/v1/session", server.url);
    let tokens = format!("{}/api/v1/tokens", server.url);
    let made =
        bob.change(Method::POST, tokens.clone()).json(&json!({"name": "bobs-laptop"})).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    let by_token = || Client::new().get(&me).bearer_auth(&token);
    assert_eq!(status(by_token()).await, 200);
    assert_eq!(made["role"], "analyst");
    // Bob gives nothing that he has not, and manages nobody.
    for (body, wanted) in [
        (json!({"name": "up", "role": "admin"}), 403),
        (json!({"name": "up", "rights": ["users.manage"]}), 400),
        (json!({"name": "up", "rights": []}), 400),
        (json!({"name": "up", "service": true}), 403),
        (json!({"name": "up", "owner": "root-ana"}), 403),
        (json!({"name": "up", "days": 366}), 400),
        (json!({"name": "up", "days": 0}), 400),
        (json!({"name": "root-ana"}), 409),
        (json!({"name": "bobs-laptop"}), 409),
        (json!({"name": "a b"}), 400),
    ] {
        let found = status(bob.change(Method::POST, tokens.clone()).json(&body)).await;
        assert_eq!(found.as_u16(), wanted, "{body}");
    }
    // A token makes no other one for its owner.
    let more = Client::new().post(&tokens).bearer_auth(&token).json(&json!({"name": "more"}));
    assert_eq!(status(more).await, 403);
    assert_eq!(status(bob.change(Method::POST, users.clone()).json(&json!({}))).await, 403);

    // Another role ends the session; the token is bounded by what its owner may now.
    let change = |body: Value| admin.change(Method::PATCH, format!("{users}/bob")).json(&body);
    assert_eq!(status(change(json!({"role": "ingest"}))).await, 200);
    assert_eq!(status(bob.ask(Method::GET, me.clone())).await, 401);
    let alerts = || Client::new().get(format!("{}/api/v1/alerts", server.url)).bearer_auth(&token);
    assert_eq!(status(alerts()).await, 403);
    assert_eq!(status(change(json!({"role": "analyst"}))).await, 200);
    assert_eq!(status(alerts()).await, 200);

    let bob = sign_in(&server.url, "bob", PASSWORD).await;
    assert_eq!(status(change(json!({"active": false}))).await, 200);
    assert_eq!(status(bob.ask(Method::GET, me.clone())).await, 401);
    assert_eq!(status(by_token()).await, 401);
    assert_eq!(try_sign_in(&server.url, "bob", PASSWORD).await.status(), 401);
    assert_eq!(status(change(json!({"active": true}))).await, 200);
    assert_eq!(status(by_token()).await, 401, "a revoked token does not come back");
    assert_eq!(try_sign_in(&server.url, "bob", PASSWORD).await.status(), 200);

    // The last who manages users stays.
    let own = |body: Value| admin.change(Method::PATCH, format!("{users}/root-ana")).json(&body);
    assert_eq!(status(own(json!({"active": false}))).await, 409);
    assert_eq!(status(own(json!({"role": "analyst"}))).await, 409);
    assert_eq!(status(admin.change(Method::DELETE, format!("{users}/root-ana"))).await, 409);

    // One's own password: the old one is needed, and all sessions end but a new one.
    let bob = sign_in(&server.url, "bob", PASSWORD).await;
    let other = sign_in(&server.url, "bob", PASSWORD).await;
    let passwords = |old: &str, new: &str| {
        let url = format!("{me}/password");
        bob.change(Method::POST, url).json(&json!({"old": old, "new": new}))
    };
    assert_eq!(status(passwords("wrong", "nine small harbours")).await, 401);
    assert_eq!(status(passwords(PASSWORD, "short")).await, 400);
    assert_eq!(status(passwords(PASSWORD, "nine small harbours")).await, 200);
    assert_eq!(status(other.ask(Method::GET, me.clone())).await, 401);
    assert_eq!(status(bob.ask(Method::GET, me.clone())).await, 401);
    assert_eq!(try_sign_in(&server.url, "bob", PASSWORD).await.status(), 401);
    sign_in(&server.url, "bob", "nine small harbours").await;
    server.terminate();
}

/// Ways to show a token that is none: every one is refused, on a route that any token opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_tokens_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let good = make_token(data, &["admin", "--role", "admin"]);
    let revoked = make_token(data, &["gone", "--role", "admin"]);
    run(&["--data", &data.to_string_lossy(), "-q", "token", "revoke", "gone"]);
    let server = Server::start(data, &[("STORMGLASS_SERVER_REQUESTS_PER_SECOND", "1000")]);
    let url = format!("{}/api/v1/session", server.url);
    let client = Client::new();
    let with = |value: &str| client.get(&url).header("authorization", value);
    assert_eq!(status(with(&format!("Bearer {good}"))).await, 200);

    let digits = &good[4..];
    let flip = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let mut refused: Vec<String> = vec![
        bearer(&revoked),
        bearer(""),
        "Bearer".into(),
        "Bearer  ".into(),
        bearer(digits),
        bearer(&format!("SGM_{digits}")),
        bearer(&format!("sgm-{digits}")),
        bearer(&format!("sgm_{}", digits.to_uppercase())),
        bearer(&good[..75]),
        bearer(&good[..68]),
        bearer(&good[..4]),
        bearer(&format!("{good}0")),
        bearer(&format!("{good}{good}")),
        bearer(&format!("{good},")),
        bearer(&format!("\"{good}\"")),
        bearer(&format!("{good} {good}")),
        bearer(&format!("{good}\t.")),
        bearer(&good.replace('_', "%5F")),
        bearer(&"0".repeat(64)),
        bearer(&format!("sgm_{}", "0".repeat(72))),
        bearer("null"),
        bearer("undefined"),
        bearer("*"),
        bearer("' OR 1=1 --"),
        bearer("../../etc/passwd"),
        bearer(&"a".repeat(7_000)),
        bearer(&format!("{good}{}", "0".repeat(1_000))),
        format!("Basic {good}"),
        format!("Token {good}"),
        format!("Splunk {good}"),
        format!("Digest {good}"),
        good.clone(),
        format!("Bearer:{good}"),
        format!("Bearer={good}"),
        format!("Bearer\t{good}"),
        format!("BearerX {good}"),
        "Basic OmFkbWlu".into(),
        // The hash of a token is none, and neither is a token without a signature.
        bearer(&sha256(&good)),
        bearer("eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."),
    ];
    refused.extend([4, 20, 67, 68, 75].map(|at| bearer(&flip(at))));
    let mut count = 0;
    for value in &refused {
        let answer = with(value).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{value}");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        let text = answer.text().await.unwrap();
        assert!(!text.contains(digits), "{value}: the answer has the token in it");
        count += 1;
    }
    // Not in another place, not twice.
    let elsewhere = [
        client.get(format!("{url}?token={good}")),
        client.get(format!("{url}?access_token={good}")),
        client.get(&url).header("x-api-key", &good),
        client.get(&url).header("cookie", format!("stormglass_session={good}")),
        client.get(&url).header("authorization", bearer(&good)).header("authorization", bearer(&good)),
        client.get(&url).header("authorization", "Basic x").header("authorization", bearer(&good)),
        client.get(&url).header("authorization", b"Bearer \xff".as_slice()),
        client.get(&url),
    ];
    for request in elsewhere {
        assert_eq!(status(request).await, 401);
        count += 1;
    }
    assert!(count >= 40, "{count}");
    assert_eq!(status(with(&format!("bearer   {good} "))).await, 200);
    server.terminate();
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_listed_used_and_revoked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let admin = make_token(&data, &["admin", "--role", "admin", "--days", "365"]);
    let server = Server::start(&data, &[]);
    let cli = |arguments: &[&str]| {
        let mut command = command(&[&["--url", &server.url], arguments].concat());
        let output = command.env("STORMGLASS_TOKEN", &admin).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (is_done, made, told) =
        cli(&["token", "create", "report", "--role", "analyst", "--right", "alerts.read", "--json"]);
    assert!(is_done, "{told}");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["rights"], json!(["alerts.read"]));
    let token = made["token"].as_str().unwrap();
    let get = |path: &str| Client::new().get(format!("{}{path}", server.url)).bearer_auth(token);
    assert_eq!(status(get("/api/v1/alerts")).await, 200);
    assert_eq!(status(get("/api/v1/sources")).await, 403);
    let (_, listed, _) = cli(&["token", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let report = &listed["tokens"].as_array().unwrap()[1];
    assert_eq!(
        (&report["name"], &report["state"], &report["made_by"]),
        (&json!("report"), &json!("live"), &json!("admin"))
    );
    assert!(report["last_used"].is_string() && !listed.to_string().contains(token), "{listed}");
    assert!(cli(&["token", "list"]).1.contains("report"));
    // The disk has hashes alone.
    for file in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(data.join(file)).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{file}");
    }
    assert!(cli(&["token", "revoke", "report"]).0);
    assert_eq!(status(get("/api/v1/alerts")).await, 401);
    let (is_done, _, told) = cli(&["token", "revoke", "report"]);
    assert!(!is_done && told.contains("no live token `report`"), "{told}");
    assert!(!cli(&["token", "create", "report", "--role", "analyst"]).0, "a name is given once");

    let (is_done, password, told) = cli(&["users", "add", "ana", "--role", "responder"]);
    assert!(is_done && password.trim().len() == 24, "{told}");
    sign_in(&server.url, "ana", password.trim()).await;
    assert!(cli(&["users", "role", "ana", "auditor"]).0);
    let (_, users, _) = cli(&["users", "list", "--json"]);
    let users: Value = serde_json::from_str(&users).unwrap();
    assert_eq!(users["users"][0]["role"], "auditor");
    let (is_done, next, _) = cli(&["users", "passwd", "ana"]);
    assert!(is_done && next != password);
    assert_eq!(try_sign_in(&server.url, "ana", password.trim()).await.status(), 401);
    sign_in(&server.url, "ana", next.trim()).await;
    assert!(cli(&["users", "disable", "ana"]).0);
    assert_eq!(try_sign_in(&server.url, "ana", next.trim()).await.status(), 401);
    assert!(cli(&["users", "enable", "ana"]).0);
    assert!(cli(&["users", "roles"]).1.contains("detection_engineer"));
    assert!(!cli(&["users", "add", "bob", "--role", "boss"]).0);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_adds_users_and_has_them_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let admin = make_token(data, &["admin", "--role", "admin"]);
    let scim = make_token(data, &["directory", "--role", "provisioning"]);
    add_user(data, "keeper", "admin");
    let server = Server::start(data, &[]);
    let client = Client::new();
    let users = format!("{}/scim/v2/Users", server.url);
    let send = async |method: Method, url: &str, body: Option<Value>| {
        let mut request = client.request(method, url).bearer_auth(&scim);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status != 204 {
            assert_eq!(answer.headers()["content-type"], "application/scim+json");
        }
        (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap_or_default())
    };
    let ana = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "Ana@Example.com", "externalId": "00u17", "displayName": "Ana Example",
        "emails": [{"value": "ana@example.com", "primary": true}], "active": true, "password": "passed over",
    });
    let (created, body) = send(Method::POST, &users, Some(ana.clone())).await;
    assert_eq!((created, &body["userName"], &body["active"]), (201, &json!("ana@example.com"), &json!(true)));
    let id = body["id"].as_str().unwrap().to_owned();
    let (taken, error) = send(Method::POST, &users, Some(ana)).await;
    assert_eq!(
        (taken, &error["scimType"], &error["status"]),
        (409, &json!("uniqueness"), &json!("409")),
        "{error}"
    );
    assert_eq!(error["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    for (filter, found) in [
        ("userName eq \"ana@example.com\"", 1),
        ("externalId eq \"00u17\"", 1),
        ("userName eq \"keeper\"", 0),
    ] {
        let mut url = reqwest::Url::parse(&users).unwrap();
        url.query_pairs_mut().append_pair("filter", filter);
        assert_eq!(send(Method::GET, url.as_str(), None).await.1["totalResults"], found, "{filter}");
    }
    let (status_of_filter, error) =
        send(Method::GET, &format!("{users}?filter=active%20eq%20true"), None).await;
    assert_eq!((status_of_filter, &error["scimType"]), (400, &json!("invalidFilter")));

    // A token of hers works until the directory has her out, and not a request longer.
    let make = json!({"name": "anas-script", "owner": "ana@example.com", "role": "read_only"});
    let tokens = format!("{}/api/v1/tokens", server.url);
    let made = client.post(&tokens).bearer_auth(&admin).json(&make).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    let alerts = || client.get(format!("{}/api/v1/alerts", server.url)).bearer_auth(&token);
    assert_eq!(status(alerts()).await, 200);
    let out = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
    });
    let (patched, body) = send(Method::PATCH, &format!("{users}/{id}"), Some(out.clone())).await;
    assert_eq!((patched, &body["active"]), (200, &json!(false)));
    assert_eq!(status(alerts()).await, 401);
    // Those with a password here are no business of a directory.
    for name in ["keeper", "nobody"] {
        let (status, error) = send(Method::PATCH, &format!("{users}/{name}"), Some(out.clone())).await;
        assert_eq!((status, &error["status"]), (404, &json!("404")), "{name}");
        assert_eq!(send(Method::DELETE, &format!("{users}/{name}"), None).await.0, 404);
    }
    for body in ["", "{", "[]", "7", "{\"Operations\": []}"] {
        let request = client.patch(format!("{users}/{id}")).bearer_auth(&scim).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap()["scimType"], "invalidSyntax");
    }
    assert_eq!(send(Method::DELETE, &format!("{users}/00u17"), None).await.0, 204);
    assert_eq!(send(Method::GET, &format!("{users}/{id}"), None).await.0, 404);

    // The token of the directory does nothing else, and nobody else's does this.
    for path in ["/api/v1/users", "/api/v1/alerts", "/metrics"] {
        let request = client.get(format!("{}{path}", server.url)).bearer_auth(&scim);
        assert_eq!(status(request).await, 403, "{path}");
    }
    let refused = client.get(&users).bearer_auth("sgm_0").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.json::<Value>().await.unwrap()["schemas"][0],
        "urn:ietf:params:scim:api:messages:2.0:Error"
    );
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_just_added_signs_in_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let home = folder.path().join("home");
    let ask = |arguments: &[&str], input: &str| {
        let arguments = [&["--url", &server.url], arguments].concat();
        let mut child = command(&arguments)
            .env("XDG_STATE_HOME", &home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), said)
    };
    let added = ask(&["users", "add", "ana", "--role", "admin", "--password-stdin"], PASSWORD);
    assert!(added.0, "{added:?}");
    let (is_good, _, said) = ask(&["token", "create", "pump", "--role", "ingest"], "");
    assert!(!is_good && said.contains("STORMGLASS_TOKEN") && said.contains("stormglass login"), "{said}");
    let (is_good, _, said) = ask(&["login", "ana", "--password-stdin"], "wrong password");
    assert!(!is_good && !said.contains("STORMGLASS_TOKEN"), "{said}");
    let login = ask(&["login", "ana", "--password-stdin"], &format!("{PASSWORD}\n"));
    assert!(login.0 && login.2.contains("role `admin`"), "{login:?}");
    let made = ask(&["token", "create", "pump", "--role", "ingest"], "");
    assert!(made.0 && made.1.trim().starts_with("sgm_"), "{made:?}");
    let kept = home.join("stormglass/sessions.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&kept.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let cookie = std::fs::read_to_string(&kept).unwrap();
    assert!(ask(&["logout"], "").0);
    let (is_good, _, said) = ask(&["token", "list"], "");
    assert!(!is_good && said.contains("stormglass login"), "{said}");
    // Ended at the server as well.
    std::fs::write(&kept, cookie).unwrap();
    let (is_good, _, said) = ask(&["token", "list"], "");
    assert!(!is_good && said.contains("the session has ended"), "{said}");
    server.terminate();
}
