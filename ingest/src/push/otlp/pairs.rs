//! Attributes: lists of keys with values on the wire, objects in a record.

use std::ops::Range;

use event::{JsonSink, JsonText};

/// Keys with values that are JSON already.
#[derive(Debug, Default)]
pub(super) struct Pairs<'a> {
    pairs: Vec<(&'a str, Range<usize>)>,
    values: Vec<u8>,
}

impl<'a> Pairs<'a> {
    /// Adds a pair, whose value `write` appends. It may say the key only then.
    pub(super) fn add<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<&'a str, E>) -> Result<(), E> {
        let start = self.values.len();
        let key = write(&mut self.values)?;
        self.pairs.push((key, start..self.values.len()));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// None any more; the memory stays.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.values.clear();
    }

    /// Writes them as an object, in the order of their keys: so the same attributes are the same content in
    /// whatever order they were sent. Of a key that is there twice the last value holds.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.pairs.sort_by_key(|(key, _)| *key);
        out.put("{");
        for (index, (key, value)) in self.pairs.iter().enumerate() {
            if self.pairs.get(index + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            JsonText::new(out).key(key);
            out.extend_from_slice(self.values.get(value.clone()).unwrap_or_default());
        }
        out.put("}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_the_last_value_of_one_holds() {
        let mut pairs = Pairs::default();
        let mut out = Vec::new();
        pairs.write(&mut out);
        for (key, value) in [("b", "1"), ("a", "[]"), ("b", "\"x\""), ("", "null"), ("\"", "2")] {
            let added: Result<(), ()> = pairs.add(|out| {
                out.put(value);
                Ok(key)
            });
            assert_eq!(added, Ok(()));
        }
        pairs.write(&mut out);
        pairs.clear();
        assert!(pairs.is_empty());
        assert_eq!(String::from_utf8(out).unwrap(), r#"{}{"":null,"\"":2,"a":[],"b":"x"}"#);
    }
}
