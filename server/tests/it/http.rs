//! The API over a socket.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::running::{Server, root};

fn event(number: usize, name: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"dana","arn":"arn:aws:iam::111122223333:user/dana","accountId":"111122223333"}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"{name}","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","requestParameters":null,"responseElements":null,"requestID":"r-{number}","eventID":"e-{number}","eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}"#
    )
}

async fn ask(client: &Client, url: &str, sql: &str) -> Vec<Value> {
    let answer = client.post(format!("{url}/api/v1/sql")).json(&json!({ "sql": sql })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn pushed_records_can_be_queried_before_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("STORMGLASS_TABLE_COMMIT_AFTER", "1 h")]);
    let client = Client::new();
    let body = (0..3).map(|n| event(n, "DescribeTrails") + "\n").collect::<String>();
    let answer =
        client.post(format!("{}/api/v1/ingest?source=app", server.url)).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["accepted"], 3);
    // `verify` waits for what was accepted before.
    let sources: Value = client
        .get(format!("{}/api/v1/sources?verify=true", server.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(sources["sources"][0]["rows_counted"], 3);
    let rows = ask(&client, &server.url, "SELECT count(*) AS n FROM events WHERE source = 'app'").await;
    assert_eq!(rows[0]["n"], 3);
    let files = std::fs::read_dir(folder.path().join("events"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("event_day"));
    assert_eq!(files.count(), 0, "nothing was committed yet");
    server.terminate();
}

#[tokio::test]
async fn every_shape_and_compression_of_a_body() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let client = Client::new();
    let records = format!("{{\"Records\":[{},{}]}}", event(0, "A"), event(1, "B"));
    let array = format!("[{},{}]", event(2, "C"), event(3, "D"));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(event(4, "E").as_bytes()).unwrap();
    let zst = zstd::encode_all(event(5, "F").as_bytes(), 1).unwrap();
    for body in [records.into_bytes(), array.into_bytes(), gz.finish().unwrap(), zst] {
        let answer = client.post(format!("{}/api/v1/ingest", server.url)).body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    }
    client.get(format!("{}/api/v1/sources?verify=true", server.url)).send().await.unwrap();
    let rows = ask(&client, &server.url, "SELECT api_operation AS o FROM events ORDER BY 1").await;
    let names: Vec<_> = rows.iter().map(|row| row["o"].as_str().unwrap()).collect();
    assert_eq!(names, ["A", "B", "C", "D", "E", "F"]);
}

#[tokio::test]
async fn answers_come_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let client = Client::new();
    for (accept, begins) in [
        ("application/json", &b"["[..]),
        ("application/x-ndjson", b"{"),
        ("text/csv", b"a"),
        ("application/vnd.apache.arrow.stream", b"\xff\xff\xff\xff"),
        ("application/vnd.apache.parquet", b"PAR1"),
    ] {
        let answer = client
            .post(format!("{}/api/v1/sql", server.url))
            .header("accept", accept)
            .json(&json!({ "sql": "SELECT 1 AS a" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], accept);
        let body = answer.bytes().await.unwrap();
        assert!(body.starts_with(begins), "{accept}: {body:?}");
    }
    let refused = client
        .post(format!("{}/api/v1/sql", server.url))
        .header("accept", "image/png")
        .json(&json!({ "sql": "SELECT 1" }))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn errors_are_problems_that_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let client = Client::new();
    let problem = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], status);
        (status, body["detail"].as_str().unwrap().to_owned())
    };
    let sql = |text: &str| client.post(format!("{}/api/v1/sql", server.url)).json(&json!({ "sql": text }));
    let (status, detail) = problem(sql("SELECT actor_usr_name FROM events")).await;
    assert_eq!(status, 400);
    assert!(detail.contains("actor_user_name"), "{detail}");
    assert_eq!(problem(sql("COPY events TO '/tmp/x.csv'")).await.0, 403);
    assert_eq!(problem(sql("DROP TABLE events")).await.0, 403);
    assert_eq!(problem(client.get(format!("{}/api/v1/nothing", server.url))).await.0, 404);
    assert_eq!(problem(client.get(format!("{}/api/v1/alerts/0000", server.url))).await.0, 404);
    let (status, detail) = problem(client.get(format!("{}/api/v1/alerts?severity=huge", server.url))).await;
    assert_eq!(status, 400);
    assert!(detail.contains("critical"), "{detail}");
    let (status, _) =
        problem(client.post(format!("{}/api/v1/ingest?source=A B", server.url)).body("{}")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn tokens_open_what_their_role_may() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stormglass.toml");
    let mut text = String::new();
    let mut tokens = Vec::new();
    for role in ["admin", "analyst", "ingest"] {
        let output = crate::running::outcome(&["token", "--role", role, "--name", role]);
        assert!(output.status.success());
        tokens.push(String::from_utf8(output.stdout).unwrap().trim().to_owned());
        let entry = String::from_utf8(output.stderr).unwrap();
        let entry = &entry[entry.find("[[").unwrap()..entry.find("\n\nThe token").unwrap()];
        text.push_str(entry);
        text.push('\n');
    }
    let logs = folder.path().join("none-yet");
    text.push_str(&format!("\n[[sources]]\nname = \"shop\"\ntype = \"files\"\npaths = [{logs:?}]\n"));
    std::fs::write(&config, text).unwrap();
    let server =
        Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &config.to_string_lossy())]);
    let client = Client::new();
    let status = async |token: Option<&str>, method: &str, path: &str| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = client.request(method, format!("{}{path}", server.url));
        request = match path {
            "/api/v1/sql" => request.json(&json!({ "sql": "SELECT 1" })),
            "/api/v1/dead-letters/retry" => request.json(&json!({})),
            _ => request.body(if path.contains("ingest") { event(1, "X") } else { String::new() }),
        };
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let routes = [
        ("GET", "/api/v1/alerts", [200, 200, 403]),
        ("GET", "/api/v1/sources", [200, 200, 403]),
        ("GET", "/api/v1/dead-letters", [200, 200, 403]),
        ("GET", "/api/v1/rules", [200, 200, 403]),
        ("GET", "/metrics", [200, 200, 403]),
        ("POST", "/api/v1/sql", [200, 200, 403]),
        ("POST", "/api/v1/ingest", [200, 403, 200]),
        ("POST", "/api/v1/dead-letters/retry", [200, 403, 403]),
        ("POST", "/api/v1/alerts/0/acknowledge", [404, 404, 403]),
    ];
    for (method, path, expected) in routes {
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(status(Some(token), method, path).await, expected, "{method} {path}");
        }
        assert_eq!(status(None, method, path).await, 401, "{method} {path}");
        assert_eq!(status(Some("sgm_wrong"), method, path).await, 401, "{method} {path}");
    }
    assert_eq!(status(None, "GET", "/api/v1/openapi.json").await, 401);
    assert_eq!(status(Some(&tokens[2]), "GET", "/api/v1/openapi.json").await, 200);
    for path in ["/health", "/ready"] {
        let told = async |token: Option<&str>| {
            let request = client.get(format!("{}{path}", server.url));
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            request.send().await.unwrap().json::<Value>().await.unwrap()
        };
        // Probes are told how it is, and nothing else; so is who may only push.
        for token in [None, Some(&*tokens[2])] {
            assert_eq!(status(token, "GET", path).await, 200, "{path}");
            assert_eq!(told(token).await, json!({"status": "ok"}), "{path}");
        }
        assert!(told(Some(&tokens[1])).await["version"].is_string(), "{path}");
        assert_eq!(status(Some("sgm_wrong"), "GET", path).await, 401, "{path}");
    }
    // Whose name it is not, does not push under it.
    for (source, expected) in
        [("shop", [200, 403, 403]), ("stormglass-audit", [200, 403, 403]), ("shop-2", [200, 403, 200])]
    {
        for (token, expected) in tokens.iter().zip(expected) {
            let path = format!("/api/v1/ingest?source={source}");
            assert_eq!(status(Some(token), "POST", &path).await, expected, "{source}");
        }
    }
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_reach_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let answer = Client::new()
        .get(format!("{}/api/v1/alerts", server.url))
        .header("host", "rebound.example.com")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_full_log_answers_429_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    // The table never commits by itself, so the log fills up.
    let settings = [
        ("STORMGLASS_TABLE_COMMIT_AFTER", "1 h"),
        ("STORMGLASS_LOG_SEGMENT", "256 KiB"),
        ("STORMGLASS_LOG_MAX", "1 MiB"),
    ];
    let server = Server::start(folder.path(), &settings);
    let client = Client::new();
    let mut number = 0;
    let retry_after = loop {
        let body = (0..200).map(|n| event(number + n, "A") + "\n").collect::<String>();
        number += 200;
        let answer = client.post(format!("{}/api/v1/ingest", server.url)).body(body).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
        }
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(number < 100_000, "the log never filled up");
    };
    assert!(retry_after >= 1);
    server.terminate();
    let server = Server::start(folder.path(), &settings);
    let answer =
        client.post(format!("{}/api/v1/ingest", server.url)).body(event(0, "A")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "the stop committed what the log held");
}

#[tokio::test]
async fn the_description_names_every_route() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let text = reqwest::get(format!("{}/api/v1/openapi.json", server.url)).await.unwrap();
    let description: Value = text.json().await.unwrap();
    let paths: Vec<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
    for path in [
        "/health",
        "/metrics",
        "/ready",
        "/api/v1/alerts",
        "/api/v1/alerts/{id}",
        "/api/v1/alerts/{id}/acknowledge",
        "/api/v1/alerts/{id}/close",
        "/api/v1/dead-letters",
        "/api/v1/dead-letters/retry",
        "/api/v1/ingest",
        "/api/v1/rules",
        "/api/v1/sources",
        "/api/v1/sql",
        "/services/collector/event",
        "/callbacks/pagerduty/{channel}",
        "/callbacks/slack/{channel}",
        "/hooks/{name}",
        "/v1/logs",
    ] {
        assert!(paths.contains(&path.to_owned()), "{path} is not described: {paths:?}");
    }
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stormglass_healthy 1"), "{metrics}");
}

#[tokio::test]
async fn commands_ask_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let story = root().join("demo/story").to_string_lossy().into_owned();
    crate::running::run(&["--url", &server.url, "ingest", "--source", "demo", &story]);
    let out = crate::running::run(&[
        "--url",
        &server.url,
        "sql",
        "--format",
        "csv",
        "SELECT count(*) AS n FROM events",
    ]);
    assert_eq!(out, "n\n57\n");
    // The folder itself is taken, and the error says by whom.
    let refused = crate::running::outcome(&["--data", &folder.path().to_string_lossy(), "sources"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains(&server.url), "{said}");
    server.terminate();
}
