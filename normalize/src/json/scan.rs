//! The one pass over a record's text.
//!
//! A loop with a stack of open containers, not a recursion, so that no depth of nesting can overflow
//! our own stack; depth, keys and number lengths are counted where they occur.

use std::collections::HashMap;

use wide::u8x32;

use super::{MAX_DEPTH, MAX_KEYS, MAX_NUMBER_CHARS, unescape};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    EscapedText,
    Number,
    True,
    False,
    Null,
    Key,
    EscapedKey,
    /// A key that occurs again later in the same object.
    ShadowedKey,
}

/// Where a key or a value lies. In an object each key's token is followed by its value's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// First byte, a string's opening quote.
    start: u32,
    /// One past the last byte.
    end: u32,
    /// The token that follows this value and all within it.
    pub(super) next: u32,
    pub(super) kind: Kind,
}

impl Token {
    /// Stands for a token that does not exist; nothing refers to one.
    const NONE: Self = Self { start: 0, end: 0, next: u32::MAX, kind: Kind::Null };

    #[inline]
    pub(super) fn slice(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn inside_quotes(self, text: &str) -> &str {
        text.get(self.start as usize + 1..(self.end as usize).saturating_sub(1)).unwrap_or_default()
    }
}

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not JSON, from this byte on.
    Syntax {
        /// The byte, from 0.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// More than [`MAX_DEPTH`] containers in one another.
    TooDeep,
    /// More than [`MAX_KEYS`] keys.
    TooManyKeys,
    /// A number of more than [`MAX_NUMBER_CHARS`] characters, starting at this byte.
    NumberTooLong {
        /// The byte, from 0.
        at: usize,
    },
}

/// Where everything in one text lies; the memory is used again for the next text.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    tokens: Vec<Token>,
    /// Fingerprints of the keys so far of each object that is still open.
    fingerprints: Vec<u32>,
    /// Whether values can be copied as they stand: no blanks, no duplicate keys, no lone surrogates.
    compact: bool,
    duplicates: Vec<String>,
}

/// A container that is still open.
#[derive(Clone, Copy, Default)]
struct Open {
    token: u32,
    /// Where its fingerprints begin.
    keys_from: u32,
    /// One bit for each fingerprint so far, so that most new keys need no search.
    key_bits: u64,
    is_object: bool,
}

struct Scanner<'a, 't> {
    bytes: &'a [u8],
    at: usize,
    out: &'t mut Tokens,
    open: [Open; MAX_DEPTH],
    depth: usize,
    keys: usize,
    maybe_duplicates: bool,
}

impl Tokens {
    /// Reads `text`, which must be one JSON value with nothing but blanks around it.
    ///
    /// # Errors
    /// It is no JSON, or passes a limit.
    pub(crate) fn scan(&mut self, text: &str) -> Result<(), JsonError> {
        self.tokens.clear();
        self.fingerprints.clear();
        self.duplicates.clear();
        self.compact = true;
        let mut scanner = Scanner {
            bytes: text.as_bytes(),
            at: 0,
            out: self,
            open: [Open::default(); MAX_DEPTH],
            depth: 0,
            keys: 0,
            maybe_duplicates: false,
        };
        scanner.run()?;
        if scanner.maybe_duplicates {
            self.shadow_duplicates(text);
        }
        Ok(())
    }

    /// Whether each value's own text is compact JSON.
    #[inline]
    pub(crate) fn is_compact(&self) -> bool {
        self.compact
    }

    /// Keys that occur more than once in one object, sorted.
    pub(crate) fn duplicates(&self) -> &[String] {
        &self.duplicates
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Token {
        self.tokens.get(at).copied().unwrap_or(Token::NONE)
    }

    /// Marks every key that occurs again in its object. Rare, so it need not be fast, only bounded.
    fn shadow_duplicates(&mut self, text: &str) {
        for object in 0..self.tokens.len() {
            if self.get(object).kind != Kind::Object {
                continue;
            }
            let mut last_seen: HashMap<String, usize> = HashMap::new();
            let mut at = object + 1;
            while at < self.get(object).next as usize {
                let token = self.get(at);
                let name = unescape::unescape(token.inside_quotes(text));
                if let Some(earlier) = last_seen.insert(name.clone(), at) {
                    if let Some(shadowed) = self.tokens.get_mut(earlier) {
                        shadowed.kind = Kind::ShadowedKey;
                    }
                    self.compact = false;
                    self.duplicates.push(name);
                }
                at = self.get(at + 1).next as usize;
            }
        }
        self.duplicates.sort_unstable();
        self.duplicates.dedup();
    }
}

impl Scanner<'_, '_> {
    fn run(&mut self) -> Result<(), JsonError> {
        loop {
            if self.value()? {
                continue;
            }
            if self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Reads one value. `true`: it is a container that now awaits its first value.
    #[inline(always)]
    fn value(&mut self) -> Result<bool, JsonError> {
        let byte = self.skip_blanks();
        let start = self.at;
        match byte {
            b'"' => {
                let escaped = self.string()?;
                let kind = if escaped { Kind::EscapedText } else { Kind::Text };
                self.push(start, kind);
            }
            b'{' => {
                self.open(true)?;
                match self.skip_blanks() {
                    b'}' => self.close(),
                    b'"' => {
                        self.key()?;
                        return Ok(true);
                    }
                    _ => return Err(self.expected("a key or `}`")),
                }
            }
            b'[' => {
                self.open(false)?;
                if self.skip_blanks() != b']' {
                    return Ok(true);
                }
                self.close();
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                if self.at - start > MAX_NUMBER_CHARS {
                    return Err(JsonError::NumberTooLong { at: start });
                }
                self.push(start, Kind::Number);
            }
            b't' => self.literal(b"true", Kind::True)?,
            b'f' => self.literal(b"false", Kind::False)?,
            b'n' => self.literal(b"null", Kind::Null)?,
            _ => return Err(self.expected("a value")),
        }
        Ok(false)
    }

    /// Closes containers until one goes on. `true`: all are closed and the text has ended.
    #[inline(always)]
    fn after_value(&mut self) -> Result<bool, JsonError> {
        loop {
            let byte = self.skip_blanks();
            let Some(open) = self.depth.checked_sub(1).and_then(|top| self.open.get(top)) else {
                return if self.at == self.bytes.len() { Ok(true) } else { Err(self.expected("the end")) };
            };
            match (byte, open.is_object) {
                (b',', true) => {
                    self.at += 1;
                    if self.skip_blanks() != b'"' {
                        return Err(self.expected("a key"));
                    }
                    self.key()?;
                    return Ok(false);
                }
                (b',', false) => {
                    self.at += 1;
                    return Ok(false);
                }
                (b'}', true) | (b']', false) => self.close(),
                (_, true) => return Err(self.expected("`,` or `}`")),
                (_, false) => return Err(self.expected("`,` or `]`")),
            }
        }
    }

    #[inline(always)]
    fn open(&mut self, is_object: bool) -> Result<(), JsonError> {
        let token = self.out.tokens.len() as u32;
        let keys_from = self.out.fingerprints.len() as u32;
        let Some(slot) = self.open.get_mut(self.depth) else { return Err(JsonError::TooDeep) };
        *slot = Open { token, keys_from, key_bits: 0, is_object };
        self.depth += 1;
        let start = self.at;
        self.at += 1;
        self.push(start, if is_object { Kind::Object } else { Kind::Array });
        Ok(())
    }

    /// Ends the innermost container at its closing bracket, where `at` stands.
    #[inline(always)]
    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        let next = self.out.tokens.len() as u32;
        let Some(open) = self.open.get(self.depth) else { return };
        self.out.fingerprints.truncate(open.keys_from as usize);
        if let Some(token) = self.out.tokens.get_mut(open.token as usize) {
            token.end = self.at as u32;
            token.next = next;
        }
    }

    #[inline(always)]
    fn push(&mut self, start: usize, kind: Kind) {
        let next = self.out.tokens.len() as u32 + 1;
        self.out.tokens.push(Token { start: start as u32, end: self.at as u32, next, kind });
    }

    /// A key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Result<(), JsonError> {
        self.keys += 1;
        if self.keys > MAX_KEYS {
            return Err(JsonError::TooManyKeys);
        }
        let start = self.at;
        let escaped = self.string()?;
        self.push(start, if escaped { Kind::EscapedKey } else { Kind::Key });
        self.note_key(start + 1, self.at - 1, escaped);
        if self.skip_blanks() != b':' {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    /// Compares the key with those before it in its object, by fingerprint. A match only raises the
    /// suspicion; [`Tokens::shadow_duplicates`] decides.
    #[inline(always)]
    fn note_key(&mut self, start: usize, end: usize, escaped: bool) {
        let fingerprint = fingerprint(self.bytes, start, end);
        let Some(open) = self.depth.checked_sub(1).and_then(|top| self.open.get_mut(top)) else { return };
        let bit = 1u64 << (fingerprint & 63);
        if open.key_bits & bit != 0 || escaped {
            let before = self.out.fingerprints.get(open.keys_from as usize..).unwrap_or_default();
            // An escaped key may equal a plain one; a long list is dearer to search than a map at the end.
            self.maybe_duplicates |=
                escaped || before.len() >= MAX_FINGERPRINTS || before.contains(&fingerprint);
        }
        open.key_bits |= bit;
        // After the first suspicion nothing more is to learn.
        if !self.maybe_duplicates {
            self.out.fingerprints.push(fingerprint);
        }
    }

    /// Moves to the next byte that is no blank and returns it; 0 at the end.
    #[inline(always)]
    fn skip_blanks(&mut self) -> u8 {
        loop {
            let byte = self.bytes.get(self.at).copied().unwrap_or_default();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.out.compact = false;
            self.at += 1;
        }
    }

    /// Moves past the string that begins at `at`. `true`: it holds escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, JsonError> {
        self.at = plain_end(self.bytes, self.at + 1);
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(false);
        }
        self.escaped_string()?;
        Ok(true)
    }

    /// The rest of a string from its first byte that is not plain.
    fn escaped_string(&mut self) -> Result<(), JsonError> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.expected("`\"`, not a bare control character or the end")),
            }
            self.at = plain_end(self.bytes, self.at);
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.expected("`\\u` and four hexadecimal digits"));
                }
                // Some strict readers refuse lone surrogates: such text is written anew where copied.
                if matches!(digits, [b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) {
                    self.out.compact = false;
                }
                self.at += 6;
            }
            _ => return Err(self.expected("a known escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == from { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Result<(), JsonError> {
        let start = self.at;
        if self.bytes.get(start..start + word.len()) != Some(word) {
            return Err(self.expected("`true`, `false` or `null`"));
        }
        self.at += word.len();
        self.push(start, kind);
        Ok(())
    }

    #[cold]
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }
}

/// Objects with more keys are always searched for duplicates by [`Tokens::shadow_duplicates`].
const MAX_FINGERPRINTS: usize = 256;

/// The next byte from `at` on that is a quote, a backslash or a control character, or the end.
///
/// 32 bytes at a time: nearly every string ends within the first, so that the processor guesses right.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
        let chunk = u8x32::from(*chunk);
        let found = chunk.simd_eq(u8x32::splat(b'"'))
            | chunk.simd_eq(u8x32::splat(b'\\'))
            | chunk.simd_eq(chunk.min(u8x32::splat(0x1f)));
        let found = found.to_bitmask();
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 32;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        at += 1;
    }
    at
}

/// A number that is the same for equal keys and almost always differs for different ones: from the
/// length and the first and last eight bytes.
#[inline(always)]
fn fingerprint(bytes: &[u8], start: usize, end: usize) -> u32 {
    let word_at = |at: usize| {
        let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk))
    };
    let length = end - start;
    let (first, last) = if length >= 8 {
        (word_at(start), word_at(end - 8))
    } else {
        // A key is followed by at least `":`, a value and a bracket, so the word exists save for the
        // very last bytes of a broken text.
        (word_at(start) & ((1u64 << (8 * length)) - 1), 0)
    };
    let mixed = (first ^ last.rotate_left(29) ^ (length as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
