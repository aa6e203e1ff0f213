//! What people can do about incidents, over HTTP and by the command line: what they can do about alerts.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::incidents::{Folder, records};
use crate::running::{Server, run, sql};

struct Desk {
    _folder: Folder,
    server: Server,
    client: Client,
}

impl Desk {
    /// A server with six incidents: one of three alerts, and five of one.
    async fn new() -> Self {
        let folder = Folder::new();
        let server = Server::start(&folder.data(), &folder.settings());
        run(&["--url", &server.url, "-q", "ingest", &folder.write("all.ndjson", &records())]);
        let desk = Self { _folder: folder, server, client: Client::new() };
        // Asking for verified accounts waits for the alerts of what was accepted.
        desk.get("sources?verify=true").await;
        desk
    }

    async fn ask(&self, method: Method, path: &str, tag: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let mut request = self.client.request(method.clone(), format!("{}/api/v1/{path}", self.server.url));
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        if method == Method::POST {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, None, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, None, &body).await
    }

    async fn list(&self, query: &str) -> Vec<Value> {
        self.get(&format!("incidents?{query}")).await["incidents"].as_array().unwrap().clone()
    }
}

fn id(incident: &Value) -> &str {
    incident["id"].as_str().unwrap()
}

#[tokio::test]
async fn incidents_are_worked_through() {
    let desk = Desk::new().await;
    let all = desk.list("").await;
    assert_eq!(all.len(), 6, "{all:#?}");
    let (one, other) = (id(&all[0]), id(&all[1]));
    let step = async |step: &str, body: Value| desk.post(&format!("incidents/{one}/{step}"), body).await;
    let (status, begun) = step("start", json!({})).await;
    assert_eq!((status, &begun["status"]), (StatusCode::OK, &json!("in_progress")), "{begun}");
    assert!(begun["owner"].is_string() && begun["acknowledged"].is_string(), "{begun}");
    assert_eq!(step("start", json!({})).await.1["revision"], begun["revision"], "nothing has changed");
    let (_, nobodys) = step("unassign", json!({})).await;
    assert_eq!((&nobodys["owner"], &nobodys["status"]), (&Value::Null, &json!("in_progress")));
    // As before, an empty name is nobody.
    assert_eq!(step("assign", json!({ "owner": "dana" })).await.1["owner"], "dana");
    assert_eq!(step("assign", json!({ "owner": "" })).await.1["owner"], Value::Null);
    let (_, labelled) = step("labels", json!({ "add": ["vault", "exercise"] })).await;
    assert_eq!(labelled["labels"], json!(["exercise", "vault"]));
    for bad in [json!({}), json!({ "add": ["a,b"] }), json!({ "add": vec!["x"; 51] })] {
        assert_eq!(step("labels", bad.clone()).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(step("labels", json!({ "add": "x" })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let stale = format!("\"{}\"", begun["revision"]);
    for step in ["start", "unassign", "labels"] {
        let path = format!("incidents/{one}/{step}");
        let (status, _) = desk.ask(Method::POST, &path, Some(&stale), &json!({ "add": ["x"] })).await;
        assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{step}");
    }

    desk.post(&format!("incidents/{other}/acknowledge"), json!({})).await;
    let last = all.last().unwrap();
    let (first, next) = (last["first"].as_str().unwrap(), all[4]["first"].as_str().unwrap());
    let rule = "5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0002";
    for (query, wanted) in [
        ("status=in_progress,acknowledged".to_owned(), vec![one, other]),
        ("status=in_progress".to_owned(), vec![one]),
        ("unassigned=true&status=in_progress, acknowledged".to_owned(), vec![one]),
        ("label=Vault".to_owned(), vec![one]),
        ("label=none".to_owned(), vec![]),
        (format!("until={next}"), vec![id(last)]),
        (format!("since={first}&until={next}"), vec![id(last)]),
        (format!("rule={rule}"), vec![id(last)]),
        (format!("entity={}", last["entities"][0]["name"].as_str().unwrap()), vec![id(last)]),
        ("severity=critical".to_owned(), vec![id(last)]),
        ("verdict=benign".to_owned(), vec![]),
        ("overdue=true&status=new,closed".to_owned(), vec![]),
    ] {
        let found = desk.list(&query).await;
        assert_eq!(found.iter().map(id).collect::<Vec<_>>(), wanted, "{query}");
    }
    for bad in ["status=open", "status=", "verdict=bad", "until=soon", "stauts=new"] {
        let (status, _) = desk.ask(Method::GET, &format!("incidents?{bad}"), None, &Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let query = format!("SELECT status, labels, owner FROM incidents WHERE id = '{one}'");
    let (_, rows) = desk.post("sql", json!({ "sql": query })).await;
    assert_eq!(rows[0]["labels"], "[\"exercise\",\"vault\"]", "{rows}");
    let query = format!("SELECT change, by FROM incident_changes WHERE incident_id = '{one}'");
    let (_, rows) = desk.post("sql", json!({ "sql": query })).await;
    assert_eq!(rows.as_array().unwrap().len(), 6, "{rows}");
    let shown = desk.get(&format!("incidents/{one}")).await;
    let steps: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|step| step["change"].as_str().unwrap()).collect();
    assert_eq!(steps, ["opened", "started", "unassigned", "assigned", "unassigned", "labelled"]);
    desk.server.terminate();
}

#[tokio::test]
async fn many_incidents_are_changed_at_once() {
    let desk = Desk::new().await;
    let all = desk.list("").await;
    let ids: Vec<_> = all.iter().map(id).collect();
    let bulk = async |body: Value| desk.post("incidents/bulk", body).await;
    desk.post(&format!("incidents/{}/comment", ids[1]), json!({ "text": "mine" })).await;
    let revision = |n: usize| all[n]["revision"].clone();
    let start = json!({
        "action": "start",
        "ids": [ids[0], ids[1], &ids[2][..12], "ffffff"],
        "revisions": { ids[0]: revision(0), ids[1]: revision(1), &ids[2][..12]: revision(2) },
    });
    let (status, told) = bulk(start).await;
    assert_eq!((status, &told["changed"]), (StatusCode::OK, &json!([ids[0], ids[2]])), "{told}");
    let left = told["unchanged"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["id"], &left[1]["id"]), (2, &json!(ids[1]), &json!("ffffff")));
    assert_eq!(left[0]["revision"].as_u64(), revision(1).as_u64().map(|known| known + 1), "{told}");
    assert_eq!(left[1]["revision"], Value::Null);

    let close = |filter: Value| json!({ "action": "close", "verdict": "benign", "reason": "a drill", "filter": filter });
    for (bad, said) in [
        (close(json!({})), "names nothing"),
        (close(json!({ "limit": 5 })), "bulk action"),
        (json!({ "action": "close", "reason": "x", "filter": { "status": "new" } }), "`verdict` is missing"),
        (json!({ "action": "close", "verdict": "benign", "filter": { "status": "new" } }), "`reason`"),
        (json!({ "action": "close", "verdict": "refuted", "reason": "x", "ids": [] }), "only late events"),
        (json!({ "action": "start", "verdict": "benign", "filter": { "status": "new" } }), "goes with"),
        (json!({ "action": "start", "reason": "x", "ids": [] }), "goes with"),
        (json!({ "action": "assign", "ids": [] }), "`owner` is missing"),
        (json!({ "action": "label", "ids": [] }), "no label is given"),
        (json!({ "action": "release", "ids": [] }), "unknown action"),
        (json!({ "action": "start" }), "`ids` or `filter`"),
        (json!({ "action": "start", "ids": vec!["x"; 1001] }), "1000"),
        (json!({ "action": "start", "filter": { "stauts": "new" } }), "stauts"),
        (
            json!({ "action": "start", "filter": { "status": "new" }, "revisions": { "a": 1 } }),
            "none of `ids`",
        ),
        (json!({ "action": "start", "ids": [ids[0]], "revisions": [1] }), "revisions"),
    ] {
        let (status, told) = bulk(bad.clone()).await;
        assert!(status.is_client_error() && told.to_string().contains(said), "{bad}: {status} {told}");
    }
    let body = json!({ "action": "unassign", "ids": [ids[0]] });
    let (status, told) = desk.ask(Method::POST, "incidents/bulk", Some("\"1\""), &body).await;
    assert!(status == StatusCode::BAD_REQUEST && told.to_string().contains("`revisions`"), "{told}");

    let label = json!({ "action": "label", "add": ["exercise"], "filter": { "status": "new" } });
    assert_eq!(bulk(label).await.1["changed"].as_array().unwrap().len(), 4);
    let (_, told) = bulk(close(json!({ "label": "exercise" }))).await;
    assert_eq!((told["changed"].as_array().unwrap().len(), &told["more"]), (4, &json!(false)), "{told}");
    // Of the six, two have been begun; closing the others closed their alerts.
    let open = desk.get("alerts?status=new").await;
    assert_eq!(open["alerts"].as_array().unwrap().len(), 2, "{open}");
    let audit = desk.get("audit?action=incidents.bulk&limit=500").await;
    let closed =
        audit["entries"].as_array().unwrap().iter().find(|entry| entry["detail"]["reason"] == "a drill");
    let detail = &closed.unwrap()["detail"];
    assert_eq!((&detail["action"], &detail["verdict"]), (&json!("close"), &json!("benign")), "{detail}");
    assert_eq!((&detail["changed"], &detail["unchanged"]), (&json!(4), &json!(0)), "{detail}");
    desk.server.terminate();
}

#[test]
fn the_command_line_does_the_same() {
    let folder = Folder::new();
    folder.run(&["ingest", &folder.write("all.ndjson", &records())]);
    let incidents = folder.incidents();
    let ids: Vec<_> = incidents.iter().map(id).collect();
    let run = |arguments: &[&str]| folder.run(&[&["incidents"], arguments].concat());
    let told = run(&["start", &ids[0][..12]]);
    assert!(told.starts_with(&format!("{} is in_progress, 1 alerts, ", ids[0])), "{told}");
    assert_eq!(run(&["unassign", ids[0]]), format!("{} is in_progress, 1 alerts\n", ids[0]));
    run(&["assign", ids[0], "--to", "dana"]);
    run(&["label", ids[0], "--add", "exercise", "--add", "vault"]);
    run(&["label", ids[0], "--remove", "vault"]);
    assert_eq!(run(&["ack", &ids[1][..12], ids[2]]), "2 changed, 0 unchanged\n");
    let shown = run(&["show", ids[0]]);
    for line in ["labels:       exercise", "(high, in_progress)", "labelled by cli removed vault"] {
        assert!(shown.contains(line), "`{line}`: {shown}");
    }
    let listed = |arguments: &[&str]| -> Vec<String> {
        let list = folder.json(&[&["incidents", "list", "--json"], arguments].concat());
        list["incidents"].as_array().unwrap().iter().map(|one| id(one).to_owned()).collect()
    };
    assert_eq!(listed(&["--status", "in_progress,acknowledged"]), ids[..3]);
    assert_eq!(listed(&["--owner", "dana", "--label", "exercise"]), ids[..1]);
    assert_eq!(listed(&["--unassigned"]), ids[3..]);
    assert_eq!(
        listed(&["--rule", "5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0001", "--until", "2026-03-02T10:15:00Z"]).len(),
        1
    );
    assert_eq!(run(&["bulk", "assign", "--unassigned", "--to", "eve"]), "3 changed, 0 unchanged\n");
    let some = folder.command(&["incidents", "start", ids[0], ids[3]]);
    assert_eq!(some.status.code(), Some(1), "one is in progress already");
    let close = ["close", ids[3], ids[4], "--verdict", "benign", "--reason", "a drill"];
    assert_eq!(run(&close), "2 changed, 0 unchanged\n");
    assert_eq!(listed(&["--verdict", "benign"]), ids[3..5]);
    assert_eq!(run(&["reopen", ids[3]]), format!("{} is new, 1 alerts, eve's\n", ids[3]));
    let to = folder.folder.path().join("case");
    run(&["export", ids[0], "--to", &to.to_string_lossy()]);
    let document = std::fs::read_to_string(to.join("incident.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["labels"], &document["status"]), (&json!(["exercise"]), &json!("in_progress")));
    assert!(std::fs::read_to_string(to.join("report.md")).unwrap().contains("| Labels | exercise |"));
    assert!(
        std::fs::read_to_string(to.join("report.html")).unwrap().contains("<th>Labels</th><td>exercise</td>")
    );
    let rows = sql(&folder.data(), "SELECT labels, revision FROM incidents WHERE labels <> '[]'");
    assert_eq!((rows.len(), &rows[0]["labels"]), (1, &json!("[\"exercise\"]")));
    // An alert is taken from its owner, too.
    let alert = folder.json(&["incidents", "show", ids[1], "--json"])["members"][0]["alert"].clone();
    let alert = alert.as_str().unwrap();
    folder.run(&["alerts", "assign", alert, "--to", "dana"]);
    assert_eq!(folder.run(&["alerts", "unassign", alert]), format!("{alert} is new\n"));
}
