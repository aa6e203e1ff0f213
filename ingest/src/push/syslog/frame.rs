//! Where messages end in a stream (RFC 6587): octet counting and newlines, whichever a sender uses.

/// A message cut out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes, without count and newline; at most as many as the framer allows.
    pub bytes: Vec<u8>,
    /// Whether bytes are missing: it was too long, or the stream broke off in it.
    pub is_cut: bool,
}

/// Cuts a stream into frames. Feed it, take what is there, feed it again, at last
/// [`finish`](Self::finish) it.
///
/// A frame begins with a count only if a blank and `<` follow it: a line may begin with digits as well.
///
/// ```
/// let mut framer = ingest::push::syslog::Framer::new(1024);
/// framer.feed(b"7 <13>a\nb<13>c\n");
/// assert_eq!(framer.next_frame().map(|frame| frame.bytes), Some(b"<13>a\nb".to_vec()));
/// ```
#[derive(Debug)]
pub struct Framer {
    max_bytes: usize,
    buffer: Vec<u8>,
    /// Where the next frame begins in the buffer.
    at: usize,
    /// How far the buffer has been searched for a newline.
    searched: usize,
    skip: Skip,
    is_end: bool,
}

/// What is left to pass over of a frame that was too long.
#[derive(Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    Octets(u64),
    Line,
}

/// The most digits of a count.
const COUNT_DIGITS: usize = 10;

impl Framer {
    /// One for frames of up to `max_bytes` bytes; of longer ones the start is kept.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, buffer: Vec::new(), at: 0, searched: 0, skip: Skip::Nothing, is_end: false }
    }

    /// Adds bytes of the stream. Memory stays bounded if the frames are taken before more is fed.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at.min(self.buffer.len()));
        self.searched = self.searched.saturating_sub(self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that the stream has ended.
    pub fn finish(&mut self) {
        self.is_end = true;
    }

    /// The next frame; `None`: feed more.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if !self.pass_over() {
                return None;
            }
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            // Between frames: newlines, and the zero bytes that some senders end messages with.
            if let Some(b'\n' | b'\r' | 0) = rest.first() {
                self.at += 1;
                continue;
            }
            if rest.is_empty() {
                return None;
            }
            let frame = match count(rest) {
                Count::Unknown if !self.is_end => return None,
                Count::Is { octets, digits } => self.counted(octets, digits)?,
                Count::Unknown | Count::None => self.line()?,
            };
            if !frame.bytes.is_empty() {
                return Some(frame);
            }
        }
    }

    /// Whether what was to be skipped is behind us.
    fn pass_over(&mut self) -> bool {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        match self.skip {
            Skip::Nothing => return true,
            Skip::Octets(left) => {
                let here = left.min(rest.len() as u64);
                self.at += here as usize;
                self.skip = if here == left { Skip::Nothing } else { Skip::Octets(left - here) };
            }
            Skip::Line => match memchr::memchr(b'\n', rest) {
                Some(length) => {
                    self.at += length + 1;
                    self.skip = Skip::Nothing;
                }
                None => self.at += rest.len(),
            },
        }
        self.searched = self.at;
        self.skip == Skip::Nothing
    }

    fn counted(&mut self, octets: u64, digits: usize) -> Option<Frame> {
        let start = self.at + digits + 1;
        let here = self.buffer.len().saturating_sub(start) as u64;
        let wanted = octets.min(self.max_bytes as u64);
        if here < wanted && !self.is_end {
            return None;
        }
        let taken = wanted.min(here) as usize;
        let bytes = self.buffer.get(start..start + taken).unwrap_or_default().to_vec();
        self.at = start + taken;
        self.searched = self.at;
        if octets > wanted {
            self.skip = Skip::Octets(octets - wanted);
        }
        Some(Frame { is_cut: (taken as u64) < octets, bytes: trimmed(bytes) })
    }

    fn line(&mut self) -> Option<Frame> {
        let from = self.searched.max(self.at);
        let found = memchr::memchr(b'\n', self.buffer.get(from..).unwrap_or_default()).map(|at| from + at);
        let end = found.unwrap_or(self.buffer.len());
        let length = end - self.at;
        if length > self.max_bytes {
            let bytes = self.buffer.get(self.at..self.at + self.max_bytes).unwrap_or_default().to_vec();
            self.at = end;
            self.searched = end;
            if found.is_none() {
                self.skip = Skip::Line;
            }
            return Some(Frame { bytes: trimmed(bytes), is_cut: true });
        }
        if found.is_none() && !self.is_end {
            self.searched = self.buffer.len();
            return None;
        }
        let bytes = self.buffer.get(self.at..end).unwrap_or_default().to_vec();
        self.at = end;
        self.searched = end;
        // RFC 6587 ends every message with a newline; the last one of a connection often has none.
        Some(Frame { bytes: trimmed(bytes), is_cut: false })
    }
}

fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    while let Some(b'\n' | b'\r' | 0) = bytes.last() {
        bytes.pop();
    }
    bytes
}

enum Count {
    Is {
        octets: u64,
        digits: usize,
    },
    None,
    /// More bytes are needed to tell.
    Unknown,
}

fn count(bytes: &[u8]) -> Count {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > COUNT_DIGITS || bytes.first() == Some(&b'0') {
        return Count::None;
    }
    match (bytes.get(digits), bytes.get(digits + 1)) {
        (None, _) | (Some(b' '), None) => Count::Unknown,
        (Some(b' '), Some(b'<')) => {
            let text = std::str::from_utf8(bytes.get(..digits).unwrap_or_default()).unwrap_or_default();
            text.parse().map_or(Count::None, |octets| Count::Is { octets, digits })
        }
        _ => Count::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of a stream fed in pieces; `…` marks those that are cut.
    fn frames(stream: &[u8], max: usize, piece: usize) -> Vec<String> {
        let mut framer = Framer::new(max);
        let mut found = Vec::new();
        let mut take = |framer: &mut Framer| {
            while let Some(frame) = framer.next_frame() {
                assert!(frame.bytes.len() <= max);
                let text = String::from_utf8_lossy(&frame.bytes).into_owned();
                found.push(if frame.is_cut { text + "…" } else { text });
            }
        };
        for bytes in stream.chunks(piece) {
            framer.feed(bytes);
            take(&mut framer);
        }
        framer.finish();
        take(&mut framer);
        found
    }

    #[test]
    fn both_framings_in_any_pieces() {
        for (stream, expected) in [
            ("<13>a\n<13>b\n", &["<13>a", "<13>b"][..]),
            ("<13>a\r\n\n<13>b", &["<13>a", "<13>b"]),
            ("7 <13>a\nb5 <13>c", &["<13>a\nb", "<13>c"]),
            ("7 <13>a\nb\n<13>c\n5 <13>d\n", &["<13>a\nb", "<13>c", "<13>d"]),
            ("17 things\n2026-01-01 x\n", &["17 things", "2026-01-01 x"]),
            ("99999999999 <a\n", &["99999999999 <a"]),
            ("20 <13>torn", &["<13>torn…"]),
            ("7", &["7"]),
            ("7 ", &["7 "]),
            ("30 <13>a counted one, too long !!<13>b\n", &["<13>a counted o…", "<13>b"]),
            ("<13>a line that is too long\n<13>b\n", &["<13>a line that…", "<13>b"]),
            ("<13>a\0\n\0", &["<13>a"]),
            ("", &[]),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(frames(stream.as_bytes(), 15, piece), expected, "{stream:?} by {piece}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_do_not_matter(stream in proptest::collection::vec(
            proptest::sample::select(b"0123456789 <>a\n\0".to_vec()), 0..80), piece in 1_usize..9) {
            proptest::prop_assert_eq!(frames(&stream, 10, piece), frames(&stream, 10, 1000));
        }
    }
}
