//! Alerts that a team works through, over HTTP and by the command line.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::running::{Server, outcome, root, run, sql};

/// A server that has read the story, and its address.
fn told(folder: &std::path::Path) -> Server {
    let story = root().join("demo/story").to_string_lossy().into_owned();
    run(&["--data", &folder.to_string_lossy(), "ingest", "--source", "demo", &story]);
    Server::start(folder, &[])
}

async fn get(client: &Client, url: &str) -> Value {
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

async fn post(client: &Client, url: &str, body: &Value) -> (StatusCode, Value) {
    let answer = client.post(url).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_alert_is_worked_through_by_several() {
    let folder = tempfile::tempdir().unwrap();
    let server = told(folder.path());
    let client = Client::new();
    let alerts = format!("{}/api/v1/alerts", server.url);
    let list = get(&client, &alerts).await;
    // Of single events: what a correlation raised may have been amended already.
    let single = list["alerts"].as_array().unwrap().iter().filter(|alert| alert["events"] == 1);
    let ids: Vec<_> = single.map(|alert| alert["id"].as_str().unwrap().to_owned()).collect();
    let (id, other) = (&ids[0], &ids[1]);

    let shown = client.get(format!("{alerts}/{id}")).send().await.unwrap();
    let tag = shown.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("\"1-"), "{tag}");
    // Two know the same revision; one is first.
    let assign = async |owner: &str, tag: &str| {
        let request = client.post(format!("{alerts}/{id}/assign")).header("if-match", tag);
        let answer = request.json(&json!({ "owner": owner })).send().await.unwrap();
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.status(), tag, answer.json::<Value>().await.unwrap())
    };
    let (first, second) = tokio::join!(assign("ann", &tag), assign("ben", &tag));
    let (won, lost) = if first.0 == StatusCode::OK { (first, second) } else { (second, first) };
    assert_eq!((won.0, lost.0), (StatusCode::OK, StatusCode::PRECONDITION_FAILED));
    assert_eq!(won.1.as_deref(), Some("\"2\""));
    assert_eq!(
        (&lost.2["type"], lost.2["detail"].as_str().unwrap().contains("read it again")),
        (&"/api/v1/problems#stale".into(), true)
    );
    let (refused, _, problem) = assign("eve", "2").await;
    assert_eq!(refused, StatusCode::BAD_REQUEST, "{problem}");
    assert_eq!(assign("ann", "\"1\", \"2\"").await.0, StatusCode::OK);

    let step = async |step: &str, body: Value| post(&client, &format!("{alerts}/{id}/{step}"), &body).await;
    assert_eq!(step("start", json!({})).await.1["status"], "in_progress");
    assert_eq!(step("comments", json!({ "text": "asked the owner" })).await.0, StatusCode::OK);
    assert_eq!(step("labels", json!({ "add": ["exercise"] })).await.1["labels"], json!(["exercise"]));
    assert_eq!(step("labels", json!({ "add": ["a,b"] })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(step("comments", json!({ "text": "" })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        step("close", json!({ "verdict": "duplicate", "reason": "x" })).await.0,
        StatusCode::BAD_REQUEST
    );
    let same = json!({ "verdict": "duplicate", "reason": "x", "duplicate_of": id });
    assert_eq!(step("close", same).await.0, StatusCode::BAD_REQUEST);
    let closed =
        step("close", json!({ "verdict": "duplicate", "reason": "the same key", "duplicate_of": other }))
            .await;
    assert_eq!((closed.0, &closed.1["duplicate_of"]), (StatusCode::OK, &json!(other)), "{}", closed.1);
    assert_eq!(step("start", json!({})).await.0, StatusCode::CONFLICT);
    // An empty body of no type is enough where nothing need be said.
    let reopened = client.post(format!("{alerts}/{id}/reopen")).send().await.unwrap();
    assert_eq!(reopened.status(), StatusCode::OK);

    let shown = get(&client, &format!("{alerts}/{id}")).await;
    let steps: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|step| step["change"].as_str().unwrap()).collect();
    assert!(steps.ends_with(&["started", "commented", "labelled", "closed", "reopened"]), "{steps:?}");
    let list = get(&client, &format!("{alerts}?owner=ann&label=exercise&status=new")).await;
    let found = list["alerts"].as_array().unwrap();
    assert_eq!(found.len(), usize::from(shown["owner"] == "ann"));
    let rows: Value = client
        .post(format!("{}/api/v1/sql", server.url))
        .json(&json!({ "sql": format!("SELECT comment FROM alert_comments WHERE alert_id = '{id}'") }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(rows, json!([{ "comment": "asked the owner" }]));
}

#[tokio::test]
async fn many_alerts_are_changed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = told(folder.path());
    let client = Client::new();
    let alerts = format!("{}/api/v1/alerts", server.url);
    let list = get(&client, &format!("{alerts}?limit=500")).await;
    let all = list["alerts"].as_array().unwrap().len();
    // Of single events: what a correlation raised may have been amended already.
    let single = list["alerts"].as_array().unwrap().iter().filter(|alert| alert["events"] == 1);
    let ids: Vec<_> = single.map(|alert| alert["id"].as_str().unwrap()).collect();
    let (id, other) = (ids[0], ids[1]);
    let bulk = async |body: Value| post(&client, &format!("{alerts}/bulk"), &body).await;

    let (status, told) = bulk(json!({ "action": "acknowledge", "ids": [id, "ffff"] })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&told["changed"], &told["unchanged"][0]["id"]), (&json!([id]), &json!("ffff")));
    let close = |filter: Value| json!({ "action": "close", "verdict": "benign", "reason": "a drill", "filter": filter });
    for (bad, said) in [
        (close(json!({})), "names nothing"),
        (close(json!({ "limit": 5 })), "bulk action"),
        (json!({ "action": "close", "reason": "x", "filter": { "status": "new" } }), "`verdict` is missing"),
        (json!({ "action": "close", "verdict": "benign", "filter": { "status": "new" } }), "reason"),
        (json!({ "action": "start", "verdict": "benign", "filter": { "status": "new" } }), "goes with"),
        (json!({ "action": "explode", "filter": { "status": "new" } }), "unknown action"),
        (json!({ "action": "start" }), "`ids` or `filter`"),
        (json!({ "action": "start", "ids": [], "filter": {} }), "`ids` or `filter`"),
        (json!({ "action": "start", "ids": vec!["x"; 1001] }), "1000"),
        (json!({ "action": "start", "filter": { "stauts": "new" } }), "stauts"),
    ] {
        let answer = client.post(format!("{alerts}/bulk")).json(&bad).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_client_error() && text.contains(said), "{bad}: {status} {text}");
    }
    // Each id may have the revision at which it is known; one tag for all is refused.
    let stale = json!({ "action": "start", "ids": [id, other], "revisions": { id: 1, other: 1 } });
    let (status, told) = bulk(stale).await;
    assert_eq!((status, &told["changed"]), (StatusCode::OK, &json!([other])), "{told}");
    let left = &told["unchanged"][0];
    assert_eq!((&left["id"], &left["revision"]), (&json!(id), &json!(2)), "{told}");
    assert!(left["reason"].as_str().unwrap().contains("changed meanwhile"), "{told}");
    let (status, problem) = bulk(json!({ "action": "start", "ids": [id], "revisions": { "ffff": 1 } })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("`ffff`"), "{problem}");
    let tagged = client.post(format!("{alerts}/bulk")).header("if-match", "\"1\"");
    let tagged = tagged.json(&json!({ "action": "unassign", "ids": [id] })).send().await.unwrap();
    let (status, problem) = (tagged.status(), tagged.json::<Value>().await.unwrap());
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("`revisions`"), "{problem}");

    let (_, told) = bulk(close(json!({ "status": "new" }))).await;
    assert_eq!(told["changed"].as_array().unwrap().len(), all - 2);
    assert_eq!(told["more"], false);
    let left = get(&client, &format!("{alerts}?status=acknowledged")).await;
    assert_eq!(left["alerts"].as_array().unwrap().len(), 1);
    let benign = get(&client, &format!("{alerts}?verdict=benign&limit=500")).await;
    assert_eq!(benign["alerts"].as_array().unwrap().len(), all - 2);
}

#[test]
fn the_command_line_says_what_it_overwrote() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let story = root().join("demo/story/1-aws-cloudtrail.json").to_string_lossy().into_owned();
    run(&["--data", &data, "ingest", &story]);
    let rows = sql(folder.path(), "SELECT id FROM alerts ORDER BY id");
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    let alerts = |arguments: &[&str]| run(&[&["--data", &data, "alerts"], arguments].concat());
    let start = &ids[0][..12];
    assert_eq!(alerts(&["assign", start, "--to", "ann"]), format!("{} is new, ann's\n", ids[0]));
    assert_eq!(alerts(&["assign", start, "--to", "ann"]), format!("{} is new, ann's already\n", ids[0]));
    alerts(&["comment", start, "asked the owner of the key"]);
    alerts(&["label", start, "--add", "keys"]);
    assert!(alerts(&["list", "--owner", "ann", "--label", "keys"]).contains(start));
    assert_eq!(alerts(&["start", ids[0], ids[1]]), "2 changed, 0 unchanged\n");
    let some = outcome(&["--data", &data, "alerts", "ack", ids[0], ids[2]]);
    assert_eq!(some.status.code(), Some(1), "one is in progress already");
    let close =
        ["close", ids[1], "--verdict", "duplicate", "--duplicate-of", start, "--reason", "the same key"];
    assert_eq!(alerts(&close), format!("{} is closed\n", ids[1]));
    let told =
        alerts(&["bulk", "close", "--status", "acknowledged", "--verdict", "benign", "--reason", "a drill"]);
    assert_eq!(told, "1 changed, 0 unchanged\n");
    let shown = alerts(&["show", ids[1]]);
    for line in [
        &format!("verdict:  duplicate of {}: the same key", ids[0]),
        "cli closed as duplicate (in_progress → ",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
}
