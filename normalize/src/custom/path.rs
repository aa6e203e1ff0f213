//! Where a value stands in a record: `user.login`, `events.0.name`, `labels.app\.kubernetes\.io/name`.

use crate::json::{Object, Value};

/// A path of keys; in an array a number is a place, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<String>,
}

/// The most steps of a path.
const MAX_STEPS: usize = 64;

impl Path {
    /// Reads a path; a point that belongs to a key stands after a backslash.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut steps = vec![String::new()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let taken = match char {
                '.' => {
                    steps.push(String::new());
                    continue;
                }
                '\\' => chars.next().ok_or("nothing stands after the backslash")?,
                other => other,
            };
            if let Some(step) = steps.last_mut() {
                step.push(taken);
            }
        }
        if steps.iter().any(String::is_empty) {
            return Err("a part of the path is empty");
        }
        if steps.len() > MAX_STEPS {
            return Err("the path has more than 64 parts");
        }
        Ok(Self { steps })
    }

    /// The value there, unless it is null.
    pub(super) fn find<'a>(&self, record: &Object<'a>) -> Option<Value<'a>> {
        let (first, rest) = self.steps.split_first()?;
        let mut value = record.get(first)?;
        for step in rest {
            value = match value.as_object() {
                Some(object) => object.get(step)?,
                None => value.as_array()?.nth(step.parse().ok()?)?,
            };
        }
        (!value.is_null()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tokens;

    #[test]
    fn finds_what_is_there() {
        let text = r#"{"a":{"b":[{"c":1},null]},"x.y":{"z":"dot"},"n":null}"#;
        let mut tokens = Tokens::default();
        tokens.scan(text).unwrap();
        let record = Value::root(text, &tokens).as_object().unwrap();
        for (path, expected) in [
            ("a.b.0.c", Some("1")),
            (r"x\.y.z", Some("dot")),
            ("a.b.1", None),
            ("a.b.7", None),
            ("a.b.c", None),
            ("n", None),
            ("x.y.z", None),
        ] {
            let found = Path::parse(path).unwrap().find(&record).and_then(|value| value.text());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        for wrong in ["", ".", "a.", "a..b", r"a\"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }
}
