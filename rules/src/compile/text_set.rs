//! Many patterns for one text, tried together.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;
use memchr::memmem;

use super::glob::Glob;
use crate::sigma::pattern::{Part, Pattern};

/// From this many pieces on, one automaton is faster than one search for each.
const MANY: usize = 4;

/// Patterns of which one must match.
#[derive(Debug, Default)]
pub(crate) struct TextSet {
    any: bool,
    exact: HashSet<Box<str>>,
    prefixes: Vec<Box<str>>,
    suffixes: Vec<Box<str>>,
    pieces: Pieces,
    globs: Vec<Glob>,
}

/// Texts that may stand anywhere.
#[derive(Debug, Default)]
struct Pieces {
    texts: Vec<Box<str>>,
    finders: Vec<memmem::Finder<'static>>,
    automaton: Option<AhoCorasick>,
}

impl TextSet {
    /// The set of some patterns.
    pub(crate) fn new<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> Self {
        let mut set = Self::default();
        let mut pieces: Vec<Box<str>> = Vec::new();
        for pattern in patterns {
            use Part::{Any, Literal};
            match pattern.parts() {
                [] => {
                    set.exact.insert("".into());
                }
                [Any] => set.any = true,
                [Literal(text)] => {
                    set.exact.insert(text.as_str().into());
                }
                [Literal(text), Any] => set.prefixes.push(text.as_str().into()),
                [Any, Literal(text)] => set.suffixes.push(text.as_str().into()),
                [Any, Literal(text), Any] => pieces.push(text.as_str().into()),
                _ => set.globs.push(Glob::new(pattern)),
            }
        }
        set.pieces = Pieces::new(pieces);
        set
    }

    /// Whether one of the patterns matches the whole text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.any
            || (!self.exact.is_empty() && self.exact.contains(text))
            || self.prefixes.iter().any(|prefix| text.starts_with(&**prefix))
            || self.suffixes.iter().any(|suffix| text.ends_with(&**suffix))
            || self.pieces.is_in(text)
            || self.globs.iter().any(|glob| glob.is_match(text))
    }

    /// Whether there is no pattern.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
            && self.exact.is_empty()
            && self.prefixes.is_empty()
            && self.suffixes.is_empty()
            && self.pieces.texts.is_empty()
            && self.globs.is_empty()
    }

    /// The texts of which one is the whole of every match.
    pub(crate) fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(|text| &**text)
    }

    /// One text for each other pattern that every match of it contains; `None` if a pattern has none.
    pub(crate) fn needed(&self) -> Option<Vec<&str>> {
        let mut needed: Vec<&str> = Vec::new();
        needed
            .extend(self.prefixes.iter().chain(&self.suffixes).chain(&self.pieces.texts).map(|text| &**text));
        for glob in &self.globs {
            needed.push(glob.longest_literal()?);
        }
        (!self.any).then_some(needed)
    }
}

impl Pieces {
    fn new(texts: Vec<Box<str>>) -> Self {
        let automaton = match texts.len() {
            0..MANY => None,
            // It fails only beyond sizes that the limits on rules keep far away.
            _ => AhoCorasick::new(texts.iter().map(|text| text.as_bytes())).ok(),
        };
        let finders = match automaton {
            Some(_) => Vec::new(),
            None => texts.iter().map(|text| memmem::Finder::new(text.as_bytes()).into_owned()).collect(),
        };
        Self { texts, finders, automaton }
    }

    fn is_in(&self, text: &str) -> bool {
        match &self.automaton {
            Some(automaton) => automaton.is_match(text),
            None => self.finders.iter().any(|finder| finder.find(text.as_bytes()).is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> TextSet {
        let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text)).collect();
        TextSet::new(&patterns)
    }

    #[test]
    fn every_shape_matches() {
        for (patterns, text, expected) in [
            (&["abc"][..], "abc", true),
            (&["abc"], "abcd", false),
            (&["abc*"], "abcd", true),
            (&["*bcd"], "abcd", true),
            (&["*bc*"], "abcd", true),
            (&["a*d"], "abcd", true),
            (&["*"], "", true),
            (&[""], "", true),
            (&[""], "x", false),
            (&["x", "y*", "*z", "*bc*", "q?q"], "abcd", true),
            (&["*1*", "*2*", "*3*", "*4*", "*5*"], "abc5", true),
            (&["*1*", "*2*", "*3*", "*4*", "*5*"], "abc6", false),
            (&[], "", false),
        ] {
            assert_eq!(set(patterns).is_match(text), expected, "{patterns:?} {text}");
        }
        assert!(set(&[]).is_empty());
        assert!(!set(&["*"]).is_empty());
    }

    #[test]
    fn needs() {
        let mut needed = set(&["x", "ab*", "*cd", "*ef*", "g*hij"]).needed().unwrap().join(" ");
        assert_eq!(needed, "ab cd ef hij");
        needed = set(&["x"]).exact().collect();
        assert_eq!(needed, "x");
        assert_eq!(set(&["*"]).needed(), None);
        assert_eq!(set(&["?*"]).needed(), None);
    }
}
