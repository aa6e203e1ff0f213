//! Writing JSON text straight into a buffer, without a tree in between.

use crate::JsonBlock;

/// What JSON text is appended to: text, or bytes that will be a record.
pub trait JsonSink {
    /// Appends text as it is.
    fn put(&mut self, text: &str);
    /// Appends text with what a string cannot hold escaped, in the shortest form (RFC 8259, section 7).
    fn put_escaped(&mut self, text: &str);
    /// The last byte so far.
    fn last_byte(&self) -> Option<u8>;
}

impl JsonSink for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }

    fn put_escaped(&mut self, text: &str) {
        let mut clean_from = 0;
        for (at, byte) in text.bytes().enumerate() {
            if let Some(escape) = Escape::of(byte) {
                self.push_str(text.get(clean_from..at).unwrap_or_default());
                self.push_str(escape.text());
                clean_from = at + 1;
            }
        }
        self.push_str(text.get(clean_from..).unwrap_or_default());
    }

    fn last_byte(&self) -> Option<u8> {
        self.as_bytes().last().copied()
    }
}

/// As for text, and made for long values with many quotes, such as JSON in a string.
impl JsonSink for Vec<u8> {
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    fn put_escaped(&mut self, text: &str) {
        let mut room = None;
        let (blocks, rest) = text.as_bytes().as_chunks::<{ JsonBlock::BYTES }>();
        for block in blocks {
            put_block(self, block, JsonBlock::BYTES, &mut room);
        }
        let mut block = [b' '; JsonBlock::BYTES];
        if let Some(start) = block.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        put_block(self, &block, rest.len(), &mut room);
    }

    fn last_byte(&self) -> Option<u8> {
        self.last().copied()
    }
}

/// Appends the first `length` bytes of a block; most blocks of most texts need no escapes and so no room.
#[inline(always)]
fn put_block(
    out: &mut Vec<u8>,
    block: &[u8; JsonBlock::BYTES],
    length: usize,
    room: &mut Option<EscapedBlock>,
) {
    let special = JsonBlock::new(block).escaped_in_string();
    if special == 0 {
        out.extend_from_slice(block.get(..length).unwrap_or_default());
    } else {
        out.extend_from_slice(room.get_or_insert_with(EscapedBlock::new).escape(block, special, length));
    }
}

/// How a byte is written that a string cannot hold.
#[derive(Debug, Clone, Copy)]
struct Escape {
    bytes: [u8; 6],
    length: usize,
}

impl Escape {
    /// `None`: the byte stands for itself.
    #[inline]
    fn of(byte: u8) -> Option<Self> {
        let letter = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            0..=0x1f => {
                let last = if byte % 16 < 10 { b'0' + byte % 16 } else { b'a' + byte % 16 - 10 };
                return Some(Self { bytes: [b'\\', b'u', b'0', b'0', b'0' + byte / 16, last], length: 6 });
            }
            _ => return None,
        };
        Some(Self { bytes: [b'\\', letter, 0, 0, 0, 0], length: 2 })
    }

    fn text(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// Room for a block whose every byte is escaped.
///
/// Between two quotes stand a dozen bytes: so many are copied at once whatever is needed, which costs less than
/// to ask for the very number.
struct EscapedBlock {
    bytes: [u8; Self::ROOM],
}

impl EscapedBlock {
    const AT_ONCE: usize = 16;
    const ROOM: usize = JsonBlock::BYTES * 6 + Self::AT_ONCE;

    fn new() -> Self {
        Self { bytes: [0; Self::ROOM] }
    }

    /// The first `length` bytes of a block, those escaped that `special` has.
    #[inline]
    fn escape(&mut self, block: &[u8; JsonBlock::BYTES], mut special: u64, length: usize) -> &[u8] {
        let mut padded = [0; JsonBlock::BYTES + Self::AT_ONCE];
        if let Some(start) = padded.first_chunk_mut() {
            *start = *block;
        }
        let (mut from, mut at) = (0, 0);
        while special != 0 {
            let place = special.trailing_zeros() as usize;
            special &= special - 1;
            at = self.copy(at, &padded, from, place);
            if let Some(escape) = block.get(place).and_then(|byte| Escape::of(*byte)) {
                if let Some(room) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
                    *room = escape.bytes;
                }
                at += escape.length;
            }
            from = place + 1;
        }
        at = self.copy(at, &padded, from, length);
        self.bytes.get(..at).unwrap_or_default()
    }

    /// Copies the bytes `from..to`, and some behind them; gives where the next are to go.
    #[inline(always)]
    fn copy(
        &mut self,
        at: usize,
        padded: &[u8; JsonBlock::BYTES + Self::AT_ONCE],
        from: usize,
        to: usize,
    ) -> usize {
        let mut done = 0;
        while from + done < to {
            let run = padded.get(from + done..).and_then(|rest| rest.first_chunk::<{ Self::AT_ONCE }>());
            let room = self.bytes.get_mut(at + done..).and_then(|rest| rest.first_chunk_mut());
            if let (Some(run), Some(room)) = (run, room) {
                *room = *run;
            }
            done += Self::AT_ONCE;
        }
        at + to.saturating_sub(from)
    }
}

/// A JSON value under construction at the end of a buffer.
///
/// Commas are its business: call [`key`](Self::key) and [`item`](Self::item) for each member and
/// element, and one value after each.
#[derive(Debug)]
pub struct JsonText<'a, S: JsonSink = String> {
    out: &'a mut S,
}

impl<'a, S: JsonSink> JsonText<'a, S> {
    /// Appends to `out`.
    pub fn new(out: &'a mut S) -> Self {
        Self { out }
    }

    /// `{`
    pub fn begin_object(&mut self) {
        self.out.put("{");
    }

    /// `}`
    pub fn end_object(&mut self) {
        self.out.put("}");
    }

    /// `[`
    pub fn begin_array(&mut self) {
        self.out.put("[");
    }

    /// `]`
    pub fn end_array(&mut self) {
        self.out.put("]");
    }

    fn comma(&mut self) {
        if !matches!(self.out.last_byte(), None | Some(b'{' | b'[' | b':')) {
            self.out.put(",");
        }
    }

    /// The next element of an array comes now.
    pub fn item(&mut self) {
        self.comma();
    }

    /// The next member's name.
    pub fn key(&mut self, name: &str) {
        self.comma();
        self.text(name);
        self.out.put(":");
    }

    /// A string value, escaped.
    pub fn text(&mut self, value: &str) {
        self.out.put("\"");
        self.out.put_escaped(value);
        self.out.put("\"");
    }

    /// A value that is JSON text already.
    pub fn raw(&mut self, json: &str) {
        self.out.put(json);
    }

    /// A member with a string value.
    pub fn text_member(&mut self, name: &str, value: &str) {
        self.key(name);
        self.text(value);
    }

    /// A member whose value is JSON text already.
    pub fn raw_member(&mut self, name: &str, json: &str) {
        self.key(name);
        self.raw(json);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_fall_between() {
        let mut out = String::new();
        let mut json = JsonText::new(&mut out);
        json.begin_object();
        json.text_member("a", "x\n\"");
        json.key("b");
        json.begin_array();
        json.item();
        json.raw("1");
        json.item();
        json.raw("{}");
        json.end_array();
        json.raw_member("c", "null");
        json.end_object();
        assert_eq!(out, r#"{"a":"x\n\"","b":[1,{}],"c":null}"#);
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_as_serde_does(value in "\\PC*|[\\x00-\\x7f]*|[\"\\\\a-c]{0,300}") {
            let (mut out, mut bytes) = (String::new(), Vec::new());
            JsonText::new(&mut out).text(&value);
            JsonText::new(&mut bytes).text(&value);
            prop_assert_eq!(&out, &serde_json::to_string(&value).unwrap());
            prop_assert_eq!(out.as_bytes(), bytes);
        }
    }
}
