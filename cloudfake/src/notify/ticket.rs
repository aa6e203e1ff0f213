//! Jira's issues, of Cloud and of Data Center, and ServiceNow's incidents, as far as they are made and changed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Reply, Service, units};

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// What Atlassian's editor has against a document (developer.atlassian.com, "Atlassian Document Format").
fn document_problem(node: &Value, inside: &str) -> Option<String> {
    let kind = node.get("type").and_then(Value::as_str).unwrap_or_default();
    let allowed: &[&str] = match inside {
        "" => &["doc"],
        "doc" => &["paragraph", "bulletList"],
        "bulletList" => &["listItem"],
        "listItem" => &["paragraph", "bulletList"],
        "paragraph" => &["text"],
        _ => &[],
    };
    if !allowed.contains(&kind) {
        return Some(format!("`{kind}` in `{inside}`"));
    }
    if kind == "text" {
        let empty = node.get("text").map_or(0, units) == 0;
        return empty.then(|| "an empty text".into());
    }
    let content = node.get("content").and_then(Value::as_array)?;
    content.iter().find_map(|child| document_problem(child, kind))
}

/// What an issue's field or a comment says, and what a Jira has against it.
type Text = fn(&Value) -> Option<String>;

fn is_document(text: &Value) -> Option<String> {
    let is_too_long = text.to_string().len() > 32_767;
    document_problem(text, "").or_else(|| is_too_long.then(|| "too long".into()))
}

/// Version 2 of the API knows wiki markup, and documents are none (`jira.text.field.character.limit`).
fn is_markup(text: &Value) -> Option<String> {
    match text.as_str() {
        Some(text) if text.encode_utf16().count() <= 32_767 => None,
        Some(_) => {
            Some("The entered text is too long. It exceeds the allowed limit of 32,767 characters.".into())
        }
        None => Some("Operation value must be a string".into()),
    }
}

/// A site of Jira Cloud with the project `SEC` for this account. Its search finds what was made.
pub fn jira(user: &str, token: &str) -> Service {
    site(basic(user, token), "/rest/api/3/", "search/jql", is_document)
}

/// The same of Jira Data Center, for who has this personal access token.
pub fn jira_data_center(token: &str) -> Service {
    site(format!("Bearer {token}"), "/rest/api/2/", "search", is_markup)
}

fn site(authorization: String, api: &'static str, search: &'static str, problem: Text) -> Service {
    let mut issues: Vec<(String, Vec<Value>)> = Vec::new();
    let mut comments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    Box::new(move |request| {
        if request.header("authorization") != authorization {
            return Reply::new(401, "Client must be authenticated to access this resource.");
        }
        let body = request.json();
        let Some(path) = request.path.strip_prefix(api) else { return Reply::new(404, "") };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<_> = path.split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["search", ..]) if path == search => {
                let query: BTreeMap<_, _> =
                    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                let jql = query.get("jql").map_or("", String::as_str);
                let found = issues.iter().find(|(_, labels)| {
                    labels
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|label| jql.contains(&format!("labels = \"{label}\"")))
                });
                let found: Vec<_> = found.into_iter().map(|(key, _)| json!({"key": key})).collect();
                Reply::new(200, json!({"issues": found}))
            }
            ("POST", ["issue"]) => {
                let field =
                    |name: &str| body.pointer(&format!("/fields/{name}")).cloned().unwrap_or_default();
                let summary = field("summary");
                let one_line = summary.as_str().is_some_and(|text| !text.contains(['\n', '\r']));
                if !(1..=255).contains(&units(&summary)) || !one_line {
                    return Reply::new(
                        400,
                        json!({"errors": {"summary": "Summary must be one line of at most 255 characters."}}),
                    );
                }
                let problem = problem(&field("description"));
                if problem.is_some() || body.pointer("/fields/project/key") != Some(&json!("SEC")) {
                    return Reply::new(400, json!({"errors": {"description": problem}}));
                }
                let labels = field("labels").as_array().cloned().unwrap_or_default();
                if labels.iter().filter_map(Value::as_str).any(|label| label.contains(' ')) {
                    return Reply::new(400, json!({"errors": {"labels": "blank"}}));
                }
                let key = format!("SEC-{}", issues.len() + 1);
                issues.push((key.clone(), labels));
                Reply::new(201, json!({"id": "10000", "key": key}))
            }
            (_, ["issue", key, ..]) if !issues.iter().any(|(known, _)| known == key) => Reply::new(
                404,
                json!({"errorMessages": ["Issue does not exist or you do not have permission to see it."]}),
            ),
            ("GET", ["issue", key, "comment"]) => {
                let mut comments = comments.get(*key).cloned().unwrap_or_default();
                if query.contains("orderBy=-created") {
                    comments.reverse();
                }
                // Properties are listed where they are asked for, and by Cloud alone.
                if !query.contains("expand=properties") || search == "search" {
                    for comment in comments.iter_mut().filter_map(Value::as_object_mut) {
                        comment.remove("properties");
                    }
                }
                Reply::new(200, json!({"comments": comments}))
            }
            ("POST", ["issue", key, "comment"]) => {
                if let Some(problem) = problem(&body.get("body").cloned().unwrap_or_default()) {
                    return Reply::new(400, json!({"errors": {"comment": problem}}));
                }
                comments.entry((*key).to_owned()).or_default().push(body);
                Reply::new(201, json!({"id": "1"}))
            }
            ("GET", ["issue", _, "transitions"]) => Reply::new(
                200,
                json!({"transitions": [{"id": "11", "name": "To Do"}, {"id": "31", "name": "Done"}]}),
            ),
            ("POST", ["issue", _, "transitions"]) => Reply::new(204, ""),
            _ => Reply::new(404, ""),
        }
    })
}

/// An instance of ServiceNow for this user.
pub fn servicenow(user: &str, password: &str) -> Service {
    let authorization = basic(user, password);
    let mut incidents: Vec<(String, Value)> = Vec::new();
    Box::new(move |request| {
        if request.header("authorization") != authorization {
            return Reply::new(401, json!({"error": {"message": "User Not Authenticated"}}));
        }
        let body = request.json();
        let Some(path) = request.path.strip_prefix("/api/now/table/incident") else {
            return Reply::new(404, "");
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match request.method.as_str() {
            "GET" => {
                let query: BTreeMap<_, _> =
                    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                let wanted =
                    query.get("sysparm_query").and_then(|query| query.strip_prefix("correlation_id="));
                let found = incidents
                    .iter()
                    .find(|(_, one)| one.get("correlation_id").and_then(Value::as_str) == wanted);
                let found: Vec<_> = found.into_iter().map(|(id, _)| json!({"sys_id": id})).collect();
                Reply::new(200, json!({"result": found}))
            }
            "POST" => {
                if body.get("short_description").map_or(0, units) > 160
                    || body.get("correlation_id").map_or(0, units) > 100
                {
                    return Reply::new(400, json!({"error": {"message": "too long"}}));
                }
                let id = format!("{:032x}", incidents.len() + 1);
                incidents.push((id.clone(), body));
                Reply::new(201, json!({"result": {"sys_id": id}}))
            }
            "PATCH" => {
                let id = path.trim_start_matches('/');
                match incidents.iter().any(|(known, _)| known == id) {
                    true => Reply::new(200, json!({"result": {"sys_id": id}})),
                    false => Reply::new(404, json!({"error": {"message": "No Record found"}})),
                }
            }
            _ => Reply::new(405, ""),
        }
    })
}
