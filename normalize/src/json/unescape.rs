//! Escapes in a JSON string.

/// The text of a string whose escapes the scanner has found well-formed.
///
/// Lone surrogates, which no UTF-8 text can hold, and NUL, which ends strings elsewhere, stay as
/// they are written: six characters such as `\ud800`.
pub(super) fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((clean, escaped)) = rest.split_once('\\') {
        out.push_str(clean);
        rest = unescape_one(escaped, &mut out);
    }
    out.push_str(rest);
    out
}

/// Pushes the character of the escape that `text` begins with (its backslash is gone) and returns
/// what follows.
fn unescape_one<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut chars = text.chars();
    match chars.next() {
        Some('n') => out.push('\n'),
        Some('t') => out.push('\t'),
        Some('r') => out.push('\r'),
        Some('b') => out.push('\u{8}'),
        Some('f') => out.push('\u{c}'),
        Some('u') => return unescape_unicode(chars.as_str(), out),
        Some(other) => out.push(other),
        None => {}
    }
    chars.as_str()
}

/// Pushes the character of `\uXXXX`, of which `text` holds all after the `u`.
fn unescape_unicode<'a>(text: &'a str, out: &mut String) -> &'a str {
    let Some((digits, rest)) = text.split_at_checked(4) else { return text };
    let Ok(unit) = u16::from_str_radix(digits, 16) else { return text };
    if let 0xd800..=0xdbff = unit
        && let Some(low_text) = rest.strip_prefix("\\u")
        && let Some((low_digits, after)) = low_text.split_at_checked(4)
        && let Ok(low) = u16::from_str_radix(low_digits, 16)
        && let Some(Ok(character)) = char::decode_utf16([unit, low]).next()
    {
        out.push(character);
        return after;
    }
    match char::from_u32(unit.into()) {
        Some(character) if character != '\0' => out.push(character),
        _ => {
            out.push_str("\\u");
            out.push_str(digits);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_become_characters() {
        assert_eq!(unescape(r#"a\"\\\/\n\tb"#), "a\"\\/\n\tb");
        assert_eq!(unescape(r"\u00e9\ud83d\ude00!"), "é😀!");
    }

    #[test]
    fn what_no_text_can_hold_stays_escaped() {
        assert_eq!(unescape(r"a\ud800b"), r"a\ud800b");
        assert_eq!(unescape(r"\ud800\u0041"), r"\ud800A");
        assert_eq!(unescape(r"\ude00\ud83d"), r"\ude00\ud83d");
        assert_eq!(unescape(r"\u0000"), r"\u0000");
    }
}
