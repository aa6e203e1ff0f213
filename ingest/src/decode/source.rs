//! Bytes from a reader, with a look ahead and a count.

use std::fmt;
use std::io::{self, Read};

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// A reader with a small buffer in front.
pub(super) struct Source {
    read: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The part of `buffer` that is not consumed yet.
    start: usize,
    end: usize,
    /// How many bytes were consumed.
    consumed: u64,
    is_end: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("consumed", &self.consumed)
            .field("is_end", &self.is_end)
            .finish_non_exhaustive()
    }
}

impl Source {
    pub(super) fn new(read: Box<dyn Read + Send>) -> Self {
        Self { read, buffer: Vec::new(), start: 0, end: 0, consumed: 0, is_end: false }
    }

    /// How many bytes were consumed.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// How many bytes came from the reader.
    pub(super) fn bytes_read(&self) -> u64 {
        self.consumed + (self.end - self.start) as u64
    }

    /// The bytes at hand.
    pub(super) fn available(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The bytes at hand, at least `wanted` (of a few) unless the input ends before.
    pub(super) fn look_ahead(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end - self.start < wanted && !self.is_end {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.buffer.resize(READ_BYTES.max(wanted), 0);
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            let count = read_some(&mut self.read, free)?;
            self.end += count;
            self.is_end = count == 0;
        }
        Ok(self.available())
    }

    /// Takes the first `count` of the bytes at hand.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.consumed += count as u64;
    }

    /// Reads into `out`, what is at hand first. 0: the input has ended.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let at_hand = self.end - self.start;
        if at_hand == 0 {
            let count = read_some(&mut self.read, out)?;
            self.consumed += count as u64;
            return Ok(count);
        }
        let count = at_hand.min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), self.available().get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

/// One successful read.
fn read_some(read: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match read.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A reader that claims more than there is room for must not lead us astray.
            result => return result.map(|count| count.min(out.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time, with interruptions.
    struct Slow(Vec<u8>, bool);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some(byte) = self.0.pop() else { return Ok(0) };
            out[0] = byte;
            Ok(1)
        }
    }

    #[test]
    fn looking_ahead_loses_nothing() {
        let mut source = Source::new(Box::new(Slow(b"fedcba".to_vec(), false)));
        assert_eq!(source.look_ahead(3).unwrap(), b"abc");
        source.consume(1);
        assert_eq!(source.look_ahead(4).unwrap(), b"bcde");
        let mut out = [0; 3];
        assert_eq!(source.read(&mut out).unwrap(), 3);
        assert_eq!(&out, b"bcd");
        assert_eq!((source.consumed(), source.bytes_read()), (4, 5));
        assert_eq!(source.look_ahead(9).unwrap(), b"ef");
        source.consume(2);
        assert_eq!(source.read(&mut out).unwrap(), 0);
        assert_eq!(source.consumed(), 6);
    }
}
