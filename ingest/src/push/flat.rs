//! Whether an object is flat, asked without building it.

use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, MapAccess, SeqAccess, Visitor};

/// An object of names with text, numbers, truth values, nothing, or lists of them; with others it does not
/// deserialise.
#[derive(Debug)]
pub(super) struct Flat;

/// A value of it; `LISTS`: it may be a list, the elements of which may not.
struct Item<const LISTS: bool>;

struct Fields;

struct Values<const LISTS: bool>;

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        object.deserialize_map(Fields)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Flat;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Flat, A::Error> {
        while members.next_key::<Key>()?.is_some() {
            members.next_value::<Item<true>>()?;
        }
        Ok(Flat)
    }
}

struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(key: D) -> Result<Self, D::Error> {
        key.deserialize_str(Values::<false>).map(|_| Self)
    }
}

impl<'de, const LISTS: bool> Deserialize<'de> for Item<LISTS> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(Values::<LISTS>)
    }
}

impl<'de, const LISTS: bool> Visitor<'de> for Values<LISTS> {
    type Value = Item<LISTS>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a truth value or nothing")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Item)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Item)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Item)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Item)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Item)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Item)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        if !LISTS {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        while list.next_element::<Item<false>>()?.is_some() {}
        Ok(Item)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    /// As a tree tells it.
    fn is_flat(text: &str) -> bool {
        serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|fields| {
            fields.values().all(|value| match value {
                Value::Object(_) => false,
                Value::Array(list) => !list.iter().any(|item| item.is_object() || item.is_array()),
                _ => true,
            })
        })
    }

    #[test]
    fn a_tree_says_the_same() {
        for text in [
            "{}",
            "[]",
            "7",
            "null",
            r#"{"a":"b","c":[1,-2,0.5,true,null,"x"],"d":null,"a":false}"#,
            r#"{"a":[]}"#,
            r#"{"a":[[]]}"#,
            r#"{"a":[{}]}"#,
            r#"{"a":{}}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"\ud800":"a"}"#,
            r#"{"\u0061":"\n"}"#,
            r#"{"a":1"#,
            r#"{"a":1}x"#,
        ] {
            assert_eq!(serde_json::from_str::<Flat>(text).is_ok(), is_flat(text), "{text}");
        }
    }
}
