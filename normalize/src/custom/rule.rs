//! From where a column takes its value.

use std::collections::BTreeMap;

use event::{Col, Kind};

use super::path::Path;
use crate::json::{Embedded, Object, Value};
use crate::row::Row;
use crate::time;

/// How one column is filled: from the first of some places that has a value; by a table, if there is one; else
/// with the default.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) col: Col,
    /// None: the default is a constant.
    pub(super) from: Vec<Path>,
    /// What a value of the record becomes. A value that is not among them becomes the default.
    pub(super) values: Option<BTreeMap<String, String>>,
    pub(super) default: Option<String>,
}

/// Where in the record a value was taken, to leave it out of `unmapped`.
pub(super) type Taken = Vec<usize>;

impl Rule {
    /// Sets the column, unless it is set.
    pub(super) fn apply(&self, record: &Object<'_>, row: &mut Row<'_>, taken: &mut Taken) {
        if let Some(value) = self.from.iter().find_map(|path| path.find(record)) {
            match &self.values {
                // The value itself stays in `unmapped`: the column has another.
                Some(values) => {
                    let found = value.text().and_then(|text| values.get(text.as_ref()));
                    if let Some(text) = found {
                        set_text(self.col, text, row);
                    }
                }
                None => {
                    if set_value(self.col, &value, row) {
                        taken.push(value.place());
                    }
                }
            }
        }
        if let Some(default) = &self.default {
            set_text(self.col, default, row);
        }
    }

    /// The text that the rule gives for a record.
    pub(super) fn text(&self, record: &Object<'_>) -> Option<String> {
        let value = self.from.iter().find_map(|path| path.find(record)).and_then(|value| value.text());
        let found = match (&self.values, value) {
            (Some(values), Some(text)) => values.get(text.as_ref()).cloned(),
            (None, Some(text)) => Some(text.into_owned()),
            (_, None) => None,
        };
        found.or_else(|| self.default.clone())
    }
}

/// Columns of JSON that are lists of text: a single text becomes a list of one.
fn is_text_list(col: Col) -> bool {
    matches!(col, Col::Privileges | Col::FindingInfoTypes | Col::RemediationReferences)
}

/// Sets a column to a value of the record; false if the value does not fit it.
fn set_value(col: Col, value: &Value<'_>, row: &mut Row<'_>) -> bool {
    if row.has(col) {
        return false;
    }
    if col.column().kind == Kind::Json {
        match value.text().filter(|_| is_text_list(col)) {
            Some(text) => row.texts(col, &[&text]),
            None => row.json(col, |json| value.write(json)),
        }
        return true;
    }
    match value.text() {
        Some(text) => set_text(col, &text, row),
        None => false,
    }
}

/// Sets a column to a text; false if the text does not fit it, or the column is set.
fn set_text(col: Col, text: &str, row: &mut Row<'_>) -> bool {
    if row.has(col) {
        return false;
    }
    match col.column().kind {
        Kind::Label | Kind::Text => row.text_if(col, Some(text)),
        Kind::Json if is_text_list(col) && !text.starts_with('[') => row.texts(col, &[text]),
        Kind::Json if is_json(text) => row.text(col, text),
        Kind::Int => row.int_if(col, text.parse().ok()),
        Kind::Long => {
            if let Ok(number) = text.parse() {
                row.long(col, number);
            }
        }
        Kind::Float => {
            if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
                row.float(col, number);
            }
        }
        Kind::Flag => {
            if let Some(flag) = flag_of(text) {
                row.flag(col, flag);
            }
        }
        Kind::Time => {
            if let Ok(micros) = time::of_text(text) {
                row.time(col, micros);
            }
        }
        Kind::Json | Kind::Day => {}
    }
    row.has(col)
}

fn flag_of(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn is_json(text: &str) -> bool {
    Embedded::parse(text).is_some()
}

/// Whether a column can have this text.
pub(super) fn fits(col: Col, text: &str) -> bool {
    match col.column().kind {
        Kind::Label | Kind::Text => true,
        Kind::Json => is_text_list(col) && !text.starts_with('[') || is_json(text),
        Kind::Int => text.parse::<i32>().is_ok(),
        Kind::Long => text.parse::<i64>().is_ok(),
        Kind::Float => text.parse::<f64>().is_ok_and(f64::is_finite),
        Kind::Flag => flag_of(text).is_some(),
        Kind::Time => time::of_text(text).is_ok(),
        Kind::Day => false,
    }
}

/// What kind of value a column has, for messages.
pub(super) fn kind_name(col: Col) -> &'static str {
    match col.column().kind {
        Kind::Label | Kind::Text => "text",
        Kind::Json => "JSON",
        Kind::Int | Kind::Long => "a whole number",
        Kind::Float => "a number",
        Kind::Flag => "true or false",
        Kind::Time => "a time",
        Kind::Day => "a day",
    }
}
