//! Texts that others chose, cut to what a service takes and without characters that change how the rest reads.

/// Writes one character for a target.
pub(super) type Write = fn(char, &mut String);

/// As it is.
pub(super) fn plain(character: char, out: &mut String) {
    out.push(character);
}

/// For HTML and XML, in text and in quoted attributes.
pub(super) fn html(character: char, out: &mut String) {
    match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        _ => out.push(character),
    }
}

/// What is left of a text that others chose: on one line, without control characters and without those that
/// turn the direction of writing or are not seen at all, so that it looks like what it is.
pub(super) fn line(text: &str) -> String {
    cleaned(text, false)
}

/// The same, with its line breaks.
pub(super) fn lines(text: &str) -> String {
    cleaned(text, true)
}

fn cleaned(text: &str, keeps_lines: bool) -> String {
    let mut out = String::new();
    // Nothing that is told is longer; the rest need not be looked at.
    for character in text.chars().take(MAX_CHARS) {
        match character {
            '\n' if keeps_lines => out.push('\n'),
            '\r' if keeps_lines => {}
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push(' '),
            _ if character.is_control() || is_unseen(character) => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out.trim().to_owned()
}

const MAX_CHARS: usize = 64 << 10;

/// Marks of direction, joiners, fillers, tags: UAX #9 and Unicode's default ignorable characters.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Addresses in data are no links: where a target makes links of what looks like one, it must not look so.
pub(super) fn defanged(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([':', '.', '@']) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let mut following = after.chars();
        let mark = following.next().unwrap_or_default();
        rest = following.as_str();
        let is_link = match mark {
            ':' => rest.starts_with("//") || ends_with_word(before, &["mailto", "tel", "javascript", "data"]),
            '.' => ends_with_word(before, &["www"]),
            _ => false,
        };
        if is_link {
            out.push('[');
            out.push(mark);
            out.push(']');
        } else {
            out.push(mark);
        }
    }
    out.push_str(rest);
    out
}

fn ends_with_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        let tail: String = text.chars().rev().take(word.len()).collect();
        tail.chars().rev().collect::<String>().eq_ignore_ascii_case(word)
    })
}

/// `text` in at most `max` units of UTF-16, the smallest measure that services count by, each character
/// written by `write` and none of them torn. What is cut ends in `…`.
pub(super) fn cut(text: &str, max: usize, write: Write) -> String {
    Budget(usize::MAX).take(text, max, write)
}

/// How many bytes of JSON a whole message has left for texts of others.
#[derive(Debug)]
pub(super) struct Budget(pub(super) usize);

impl Budget {
    /// `text` as [`cut`] does it, and in no more bytes than are left; those that it takes are gone.
    pub(super) fn take(&mut self, text: &str, max: usize, write: Write) -> String {
        let mut out = String::new();
        let (mut units, mut bytes, mut safe) = (0, 0, 0);
        let mut one = String::new();
        let mut is_cut = false;
        for character in text.chars() {
            one.clear();
            write(character, &mut one);
            let (more_units, more_bytes) = (one.encode_utf16().count(), json_len(&one));
            if units + more_units > max || bytes + more_bytes > self.0 {
                is_cut = true;
                break;
            }
            out.push_str(&one);
            units += more_units;
            bytes += more_bytes;
            if units < max && bytes + ELLIPSIS.len_utf8() <= self.0 {
                safe = out.len();
            }
        }
        if is_cut {
            out.truncate(safe);
            if max > 0 && self.0 >= ELLIPSIS.len_utf8() {
                out.push(ELLIPSIS);
            }
        }
        self.0 = self.0.saturating_sub(json_len(&out));
        out
    }
}

const ELLIPSIS: char = '…';

/// How many bytes JSON takes for a text.
fn json_len(text: &str) -> usize {
    text.chars()
        .map(|character| match character {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            _ if u32::from(character) < 0x20 => 6,
            _ => character.len_utf8(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(line("a\u{202e}b\r\nc\u{1b}[31m\t"), "a\u{fffd}b  c\u{fffd}[31m");
        assert_eq!(lines("a\r\nb\u{200b}\n"), "a\nb\u{fffd}");
        assert_eq!(line("Zoë 東京 🙂"), "Zoë 東京 🙂");
    }

    #[test]
    fn addresses_are_no_links() {
        for (text, told) in [
            ("see https://evil.example.com/a", "see https[:]//evil.example.com/a"),
            ("WWW.evil.example.com", "WWW[.]evil.example.com"),
            ("MailTo:a@example.com", "MailTo[:]a@example.com"),
            ("10:30 v1.2", "10:30 v1.2"),
            ("arn:aws:iam::111122223333:user/ann", "arn:aws:iam::111122223333:user/ann"),
            ("://", "[:]//"),
        ] {
            assert_eq!(defanged(text), told);
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abcdef", 6, plain), "abcdef");
        assert_eq!(cut("abcdefg", 6, plain), "abcde…");
        assert_eq!(cut("a&&&", 7, html), "a&amp;…");
        assert_eq!(cut("🙂🙂", 3, plain), "🙂…");
        assert_eq!(cut("abc", 0, plain), "");
        let mut budget = Budget(5);
        assert_eq!(budget.take("\"\"\"", 9, plain), "\"…");
        assert_eq!(budget.take("a", 9, plain), "");
    }

    proptest! {
        #[test]
        fn limits_hold(text in any::<String>(), max in 0..40_usize, bytes in 0..60_usize) {
            let mut budget = Budget(bytes);
            let told = budget.take(&text, max, html);
            prop_assert!(told.encode_utf16().count() <= max);
            let length = serde_json::to_string(&told).unwrap().len() - 2;
            prop_assert!(length <= bytes);
            prop_assert!(!told.contains('<'));
            let clean = line(&text);
            let bad = ['\r', '\n', '\0', '\u{1b}', '\u{202e}'];
            prop_assert!(!clean.contains(bad));
        }
    }
}
