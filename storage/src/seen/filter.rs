//! A Bloom filter over event keys: says for certain that a key is *not* in a run.
//!
//! Split-block, as in Parquet (BloomFilter.md): all bits of a key lie in one block of 256 bits, so a
//! probe costs one cache miss. Keys are hashes already; their lower half picks the bits.

/// Bits per key: about 1 % of the keys that are not there look as if they were.
const BITS_PER_KEY: u64 = 10;
/// 32-bit words in a block.
const WORDS: usize = 8;
/// The salts of Parquet's filter.
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The bits of some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<[u32; WORDS]>,
}

impl Filter {
    /// The size in bytes for so many keys.
    pub(super) fn bytes_for(keys: u64) -> usize {
        let blocks = (keys * BITS_PER_KEY).div_ceil(256).max(1);
        usize::try_from(blocks).unwrap_or(usize::MAX).saturating_mul(WORDS * 4)
    }

    /// An empty one for so many keys.
    pub(super) fn for_keys(keys: u64) -> Self {
        Self { blocks: vec![[0; WORDS]; Self::bytes_for(keys) / (WORDS * 4)] }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let words = |block: &[u8]| {
            let mut words = [0; WORDS];
            for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            words
        };
        Self { blocks: bytes.chunks_exact(WORDS * 4).map(words).collect() }
    }

    /// The bits, little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The memory taken.
    pub(super) fn memory(&self) -> usize {
        self.blocks.len() * WORDS * 4
    }

    /// Adds a key.
    pub(super) fn insert(&mut self, key: u128) {
        let (block, bits) = self.place(key);
        if let Some(words) = self.blocks.get_mut(block) {
            for (word, bit) in words.iter_mut().zip(bits) {
                *word |= bit;
            }
        }
    }

    /// `false`: the key was not added. `true`: it probably was.
    pub(super) fn may_contain(&self, key: u128) -> bool {
        let (block, bits) = self.place(key);
        let words = self.blocks.get(block);
        words.is_some_and(|words| words.iter().zip(bits).all(|(word, bit)| word & bit != 0))
    }

    /// The block of a key and its bit in each word.
    fn place(&self, key: u128) -> (usize, [u32; WORDS]) {
        let block = (u128::from((key >> 32) as u32) * self.blocks.len() as u128) >> 32;
        let hash = key as u32;
        (block as usize, SALTS.map(|salt| 1 << (hash.wrapping_mul(salt) >> 27)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let key = |number: u64| {
            u128::from_be_bytes(blake3::hash(&number.to_le_bytes()).as_bytes()[..16].try_into().unwrap())
        };
        let mut filter = Filter::for_keys(10_000);
        (0..10_000).for_each(|number| filter.insert(key(number)));
        let filter = Filter::from_bytes(&filter.to_bytes());
        assert!((0..10_000).all(|number| filter.may_contain(key(number))));
        let wrong = (10_000..110_000).filter(|number| filter.may_contain(key(*number))).count();
        assert!(wrong < 2_000, "{wrong} of 100,000");
        assert_eq!(filter.memory(), Filter::bytes_for(10_000));
        assert!(!Filter::for_keys(0).may_contain(7));
    }
}
