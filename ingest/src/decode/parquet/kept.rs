//! Bytes that are gathered to be read in any order: a few in memory, more in a file that nobody else sees.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

/// So much stays in memory.
const MEMORY_BYTES: usize = 16 << 20;
/// What a [`Part`] reads ahead.
const AHEAD_BYTES: usize = 64 << 10;

/// What was gathered so far.
#[derive(Debug, Default)]
pub(super) struct Kept {
    memory: Vec<u8>,
    /// Everything, once it is too much for memory.
    file: Option<File>,
    len: u64,
    max_bytes: u64,
}

impl Kept {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, ..Self::default() }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Adds bytes; `false`: that is more than is allowed.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.len += bytes.len() as u64;
        if self.len > self.max_bytes {
            return Ok(false);
        }
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES {
            let mut file = tempfile::tempfile()?;
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes)?,
            None => self.memory.extend_from_slice(bytes),
        }
        Ok(true)
    }

    /// `length` bytes from `start`.
    pub(super) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        match &self.file {
            Some(file) => file.read_exact_at(&mut bytes, start)?,
            None => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let part = self.memory.get(start..).and_then(|rest| rest.get(..length));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            }
        }
        Ok(bytes.into())
    }
}

/// A part of it, read on from a place.
#[derive(Debug)]
pub(super) struct Part {
    kept: Arc<Kept>,
    at: u64,
    ahead: Bytes,
}

impl Part {
    pub(super) fn new(kept: Arc<Kept>, at: u64) -> Self {
        Self { kept, at, ahead: Bytes::new() }
    }
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            let left = self.kept.len().saturating_sub(self.at);
            if left == 0 {
                return Ok(0);
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(AHEAD_BYTES);
            self.ahead = self.kept.bytes(self.at, count)?;
            self.at += count as u64;
        }
        let count = self.ahead.len().min(out.len());
        let part = self.ahead.split_to(count);
        if let Some(out) = out.get_mut(..count) {
            out.copy_from_slice(&part);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_from_memory_and_file() {
        let text: Vec<u8> = (0..40_u32 << 20).step_by(4).flat_map(u32::to_le_bytes).collect();
        for size in [1 << 20, text.len()] {
            let text = &text[..size];
            let mut kept = Kept::new(64 << 20);
            for piece in text.chunks(300_000) {
                assert!(kept.push(piece).unwrap());
            }
            assert_eq!((kept.len(), kept.file.is_some()), (size as u64, size > MEMORY_BYTES));
            let kept = Arc::new(kept);
            let start = size - 100_000;
            assert_eq!(kept.bytes(start as u64, 70_000).unwrap(), text[start..start + 70_000]);
            assert!(kept.bytes(start as u64, 100_001).is_err() && kept.bytes(u64::MAX, 1).is_err());
            let mut rest = Vec::new();
            Part::new(kept.clone(), start as u64).read_to_end(&mut rest).unwrap();
            assert!(rest == text[start..]);
            assert_eq!(Part::new(kept, u64::MAX).read(&mut [0; 8]).unwrap(), 0);
        }
        assert!(!Kept::new(3).push(b"abcd").unwrap());
    }
}
