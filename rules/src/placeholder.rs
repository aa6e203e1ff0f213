//! Placeholders: values that a rule names instead of writing them out, such as a list of indicators.
//!
//! `SourceIp|expand: '%bad_addresses%'` asks for any of the values of `bad_addresses`. Values are text as it
//! is, without wildcards; in a regular expression they are regular expressions.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use crate::sigma::pattern::Pattern;

/// The most forms that a value with placeholders may take, unless each asks for nothing but equality.
pub(crate) const MAX_FORMS: usize = 2000;

/// Names and what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placeholders {
    values: BTreeMap<String, Vec<String>>,
}

/// A value with its placeholders taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

impl Placeholders {
    /// Gives a name its values; those that it had are forgotten. An address of IPv6 stands for all the ways
    /// in which logs write it: shortened (RFC 5952), and with every group.
    pub fn set(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let mut all: Vec<String> = Vec::new();
        for value in values {
            let ways = value.parse::<Ipv6Addr>().map(spellings);
            all.extend(ways.into_iter().flatten().filter(|way| !way.eq_ignore_ascii_case(&value)));
            all.push(value);
        }
        self.values.insert(name.to_owned(), all);
    }

    /// Whether `name` can stand between two `%`: letters, digits and `_`.
    pub fn is_name(name: &str) -> bool {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// The names that have values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The values of a name.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// The first name in `text` that has no values here.
    pub(crate) fn missing<'t>(&self, text: &'t str) -> Option<&'t str> {
        names(text).find(|name| self.get(name).is_none())
    }

    /// How many texts [`texts`](Self::texts) and [`patterns`](Self::patterns) give.
    pub(crate) fn count(&self, text: &str) -> usize {
        let lengths = names(text).map(|name| self.get(name).map_or(0, <[String]>::len));
        lengths.fold(1, usize::saturating_mul)
    }

    /// The text with each value in the place of its name; names without values give nothing.
    pub(crate) fn texts(&self, text: &str, wrap: impl Fn(&str) -> String) -> Vec<String> {
        self.combine(text, |mut text: String, piece| {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Name(value) => text.push_str(&wrap(value)),
            }
            text
        })
    }

    /// The same, with the wildcards of the text; the values have none.
    pub(crate) fn patterns(&self, text: &str) -> Vec<Pattern> {
        self.combine(text, |pattern: Pattern, piece| {
            let more = match piece {
                Piece::Text(piece) => Pattern::parse(piece),
                Piece::Name(value) => Pattern::literal(value),
            };
            Pattern::from_parts(pattern.parts().iter().chain(more.parts()).cloned())
        })
    }

    /// Every combination of the names' values.
    fn combine<T: Clone + Default>(&self, text: &str, add: impl Fn(T, Piece<'_>) -> T) -> Vec<T> {
        let mut made = vec![T::default()];
        for piece in pieces(text) {
            made = match piece {
                Piece::Text(_) => made.into_iter().map(|so_far| add(so_far, piece)).collect(),
                Piece::Name(name) => {
                    let values = self.get(name).unwrap_or_default();
                    let with = |so_far: T| values.iter().map(move |value| (so_far.clone(), value));
                    let pairs = made.into_iter().flat_map(with);
                    pairs.map(|(so_far, value)| add(so_far, Piece::Name(value))).collect()
                }
            };
        }
        made
    }
}

/// The names in a text.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    })
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(start) = rest.get(from..).and_then(|rest| rest.find('%')).map(|at| at + from) {
        let inside = rest.get(start + 1..).unwrap_or_default();
        match inside.split_once('%').filter(|(name, _)| Placeholders::is_name(name)) {
            Some((name, after)) => {
                found.extend(rest.get(..start).filter(|text| !text.is_empty()).map(Piece::Text));
                found.push(Piece::Name(name));
                (rest, from) = (after, 0);
            }
            None => from = start + 1,
        }
    }
    found.extend((!rest.is_empty()).then_some(Piece::Text(rest)));
    found
}

/// `2001:db8::5` and `2001:db8:0:0:0:0:0:5`.
fn spellings(address: Ipv6Addr) -> [String; 2] {
    let groups: Vec<_> = address.segments().iter().map(|group| format!("{group:x}")).collect();
    [address.to_string(), groups.join(":")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Name, Text};

    #[test]
    fn names_stand_between_percent_signs() {
        for (text, expected) in [
            ("%a%", &[Name("a")][..]),
            ("x%a_1%y", &[Text("x"), Name("a_1"), Text("y")]),
            ("%a%%b%", &[Name("a"), Name("b")]),
            ("100% of %a%", &[Text("100% of "), Name("a")]),
            ("%a b%", &[Text("%a b%")]),
            ("%%", &[Text("%%")]),
            ("%%a%", &[Text("%"), Name("a")]),
            ("%a", &[Text("%a")]),
            ("é%a%é", &[Text("é"), Name("a"), Text("é")]),
            ("", &[]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn values_have_no_wildcards_and_combine() {
        let mut placeholders = Placeholders::default();
        placeholders.set("p", ["a*".to_owned(), "b".to_owned()]);
        placeholders.set("q", ["1".to_owned(), "2".to_owned()]);
        placeholders.set("none", []);
        let texts = placeholders.texts("%p%-%q%", str::to_owned);
        assert_eq!(texts, ["a*-1", "a*-2", "b-1", "b-2"]);
        assert_eq!(placeholders.count("%p%-%q%"), 4);
        let patterns = placeholders.patterns("*%p%");
        assert_eq!(patterns, [Pattern::parse(r"*a\*"), Pattern::parse("*b")]);
        assert_eq!(placeholders.patterns("%none%x"), []);
        assert_eq!(placeholders.patterns("x"), [Pattern::parse("x")]);
        assert_eq!(placeholders.missing("%p% %r%"), Some("r"));
        assert_eq!(placeholders.missing("%p%"), None);
    }

    #[test]
    fn addresses_stand_for_all_their_spellings() {
        let mut placeholders = Placeholders::default();
        let listed = ["2001:DB8::0005", "2001:db8::6", "192.0.2.1", "example.com"];
        placeholders.set("bad", listed.map(str::to_owned));
        let values = placeholders.get("bad").unwrap();
        for expected in ["2001:db8::5", "2001:db8:0:0:0:0:0:5", "2001:DB8::0005", "2001:db8::6", "192.0.2.1"]
        {
            assert!(values.iter().any(|value| value == expected), "{expected}: {values:?}");
        }
        assert_eq!(values.len(), 7, "{values:?}");
    }
}
