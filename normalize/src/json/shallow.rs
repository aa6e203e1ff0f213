//! The outer members of a record, where its outline tells where they begin.

use std::borrow::Cow;

use event::OuterKey;

use super::scan::plain_end;
use super::unescape;

/// A member of the outermost object, or of the one object in it whose keys the outline has, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shallow<'a> {
    /// Whether it lies in that one.
    pub(crate) is_inner: bool,
    /// The record from the key on, without its opening quote.
    rest: &'a [u8],
}

/// The members that an outline of `text` has found.
#[inline(always)]
pub(crate) fn members<'a>(text: &'a [u8], outline: &'a [OuterKey]) -> impl Iterator<Item = Shallow<'a>> {
    outline.iter().filter_map(|key| Some(Shallow { is_inner: key.is_inner(), rest: text.get(key.at()..)? }))
}

impl<'a> Shallow<'a> {
    /// The value, if the key is `name`.
    #[inline(always)]
    pub(crate) fn named(&self, name: &Name) -> Option<ShallowValue<'a>> {
        let word_at = |at: usize| {
            self.rest.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes))
        };
        if word_at(0)? & name.mask != name.first || word_at(name.last_at)? & name.mask != name.last {
            return None;
        }
        Some(ShallowValue { rest: self.rest.get(name.length..)? })
    }

    /// The place of the key among `names`, and the value.
    #[inline(always)]
    pub(crate) fn among<const N: usize>(&self, names: &Names<N>) -> Option<(usize, ShallowValue<'a>)> {
        let first = self.rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
        let at = usize::from(*names.places.get(slot(first, names.multiplier))?);
        let value = self.named(names.names.get(at)?)?;
        Some((at, value))
    }

    /// The key.
    #[cfg(test)]
    fn key(&self) -> &'a str {
        let length = self.rest.iter().position(|byte| *byte == b'"').unwrap();
        std::str::from_utf8(&self.rest[..length]).unwrap()
    }
}

/// A key that is looked for: its first and last eight bytes, with the quote and colon behind it, as words.
/// Comparing those is several times as fast as comparing text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    first: u64,
    last: u64,
    last_at: usize,
    /// The bytes that count.
    mask: u64,
    length: usize,
}

impl Name {
    /// A name with its closing quote and colon, 16 bytes at most.
    pub(crate) const fn new(with_colon: &str) -> Self {
        let bytes = with_colon.as_bytes();
        assert!(bytes.len() <= 16, "two words hold it");
        match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => Self {
                first: u64::from_le_bytes(*first),
                last: u64::from_le_bytes(*last),
                last_at: bytes.len() - 8,
                mask: u64::MAX,
                length: bytes.len(),
            },
            _ => {
                let mut first = 0;
                let mut rest = bytes;
                while let [before @ .., last] = rest {
                    first = first << 8 | *last as u64;
                    rest = before;
                }
                let mask = (1 << (8 * bytes.len())) - 1;
                Self { first, last: first, last_at: 0, mask, length: bytes.len() }
            }
        }
    }
}

/// Names of eight bytes and more, found by their first word.
#[derive(Debug)]
pub(crate) struct Names<const N: usize> {
    names: [Name; N],
    /// By slot; `u8::MAX` where there is none.
    places: [u8; SLOTS],
    /// Gives each name a slot of its own.
    multiplier: u64,
}

const SLOTS: usize = 64;

impl<const N: usize> Names<N> {
    /// These names; the slots are found while the program is built.
    pub(crate) const fn new(names: [Name; N]) -> Self {
        let mut multiplier = 0x9e37_79b9_7f4a_7c15;
        loop {
            if let Some(places) = places(&names, multiplier) {
                return Self { names, places, multiplier };
            }
            multiplier += 2;
        }
    }
}

const fn slot(first: u64, multiplier: u64) -> usize {
    (first.wrapping_mul(multiplier) >> 58) as usize
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse")]
const fn places(names: &[Name], multiplier: u64) -> Option<[u8; SLOTS]> {
    let mut places = [u8::MAX; SLOTS];
    let mut at = 0;
    while at < names.len() {
        assert!(names[at].mask == u64::MAX, "the first word is part of the name");
        let slot = slot(names[at].first, multiplier);
        if places[slot] != u8::MAX {
            return None;
        }
        places[slot] = at as u8;
        at += 1;
    }
    Some(places)
}

/// The value of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShallowValue<'a> {
    /// The record from the value on.
    rest: &'a [u8],
}

impl<'a> ShallowValue<'a> {
    /// The text of a string, number or boolean, in UTF-8 as the record is; `None` for null, objects and
    /// arrays. As [`Value::text`](super::Value::text).
    #[inline]
    pub(crate) fn text(&self) -> Option<Cow<'a, [u8]>> {
        match self.rest.first()? {
            b'"' => {
                let mut end = plain_end(self.rest, 1);
                if self.rest.get(end) == Some(&b'"') {
                    return self.rest.get(1..end).map(Cow::Borrowed);
                }
                while self.rest.get(end) == Some(&b'\\') {
                    end = plain_end(self.rest, end + 2);
                }
                let inner = str::from_utf8(self.rest.get(1..end)?).ok()?;
                Some(Cow::Owned(unescape::unescape(inner).into_bytes()))
            }
            b'{' | b'[' | b'n' => None,
            _ => {
                let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
                self.rest.get(..end).map(Cow::Borrowed)
            }
        }
    }

    /// As [`text`](Self::text), but `None` for the empty string too.
    #[inline]
    pub(crate) fn filled_text(&self) -> Option<Cow<'a, [u8]>> {
        self.text().filter(|text| !text.is_empty())
    }

    /// Whether the value is a string.
    #[inline]
    pub(crate) fn is_string(&self) -> bool {
        self.rest.first() == Some(&b'"')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{MAX_DEPTH, MAX_KEYS, MAX_NUMBER_CHARS, Tokens, Value};
    use super::*;

    /// Keys and texts of the members; inner ones with a mark.
    fn skim(text: &str) -> Option<Vec<(String, Option<String>)>> {
        let mut outline = Vec::new();
        let length = event::outline(text.as_bytes(), b"\"user\":", &mut outline, |_| false)?;
        // What follows the object does not matter.
        let mut again = Vec::new();
        assert_eq!(
            event::outline(format!("{text}\n{{\"").as_bytes(), b"\"user\":", &mut again, |_| false),
            Some(length)
        );
        assert_eq!(again, outline);
        let found = members(text.as_bytes(), &outline).map(|member| {
            let mark = if member.is_inner { "inner." } else { "" };
            let value = ShallowValue { rest: member.rest.get(member.key().len() + 2..).unwrap() };
            (
                format!("{mark}{}", member.key()),
                value.text().map(|text| String::from_utf8(text.into_owned()).unwrap()),
            )
        });
        (length == text.len()).then(|| found.collect())
    }

    /// The same by the scan, as long as no key is there twice.
    fn scan(text: &str) -> Option<Vec<(String, Option<String>)>> {
        let mut tokens = Tokens::default();
        tokens.scan(text).ok()?;
        let mut found = Vec::new();
        for member in Value::root(text, &tokens).as_object()?.members() {
            found.push((member.key.clone().into_owned(), member.value.text().map(Cow::into_owned)));
            if member.key != "user" {
                continue;
            }
            for inner in member.value.as_object().iter().flat_map(|object| object.members()) {
                found.push((format!("inner.{}", inner.key), inner.value.text().map(Cow::into_owned)));
            }
        }
        Some(found)
    }

    #[test]
    fn members_are_found_wherever_the_blocks_fall() {
        let text = r#"{"a":"x","b":1.5e3,"user":{"type":"Root","deep":{"type":"no"},"n":[{"m":{}}]},"c":null,"d":[1,"two",[]],"e":"\"q\\","f":true}"#;
        for width in 0..150 {
            let text = text.replace("\"x\"", &format!("\"{}\"", "x,{}[]:".repeat(width)));
            assert_eq!(skim(&text), scan(&text), "{text}");
            let text = text.replace("\"b\"", &format!("\"{}\"", "b".repeat(width)));
            assert_eq!(skim(&text), scan(&text), "{text}");
        }
    }

    #[test]
    fn what_is_not_sound_is_left_to_the_scan() {
        for text in [
            "",
            "17",
            "\"a\"",
            "[]",
            "{",
            "{}}",
            "{},",
            "{}{}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1,,"b":2}"#,
            r#"{"a":1"b":2}"#,
            r#"{"a":1 }"#,
            r#"{"a"1}"#,
            r#"{"a":"b":"c"}"#,
            r#"{"a":["b":1]}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1}}"#,
            r#"{"a":{1]}"#,
            r#"{"a":tru}"#,
            r#"{"a":truee}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":-}"#,
            r#"{"a":+1}"#,
            r#"{"a":1e}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"a":"\u12"}"#,
            "{\"a\":\"\n\"}",
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"b}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":[[{"b\n":1}]]}"#,
            r#"{1:2}"#,
            r#"{"a":1]"#,
            r#"{"a":\"b"}"#,
            r#"{"a":{"b\"":1}}"#,
        ] {
            assert_eq!(skim(text), None, "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{", "}".repeat(depth));
        assert!(skim(&deep(MAX_DEPTH)).is_some());
        assert!(skim(&deep(MAX_DEPTH + 1)).is_none());
        let number = |digits: usize| format!("{{\"a\":{}}}", "1".repeat(digits));
        assert!(skim(&number(MAX_NUMBER_CHARS)).is_some());
        assert!(skim(&number(MAX_NUMBER_CHARS + 1)).is_none());
        let keys = |count: usize| format!("{{{}}}", vec!["\"a\":1"; count].join(","));
        assert!(skim(&keys(MAX_KEYS / 2)).is_some());
        assert!(skim(&format!("{{{}}}", vec!["\"\":1"; MAX_KEYS + 1].join(","))).is_none());
        assert!(skim(&keys(MAX_KEYS + 1)).is_none());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let text = prop_oneof!["[a-z ,:{}\\[\\]\"\\\\]{0,12}", "\\PC{0,90}", Just("\n\t".to_owned())];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            text.prop_map(Into::into),
        ];
        let object = |inner: BoxedStrategy<serde_json::Value>| {
            let key = prop_oneof![Just("user".to_owned()), "[a-z]{0,9}", "[a-z]{60,70}"];
            proptest::collection::hash_map(key, inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<serde_json::Value>())
        };
        let nested = leaf.prop_recursive(4, 40, 6, move |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from);
            prop_oneof![list, object(inner)]
        });
        object(nested.boxed())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn sound_objects_are_read_as_the_scan_reads_them(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(skim(&text), scan(&text));
        }

        #[test]
        fn what_is_read_is_sound(value in json(), edits in proptest::collection::vec((any::<usize>(), prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]:,\"\\ 1tn".to_vec())], 0..3u8), 1..4)) {
            let mut bytes = value.to_string().into_bytes();
            for (at, byte, how) in edits {
                let at = at % bytes.len().max(1);
                match how {
                    0 if !bytes.is_empty() => drop(bytes.remove(at)),
                    1 => bytes.insert(at, byte),
                    _ => bytes.get_mut(at).map_or((), |old| *old = byte),
                }
            }
            let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
            if let Some(found) = skim(text) {
                let scanned = scan(text);
                prop_assert!(scanned.is_some(), "{}", text);
                let mut keys: Vec<_> = found.iter().map(|(key, _)| key).collect();
                keys.sort_unstable();
                keys.dedup();
                if keys.len() == found.len() {
                    prop_assert_eq!(Some(found), scanned);
                }
            }
        }
    }

    #[test]
    fn names_are_whole() {
        fn member(rest: &str) -> Shallow<'_> {
            Shallow { is_inner: false, rest: rest.as_bytes() }
        }
        for name in ["a\":", "arn\":", "type\":", "status\":", "invokedBy\":", "insightDetails\":"] {
            let sought = Name::new(name);
            let with = |before: &str, after: &str| format!("{before}{name}{after}\"value\",\"more\":1}}");
            assert!(member(&with("", "")).named(&sought).is_some(), "{name}");
            assert!(member(&with("x", "")).named(&sought).is_none(), "{name}");
            assert!(member(&with("", "").replacen('"', "x\"", 1)).named(&sought).is_none(), "{name}");
        }
        assert!(member("a\":1").named(&Name::new("a\":")).is_none(), "nothing of eight bytes is so short");
    }
}
