//! Where an object or array ends, without parsing it: strings are skipped, brackets are matched.

use event::JsonBlock;

const BLOCK: usize = JsonBlock::BYTES;

/// The deepest nesting that is followed: one bit a level. `normalize` refuses more than 64 anyway.
const MAX_DEPTH: u32 = 128;

/// What a scan came upon; positions count from the start of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing so far: more bytes are needed.
    More,
    /// The value ends before this position.
    End(u64),
    /// The value is a container: at this position opens its list, which holds objects or nothing.
    List(u64),
    /// This cannot be JSON.
    Broken {
        /// Where it shows; what is wrong may lie before.
        at: u64,
        /// What is wrong.
        problem: Problem,
    },
}

/// Why a value cannot be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// A string goes over the end of a line, as in a line that was cut off.
    LineBreakInString,
    /// An opening bracket that follows neither a colon nor, in an array, a comma.
    StrayBracket,
    /// `}` where `]` is due, or the other way round.
    WrongBracket,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl Problem {
    /// In words, as the start of a reject's reason.
    pub(super) fn describe(self, at: u64) -> String {
        match self {
            Self::LineBreakInString => format!("not_json: a string does not end before byte {at}"),
            Self::StrayBracket => format!("not_json: no bracket can open at byte {at}"),
            Self::WrongBracket => format!("not_json: the wrong bracket closes at byte {at}"),
            Self::TooDeep => format!("too_deep: more than {MAX_DEPTH} levels at byte {at}"),
        }
    }
}

/// How far the scan of one value has come. It can be taken up again when there are more bytes.
#[derive(Debug, Clone)]
pub(super) struct ValueScan {
    /// The first byte that is still to be looked at.
    at: u64,
    /// The brackets that are open.
    depth: u32,
    /// One bit for each of them, the innermost lowest: 1 for `{`, 0 for `[`.
    objects: u128,
    /// All ones inside a string.
    in_string: u64,
    /// Whether a back slash escapes the next byte.
    escaped: bool,
    /// The last byte before `at` that is no white space.
    previous: u8,
    /// The `[` of a member that can be a container's list, until the next bracket shows it.
    list: Option<u64>,
}

impl ValueScan {
    /// A scan of the value whose opening bracket is at `at`.
    pub(super) fn new(at: u64) -> Self {
        Self { at, depth: 0, objects: 0, in_string: 0, escaped: false, previous: 0, list: None }
    }

    /// A scan of the rest of an object, after one of its members ended before `at`.
    pub(super) fn inside_object(at: u64) -> Self {
        Self { depth: 1, objects: 1, previous: b']', ..Self::new(at) }
    }

    /// The first byte that is still needed.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Goes on with `bytes`, the input from [`at`](Self::at) on. `names_list` says of an array that is
    /// a member of the outermost object whether its name is one of a container's list.
    pub(super) fn advance(&mut self, bytes: &[u8], names_list: impl Fn(u64) -> bool) -> Found {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            let found = self.block(block, &names_list);
            if found != Found::More {
                return found;
            }
        }
        // The rest is looked at now, because the value may end in it, and again when the block is full.
        let mut block = [b' '; BLOCK];
        if let Some(start) = block.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        self.clone().block(&block, &names_list)
    }

    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], names_list: &impl Fn(u64) -> bool) -> Found {
        let bytes = JsonBlock::new(block);
        let (escaped, next_escaped) = bytes.escaped(self.escaped);
        let strings = JsonBlock::inside_strings(bytes.equal(b'"') & !escaped, self.in_string);
        let torn = bytes.equal(b'\n') & strings;
        let mut brackets = (bytes.opening() | bytes.closing()) & !strings;
        if torn != 0 {
            brackets &= (torn & torn.wrapping_neg()) - 1;
        }
        while brackets != 0 {
            let place = brackets.trailing_zeros() as usize;
            brackets &= brackets - 1;
            let found = self.bracket(block, place, names_list);
            if found != Found::More {
                return found;
            }
        }
        if torn != 0 {
            return Found::Broken {
                at: self.at + u64::from(torn.trailing_zeros()),
                problem: Problem::LineBreakInString,
            };
        }
        self.escaped = next_escaped;
        self.in_string = if strings >> (BLOCK - 1) == 1 { u64::MAX } else { 0 };
        self.previous = last_significant(block).unwrap_or(self.previous);
        self.at += BLOCK as u64;
        Found::More
    }

    #[inline]
    fn bracket(&mut self, block: &[u8; BLOCK], place: usize, names_list: &impl Fn(u64) -> bool) -> Found {
        let at = self.at + place as u64;
        let (before, from) = block.split_at_checked(place).unwrap_or_default();
        let before = last_significant(before).unwrap_or(self.previous);
        let bracket = from.first().copied().unwrap_or_default();
        let list = self.list.take();
        match bracket {
            b'{' | b'[' => {
                if let (Some(list), b'{', b'[') = (list, bracket, before) {
                    return Found::List(list);
                }
                self.open(bracket, before, at, names_list)
            }
            _ => {
                if let (Some(list), b'[') = (list, before) {
                    return Found::List(list);
                }
                self.close(bracket, at)
            }
        }
    }

    #[inline]
    fn open(&mut self, bracket: u8, before: u8, at: u64, names_list: &impl Fn(u64) -> bool) -> Found {
        let in_object = self.objects & 1 == 1;
        let is_due = match (self.depth, in_object) {
            (0, _) => true,
            (_, true) => before == b':',
            (_, false) => matches!(before, b'[' | b','),
        };
        if !is_due {
            return Found::Broken { at, problem: Problem::StrayBracket };
        }
        if self.depth == MAX_DEPTH {
            return Found::Broken { at, problem: Problem::TooDeep };
        }
        if bracket == b'[' && in_object && self.depth == 1 && names_list(at) {
            self.list = Some(at);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(bracket == b'{');
        Found::More
    }

    #[inline]
    fn close(&mut self, bracket: u8, at: u64) -> Found {
        let in_object = self.objects & 1 == 1;
        if in_object != (bracket == b'}') {
            return Found::Broken { at, problem: Problem::WrongBracket };
        }
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        if self.depth == 0 { Found::End(at + 1) } else { Found::More }
    }
}

/// The last byte that is no white space.
#[inline]
fn last_significant(bytes: &[u8]) -> Option<u8> {
    bytes.iter().rev().find(|byte| !byte.is_ascii_whitespace()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Found {
        ValueScan::new(0).advance(text.as_bytes(), |_| false)
    }

    #[test]
    fn a_value_ends_at_its_bracket() {
        for text in [
            "{}",
            "[]",
            r#"{"a":{"b":[1,{"c":[]}]}}"#,
            r#"{"a":"}"}"#,
            r#"{"a":"\"}"}"#,
            r#"{"a":"\\"}"#,
            "{\n  \"a\": [\n    {\n    }\n  ]\n}",
        ] {
            assert_eq!(scan(&format!("{text} {{")), Found::End(text.len() as u64), "{text}");
            // Wherever the blocks fall.
            for width in 0..2 * BLOCK {
                let wide = format!("{{\"{}\":{text}}}", "x".repeat(width));
                assert_eq!(scan(&wide), Found::End(wide.len() as u64), "{wide}");
                let strings = format!("[{}{text}]", "\"\\\\\",".repeat(width));
                assert_eq!(scan(&strings), Found::End(strings.len() as u64), "{strings}");
            }
        }
    }

    #[test]
    fn an_unfinished_value_wants_more() {
        for text in ["{", "{\"a\":{}", "{\"a\":\"}", "{\"a\":\"\\\"}", ""] {
            assert_eq!(scan(text), Found::More, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_json_is_broken() {
        for (text, at, problem) in [
            ("{\"a\":\"b\n{", 7, Problem::LineBreakInString),
            ("{\"a\":1\n{", 7, Problem::StrayBracket),
            ("{\"a\":1,\n{", 8, Problem::StrayBracket),
            ("[1\n{", 3, Problem::StrayBracket),
            ("[{} {", 4, Problem::StrayBracket),
            ("{\"a\":[1}", 7, Problem::WrongBracket),
            ("{]", 1, Problem::WrongBracket),
        ] {
            assert_eq!(scan(text), Found::Broken { at, problem }, "{text}");
        }
        assert_eq!(scan(&"[".repeat(129)), Found::Broken { at: 128, problem: Problem::TooDeep });
        assert_eq!(scan(&("[".repeat(128) + &"]".repeat(128))), Found::End(256));
    }

    #[test]
    fn a_list_is_known_by_its_first_element() {
        let list = |text: &str| ValueScan::new(0).advance(text.as_bytes(), |at| at == 5);
        assert_eq!(list(r#"{"a":[{"b":1}]}"#), Found::List(5));
        assert_eq!(list(r#"{"a":[ ]}"#), Found::List(5));
        assert_eq!(list(r#"{"a":[ "#), Found::More);
        assert_eq!(list(r#"{"a":[1]}"#), Found::End(9));
        assert_eq!(list(r#"{"a":[1,{}]}"#), Found::End(12));
        assert_eq!(list(r#"{"a":[[]]}"#), Found::End(10));
    }

    #[test]
    fn a_scan_can_be_taken_up_again() {
        let text = format!(r#"{{"a":"{}\"","b":[{{"c":[]}}]}}"#, "xy".repeat(70));
        let mut scan = ValueScan::new(0);
        for end in 0..text.len() {
            assert_eq!(scan.advance(&text.as_bytes()[scan.at() as usize..end], |_| false), Found::More);
        }
        let end = text.len() as u64;
        assert_eq!(scan.advance(&text.as_bytes()[scan.at() as usize..], |_| false), Found::End(end));
    }

    #[test]
    fn the_rest_of_an_object_can_be_scanned_alone() {
        let rest = |text: &str| ValueScan::inside_object(7).advance(text.as_bytes(), |_| false);
        assert_eq!(rest("}"), Found::End(8));
        assert_eq!(rest(r#","next":{"a":[]}}"#), Found::End(24));
        assert_eq!(rest("]"), Found::Broken { at: 7, problem: Problem::WrongBracket });
        assert_eq!(rest("{"), Found::Broken { at: 7, problem: Problem::StrayBracket });
    }
}
