//! One thing to read: a file, standard input, or an object in a store.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use object_store::{ObjectMeta, ObjectStore};
use tokio::runtime::Handle;

use crate::object::ObjectReader;
use crate::{Error, Result};

/// One thing to read. [`expand`](crate::expand) makes them of paths and addresses.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file on this machine.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// An object.
    Object {
        /// The store it is in.
        store: Arc<dyn ObjectStore>,
        /// Its address, for people.
        url: String,
        /// Where it is in the store, and how large.
        meta: ObjectMeta,
    },
}

impl Input {
    /// What dead letters give as the origin of a record: a path, `-`, or an address.
    pub fn origin(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".into(),
            Self::Object { url, .. } => url.clone(),
        }
    }

    /// The size in bytes, compressed as it is, where it is known before reading.
    pub fn byte_len(&self) -> Option<u64> {
        match self {
            // A pipe or device says 0.
            Self::File(path) => path.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len()),
            Self::Stdin => None,
            Self::Object { meta, .. } => Some(meta.size),
        }
    }

    /// Whether its end is not known and its bytes come when they come.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Stdin)
    }

    /// Opens it. Reading an object waits for `runtime`: never do so on one of its own threads, but in
    /// `spawn_blocking` or on a thread of another kind.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::File`]. Objects are opened by the first read.
    pub fn open(&self, runtime: &Handle) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(Error::NotFound { path: path.clone() })
                }
                Err(source) => Err(Error::File { path: path.clone(), source }),
            },
            Self::Stdin => Ok(Box::new(io::stdin())),
            Self::Object { store, meta, .. } => {
                Ok(Box::new(ObjectReader::new(store.clone(), meta.clone(), runtime.clone())))
            }
        }
    }
}
