//! Records as an attacker would write them. Whatever it is, each record becomes one row or one reject,
//! and no mapping panics.

use event::{COLUMNS, Kind, LogType};
use normalize::Reason;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::records;

/// What each node of each sample is replaced by.
const REPLACEMENTS: &[&str] = &[
    "null",
    "-1",
    r#""""#,
    r#""x/y:z@w""#,
    r#""{\"a\":[null,{\"value\":[]}]}""#,
    r#"[null,"x",{}]"#,
    r#"{"value":{},"name":["x"]}"#,
];

/// Stands where the replacement goes; no sample holds it.
const HOLE: &str = "\u{1f573} hole";

#[test]
fn any_type_may_stand_anywhere() {
    for sample in records::samples() {
        let Ok(whole) = serde_json::from_str::<Value>(&sample.text) else { continue };
        let mut variants = Vec::new();
        for at in 0..nodes(&whole) {
            let mut torn = whole.clone();
            replace(&mut torn, &mut { at });
            let text = torn.to_string();
            let hole = Value::from(HOLE).to_string();
            variants.extend(REPLACEMENTS.iter().map(|replacement| text.replacen(&hole, replacement, 1)));
        }
        check(&sample.origin, &variants);
    }
}

/// A source may say any log type of its records.
#[test]
fn any_record_may_be_called_anything() {
    let texts: Vec<&str> = records::samples().iter().map(|sample| sample.text.as_str()).collect();
    for log_type in LogType::ALL {
        let normalized = records::map_as(&texts, log_type);
        assert_eq!(normalized.events.len() + normalized.rejects.len(), texts.len());
        for reject in &normalized.rejects {
            assert_ne!(reject.reason, Reason::MapperPanicked, "{log_type}: {}", texts[reject.record]);
        }
    }
}

#[test]
fn a_record_may_end_anywhere() {
    for sample in records::samples() {
        let bytes = sample.text.as_bytes();
        let step = bytes.len() / 64 + 1;
        let torn: Vec<&[u8]> = (0..bytes.len()).step_by(step).map(|end| &bytes[..end]).collect();
        check(&sample.origin, &torn);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Bytes of a sample turned into others.
    #[test]
    fn any_byte_may_be_another(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let sample = sample.get(records::samples());
        let mut bytes = sample.text.clone().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&sample.origin, &[bytes]);
    }
}

/// One row or one reject each, none of them for a panic; JSON columns hold JSON.
fn check<T: AsRef<[u8]>>(origin: &str, variants: &[T]) {
    let normalized = records::map(variants);
    let text = |index: usize| String::from_utf8_lossy(variants[index].as_ref()).into_owned();
    for reject in &normalized.rejects {
        assert_ne!(reject.reason, Reason::MapperPanicked, "{origin}: {}", text(reject.record));
    }
    for (row, index) in records::mapped(variants.len(), &normalized).into_iter().enumerate() {
        for column in COLUMNS.iter().filter(|column| column.kind == Kind::Json) {
            if let Some(json) = normalized.events.str_at(column.col, row) {
                let parsed = serde_json::from_str::<&RawValue>(json);
                assert!(parsed.is_ok(), "{origin}: `{}` holds `{json}` after {}", column.name, text(index));
            }
        }
    }
}

/// The number of values within `value`, itself counted.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(nodes).sum(),
        Value::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Puts the hole in the place of the value that is `left` values away.
fn replace(value: &mut Value, left: &mut usize) -> bool {
    if *left == 0 {
        *value = HOLE.into();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(elements) => elements.iter_mut().any(|element| replace(element, left)),
        Value::Object(members) => members.values_mut().any(|member| replace(member, left)),
        _ => false,
    }
}
