//! Reading one value: bytes, spans of time, numbers, words.

use std::time::Duration;

use super::key::{Key, Kind};

/// A value of the right type for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Count(u64),
    Span(Duration),
    Flag(bool),
}

/// Reads the TOML value `value` as `key` wants it; `None` where it is of another kind or range.
pub(crate) fn from_toml(key: &Key, value: &toml_edit::Value) -> Option<Value> {
    use toml_edit::Value as Toml;
    match (key.kind, value) {
        (Kind::Paths | Kind::Texts | Kind::Secrets | Kind::Pairs | Kind::SecretPairs, Toml::Array(items)) => {
            let items: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            items.filter(|items| !has_pairs(key) || are_pairs(items)).map(Value::Texts)
        }
        (_, Toml::String(text)) => from_text(key, text.value()),
        (Kind::Count(..) | Kind::Bytes | Kind::BytesOrUnlimited, Toml::Integer(number)) => {
            from_text(key, &number.value().to_string())
        }
        (Kind::Flag, Toml::Boolean(flag)) => Some(Value::Flag(*flag.value())),
        _ => None,
    }
}

fn has_pairs(key: &Key) -> bool {
    matches!(key.kind, Kind::Pairs | Kind::SecretPairs)
}

/// Whether each is `NAME=VALUE`.
fn are_pairs(texts: &[String]) -> bool {
    let is_pair = |text: &String| {
        text.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty())
    };
    texts.iter().all(is_pair)
}

/// Reads `text`, as from the environment. Paths are separated by `:`, other lists by `,`.
pub(crate) fn from_text(key: &Key, text: &str) -> Option<Value> {
    let text = text.trim();
    match key.kind {
        Kind::Text | Kind::AddressOrSecret => Some(Value::Text(text.into())),
        Kind::Secret => {
            let is_reference = text.is_empty() || ingest::SecretReference::parse(text).is_some();
            is_reference.then(|| Value::Text(text.into()))
        }
        Kind::Path => (!text.is_empty()).then(|| Value::Text(text.into())),
        Kind::PathOrNone => Some(Value::Text(text.into())),
        Kind::Paths => {
            Some(Value::Texts(text.split(':').filter(|p| !p.is_empty()).map(Into::into).collect()))
        }
        Kind::Texts | Kind::Secrets | Kind::Pairs | Kind::SecretPairs => {
            let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            let texts: Vec<_> = texts.map(str::to_owned).collect();
            (!has_pairs(key) || are_pairs(&texts)).then_some(Value::Texts(texts))
        }
        Kind::Address => {
            let (host, port) = text.rsplit_once(':')?;
            (!host.is_empty() && port.parse::<u16>().is_ok()).then(|| Value::Text(text.into()))
        }
        Kind::Count(least, most) => {
            let count = text.parse().ok()?;
            (least..=most).contains(&count).then_some(Value::Count(count))
        }
        Kind::BytesOrUnlimited if text == "unlimited" => Some(Value::Count(0)),
        Kind::Bytes | Kind::BytesOrUnlimited => bytes(text).map(Value::Count),
        Kind::Span => span(text).map(Value::Span),
        Kind::SpanOrNever if text == "never" => Some(Value::Span(Duration::ZERO)),
        Kind::SpanOrNever => span(text).map(Value::Span),
        Kind::Flag => match text {
            "true" => Some(Value::Flag(true)),
            "false" => Some(Value::Flag(false)),
            _ => None,
        },
        Kind::Word(words) => words.contains(&text).then(|| Value::Text(text.into())),
    }
}

/// A whole number and what follows it.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).filter(|millis| *millis > 0).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_spans_have_units() {
        assert_eq!(bytes("4194304"), Some(4 << 20));
        assert_eq!(bytes("64 MiB"), Some(64 << 20));
        assert_eq!(bytes("2gb"), Some(2_000_000_000));
        assert_eq!(bytes("0"), None);
        assert_eq!(bytes("-1"), None);
        assert_eq!(bytes("99999999999 TiB"), None);
        assert_eq!(span("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(span("5min"), Some(Duration::from_secs(300)));
        assert_eq!(span("30"), None);
        assert_eq!(span("s"), None);
    }

    #[test]
    fn kinds_refuse_what_they_must() {
        let check = |path: &str, text: &str| from_text(Key::find(path).unwrap(), text);
        assert_eq!(check("server.listen", "0.0.0.0:80"), Some(Value::Text("0.0.0.0:80".into())));
        assert_eq!(check("server.listen", "80"), None);
        assert_eq!(check("query.concurrent", "0"), None);
        assert_eq!(check("logging.format", "xml"), None);
        assert_eq!(check("rules.shipped", "yes"), None);
        assert_eq!(check("identity.pool_providers", "a=b"), Some(Value::Texts(vec!["a=b".into()])));
        assert_eq!(check("identity.pool_providers", "a"), None);
        assert_eq!(check("rules.paths", "a:b"), Some(Value::Texts(vec!["a".into(), "b".into()])));
    }
}
