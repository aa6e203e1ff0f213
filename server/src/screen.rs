//! Answers in a format for machines that are looked at in a terminal: nothing in a log may drive it.

use query::acts_on_terminal;

/// Makes text of UTF-8, as it comes in pieces, fit for a terminal. What goes to a file or pipe stays as it is.
#[derive(Debug)]
pub(crate) struct Screen {
    /// JSON stays JSON.
    is_json: bool,
    /// The beginning of a character whose rest is still to come.
    rest: Vec<u8>,
}

impl Screen {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, rest: Vec::new() }
    }

    /// The next piece.
    pub(crate) fn piece(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut shown = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for c in chunk.valid().chars() {
                self.push(&mut shown, c);
            }
            if chunks.peek().is_none() {
                self.rest = chunk.invalid().to_vec();
            } else {
                shown.push('\u{fffd}');
            }
        }
        shown
    }

    fn push(&self, shown: &mut String, c: char) {
        match c {
            '\n' | '\t' => shown.push(c),
            c if !acts_on_terminal(c) => shown.push(c),
            // Within a string, where alone it can stand, this is the same character.
            c if self.is_json => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
            '\r' => shown.push_str("\\r"),
            c => shown.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces of one byte, so that every character is torn.
    fn shown(is_json: bool, text: &[u8]) -> String {
        let mut screen = Screen::new(is_json);
        let pieces: String = text.iter().map(|byte| screen.piece(&[*byte])).collect();
        assert_eq!(pieces, Screen::new(is_json).piece(text));
        pieces
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        let hostile = "a,\"\u{1b}]0;x\u{7}\u{202e}ä\u{9b}日\u{e0041}\"\r\n\tb";
        let csv = shown(false, hostile.as_bytes());
        assert_eq!(csv, "a,\"\\u{1b}]0;x\\u{7}\\u{202e}ä\\u{9b}日\\u{e0041}\"\\r\n\tb");
        let object = "{\"ä\":\"\u{202e}x\u{7f}\u{e0041}\"}\n";
        let json = shown(true, object.as_bytes());
        assert!(!json.chars().any(|c| c != '\n' && acts_on_terminal(c)), "{json}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["ä"], "\u{202e}x\u{7f}\u{e0041}");
        assert_eq!(shown(false, b"a\xff\xffb"), "a\u{fffd}\u{fffd}b");
    }
}
