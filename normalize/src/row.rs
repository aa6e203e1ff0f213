//! The row that a mapping fills.

use std::borrow::Cow;

use event::{Col, EventBuilder, JsonText, Provider};

use crate::class::{Activity, Severity, Status};
use crate::json::{Member, Object, Value};

/// Stands where OCSF requires a name and the record has none.
pub(crate) const UNKNOWN: &str = "Unknown";

/// One event under construction: columns, and under `unmapped` whatever no column took.
///
/// The first value set in a column wins. The framework itself sets `event_uid`, `log_type`, `source`,
/// `log_offset`, `metadata_logged_time`, `metadata_version`, `cloud_provider` and `raw_data`; a mapping
/// must set `time`, the class and the severity.
#[derive(Debug)]
pub(crate) struct Row<'b> {
    cells: &'b mut EventBuilder,
    scratch: &'b mut RowScratch,
    carrier: Option<Provider>,
}

/// Buffers of [`Row`] that are used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct RowScratch {
    /// An object under construction: `{` and members.
    unmapped: String,
}

impl<'b> Row<'b> {
    pub(crate) fn new(cells: &'b mut EventBuilder, scratch: &'b mut RowScratch) -> Self {
        scratch.unmapped.clear();
        Self { cells, scratch, carrier: None }
    }

    /// Sets a label, text or JSON column to this text, even to an empty one.
    #[inline]
    pub(crate) fn text(&mut self, col: Col, value: &str) {
        self.cells.text(col, value);
    }

    /// Sets a label, text or JSON column if there is a text and it is not empty.
    #[inline]
    pub(crate) fn text_if(&mut self, col: Col, value: Option<impl AsRef<str>>) {
        if let Some(value) = value
            && !value.as_ref().is_empty()
        {
            self.cells.text(col, value.as_ref());
        }
    }

    #[inline]
    pub(crate) fn int(&mut self, col: Col, value: i32) {
        self.cells.int(col, value);
    }

    /// Sets a 32-bit column if there is a number.
    pub(crate) fn int_if(&mut self, col: Col, value: Option<i32>) {
        if let Some(value) = value {
            self.cells.int(col, value);
        }
    }

    #[inline]
    pub(crate) fn long(&mut self, col: Col, value: i64) {
        self.cells.long(col, value);
    }

    pub(crate) fn float(&mut self, col: Col, value: f64) {
        self.cells.float(col, value);
    }

    pub(crate) fn flag(&mut self, col: Col, value: bool) {
        self.cells.flag(col, value);
    }

    /// In microseconds since 1970; see [`crate::time`].
    pub(crate) fn time(&mut self, col: Col, micros: i64) {
        self.cells.time(col, micros);
    }

    /// Sets a JSON column to what `write` writes; writing nothing leaves it null.
    pub(crate) fn json(&mut self, col: Col, write: impl FnOnce(&mut JsonText<'_>)) {
        self.cells.json(col, write);
    }

    /// Sets a JSON column to a list of texts.
    pub(crate) fn texts(&mut self, col: Col, values: &[&str]) {
        self.json(col, |json| write_texts(json, values));
    }

    /// Whether the column has a value.
    #[inline]
    pub(crate) fn has(&self, col: Col) -> bool {
        self.cells.has(col)
    }

    /// Sets a label or text column to a scalar, verbatim. What is no scalar, or comes when the column
    /// has its value, is kept under `unmapped`. Null is nothing.
    #[inline]
    pub(crate) fn put(&mut self, col: Col, path: &str, member: &Member<'_>) {
        match member.value.text() {
            Some(text) if !self.cells.has(col) => self.cells.text(col, &text),
            _ => self.keep(path, member),
        }
    }

    /// As [`put`](Self::put), but an empty string is nothing.
    #[inline]
    pub(crate) fn put_filled(&mut self, col: Col, path: &str, member: &Member<'_>) {
        if member.value.raw() != "\"\"" {
            self.put(col, path, member);
        }
    }

    /// Sets a JSON column to the value as compact JSON, of whatever type.
    #[inline]
    pub(crate) fn put_json(&mut self, col: Col, path: &str, member: &Member<'_>) {
        if self.cells.has(col) {
            self.keep(path, member);
        } else if !member.value.is_null() {
            self.cells.text(col, &member.value.compact());
        }
    }

    /// Sets a true-or-false column from a boolean or its text; anything else is kept.
    #[inline]
    pub(crate) fn put_flag(&mut self, col: Col, path: &str, member: &Member<'_>) {
        match member.value.boolean() {
            Some(flag) if !self.cells.has(col) => self.cells.flag(col, flag),
            _ => self.keep(path, member),
        }
    }

    /// Sets a 32-bit column from an integer or its text; anything else is kept.
    pub(crate) fn put_int(&mut self, col: Col, path: &str, member: &Member<'_>) {
        match member.value.integer().map(i32::try_from) {
            Some(Ok(number)) if !self.cells.has(col) => self.cells.int(col, number),
            _ => self.keep(path, member),
        }
    }

    /// Sets a time column from any form that [`crate::time::of_value`] reads; anything else is kept.
    /// Not for [`Col::Time`], whose absence rejects the record.
    #[inline]
    pub(crate) fn put_time(&mut self, col: Col, path: &str, member: &Member<'_>) {
        match crate::time::of_value(&member.value) {
            Ok(micros) if !self.cells.has(col) => self.cells.time(col, micros),
            _ => self.keep(path, member),
        }
    }

    /// Keeps a member that no column takes under `unmapped`, named `path.key`. Null is nothing.
    #[inline]
    pub(crate) fn keep(&mut self, path: &str, member: &Member<'_>) {
        match &member.key {
            // A key without escapes stands in JSON as it is.
            Cow::Borrowed(key) if !member.value.is_null() => {
                self.unmapped_name(path, |unmapped| unmapped.push_str(key));
                member.value.write(&mut JsonText::new(&mut self.scratch.unmapped));
            }
            key => self.keep_value(path, key, &member.value),
        }
    }

    /// As [`keep`](Self::keep), for a value with a name of its own.
    pub(crate) fn keep_value(&mut self, path: &str, key: &str, value: &Value<'_>) {
        if !value.is_null() {
            value.write(&mut self.unmapped_member(path, key));
        }
    }

    /// As [`keep`](Self::keep), for text.
    pub(crate) fn keep_text(&mut self, path: &str, key: &str, value: &str) {
        self.unmapped_member(path, key).text(value);
    }

    /// As [`keep`](Self::keep), for a list of texts.
    pub(crate) fn keep_texts<T: AsRef<str>>(&mut self, path: &str, key: &str, values: &[T]) {
        write_texts(&mut self.unmapped_member(path, key), values);
    }

    /// As [`keep`](Self::keep), for a list of objects.
    pub(crate) fn keep_objects(&mut self, key: &str, objects: &[Object<'_>]) {
        let mut json = self.unmapped_member("", key);
        json.begin_array();
        for object in objects {
            json.item();
            object.write(&mut json);
        }
        json.end_array();
    }

    /// Where the record came through: a carrier that belongs to a cloud.
    pub(crate) fn carrier(&self) -> Option<Provider> {
        self.carrier
    }

    /// Notes that the record came through a carrier of this cloud.
    pub(crate) fn came_through(&mut self, provider: Provider) {
        self.carrier = Some(provider);
    }

    /// Writes the name of a new member of `unmapped`; its value must follow.
    fn unmapped_member(&mut self, path: &str, key: &str) -> JsonText<'_> {
        self.unmapped_name(path, |unmapped| {
            let quote = unmapped.len();
            JsonText::new(unmapped).text(key);
            // The quotes are about the whole name.
            unmapped.remove(quote);
            unmapped.pop();
        });
        JsonText::new(&mut self.scratch.unmapped)
    }

    /// Writes `"path.key":`, of which `write_key` writes the key.
    fn unmapped_name(&mut self, path: &str, write_key: impl FnOnce(&mut String)) {
        let unmapped = &mut self.scratch.unmapped;
        unmapped.push_str(if unmapped.is_empty() { "{\"" } else { ",\"" });
        if !path.is_empty() {
            unmapped.push_str(path);
            unmapped.push('.');
        }
        write_key(unmapped);
        unmapped.push_str("\":");
    }

    /// Sets the class, category, activity and type columns.
    #[inline]
    pub(crate) fn class(&mut self, activity: &Activity) {
        self.class_named(activity, activity.activity_name);
    }

    /// As [`class`](Self::class), with the activity in the cloud's words: OCSF asks for them where the
    /// activity is 99 Other.
    pub(crate) fn class_named(&mut self, activity: &Activity, activity_name: &str) {
        self.int(Col::ClassUid, activity.class_uid);
        self.text(Col::ClassName, activity.class_name);
        self.int(Col::CategoryUid, activity.category_uid);
        self.text(Col::CategoryName, activity.category_name);
        self.int(Col::ActivityId, activity.activity_id);
        self.text(Col::ActivityName, activity_name);
        self.long(Col::TypeUid, activity.type_uid());
        self.text(Col::TypeName, activity.type_name);
    }

    /// Sets the severity columns.
    #[inline]
    pub(crate) fn severity(&mut self, severity: Severity) {
        self.int(Col::SeverityId, severity.id());
        self.text(Col::Severity, severity.name());
    }

    /// Sets the status columns; `status_code` and `status_detail` are the mapping's own.
    #[inline]
    pub(crate) fn status(&mut self, status: Status) {
        self.int(Col::StatusId, status.id());
        self.text(Col::Status, status.name());
    }

    /// Ends `unmapped` and sets its column.
    pub(crate) fn finish(self) {
        if !self.scratch.unmapped.is_empty() {
            self.scratch.unmapped.push('}');
            self.cells.text(Col::Unmapped, &self.scratch.unmapped);
        }
    }
}

fn write_texts<T: AsRef<str>>(json: &mut JsonText<'_>, values: &[T]) {
    json.begin_array();
    for value in values {
        json.item();
        json.text(value.as_ref());
    }
    json.end_array();
}
