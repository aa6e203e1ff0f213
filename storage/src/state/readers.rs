//! A few connections that only read, lent to one reader each.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::connection;
use crate::Result;

/// How many read at once; more wait.
const MAX_READERS: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    lent: usize,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), pool: Mutex::default(), returned: Condvar::new() }
    }

    /// A connection; waits while all are lent.
    pub(super) fn take(&self) -> Result<Reader<'_>> {
        let mut pool = self.pool.lock();
        while pool.lent >= MAX_READERS {
            self.returned.wait(&mut pool);
        }
        let idle = pool.idle.pop();
        pool.lent += 1;
        drop(pool);
        let mut reader = Reader { readers: self, connection: idle };
        if reader.connection.is_none() {
            reader.connection = Some(connection::open_reader(&self.path)?);
        }
        Ok(reader)
    }
}

/// A lent connection; goes back when dropped.
pub(super) struct Reader<'r> {
    readers: &'r Readers,
    /// `None` only while it is being opened.
    connection: Option<Connection>,
}

impl Deref for Reader<'_> {
    type Target = Option<Connection>;

    fn deref(&self) -> &Option<Connection> {
        &self.connection
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool.lock();
        pool.lent -= 1;
        pool.idle.extend(self.connection.take());
        drop(pool);
        self.readers.returned.notify_one();
    }
}
