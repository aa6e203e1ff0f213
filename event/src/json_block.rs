//! Sixty-four bytes of JSON at a time: which of them are quotes, brackets, commas.
//!
//! The idea is that of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019):
//! turn each question into one bit a byte, then work on whole words.

use wide::u8x32;

/// Sixty-four bytes, of which questions are answered with one bit a byte, the first byte in the lowest bit.
///
/// The one that every processor can; where the processor has wider vectors, [`outline`](crate::outline)
/// uses those of `vector_block`.
#[derive(Debug, Clone, Copy)]
pub struct JsonBlock {
    low: u8x32,
    high: u8x32,
}

/// How a processor answers the questions.
pub(crate) trait Block: Copy {
    /// The bytes that are `byte`.
    fn equal(self, byte: u8) -> u64;

    /// The bytes that are `byte` but for the bit 0x20, which `byte` has: `{` stands for `[`, too.
    fn folded(self, byte: u8) -> u64;

    /// The bytes below 0x20: control characters.
    fn control(self) -> u64;

    /// Those, and the bytes from 0x80 on, which are no ASCII: one comparison, with a sign.
    fn unplain(self) -> u64;
}

/// What makes a [`Block`] of bytes: a proof that the processor can.
pub(crate) trait Lanes: Copy {
    type Block: Block;

    fn block(self, bytes: &[u8; JsonBlock::BYTES]) -> Self::Block;

    /// Has the memory there brought near, as it is about to be read; there need not be any.
    #[inline(always)]
    fn bring(self, _there: *const u8) {}
}

/// The vectors that every processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Lanes for Portable {
    type Block = JsonBlock;

    #[inline(always)]
    fn block(self, bytes: &[u8; JsonBlock::BYTES]) -> JsonBlock {
        JsonBlock::new(bytes)
    }
}

impl Block for JsonBlock {
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        self.mask(|half| half.simd_eq(u8x32::splat(byte)))
    }

    #[inline(always)]
    fn folded(self, byte: u8) -> u64 {
        self.mask(|half| (half | u8x32::splat(0x20)).simd_eq(u8x32::splat(byte)))
    }

    #[inline(always)]
    fn control(self) -> u64 {
        self.mask(|half| half.simd_eq(half.min(u8x32::splat(0x1f))))
    }

    #[inline(always)]
    fn unplain(self) -> u64 {
        // Of a bit mask only each byte's highest bit counts.
        self.mask(|half| half | half.simd_eq(half.min(u8x32::splat(0x1f))))
    }
}

impl JsonBlock {
    /// The bytes looked at together.
    pub const BYTES: usize = 64;

    /// A block of these bytes.
    #[inline(always)]
    pub fn new(bytes: &[u8; Self::BYTES]) -> Self {
        let (low, high) = bytes.split_at(32);
        let half = |bytes: &[u8]| u8x32::from(*bytes.first_chunk::<32>().unwrap_or(&[0; 32]));
        Self { low: half(low), high: half(high) }
    }

    // Plain pairs rather than arrays: `array::map` is not inlined, and costs more than the comparison.
    #[inline(always)]
    fn mask(self, answer: impl Fn(u8x32) -> u8x32) -> u64 {
        let (low, high) = (answer(self.low).to_bitmask(), answer(self.high).to_bitmask());
        u64::from(low) | u64::from(high) << 32
    }

    /// The bytes that are `byte`.
    #[inline(always)]
    pub fn equal(self, byte: u8) -> u64 {
        Block::equal(self, byte)
    }

    /// The bytes `{` and `[`.
    #[inline(always)]
    pub fn opening(self) -> u64 {
        self.folded(b'{')
    }

    /// The bytes `}` and `]`.
    #[inline(always)]
    pub fn closing(self) -> u64 {
        self.folded(b'}')
    }

    /// The bytes that a JSON string cannot hold as they are: control characters, quotes and back slashes.
    #[inline(always)]
    pub fn escaped_in_string(self) -> u64 {
        self.mask(|half| {
            half.simd_eq(u8x32::splat(b'"'))
                | half.simd_eq(u8x32::splat(b'\\'))
                | half.simd_eq(half.min(u8x32::splat(0x1f)))
        })
    }

    /// The bytes after an escaping back slash, and whether the block's last byte is such a one.
    /// `first_is_escaped`: the last byte of the block before was.
    #[inline(always)]
    pub fn escaped(self, first_is_escaped: bool) -> (u64, bool) {
        escaped(self.equal(b'\\'), first_is_escaped)
    }

    /// The bytes inside strings: from each opening quote up to, but without, its closing one. `quotes` are
    /// those that are not escaped; `carry` is all ones where the block begins inside a string.
    #[inline(always)]
    pub fn inside_strings(quotes: u64, carry: u64) -> u64 {
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^ carry
    }
}

/// See [`JsonBlock::escaped`].
#[inline(always)]
pub(crate) fn escaped(backslashes: u64, first_is_escaped: bool) -> (u64, bool) {
    let mut escaped = u64::from(first_is_escaped);
    let mut rest = backslashes & !escaped;
    while rest != 0 {
        let next = (rest & rest.wrapping_neg()).checked_shl(1).unwrap_or_default();
        if next == 0 {
            return (escaped, true);
        }
        escaped |= next;
        rest &= rest - 1;
        rest &= !next;
    }
    (escaped, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, one character a byte, filled with blanks.
    fn bytes(text: &str) -> [u8; JsonBlock::BYTES] {
        let mut bytes = [b' '; JsonBlock::BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    fn places(mask: u64) -> Vec<usize> {
        (0..JsonBlock::BYTES).filter(|place| mask >> place & 1 == 1).collect()
    }

    #[test]
    fn each_byte_has_its_bit() {
        for byte in 0..=255_u8 {
            for place in 0..JsonBlock::BYTES {
                let mut bytes = [b'.'; JsonBlock::BYTES];
                bytes[place] = byte;
                let block = JsonBlock::new(&bytes);
                let here = |is: bool| if is { 1_u64 << place } else { 0 };
                assert_eq!(block.equal(b'"'), here(byte == b'"'));
                assert_eq!(block.equal(b','), here(byte == b','));
                assert_eq!(block.opening(), here(b"{[".contains(&byte)));
                assert_eq!(block.closing(), here(b"}]".contains(&byte)));
                assert_eq!(block.control(), here(byte < b' '));
                assert_eq!(block.unplain(), here(byte < b' ' || !byte.is_ascii()));
                assert_eq!(block.escaped_in_string(), here(byte < b' ' || b"\"\\".contains(&byte)));
            }
        }
    }

    #[test]
    fn a_full_block_is_full() {
        assert_eq!(JsonBlock::new(&[b'"'; JsonBlock::BYTES]).equal(b'"'), u64::MAX);
        assert_eq!(JsonBlock::new(&[b'{'; JsonBlock::BYTES]).opening(), u64::MAX);
    }

    #[test]
    fn strings_reach_from_quote_to_quote() {
        let quotes = JsonBlock::new(&bytes(r#"{"a":"b{"}"#)).equal(b'"');
        assert_eq!(places(JsonBlock::inside_strings(quotes, 0)), [1, 2, 5, 6, 7]);
        assert_eq!(JsonBlock::inside_strings(0, u64::MAX), u64::MAX);
    }

    #[test]
    fn every_second_back_slash_escapes() {
        for (text, first, expected) in [
            (r#"\"ab"#, false, vec![1]),
            (r#"\\"ab"#, false, vec![1]),
            (r#"\\\"ab"#, false, vec![1, 3]),
            (r#"\"ab"#, true, vec![0]),
            (r#"a\b\\"#, false, vec![2, 4]),
        ] {
            let block = JsonBlock::new(&bytes(text));
            assert_eq!(places(block.escaped(first).0), expected, "{text}");
        }
        assert_eq!(escaped(1 << 63, false), (0, true));
        assert_eq!(escaped(1 << 63, true), (1, true));
        assert_eq!(escaped(u64::MAX, false), (0xaaaa_aaaa_aaaa_aaaa, false));
        assert_eq!(escaped(u64::MAX, true), (0x5555_5555_5555_5555, true));
    }
}
