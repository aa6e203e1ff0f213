//! Sixty-four bytes at a time: which of them are quotes, back slashes, brackets, line breaks.
//!
//! The idea is that of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019):
//! turn each question into one bit a byte, then work on whole words.

use wide::u8x32;

/// The bytes looked at together.
pub(super) const BLOCK: usize = 64;

/// One bit a byte of a block, the first byte in the lowest bit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// `{`, `}`, `[` and `]`.
    pub(super) brackets: u64,
    pub(super) line_breaks: u64,
}

impl Marks {
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let (halves, _) = block.as_chunks::<32>();
        let half = |at: usize| u8x32::from(halves.get(at).copied().unwrap_or_default());
        let halves = [half(0), half(1)];
        let is = |byte: u8| mask(halves.map(|half| half.simd_eq(u8x32::splat(byte))));
        // `[` and `{`, and `]` and `}`, differ in one bit.
        let bit = u8x32::splat(0x20);
        let is_bracket = |half: u8x32| {
            let folded = half | bit;
            folded.simd_eq(u8x32::splat(b'{')) | folded.simd_eq(u8x32::splat(b'}'))
        };
        Self {
            quotes: is(b'"'),
            backslashes: is(b'\\'),
            brackets: mask(halves.map(is_bracket)),
            line_breaks: is(b'\n'),
        }
    }
}

/// One bit for each byte that is all ones.
#[inline]
fn mask([low, high]: [u8x32; 2]) -> u64 {
    u64::from(low.to_bitmask()) | u64::from(high.to_bitmask()) << 32
}

/// The bytes after an escaping back slash, and whether the block's last byte is such a one.
#[inline]
pub(super) fn escaped(backslashes: u64, first_is_escaped: bool) -> (u64, bool) {
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

/// The bytes inside strings: from each opening quote up to, but without, its closing one.
/// `carry` is all ones where the block begins inside a string.
#[inline]
pub(super) fn inside_strings(quotes: u64, carry: u64) -> u64 {
    let mut inside = quotes;
    for shift in [1, 2, 4, 8, 16, 32] {
        inside ^= inside << shift;
    }
    inside ^ carry
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Block text, one character a byte, filled with blanks.
    fn block(text: &str) -> [u8; BLOCK] {
        let mut block = [b' '; BLOCK];
        block[..text.len()].copy_from_slice(text.as_bytes());
        block
    }

    fn places(mask: u64) -> Vec<usize> {
        (0..BLOCK).filter(|place| mask >> place & 1 == 1).collect()
    }

    #[test]
    fn each_byte_has_its_bit() {
        for byte in 0..=255_u8 {
            for place in 0..BLOCK {
                let mut block = [b'.'; BLOCK];
                block[place] = byte;
                let marks = Marks::of(&block);
                let here = 1_u64 << place;
                assert_eq!(marks.quotes, if byte == b'"' { here } else { 0 });
                assert_eq!(marks.backslashes, if byte == b'\\' { here } else { 0 });
                assert_eq!(marks.brackets, if b"{}[]".contains(&byte) { here } else { 0 });
                assert_eq!(marks.line_breaks, if byte == b'\n' { here } else { 0 });
            }
        }
    }

    #[test]
    fn a_full_block_is_full() {
        assert_eq!(Marks::of(&[b'"'; BLOCK]).quotes, u64::MAX);
        assert_eq!(Marks::of(&[b'{'; BLOCK]).brackets, u64::MAX);
    }

    #[test]
    fn strings_reach_from_quote_to_quote() {
        let marks = Marks::of(&block(r#"{"a":"b{"}"#));
        assert_eq!(places(inside_strings(marks.quotes, 0)), [1, 2, 5, 6, 7]);
        assert_eq!(inside_strings(0, u64::MAX), u64::MAX);
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
            let marks = Marks::of(&block(text));
            assert_eq!(places(escaped(marks.backslashes, first).0), expected, "{text}");
        }
        assert_eq!(escaped(1 << 63, false), (0, true));
        assert_eq!(escaped(1 << 63, true), (1, true));
        assert_eq!(escaped(u64::MAX, false), (0xaaaa_aaaa_aaaa_aaaa, false));
        assert_eq!(escaped(u64::MAX, true), (0x5555_5555_5555_5555, true));
    }
}
