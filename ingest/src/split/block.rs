//! Sixty-four bytes at a time: which of them are quotes, back slashes, brackets, line breaks.
//!
//! The idea is that of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019):
//! turn each question into one bit a byte, then work on whole words. Nothing here needs unsafe code:
//! the compiler turns the comparisons into vector instructions, and one multiplication gathers
//! eight of their results.

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
        Self {
            quotes: mask(block, |byte| byte == b'"'),
            backslashes: rare_mask(block, |byte| byte == b'\\'),
            // `[` and `{`, and `]` and `}`, differ in one bit.
            brackets: mask(block, |byte| matches!(byte | 0x20, b'{' | b'}')),
            line_breaks: rare_mask(block, |byte| byte == b'\n'),
        }
    }
}

/// Asks `is` of each byte.
#[expect(clippy::indexing_slicing, reason = "both are as long as the loop, which becomes vector code")]
#[inline]
fn mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0_u8; BLOCK];
    for place in 0..BLOCK {
        flags[place] = u8::from(is(block[place]));
    }
    let (words, _) = flags.as_chunks::<8>();
    let mut bits = 0;
    for word in words {
        // The first word ends up lowest.
        bits = bits >> 8 | gather(u64::from_le_bytes(*word)) << (BLOCK - 8);
    }
    bits
}

/// As [`mask`], for bytes that most blocks do not have.
#[inline]
fn rare_mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let any = block.iter().fold(false, |any, byte| any | is(*byte));
    if any { mask(block, is) } else { 0 }
}

/// The lowest bits of eight bytes, side by side: byte `i` is 0 or 1 and is moved from bit `8 * i` to
/// bit `56 + i`; no two of the partial products meet, so nothing carries.
#[inline]
fn gather(flags: u64) -> u64 {
    flags.wrapping_mul(0x0102_0408_1020_4080) >> 56
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
