//! Zstandard streams (RFC 8878), frames one after another.

use std::fmt;
use std::io;

use zstd::stream::raw::{Decoder, Operation};

use super::format::is_zstd;
use super::source::Source;
use super::{Chunk, MAX_MEMBERS};

/// The largest window that is accepted, as in zstd(1): 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// Enough for the decoder to ask for more.
const FIRST_BYTES: usize = 5;

/// Inflates frame after frame.
///
/// The decoder is given just what it asks for, so that each call is about one block: an error then
/// costs nothing that lies before.
pub(super) struct Zstd {
    decoder: Decoder<'static>,
    /// How many bytes the decoder wants next; 0: between frames.
    wanted: usize,
    /// Whether the decoder may hold bytes for which there was no room.
    is_full: bool,
    frames: u32,
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl Zstd {
    pub(super) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
        Ok(Self { decoder, wanted: 0, is_full: false, frames: 0 })
    }

    /// Inflates into `out`.
    pub(super) fn read(&mut self, source: &mut Source, out: &mut [u8]) -> io::Result<Chunk> {
        loop {
            if self.wanted == 0
                && !self.is_full
                && let Some(end) = self.next_frame(source)?
            {
                return Ok(end);
            }
            let input = source.look_ahead(1)?;
            let is_end = input.is_empty();
            // What it holds comes first: an error in what follows would cost it.
            let wanted = if self.is_full { 0 } else { self.wanted };
            let input = input.get(..wanted).unwrap_or(input);
            let status = match self.decoder.run_on_buffers(input, out) {
                Ok(status) => status,
                Err(error) => return Ok(damaged(&error.to_string(), source)),
            };
            source.consume(status.bytes_read);
            self.wanted = status.remaining;
            let was_full = std::mem::replace(&mut self.is_full, status.bytes_written == out.len());
            if status.bytes_written > 0 {
                return Ok(Chunk::Bytes(status.bytes_written));
            }
            if is_end && !was_full && status.remaining > 0 {
                return Ok(damaged("it breaks off", source));
            }
        }
    }

    /// Begins the next frame, or tells what to say if there is none.
    fn next_frame(&mut self, source: &mut Source) -> io::Result<Option<Chunk>> {
        let start = source.look_ahead(4)?;
        if start.is_empty() {
            return Ok(Some(Chunk::End));
        }
        if !is_zstd(start) {
            return Ok(Some(damaged("other bytes follow it", source)));
        }
        if self.frames == MAX_MEMBERS {
            return Ok(Some(Chunk::Damaged(format!(
                "too_large: more than {MAX_MEMBERS} zstd frames, up to compressed byte {}",
                source.consumed()
            ))));
        }
        self.frames += 1;
        self.wanted = FIRST_BYTES;
        Ok(None)
    }
}

fn damaged(problem: &str, source: &Source) -> Chunk {
    Chunk::Damaged(format!(
        "torn_input: the zstd stream is damaged at compressed byte {}: {problem}; the records before it were delivered",
        source.consumed()
    ))
}
