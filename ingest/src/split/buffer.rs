//! The stretch of the input that is in memory, addressed by positions in the whole input.

use std::ops::Range;

/// Bytes of the input from the oldest one still needed to the newest one read.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Initialised throughout, so that a reader can be given the free part.
    bytes: Vec<u8>,
    /// The part of `bytes` that holds input.
    filled: Range<usize>,
    /// The position in the input of the first byte in `filled`.
    position: u64,
    /// Bytes from this position on stay where they are: records of a batch lie there.
    held: Option<u64>,
}

impl Buffer {
    /// One whose first byte is at `position` of the input.
    pub(super) fn starting_at(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// The position after the newest byte.
    pub(super) fn end(&self) -> u64 {
        self.position + self.filled.len() as u64
    }

    /// The bytes from `position` on; none where they are not in memory.
    pub(super) fn from(&self, position: u64) -> &[u8] {
        self.get(position, self.end())
    }

    /// The bytes between two positions; none where they are not in memory.
    pub(super) fn get(&self, start: u64, end: u64) -> &[u8] {
        let index = |position: u64| {
            let offset = usize::try_from(position.checked_sub(self.position)?).ok()?;
            self.filled.start.checked_add(offset).filter(|index| *index <= self.filled.end)
        };
        match (index(start), index(end)) {
            (Some(start), Some(end)) => self.bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The byte at `position`, if it was read.
    pub(super) fn byte(&self, position: u64) -> Option<u8> {
        self.from(position).first().copied()
    }

    /// A buffer that holds all of an input.
    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        Self { filled: 0..bytes.len(), bytes, position: 0, held: None }
    }

    /// Keeps the bytes from `position` on until they are [taken](Self::take).
    pub(super) fn hold(&mut self, position: u64) {
        self.held = Some(position);
    }

    /// The bytes that are in memory only because they are held.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held.map_or(0, |position| self.end() - position)
    }

    /// Hands over what is held up to `end`, and the position of its first byte.
    pub(super) fn take(&mut self, end: u64) -> (Vec<u8>, u64) {
        let Some(start) = self.held.take() else { return (Vec::new(), end) };
        self.release(start);
        let length = self.get(start, end).len();
        // A little of much is copied, so that nobody keeps all for it.
        if length < self.bytes.len() / 2 {
            let taken = self.get(start, end).to_vec();
            self.release(end);
            return (taken, start);
        }
        // The next batch will be about as large: growing step by step copies every byte twice.
        let mut rest = Vec::with_capacity(length);
        rest.extend_from_slice(self.from(end));
        let mut taken = std::mem::replace(&mut self.bytes, rest);
        let index = self.filled.start;
        let base = self.position - index as u64;
        taken.truncate(index + length);
        self.filled = 0..self.bytes.len();
        self.position = end;
        (taken, base)
    }

    /// Lets go of the bytes before `position`, as far as none is held.
    pub(super) fn release(&mut self, position: u64) {
        let position = self.held.map_or(position, |held| position.min(held));
        let released = position.saturating_sub(self.position).min(self.filled.len() as u64);
        self.position += released;
        self.filled.start += released as usize;
    }

    /// At least `wanted` free bytes; say with [`filled`](Self::filled) how many were used.
    pub(super) fn space(&mut self, wanted: usize) -> &mut [u8] {
        if self.bytes.len() - self.filled.end < wanted {
            // Moving costs at most what was let go of, so no byte is moved often.
            if self.filled.start >= self.filled.len() {
                self.bytes.copy_within(self.filled.clone(), 0);
                self.filled = 0..self.filled.len();
            }
            let needed = self.filled.end + wanted;
            if self.bytes.len() < needed {
                self.bytes.resize(needed, 0);
            }
        }
        self.bytes.get_mut(self.filled.end..).unwrap_or_default()
    }

    /// Takes the first `count` bytes of [`space`](Self::space) as input.
    pub(super) fn filled(&mut self, count: usize) {
        self.filled.end = (self.filled.end + count).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
    }

    #[test]
    fn positions_outlive_moves() {
        let mut buffer = Buffer::default();
        let input: Vec<u8> = (0..2_000).map(|n| (n % 251) as u8).collect();
        for (index, piece) in input.chunks(7).enumerate() {
            add(&mut buffer, piece);
            let end = buffer.end();
            assert_eq!(end, (index * 7 + piece.len()) as u64);
            let start = end.saturating_sub(20);
            assert_eq!(buffer.get(start, end), &input[start as usize..end as usize]);
            buffer.release(start);
        }
        assert_eq!(buffer.byte(buffer.end()), None);
        assert_eq!(buffer.get(0, 10), b"", "let go");
        assert!(buffer.bytes.len() < 200, "{}", buffer.bytes.len());
    }

    #[test]
    fn what_is_held_stays_until_it_is_taken() {
        for size in [3, 300] {
            let mut buffer = Buffer::default();
            let input: Vec<u8> = (0..2_000).map(|n| (n % 251) as u8).collect();
            add(&mut buffer, &input[..700]);
            buffer.release(100);
            buffer.hold(150);
            for piece in input[700..].chunks(size) {
                buffer.release(buffer.end());
                add(&mut buffer, piece);
            }
            assert_eq!(buffer.held_bytes(), 1_850);
            let (taken, base) = buffer.take(1_990);
            assert!(base <= 150);
            assert_eq!(taken[150 - base as usize..], input[150..1_990]);
            assert_eq!(buffer.from(1_990), &input[1_990..]);
            buffer.hold(1_992);
            add(&mut buffer, b"more");
            assert_eq!(buffer.take(1_996), ([&input[1_992..], &b"more"[..]].concat()[..4].to_vec(), 1_992));
            assert_eq!(buffer.from(1_996)[4..], b"more"[..]);
        }
    }

    #[test]
    fn more_than_there_is_cannot_be_released() {
        let mut buffer = Buffer::default();
        add(&mut buffer, b"abc");
        buffer.release(99);
        assert_eq!(buffer.end(), 3);
        add(&mut buffer, b"d");
        assert_eq!(buffer.from(3), b"d");
    }
}
