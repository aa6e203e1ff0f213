//! Where the outer members of a JSON object begin, found while its end is looked for.
//!
//! Who wants a dozen members of a record and nothing of the other fourteen hundred bytes need not note where
//! every value lies. Here 64 bytes at a time are turned into masks ([`JsonBlock`]), and the grammar is checked
//! on whole words: what may follow what holds between neighbours, and only brackets, escapes and bare words
//! are looked at one by one.
//!
//! Only objects without blanks between tokens are read, as clouds write them. Whatever is not sound, or not
//! like that, is left to the caller.

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

use crate::JsonBlock;
use crate::json_block::{Block, Lanes, Portable, escaped};

/// How deep a record may nest.
pub const MAX_DEPTH: usize = 64;
/// How many keys a record may have in all its objects.
pub const MAX_KEYS: usize = 20_000;
/// The longest number in a record, in characters.
pub const MAX_NUMBER_CHARS: usize = 64;

/// The member whose keys an outline has, too: who called, in CloudTrail.
pub const OUTLINED_MEMBER: &[u8] = b"\"userIdentity\":";

/// How far ahead memory is asked for, in bytes: about a record, as the records to come lie there. What processors
/// foresee by themselves ends with each page, which costs a tenth of the whole way from bytes to matches.
const AHEAD: usize = 2_048;

/// The bytes of `"":1,`.
const SHORTEST_MEMBER: usize = 5;

/// A key of the outermost object, or of the one member whose keys are asked for. A record has dozens of them,
/// so each is one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OuterKey(u32);

impl OuterKey {
    /// Bits behind any place: an outline covers `MAX_KEYS * SHORTEST_MEMBER` bytes.
    const INNER: u32 = 1 << 31;
    const ASCII: u32 = 1 << 30;

    #[inline(always)]
    fn new(at: usize, is_inner: bool) -> Self {
        Self(at as u32 | if is_inner { Self::INNER } else { 0 })
    }

    /// Where the key begins, behind its opening quote, counted from the object's bracket.
    #[inline(always)]
    pub fn at(self) -> usize {
        (self.0 & !(Self::INNER | Self::ASCII)) as usize
    }

    /// Whether it lies in that member.
    #[inline(always)]
    pub fn is_inner(self) -> bool {
        self.0 & Self::INNER != 0
    }

    /// Whether the whole object is ASCII. Only its first key knows; `false` where that is not known.
    #[inline(always)]
    pub fn begins_ascii(self) -> bool {
        self.0 & Self::ASCII != 0
    }
}

/// The length in bytes of the object that `bytes` begins with, and its outer keys in order, each as often as
/// it is there, added to `keys`; of its member `inner` (its name with both quotes and the colon), if that is
/// an object, the keys, too.
///
/// `None`, and some keys may have been added: the object is not sound JSON or does not end in `bytes`, it
/// holds blanks between tokens, an escape in a key or a control character, it passes one of the limits here,
/// or `is_refused` says so of a list among its members, of which it is given the bytes up to its bracket.
/// What is no UTF-8 inside strings is not noticed, unless the first key says that
/// [all is ASCII](OuterKey::begins_ascii).
#[inline]
pub fn outline(
    bytes: &[u8],
    inner: &[u8],
    keys: &mut Vec<OuterKey>,
    is_refused: impl Fn(&[u8]) -> bool,
) -> Option<usize> {
    if bytes.first() != Some(&b'{') {
        return None;
    }
    // What is longer may have too many keys, and is rare.
    let bytes = bytes.get(..MAX_KEYS * SHORTEST_MEMBER).unwrap_or(bytes);
    let reading = Reading { bytes, inner, keys, is_refused };
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = V4::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || reading.walk(simd),
            );
        }
        if let Some(simd) = V3::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || reading.walk(simd),
            );
        }
    }
    reading.walk(Portable)
}

/// What [`outline`] was asked.
struct Reading<'a, 'k, R> {
    bytes: &'a [u8],
    inner: &'a [u8],
    keys: &'k mut Vec<OuterKey>,
    is_refused: R,
}

impl<R: Fn(&[u8]) -> bool> Reading<'_, '_, R> {
    #[inline(always)]
    fn walk(self, lanes: impl Lanes) -> Option<usize> {
        let Self { bytes, inner, keys, is_refused } = self;
        let first = keys.len();
        let mut walk = Walk::new(bytes, inner, keys);
        let (blocks, rest) = bytes.as_chunks::<{ JsonBlock::BYTES }>();
        for block in blocks {
            walk.block(lanes, block, u64::MAX, &is_refused)?;
            if walk.end != 0 {
                return walk.length(first);
            }
        }
        let mut block = [b' '; JsonBlock::BYTES];
        block.get_mut(..rest.len())?.copy_from_slice(rest);
        walk.block(lanes, &block, (1 << rest.len()) - 1, &is_refused)?;
        walk.length(first)
    }
}

/// What the bytes of the block before were.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    opening: u64,
    /// A colon or comma. The object itself comes as if after one.
    separator: u64,
    scalar: u64,
    /// The closing quote of a key.
    key_end: u64,
    /// What a key must follow: `{`, or a comma between members.
    member: u64,
}

/// How far a text was read.
struct Walk<'a, 'k> {
    bytes: &'a [u8],
    inner: &'a [u8],
    keys: &'k mut Vec<OuterKey>,
    at: usize,
    depth: usize,
    /// One bit for each open bracket, the innermost lowest: 1 for `{`.
    objects: u64,
    /// Whether the last member that is an object is the one asked for.
    in_inner: bool,
    /// Where the bytes to come lie: all ones or none in each mask.
    nest: Nest,
    in_string: u64,
    /// 1 inside a key.
    in_key: u64,
    escaped: bool,
    before: Before,
    /// What is not sound, wherever it is: asked once in the end.
    wrong: u64,
    is_ascii: bool,
    /// Where the object ended, or 0.
    end: usize,
}

impl<'a, 'k> Walk<'a, 'k> {
    fn new(bytes: &'a [u8], inner: &'a [u8], keys: &'k mut Vec<OuterKey>) -> Self {
        Self {
            bytes,
            inner,
            keys,
            at: 0,
            depth: 0,
            objects: 0,
            in_inner: false,
            nest: Nest::default(),
            in_string: 0,
            in_key: 0,
            escaped: false,
            before: Before { separator: 1 << 63, ..Before::default() },
            wrong: 0,
            is_ascii: true,
            end: 0,
        }
    }

    /// The length of the object, if it has ended and is sound; `first` is the place of its first key.
    fn length(self, first: usize) -> Option<usize> {
        if self.is_ascii
            && let Some(key) = self.keys.get_mut(first)
        {
            key.0 |= OuterKey::ASCII;
        }
        (self.end != 0 && self.wrong == 0).then_some(self.end)
    }

    /// Reads the bytes of a block that `valid` has, up to the end of the object. Blanks between tokens look
    /// like bare words, and are as wrong.
    #[inline(always)]
    fn block(
        &mut self,
        lanes: impl Lanes,
        bytes: &[u8; JsonBlock::BYTES],
        valid: u64,
        is_refused: &impl Fn(&[u8]) -> bool,
    ) -> Option<()> {
        lanes.bring(self.bytes.as_ptr().wrapping_add(self.at + AHEAD));
        let block = lanes.block(bytes);
        let (escaped, next_escaped) = escaped(block.equal(b'\\'), self.escaped);
        let quotes = block.equal(b'"') & !escaped;
        let strings = JsonBlock::inside_strings(quotes, self.in_string);
        let ends = quotes & !strings;
        let outside = valid & !(strings | ends);
        let opening = block.folded(b'{') & outside;
        let brackets = opening | block.folded(b'}') & outside;
        let (nest, within) = self.brackets(bytes, brackets, opening, is_refused)?;
        // Behind the object's end is not ours.
        let (valid, outside) = (valid & within, outside & within);
        let (opening, closing) = (opening & within, brackets & !opening & within);
        if escaped != 0 {
            escapes(self.bytes.get(self.at..)?, escaped & strings & valid)?;
        }

        let commas = block.equal(b',') & outside;
        let separators = block.equal(b':') & outside | commas;
        let scalars = outside & !(brackets | separators);
        let members = nest.objects | commas & nest.in_object;

        let before = self.before;
        let after_opening = opening << 1 | before.opening >> 63;
        let after_separator = separators << 1 | before.separator >> 63;
        let after_member = members << 1 | before.member >> 63;
        let scalar_starts = scalars & !(scalars << 1 | before.scalar >> 63);

        let opens = quotes & strings;
        let keys = opens & after_member;
        // A key's run of string bytes, with one added at its start, carries over to its closing quote.
        let (sum, carried) = strings.overflowing_add(keys);
        let (sum, carried_in) = sum.overflowing_add(self.in_key);
        let key_ends = sum & ends;
        let after_key_end = key_ends << 1 | before.key_end >> 63;
        let colons = separators & !commas;

        let values = scalar_starts | opening;
        let due = after_opening | after_separator;
        // Something begins where it is due and nowhere else, but that a bracket may close at once.
        let wrong = (due ^ (opens | values) ^ (after_opening & closing))
            | (values & after_member)
            | (colons ^ after_key_end)
            // What remains of the sum are the runs of other strings: no escapes in keys.
            | (strings & !sum & escaped);
        self.wrong |= wrong & valid;
        let unplain = block.unplain() & valid;
        if unplain != 0 {
            self.is_ascii = false;
            self.wrong |= block.control() & valid;
        }
        self.scalars(scalar_starts)?;

        let mut shown = keys & (nest.outermost | nest.inner) & valid;
        while shown != 0 {
            let place = shown.trailing_zeros();
            let is_inner = nest.inner >> place & 1 == 1;
            self.keys.push(OuterKey::new(self.at + place as usize + 1, is_inner));
            shown &= shown - 1;
        }

        self.escaped = next_escaped;
        self.in_string = (strings >> 63).wrapping_neg();
        self.in_key = u64::from(carried | carried_in);
        self.before =
            Before { opening, separator: separators, scalar: scalars, key_end: key_ends, member: members };
        self.at += JsonBlock::BYTES;
        Some(())
    }

    /// Follows the brackets of a block, up to the one that ends the object; with the bytes up to there.
    #[inline(always)]
    fn brackets(
        &mut self,
        bytes: &[u8; JsonBlock::BYTES],
        brackets: u64,
        opening: u64,
        is_refused: &impl Fn(&[u8]) -> bool,
    ) -> Option<(Nest, u64)> {
        let mut nest = Nest::default();
        let mut rest = brackets;
        // The bytes from the last bracket on.
        let mut from = u64::MAX;
        while rest != 0 {
            let place = rest.trailing_zeros();
            let onward = u64::MAX << place;
            nest.add(&self.nest, from & !onward);
            from = onward;
            rest &= rest - 1;
            let is_object = u64::from(*bytes.get(place as usize)? >> 5 & 1);
            if opening >> place & 1 == 1 {
                if self.depth == MAX_DEPTH {
                    return None;
                }
                if self.depth == 1 {
                    let before = self.bytes.get(..self.at + place as usize)?;
                    if is_object == 0 && is_refused(before) {
                        return None;
                    }
                    // Most names differ in their last bytes already.
                    self.in_inner = is_object == 1
                        && self.inner.last_chunk::<8>().is_none_or(|end| before.last_chunk() == Some(end))
                        && before.ends_with(self.inner);
                }
                self.depth += 1;
                self.objects = self.objects << 1 | is_object;
                nest.objects |= is_object << place;
            } else {
                // `}` closes what `{` opened.
                if self.objects & 1 != is_object {
                    return None;
                }
                self.depth -= 1;
                self.objects >>= 1;
                if self.depth == 0 {
                    self.end = self.at + place as usize + 1;
                    return Some((nest, !(onward << 1)));
                }
            }
            self.nest.in_object = (self.objects & 1).wrapping_neg();
            self.nest.outermost = u64::from(self.depth == 1).wrapping_neg();
            self.nest.inner = u64::from(self.depth == 2 && self.in_inner).wrapping_neg();
        }
        nest.add(&self.nest, from);
        Some((nest, u64::MAX))
    }

    /// Checks numbers, `true`, `false` and `null`.
    #[inline(always)]
    fn scalars(&self, starts: u64) -> Option<()> {
        let mut rest = starts;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let text = self.bytes.get(self.at + place..)?;
            let length = match text.first()? {
                b't' => (text.first_chunk() == Some(b"true")).then_some(4),
                b'f' => (text.first_chunk() == Some(b"false")).then_some(5),
                b'n' => (text.first_chunk() == Some(b"null")).then_some(4),
                _ => number_length(text),
            }?;
            if !matches!(text.get(length), Some(b',' | b'}' | b']')) {
                return None;
            }
        }
        Some(())
    }
}

/// Checks what back slashes escape, in the block that `text` begins with.
// Not a method: what has its address taken does not live in registers.
#[cold]
fn escapes(text: &[u8], escaped: u64) -> Option<()> {
    let mut rest = escaped;
    while rest != 0 {
        let place = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        match text.get(place)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            b'u' => {
                let digits = text.get(place + 1..place + 5)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(())
}

/// What is known of the bytes of a block by the brackets around them.
#[derive(Debug, Default)]
struct Nest {
    /// The bytes whose innermost bracket is `{`.
    in_object: u64,
    /// Those directly in the outermost object.
    outermost: u64,
    /// Those directly in the member asked for.
    inner: u64,
    /// The brackets `{`.
    objects: u64,
}

impl Nest {
    /// The bytes of `range` lie as `there` says.
    #[inline(always)]
    fn add(&mut self, there: &Self, range: u64) {
        self.in_object |= there.in_object & range;
        self.outermost |= there.outermost & range;
        self.inner |= there.inner & range;
    }
}

/// The length of the number that a text begins with.
#[inline(always)]
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let count = text.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at = digits(at + usize::from(matches!(text.get(at), Some(b'+' | b'-'))))?;
    }
    (at <= MAX_NUMBER_CHARS).then_some(at)
}
