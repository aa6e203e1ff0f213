//! What an entry says, and how it is written down.

use std::collections::BTreeMap;

/// The longest text in an entry, in bytes, but for the details.
const TEXT_BYTES: usize = 512;
/// The longest text of a detail, in bytes.
const DETAIL_BYTES: usize = 8 << 10;
/// Details of an entry.
const DETAILS: usize = 32;
/// RFC 8785 writes numbers as JavaScript does, where larger ones are not exact.
const LARGEST: i64 = (1 << 53) - 1;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is about to be tried; an entry with `of` says how it went.
    Intended,
    /// It was done.
    Done,
    /// It could not be done.
    Failed,
    /// It was not allowed.
    Refused,
    /// It was tried, and the process or the caller was gone before the end.
    Unknown,
}

impl Outcome {
    /// The word in entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// A detail's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Text; beyond 8 KiB only its beginning is kept.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Detail {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Detail {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Something that happened, before it has a number and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What was done: `alerts.close`, `sql.query`, `server.start`.
    pub action: String,
    /// How it went.
    pub outcome: Outcome,
    /// Who did it: the name of a token or user; `stormglass` for the program itself, empty where unknown.
    pub actor: String,
    /// The actor's role; may be empty.
    pub role: String,
    /// The address that the request came from; empty without one.
    pub address: String,
    /// The request's id, as in the answer's `X-Request-Id`; may be empty.
    pub request: String,
    /// What it was done to, mostly the path of the request.
    pub object: String,
    /// The HTTP status of the answer; 0 without one.
    pub status: u16,
    /// How many alike this entry stands for.
    pub count: u64,
    /// The number of the entry that announced it.
    pub of: Option<u64>,
    /// When the first of several alike happened, microseconds since 1970.
    pub since_us: Option<i64>,
    /// What else there is to say; never a secret.
    pub detail: BTreeMap<String, Detail>,
}

impl Fact {
    /// Something that was done by `actor`.
    pub fn new(action: impl Into<String>, actor: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            outcome: Outcome::Done,
            actor: actor.into(),
            role: String::new(),
            address: String::new(),
            request: String::new(),
            object: String::new(),
            status: 0,
            count: 1,
            of: None,
            since_us: None,
            detail: BTreeMap::new(),
        }
    }

    /// Something that the program did by itself.
    pub fn of_stormglass(action: &str) -> Self {
        Self::new(action, "stormglass")
    }

    /// The same with a detail more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Detail>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Canonical JSON (RFC 8785). Keys are in order, and are all ASCII; nothing but text and whole numbers.
    pub(super) fn canonical(&self, seq: u64, at_us: i64) -> String {
        let mut out = String::with_capacity(256);
        out.push_str("{\"action\":");
        text(&mut out, &self.action, TEXT_BYTES);
        out.push_str(",\"actor\":");
        text(&mut out, &self.actor, TEXT_BYTES);
        if !self.address.is_empty() {
            out.push_str(",\"address\":");
            text(&mut out, &self.address, TEXT_BYTES);
        }
        number(&mut out, ",\"at_us\":", at_us);
        if self.count != 1 {
            number(&mut out, ",\"count\":", i64::try_from(self.count).unwrap_or(LARGEST));
        }
        if !self.detail.is_empty() {
            out.push_str(",\"detail\":{");
            for (place, (name, value)) in self.detail.iter().take(DETAILS).enumerate() {
                if place > 0 {
                    out.push(',');
                }
                text(&mut out, name, TEXT_BYTES);
                match value {
                    Detail::Text(value) => {
                        out.push(':');
                        text(&mut out, value, DETAIL_BYTES);
                    }
                    Detail::Number(value) => number(&mut out, ":", *value),
                }
            }
            out.push('}');
        }
        if !self.object.is_empty() {
            out.push_str(",\"object\":");
            text(&mut out, &self.object, TEXT_BYTES);
        }
        if let Some(of) = self.of {
            number(&mut out, ",\"of\":", i64::try_from(of).unwrap_or(LARGEST));
        }
        out.push_str(",\"outcome\":");
        text(&mut out, self.outcome.as_str(), TEXT_BYTES);
        if !self.request.is_empty() {
            out.push_str(",\"request\":");
            text(&mut out, &self.request, TEXT_BYTES);
        }
        if !self.role.is_empty() {
            out.push_str(",\"role\":");
            text(&mut out, &self.role, TEXT_BYTES);
        }
        number(&mut out, ",\"seq\":", i64::try_from(seq).unwrap_or(LARGEST));
        if let Some(since_us) = self.since_us {
            number(&mut out, ",\"since_us\":", since_us);
        }
        if self.status != 0 {
            number(&mut out, ",\"status\":", i64::from(self.status));
        }
        out.push('}');
        out
    }
}

fn number(out: &mut String, key: &str, value: i64) {
    out.push_str(key);
    out.push_str(&value.clamp(-LARGEST, LARGEST).to_string());
}

/// A string as RFC 8785, 3.2.2.2 writes it, cut to `most` bytes at the border of a character.
fn text(out: &mut String, value: &str, most: usize) {
    out.push('"');
    let mut room = most;
    for c in value.chars() {
        match room.checked_sub(c.len_utf8()) {
            Some(left) => room = left,
            None => {
                out.push('…');
                break;
            }
        }
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
