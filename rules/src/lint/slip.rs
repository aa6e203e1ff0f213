//! Slips: values that are no values, and fields of another log.

use super::Linter;
use super::values::Holds;
use crate::placeholder;
use crate::sigma::detection::{Item, Value};
use crate::sigma::modifier::Modifier;
use crate::sigma::pattern::Pattern;
use crate::sigma::yaml::Position;

/// Words that stand in published rules where a value of one's own belongs.
const STAND_INS: [&str; 5] = ["UPN", "CHANGEME", "CHANGE_ME", "REPLACE_ME", "PLACEHOLDER"];

impl Linter<'_> {
    pub(super) fn slips(&mut self, item: &Item, path: &str) {
        self.field_of_another_log(item, path);
        let holds = item
            .field
            .as_deref()
            .and_then(|name| self.values.of(self.logsource, self.mapping, &self.mapping.resolve(name).field));
        for value in &item.values {
            if let Value::Text(text) = &value.value {
                self.text(item, text, holds.as_ref(), value.at, path);
            }
        }
        if let Some(holds) = &holds {
            self.several_known_values(item, holds, path);
        }
    }

    fn text(&mut self, item: &Item, text: &str, holds: Option<&Holds>, at: Position, path: &str) {
        let has = |modifier| item.modifiers.contains(&modifier);
        if let Some(stand_in) = stand_in(text) {
            let problem = format!("`{stand_in}` stands for a value of your own");
            self.add(at, path, problem, "write the value, or name a list of values with `expand`");
            return;
        }
        if !has(Modifier::Expand)
            && let Some(name) = placeholder::names(text).next()
            && text == format!("%{name}%")
        {
            let problem = format!("`{text}` is no placeholder without `expand`");
            self.add(at, path, problem, format!("write `{}|expand`", item.key));
        }
        if has(Modifier::Re) || has(Modifier::FieldRef) || has(Modifier::Cidr) {
            return;
        }
        if item.field.is_some() && matches!(text, "null" | "NULL" | "None" | "nil" | "undefined") {
            self.add(
                at,
                path,
                format!("`{text}` in quotes is a text of {} letters", text.len()),
                "write `null` for what is absent",
            );
        }
        // Where names stand, the name of a field is a value like any other.
        let of_names = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            ["name", "displayName", "key"].iter().any(|known| last.eq_ignore_ascii_case(known))
        };
        if !item.field.as_deref().is_some_and(of_names)
            && let Some(field) = self.names_a_field(text)
        {
            let problem = format!("`{text}` is the name of a field and is compared as a text");
            let key = item.field.as_deref().unwrap_or(&field);
            self.add(at, path, problem, format!("write `{key}|fieldref` to compare the two fields"));
        }
        let is_whole = !has(Modifier::Contains) && !has(Modifier::StartsWith) && !has(Modifier::EndsWith);
        if let Some(holds) = holds {
            if holds.knows(text) {
                return;
            }
            if is_whole && let Some(known) = holds.nearly(text) {
                let problem = format!("the log writes `{known}`, blanks included, not `{text}`");
                self.add(at, path, problem, "write it as the log does, or use `startswith`");
                return;
            }
        }
        // A blank within is part of the text, also where a piece is sought.
        let blank_start =
            text.starts_with(char::is_whitespace) && !has(Modifier::Contains) && !has(Modifier::EndsWith);
        let blank_end =
            text.ends_with(char::is_whitespace) && !has(Modifier::Contains) && !has(Modifier::StartsWith);
        let is_blank = text.trim().is_empty();
        if item.field.is_some() && !is_blank && (blank_start || blank_end) {
            let side = if blank_start { "begins" } else { "ends" };
            self.add(
                at,
                path,
                format!("the value {side} with a blank"),
                "remove it, unless the log writes it",
            );
        }
    }

    /// A path that leads into a member of the log's records of which more is known than its name: values look
    /// like paths, too (`org.add_member` of GitHub, beside the member `org`). A word alone may be any word.
    fn names_a_field(&self, text: &str) -> Option<String> {
        let is_path = text.contains('.')
            && text.split('.').all(|name| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
        let is_one = is_path && self.mapping.knows_within(text) && self.mapping.resolve(text).known;
        is_one.then(|| text.to_owned())
    }

    /// `contains|all` with two whole values of a field that has one.
    fn several_known_values(&mut self, item: &Item, holds: &Holds, path: &str) {
        if !item.modifiers.contains(&Modifier::All) {
            return;
        }
        let whole = item.values.iter().filter_map(|value| match &value.value {
            Value::Text(text) if holds.knows(text) => Some(text.as_str()),
            _ => None,
        });
        let whole: Vec<_> = whole.collect();
        if let [one, other, ..] = whole.as_slice()
            && !one.contains(other)
            && !other.contains(one)
        {
            let problem = format!("`{one}` and `{other}` are two values of the field, and an event has one");
            self.add(item.at, path, problem, "remove `all`, or correlate two events");
        }
    }

    fn field_of_another_log(&mut self, item: &Item, path: &str) {
        let Some(name) = item.field.as_deref() else { return };
        if let Some(known) = self.in_another_case(name) {
            let problem = format!("records write `{known}`, and case counts in names");
            self.add(item.at, path, problem, format!("write `{known}`"));
            return;
        }
        if let Some(meant) =
            self.mapping.misspelled(name).or_else(|| self.mapping.in_no_case(name).map(str::to_owned))
        {
            let problem = format!("records write `{meant}`; it is read as that");
            self.add(item.at, path, problem, format!("write `{meant}`"));
            return;
        }
        if self.mapping.resolve(name).known {
            return;
        }
        let owner =
            self.options.mappings.having(name).find(|other| other.logsource() != self.mapping.logsource());
        if let Some(owner) = owner {
            let problem = format!("the field belongs to `{}`", owner.logsource());
            self.add(item.at, path, problem, "change the log source, or the field");
        }
    }

    /// The known field that a path is but for its case, where it is read as a path in that case.
    pub(super) fn in_another_case(&self, name: &str) -> Option<String> {
        let mapping = self.mapping;
        if mapping.ignores_case() {
            return None;
        }
        let field = mapping.resolve(name).field;
        let known = mapping.names().find(|known| *known != name && known.eq_ignore_ascii_case(name))?;
        (mapping.resolve(known).field != field).then(|| known.to_owned())
    }
}

/// What stands for a value of one's own in a text: `<YOUR-BUCKET>`, `UPN`.
fn stand_in(text: &str) -> Option<&str> {
    if STAND_INS.contains(&text) {
        return Some(text);
    }
    let (start, end) = (text.find('<')?, text.rfind('>')?);
    let whole = text.get(start..=end)?;
    let inside = whole.get(1..whole.len() - 1)?;
    let is_name = inside.len() >= 3
        && inside.bytes().all(|byte| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b' ')
        });
    // A pattern with wildcards, or markup, is no name.
    (is_name && Pattern::parse(inside).as_literal().is_some()).then_some(whole)
}
