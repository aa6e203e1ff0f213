//! What an attacker would try at the door: other people's cookies, hosts, bodies and paths.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::access::{PASSWORD, add_user, make_token, sign_in, status, try_sign_in};
use crate::running::{Server, command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_loopback_a_first_admin_is_enough_and_nobody_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let plain = ("STORMGLASS_SERVER_PLAIN_HTTP", "true");
    let refused = command(&["serve", "--listen", "0.0.0.0:0", "--data", &data.to_string_lossy()])
        .envs([plain])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("nobody is known") && said.contains("stormglass users add"), "{said}");
    // The folder may be prepared with the configuration that is to be served.
    let mut add = command(&["--data", &data.to_string_lossy(), "users", "add", "ana", "--role", "admin"]);
    let added = add.envs([plain, ("STORMGLASS_SERVER_LISTEN", "0.0.0.0:0")]).output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let password = String::from_utf8_lossy(&added.stdout).trim().to_owned();
    let server = Server::start_on("0.0.0.0:0", &data, &[plain]);
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(reqwest::get(format!("{url}/api/v1/alerts")).await.unwrap().status(), 401);
    let ana = sign_in(&url, "ana", &password).await;
    assert_eq!(status(ana.ask(Method::GET, format!("{url}/api/v1/alerts"))).await, 200);
    server.terminate();
    // Who was disabled lets nobody in either.
    let state = storage::state::State::open(&data.join("state.db")).unwrap();
    let mut user = state.read(storage::accounts::users).unwrap().remove(0);
    user.is_active = false;
    state.write(|txn| storage::accounts::put_user(txn, &user)).unwrap();
    drop(state);
    let refused = command(&["serve", "--listen", "0.0.0.0:0", "--data", &data.to_string_lossy()])
        .envs([plain])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

/// A cookie that an attacker has put into somebody's browser is worth nothing before and after a sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cannot_be_chosen_for_somebody() {
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "ana", "admin");
    add_user(folder.path(), "mallory", "read_only");
    let server = Server::start(folder.path(), &[]);
    let me = format!("{}/api/v1/session", server.url);
    let mallory = sign_in(&server.url, "mallory", PASSWORD).await;
    let made_up = format!("stormglass_session={}", "a".repeat(64));
    for planted in [made_up, mallory.cookie.clone()] {
        let body = json!({"user": "ana", "password": PASSWORD});
        let answer = Client::new().post(&me).header("cookie", &planted).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(!set.contains(&planted), "{set}");
        assert_eq!(status(Client::new().get(&me).header("cookie", &planted)).await, 401, "{planted}");
        // Beside the right one, it makes both worth nothing.
        let own = set.split(';').next().unwrap().to_owned();
        let both = Client::new().get(&me).header("cookie", format!("{planted}; {own}"));
        assert_eq!(status(both).await, 401);
        assert_eq!(status(Client::new().get(&me).header("cookie", own)).await, 200);
    }
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_sessions_do_not_grow() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let narrow = make_token(data, &["boss", "--role", "admin"]);
    let server = Server::start(data, &[]);
    let client = Client::new();
    let make = async |by: &str, body: Value| {
        let request = client.post(format!("{}/api/v1/tokens", server.url)).bearer_auth(by).json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        let told = body["token"].as_str().or(body["detail"].as_str());
        (status, told.unwrap_or_default().to_owned())
    };
    // Of an admin's rights, only the ones for users: it makes no token that may read alerts.
    let (status_of, keeper) =
        make(&narrow, json!({"name": "keeper", "rights": ["users.manage", "users.read"]})).await;
    assert_eq!(status_of, 201, "{keeper}");
    for role in ["admin", "analyst", "read_only", "ingest"] {
        assert_eq!(make(&keeper, json!({"name": format!("up-{role}"), "role": role})).await.0, 403, "{role}");
    }
    // Nor an admin, nor a change to one.
    let users = format!("{}/api/v1/users", server.url);
    let new = json!({"name": "dora", "role": "admin", "password": PASSWORD});
    assert_eq!(status(client.post(&users).bearer_auth(&keeper).json(&new)).await, 403);
    assert_eq!(status(client.post(&users).bearer_auth(&narrow).json(&new)).await, 201);
    for change in [
        json!({"password": "another long password"}),
        json!({"handles": ["slack:U1"]}),
        json!({"active": false}),
    ] {
        assert_eq!(
            status(client.patch(format!("{users}/dora")).bearer_auth(&keeper).json(&change)).await,
            403,
            "{change}"
        );
    }
    // Handles are nobody's twice, and are what they say.
    let handle = |name: &str, handles: Value| {
        client.patch(format!("{users}/{name}")).bearer_auth(&narrow).json(&json!({"handles": handles}))
    };
    assert_eq!(
        status(
            client
                .post(&users)
                .bearer_auth(&narrow)
                .json(&json!({"name": "bob", "role": "analyst", "password": PASSWORD}))
        )
        .await,
        201
    );
    assert_eq!(status(handle("dora", json!(["slack:U1", "pagerduty:P1"]))).await, 200);
    assert_eq!(status(handle("bob", json!(["slack:U1"]))).await, 409);
    let nine: Vec<_> = (0..9).map(|n| format!("slack:U{n}")).collect();
    for bad in [json!(["teams:1"]), json!(["slack:"]), json!(["slack:a b"]), json!(["U1"]), json!(nine)] {
        assert_eq!(status(handle("bob", bad.clone())).await, 400, "{bad}");
    }
    server.terminate();
}

/// Times for names that are somebody's and nobody's, and for users without a password, lie together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_a_sign_in_tells_no_name() {
    let folder = tempfile::tempdir().unwrap();
    add_user(folder.path(), "ana", "admin");
    let server = Server::start(folder.path(), &[]);
    let mut fastest = [Duration::MAX; 2];
    // Four failures cost no wait; the fastest of each says most of the work.
    for _ in 0..4 {
        for (place, name) in ["ana", "nobody"].into_iter().enumerate() {
            let begun = Instant::now();
            assert_eq!(try_sign_in(&server.url, name, "a wrong password").await.status(), 401);
            fastest[place] = fastest[place].min(begun.elapsed());
        }
    }
    let [known, unknown] = fastest;
    // Hashing takes tens of milliseconds; without it, a refusal would take one or two.
    assert!(unknown * 4 > known, "nobody is refused in {unknown:?}, somebody in {known:?}");
    server.terminate();
}

/// What is sent on a connection, and all that comes back until it is closed or quiet.
fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A proxy in front may read a request as longer or shorter than the server does; nothing may be hidden in between.
#[test]
fn no_request_hides_in_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let answers = |text: &str| text.matches("HTTP/1.1 ").count();
    let hidden = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /api/v1/rules/reload HTTP/1.1\r\nHost: localhost\r\n";
    for (what, headers) in [
        ("two lengths", "Content-Length: 0\r\nContent-Length: 49\r\n"),
        ("a length that is none", "Content-Length: +0\r\n"),
        ("a length with words", "Content-Length: 0x0\r\n"),
        ("a coding that is not the last", "Transfer-Encoding: chunked, identity\r\n"),
        ("a coding nobody knows", "Transfer-Encoding: xchunked\r\n"),
        ("a folded header", "X-A: b\r\n Content-Length: 49\r\n"),
        ("a space before the colon", "Content-Length : 49\r\n"),
    ] {
        let said = raw(&server, &format!("{post}{headers}\r\n{hidden}"));
        assert!(said.starts_with("HTTP/1.1 400"), "{what}: {said}");
        assert_eq!(answers(&said), 1, "{what}: {said}");
    }
    // RFC 9112, 6.1: with both, the coding counts, and the connection ends after the answer.
    for both in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let said = raw(&server, &format!("{post}{both}\r\n0\r\n\r\n{hidden}"));
        assert_eq!(answers(&said), 1, "{said}");
    }
    // What is not hidden is answered.
    assert_eq!(answers(&raw(&server, &format!("{hidden}{hidden}"))), 2);
    // Headers have a bound.
    let long = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(1 << 20));
    let said = raw(&server, &long);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{}",
        said.chars().take(200).collect::<String>()
    );
    let many: String = (0..500).map(|n| format!("X-{n}: a\r\n")).collect();
    let said = raw(&server, &format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"));
    assert!(said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 400"), "{said}");
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_lead_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let token = make_token(folder.path(), &["boss", "--role", "admin"]);
    let server = Server::start(folder.path(), &[]);
    let ask = |request: String| {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        );
        let said = raw(&server, &format!("{head}Content-Length: 0\r\n\r\n"));
        let status: u16 = said.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
        (status, said)
    };
    for path in [
        "/../../etc/passwd",
        "/api/v1/incidents/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/incidents/%2e%2e",
        "/api/v1/dead-letters/..%2faudit.key",
        "/api/v1/alerts/%00",
        "/api/v1/users/..%2f..%2faudit",
        "/api/v1//audit",
        "/api/v1/audit/",
        "/API/V1/AUDIT",
        "/hooks/../api/v1/audit",
        "/hooks/..%2fapi%2fv1%2faudit",
        "/callbacks/slack/..%2f..%2fapi%2fv1%2faudit",
    ] {
        let (status, said) = ask(format!("GET {path}"));
        assert!((400..500).contains(&status), "{path}: {said}");
        assert!(!said.contains("root:") && !said.contains("\"entries\""), "{path}: {said}");
    }
    for id in ["..%2f..%2fx", "%2e%2e", "a%22%0d%0aSet-Cookie:%20x=y"] {
        let (status, said) = ask(format!("POST /api/v1/incidents/{id}/export"));
        assert_eq!(status, 404, "{id}: {said}");
        assert!(!said.to_lowercase().contains("\nset-cookie"), "{said}");
    }
    // An absolute address names no other host than the one that is asked.
    let (status, _) = ask("GET http://evil.example.com/api/v1/session".to_owned());
    assert_eq!(status, 200, "with a token, the host says nothing");
    server.terminate();
}
