//! Wildcards that are more than a prefix, a suffix or a piece.

use memchr::memmem;

use crate::sigma::pattern::{Part, Pattern};

/// A text with `*` and `?` to match a whole value with. No backtracking: between two stars the leftmost
/// place is as good as any other.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    segments: Vec<Segment>,
    open_start: bool,
    open_end: bool,
}

/// What stands between two stars.
#[derive(Debug, Clone, Default)]
struct Segment {
    pieces: Vec<Piece>,
    chars: usize,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    One,
}

impl Glob {
    pub(crate) fn new(pattern: &Pattern) -> Self {
        let parts = pattern.parts();
        let mut segments: Vec<Segment> = vec![Segment::default()];
        for part in parts {
            match (part, segments.last_mut()) {
                (Part::Any, _) => segments.push(Segment::default()),
                (Part::Literal(text), Some(segment)) => {
                    segment.chars += text.chars().count();
                    segment.pieces.push(Piece::Literal(text.clone()));
                }
                (Part::One, Some(segment)) => {
                    segment.chars += 1;
                    segment.pieces.push(Piece::One);
                }
                (_, None) => {}
            }
        }
        segments.retain(|segment| segment.chars > 0);
        let open = |part: Option<&Part>| part == Some(&Part::Any);
        Self { segments, open_start: open(parts.first()), open_end: open(parts.last()) }
    }

    /// Whether the whole of `text` matches.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        let mut segments = self.segments.as_slice();
        if segments.is_empty() {
            return self.open_start || text.is_empty();
        }
        let mut rest = text;
        if !self.open_start
            && let [first, others @ ..] = segments
        {
            let Some(after) = first.strip(rest) else { return false };
            // The only segment of a pattern without a star.
            if others.is_empty() && !self.open_end {
                return after.is_empty();
            }
            (rest, segments) = (after, others);
        }
        let last = match segments {
            [others @ .., last] if !self.open_end => {
                segments = others;
                Some(last)
            }
            _ => None,
        };
        for segment in segments {
            match segment.find(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.is_none_or(|last| last.ends(rest))
    }

    /// A text that every match contains: the longest literal.
    pub(crate) fn longest_literal(&self) -> Option<&str> {
        let pieces = self.segments.iter().flat_map(|segment| &segment.pieces);
        let literals = pieces.filter_map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            Piece::One => None,
        });
        literals.max_by_key(|text| text.len())
    }
}

impl Segment {
    /// What follows the segment at the start of `text`.
    fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut rest = text;
        for piece in &self.pieces {
            rest = match piece {
                Piece::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Piece::One => {
                    let mut chars = rest.chars();
                    chars.next()?;
                    chars.as_str()
                }
            };
        }
        Some(rest)
    }

    /// What follows the leftmost place of the segment in `text`.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut rest = text;
        loop {
            // A literal in front says where to look next.
            if let Some(Piece::Literal(literal)) = self.pieces.first() {
                let at = memmem::find(rest.as_bytes(), literal.as_bytes())?;
                rest = rest.get(at..)?;
            }
            if let Some(after) = self.strip(rest) {
                return Some(after);
            }
            let mut chars = rest.chars();
            chars.next()?;
            rest = chars.as_str();
        }
    }

    fn ends(&self, text: &str) -> bool {
        let Some((start, _)) = text.char_indices().rev().nth(self.chars.saturating_sub(1)) else {
            return false;
        };
        text.get(start..).and_then(|tail| self.strip(tail)).is_some_and(str::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(pattern: &str) -> Glob {
        Glob::new(&Pattern::parse(pattern))
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("v*.compute.firewalls.delete", "v1.compute.firewalls.delete", true),
            ("v*.compute.firewalls.delete", "beta.compute.firewalls.delete", false),
            ("v*.compute.firewalls.delete", "v.compute.firewalls.delete", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*a?b*", "xxaab", true),
            ("*a?b", "a1ba2b", true),
            ("*?", "", false),
            ("?*", "x", true),
            ("??", "é", false),
            ("?", "é", true),
            ("", "", true),
            ("", "x", false),
            ("*ab*ab*", "xabx", false),
            ("*ab*ab*", "xabab", true),
        ] {
            assert_eq!(glob(pattern).is_match(text), expected, "{pattern} {text}");
        }
        assert_eq!(glob("a*longest?b").longest_literal(), Some("longest"));
        assert_eq!(glob("?*").longest_literal(), None);
    }

    proptest! {
        #[test]
        fn agrees_with_regular_expressions(pattern in "[ab*?é]{0,8}", text in "[abé\n]{0,10}") {
            let quoted: String = pattern.chars().map(|char| match char {
                '*' => ".*".to_owned(),
                '?' => ".".to_owned(),
                other => regex::escape(&other.to_string()),
            }).collect();
            let expected = regex::Regex::new(&format!("(?s)^(?:{quoted})$")).unwrap().is_match(&text);
            prop_assert_eq!(glob(&pattern).is_match(&text), expected);
        }
    }
}
