//! Columns of few distinct texts: each text once, and a number for each row.

use arrow::array::{Array, DictionaryArray, Int32Builder, StringBuilder};
use arrow::datatypes::Int32Type;
use hashbrown::HashTable;

/// Builds a dictionary column.
///
/// Arrow's own builder hashes every value. Here a value that repeats the last one, as most do, costs a
/// comparison.
#[derive(Default)]
pub(crate) struct LabelBuilder {
    keys: Int32Builder,
    texts: StringBuilder,
    /// The keys of all texts, by the hash of the text.
    index: HashTable<i32>,
    hasher: foldhash::fast::RandomState,
    last: Option<i32>,
}

impl LabelBuilder {
    /// Adds a row with this text.
    pub(crate) fn append(&mut self, text: &str) {
        let key = match self.last {
            Some(last) if text_of(&self.texts, last) == text.as_bytes() => last,
            _ => self.key(text),
        };
        self.last = Some(key);
        self.keys.append_value(key);
    }

    fn key(&mut self, text: &str) -> i32 {
        use std::hash::BuildHasher;
        let Self { texts, index, hasher, .. } = self;
        let hash = hasher.hash_one(text.as_bytes());
        if let Some(key) = index.find(hash, |key| text_of(texts, *key) == text.as_bytes()) {
            return *key;
        }
        // A batch has far fewer rows than an `i32` can count.
        let key = index.len() as i32;
        texts.append_value(text);
        index.insert_unique(hash, key, |key| hasher.hash_one(text_of(texts, *key)));
        key
    }

    /// Adds rows without a text.
    pub(crate) fn append_nulls(&mut self, count: usize) {
        self.keys.append_nulls(count);
    }

    /// The column; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> DictionaryArray<Int32Type> {
        self.index.clear();
        self.last = None;
        let keys = self.keys.finish();
        let texts = self.texts.finish();
        debug_assert!(keys.iter().flatten().all(|key| (key as usize) < texts.len()));
        DictionaryArray::new(keys, std::sync::Arc::new(texts))
    }
}

fn text_of(texts: &StringBuilder, key: i32) -> &[u8] {
    let offsets = texts.offsets_slice();
    let at = |index: usize| offsets.get(index).map_or(0, |offset| *offset as usize);
    let key = key as usize;
    texts.values_slice().get(at(key)..at(key + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn each_text_is_kept_once() {
        let mut builder = LabelBuilder::default();
        for _ in 0..2 {
            builder.append("a");
            builder.append("a");
            builder.append_nulls(1);
            builder.append("");
            builder.append("b");
            builder.append("a");
            let column = builder.finish();
            let texts = column.values().as_string::<i32>();
            assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["a", "", "b"]);
            let keys: Vec<_> = column.keys().iter().collect();
            assert_eq!(keys, [Some(0), Some(0), None, Some(1), Some(2), Some(0)]);
        }
        assert_eq!(builder.finish().len(), 0);
    }

    #[test]
    fn many_texts() {
        let mut builder = LabelBuilder::default();
        for row in 0..5000 {
            builder.append(&(row % 1000).to_string());
        }
        let column = builder.finish();
        assert_eq!(column.values().len(), 1000);
        let texts = column.downcast_dict::<arrow::array::StringArray>().unwrap();
        for (row, text) in texts.into_iter().enumerate() {
            assert_eq!(text.unwrap(), (row % 1000).to_string());
        }
    }
}
