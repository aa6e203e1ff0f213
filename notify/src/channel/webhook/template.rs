//! A body of one's own: text with `{{ name }}` in it. There is no code in a template, and what is put in is
//! never read as one.

use base64::Engine as _;

use super::document::document;
use crate::Notification;
use crate::channel::message::{Message, stamp, value};
use crate::channel::text::{Budget, Write, html, lines, plain};

/// The most bytes of a template.
const MAX_BYTES: usize = 16 << 10;
/// The most names in it.
const MAX_NAMES: usize = 64;
/// The most bytes that are put in.
const TEXTS: usize = 32 << 10;

/// What can be named.
const NAMES: [&str; 23] = [
    "id",
    "thread",
    "key",
    "about",
    "kind",
    "note",
    "what",
    "headline",
    "title",
    "description",
    "severity",
    "severity_id",
    "status",
    "by",
    "rule",
    "provider",
    "tags",
    "entities",
    "events",
    "count",
    "time",
    "link",
    "text",
];

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
    content_type: String,
    escape: Escape,
}

/// How texts are written into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Json,
    Form,
    Html,
    Plain,
}

impl Escape {
    fn of(content_type: &str) -> Self {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            "text/html" | "text/xml" | "application/xml" => Self::Html,
            essence if essence.ends_with("+json") => Self::Json,
            essence if essence.ends_with("+xml") => Self::Html,
            _ => Self::Plain,
        }
    }

    fn write(self) -> Write {
        match self {
            Self::Json => json,
            Self::Form => form,
            Self::Html => html,
            Self::Plain => plain,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(&'static str),
    /// The whole document.
    Json,
}

impl Template {
    /// Reads a template for a body of `content_type`.
    ///
    /// # Errors
    /// What is wrong and the mend.
    pub(super) fn parse(text: &str, content_type: &str) -> Result<Self, (String, String)> {
        if text.len() > MAX_BYTES {
            return Err((format!("a template has at most {MAX_BYTES} bytes"), "shorten it".into()));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else {
                return Err(("`{{` without `}}`".into(), "close it".into()));
            };
            parts.push(Part::Text(before.to_owned()));
            let name = name.trim();
            let known = NAMES.iter().find(|known| **known == name);
            parts.push(match (name, known) {
                ("json", _) => Part::Json,
                (_, Some(name)) => Part::Name(name),
                (name, None) => {
                    let mend = format!("use one of json, {}", NAMES.join(", "));
                    return Err((format!("nothing is called `{}`", value(name, 40)), mend));
                }
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.len() > 2 * MAX_NAMES + 1 {
            return Err((format!("a template has at most {MAX_NAMES} names"), "shorten it".into()));
        }
        let content_type = content_type.to_ascii_lowercase();
        Ok(Self { parts, escape: Escape::of(&content_type), content_type })
    }

    /// The type that the body is said to have.
    pub(super) fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Whether the body is to be JSON.
    pub(super) fn is_json(&self) -> bool {
        self.escape == Escape::Json
    }

    /// The body of a notification with the key `key`.
    pub(super) fn render(&self, told: &Notification, key: &str) -> String {
        let (message, write) = (Message::of(told), self.escape.write());
        let mut budget = Budget(TEXTS);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Json => {
                    let document = document(told).to_string();
                    // As base64 where JSON would break the form of the body.
                    match self.escape {
                        Escape::Json | Escape::Plain => out.push_str(&document),
                        Escape::Form | Escape::Html => {
                            out.push_str(&base64::engine::general_purpose::STANDARD.encode(document));
                        }
                    }
                }
                Part::Name(name) => {
                    out.push_str(&budget.take(&named(name, told, &message, key), 16 << 10, write));
                }
            }
        }
        out
    }
}

fn named(name: &str, told: &Notification, message: &Message, key: &str) -> String {
    match name {
        "id" => value(&told.subject_id, 128),
        "thread" => value(&told.thread, 128),
        "about" => told.about.as_str().to_owned(),
        "note" => value(&told.note, 1_000),
        "key" => key.to_owned(),
        "kind" => told.kind.as_str().to_owned(),
        "what" => message.what.clone(),
        "headline" => message.headline(),
        "title" => message.title.clone(),
        "description" => lines(&message.description),
        "severity" => message.severity.to_owned(),
        "severity_id" => told.severity_id.to_string(),
        "status" => value(&told.status, 40),
        "by" => value(&told.by, 128),
        "rule" => value(&told.rule_id, 128),
        "provider" => value(&told.provider, 40),
        "tags" => message.tags.join(", "),
        "entities" => {
            let values: Vec<_> = told.entities.iter().take(16).map(|one| value(&one.value, 240)).collect();
            values.join(", ")
        }
        "events" => told.events.to_string(),
        "count" => told.count.to_string(),
        "time" => stamp(told.time_us),
        "link" => message.link.clone().unwrap_or_default(),
        "text" => message.text(),
        _ => String::new(),
    }
}

/// Within a string of JSON.
fn json(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        _ if u32::from(character) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        _ => out.push(character),
    }
}

/// Within a value of a form.
fn form(character: char, out: &mut String) {
    let mut bytes = [0; 4];
    for byte in character.encode_utf8(&mut bytes).bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
