//! Fields of the records behind an alert, by their path: `fields.requestParameters.bucketName`.

use serde_json::Value;

/// What such a name begins with.
pub(crate) const PREFIX: &str = "fields.";
/// The longest path, in bytes.
const PATH_BYTES: usize = 200;
/// The deepest place that a path leads to.
const DEEPEST: usize = 16;
/// The most values that lists on the way give.
const VALUES: usize = 1000;

/// The path that a field's name stands for, if it stands for one.
pub(crate) fn path(name: &str) -> Option<&str> {
    let path = name.strip_prefix(PREFIX)?;
    let is_path =
        !path.is_empty() && path.len() <= PATH_BYTES && path.split('.').all(|part| !part.is_empty());
    (is_path && path.split('.').count() <= DEEPEST).then_some(path)
}

/// The values at `path` in a record that is JSON, as text; those of each element where a list lies on the way.
/// None where the record is something else, or has no such field.
pub(crate) fn values(record: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(record) = serde_json::from_str::<Value>(record) {
        gather(&record, path, &mut found);
    }
    found
}

fn gather(value: &Value, path: &str, found: &mut Vec<String>) {
    if found.len() >= VALUES {
        return;
    }
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, path, found)),
        Value::Object(_) if path.is_empty() => found.push(value.to_string()),
        Value::Object(fields) => {
            // A key with full stops in it, such as `k8s.io/name`, goes before a path.
            if let Some(whole) = fields.get(path) {
                return gather(whole, "", found);
            }
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(next) = fields.get(first) {
                gather(next, rest, found);
            }
        }
        _ if !path.is_empty() => {}
        Value::Null => {}
        Value::String(text) => found.push(text.clone()),
        Value::Bool(_) | Value::Number(_) => found.push(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_found_by_their_path() {
        let record =
            r#"{"a":{"b":[{"c":1},{"c":"x"},{"d":2}],"n":null,"f":false},"k8s.io/name":"pod","t":["u","v"]}"#;
        for (path, expected) in [
            ("a.b.c", vec!["1", "x"]),
            ("a.f", vec!["false"]),
            ("a.n", vec![]),
            ("a.b.e", vec![]),
            ("a.f.g", vec![]),
            ("k8s.io/name", vec!["pod"]),
            ("t", vec!["u", "v"]),
            ("nothing", vec![]),
        ] {
            assert_eq!(values(record, path), expected, "{path}");
        }
        assert_eq!(values(r#"{"a":{"b":1}}"#, "a"), [r#"{"b":1}"#]);
        assert!(values("no JSON", "a").is_empty());
    }

    #[test]
    fn paths_are_bounded() {
        assert_eq!(path("fields.a.b"), Some("a.b"));
        let deep = format!("fields.{}", ["a"; 17].join("."));
        let long = format!("fields.{}", "a".repeat(201));
        for bad in ["a.b", "fields.", "fields.a..b", "fields.a.", &deep, &long] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_record_and_path_are_taken(record in "[\\[\\]{}\":,a-c0-9]{0,60}", path in "[a-c.]{1,20}") {
            values(&record, &path);
        }
    }
}
