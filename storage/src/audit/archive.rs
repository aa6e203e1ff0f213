//! Where entries go before they are dropped.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, Result};

/// A place for segments of the log that are written once and stay.
#[derive(Debug, Clone)]
pub enum Archive {
    /// Files in a folder, for their owner only.
    Folder(PathBuf),
    /// Objects below a path, each made once, so that a lock on the bucket may hold them.
    Objects(Arc<dyn ObjectStore>, ObjectPath),
}

impl Archive {
    /// Writes a segment; durable when this returns. The same one again is left as it is.
    ///
    /// # Errors
    /// The folder or store refuses, or has something else under the name ([`Error::AuditArchive`]).
    pub async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                tokio::task::spawn_blocking(move || file(&folder, &name, &bytes)).await?
            }
            Self::Objects(store, folder) => {
                let place = folder.clone().join(name);
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match store.put_opts(&place, PutPayload::from(bytes.clone()), options).await {
                    Ok(_) => Ok(()),
                    Err(object_store::Error::AlreadyExists { .. }) => {
                        // After a lost answer it is ours; nothing else may pass for it.
                        let there = store.get(&place).await?.bytes().await?;
                        if there == bytes { Ok(()) } else { Err(other(place.as_ref())) }
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

fn other(place: &str) -> Error {
    Error::AuditArchive { place: place.to_owned() }
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed("make", folder))?;
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(_) => return Err(other(&path.to_string_lossy())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::Io { action: "read", path, source }),
    }
    let part = folder.join(format!("{name}.part"));
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed("make", &part))?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(failed("write", &part))?;
    std::fs::rename(&part, &path).map_err(failed("rename", &part))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}
