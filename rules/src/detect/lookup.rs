//! Values at a path in JSON.
//!
//! A path goes through objects by name, through lists by every element (or by a number), and through text
//! that holds JSON itself, as Log Analytics writes it. A name may contain dots: the longest name that fits
//! counts. A list of pairs, such as `[{"Name": "ForwardTo", "Value": "x"}]`, is read as the object that it stands
//! for where its elements have no member of that name.

use std::borrow::Cow;

use super::json::{self, MAX_DEPTH};
use super::{Form, Value};
use crate::mapping::Path;

/// What the members of a pair are called, whatever their case: `Parameters` and `ModifiedProperties` of Microsoft
/// 365, `additionalDetails` and `modifiedProperties` of Entra, `parameters` of Google Workspace, tags of AWS.
const PAIR_NAMES: [&str; 3] = ["name", "key", "displayName"];
const PAIR_VALUES: [&str; 5] = ["value", "newValue", "boolValue", "intValue", "multiValue"];

/// How often text within text is opened.
const MAX_TEXTS: usize = 4;

/// The members of an object, names unescaped.
pub(crate) type Members<'e> = Vec<(Cow<'e, str>, &'e str)>;

/// Adds the values at `path` below an object with these members.
pub(crate) fn in_members<'e>(members: &Members<'e>, path: &Path, found: &mut Vec<Value<'e>>) {
    let lookup = Lookup { ignore_case: path.ignore_case, texts: 0 };
    let members = members.iter().map(|(name, value)| (name.as_ref(), *value));
    lookup.object(members, &path.text, 0, found);
}

/// Adds the values at `path` below any JSON.
pub(crate) fn in_json<'e>(json: &'e str, path: &Path, found: &mut Vec<Value<'e>>) {
    let lookup = Lookup { ignore_case: path.ignore_case, texts: 0 };
    lookup.value(json, &path.text, 0, found);
}

/// Adds the value that `json` is: nothing for null, a list with all of its elements.
pub(crate) fn leaf<'e>(json: &'e str, found: &mut Vec<Value<'e>>) {
    leaf_at(json, 0, found);
}

fn leaf_at<'e>(json: &'e str, depth: usize, found: &mut Vec<Value<'e>>) {
    match json.as_bytes().first() {
        Some(b'"') => found.extend(json::text(json).map(|text| Value::new(Form::Text, text))),
        Some(b'{') => {
            let compact = json::compact(json);
            // JSON within text, such as a policy, as if it stood there itself.
            let open = compact.contains("\\\"").then(|| compact.replace("\\\"", "\""));
            found.push(Value::new(Form::Json, compact));
            found.extend(open.map(|open| Value::new(Form::Json, open).respelled()));
        }
        Some(b'[') => {
            found.push(Value::new(Form::Json, json::compact(json)));
            if depth < MAX_DEPTH {
                json::elements(json).for_each(|element| leaf_at(element, depth + 1, found));
            }
        }
        Some(b't' | b'f') => found.push(Value::new(Form::Bool, json)),
        Some(b'n') | None => {}
        Some(_) => found.push(Value::new(Form::Number, json)),
    }
}

/// Adds the value that `json` is, and what it encodes where it is a text: Entra writes values before and after a change
/// as JSON, `"\"False\""`, whose value is `False`.
fn encoded_leaf<'e>(json: &'e str, found: &mut Vec<Value<'e>>) {
    let mut inner = Vec::new();
    let text = json::text(json).filter(|text| text.starts_with(['"', '[']));
    if let Some(text) = &text {
        leaf(text, &mut inner);
    }
    if inner.is_empty() {
        leaf(json, found);
        return;
    }
    let mut written = Vec::new();
    leaf(json, &mut written);
    found.extend(written.into_iter().map(Value::respelled));
    found.extend(inner.into_iter().map(|value| value.into_owned()));
}

struct Lookup {
    ignore_case: bool,
    /// How many texts are open around this one.
    texts: usize,
}

impl Lookup {
    fn value<'e>(&self, json: &'e str, path: &str, depth: usize, found: &mut Vec<Value<'e>>) {
        if depth > MAX_DEPTH {
            return;
        }
        match json.as_bytes().first() {
            Some(b'{') => {
                let members: Members<'_> = json::members(json).collect();
                let members = members.iter().map(|(name, value)| (name.as_ref(), *value));
                self.object(members, path, depth, found);
            }
            Some(b'[') => self.list(json, path, depth, found),
            Some(b'"') => self.text(json, path, found),
            _ => {}
        }
    }

    fn object<'m, 'e: 'm>(
        &self,
        members: impl Iterator<Item = (&'m str, &'e str)>,
        path: &str,
        depth: usize,
        found: &mut Vec<Value<'e>>,
    ) {
        // Of a name that is there twice the last one counts, as everywhere in Stormglass.
        let mut whole = None;
        let mut parts: Vec<(usize, &'e str)> = Vec::new();
        for (name, value) in members {
            match self.rest(path, name) {
                Some("") => whole = Some(value),
                Some(rest) => match parts.iter_mut().find(|(length, _)| *length == rest.len()) {
                    Some(part) => part.1 = value,
                    None => parts.push((rest.len(), value)),
                },
                None => {}
            }
        }
        if let Some(value) = whole {
            leaf(value, found);
            return;
        }
        parts.sort_by_key(|(length, _)| *length);
        let before = found.len();
        for (length, value) in parts {
            let rest = path.get(path.len() - length..).unwrap_or_default();
            self.value(value, rest, depth + 1, found);
            if found.len() > before {
                return;
            }
        }
    }

    /// What remains of the path behind a name; empty if the name is all of it.
    fn rest<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let head = path.get(..name.len())?;
        let same = if self.ignore_case { head.eq_ignore_ascii_case(name) } else { head == name };
        let rest = path.get(name.len()..).filter(|_| same)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.').filter(|rest| !rest.is_empty()) }
    }

    fn list<'e>(&self, json: &'e str, path: &str, depth: usize, found: &mut Vec<Value<'e>>) {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        if !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) {
            let index = first.parse().unwrap_or(usize::MAX);
            let Some(element) = json::elements(json).nth(index) else { return };
            match rest {
                "" => leaf(element, found),
                rest => self.value(element, rest, depth + 1, found),
            }
            return;
        }
        let before = found.len();
        json::elements(json).for_each(|element| self.value(element, path, depth + 1, found));
        if found.len() == before {
            json::elements(json).for_each(|element| self.pair(element, path, depth + 1, found));
        }
    }

    /// The value of a pair that the path names.
    fn pair<'e>(&self, json: &'e str, path: &str, depth: usize, found: &mut Vec<Value<'e>>) {
        let (mut rest, mut value) = (None, None);
        for (name, member) in json::members(json) {
            let is_one_of = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
            if is_one_of(&PAIR_NAMES) {
                rest = json::text(member).and_then(|name| self.rest(path, &name));
            } else if is_one_of(&PAIR_VALUES) {
                value = Some(member);
            }
        }
        match (rest, value) {
            (Some(""), Some(value)) => {
                encoded_leaf(value, found);
            }
            (Some(rest), Some(value)) => self.value(value, rest, depth + 1, found),
            _ => {}
        }
    }

    fn text<'e>(&self, json: &str, path: &str, found: &mut Vec<Value<'e>>) {
        let Some(text) = json::text(json).filter(|_| self.texts < MAX_TEXTS) else { return };
        let inside = text.trim_start();
        if !inside.starts_with(['{', '[']) {
            return;
        }
        let mut below = Vec::new();
        Self { texts: self.texts + 1, ..*self }.value(inside, path, 0, &mut below);
        found.extend(below.into_iter().map(|value| value.into_owned()));
    }
}

/// Adds every text in a JSON value, names left out.
pub(crate) fn texts<'e>(json: &'e str, found: &mut Vec<Value<'e>>) {
    texts_at(json, 0, found);
}

fn texts_at<'e>(json: &'e str, depth: usize, found: &mut Vec<Value<'e>>) {
    if depth > MAX_DEPTH {
        return;
    }
    match json.as_bytes().first() {
        Some(b'"') => found.extend(json::text(json).map(|text| Value::new(Form::Text, text))),
        Some(b'{') => json::members(json).for_each(|(_, value)| texts_at(value, depth + 1, found)),
        Some(b'[') => json::elements(json).for_each(|element| texts_at(element, depth + 1, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, path: &str, ignore_case: bool) -> Vec<String> {
        let mut found = Vec::new();
        in_json(json, &Path::new(path, ignore_case), &mut found);
        found.iter().map(|value| value.text().to_owned()).collect()
    }

    #[test]
    fn another_spelling_is_no_other_value() {
        for (json, path, counted) in [
            (r#"{"a":{"b":"{\"c\": 1}"}}"#, "a", r#"{"b":"{\"c\": 1}"}"#),
            (r#"{"a":[{"name":"b","newValue":"\"False\""}]}"#, "a.b", "False"),
            (r#"{"a":[{"name":"b","newValue":"\"5\""}]}"#, "a.b", "5"),
            (r#"{"a":[{"name":"b","newValue":"5"}]}"#, "a.b", "5"),
        ] {
            let mut found = Vec::new();
            in_json(json, &Path::new(path, false), &mut found);
            let values = found.iter().filter(|value| !value.is_spelling());
            assert_eq!(values.map(Value::text).collect::<Vec<_>>(), [counted], "{json}");
        }
    }

    #[test]
    fn paths_go_through_objects_lists_and_texts() {
        let none: &[&str] = &[];
        for (json, path, expected) in [
            (r#"{"a":{"b":"x"}}"#, "a.b", &["x"][..]),
            (r#"{"a":{"b":"x"}}"#, "a", &[r#"{"b":"x"}"#]),
            (r#"{"a":{"b":"{\"c\": 1}"}}"#, "a", &[r#"{"b":"{\"c\": 1}"}"#, r#"{"b":"{"c": 1}"}"#]),
            (r#"{"a":{"b":"x"}}"#, "a.b.c", none),
            (r#"{"a":{"b":"x"}}"#, "A.b", none),
            (r#"{"a.b":"flat","a":{"b":"nested"}}"#, "a.b", &["flat"]),
            (r#"{"a":{"b.c":{"d":1}}}"#, "a.b.c.d", &["1"]),
            (r#"{"a":{"b":null},"a.b":{"c":2}}"#, "a.b.c", &["2"]),
            (r#"{"a":[{"b":1},{"b":2},{"c":3}]}"#, "a.b", &["1", "2"]),
            (r#"{"a":[{"b":1},{"b":2}]}"#, "a[].b", &["1", "2"]),
            (r#"{"a":[{"b":1},{"b":2}]}"#, "a[1].b", &["2"]),
            (r#"{"a":[[{"b":1}]]}"#, "a.b", &["1"]),
            (r#"{"a":["x","y"]}"#, "a", &[r#"["x","y"]"#, "x", "y"]),
            (r#"{"a":[ "x" , null ]}"#, "a", &[r#"["x",null]"#, "x"]),
            (r#"{"a":[]}"#, "a", &["[]"]),
            (r#"{"a":null}"#, "a", none),
            (r#"{"a":"{\"b\":[{\"c\":\"deep\"}]}"}"#, "a.b.c", &["deep"]),
            (r#"{"a":"{\"b\":\"{\\\"c\\\":1}\"}"}"#, "a.b.c", &["1"]),
            (r#"{"a":"not json"}"#, "a.b", none),
            (r#"{"a":true,"a":false}"#, "a", &["false"]),
            (r#"{"http://x.y/z":{"w":"claim"}}"#, "http://x.y/z.w", &["claim"]),
            (r#"["a"]"#, "0", &["a"]),
            (r#"{"a":[{"Name":"b","Value":"x"},{"Name":"c","Value":"y"}]}"#, "a.c", &["y"]),
            (r#"{"a":[{"key":"b.c","value":{"d":1}}]}"#, "a.b.c.d", &["1"]),
            (r#"{"a":[{"name":"b","value":"x","b":"own"}]}"#, "a.b", &["own"]),
            (
                r#"{"a":[{"displayName":"b","oldValue":null,"newValue":"\"False\""}]}"#,
                "a.b",
                &["\"False\"", "False"],
            ),
            (r#"{"a":[{"displayName":"b","newValue":"[\"x\"]"}]}"#, "a.b", &["[\"x\"]", "[\"x\"]", "x"]),
            (r#"{"a":[{"name":"b","value":null},{"name":"c"},{"value":"x"}]}"#, "a.b", none),
            (r#"{"a":{"name":"b","value":"x"}}"#, "a.b", none),
            ("17", "a", none),
        ] {
            assert_eq!(at(json, path, false), expected, "{json} {path}");
        }
        assert_eq!(
            at(r#"{"TargetResources":[{"displayName":"x"}]}"#, "targetresources.DisplayName", true),
            ["x"]
        );
    }

    #[test]
    fn every_text_is_found() {
        let mut found = Vec::new();
        texts(r#"{"a":"1","b":[{"c":"2\n"},3,null,["4"]],"d":true}"#, &mut found);
        let found: Vec<_> = found.iter().map(Value::text).collect();
        assert_eq!(found, ["1", "2\n", "4"]);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
        let path = ["a"; 500].join(".");
        assert_eq!(at(&deep, &path, false), Vec::<String>::new());
        let lists = format!(r#"{{"a":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(at(&lists, "a", false).len(), MAX_DEPTH + 1);
    }
}
