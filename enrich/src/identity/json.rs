//! One member of a JSON object, without a tree of the others.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The value of the first member whose key `is_wanted`; `None` if there is none, it is no such value, or the
/// text is no object.
pub(crate) fn member<T: DeserializeOwned>(json: &str, is_wanted: impl Fn(&str) -> bool) -> Option<T> {
    let mut from = serde_json::Deserializer::from_str(json);
    let raw = from.deserialize_map(Members(&is_wanted)).ok()??;
    serde_json::from_str(raw.get()).ok()
}

struct Members<'w, W>(&'w W);

impl<'de, W: Fn(&str) -> bool> Visitor<'de> for Members<'_, W> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Key(self.0, PhantomData))? {
            if is_wanted && found.is_none() {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is the one looked for; the key itself is not kept.
struct Key<'w, 'de, W>(&'w W, PhantomData<&'de ()>);

impl<'de, W: Fn(&str) -> bool> DeserializeSeed<'de> for Key<'_, 'de, W> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de, W: Fn(&str) -> bool> Visitor<'de> for Key<'_, 'de, W> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok((self.0)(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there() {
        let find = |json: &str| member::<String>(json, |key| key == "a.b");
        assert_eq!(find(r#"{"x":{"a.b":"no"},"a.b":"yes","a.b":"later"}"#).as_deref(), Some("yes"));
        assert_eq!(find(r#"{"a\u002eb":"y\u0065s"}"#).as_deref(), Some("yes"));
        for none in ["", "[]", "{", r#"{"a.b":1}"#, r#"{"a.b":"x""#, r#"{"c":"\"a.b\":\"x\""}"#] {
            assert_eq!(find(none), None, "{none}");
        }
        let deep = format!("{}{}", "{\"a.b\":".repeat(5000), "}".repeat(5000));
        assert_eq!(find(&deep), None);
    }
}
