//! Deleting what every consumer has passed.

use std::io;

use event::Offset;

use super::open_log::OpenLog;
use super::segment_header::segment_name;
use crate::{Error, Result};

impl OpenLog {
    /// Deletes the segments that lie wholly below `before`, oldest first; the newest stays.
    pub(super) fn trim(&self, before: Offset) -> Result<()> {
        let _one_at_a_time = self.trimming.lock();
        while let Some(oldest) = self.segments.oldest_below(before) {
            let path = self.dir.join(segment_name(oldest));
            match self.fs.remove(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Io { action: "remove", path, source }),
            }
            self.segments.forget(oldest);
            self.room.notify_waiters();
            // Before the next one goes, or a power loss could leave a gap.
            self.fs.sync_dir(&self.dir).map_err(|source| Error::Io {
                action: "sync",
                path: self.dir.clone(),
                source,
            })?;
        }
        Ok(())
    }
}
