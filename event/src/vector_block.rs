//! The questions of [`JsonBlock`](crate::JsonBlock) for processors with wider vectors, asked at run time.

use std::arch::x86_64::{__m256i, __m512i, _MM_HINT_T0};

use pulp::x86::{V3, V4};

use crate::JsonBlock;
use crate::json_block::{Block, Lanes};

/// Two vectors of 32 bytes: AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2Block {
    simd: V3,
    low: __m256i,
    high: __m256i,
}

impl Lanes for V3 {
    type Block = Avx2Block;

    #[inline(always)]
    fn block(self, bytes: &[u8; JsonBlock::BYTES]) -> Avx2Block {
        let [low, high]: [__m256i; 2] = pulp::cast(*bytes);
        Avx2Block { simd: self, low, high }
    }

    #[inline(always)]
    fn bring(self, there: *const u8) {
        self.sse._mm_prefetch::<_MM_HINT_T0>(there.cast());
    }
}

impl Avx2Block {
    #[inline(always)]
    fn mask(self, answer: impl Fn(__m256i) -> __m256i) -> u64 {
        let bits = |half: __m256i| self.simd.avx2._mm256_movemask_epi8(answer(half)) as u32;
        u64::from(bits(self.low)) | u64::from(bits(self.high)) << 32
    }

    #[inline(always)]
    fn splat(self, byte: u8) -> __m256i {
        self.simd.avx._mm256_set1_epi8(byte as i8)
    }
}

impl Block for Avx2Block {
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        let wanted = self.splat(byte);
        self.mask(|half| self.simd.avx2._mm256_cmpeq_epi8(half, wanted))
    }

    #[inline(always)]
    fn folded(self, byte: u8) -> u64 {
        let (bit, wanted) = (self.splat(0x20), self.splat(byte));
        let avx2 = self.simd.avx2;
        self.mask(|half| avx2._mm256_cmpeq_epi8(avx2._mm256_or_si256(half, bit), wanted))
    }

    #[inline(always)]
    fn control(self) -> u64 {
        let last = self.splat(0x1f);
        let avx2 = self.simd.avx2;
        self.mask(|half| avx2._mm256_cmpeq_epi8(half, avx2._mm256_min_epu8(half, last)))
    }

    #[inline(always)]
    fn unplain(self) -> u64 {
        let blank = self.splat(b' ');
        self.mask(|half| self.simd.avx2._mm256_cmpgt_epi8(blank, half))
    }
}

/// One vector of 64 bytes, whose comparisons are masks already: AVX-512 BW.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512Block {
    simd: V4,
    bytes: __m512i,
}

impl Lanes for V4 {
    type Block = Avx512Block;

    #[inline(always)]
    fn block(self, bytes: &[u8; JsonBlock::BYTES]) -> Avx512Block {
        Avx512Block { simd: self, bytes: pulp::cast(*bytes) }
    }

    #[inline(always)]
    fn bring(self, there: *const u8) {
        self.sse._mm_prefetch::<_MM_HINT_T0>(there.cast());
    }
}

impl Avx512Block {
    #[inline(always)]
    fn splat(self, byte: u8) -> __m512i {
        self.simd.avx512f._mm512_set1_epi8(byte as i8)
    }
}

impl Block for Avx512Block {
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        self.simd.avx512bw._mm512_cmpeq_epi8_mask(self.bytes, self.splat(byte))
    }

    #[inline(always)]
    fn folded(self, byte: u8) -> u64 {
        let folded = self.simd.avx512f._mm512_or_si512(self.bytes, self.splat(0x20));
        self.simd.avx512bw._mm512_cmpeq_epi8_mask(folded, self.splat(byte))
    }

    #[inline(always)]
    fn control(self) -> u64 {
        self.simd.avx512bw._mm512_cmplt_epu8_mask(self.bytes, self.splat(b' '))
    }

    #[inline(always)]
    fn unplain(self) -> u64 {
        self.simd.avx512bw._mm512_cmplt_epi8_mask(self.bytes, self.splat(b' '))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the processor has answers alike.
        #[test]
        fn all_vectors_answer_alike(bytes in proptest::array::uniform32(any::<u16>())) {
            let mut block = [0; JsonBlock::BYTES];
            for (pair, two) in block.chunks_mut(2).zip(bytes) {
                pair.copy_from_slice(&two.to_le_bytes());
            }
            let plain = JsonBlock::new(&block);
            fn answers(block: impl Block) -> [u64; 5] {
                [block.equal(b'"'), block.folded(b'{'), block.folded(b'}'), block.control(), block.unplain()]
            }
            if let Some(simd) = V3::try_new() {
                prop_assert_eq!(answers(simd.block(&block)), answers(plain));
            }
            if let Some(simd) = V4::try_new() {
                prop_assert_eq!(answers(simd.block(&block)), answers(plain));
            }
        }
    }
}
