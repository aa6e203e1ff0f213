//! One event of an activity and its parameters.

use std::borrow::Cow;

use crate::json::{Object, Value};

/// An event, or what stands in its place: an object with `name`, `type` and `parameters`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a>(Object<'a>);

impl<'a> Event<'a> {
    pub(super) fn of(object: Object<'a>) -> Self {
        Self(object)
    }

    /// A member's text.
    pub(super) fn text_of(&self, key: &str) -> Option<Cow<'a, str>> {
        self.0.get(key)?.filled_text()
    }

    /// A parameter: of a list of `{name, value}`, or of an object with its name for a key.
    fn parameter(&self, name: &str) -> Option<Value<'a>> {
        let parameters = self.0.get("parameters")?;
        if let Some(object) = parameters.as_object() {
            return object.get(name);
        }
        let is_named = |pair: &Object<'a>| {
            pair.get("name").and_then(|found| found.as_str()).is_some_and(|found| found == name)
        };
        let pair = parameters.as_array()?.filter_map(|pair| pair.as_object()).find(is_named)?;
        ["value", "boolValue", "intValue", "multiValue", "multiIntValue"].iter().find_map(|key| pair.get(key))
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.parameter(name)?.filled_text()
    }

    /// The texts of a parameter with several values.
    pub(super) fn texts(&self, name: &str) -> Vec<Cow<'a, str>> {
        let list = self.parameter(name).and_then(|value| value.as_array());
        list.into_iter().flatten().filter_map(|value| value.filled_text()).collect()
    }

    /// A parameter that is true or false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.parameter(name)?.boolean()
    }
}

/// `login_success` as Cloud Audit Logs write it: `loginSuccess`.
pub(super) fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_start = false;
    for char in name.chars() {
        match char {
            '_' => is_start = !out.is_empty(),
            _ if is_start => {
                out.extend(char.to_uppercase());
                is_start = false;
            }
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_camel_case() {
        for (name, expected) in [
            ("login_success", "loginSuccess"),
            ("2sv_enroll", "2svEnroll"),
            ("create_user", "createUser"),
            ("logout", "logout"),
            ("_x", "x"),
            ("", ""),
        ] {
            assert_eq!(camel_case(name), expected);
        }
    }
}
