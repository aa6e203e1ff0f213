//! The newest checkpoint, kept beside the key: what is signed next must go on from it.
//!
//! Whoever may write to the database but not to the folder's files can remove checkpoints there and make all
//! hashes fit. Without this, the next signature would be over what they have written.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use super::chain::Digest;
use super::checkpoint::Checkpoint;
use super::key::{PublicKey, write};
use super::page::bytes;
use crate::{Error, Result};

/// The file of the newest checkpoint in the data folder, for its owner only.
pub const HEAD_FILE: &str = "audit.head";
/// A checkpoint has some hundred bytes.
const MOST_BYTES: u64 = 64 << 10;

/// What is known of the signed part of a log, besides the log.
#[derive(Debug)]
pub(super) struct Head {
    path: PathBuf,
    /// The newest checkpoint; `None` where none was made yet.
    pub(super) newest: Option<Checkpoint>,
    /// Whether `newest` lies in the file.
    is_kept: bool,
    /// Why nothing may be signed, whatever the log says.
    problem: Option<String>,
}

/// The checkpoint of a data folder's [`HEAD_FILE`], as whoever wrote it; `None` where there is none.
///
/// # Errors
/// It cannot be read, or is no checkpoint.
pub fn kept(folder: &Path) -> Result<Option<Checkpoint>> {
    let path = folder.join(HEAD_FILE);
    let failed = |source| Error::Io { action: "read", path: path.clone(), source };
    let mut text = Vec::new();
    match std::fs::File::open(&path) {
        Ok(file) => std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_BYTES), &mut text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    }
    .map_err(failed)?;
    let unreadable = || Error::AuditUnsigned { problem: format!("`{}` is no checkpoint", path.display()) };
    Checkpoint::parse(text.trim_ascii()).map(Some).ok_or_else(unreadable)
}

impl Head {
    /// What is kept in `folder` for the log in `db`, which `own` signs; `is_new_key` where no entry before has
    /// named that key.
    ///
    /// # Errors
    /// The file or the database cannot be read.
    pub(super) fn open(folder: &Path, db: &Connection, own: &PublicKey, is_new_key: bool) -> Result<Self> {
        let path = folder.join(HEAD_FILE);
        let (in_file, mut problem) = match kept(folder) {
            Ok(found) => (found, None),
            Err(Error::AuditUnsigned { problem }) => (None, Some(problem)),
            Err(error) => return Err(error),
        };
        let by_a_key =
            |signed: &Checkpoint| PublicKey::parse(&signed.key).is_some_and(|key| signed.is_by(&key));
        if in_file.as_ref().is_some_and(|signed| !by_a_key(signed)) {
            problem = Some(format!("`{}` is not signed by the key that it names", path.display()));
        }
        let mut select = db.prepare("SELECT line FROM audit_checkpoints ORDER BY seq DESC LIMIT 1")?;
        let line = select.query_row([], |row| Ok(bytes(row.get_ref(0)?).to_vec())).optional()?;
        let in_log = line.and_then(|line| Checkpoint::parse(&line)).filter(|signed| signed.is_by(own));
        if in_file.is_none() && problem.is_none() {
            let last: u64 = db.query_row("SELECT coalesce(max(seq), 0) FROM audit", [], |row| row.get(0))?;
            // Logs of before had no such file; one that has only begun has nothing to be compared with.
            let is_older = in_log.as_ref().is_some_and(|signed| signed.after.is_none());
            if !is_older && !is_new_key && last > 1 {
                problem = Some(format!("`{}` is gone", path.display()));
            }
        }
        // A kill may have been between a checkpoint and its file.
        let is_newer = |signed: &Checkpoint| {
            in_file.as_ref().is_none_or(|kept| kept.chain == signed.chain && kept.seq < signed.seq)
        };
        let (newest, is_kept) = match in_log.filter(is_newer) {
            Some(signed) => (Some(signed), false),
            None => (in_file, true),
        };
        Ok(Self { path, newest, is_kept, problem })
    }

    /// Number and hash of the newest entry of `chain`, if the log goes on from what was signed.
    ///
    /// # Errors
    /// [`Error::AuditUnsigned`]: it does not, or the database cannot be read.
    pub(super) fn proved(&self, db: &Connection, chain: &str) -> Result<(u64, Digest)> {
        let refused = |problem: String| Err(Error::AuditUnsigned { problem });
        if let Some(problem) = &self.problem {
            return refused(problem.clone());
        }
        // A log that begins, or begins anew with another key.
        let Some(signed) = &self.newest else { return super::head(db) };
        if signed.chain != chain {
            return refused(format!("the log is the chain `{chain}`, and `{}` was signed", signed.chain));
        }
        let (mut seq, mut hash) = (signed.seq, Digest::parse(&signed.hash).unwrap_or(Digest::ZERO));
        let mut select = db.prepare_cached("SELECT hash FROM audit WHERE seq = ?1")?;
        let there = select.query_row([seq], |row| Ok(bytes(row.get_ref(0)?).to_vec())).optional()?;
        let mut select = db.prepare_cached("SELECT coalesce((SELECT seq FROM audit_start), 0)")?;
        let dropped: u64 = select.query_row([], |row| row.get(0))?;
        if there.is_none() && dropped != seq {
            return refused(format!("entry {seq}, which was signed, is gone"));
        }
        if there.is_some_and(|there| there != hash.as_bytes()) {
            return refused(format!("entry {seq} or one before it is not what was signed"));
        }
        let mut select =
            db.prepare_cached("SELECT seq, entry, hash FROM audit WHERE seq > ?1 ORDER BY seq")?;
        let mut rows = select.query([seq])?;
        while let Some(row) = rows.next()? {
            seq += 1;
            hash = hash.next(bytes(row.get_ref(1)?));
            if row.get::<_, u64>(0)? != seq || bytes(row.get_ref(2)?) != hash.as_bytes() {
                return refused(format!("entry {seq} is missing, or not what it was"));
            }
        }
        Ok((seq, hash))
    }

    /// The entry of the checkpoint that the next one comes after; 0 for none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) fn signed(&self, db: &Connection) -> Result<u64> {
        if let Some(signed) = &self.newest {
            return Ok(signed.seq);
        }
        let sql =
            "SELECT coalesce((SELECT max(seq) FROM audit_checkpoints), (SELECT seq FROM audit_start), 0)";
        Ok(db.query_row(sql, [], |row| row.get(0))?)
    }

    /// Keeps a newer checkpoint, or the one that could not be kept before.
    ///
    /// # Errors
    /// The file cannot be written; to be tried again.
    pub(super) fn keep(&mut self, newer: Option<&Checkpoint>) -> Result<()> {
        if let Some(newer) = newer {
            (self.newest, self.is_kept) = (Some(newer.clone()), false);
        }
        let Some(newest) = self.newest.as_ref().filter(|_| !self.is_kept) else { return Ok(()) };
        write(&self.path, (newest.to_line() + "\n").as_bytes(), 0o600)?;
        self.is_kept = true;
        Ok(())
    }
}
