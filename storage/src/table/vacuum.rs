//! Deletion of files that no version needs any more.

use std::collections::HashSet;
use std::path::Path as FsPath;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;

use super::durable::is_staging;
use super::{EventTable, Inner};
use crate::{Error, Result};

/// What a vacuum deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VacuumStats {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl EventTable {
    /// Deletes files that were removed from the table, or never got into it (a crash between writing and
    /// committing), longer than `keep` ago. Never a file of the newest version, nor one that a commit of
    /// this process is about to add; those of *other* processes are safe while they commit within `keep`.
    ///
    /// # Errors
    /// The store refuses; what is left is for the next call.
    pub async fn vacuum(&self, keep: Duration) -> Result<VacuumStats> {
        let inner = &self.inner;
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let before_ms = Utc::now().timestamp_millis().saturating_sub(keep_ms);
        // In this order: a file listed is in flight still or in the version looked at afterwards.
        let candidates = inner.old_files(before_ms).await?;
        let mut needed: HashSet<Path> = inner.in_flight.lock().clone();
        needed.extend(inner.view.lock().files.iter().map(|file| file.path.clone()));
        if candidates.iter().any(|(path, _)| !needed.contains(path)) {
            // A file may be old and its removal young: queries that began before it still read it.
            needed.extend(inner.log.removed_since(before_ms).await?);
        }
        let mut stats = VacuumStats::default();
        let mut unneeded = Vec::new();
        for (path, bytes) in candidates {
            if !needed.contains(&path) {
                stats.files += 1;
                stats.bytes += bytes;
                unneeded.push(Ok(path));
            }
        }
        let deleted = inner.log.store().delete_stream(futures::stream::iter(unneeded).boxed());
        deleted
            .filter(|result| {
                // Gone already: fine.
                std::future::ready(!matches!(result, Err(object_store::Error::NotFound { .. })))
            })
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        if inner.disk.is_some()
            && let Ok(folder) = inner.log.url().to_file_path()
        {
            tokio::task::spawn_blocking(move || sweep_staging(&folder, keep)).await??;
        }
        Ok(stats)
    }
}

impl Inner {
    /// All data files last written before `before_ms`, with their sizes.
    async fn old_files(&self, before_ms: i64) -> Result<Vec<(Path, u64)>> {
        let mut files = Vec::new();
        let mut list = self.log.store().list(None);
        while let Some(file) = list.try_next().await? {
            // Folders that begin with `_` are the log's and other engines' (PROTOCOL.md, "Data Files").
            let hidden = file.location.parts().next().is_some_and(|part| part.as_ref().starts_with('_'));
            if !hidden && file.last_modified.timestamp_millis() <= before_ms {
                files.push((file.location, file.size));
            }
        }
        Ok(files)
    }
}

/// Removes what a crash left half written; a listing of the store does not show it.
fn sweep_staging(folder: &FsPath, keep: Duration) -> Result<()> {
    let failed = |source| Error::Io { action: "read the folder", path: folder.to_owned(), source };
    let oldest = SystemTime::now().checked_sub(keep);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            sweep_staging(&path, keep)?;
        } else if is_staging(&path)
            && oldest.zip(meta.modified().ok()).is_some_and(|(oldest, at)| at < oldest)
        {
            // One that cannot be removed now is for the next call.
            drop(std::fs::remove_file(&path));
        }
    }
    Ok(())
}
