//! The members of a record, found by name in any spelling, each taken by at most one column.
//!
//! The same field is `eventDataId` in the REST API and in event hubs, `EventDataId` in Log Analytics and
//! `event_data_id` in what the Python SDK writes. So names are compared without case and underscores, and
//! a mapping asks by one name. What no column has taken when the mapping ends goes to `unmapped` under
//! the record's own names.

use std::borrow::Cow;

use event::Col;

use crate::json::{Member, Object, Value};
use crate::nested::Nested;
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// No mapping asks for a field by more names.
const MOST_NAMES: usize = 16;

/// The members that are left. Those added first are found first.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    left: Vec<Left<'a>>,
    /// Read, but held by no column: for `unmapped`.
    aside: Vec<Left<'a>>,
    /// The paths of the objects that the members stand in.
    paths: Vec<String>,
}

#[derive(Debug)]
struct Left<'a> {
    /// Index in `paths`.
    path: usize,
    /// [`name_key`] of the member's name: most names that differ, differ in it.
    key: u32,
    member: Member<'a>,
}

impl<'a> Left<'a> {
    fn new(path: usize, member: Member<'a>) -> Self {
        Self { path, key: name_key(&member.key), member }
    }

    fn is_named(&self, key: u32, name: &str) -> bool {
        self.key == key && same_name(&self.member.key, name)
    }
}

impl<'a> Fields<'a> {
    /// The members of an object that stands at `path` in the record; empty for the record itself.
    pub(crate) fn of(object: Object<'a>, path: &str) -> Self {
        let mut fields = Self::default();
        fields.add(object, path);
        fields
    }

    /// Adds the members of another object, to be found after those already there.
    pub(crate) fn add(&mut self, object: Object<'a>, path: &str) {
        let index = self.paths.len();
        self.paths.push(path.to_owned());
        let members = object.members().filter(|member| !is_nothing(&member.value));
        self.left.extend(members.map(|member| Left::new(index, member)));
    }

    /// Adds the members of `other`, to be found after those already there.
    pub(crate) fn append(&mut self, other: Self) {
        let offset = self.paths.len();
        self.paths.extend(other.paths);
        let moved = |left: Left<'a>| Left { path: left.path + offset, ..left };
        self.left.extend(other.left.into_iter().map(moved));
        self.aside.extend(other.aside.into_iter().map(moved));
    }

    fn position(&self, name: &str, fits: impl Fn(&Value<'a>) -> bool) -> Option<usize> {
        let key = name_key(name);
        self.left.iter().position(|left| left.is_named(key, name) && fits(&left.member.value))
    }

    /// Whether there is a member of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.position(name, |_| true).is_some()
    }

    /// The text of the first scalar of that name, which stays.
    pub(crate) fn peek(&self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.position(name, |value| scalar(value).is_some())?;
        scalar(&self.left.get(at)?.member.value)
    }

    /// The value of that name, which stays.
    pub(crate) fn value(&self, name: &str) -> Option<Value<'a>> {
        self.left.get(self.position(name, |_| true)?).map(|left| left.member.value)
    }

    /// Takes the first scalar of that name.
    pub(crate) fn text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.position(name, |value| scalar(value).is_some())?;
        self.take_scalar(at)
    }

    fn take_scalar(&mut self, at: usize) -> Option<Cow<'a, str>> {
        let Left { path, member, .. } = self.left.remove(at);
        let text = scalar(&member.value)?;
        if let Some(pair) = member.value.as_object() {
            self.keep_rest_of_pair(path, &member.key, pair, &text);
        }
        Some(text)
    }

    /// `localizedValue`, where it says anything new.
    fn keep_rest_of_pair(&mut self, path: usize, key: &str, pair: Object<'a>, text: &str) {
        let path = join(self.paths.get(path).map_or("", String::as_str), key);
        let index = self.paths.len();
        for member in pair.members() {
            let repeats = member.value.text().is_some_and(|other| other == text);
            if !repeats && !is_nothing(&member.value) {
                self.left.push(Left::new(index, member));
            }
        }
        self.paths.push(path);
    }

    /// Takes the first scalar that has one of the names, tried in their order. Members of those names
    /// that only repeat it are dropped; what is written differently stays.
    pub(crate) fn first(&mut self, names: &[&str]) -> Option<Cow<'a, str>> {
        let text = names.iter().find_map(|name| self.text(name))?;
        self.forget_repeats(names, &text);
        Some(text)
    }

    /// Drops members of these names that only repeat `text`.
    pub(crate) fn forget_repeats(&mut self, names: &[&str], text: &str) {
        // Most often nothing has these names any more, and a number apiece says so.
        let mut keys = [0; MOST_NAMES];
        keys.iter_mut().zip(names).for_each(|(key, name)| *key = name_key(name));
        let keys = keys.get(..names.len()).unwrap_or(&keys);
        if !self.left.iter().any(|left| keys.contains(&left.key)) {
            return;
        }
        let repeats = |left: &Left<'a>| {
            names.iter().any(|name| left.is_named(name_key(name), name))
                && scalar(&left.member.value).is_some_and(|other| other == text)
        };
        if !self.left.iter().any(repeats) {
            return;
        }
        // One pass: a hostile record can have thousands of spellings of one name.
        for left in std::mem::take(&mut self.left) {
            if !repeats(&left) {
                self.left.push(left);
            } else if let Some(pair) = left.member.value.as_object() {
                self.keep_rest_of_pair(left.path, &left.member.key, pair, text);
            }
        }
    }

    /// Takes the words that stand beside a value already taken: `localizedValue` of that field.
    pub(crate) fn localized(&mut self, field: &str) -> Option<Cow<'a, str>> {
        let of_field = |left: &Left<'a>| {
            let path = self.paths.get(left.path).map_or("", String::as_str);
            same_name(&left.member.key, "localizedValue")
                && same_name(path.rsplit('.').next().unwrap_or(path), field)
        };
        let at = self.left.iter().position(of_field)?;
        self.left.remove(at).member.value.filled_text()
    }

    /// Sets a column to [`first`](Self::first), unless it is set already.
    pub(crate) fn put(&mut self, row: &mut Row<'_>, col: Col, names: &[&str]) {
        if !row.has(col) {
            row.text_if(col, self.first(names));
        }
    }

    /// Sets a JSON column to the object or array of that name.
    pub(crate) fn put_json(&mut self, row: &mut Row<'_>, col: Col, name: &str) {
        let nested = self.nested(&[name]);
        match nested.value() {
            Some(value) if !row.has(col) => row.json(col, |json| value.write(json)),
            _ => nested.keep(row),
        }
    }

    /// Sets a 32-bit column to the integer of that name; a larger one stays.
    pub(crate) fn put_int(&mut self, row: &mut Row<'_>, col: Col, name: &str) {
        let fits = |value: &Value<'a>| value.integer().is_some_and(|number| i32::try_from(number).is_ok());
        let Some(at) = self.position(name, fits).filter(|_| !row.has(col)) else { return };
        let number = self.left.remove(at).member.value.integer().map(i32::try_from);
        if let Some(Ok(number)) = number {
            row.int(col, number);
        }
    }

    /// Sets a time column, but not [`Col::Time`], to the first of the names that holds a time.
    pub(crate) fn put_moment(&mut self, row: &mut Row<'_>, col: Col, names: &[&str]) {
        for name in names {
            let is_time = |value: &Value<'a>| time::of_value(value).is_ok();
            let Some(at) = self.position(name, is_time).filter(|_| !row.has(col)) else { continue };
            if let Ok(micros) = time::of_value(&self.left.remove(at).member.value) {
                row.time(col, micros);
            }
        }
    }

    /// Sets the event's time from the first of the names that holds one.
    ///
    /// # Errors
    /// None of them is there, or none can be read.
    pub(crate) fn put_time(&mut self, row: &mut Row<'_>, names: &[&str]) -> Result<i64, MapError> {
        let mut refused = None;
        for name in names {
            let Some(at) = self.position(name, |_| true) else { continue };
            let Some(value) = self.left.get(at).map(|left| left.member.value) else { continue };
            match time::of_value(&value) {
                Ok(micros) => {
                    self.left.remove(at);
                    row.time(Col::Time, micros);
                    row.text_if(Col::MetadataOriginalTime, value.text());
                    return Ok(micros);
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            MapError::new(Reason::MissingTime, format!("the record has none of `{}`", names.join("`, `")))
        }))
    }

    /// Takes the last scalar of that name: the record's own rather than that of an object added before.
    pub(crate) fn last(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let key = name_key(name);
        let fits = |left: &Left<'a>| left.is_named(key, name) && scalar(&left.member.value).is_some();
        let at = self.left.iter().rposition(fits)?;
        scalar(&self.left.remove(at).member.value)
    }

    /// The first text of that name that is a path. It goes to `unmapped`, and is not found again.
    pub(crate) fn path(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.position(name, |value| value.as_str().is_some_and(|text| text.starts_with('/')))?;
        let left = self.left.remove(at);
        let path = left.member.value.as_str();
        self.aside.push(left);
        path
    }

    /// Takes an integer, or text that holds one.
    pub(crate) fn integer(&mut self, name: &str) -> Option<i64> {
        let at = self.position(name, |value| value.integer().is_some())?;
        self.left.remove(at).member.value.integer()
    }

    /// A number with a fraction, or text that holds one, which stays.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.peek(name)?.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// Takes a boolean, or text that says one.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let at = self.position(name, |value| value.boolean().is_some())?;
        self.left.remove(at).member.value.boolean()
    }

    /// Takes the first of the names that holds an object or array, or JSON text of one. Without any, the
    /// result is empty.
    pub(crate) fn nested(&mut self, names: &[&str]) -> Nested<'a> {
        for name in names {
            let key = name_key(name);
            let mut from = 0;
            while let Some(left) = self.left.get(from) {
                if left.is_named(key, name)
                    && let Some(nested) = Nested::of(left.member.value, self.path_of(left))
                {
                    self.left.remove(from);
                    return nested;
                }
                from += 1;
            }
        }
        Nested::default()
    }

    /// Drops whatever has that name.
    pub(crate) fn forget(&mut self, name: &str) {
        let key = name_key(name);
        self.left.retain(|left| !left.is_named(key, name));
    }

    fn path_of(&self, left: &Left<'a>) -> String {
        join(self.paths.get(left.path).map_or("", String::as_str), &left.member.key)
    }

    /// Puts what is left under `unmapped`.
    pub(crate) fn keep(self, row: &mut Row<'_>) {
        for left in self.left.iter().chain(&self.aside) {
            row.keep(self.paths.get(left.path).map_or("", String::as_str), &left.member);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A number that is the same for all spellings of a name: how many letters it has, the first and the last.
fn name_key(name: &str) -> u32 {
    let name = name.as_bytes();
    let is_letter = |byte: &&u8| **byte != b'_';
    let letters = name.len() - name.iter().filter(|byte| **byte == b'_').count();
    let first = name.iter().find(is_letter).map_or(0, u8::to_ascii_lowercase);
    let last = name.iter().rfind(is_letter).map_or(0, u8::to_ascii_lowercase);
    (letters as u32) << 16 | u32::from(first) << 8 | u32::from(last)
}

/// Whether a field name as written is `name`, whatever its case and underscores. `name` has none.
pub(crate) fn same_name(written: &str, name: &str) -> bool {
    let mut expected = name.bytes();
    for byte in written.bytes() {
        if byte == b'_' {
            continue;
        }
        if !expected.next().is_some_and(|other| other.eq_ignore_ascii_case(&byte)) {
            return false;
        }
    }
    expected.next().is_none()
}

/// The text of a filled scalar, or the `value` of a pair of value and `localizedValue`. Older Entra records
/// write the text `<null>` for nothing.
fn scalar<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    let text = match value.as_object() {
        Some(pair) => {
            pair.members().find(|member| same_name(&member.key, "localizedValue"))?;
            pair.get("value")?.filled_text()
        }
        None => value.filled_text(),
    };
    text.filter(|text| text != "<null>")
}

/// Azure writes every field of a schema, whether or not it has a value: null, empty text, and objects and
/// arrays of nothing are nothing, also where Log Analytics writes them as text.
pub(crate) fn is_nothing(value: &Value<'_>) -> bool {
    if let Some(object) = value.as_object() {
        return object.members().all(|member| is_nothing(&member.value));
    }
    if let Some(mut elements) = value.as_array() {
        return elements.all(|element| is_nothing(&element));
    }
    value.is_null() || matches!(value.raw(), "\"\"" | "\"[]\"" | "\"{}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tokens;

    fn with_fields(text: &str, check: impl Fn(Fields<'_>)) {
        let mut tokens = Tokens::default();
        tokens.scan(text).unwrap();
        check(Fields::of(Value::root(text, &tokens).as_object().unwrap(), ""));
    }

    #[test]
    fn spelling_does_not_matter() {
        for written in ["eventDataId", "EventDataId", "event_data_id", "EVENTDATAID", "_eventDataId"] {
            assert!(same_name(written, "eventDataId"), "{written}");
        }
        for written in ["eventData", "eventDataIds", "", "event-data-id"] {
            assert!(!same_name(written, "eventDataId"), "{written}");
        }
    }

    #[test]
    fn a_taken_member_is_gone_and_its_repetition_too() {
        let text = r#"{"callerIpAddress":"192.0.2.1","IPAddress":"192.0.2.1","ipaddress":"192.0.2.2"}"#;
        with_fields(text, |mut fields| {
            assert_eq!(fields.first(&["ipAddress", "callerIpAddress"]).as_deref(), Some("192.0.2.1"));
            assert_eq!(fields.first(&["ipAddress", "callerIpAddress"]).as_deref(), Some("192.0.2.2"));
            assert_eq!(fields.first(&["ipAddress", "callerIpAddress"]), None);
        });
    }

    #[test]
    fn a_pair_of_value_and_words_is_its_value() {
        let text = r#"{"status":{"value":"Succeeded","localizedValue":"Succeeded"},
            "eventName":{"value":"EndRequest","localizedValue":"End request"},
            "subStatus":{"value":null,"localizedValue":""}, "other":{"value":"x"}}"#;
        with_fields(text, |mut fields| {
            assert_eq!(fields.text("status").as_deref(), Some("Succeeded"));
            assert!(!fields.has("localizedValue"));
        });
        with_fields(text, |mut fields| {
            assert_eq!(fields.text("eventName").as_deref(), Some("EndRequest"));
            assert_eq!(fields.peek("localizedValue").as_deref(), Some("End request"));
            assert!(!fields.has("subStatus"));
            assert_eq!(fields.text("other"), None);
        });
    }

    #[test]
    fn json_in_a_string_opens_like_an_object() {
        let text = r#"{"a":"{\"x\":1}","b":{"x":1},"c":"{broken","d":"[]","e":"plain"}"#;
        with_fields(text, |mut fields| {
            for name in ["a", "b"] {
                let nested = fields.nested(&[name]);
                assert_eq!(nested.fields().integer("x"), Some(1));
            }
            for name in ["c", "e"] {
                assert!(fields.nested(&[name]).value().is_none());
                assert!(fields.has(name));
            }
        });
    }

    #[test]
    fn emptiness_is_nothing() {
        let text = r#"{"a":"","b":[],"c":{},"d":null,"e":{"f":{"g":[""]}},"h":"<null>","i":0,"j":false}"#;
        with_fields(text, |fields| {
            for name in ["a", "b", "c", "d", "e"] {
                assert!(!fields.has(name), "{name}");
            }
            assert!(fields.has("h") && fields.has("i") && fields.has("j"));
            assert_eq!(fields.peek("h"), None);
        });
    }
}
