//! What the description of the API says, held against the answers of a server: conditions, headers, statuses.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response};
use serde_json::{Map, Value, json};

use crate::audit::roles;
use crate::running::{Server, root, run};

/// An operation of the description.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Operation {
    /// Whether it has a parameter of this name.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let parameters = self.body["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|one| one["name"] == name))
    }
}

/// The description of a server and its operations.
pub(crate) async fn description(server: &Server) -> (Value, Vec<Operation>) {
    let url = format!("{}/api/v1/openapi.json", server.url);
    let answer = Client::new().get(url).bearer_auth("admin").send().await.unwrap();
    let described: Value = answer.json().await.unwrap();
    let mut operations = Vec::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, body) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse() else { continue };
            if ["get", "put", "post", "patch", "delete"].contains(&&*item_name(&method)) {
                operations.push(Operation { method, path: path.clone(), body: body.clone() });
            }
        }
    }
    (described, operations)
}

fn item_name(method: &Method) -> String {
    method.as_str().to_lowercase()
}

/// A value of a schema, the least there is; what has a meaning gets one that is good.
fn example(described: &Value, name: &str, schema: &Value) -> Value {
    match name {
        "verdict" => return json!("benign"),
        "severity" => return json!("high"),
        _ => {}
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = described.pointer(reference.trim_start_matches('#')).unwrap();
        return example(described, name, target);
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(one) = schema[several].as_array().and_then(|all| all.last()) {
            return example(described, name, one);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind {
        "string" => json!("x"),
        "integer" | "number" => json!(1),
        "boolean" => json!(false),
        "array" => json!([example(described, "", &schema["items"])]),
        _ => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = required.iter().map(|name| {
                let name = name.as_str().unwrap();
                (name.to_owned(), example(described, name, &schema["properties"][name]))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// The headers that the description must tell of, where they are sent.
const TOLD: [&str; 8] = [
    "etag",
    "retry-after",
    "location",
    "www-authenticate",
    "set-cookie",
    "x-request-id",
    "x-manifest-sha256",
    "content-disposition",
];

/// Demands that an answer is one that the description has, with its headers.
fn is_described(operation: &Operation, answer: &Response) {
    let case = format!("{} {}: {}", operation.method, operation.path, answer.status());
    let response = &operation.body["responses"][answer.status().as_str()];
    assert!(response.is_object(), "{case} is not described");
    let headers: Vec<String> =
        response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()).collect();
    for name in TOLD {
        let is_sent = answer.headers().contains_key(name);
        assert!(
            !is_sent || headers.contains(&name.to_owned()),
            "{case} has the header {name}, which is not described"
        );
    }
    assert!(answer.headers().contains_key("x-request-id"), "{case}");
}

/// A server with alerts and an incident, its description, and the ids of an alert and an incident.
async fn story(folder: &std::path::Path) -> (Server, Value, Vec<Operation>, [String; 2]) {
    let data = folder.join("data");
    run(&["--data", &data.to_string_lossy(), "ingest", &root().join("demo/story").to_string_lossy()]);
    let more = "[server]\nrequests_per_second = 100000\n[audit]\nfailed_changes = 1000000\n";
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &roles(folder, more))]);
    let (described, operations) = description(&server).await;
    let get = async |path: &str| -> Value {
        let request = Client::new().get(format!("{}/api/v1/{path}", server.url)).bearer_auth("admin");
        request.send().await.unwrap().json().await.unwrap()
    };
    let alert = get("alerts").await["alerts"][0]["id"].as_str().unwrap().to_owned();
    let incident = get("incidents").await["incidents"][0]["id"].as_str().unwrap().to_owned();
    (server, described, operations, [alert, incident])
}

/// Exactly those operations look at `If-Match` that say so, and each of them does.
#[tokio::test]
async fn conditions_hold_where_they_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let (server, described, operations, [alert, incident]) = story(folder.path()).await;
    let client = Client::new();
    let mut guarded = 0;
    for operation in &operations {
        if operation.method == Method::GET || !operation.path.starts_with("/api/v1/") {
            continue;
        }
        let id = if operation.path.contains("/alerts/") { &alert } else { &incident };
        let path = operation.path.replace("{id}", id).replace("{name}", "none").replace("{rule}", "none");
        let schema = &operation.body["requestBody"]["content"]["application/json"]["schema"];
        let mut body = schema.is_object().then(|| example(&described, "", schema));
        if let Some(with) = body.as_mut().and_then(|body| body.get_mut("with")) {
            *with = json!(incident);
        }
        if let Some(alerts) =
            body.as_mut().filter(|_| path.ends_with("/split")).and_then(|body| body.get_mut("alerts"))
        {
            *alerts = json!([alert]);
        }
        let ask = async |conditions: &[&str]| {
            let mut headers = HeaderMap::new();
            for condition in conditions {
                headers.append("if-match", HeaderValue::from_str(condition).unwrap());
            }
            let request = client.request(operation.method.clone(), format!("{}{path}", server.url));
            let request = request.bearer_auth("admin").headers(headers);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let answer = request.send().await.unwrap();
            is_described(operation, &answer);
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let case = format!("{} {}", operation.method, operation.path);
        let (stale, said) = ask(&["\"999999\""]).await;
        if !operation.takes("If-Match") {
            assert_ne!(stale, 412, "{case} looks at `If-Match`, and its description does not say so");
            continue;
        }
        assert_eq!(stale, 412, "{case}: {said}");
        // A weak tag matches nothing, nor does one of another server.
        assert_eq!(ask(&["W/\"1\", \"another\""]).await.0, 412, "{case}");
        for bad in [&[""][..], &["garbage"], &["1"], &["\"1"], &["*, \"1\""], &["*", "\"1\""], &[",", " "]] {
            let (status, said) = ask(bad).await;
            assert_eq!(status, 400, "{case} with {bad:?}: {said}");
            assert!(said.contains("`If-Match`"), "{case} with {bad:?}: {said}");
        }
        guarded += 1;
    }
    assert!(guarded >= 15, "{guarded}");
    // What it is now, among others, and whatever it is.
    let url = format!("{}/api/v1/alerts/{alert}", server.url);
    let tag = client.get(&url).bearer_auth("admin").send().await.unwrap().headers()["etag"].clone();
    let list = format!("\"other\", {},", tag.to_str().unwrap());
    for condition in [&*list, "*"] {
        let request =
            client.post(format!("{url}/comments")).bearer_auth("admin").header("if-match", condition);
        let answer = request.json(&json!({"text": "seen"})).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{condition}");
    }
    let request = client.post(format!("{url}/comments")).bearer_auth("admin").header("if-match", &list);
    assert_eq!(request.json(&json!({"text": "late"})).send().await.unwrap().status(), 412);
    server.terminate();
}

/// Exactly those answers have a tag that say so, and each is 304 for whoever knows it.
#[tokio::test]
async fn tags_are_sent_where_they_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _, operations, [alert, incident]) = story(folder.path()).await;
    let client = Client::new();
    let mut tagged = 0;
    for operation in operations.iter().filter(|one| one.method == Method::GET && !one.path.ends_with("/live"))
    {
        let id = if operation.path.contains("/incidents/") { &incident } else { &alert };
        let path = operation.path.replace("{id}", id).replace("{name}", "none");
        let ask = async |known: &str| {
            let request = client.get(format!("{}{path}", server.url)).bearer_auth("admin");
            let answer = request.header("if-none-match", known).send().await.unwrap();
            is_described(operation, &answer);
            answer
        };
        let first = ask("\"none of ours\"").await;
        let tag = first.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        assert_eq!(tag.is_some(), operation.takes("If-None-Match"), "{}", operation.path);
        let Some(tag) = tag else { continue };
        assert_eq!(first.status(), 200, "{}", operation.path);
        for known in [&*tag, "*", &format!("W/{tag}"), &format!("\"b\",,{tag}")] {
            let again = ask(known).await;
            assert_eq!(
                (again.status().as_u16(), again.headers()["etag"].to_str().unwrap()),
                (304, &*tag),
                "{path} {known}"
            );
        }
        // What cannot be read is no condition: the answer comes whole.
        for known in ["", "garbage", "\"", tag.trim_matches('"')] {
            assert_eq!(ask(known).await.status(), 200, "{path} {known}");
        }
        tagged += 1;
    }
    assert_eq!(tagged, 5);
    server.terminate();
}

/// Who may not come in is told so in a way that is described, by every operation.
#[tokio::test]
async fn refusals_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &roles(folder.path(), ""))]);
    let (_, operations) = description(&server).await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut refused = 0;
    for operation in &operations {
        let path = operation.path.replace(['{', '}'], "");
        for token in [None, Some("nobody's"), Some("ingest")] {
            let request = client.request(operation.method.clone(), format!("{}{path}", server.url));
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = request.send().await.unwrap();
            is_described(operation, &answer);
            let is_open = operation.body["security"].as_array().is_some_and(Vec::is_empty);
            refused += usize::from(matches!(answer.status().as_u16(), 401 | 403));
            let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
            let is_known = matches!(answer.status().as_u16(), 401 | 403);
            if is_known && !is_open {
                let wanted = match &operation.path {
                    path if path.starts_with("/services/") => "application/json",
                    path if path.starts_with("/scim/") => "application/scim+json",
                    _ => "application/problem+json",
                };
                assert_eq!(kind.as_deref(), Some(wanted), "{} {}", operation.method, operation.path);
            }
        }
    }
    assert!(refused > 200, "{refused}");
    server.terminate();
}
