//! Where checkpoints are kept besides: whoever cuts off the log's end must reach this as well.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::checkpoint::Checkpoint;
use crate::{Error, Result};

/// The most that is read of an anchor.
const READ_BYTES: u64 = 256 << 20;
/// A checkpoint has some hundred bytes.
const OBJECT_BYTES: u64 = 64 << 10;
/// Objects that are read at once; a year has half a million of them.
const READ_AT_ONCE: usize = 32;

/// A place for checkpoints, best on another machine.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// A file that lines are appended to.
    File(PathBuf),
    /// Objects below a path, each made once and never written again, so that a lock on the bucket may hold
    /// them: `checkpoint-00000000000000000042.json`.
    Objects(Arc<dyn ObjectStore>, ObjectPath),
}

impl Anchor {
    /// Writes a checkpoint; durable when this returns. One that is there already is left as it is.
    ///
    /// # Errors
    /// The file or the store refuses; to be tried again with this or a newer one.
    pub async fn write(&self, checkpoint: &Checkpoint) -> Result<()> {
        let line = checkpoint.to_line() + "\n";
        match self {
            Self::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || append(&path, line.as_bytes())).await?
            }
            Self::Objects(store, folder) => {
                let name = folder.clone().join(format!("checkpoint-{:020}.json", checkpoint.seq));
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match store.put_opts(&name, PutPayload::from(line.into_bytes()), options).await {
                    Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// All checkpoints, and how many lines or objects could not be read as such.
    ///
    /// # Errors
    /// The file or the store cannot be read.
    pub async fn read(&self) -> Result<(Vec<Checkpoint>, u64)> {
        let mut texts = Vec::new();
        match self {
            Self::File(path) => {
                let failed = |source| Error::Io { action: "read", path: path.clone(), source };
                let file = std::fs::File::open(path).map_err(failed)?;
                let mut text = Vec::new();
                file.take(READ_BYTES).read_to_end(&mut text).map_err(failed)?;
                texts.push(text);
            }
            Self::Objects(store, folder) => {
                let listed = store.list(Some(folder)).try_filter(|meta| {
                    // Archives may lie beside.
                    let name = meta.location.filename().unwrap_or_default();
                    let is_ours = name.starts_with("checkpoint-") && meta.size <= OBJECT_BYTES;
                    futures::future::ready(is_ours)
                });
                let mut objects = listed
                    .map_ok(|meta| async move { store.get(&meta.location).await?.bytes().await })
                    .try_buffered(READ_AT_ONCE);
                while let Some(object) = objects.try_next().await? {
                    texts.push(object.to_vec());
                }
            }
        }
        let mut found = Vec::new();
        let mut unreadable = 0;
        for line in texts.iter().flat_map(|text| text.split(|byte| *byte == b'\n')) {
            match Checkpoint::parse(line) {
                Some(checkpoint) => found.push(checkpoint),
                // A crash tears a line; what it would have said, the next one says.
                None => unreadable += u64::from(!line.is_empty()),
            }
        }
        Ok((found, unreadable))
    }
}

fn append(path: &Path, line: &[u8]) -> Result<()> {
    let failed = |source| Error::Io { action: "append to", path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
    // A line that a crash has torn must not take the next one with it.
    let mut last = [b'\n'];
    if file.metadata().map_err(failed)?.len() > 0 {
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
    }
    let mut bytes = if last == [b'\n'] { Vec::new() } else { vec![b'\n'] };
    bytes.extend_from_slice(line);
    file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(failed)
}
