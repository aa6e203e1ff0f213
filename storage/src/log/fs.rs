//! The file operations that the log needs, as a seam: tests put failing and forgetful disks behind it.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// A folder of segments on some disk.
pub(super) trait Fs: Debug + Send + Sync {
    /// The names in `dir`, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a file that must not exist yet. It survives a power loss only after [`Fs::sync_dir`].
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// Opens a file for reading, and for writing if `write`.
    fn open(&self, path: &Path, write: bool) -> io::Result<Arc<dyn SegmentFile>>;
    /// Deletes a file. It stays deleted after a power loss only after [`Fs::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations and deletions in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// Bytes that can be read at any place: an open file, or a segment in memory.
pub(super) trait ReadAt {
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `buf` from the bytes at `at`; too few bytes there are an `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> io::Result<()>;
}

/// An open file.
pub(super) trait SegmentFile: ReadAt + Debug + Send + Sync {
    /// Writes all `parts`, one after another, from `at` on.
    fn write_all_at(&self, parts: &[&[u8]], at: u64) -> io::Result<()>;
    /// Cuts the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// `fdatasync`: the bytes written and the length are on the disk.
    fn sync_data(&self) -> io::Result<()>;
    /// `fsync`.
    fn sync_all(&self) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug)]
pub(super) struct OsFs;

impl Fs for OsFs {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            // A name that is no UTF-8 is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?))
    }

    fn open(&self, path: &Path, write: bool) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(write).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// The most buffers that Linux takes in one `writev` (`IOV_MAX`).
const MAX_PARTS: usize = 1024;

impl ReadAt for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buf, at)
    }
}

impl ReadAt for &[u8] {
    fn len(&self) -> io::Result<u64> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = self.get(at..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl SegmentFile for File {
    fn write_all_at(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        let mut file = self;
        file.seek(SeekFrom::Start(at))?;
        for parts in parts.chunks(MAX_PARTS) {
            let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            write_all(&mut file, &mut slices)?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}

/// As the unstable `Write::write_all_vectored`.
fn write_all(file: &mut impl Write, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty slices at the front would make a write of 0 bytes look like a full disk.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most three bytes at a time and is interrupted before each.
    struct Dribble {
        taken: Vec<u8>,
        interrupted: bool,
    }

    impl Write for Dribble {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = buf.len().min(3);
            self.taken.extend_from_slice(&buf[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_and_interrupted_writes_go_on() {
        let mut file = Dribble { taken: Vec::new(), interrupted: false };
        let mut parts =
            [IoSlice::new(b""), IoSlice::new(b"hello "), IoSlice::new(b""), IoSlice::new(b"world")];
        write_all(&mut file, &mut parts).unwrap();
        assert_eq!(file.taken, b"hello world");
    }

    #[test]
    fn more_parts_than_one_call_takes() {
        let dir = tempfile::tempdir().unwrap();
        let file = OsFs.create(&dir.path().join("a")).unwrap();
        let parts: Vec<Vec<u8>> = (0..3000_u32).map(|i| i.to_le_bytes().to_vec()).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        file.write_all_at(&slices, 5).unwrap();
        assert_eq!(file.len().unwrap(), 12_005);
        let mut back = vec![0; 12_000];
        file.read_exact_at(&mut back, 5).unwrap();
        assert_eq!(back, parts.concat());
        assert!(OsFs.create(&dir.path().join("a")).is_err());
    }
}
