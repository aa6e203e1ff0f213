//! Values that stand for encoded forms of themselves: base64, UTF-16, dashes of Windows command lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::sigma::pattern::{Part, Pattern};

/// The text in UTF-16, little or big end first, without a mark.
pub(crate) fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

/// UTF-16 with the mark of the little end.
pub(crate) fn utf16_marked(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(utf16(text, false));
    bytes
}

/// Base64 of a whole value.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What base64 shows of `bytes` when they stand somewhere within a longer value: one form for each of the
/// three places they can have among groups of three bytes, without the characters that depend on their
/// neighbours. `None` if a form would be empty and so match everything.
pub(crate) fn base64_offsets(bytes: &[u8]) -> Option<[String; 3]> {
    // Characters to drop in front, by the number of bytes before; behind, by the length modulo three.
    const START: [usize; 3] = [0, 2, 3];
    const END: [usize; 3] = [0, 3, 2];
    let form = |offset: usize| {
        let mut padded = vec![b' '; offset];
        padded.extend_from_slice(bytes);
        let encoded = STANDARD.encode(&padded);
        let start = START.get(offset)?;
        let end = encoded.len().checked_sub(*END.get(padded.len() % 3)?)?;
        encoded.get(*start..end).filter(|form| !form.is_empty()).map(str::to_owned)
    };
    Some([form(0)?, form(1)?, form(2)?])
}

/// The most dashes of a value under `windash`.
pub(crate) const MAX_DASHES: usize = 3;

/// The value with every dash or slash that begins an option in all the forms that Windows programs take:
/// `-`, `/`, en dash, em dash, horizontal bar. `None` if there are more than [`MAX_DASHES`].
pub(crate) fn windash(pattern: &Pattern) -> Option<Vec<Pattern>> {
    const FORMS: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
    let mut found = vec![Vec::new()];
    let mut dashes = 0;
    for part in pattern.parts() {
        let Part::Literal(text) = part else {
            found.iter_mut().for_each(|parts: &mut Vec<Part>| parts.push(part.clone()));
            continue;
        };
        let mut texts = vec![String::new()];
        let mut before: Option<char> = None;
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            if is_option_dash(before, char, chars.peek().copied()) {
                dashes += 1;
                if dashes > MAX_DASHES {
                    return None;
                }
                let extend = |text: String| FORMS.map(|form| format!("{text}{form}"));
                texts = texts.into_iter().flat_map(extend).collect();
            } else {
                texts.iter_mut().for_each(|text| text.push(char));
            }
            before = Some(char);
        }
        let mut extended = Vec::with_capacity(found.len() * texts.len());
        for parts in &found {
            for text in &texts {
                let mut parts = parts.clone();
                parts.push(Part::Literal(text.clone()));
                extended.push(parts);
            }
        }
        found = extended;
    }
    Some(found.into_iter().map(Pattern::from_parts).collect())
}

/// `\B[-/]\b`: no word character before, one after.
fn is_option_dash(before: Option<char>, char: char, after: Option<char>) -> bool {
    let is_word = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    matches!(char, '-' | '/') && !is_word(before) && is_word(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_found_wherever_the_value_stands() {
        for value in ["é", "ab", "foo", "http", "/bin/bash", "日本語"] {
            let forms = base64_offsets(value.as_bytes()).unwrap();
            for (before, form) in ["", "x", "yz"].into_iter().zip(&forms) {
                for after in ["", "!", "!!", "tail"] {
                    let whole = STANDARD.encode(format!("{before}{value}{after}"));
                    assert!(whole.contains(form.as_str()), "{value}: {form} in {whole}");
                }
            }
        }
        assert_eq!(base64_offsets("foobar".as_bytes()).unwrap(), ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]);
        assert_eq!(base64_offsets(b"a"), None);
        assert_eq!(base64_offsets(b""), None);
    }

    #[test]
    fn utf16_forms() {
        assert_eq!(base64(&utf16_marked("cmd")), "//5jAG0AZAA=");
        assert_eq!(base64(&utf16("cmd", false)), "YwBtAGQA");
        assert_eq!(base64(&utf16("cmd", true)), "AGMAbQBk");
    }

    #[test]
    fn windash_changes_only_the_dashes_of_options() {
        let forms = |text: &str| windash(&Pattern::parse(text)).map(|found| found.len());
        assert_eq!(forms("no dash"), Some(1));
        assert_eq!(forms("-option"), Some(5));
        assert_eq!(forms(" -a /b"), Some(25));
        assert_eq!(forms("a-b"), Some(1));
        assert_eq!(forms("--x"), Some(5));
        assert_eq!(forms("- x"), Some(1));
        assert_eq!(forms("*-x*"), Some(5));
        assert_eq!(forms("-a -b -c"), Some(125));
        assert_eq!(forms("-a -b -c -d"), None);
        let all = windash(&Pattern::parse("-f *")).unwrap();
        assert!(all.contains(&Pattern::parse("/f *")) && all.contains(&Pattern::parse("\u{2015}f *")));
    }
}
