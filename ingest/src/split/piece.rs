//! What the splitter is in the middle of.

use super::resync::{LineStart, Resync};
use super::value::ValueScan;

/// A stretch of the input that becomes one record or reject, or the end of a container.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where it begins.
    pub(super) start: u64,
    /// What it is, and how far it was read.
    pub(super) body: Body,
    /// Its first bytes, once it is over the limit and the others were let go of.
    pub(super) kept: Vec<u8>,
}

impl Piece {
    pub(super) fn new(start: u64, body: Body) -> Self {
        Self { start, body, kept: Vec::new() }
    }

    /// Whether it is a line of text.
    pub(super) fn is_line(&self) -> bool {
        matches!(self.body, Body::Line { .. })
    }
}

/// The kinds of [`Piece`].
#[derive(Debug)]
pub(super) enum Body {
    /// An object, which may turn out to be a container, or an array inside a list.
    Value { scan: ValueScan },
    /// What follows the list in a container; `line` is how the container's line starts.
    Rest { scan: ValueScan, line: Option<LineStart> },
    /// A line, read up to `at`, that begins with no bracket.
    Line { at: u64 },
    /// An element of a list that is no object and no array.
    Scalar { scan: ScalarScan },
    /// A record that cannot be read, and what follows it up to the next that can.
    Broken { resync: Resync },
    /// The whole input, read up to `at`.
    Refused { at: u64, reason: String },
}

impl Body {
    /// The first byte that is still needed.
    pub(super) fn at(&self) -> u64 {
        match self {
            Self::Value { scan } | Self::Rest { scan, .. } => scan.at(),
            Self::Line { at } | Self::Refused { at, .. } => *at,
            Self::Scalar { scan } => scan.at(),
            Self::Broken { resync } => resync.at(),
        }
    }
}

/// Finds the end of an element that is no object: the next comma or bracket outside a string.
#[derive(Debug)]
pub(super) struct ScalarScan {
    at: u64,
    is_first: bool,
    in_string: bool,
    escaped: bool,
}

impl ScalarScan {
    /// A scan of the element whose first byte is at `at`.
    pub(super) fn new(at: u64) -> Self {
        Self { at, is_first: true, in_string: false, escaped: false }
    }

    /// The first byte that is still to be looked at.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Goes on with `bytes`, the input from [`at`](Self::at) on; gives the position of the end.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<u64> {
        for byte in bytes {
            let ends = match byte {
                b'\n' => true,
                b',' | b'[' | b']' | b'{' | b'}' => !self.in_string,
                _ => false,
            };
            // A stray `}` ends nothing: it is an element of its own.
            if ends && !self.is_first {
                return Some(self.at);
            }
            self.in_string ^= *byte == b'"' && !self.escaped;
            self.escaped = *byte == b'\\' && !self.escaped;
            self.is_first = false;
            self.at += 1;
        }
        None
    }
}
