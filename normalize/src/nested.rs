//! An object or array, which Log Analytics writes as JSON text in a string.

use std::borrow::Cow;

use crate::fields::{Fields, is_nothing};
use crate::json::{Object, Tokens, Value};
use crate::row::Row;

/// A JSON object or array somewhere in a record, in either form; or none.
#[derive(Debug, Default)]
pub(crate) struct Nested<'a> {
    /// Where it stands in the record.
    path: String,
    body: Body<'a>,
}

#[derive(Debug, Default)]
enum Body<'a> {
    #[default]
    Absent,
    Plain(Value<'a>),
    Text(Cow<'a, str>, Tokens),
}

impl<'a> Nested<'a> {
    /// `None` for anything but an object, an array, or text that holds one with something in it and is
    /// within the limits of a record.
    pub(crate) fn of(value: Value<'a>, path: String) -> Option<Self> {
        if value.as_object().is_some() || value.as_array().is_some() {
            return Some(Self { path, body: Body::Plain(value) });
        }
        let text = value.as_str()?;
        if !text.trim_ascii_start().starts_with(['{', '[']) {
            return None;
        }
        let mut tokens = Tokens::default();
        tokens.scan(&text).ok()?;
        if is_nothing(&Value::root(&text, &tokens)) {
            return None;
        }
        Some(Self { path, body: Body::Text(text, tokens) })
    }

    /// The object or array.
    pub(crate) fn value(&self) -> Option<Value<'_>> {
        match &self.body {
            Body::Absent => None,
            Body::Plain(value) => Some(*value),
            Body::Text(text, tokens) => Some(Value::root(text, tokens)),
        }
    }

    /// The object, if it is one.
    pub(crate) fn object(&self) -> Option<Object<'_>> {
        self.value()?.as_object()
    }

    /// The objects of the array, or the one object that stands in its place.
    pub(crate) fn objects(&self) -> Vec<Object<'_>> {
        match self.value().and_then(|value| value.as_array()) {
            Some(elements) => elements.filter_map(|element| element.as_object()).collect(),
            None => self.object().into_iter().collect(),
        }
    }

    /// The texts of the array, scalars of other types as text; none of an object.
    pub(crate) fn texts(&self) -> Vec<Cow<'_, str>> {
        let elements = self.value().and_then(|value| value.as_array()).into_iter().flatten();
        elements.filter_map(|element| element.filled_text()).collect()
    }

    /// The members of the object; none for an array.
    pub(crate) fn fields(&self) -> Fields<'_> {
        self.object().map(|object| Fields::of(object, &self.path)).unwrap_or_default()
    }

    /// Where it stands in the record.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Puts the whole under `unmapped`.
    pub(crate) fn keep(&self, row: &mut Row<'_>) {
        if let Some(value) = self.value() {
            row.keep_value("", &self.path, &value);
        }
    }
}
