//! Text of a rule with its wildcards taken apart (Sigma specification 2.1, "Escaping").
//!
//! | written | means |
//! | --- | --- |
//! | `\` not before `*`, `?`, `\` | a backslash |
//! | `\\` | one backslash |
//! | `\*`, `\?` | a star, a question mark |
//! | `\\*` | a backslash, then any run of characters |
//! | `\\\*` | a backslash, then a star |
//!
//! Modifiers add wildcards to the parsed form, never to the text: `abc\` under `contains` would
//! otherwise turn into an escaped star.

/// A piece of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Just this text; never empty.
    Literal(String),
    /// `*`: any run of characters, also none.
    Any,
    /// `?`: exactly one character.
    One,
}

/// A text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

impl Pattern {
    /// Parses a rule's value.
    pub(crate) fn parse(text: &str) -> Self {
        let mut pattern = Self::default();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '*' => pattern.push(Part::Any),
                '?' => pattern.push(Part::One),
                '\\' => {
                    let escaped = chars.next_if(|next| matches!(next, '*' | '?' | '\\'));
                    pattern.push_char(escaped.unwrap_or('\\'));
                }
                other => pattern.push_char(other),
            }
        }
        pattern
    }

    /// Text without wildcards.
    pub(crate) fn literal(text: &str) -> Self {
        let mut pattern = Self::default();
        if !text.is_empty() {
            pattern.parts.push(Part::Literal(text.to_owned()));
        }
        pattern
    }

    /// From pieces.
    pub(crate) fn from_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut pattern = Self::default();
        for part in parts {
            pattern.push(part);
        }
        pattern
    }

    fn push(&mut self, part: Part) {
        match (part, self.parts.last_mut()) {
            (Part::Any, Some(Part::Any)) => {}
            (Part::Literal(text), _) if text.is_empty() => {}
            (Part::Literal(text), Some(Part::Literal(last))) => last.push_str(&text),
            (part, _) => self.parts.push(part),
        }
    }

    fn push_char(&mut self, char: char) {
        match self.parts.last_mut() {
            Some(Part::Literal(last)) => last.push(char),
            _ => self.parts.push(Part::Literal(char.into())),
        }
    }

    /// The pieces.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text, if there is no wildcard.
    pub(crate) fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// With any run of characters before it.
    pub(crate) fn open_start(mut self) -> Self {
        if self.parts.first() != Some(&Part::Any) {
            self.parts.insert(0, Part::Any);
        }
        self
    }

    /// With any run of characters after it.
    pub(crate) fn open_end(mut self) -> Self {
        self.push(Part::Any);
        self
    }

    /// With each literal replaced.
    pub(crate) fn map_literals(&self, change: impl Fn(&str) -> String) -> Self {
        Self::from_parts(self.parts.iter().map(|part| match part {
            Part::Literal(text) => Part::Literal(change(text)),
            other => other.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Any, One};

    fn literal(text: &str) -> Part {
        Part::Literal(text.into())
    }

    #[test]
    fn escapes_as_the_specification_has_them() {
        let cases: &[(&str, &[Part])] = &[
            (r"a\b", &[literal(r"a\b")]),
            (r"a\\b", &[literal(r"a\b")]),
            (r"a\*b", &[literal("a*b")]),
            (r"a\?b", &[literal("a?b")]),
            (r"a\\*b", &[literal(r"a\"), Any, literal("b")]),
            (r"a\\?b", &[literal(r"a\"), One, literal("b")]),
            (r"a\\\*b", &[literal(r"a\*b")]),
            (r"\\\\", &[literal(r"\\")]),
            (r"abc\", &[literal(r"abc\")]),
            (r"C:\Windows\*", &[literal(r"C:\Windows*")]),
            (r"C:\Windows\\*", &[literal(r"C:\Windows\"), Any]),
            ("**a??", &[Any, literal("a"), One, One]),
            ("", &[]),
            ("é*", &[literal("é"), Any]),
        ];
        for (written, parts) in cases {
            assert_eq!(Pattern::parse(written).parts(), *parts, "{written}");
        }
    }

    #[test]
    fn added_wildcards_are_never_escaped() {
        let open = Pattern::parse(r"abc\").open_start().open_end();
        assert_eq!(open.parts(), &[Any, literal(r"abc\"), Any]);
        assert_eq!(Pattern::parse("*a*").open_start().open_end(), Pattern::parse("*a*"));
    }
}
