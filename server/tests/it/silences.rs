//! Silences and groups, from a record to what a team sees.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::running::{Server, outcome, run, sql};

const RULE: &str = "20b0fb8d-34ed-5603-8ea7-9d241ef83371";

/// A trail is stopped by `actor`, `second` seconds after `hour`.
fn stopped(id: &str, actor: &str, hour: &str, second: usize) -> String {
    let (minute, second) = (second / 60, second % 60);
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"{actor}","arn":"arn:aws:iam::111122223333:user/{actor}","accountId":"111122223333"}},"eventTime":"{hour}:{minute:02}:{second:02}Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","requestParameters":null,"responseElements":null,"requestID":"r-{id}","eventID":"{id}","eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}"#
    )
}

/// This hour and so many before it, as an event's time begins.
fn hours_ago(hours: i64) -> String {
    let time = chrono::Utc::now() - chrono::Duration::hours(hours);
    time.format("%Y-%m-%dT%H").to_string()
}

async fn push(client: &Client, url: &str, records: impl IntoIterator<Item = String>) {
    let body = records.into_iter().map(|record| record + "\n").collect::<String>();
    let answer = client.post(format!("{url}/api/v1/ingest")).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // Waits until the alerts are durable.
    client.get(format!("{url}/api/v1/sources?verify=true")).send().await.unwrap();
}

async fn get(client: &Client, url: String) -> Value {
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

async fn post(client: &Client, url: String, body: &Value) -> (StatusCode, Value) {
    let answer = client.post(url).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn listed(client: &Client, url: &str, query: &str) -> usize {
    let list = get(client, format!("{url}/api/v1/alerts?limit=500&rule={RULE}{query}")).await;
    list["alerts"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_silence_hides_and_gives_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (client, url) = (Client::new(), server.url.clone());
    let (hour, silences) = (hours_ago(3), format!("{url}/api/v1/silences"));
    push(&client, &url, [stopped("a1", "ann", &hour, 0), stopped("b1", "ben", &hour, 1)]).await;

    // What names nothing, or has no end, is refused with the mend.
    let wanted = |matching: Value| json!({ "match": matching, "ends": "8h", "starts": format!("{hour}:00:00Z"), "reason": "we move the trail" });
    for (bad, said) in [
        (wanted(json!({})), "names nothing"),
        (wanted(json!({ "actor": ["*"] })), "names nothing"),
        (wanted(json!({ "severity": ["high"] })), "names nothing"),
        (wanted(json!({ "colour": ["red"] })), "unknown field"),
        (json!({ "match": { "rule": [RULE] }, "reason": "x" }), "`ends` is missing"),
        (json!({ "match": { "rule": [RULE] }, "reason": "x", "ends": "2020-01-01" }), "before it starts"),
        (json!({ "match": { "rule": [RULE] }, "reason": "x", "ends": "400d" }), "366 days"),
        (json!({ "match": { "rule": [RULE] }, "reason": "", "ends": "1h" }), "say why"),
        (
            json!({ "match": { "rule": [RULE] }, "reason": "x", "ends": "1h", "windows": ["Mon"] }),
            "no window",
        ),
    ] {
        let (status, problem) = post(&client, silences.clone(), &bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }

    let ann = wanted(json!({ "rule": [RULE], "actor": ["*user/ann", "ann"] }));
    let (status, trial) = post(&client, format!("{silences}/test"), &ann).await;
    assert_eq!(
        (status, &trial["alerts"], &trial["hidden"]),
        (StatusCode::OK, &json!(2), &json!(1)),
        "{trial}"
    );
    let all = wanted(json!({ "rule": [RULE] }));
    let (_, trial) = post(&client, format!("{silences}/test"), &all).await;
    assert!(trial["warnings"][0].as_str().unwrap().contains("more than half"), "{trial}");
    assert_eq!(get(&client, silences.clone()).await["silences"], json!([]), "a test makes none");

    let (status, made) = post(&client, silences.clone(), &ann).await;
    assert_eq!(
        (status, &made["status"], &made["trial"]["hidden"]),
        (StatusCode::CREATED, &json!("active"), &json!(1))
    );
    let id = made["id"].as_str().unwrap().to_owned();
    push(&client, &url, [stopped("a2", "ann", &hour, 2), stopped("b2", "ben", &hour, 3)]).await;
    assert_eq!(listed(&client, &url, "").await, 3, "what was told before stays");
    assert_eq!(listed(&client, &url, "&suppressed=only").await, 1);
    assert_eq!(listed(&client, &url, "&suppressed=all").await, 4);
    assert_eq!(listed(&client, &url, &format!("&suppressed_by={id}")).await, 1);

    // A kill changes nothing: the answer was given in the alert's own transaction.
    server.kill();
    let server = Server::start(folder.path(), &[]);
    let (url, silences) = (server.url.clone(), format!("{}/api/v1/silences", server.url));
    assert_eq!(listed(&client, &url, "&suppressed=only").await, 1);
    let noise = get(&client, format!("{url}/api/v1/alerts/noise?since=1d")).await;
    let rule = noise["rules"].as_array().unwrap().iter().find(|rule| rule["rule_id"] == RULE).unwrap();
    assert_eq!((&rule["alerts"], &rule["suppressed"], &rule["open"]), (&json!(4), &json!(1), &json!(3)));

    let (status, ended) =
        post(&client, format!("{silences}/{id}/end"), &json!({ "reason": "it was wrong" })).await;
    assert_eq!((status, &ended["status"], &ended["hidden"]), (StatusCode::OK, &json!("ended"), &json!(1)));
    assert_eq!(post(&client, format!("{silences}/{id}/end"), &json!({})).await.0, StatusCode::CONFLICT);
    assert_eq!(post(&client, format!("{silences}/ffff/end"), &json!({})).await.0, StatusCode::NOT_FOUND);
    push(&client, &url, [stopped("a3", "ann", &hour, 4)]).await;
    assert_eq!(listed(&client, &url, "&suppressed=only").await, 1);
    let (_, released) = post(&client, format!("{silences}/{id}/release"), &json!({})).await;
    assert_eq!(released["changed"].as_array().unwrap().len(), 1, "{released}");
    assert_eq!((listed(&client, &url, "").await, listed(&client, &url, "&suppressed=only").await), (5, 0));
    let shown = get(&client, format!("{silences}/{id}")).await;
    assert_eq!((&shown["hidden"], &shown["released"]), (&json!(0), &json!(1)));
    assert_eq!(get(&client, format!("{silences}?all=true")).await["silences"][0]["id"], json!(id));
    let rows = post(
        &client,
        format!("{url}/api/v1/sql"),
        &json!({ "sql": "SELECT released, ended_by FROM silences" }),
    )
    .await;
    assert_eq!(rows.1, json!([{ "released": 1, "ended_by": "local" }]));
}

/// What a silence hides is in no incident and adds to nobody's risk until it is released, also after a kill.
#[tokio::test]
async fn a_silence_holds_for_incidents_and_risk() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (client, url) = (Client::new(), server.url.clone());
    let hour = hours_ago(3);
    let wanted = json!({
        "match": { "rule": [RULE] }, "starts": format!("{hour}:00:00Z"), "ends": "8h", "reason": "we move the trail",
    });
    let (status, made) = post(&client, format!("{url}/api/v1/silences"), &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    push(&client, &url, [stopped("a1", "ann", &hour, 0), stopped("a2", "ann", &hour, 1)]).await;
    let hidden = get(&client, format!("{url}/api/v1/alerts?rule={RULE}&suppressed=only")).await;
    let id = hidden["alerts"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(hidden["alerts"].as_array().unwrap().len(), 2);
    server.kill();

    let server = Server::start(folder.path(), &[]);
    let url = server.url.clone();
    let risk = get(&client, format!("{url}/api/v1/alerts/{id}/risk")).await;
    assert!(risk["score"].as_u64().unwrap() > 0 && risk["incident"].is_null(), "{risk}");
    let seen = |found: Value, list: &str| found[list].as_array().unwrap().len();
    let (incidents, entities) = (format!("{url}/api/v1/incidents"), format!("{url}/api/v1/entities"));
    assert_eq!(seen(get(&client, incidents.clone()).await, "incidents"), 0);
    assert_eq!(seen(get(&client, entities.clone()).await, "entities"), 0);

    let (status, _) = post(&client, format!("{url}/api/v1/alerts/{id}/release"), &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let found = get(&client, incidents.clone()).await;
    assert_eq!(
        (seen(found.clone(), "incidents"), &found["incidents"][0]["alerts"]),
        (1, &json!(1)),
        "{found}"
    );
    let silence = made["id"].as_str().unwrap();
    post(&client, format!("{url}/api/v1/silences/{silence}/release"), &json!({})).await;
    let found = get(&client, incidents).await;
    assert_eq!(
        (seen(found.clone(), "incidents"), &found["incidents"][0]["alerts"]),
        (1, &json!(2)),
        "{found}"
    );
    let ranked = get(&client, entities).await;
    let ann = ranked["entities"].as_array().unwrap().iter().find(|one| one["kind"] == "identity").unwrap();
    assert_eq!(ann["alerts"], 2, "{ranked}");
}

#[tokio::test]
async fn a_rule_that_matches_without_end_raises_one_alert() {
    let folder = tempfile::tempdir().unwrap();
    let group = format!("{RULE}=1h by actor");
    let settings = [("STORMGLASS_RULES_GROUP", group.as_str())];
    let server = Server::start(folder.path(), &settings);
    let (client, url) = (Client::new(), server.url.clone());
    let record =
        |n: usize| stopped(&format!("e{n}"), if n % 4 == 3 { "ben" } else { "ann" }, "2026-03-02T10", n);
    push(&client, &url, (0..400).rev().map(record)).await;
    // A second delivery, a later window and a late one.
    push(&client, &url, (0..100).map(record)).await;
    push(
        &client,
        &url,
        [stopped("late", "ann", "2026-03-02T10", 3599), stopped("next", "ann", "2026-03-02T11", 0)],
    )
    .await;
    let list = get(&client, format!("{url}/api/v1/alerts?rule={RULE}")).await;
    let found: Vec<_> = list["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| (alert["time"].as_str().unwrap().to_owned(), alert["events"].as_u64().unwrap()))
        .collect();
    let expected = [("11:00:00Z", 1), ("10:59:59Z", 301), ("10:06:39Z", 100)];
    assert_eq!(found, expected.map(|(time, events)| (format!("2026-03-02T{time}"), events)));
    let id = list["alerts"][1]["id"].as_str().unwrap().to_owned();
    let shown = get(&client, format!("{url}/api/v1/alerts/{id}")).await;
    assert_eq!(
        (&shown["joined"]["begin"], shown["evidence"].as_array().unwrap().len()),
        (&json!("2026-03-02T10:00:00Z"), 20)
    );
    assert_eq!(shown["joined"]["by"][0]["field"], "actor");

    // The past says the same, and a hunt over a part of a window counts nothing twice.
    let span = json!({ "since": "2026-03-02T10:01:00Z", "until": "2026-03-02T10:02:00Z" });
    let (_, backtest) = post(&client, format!("{url}/api/v1/rules/{RULE}/backtest"), &span).await;
    assert_eq!((&backtest["alerts"], &backtest["first"][0]["events"]), (&json!(2), &json!(45)), "{backtest}");
    let (_, hunt) = post(&client, format!("{url}/api/v1/rules/{RULE}/hunt"), &span).await;
    assert_eq!(hunt["raised"], 0, "{hunt}");
    server.kill();
    let server = Server::start(folder.path(), &settings);
    let again = get(&client, format!("{}/api/v1/alerts/{id}", server.url)).await;
    assert_eq!((&again["events"], &again["evidence"]), (&json!(301), &shown["evidence"]));
}

#[test]
fn silences_by_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let hour = hours_ago(2);
    let file = folder.path().join("trail.ndjson");
    let ingest = |id: &str| {
        std::fs::write(&file, stopped(id, "ann", &hour, 0)).unwrap();
        run(&["--data", &data, "ingest", &file.to_string_lossy()]);
    };
    ingest("e1");
    let silences = |arguments: &[&str]| run(&[&["--data", &data, "silences"], arguments].concat());
    let rule = format!("rule={RULE}");
    let tried = silences(&["test", &rule]);
    assert!(tried.starts_with("of the last 30 days' 1 alerts it would have hidden 1\n"), "{tried}");
    let from = format!("{hour}:00:00Z");
    let made = silences(&["add", &rule, "--from", &from, "--until", "8h", "--reason", "we move the trail"]);
    let id = &made[..32];
    assert!(made.contains("is active until"), "{made}");
    ingest("e2");
    let listed = silences(&["list"]);
    assert!(listed.contains(&id[..12]) && listed.contains("we move the trail"), "{listed}");
    assert_eq!(sql(folder.path(), "SELECT hidden FROM silences")[0]["hidden"], 1);
    let shown = silences(&["show", &id[..8]]);
    assert!(shown.contains("hidden:   1, released 0"), "{shown}");
    let ended = silences(&["end", &id[..8], "--reason", "done", "--release"]);
    assert_eq!(ended, format!("{id} is ended; it hides 1 alerts\n1 alerts are released\n"));
    let nothing = outcome(&["--data", &data, "silences", "add", "rule=*", "--until", "1h", "--reason", "x"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("names nothing"));
    // Fields of the record, networks, and everything, where that is said.
    for (which, hidden) in [
        ("fields.eventName=StopLogging", 2),
        ("fields.eventName=StartLogging", 0),
        ("fields.userIdentity.userName=ann*", 2),
        ("address=192.0.2.0/24", 2),
        ("address=198.51.100.0/24", 0),
        ("--everything", 2),
    ] {
        let tried = silences(&["preview", which]);
        let expected = format!("of the last 30 days' 2 alerts it would have hidden {hidden}\n");
        assert!(tried.starts_with(&expected), "{which}: {tried}");
    }
    let long =
        outcome(&["--data", &data, "silences", "add", "--everything", "--until", "8d", "--reason", "x"]);
    assert!(String::from_utf8_lossy(&long.stderr).contains("7 days"));

    let noise = run(&["--data", &data, "alerts", "noise", "--since", "1d"]);
    assert!(noise.starts_with("ATTENTION") && noise.contains("CloudTrail Stopped Or Deleted"), "{noise}");
    let csv = run(&["--data", &data, "alerts", "noise", "--format", "csv"]);
    assert!(csv.starts_with("rule_id,title,") && csv.contains(RULE), "{csv}");
}
