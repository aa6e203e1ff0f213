//! Which files have changed since they were read, and are not being written.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::reload::When;

/// What tells a file from what it was: length in bytes and time of the last change; `None` where there is none.
type Stamp = Option<(u64, SystemTime)>;

/// Files as they were when they were read, and at the last look.
#[derive(Debug)]
pub(crate) struct FileStamps {
    read: Vec<Stamp>,
    looked: Vec<Stamp>,
}

impl FileStamps {
    /// The files as they are; take it before they are read, so that a change in between is seen later.
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let read = stamps(paths);
        Self { looked: read.clone(), read }
    }

    /// Whether they are to be read; they count as read then.
    pub(crate) fn are_due(&mut self, paths: &[PathBuf], when: When) -> bool {
        let now = stamps(paths);
        let is_due = self.read != now && (when == When::Now || self.looked == now);
        self.looked.clone_from(&now);
        if is_due {
            self.read = now;
        }
        is_due
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_file_is_not_due() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("a.csv")];
        let mut stamps = FileStamps::of(&paths);
        assert!(!stamps.are_due(&paths, When::Now), "none was there, and none is");
        std::fs::write(&paths[0], "a").unwrap();
        assert!(!stamps.are_due(&paths, When::Steady), "it may be half of it");
        std::fs::write(&paths[0], "ab").unwrap();
        assert!(!stamps.are_due(&paths, When::Steady));
        assert!(stamps.are_due(&paths, When::Steady));
        assert!(!stamps.are_due(&paths, When::Steady));
        std::fs::write(&paths[0], "abc").unwrap();
        assert!(stamps.are_due(&paths, When::Now));
    }
}
