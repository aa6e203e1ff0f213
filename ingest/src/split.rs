//! Bytes into records, without parsing them.
//!
//! A record is an object; the splitter finds where it ends by matching brackets outside strings, and
//! what separates records is recognised as it comes, so that shapes can follow each other:
//! - NDJSON, objects written one after another, one object a file, with any white space and byte
//!   order mark;
//! - arrays of objects;
//! - containers: an object with a top-level member named as in [`LISTS`] that is a list of objects
//!   (or empty). Its other members are dropped with it.
//!
//! - lines of text, as access logs have them. Where the first lines of a file name the fields of the others
//!   ([`header`]), each of these is handed out with them above it: the shortest file that says the same, so that
//!   a record tells all about itself wherever it goes;
//! - documents of many flows ([`flows`]): each flow is handed out in a copy of its document that holds no other.
//!
//! Every byte that is neither white space nor syntax around records is in exactly one record or
//! reject, whatever the input is, and however it is cut into pieces:
//! - what stands between records is handed on, line by line or element by element: `normalize` says
//!   what is wrong with it;
//! - an object that cannot be JSON is a reject; [`resync`] says where the splitter goes on;
//! - of a piece over the limit the first [`KEPT_BYTES`] are kept.
//!
//! Memory is bounded by twice the largest record and what is read at once, and by what a reader holds of a
//! batch until it is full.

mod buffer;
mod container;
mod flows;
mod header;
mod piece;
mod resync;
#[cfg(test)]
mod tests;
mod value;

use event::{OUTLINED_MEMBER, OuterKey, RawRecord, outline};

use buffer::Buffer;
pub use container::LISTS;
use container::names_list;
use flows::Flows;
use header::Header;
use piece::{Body, Piece, ScalarScan};
use resync::{Indent, LineStart, Next, Resync};
use value::{Found, ValueScan};

/// What is kept of a piece that is larger than the limit.
pub const KEPT_BYTES: usize = 64 << 10;

/// The bytes of a record for each of its outer keys, at least as a rule.
const BYTES_A_KEY: usize = 40;

/// A record is never larger, whatever the limit: a batch addresses its bytes with 32 bits.
const MAX_RECORD_BYTES: usize = 1 << 30;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts a stream of bytes into records. Feed it, take what is there, feed it again; at last
/// [`finish`](Self::finish) it and take the rest.
///
/// ```
/// let mut splitter = ingest::Splitter::new(4 << 20);
/// splitter.feed(b"{\"Records\":[{\"a\":1},{\"a\"");
/// assert_eq!(splitter.next_record().map(|record| record.bytes), Some(&b"{\"a\":1}"[..]));
/// assert_eq!(splitter.next_record(), None);
/// splitter.feed(b":2}]}");
/// splitter.finish(None);
/// assert_eq!(splitter.next_record().map(|record| record.number), Some(1));
/// assert_eq!(splitter.next_record(), None);
/// ```
#[derive(Debug)]
pub struct Splitter {
    record_bytes: usize,
    buffer: Buffer,
    /// What is being read; between records there is none.
    piece: Option<Piece>,
    /// Where to go on when there is no piece.
    at: u64,
    /// The lists around the next record: none, an array, a container's list, or both in this order.
    lists: Vec<List>,
    indent: Indent,
    /// Where the last record ended, if it is an element of a list that one could go on in.
    element_end: Option<u64>,
    is_end: bool,
    /// Why the input ends too early, where its source knows.
    damage: Option<String>,
    /// The number of the next record.
    number: u64,
    /// Whether records get an outline.
    outlines: bool,
    /// The outer keys of the records that were [kept](Self::keep_outline), and of the last one.
    keys: Vec<OuterKey>,
    /// Where those of the last one begin.
    outline_at: usize,
    /// What names the fields of the lines that follow.
    header: Header,
    /// The flows of the last document that are still to be handed out.
    flows: Option<Flows>,
    /// What the last record lends out.
    kept: Vec<u8>,
    reason: Option<String>,
}

/// A record or reject that still lies in the input.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Its bytes; of a piece over the limit, those that are kept instead.
    pub(crate) bytes: Place,
    /// Its number in the input.
    pub(crate) number: u64,
    /// Why it is none.
    pub(crate) reject: Option<String>,
}

/// Where the bytes of a record are.
#[derive(Debug)]
pub(crate) enum Place {
    /// Between two positions of the input.
    Input(u64, u64),
    /// No longer there.
    Kept(Vec<u8>),
}

/// A list of records that is open.
#[derive(Debug)]
struct List {
    /// Where its `[` is.
    at: u64,
    /// Whether it is a member of a container.
    in_container: bool,
    /// How the line of the array or container starts, if it is the first thing on it.
    line: Option<LineStart>,
}

/// What one step led to.
enum Step {
    /// A record or reject.
    Record { piece: Piece, end: u64, reason: Option<String> },
    /// Nothing to hand out yet, but there are bytes to look at.
    Again,
    /// All bytes are used up.
    More,
}

impl Splitter {
    /// One for records of up to `record_bytes` bytes (at most 1 GiB).
    pub fn new(record_bytes: usize) -> Self {
        Self {
            record_bytes: record_bytes.min(MAX_RECORD_BYTES),
            buffer: Buffer::default(),
            piece: None,
            at: 0,
            lists: Vec::new(),
            indent: Indent::default(),
            element_end: None,
            is_end: false,
            damage: None,
            number: 0,
            outlines: false,
            keys: Vec::new(),
            outline_at: 0,
            header: Header::default(),
            flows: None,
            kept: Vec::new(),
            reason: None,
        }
    }

    /// One that has all of its input, which has ended.
    pub(crate) fn whole(bytes: Vec<u8>, record_bytes: usize) -> Self {
        Self { buffer: Buffer::whole(bytes), is_end: true, ..Self::new(record_bytes) }
    }

    /// Makes an [`outline`] of each record that lets it, for those who look at records before they map them.
    #[must_use]
    pub fn outlined(mut self) -> Self {
        self.outlines = true;
        self.keys.reserve(self.buffer.from(self.at).len() / BYTES_A_KEY);
        self
    }

    /// One that goes on where another [rested](Self::rest).
    pub(crate) fn resume(record_bytes: usize, offset: u64, number: u64) -> Self {
        Self { buffer: Buffer::starting_at(offset), at: offset, number, ..Self::new(record_bytes) }
    }

    /// One that goes on in a container's list, where another one's [`list_rest`](Self::list_rest) was.
    pub(crate) fn resume_in_list(record_bytes: usize, offset: u64, number: u64) -> Self {
        let list = List { at: offset, in_container: true, line: Some(LineStart::of_container()) };
        let mut splitter = Self::resume(record_bytes, offset, number);
        splitter.lists.push(list);
        splitter.indent.other();
        splitter.element_end = Some(offset);
        splitter
    }

    /// The end of the last record that was handed out, and the number of the next, if a new splitter could go
    /// on from there [in a list](Self::resume_in_list): that of one container that stands at the beginning of
    /// a line. What was read behind it, such as the end of the container, held no record.
    pub(crate) fn list_rest(&self) -> Option<(u64, u64)> {
        if self.flows.is_some() {
            return None;
        }
        Some((self.element_end?, self.number))
    }

    /// Whether the last record is an element of a list that one could go on in.
    fn is_in_container(&self) -> bool {
        match self.lists.as_slice() {
            [list] => {
                let line = list.line.as_ref();
                list.in_container
                    && line.is_some_and(|line| *line == LineStart::of_container())
                    && self.header.is_empty()
            }
            _ => false,
        }
    }

    /// The first byte that is not part of what was handed out, and the number of the next record, if a new
    /// splitter could go on from there: not inside a list or what is around one, nor below a header.
    pub(crate) fn rest(&self) -> Option<(u64, u64)> {
        // What a header names would not be known any more.
        if !self.lists.is_empty() || self.flows.is_some() || !self.header.is_empty() {
            return None;
        }
        let at = match &self.piece {
            None => self.at,
            Some(Piece { body: Body::Rest { .. } | Body::Refused { .. }, .. }) => return None,
            Some(piece) => piece.start,
        };
        Some((at, self.number))
    }

    /// Takes all input as one reject: it is known to be no records.
    pub fn refuse(&mut self, reason: String) {
        self.piece = Some(Piece::new(self.at, Body::Refused { at: self.at, reason }));
    }

    /// Adds bytes of the input.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some(free) = self.space(bytes.len()).get_mut(..bytes.len()) {
            free.copy_from_slice(bytes);
            self.filled(bytes.len());
        }
    }

    /// At least `wanted` bytes to read input into; say with [`filled`](Self::filled) how many came.
    pub fn space(&mut self, wanted: usize) -> &mut [u8] {
        self.buffer.space(wanted)
    }

    /// Takes the first `count` bytes of [`space`](Self::space) as input.
    pub fn filled(&mut self, count: usize) {
        self.buffer.filled(count);
    }

    /// Says that there is no more input. `damage` tells why it ends too early (a torn gzip stream): the
    /// reject of the record that is torn tells it, or a last one without bytes where none is.
    pub fn finish(&mut self, damage: Option<String>) {
        self.is_end = true;
        self.damage = damage;
    }

    /// The next record or reject. `None`: feed more, or, after [`finish`](Self::finish), this was all.
    ///
    /// A reject's reason begins with a word for machines and a colon: `not_json`, `torn_input`,
    /// `too_deep` or `too_large`.
    pub fn next_record(&mut self) -> Option<RawRecord<'_>> {
        self.next_outlined().map(|(record, _)| record)
    }

    /// As [`next_record`](Self::next_record), with the record's outline, which is empty if there is none.
    pub fn next_outlined(&mut self) -> Option<(RawRecord<'_>, &[OuterKey])> {
        let Placed { bytes, number, reject } = self.next_placed()?;
        self.reason = reject;
        let bytes = match bytes {
            Place::Input(start, end) => self.buffer.get(start, end),
            Place::Kept(kept) => {
                self.kept = kept;
                &self.kept
            }
        };
        let outline = self.keys.get(self.outline_at..).unwrap_or_default();
        Some((RawRecord { bytes, number, reject: self.reason.as_deref() }, outline))
    }

    /// As [`next_record`](Self::next_record), without looking at its bytes; its outline is lost unless
    /// [`keep_outline`](Self::keep_outline) follows.
    pub(crate) fn next_placed(&mut self) -> Option<Placed> {
        self.keys.truncate(self.outline_at);
        if self.next_flow() {
            return Some(self.kept_record());
        }
        let (piece, end, reason) = loop {
            let step = match self.piece.take() {
                None => self.between(),
                Some(piece) => self.advance(piece),
            };
            match step {
                Step::Record { piece, end, reason } => {
                    let line = self.buffer.get(piece.start, end).trim_ascii_end();
                    if reason.is_some() || !piece.is_line() || !self.header.reads(line) {
                        break (piece, end, reason);
                    }
                }
                Step::Again => {}
                Step::More => return None,
            }
        };
        let is_element = reason.is_none() && !piece.is_line() && self.is_in_container();
        self.element_end = is_element.then_some(end);
        if reason.is_none() && self.keep_completed(&piece, end) {
            self.keys.truncate(self.outline_at);
            return Some(self.kept_record());
        }
        let number = self.number;
        self.number += 1;
        let len = end - piece.start;
        if len <= self.record_bytes as u64 {
            let bytes = self.buffer.get(piece.start, end).trim_ascii_end();
            let bytes = Place::Input(piece.start, piece.start + bytes.len() as u64);
            return Some(Placed { bytes, number, reject: reason });
        }
        let kept = if piece.kept.is_empty() { self.first_bytes(piece.start) } else { piece.kept };
        let limit = self.record_bytes;
        let reject = match reason {
            None => {
                format!(
                    "too_large: {len} bytes, limit {limit} bytes; the first {} bytes are kept",
                    kept.len()
                )
            }
            Some(reason) => format!("{reason}; of {len} bytes the first {} are kept", kept.len()),
        };
        Some(Placed { bytes: Place::Kept(kept), number, reject: Some(reject) })
    }

    /// Keeps the outline of the last record, if it has one, until all are [taken](Self::take_outlines); the
    /// number of keys that are kept.
    pub(crate) fn keep_outline(&mut self) -> usize {
        self.outline_at = self.keys.len();
        self.outline_at
    }

    /// Hands over the outer keys of the records whose outline was kept.
    pub(crate) fn take_outlines(&mut self) -> Vec<OuterKey> {
        self.outline_at = 0;
        // The next batch will have about as many.
        let next = Vec::with_capacity(self.keys.len());
        std::mem::replace(&mut self.keys, next)
    }

    /// Keeps the bytes from `position` on in memory until they are [taken](Self::take).
    pub(crate) fn hold(&mut self, position: u64) {
        self.buffer.hold(position);
    }

    /// The bytes that are in memory only because they are held.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.buffer.held_bytes()
    }

    /// Hands over the input that is held up to `end`, and the position of its first byte.
    pub(crate) fn take(&mut self, end: u64) -> (Vec<u8>, u64) {
        self.buffer.take(end)
    }

    /// Completes a record that does not tell all about itself, in `kept`: a line below a header, a flow of a
    /// document of several. `false`: it is complete as it is, or not in memory.
    fn keep_completed(&mut self, piece: &Piece, end: u64) -> bool {
        if end - piece.start > self.record_bytes as u64 {
            return false;
        }
        let bytes = self.buffer.get(piece.start, end).trim_ascii_end();
        if piece.is_line() {
            return self.header.put_above(bytes, &mut self.kept);
        }
        // Who has a caller is no flow, and need not be searched.
        if !self.keys.iter().skip(self.outline_at).any(|key| key.is_inner()) {
            self.flows = Flows::of(bytes);
        }
        self.next_flow()
    }

    /// Puts the next flow of a document into `kept`, if there is one.
    fn next_flow(&mut self) -> bool {
        let Some(flows) = &mut self.flows else { return false };
        let found = flows.next_into(&mut self.kept);
        if !found {
            self.flows = None;
        }
        found
    }

    fn kept_record(&mut self) -> Placed {
        let number = self.number;
        self.number += 1;
        Placed { bytes: Place::Kept(std::mem::take(&mut self.kept)), number, reject: None }
    }

    /// Skips what separates records, and finds what comes next.
    fn between(&mut self) -> Step {
        while let Some(byte) = self.buffer.byte(self.at) {
            match byte {
                _ if byte.is_ascii_whitespace() => self.indent.blank(byte),
                b',' => self.indent.other(),
                b'{' => return self.object(),
                b']' if !self.lists.is_empty() => return self.close_list(),
                b'[' if self.lists.is_empty() => match self.is_array_of_objects() {
                    Some(true) => self.open_list(self.at, false, self.indent.line(b'[')),
                    Some(false) => return self.start(Body::Line { at: self.at }),
                    None => break,
                },
                b'[' => return self.start(Body::Value { scan: ValueScan::new(self.at) }),
                _ if !self.lists.is_empty() => {
                    return self.start(Body::Scalar { scan: ScalarScan::new(self.at) });
                }
                _ => {
                    let ahead = self.buffer.get(self.at, (self.at + 3).min(self.buffer.end()));
                    if ahead == BYTE_ORDER_MARK {
                        self.at += 2;
                    } else if BYTE_ORDER_MARK.starts_with(ahead) && !self.is_end {
                        break;
                    } else {
                        return self.start(Body::Line { at: self.at });
                    }
                }
            }
            self.at += 1;
        }
        self.buffer.release(self.at);
        if self.is_end { self.end() } else { Step::More }
    }

    /// An object: at a stroke, if it allows an outline, else step by step.
    fn object(&mut self) -> Step {
        let piece = Piece::new(self.at, Body::Value { scan: ValueScan::new(self.at) });
        if self.outlines {
            let window = (self.at + self.record_bytes as u64).min(self.buffer.end());
            let bytes = self.buffer.get(self.at, window);
            let in_list = self.lists.last().is_some_and(|list| list.in_container);
            let is_list = |before: &[u8]| !in_list && names_list(before);
            match outline(bytes, OUTLINED_MEMBER, &mut self.keys, is_list) {
                Some(length) => return self.finish_piece(piece, self.at + length as u64, None),
                None => self.keys.truncate(self.outline_at),
            }
        }
        self.advance(piece)
    }

    /// Whether the array at the top of the input holds objects or nothing; otherwise its text is not
    /// for us (`[error] disk full`). `None`: more bytes are needed.
    fn is_array_of_objects(&self) -> Option<bool> {
        let window = (self.at + self.record_bytes as u64).min(self.buffer.end());
        let inside = self.buffer.get(self.at, window).get(1..).unwrap_or_default();
        match inside.trim_ascii_start().first() {
            Some(first) => Some(matches!(first, b'{' | b']')),
            None if self.is_end || inside.len() + 1 >= self.record_bytes => Some(false),
            None => None,
        }
    }

    fn start(&mut self, body: Body) -> Step {
        self.piece = Some(Piece::new(self.at, body));
        Step::Again
    }

    fn open_list(&mut self, at: u64, in_container: bool, line: Option<LineStart>) {
        self.lists.push(List { at, in_container, line });
        self.indent.other();
    }

    fn close_list(&mut self) -> Step {
        self.at += 1;
        self.indent.other();
        if let Some(List { in_container: true, line, .. }) = self.lists.pop() {
            return self.start(Body::Rest { scan: ValueScan::inside_object(self.at), line });
        }
        Step::Again
    }

    /// All is read; what is missing is still to be said.
    fn end(&mut self) -> Step {
        let nothing = Piece::new(self.at, Body::Line { at: self.at });
        let open = self.lists.drain(..).next_back();
        let reason = match (self.damage.take(), open) {
            (Some(damage), _) => damage,
            (None, Some(list)) => format!("torn_input: the list at byte {} has no end", list.at),
            (None, None) => return Step::More,
        };
        Step::Record { piece: nothing, end: self.at, reason: Some(reason) }
    }

    /// Goes on with a piece.
    fn advance(&mut self, mut piece: Piece) -> Step {
        let bytes = self.buffer.from(piece.body.at());
        match &mut piece.body {
            Body::Value { scan } | Body::Rest { scan, .. } => {
                let found = scan.advance(bytes, |bracket| {
                    let in_list = self.lists.last().is_some_and(|list| list.in_container);
                    let in_memory = bracket - piece.start <= self.record_bytes as u64;
                    !in_list && in_memory && names_list(self.buffer.get(piece.start, bracket))
                });
                self.found(piece, found)
            }
            Body::Line { at } => match memchr::memchr(b'\n', bytes) {
                Some(length) => {
                    let end = *at + length as u64;
                    self.finish_piece(piece, end, None)
                }
                None => {
                    *at = self.buffer.end();
                    self.wait(piece)
                }
            },
            Body::Scalar { scan } => match scan.advance(bytes) {
                Some(end) => self.finish_piece(piece, end, None),
                None => self.wait(piece),
            },
            Body::Broken { resync } => match resync.advance(bytes, self.is_end) {
                Some(Next { at, lists, indent }) => {
                    let reason = std::mem::take(&mut resync.reason);
                    let step = self.finish_piece(piece, at, Some(reason));
                    self.lists.truncate(lists);
                    self.indent = indent;
                    step
                }
                None => self.wait(piece),
            },
            Body::Refused { at, .. } => {
                *at = self.buffer.end();
                self.wait(piece)
            }
        }
    }

    fn found(&mut self, piece: Piece, found: Found) -> Step {
        match found {
            Found::More => self.wait(piece),
            Found::End(end) if matches!(piece.body, Body::Rest { .. }) => {
                self.at = end;
                Step::Again
            }
            Found::End(end) => self.finish_piece(piece, end, None),
            Found::List(at) => {
                let line = match piece.body {
                    Body::Rest { line, .. } => line,
                    _ => self.indent.line(b'{'),
                };
                self.open_list(at, true, line);
                self.at = at + 1;
                Step::Again
            }
            Found::Broken { at, problem } => {
                let (problem, start) = (problem.describe(at), piece.start);
                self.resync(piece, at, format!("{problem} of the input; the record begins at byte {start}"))
            }
        }
    }

    /// Looks for the next record after a broken one: from its start, as far as that is in memory.
    fn resync(&mut self, mut piece: Piece, broken_at: u64, reason: String) -> Step {
        let in_memory = broken_at - piece.start <= self.record_bytes as u64;
        let mut resync = Resync::new(if in_memory { piece.start } else { broken_at }, reason);
        let anywhere = LineStart { indent: Vec::new(), bracket: b'{' };
        match &piece.body {
            Body::Rest { line, .. } => {
                resync.add_line(line.as_ref().unwrap_or(&anywhere), self.lists.len());
            }
            _ => match self.indent.line(b'{') {
                Some(line) => resync.add_line(&line, self.lists.len()),
                None if self.lists.is_empty() => resync.add_line(&anywhere, 0),
                None if in_memory => {
                    resync.add_head(self.buffer.get(piece.start, broken_at), self.lists.len());
                }
                None => {}
            },
        }
        for (outer, list) in self.lists.iter().enumerate().rev() {
            resync.add_line(list.line.as_ref().unwrap_or(&anywhere), outer);
        }
        piece.body = Body::Broken { resync };
        self.piece = Some(piece);
        Step::Again
    }

    /// There is nothing more of this piece in memory.
    fn wait(&mut self, mut piece: Piece) -> Step {
        let end = self.buffer.end();
        if !self.is_end {
            self.buffer.release(piece.start);
            if piece.body.at() - piece.start > self.record_bytes as u64 {
                if piece.kept.is_empty() {
                    piece.kept = self.first_bytes(piece.start);
                }
                self.buffer.release(piece.body.at());
            }
            self.piece = Some(piece);
            return Step::More;
        }
        let start = piece.start;
        match &mut piece.body {
            Body::Value { .. } => {
                let reason = self.torn(format!("the record that begins at byte {start} has no end"));
                self.resync(piece, end, reason)
            }
            Body::Rest { .. } if self.damage.is_some() && self.buffer.from(start).trim_ascii().is_empty() => {
                self.at = end;
                Step::Again
            }
            Body::Rest { .. } => {
                let reason = self.torn(format!("the object around the list before byte {start} has no end"));
                self.resync(piece, end, reason)
            }
            Body::Broken { resync } => {
                let reason = std::mem::take(&mut resync.reason);
                self.lists.clear();
                self.finish_piece(piece, end, Some(reason))
            }
            Body::Refused { reason, .. } => {
                let reason = std::mem::take(reason);
                self.finish_piece(piece, end, Some(reason))
            }
            Body::Line { .. } | Body::Scalar { .. } => self.finish_piece(piece, end, None),
        }
    }

    /// The reason of a reject at the torn end; it tells the damage of the input, too, which is told once.
    fn torn(&mut self, what: String) -> String {
        match self.damage.take() {
            Some(damage) => {
                let damage = damage.strip_prefix("torn_input: ").unwrap_or(&damage);
                format!("torn_input: {what}: {damage}")
            }
            None => format!("torn_input: {what}"),
        }
    }

    /// What is kept of a piece over the limit.
    fn first_bytes(&self, start: u64) -> Vec<u8> {
        self.buffer.get(start, start + KEPT_BYTES.min(self.record_bytes) as u64).to_vec()
    }

    fn finish_piece(&mut self, piece: Piece, end: u64, reason: Option<String>) -> Step {
        self.at = end;
        self.indent.other();
        Step::Record { piece, end, reason }
    }
}
