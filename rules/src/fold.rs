//! Text without case.

use std::borrow::Cow;

/// The text with every character in lower case.
///
/// Each character becomes exactly one, and ASCII comes only from ASCII, so that wildcards count alike and
/// a literal of ASCII can be sought in the bytes of a text.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(fold_char).collect())
}

/// As [`fold`], into a text that is used again.
pub(crate) fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(fold_char));
    }
}

fn fold_char(char: char) -> char {
    let mut lower = char.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) if one.is_ascii() == char.is_ascii() => one,
        _ => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_each() {
        assert_eq!(fold("AbC"), "abc");
        assert!(matches!(fold("abc"), Cow::Borrowed("abc")));
        let mut folded = "before".to_owned();
        for text in ["AbC", "", "ÉÀß ΣΑΣ", "\u{212a}İ"] {
            fold_into(text, &mut folded);
            assert_eq!(folded, fold(text));
        }
        assert_eq!(fold("ÉÀß ΣΑΣ"), "éàß σασ");
        // The sign of the kelvin would become ASCII, the dotted I two characters.
        assert_eq!(fold("\u{212a}İ"), "\u{212a}İ");
    }
}
