//! A sorted, immutable file of keys and their first offsets.
//!
//! Format, version 1, little-endian but for the keys:
//!
//! | part | bytes |
//! | --- | --- |
//! | header | 64: magic `SGSEEN01`, generation (16), id (8), day (4), 0 (4), entries (8), covers (8), tail's CRC-32C (4), CRC-32C of the 60 bytes before (4) |
//! | blocks | 4,096 each: up to 170 entries of key (16, big-endian) and offset (8), zeros, CRC-32C (4) of id, block number and all before it |
//! | tail | first key of each block (16 each), Bloom filter |
//!
//! Nothing is synced: a run is a copy of what the table has. What a power loss tears is found by its
//! checksum, and then the day is read from the table again. The generation ties a run to this life of
//! the folder, the id and block number each block to this run: stale blocks of a deleted file do not pass.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::Offset;

use super::filter::Filter;

const MAGIC: &[u8; 8] = b"SGSEEN01";
const HEADER: usize = 64;
const BLOCK: usize = 4096;
const ENTRY: usize = 24;
const ENTRIES_PER_BLOCK: usize = (BLOCK - 4) / ENTRY;
/// Blocks read at a time when a run is read from end to end.
const SCAN_BLOCKS: u64 = 64;

/// A key and the offset at which it was first seen.
pub(super) type Entry = (u128, Offset);

/// What a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) generation: u128,
    pub(super) day: i32,
}

/// The flushes that a run holds, by number, first and last: its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flushes {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Flushes {
    pub(super) fn file_name(self) -> String {
        format!("{}-{}.run", self.first, self.last)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (first, last) = name.strip_suffix(".run")?.split_once('-')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()? })
    }
}

/// Why a run cannot be used: its bytes are not what was written, or cannot be read.
#[derive(Debug)]
pub(super) struct Damaged(pub(super) String);

impl From<io::Error> for Damaged {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// An open run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) flushes: Flushes,
    pub(super) entries: u64,
    /// With this run and those before it, every key of the day with a lower first offset is there.
    pub(super) covers: Offset,
    file: File,
    id: u64,
    /// The first key of each block.
    fences: Vec<u128>,
    /// Absent where memory does not allow it: then each look-up reads a block.
    filter: Option<Filter>,
    /// The size of the filter in the file; 0 if there was no memory to make one.
    filter_on_disk: usize,
}

impl Run {
    /// Opens a run; with its filter if that takes `filter_room` bytes at most.
    pub(super) fn open(
        folder: &Path,
        flushes: Flushes,
        owner: Owner,
        filter_room: usize,
    ) -> Result<Self, Damaged> {
        let file = File::open(folder.join(flushes.file_name()))?;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let fields = Header::read(&header).ok_or_else(|| Damaged("the header is damaged".into()))?;
        if fields.owner != owner {
            return Err(Damaged("it belongs to another day or folder".into()));
        }
        let blocks = fields.entries.div_ceil(ENTRIES_PER_BLOCK as u64);
        let tail_at = HEADER as u64 + blocks * BLOCK as u64;
        let tail_bytes = file.metadata()?.len().checked_sub(tail_at);
        let tail_bytes = tail_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let fence_bytes = usize::try_from(blocks).ok().and_then(|blocks| blocks.checked_mul(16));
        let (Some(tail_bytes), Some(fence_bytes)) = (tail_bytes, fence_bytes) else {
            return Err(Damaged("it is cut off".into()));
        };
        let mut tail = vec![0; tail_bytes];
        file.read_exact_at(&mut tail, tail_at)?;
        let Some((fences, filter)) = tail.split_at_checked(fence_bytes) else {
            return Err(Damaged("it is cut off".into()));
        };
        if crc32c::crc32c(&tail) != fields.tail_crc {
            return Err(Damaged("the tail is damaged".into()));
        }
        let fences = fences.as_chunks().0.iter().map(|key| u128::from_be_bytes(*key)).collect();
        let filter_on_disk = filter.len();
        let wanted = !filter.is_empty() && filter.len() <= filter_room;
        let filter = wanted.then(|| Filter::from_bytes(filter));
        Ok(Self {
            filter_on_disk,
            flushes,
            entries: fields.entries,
            covers: fields.covers,
            file,
            id: fields.id,
            fences,
            filter,
        })
    }

    /// The first offset of a key, if it is here.
    pub(super) fn find(&self, key: u128) -> Result<Option<Offset>, Damaged> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_contain(key)) {
            return Ok(None);
        }
        let Some(number) = self.fences.partition_point(|first| *first <= key).checked_sub(1) else {
            return Ok(None);
        };
        let mut block = [0; BLOCK];
        self.file.read_exact_at(&mut block, HEADER as u64 + number as u64 * BLOCK as u64)?;
        let entries = checked(&block, self.id, number as u64, self.entries_in(number as u64))?;
        let found = entries.binary_search_by_key(&key, |entry| read_entry(entry).0);
        Ok(found.ok().and_then(|at| entries.get(at)).map(|entry| read_entry(entry).1))
    }

    /// The memory taken.
    pub(super) fn memory(&self) -> usize {
        self.fences.len() * 16 + self.filter.as_ref().map_or(0, Filter::memory)
    }

    /// The memory that the filter would take which lies on disk only.
    pub(super) fn missing_filter(&self) -> usize {
        self.filter_on_disk.saturating_sub(self.filter.as_ref().map_or(0, Filter::memory))
    }

    /// All entries, sorted.
    pub(super) fn scan(self: &Arc<Self>) -> Scan {
        Scan { run: self.clone(), next_block: 0, entries: Vec::new().into_iter() }
    }

    fn entries_in(&self, block: u64) -> usize {
        let before = block * ENTRIES_PER_BLOCK as u64;
        usize::try_from(self.entries.saturating_sub(before)).unwrap_or(usize::MAX).min(ENTRIES_PER_BLOCK)
    }
}

fn read_entry(entry: &[u8; ENTRY]) -> Entry {
    let mut key = [0; 16];
    let mut offset = [0; 8];
    let (from_key, from_offset) = entry.split_at(16);
    key.copy_from_slice(from_key);
    offset.copy_from_slice(from_offset);
    (u128::from_be_bytes(key), Offset::from_le_bytes(offset))
}

/// The entries of a block whose checksum is right.
fn checked(block: &[u8; BLOCK], id: u64, number: u64, entries: usize) -> Result<&[[u8; ENTRY]], Damaged> {
    let (data, crc) = block.split_at(BLOCK - 4);
    if block_crc(data, id, number).to_le_bytes() != crc {
        return Err(Damaged(format!("block {number} is damaged")));
    }
    Ok(data.as_chunks().0.get(..entries).unwrap_or_default())
}

fn block_crc(data: &[u8], id: u64, number: u64) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), &number.to_le_bytes());
    crc32c::crc32c_append(place, data)
}

/// The entries of a run from the first to the last.
#[derive(Debug)]
pub(super) struct Scan {
    run: Arc<Run>,
    next_block: u64,
    entries: std::vec::IntoIter<Entry>,
}

impl Scan {
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Damaged> {
        if self.entries.len() == 0 {
            self.read()?;
        }
        Ok(self.entries.next())
    }

    fn read(&mut self) -> Result<(), Damaged> {
        let blocks = (self.run.fences.len() as u64).saturating_sub(self.next_block).min(SCAN_BLOCKS);
        let mut bytes = vec![0; blocks as usize * BLOCK];
        self.run.file.read_exact_at(&mut bytes, HEADER as u64 + self.next_block * BLOCK as u64)?;
        let mut entries = Vec::with_capacity(blocks as usize * ENTRIES_PER_BLOCK);
        for block in bytes.as_chunks().0 {
            let inside = self.run.entries_in(self.next_block);
            entries.extend(checked(block, self.run.id, self.next_block, inside)?.iter().map(read_entry));
            self.next_block += 1;
        }
        self.entries = entries.into_iter();
        Ok(())
    }
}

// ---------------------------------------------------------------------------------------------

/// The fields of the header.
#[derive(Debug, Clone, Copy)]
struct Header {
    owner: Owner,
    id: u64,
    entries: u64,
    covers: Offset,
    tail_crc: u32,
}

impl Header {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.owner.generation.to_le_bytes());
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&self.owner.day.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.entries.to_le_bytes());
        bytes.extend_from_slice(&self.covers.to_le_bytes());
        bytes.extend_from_slice(&self.tail_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
            bytes.get(at..at + N)?.try_into().ok()
        }
        let crc = crc32c::crc32c(bytes.get(..60)?);
        if field(bytes, 0)? != *MAGIC || u32::from_le_bytes(field(bytes, 60)?) != crc {
            return None;
        }
        let owner = Owner {
            generation: u128::from_le_bytes(field(bytes, 8)?),
            day: i32::from_le_bytes(field(bytes, 32)?),
        };
        Some(Self {
            owner,
            id: u64::from_le_bytes(field(bytes, 24)?),
            entries: u64::from_le_bytes(field(bytes, 40)?),
            covers: Offset::from_le_bytes(field(bytes, 48)?),
            tail_crc: u32::from_le_bytes(field(bytes, 56)?),
        })
    }
}

/// Writes a run; entries come sorted by key, each key once.
#[derive(Debug)]
pub(super) struct RunWriter {
    file: BufWriter<File>,
    temporary: PathBuf,
    id: u64,
    block: Vec<u8>,
    entries: u64,
    fences: Vec<u128>,
    filter: Option<Filter>,
}

impl RunWriter {
    /// A run of at most `most` entries, with a filter if that takes `filter_room` bytes at most.
    pub(super) fn create(folder: &Path, flushes: Flushes, most: u64, filter_room: usize) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let temporary = folder.join(flushes.file_name()).with_extension("tmp");
        let mut file = BufWriter::with_capacity(1 << 18, File::create(&temporary)?);
        file.write_all(&[0; HEADER])?;
        Ok(Self {
            file,
            temporary,
            id: uuid::Uuid::new_v4().as_u64_pair().0,
            block: Vec::with_capacity(BLOCK),
            entries: 0,
            fences: Vec::new(),
            filter: (Filter::bytes_for(most) <= filter_room).then(|| Filter::for_keys(most)),
        })
    }

    pub(super) fn push(&mut self, (key, offset): Entry) -> io::Result<()> {
        if self.block.is_empty() {
            self.fences.push(key);
        }
        self.block.extend_from_slice(&key.to_be_bytes());
        self.block.extend_from_slice(&offset.to_le_bytes());
        self.entries += 1;
        if let Some(filter) = &mut self.filter {
            filter.insert(key);
        }
        if self.block.len() + ENTRY > BLOCK - 4 {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.block.resize(BLOCK - 4, 0);
        let number = self.fences.len() as u64 - 1;
        let crc = block_crc(&self.block, self.id, number);
        self.file.write_all(&self.block)?;
        self.file.write_all(&crc.to_le_bytes())?;
        self.block.clear();
        Ok(())
    }

    /// Gives the run its name and opens it.
    pub(super) fn finish(mut self, flushes: Flushes, owner: Owner, covers: Offset) -> io::Result<Run> {
        self.end_block()?;
        let mut tail: Vec<u8> = self.fences.iter().flat_map(|key| key.to_be_bytes()).collect();
        tail.extend(self.filter.iter().flat_map(Filter::to_bytes));
        self.file.write_all(&tail)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let tail_crc = crc32c::crc32c(&tail);
        let header = Header { owner, id: self.id, entries: self.entries, covers, tail_crc };
        file.write_all_at(&header.to_bytes(), 0)?;
        let path = self.temporary.with_file_name(flushes.file_name());
        fs::rename(&self.temporary, &path)?;
        Ok(Run {
            flushes,
            entries: self.entries,
            covers,
            file: File::open(path)?,
            id: self.id,
            fences: self.fences,
            filter_on_disk: self.filter.as_ref().map_or(0, Filter::memory),
            filter: self.filter,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner { generation: 77, day: 3 };
    const NAME: Flushes = Flushes { first: 4, last: 9 };

    fn write(folder: &Path, entries: u64, room: usize) -> Run {
        let mut writer = RunWriter::create(folder, NAME, entries, room).unwrap();
        for number in 0..entries {
            writer.push((u128::from(number * 10 + 5), number)).unwrap();
        }
        writer.finish(NAME, OWNER, 1234).unwrap()
    }

    #[test]
    fn every_key_is_found_in_runs_of_any_length() {
        let folder = tempfile::tempdir().unwrap();
        for entries in [0, 1, 169, 170, 171, 340, 30_000] {
            for room in [0, usize::MAX] {
                let written = write(folder.path(), entries, room);
                let opened = Run::open(folder.path(), NAME, OWNER, room).unwrap();
                assert_eq!((opened.entries, opened.covers), (entries, 1234));
                assert_eq!(opened.filter.is_none(), room == 0);
                assert_eq!(opened.missing_filter(), 0); // it was written without one
                for run in [Arc::new(written), Arc::new(opened)] {
                    for number in 0..entries {
                        assert_eq!(run.find(u128::from(number * 10 + 5)).unwrap(), Some(number));
                        assert_eq!(run.find(u128::from(number * 10 + 4)).unwrap(), None);
                    }
                    assert_eq!(run.find(u128::MAX).unwrap(), None);
                    let mut scan = run.scan();
                    for number in 0..entries {
                        assert_eq!(scan.next().unwrap(), Some((u128::from(number * 10 + 5), number)));
                    }
                    assert_eq!(scan.next().unwrap(), None);
                }
            }
        }
    }

    #[test]
    fn no_damage_goes_unseen() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 400, usize::MAX);
        let path = folder.path().join(NAME.file_name());
        let whole = fs::read(&path).unwrap();
        let sound = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let run = Arc::new(Run::open(folder.path(), NAME, OWNER, usize::MAX)?);
            let mut scan = run.scan();
            while scan.next()?.is_some() {}
            Ok::<_, Damaged>(())
        };
        sound(&whole).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(sound(&bytes).is_err(), "byte {at}");
        }
        for length in [0, 1, 63, 64, 4159, whole.len() - 1] {
            assert!(sound(&whole[..length]).is_err(), "{length} bytes");
        }
        fs::write(&path, &whole).unwrap();
        for owner in [Owner { generation: 78, ..OWNER }, Owner { day: 4, ..OWNER }] {
            assert!(Run::open(folder.path(), NAME, owner, 0).is_err());
        }
        // A block of another run in this one's place.
        let other = folder.path().join("other");
        write(&other, 400, usize::MAX);
        let mut bytes = whole.clone();
        bytes[64..4160].copy_from_slice(&fs::read(other.join(NAME.file_name())).unwrap()[64..4160]);
        assert!(sound(&bytes).is_err());
    }
}
