//! A few connections that only read, lent to one reader each.

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

    /// Runs `work` on a connection; waits while all are lent.
    pub(super) fn run<T>(&self, work: impl FnOnce(&Connection) -> T) -> Result<T> {
        let (_lent, idle) = self.lend();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_reader(&self.path)?,
        };
        let result = work(&connection);
        self.pool.lock().idle.push(connection);
        Ok(result)
    }

    fn lend(&self) -> (Lent<'_>, Option<Connection>) {
        let mut pool = self.pool.lock();
        while pool.lent >= MAX_READERS {
            self.returned.wait(&mut pool);
        }
        pool.lent += 1;
        (Lent(self), pool.idle.pop())
    }
}

/// One of the places in the pool; free again when dropped, also by a panic.
struct Lent<'r>(&'r Readers);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.pool.lock().lent -= 1;
        self.0.returned.notify_one();
    }
}
