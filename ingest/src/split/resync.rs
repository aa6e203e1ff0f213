//! Where to go on after a record that cannot be read.
//!
//! A broken record does not show where it ends, so the next one is known by how it begins:
//! - on a line that starts as the line of the broken one did, with the same white space and bracket
//!   (the next line of NDJSON, the next element of a pretty-printed array);
//! - on a line that starts as that of a container around it did: the container is given up
//!   (the next `{"records":[…]}` of NDJSON);
//! - within one line, after a comma and with the same first key as the broken one
//!   (`,{"eventVersion":` in the long line of a CloudTrail object).
//!
//! Where nothing of this comes, the rest of the input is one reject.

use memchr::memmem::Finder;

/// The longest first key that is looked for.
const MAX_HEAD_BYTES: usize = 128;

/// How a record can begin.
#[derive(Debug)]
struct Beginning {
    text: Finder<'static>,
    /// The part of `text` that belongs to what lies before.
    skip: usize,
    /// How many of the open lists stay open if the input goes on here.
    lists: usize,
}

/// Where the input can be read again.
#[derive(Debug)]
pub(super) struct Next {
    /// The position.
    pub(super) at: u64,
    /// How many of the open lists are still open there.
    pub(super) lists: usize,
    /// The line so far.
    pub(super) indent: Indent,
}

/// A search for the next readable record.
#[derive(Debug)]
pub(super) struct Resync {
    beginnings: Vec<Beginning>,
    /// The first byte that is still to be looked at.
    at: u64,
    /// What is told of the bytes in between.
    pub(super) reason: String,
}

impl Resync {
    /// A search from `at` on.
    pub(super) fn new(at: u64, reason: String) -> Self {
        Self { beginnings: Vec::new(), at, reason }
    }

    /// The first byte that is still needed.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Stops at a line that begins with `indent` and `bracket`; `lists` stay open there.
    pub(super) fn add_line(&mut self, line: &LineStart, lists: usize) {
        let mut text = vec![b'\n'];
        text.extend_from_slice(&line.indent);
        let skip = text.len();
        text.push(line.bracket);
        self.beginnings.push(Beginning { text: Finder::new(&text).into_owned(), skip, lists });
    }

    /// Stops at an element of the same list that has the same first key as `broken`.
    pub(super) fn add_head(&mut self, broken: &[u8], lists: usize) {
        let head = broken.get(..broken.len().min(MAX_HEAD_BYTES)).unwrap_or_default();
        let Some(colon) = memchr::memchr(b':', head) else { return };
        let mut text = vec![b','];
        text.extend_from_slice(head.get(..=colon).unwrap_or_default());
        self.beginnings.push(Beginning { text: Finder::new(&text).into_owned(), skip: 1, lists });
    }

    /// Goes on with `bytes`, the input from [`at`](Self::at) on.
    pub(super) fn advance(&mut self, bytes: &[u8], is_end: bool) -> Option<Next> {
        let longest =
            self.beginnings.iter().map(|beginning| beginning.text.needle().len()).max().unwrap_or(0);
        let mut first: Option<(usize, &Beginning)> = None;
        for beginning in &self.beginnings {
            let Some(place) = beginning.text.find(bytes) else { continue };
            if first.is_none_or(|(earliest, _)| place < earliest) {
                first = Some((place, beginning));
            }
        }
        match first {
            // Another one that begins earlier may be there in part: wait for the rest of it.
            Some((place, beginning)) if is_end || bytes.len() - place >= longest => {
                let mut indent = Indent::default();
                let text = beginning.text.needle().get(..beginning.skip).unwrap_or_default();
                text.iter().for_each(|byte| indent.any(*byte));
                Some(Next { at: self.at + (place + beginning.skip) as u64, lists: beginning.lists, indent })
            }
            Some((place, _)) => {
                self.at += place.saturating_sub(longest) as u64;
                None
            }
            None => {
                self.at += bytes.len().saturating_sub(longest.saturating_sub(1)) as u64;
                None
            }
        }
    }
}

/// How the line of a record or container starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineStart {
    pub(super) indent: Vec<u8>,
    pub(super) bracket: u8,
}

impl LineStart {
    /// That of a container at the very beginning of a line.
    pub(super) fn of_container() -> Self {
        Self { indent: Vec::new(), bracket: b'{' }
    }
}

/// White space since the last line break, as long as nothing else came.
#[derive(Debug, Default)]
pub(super) struct Indent {
    blanks: Vec<u8>,
    /// Something else stands on this line.
    used: bool,
}

impl Indent {
    /// More than this is not looked for again.
    const MAX_BYTES: usize = 64;

    /// Takes note of a byte of white space.
    pub(super) fn blank(&mut self, byte: u8) {
        if byte == b'\n' {
            self.blanks.clear();
            self.used = false;
        } else if self.blanks.len() == Self::MAX_BYTES {
            self.used = true;
        } else if !self.used {
            self.blanks.push(byte);
        }
    }

    fn any(&mut self, byte: u8) {
        if byte.is_ascii_whitespace() { self.blank(byte) } else { self.other() }
    }

    /// Takes note of anything else.
    pub(super) fn other(&mut self) {
        self.used = true;
    }

    /// The start of this line, if `bracket` is the first on it.
    pub(super) fn line(&self, bracket: u8) -> Option<LineStart> {
        (!self.used).then(|| LineStart { indent: self.blanks.clone(), bracket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(indent: &str, bracket: u8) -> LineStart {
        LineStart { indent: indent.into(), bracket }
    }

    #[test]
    fn the_earliest_beginning_wins() {
        let mut resync = Resync::new(100, String::new());
        resync.add_line(&line("  ", b'{'), 1);
        resync.add_line(&line("", b'['), 0);
        let mut search = |text: &str| resync.advance(text.as_bytes(), true).map(|next| (next.at, next.lists));
        assert_eq!(search("x\n[\n  {"), Some((102, 0)));
        assert_eq!(search("x\n  {\n["), Some((104, 1)));
        assert_eq!(search("x\n   {\n ]"), None);
    }

    #[test]
    fn the_line_goes_on_as_it_was_found() {
        let mut resync = Resync::new(0, String::new());
        resync.add_line(&line(" \t", b'{'), 1);
        resync.add_head(b"{\"a\":", 1);
        let next = resync.advance(b"x\n \t{", true).unwrap();
        assert_eq!(next.indent.line(b'{'), Some(line(" \t", b'{')));
        let next = resync.advance(b"\n,{\"a\":", true).unwrap();
        assert_eq!(next.indent.line(b'{'), None);
    }

    #[test]
    fn the_place_does_not_depend_on_the_pieces() {
        let input = b"..,{\"b\":1},\n    [{\"a\":2},{\"b\":3}";
        let search = |step: usize| {
            let mut resync = Resync::new(0, String::new());
            resync.add_line(&line("    ", b'['), 0);
            resync.add_head(b"{\"a\":9}", 1);
            resync.add_head(b"{\"b\":", 1);
            let mut end = 0;
            loop {
                end = (end + step).min(input.len());
                let found = resync.advance(&input[resync.at() as usize..end], end == input.len());
                if found.is_some() || end == input.len() {
                    return found.map(|next| (next.at, next.lists));
                }
            }
        };
        for step in 1..=input.len() {
            assert_eq!(search(step), Some((3, 1)), "step {step}");
        }
    }

    #[test]
    fn an_indent_is_white_space_alone() {
        let mut indent = Indent::default();
        assert_eq!(indent.line(b'{'), Some(line("", b'{')));
        b"\n \t".iter().for_each(|byte| indent.blank(*byte));
        assert_eq!(indent.line(b'{'), Some(line(" \t", b'{')));
        indent.other();
        indent.blank(b' ');
        assert_eq!(indent.line(b'{'), None);
        indent.blank(b'\n');
        (0..65).for_each(|_| indent.blank(b' '));
        assert_eq!(indent.line(b'{'), None, "too wide");
    }
}
