//! zstd for the data of frames, with its working memory kept between frames.

use std::fmt;

use parking_lot::Mutex;
use zstd::bulk::{Compressor, Decompressor};

use super::frame_header::Codec;

/// Below this many bytes compression gains nothing worth a call.
const MIN_BYTES: usize = 1024;

/// The fastest level that still stores CloudTrail in a seventh (docs/log-format.md has the figures).
const LEVEL: i32 = -5;

/// A scratch buffer larger than this is given back to the system.
const KEEP_BYTES: usize = 8 << 20;

/// Working memory of compression; as many sets as threads used it at once.
#[derive(Default)]
pub(super) struct Compression {
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
    scratch: Mutex<Vec<Vec<u8>>>,
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression").finish_non_exhaustive()
    }
}

impl Compression {
    /// An empty buffer to gather plain data in; [`compress`](Self::compress) takes it back.
    pub(super) fn scratch(&self) -> Vec<u8> {
        self.scratch.lock().pop().unwrap_or_default()
    }

    /// Compresses `plain` where that pays.
    pub(super) fn compress(&self, mut plain: Vec<u8>) -> (Codec, Vec<u8>) {
        let Some(stored) = self.try_compress(&plain) else { return (Codec::None, plain) };
        if plain.capacity() <= KEEP_BYTES {
            plain.clear();
            self.scratch.lock().push(plain);
        }
        (Codec::Zstd, stored)
    }

    fn try_compress(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() < MIN_BYTES {
            return None;
        }
        let pooled = self.compressors.lock().pop();
        let mut compressor = match pooled {
            Some(compressor) => compressor,
            // Without working memory the data is stored as it is.
            None => Compressor::new(LEVEL).ok()?,
        };
        // Too small for data that hardly shrinks: zstd then gives up, which is what is wanted.
        let mut stored = Vec::with_capacity(plain.len() - plain.len() / 8);
        let done = compressor.compress_to_buffer(plain, &mut stored);
        self.compressors.lock().push(compressor);
        done.ok()?;
        stored.shrink_to_fit();
        Some(stored)
    }

    /// The `plain_len` bytes that `stored` stands for; `None` if it does not.
    pub(super) fn decompress(&self, stored: &[u8], plain_len: u32) -> Option<Vec<u8>> {
        let pooled = self.decompressors.lock().pop();
        let mut decompressor = match pooled {
            Some(decompressor) => decompressor,
            None => Decompressor::new().ok()?,
        };
        let plain = decompressor.decompress(stored, plain_len as usize);
        self.decompressors.lock().push(decompressor);
        plain.ok().filter(|plain| plain.len() == plain_len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shrinks_is_compressed() {
        let compression = Compression::default();
        let text = br#"{"eventVersion":"1.11","userIdentity":{"type":"IAMUser"}}"#.repeat(100);
        let (codec, stored) = compression.compress(text.clone());
        assert_eq!(codec, Codec::Zstd);
        assert!(stored.len() < text.len() / 5);
        assert_eq!(compression.decompress(&stored, text.len() as u32), Some(text.clone()));
        assert_eq!(compression.decompress(&stored, text.len() as u32 - 1), None);
        assert_eq!(compression.decompress(&stored, text.len() as u32 + 1), None);
        assert_eq!(compression.decompress(b"nonsense", 10), None);

        assert_eq!(compression.compress(b"{}".repeat(100)).0, Codec::None);
        // A linear congruential generator stands for data that is compressed already.
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..10_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        assert_eq!(compression.compress(noise.clone()), (Codec::None, noise));
    }
}
