//! Where the outer members of a JSON object begin, found while its end is looked for.
//!
//! Who wants a dozen members of a record and nothing of the other fourteen hundred bytes need not note where
//! every value lies. Here 64 bytes at a time are turned into masks ([`JsonBlock`]), and the grammar is checked
//! on whole words: what may follow what holds between neighbours, and only brackets, escapes and bare words
//! are looked at one by one.
//!
//! Only objects without blanks between tokens are read, as clouds write them. Whatever is not sound, or not
//! like that, is left to the caller.

use crate::JsonBlock;

/// How deep a record may nest.
pub const MAX_DEPTH: usize = 64;
/// How many keys a record may have in all its objects.
pub const MAX_KEYS: usize = 20_000;
/// The longest number in a record, in characters.
pub const MAX_NUMBER_CHARS: usize = 64;

/// A key of the outermost object, or of an object that is one of its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OuterKey {
    /// Where the key begins, behind its opening quote, counted from the object's bracket.
    pub at: u32,
    /// Whether it lies in a member; that is the last outermost one before it.
    pub is_inner: bool,
}

/// The length in bytes of the object that `bytes` begins with, and its outer keys in order, each as often as
/// it is there, added to `keys`.
///
/// `None`, and some keys may have been added: the object is not sound JSON or does not end in `bytes`, it
/// holds blanks between tokens, an escape in a key or a control character, it passes one of the limits here,
/// or `is_refused` says so of a list among its members, of which it is given the bytes up to its bracket.
/// What is no UTF-8 inside strings is not noticed.
#[inline]
pub fn outline(bytes: &[u8], keys: &mut Vec<OuterKey>, is_refused: impl Fn(&[u8]) -> bool) -> Option<usize> {
    if bytes.first() != Some(&b'{') {
        return None;
    }
    // Positions have 32 bits; no record is so long.
    let bytes = bytes.get(..u32::MAX as usize).unwrap_or(bytes);
    let mut walk = Walk::new(bytes, keys);
    let (blocks, rest) = bytes.as_chunks::<{ JsonBlock::BYTES }>();
    for block in blocks {
        walk.block(block, u64::MAX, &is_refused)?;
        if walk.depth == 0 {
            return Some(walk.at);
        }
    }
    let mut block = [b' '; JsonBlock::BYTES];
    block.get_mut(..rest.len())?.copy_from_slice(rest);
    walk.block(&block, (1 << rest.len()) - 1, &is_refused)?;
    (walk.depth == 0).then_some(walk.at)
}

/// What the byte before a block was, as the lowest bit of a mask.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    opening: u64,
    colon: u64,
    comma: u64,
    scalar: u64,
    /// The closing quote of a key.
    key_end: u64,
    /// What a key must follow: `{`, or a comma between members.
    member: u64,
}

/// How far a text was read.
struct Walk<'a, 'k> {
    bytes: &'a [u8],
    keys: &'k mut Vec<OuterKey>,
    at: usize,
    depth: usize,
    /// One bit for each open bracket, the innermost lowest: 1 for `{`.
    objects: u64,
    in_string: u64,
    in_key: bool,
    escaped: bool,
    before: Before,
    key_count: usize,
}

impl<'a, 'k> Walk<'a, 'k> {
    fn new(bytes: &'a [u8], keys: &'k mut Vec<OuterKey>) -> Self {
        Self {
            bytes,
            keys,
            at: 0,
            depth: 0,
            objects: 0,
            in_string: 0,
            in_key: false,
            escaped: false,
            before: Before::default(),
            key_count: 0,
        }
    }

    /// Reads the bytes of a block that `valid` has, up to the end of the object.
    #[inline(always)]
    fn block(
        &mut self,
        bytes: &[u8; JsonBlock::BYTES],
        valid: u64,
        is_refused: &impl Fn(&[u8]) -> bool,
    ) -> Option<()> {
        let block = JsonBlock::new(bytes);
        let (escaped, next_escaped) = block.escaped(self.escaped);
        let quotes = block.equal(b'"') & !escaped;
        let strings = JsonBlock::inside_strings(quotes, self.in_string);
        let ends = quotes & !strings;
        let outside = valid & !strings & !ends;
        let opening = block.opening() & outside;
        let brackets = (block.opening() | block.closing()) & outside;
        let nest = self.brackets(bytes, brackets, opening, is_refused)?;
        // Behind the object's end is not ours.
        let (valid, outside) = (valid & nest.within, outside & nest.within);
        let (opening, closing) = (opening & nest.within, brackets & !opening & nest.within);

        // Blanks outside strings; a control character is nowhere allowed.
        let low = block.low() & valid;
        if low != 0 && (low & !strings != 0 || low & !block.equal(b' ') != 0) {
            return None;
        }
        if escaped != 0 {
            self.escapes(bytes, escaped & strings & valid)?;
        }

        let commas = block.equal(b',') & outside;
        let colons = block.equal(b':') & outside;
        let scalars = outside & !(opening | closing | commas | colons);

        let before = self.before;
        let member_commas = commas & nest.in_object;
        let after_opening = opening << 1 | before.opening;
        let after_colon = colons << 1 | before.colon;
        let after_comma = commas << 1 | before.comma;
        let after_scalar = scalars << 1 | before.scalar;
        let after_member = (nest.objects | member_commas) << 1 | before.member;

        let opens = quotes & strings;
        let scalar_starts = scalars & !after_scalar;
        let starts = opens | scalar_starts | opening;
        let keys = opens & after_member;
        // A key's run of string bytes, with one added at its start, carries over to its closing quote.
        let (sum, carried) = strings.overflowing_add(keys);
        let (sum, carried_in) = sum.overflowing_add(u64::from(self.in_key));
        let key_ends = sum & ends;
        // What remains of the sum are the runs of other strings.
        if escaped != 0 && strings & !sum & escaped & valid != 0 {
            return None;
        }
        let after_key_end = key_ends << 1 | before.key_end;

        let first = u64::from(self.at == 0);
        let wrong = (after_opening & !(starts | closing))
            | ((after_colon | after_comma) & !starts)
            | (starts & !(after_opening | after_colon | after_comma | first))
            | (after_member & !(opens | closing))
            | (colons ^ after_key_end);
        if wrong & valid != 0 {
            return None;
        }
        self.scalars(scalar_starts)?;

        self.key_count += (keys & valid).count_ones() as usize;
        if self.key_count > MAX_KEYS {
            return None;
        }
        let mut shown = keys & (nest.outermost | nest.inner) & valid;
        while shown != 0 {
            let place = shown.trailing_zeros();
            let is_inner = nest.inner >> place & 1 == 1;
            self.keys.push(OuterKey { at: (self.at + place as usize + 1) as u32, is_inner });
            shown &= shown - 1;
        }

        self.escaped = next_escaped;
        self.in_string = if strings >> 63 == 1 { u64::MAX } else { 0 };
        self.in_key = (carried || carried_in) && self.in_string != 0;
        self.before = Before {
            opening: opening >> 63,
            colon: colons >> 63,
            comma: commas >> 63,
            scalar: scalars >> 63,
            key_end: key_ends >> 63,
            member: (nest.objects | member_commas) >> 63,
        };
        self.at += valid.count_ones() as usize;
        Some(())
    }

    /// Follows the brackets of a block, up to the one that ends the object.
    #[inline(always)]
    fn brackets(
        &mut self,
        bytes: &[u8; JsonBlock::BYTES],
        brackets: u64,
        opening: u64,
        is_refused: &impl Fn(&[u8]) -> bool,
    ) -> Option<Nest> {
        let mut nest = Nest { within: u64::MAX, ..Nest::default() };
        let mut rest = brackets;
        let mut from = 0;
        while rest != 0 {
            let place = rest.trailing_zeros();
            nest.add(self, range(from, place));
            from = place;
            rest &= rest - 1;
            let is_object = bytes.get(place as usize)? & 0x20 != 0;
            if opening >> place & 1 == 1 {
                if self.depth == MAX_DEPTH {
                    return None;
                }
                if self.depth == 1 && !is_object && is_refused(self.bytes.get(..self.at + place as usize)?) {
                    return None;
                }
                self.depth += 1;
                self.objects = self.objects << 1 | u64::from(is_object);
                nest.objects |= u64::from(is_object) << place;
            } else {
                // `}` closes what `{` opened.
                if (self.objects & 1 == 1) != is_object {
                    return None;
                }
                self.depth -= 1;
                self.objects >>= 1;
                if self.depth == 0 {
                    nest.within = range(0, place + 1);
                    return Some(nest);
                }
            }
        }
        nest.add(self, range(from, 64));
        Some(nest)
    }

    /// Checks what back slashes escape.
    fn escapes(&self, bytes: &[u8; JsonBlock::BYTES], escaped: u64) -> Option<()> {
        let mut rest = escaped;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            match bytes.get(place)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    let digits = self.bytes.get(self.at + place + 1..self.at + place + 5)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                }
                _ => return None,
            }
        }
        Some(())
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

/// What is known of the bytes of a block by the brackets around them.
#[derive(Debug, Default)]
struct Nest {
    /// The bytes whose innermost bracket is `{`.
    in_object: u64,
    /// Those directly in the outermost object.
    outermost: u64,
    /// Those directly in an object that is a member of it.
    inner: u64,
    /// The brackets `{`.
    objects: u64,
    /// The bytes up to the end of the outermost object.
    within: u64,
}

impl Nest {
    /// The bytes of `range` lie where the walk stands.
    #[inline(always)]
    fn add(&mut self, walk: &Walk<'_, '_>, range: u64) {
        self.in_object |= range & (walk.objects & 1).wrapping_neg();
        self.outermost |= if walk.depth == 1 { range } else { 0 };
        self.inner |= if walk.depth == 2 && walk.objects & 1 == 1 { range } else { 0 };
    }
}

/// The bits from `from` up to but without `to`.
#[inline(always)]
fn range(from: u32, to: u32) -> u64 {
    let below = |place: u32| 1_u64.checked_shl(place).unwrap_or_default().wrapping_sub(1);
    below(to) & !below(from)
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
