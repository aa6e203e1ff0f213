//! Addresses and bodies with placeholders for the window and the page.

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

/// What may stand in braces.
const NAMES: [&str; 5] = ["start", "end", "cursor", "page", "offset"];

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-03-01T10:00:00Z`.
    Rfc3339,
    /// `2026-03-01T10:00:00.000Z`.
    Rfc3339Millis,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// `2026-03-01`.
    Date,
}

impl TimeFormat {
    fn value(self, at_s: i64) -> Value {
        let time = DateTime::from_timestamp(at_s, 0).unwrap_or_default();
        match self {
            Self::Rfc3339 => time.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
            Self::Rfc3339Millis => time.to_rfc3339_opts(SecondsFormat::Millis, true).into(),
            Self::EpochSeconds => at_s.into(),
            Self::EpochMillis => at_s.saturating_mul(1_000).into(),
            Self::Date => time.format("%Y-%m-%d").to_string().into(),
        }
    }
}

/// What placeholders stand for in one request.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) start_s: i64,
    pub(super) end_s: i64,
    pub(super) format: TimeFormat,
    /// None on the first page.
    pub(super) cursor: Option<&'a str>,
    pub(super) page: u64,
    pub(super) offset: u64,
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "start" => Some(self.format.value(self.start_s)),
            "end" => Some(self.format.value(self.end_s)),
            "cursor" => self.cursor.map(Value::from),
            "page" => Some(self.page.into()),
            "offset" => Some(self.offset.into()),
            _ => None,
        }
    }
}

/// Whether `text` has the placeholder `{name}`.
pub(super) fn has(text: &str, name: &str) -> bool {
    pieces(text).any(|piece| piece == Piece::Name(name))
}

/// The first placeholder of `text` that there is none of.
pub(super) fn unknown(text: &str) -> Option<&str> {
    pieces(text).find_map(|piece| match piece {
        Piece::Name(name) if !NAMES.contains(&name) => Some(name),
        _ => None,
    })
}

/// The address with its placeholders filled in. A parameter whose value there is not yet is left out.
pub(super) fn address(template: &str, values: &Values<'_>) -> String {
    let Some((path, query)) = template.split_once('?') else { return template.to_owned() };
    let parameters = query.split('&').filter_map(|parameter| {
        filled(parameter, values, |text, value| text.extend(byte_serialize(value.as_bytes())))
    });
    format!("{path}?{}", parameters.collect::<Vec<_>>().join("&"))
}

/// The body with its placeholders filled in. A text that is nothing but a placeholder becomes what it stands
/// for, a number where that is one; a member whose value there is not yet is left out.
pub(super) fn body(template: &Value, values: &Values<'_>) -> Value {
    match template {
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, value)| {
                let is_missing =
                    value.as_str().is_some_and(|text| has(text, "cursor")) && values.cursor.is_none();
                (!is_missing).then(|| (name.clone(), body(value, values)))
            })
            .collect(),
        Value::Array(list) => list.iter().map(|value| body(value, values)).collect(),
        Value::String(text) => {
            let mut pieces = pieces(text);
            if let (Some(Piece::Name(name)), None) = (pieces.next(), pieces.next()) {
                return values.get(name).unwrap_or_default();
            }
            filled(text, values, |text, value| text.push_str(value)).unwrap_or_default().into()
        }
        other => other.clone(),
    }
}

fn filled(text: &str, values: &Values<'_>, push: impl Fn(&mut String, &str)) -> Option<String> {
    let mut filled = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => match values.get(name)? {
                Value::String(text) => push(&mut filled, &text),
                other => push(&mut filled, &other.to_string()),
            },
        }
    }
    Some(filled)
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// What stands in braces; small letters alone, so that JSON is none.
    Name(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = placeholder(rest) {
            rest = after;
            return Some(Piece::Name(name));
        }
        // Up to the next brace that begins one.
        let next = rest.match_indices('{').map(|(at, _)| at).find(|at| {
            *at > 0 && rest.split_at_checked(*at).is_some_and(|(_, after)| placeholder(after).is_some())
        });
        let (piece, after) = rest.split_at_checked(next.unwrap_or(rest.len()))?;
        rest = after;
        Some(Piece::Text(piece))
    })
}

fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    (!name.is_empty() && name.chars().all(|char| char.is_ascii_lowercase() || char == '_'))
        .then_some((name, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(format: TimeFormat, cursor: Option<&str>) -> Values<'_> {
        Values { start_s: 1_772_359_200, end_s: 1_772_362_800, format, cursor, page: 3, offset: 200 }
    }

    #[test]
    fn addresses_are_filled_in() {
        let template = "https://a/logs?from={start}&to={end}&limit=5&cursor={cursor}";
        assert_eq!(
            address(template, &values(TimeFormat::Rfc3339, None)),
            "https://a/logs?from=2026-03-01T10%3A00%3A00Z&to=2026-03-01T11%3A00%3A00Z&limit=5"
        );
        assert_eq!(
            address(template, &values(TimeFormat::EpochMillis, Some("a&b={end}"))),
            "https://a/logs?from=1772359200000&to=1772362800000&limit=5&cursor=a%26b%3D%7Bend%7D"
        );
        let pages = "https://a/logs?q=date:[{start} TO {end}]&page={page}&skip={offset}";
        assert_eq!(
            address(pages, &values(TimeFormat::Date, None)),
            "https://a/logs?q=date:[2026-03-01 TO 2026-03-01]&page=3&skip=200"
        );
        assert_eq!(address("https://a/x", &values(TimeFormat::Date, None)), "https://a/x");
    }

    #[test]
    fn bodies_are_filled_in() {
        let template = json!({"limit": 5, "from": "{start}", "range": ["at {end}"], "cursor": "{cursor}", "n": "{offset}"});
        assert_eq!(
            body(&template, &values(TimeFormat::EpochSeconds, None)),
            json!({"limit": 5, "from": 1_772_359_200, "range": ["at 1772362800"], "n": 200})
        );
        assert_eq!(body(&template, &values(TimeFormat::Rfc3339Millis, Some("{end}")))["cursor"], "{end}");
        assert_eq!(
            body(&template, &values(TimeFormat::Rfc3339Millis, None))["from"],
            "2026-03-01T10:00:00.000Z"
        );
    }

    #[test]
    fn braces_of_json_are_no_placeholders() {
        assert_eq!(unknown(r#"{"a":{"b":"{start}"}}"#), None);
        assert_eq!(unknown("a={strat}&b={end}"), Some("strat"));
        assert!(has("{{start}", "start") && !has("{ start }", "start") && !has("{start", "start"));
    }

    proptest! {
        #[test]
        fn any_text_is_the_sum_of_its_pieces(text in "[{}a-c_é \"]{0,20}") {
            let again: String = pieces(&text)
                .map(|piece| match piece {
                    Piece::Text(text) => text.to_owned(),
                    Piece::Name(name) => format!("{{{name}}}"),
                })
                .collect();
            prop_assert_eq!(again, text);
        }
    }
}
