//! Commits: rows into files, files into the Delta log, exactly once whatever the store answers.

use std::time::{Duration, SystemTime};

use super::Inner;
use super::delta::{Change, Entry, Loaded, Written};
use super::view::Rows;
use super::write::{InFlight, write_rows};
use crate::{Error, Result};

/// Tries of one entry before the caller is told to come back.
const TRIES: u32 = 6;
/// The wait before the second try; it doubles.
const BACK_OFF: Duration = Duration::from_millis(20);
/// When undecided, the caller comes back after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// After so long without a look at the log, entries that we have not seen may have been cleaned up
/// already; writing into the gap would be lost. Far below any `keep_log`.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// What a commit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// The version of the table that it made; 0 if there was nothing to commit.
    pub version: u64,
    /// Rows committed.
    pub rows: u64,
    /// Files written.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// The one writer of the table in this process.
#[derive(Debug)]
pub(crate) struct Writer {
    /// When it last knew what the newest version was.
    looked: SystemTime,
    /// The sealed rows in files, and the entry that adds them, from the first try on.
    pending: Option<Pending>,
    /// Why nothing may be written any more: another writer has taken over.
    fenced: bool,
    /// Entries since the last checkpoint.
    since_checkpoint: u64,
}

#[derive(Debug)]
struct Pending {
    change: Change,
    entry: Entry,
    /// The files are not to be vacuumed meanwhile.
    _in_flight: InFlight,
}

/// How a change came into the table.
pub(crate) enum Published {
    /// As `version`. `base`: the table as it was read again, if others wrote in between; `included`:
    /// that reading has the change.
    As { version: u64, base: Option<Loaded>, included: bool },
    /// It did not, because others changed what it builds on; this is the table now.
    Overtaken(Loaded),
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { looked: SystemTime::now(), pending: None, fenced: false, since_checkpoint: 0 }
    }
}

impl Inner {
    /// Refuses if this process must not write.
    pub(crate) fn check(&self, writer: &Writer) -> Result<()> {
        if writer.fenced {
            return Err(Error::TableFenced { location: self.log.url().to_string() });
        }
        match self.disk.as_ref().and_then(|disk| disk.poisoned()) {
            Some(reason) => Err(Error::TablePoisoned { reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    /// Commits the rows that are sealed or can be.
    pub(crate) async fn commit(&self, writer: &mut Writer) -> Result<CommitStats> {
        self.check(writer)?;
        let Some(rows) = self.view.lock().seal() else { return Ok(CommitStats::default()) };
        if writer.pending.is_none() {
            writer.pending = Some(self.prepare(rows).await?);
        }
        let stats = self.finish_pending(writer).await?;
        self.checkpoint_if_due(writer).await;
        Ok(stats)
    }

    /// Brings an undecided commit to its end, so that others may write to the log.
    pub(crate) async fn settle(&self, writer: &mut Writer) -> Result<()> {
        self.check(writer)?;
        self.finish_pending(writer).await.map(drop)
    }

    async fn prepare(&self, rows: Rows) -> Result<Pending> {
        let in_flight = InFlight::new(&self.in_flight);
        let add = match rows.batches.is_empty() {
            true => Vec::new(),
            false => write_rows(self.log.store(), &self.config, rows.batches, &in_flight).await?,
        };
        let change = Change { add, ..Change::none(rows.next) };
        let entry = self.log.entry(&change)?;
        Ok(Pending { change, entry, _in_flight: in_flight })
    }

    async fn finish_pending(&self, writer: &mut Writer) -> Result<CommitStats> {
        let Some(pending) = &writer.pending else { return Ok(CommitStats::default()) };
        let (change, entry) = (&pending.change, &pending.entry);
        let published = self.publish(writer.looked, change, entry).await;
        let (looked, published) = published.or_else(|error| fence(&mut writer.fenced, error))?;
        writer.looked = looked;
        let Published::As { version, base, included } = published else {
            // Only changes that build on others are overtaken; rows do not.
            return Err(undecided("the table changed"));
        };
        let stats = CommitStats {
            version,
            rows: change.add.iter().filter_map(|file| file.rows).sum(),
            files: change.add.len() as u64,
            bytes: change.add.iter().map(|file| file.bytes).sum(),
        };
        self.view.lock().advance(version, change, base, included, true);
        writer.pending = None;
        writer.since_checkpoint += 1;
        Ok(stats)
    }

    /// Commits a change other than that of the sealed rows, with the offset as it stands. `false`: it was
    /// overtaken, look again.
    pub(crate) async fn change(&self, writer: &mut Writer, change: Change) -> Result<bool> {
        self.settle(writer).await?;
        let offset = self.view.lock().committed;
        let change = Change { offset, ..change };
        let entry = self.log.entry(&change)?;
        let published = self.publish(writer.looked, &change, &entry).await;
        let (looked, published) = published.or_else(|error| fence(&mut writer.fenced, error))?;
        writer.looked = looked;
        writer.since_checkpoint += 1;
        let mut view = self.view.lock();
        match published {
            Published::As { version, base, included } => {
                view.advance(version, &change, base, included, false);
                Ok(true)
            }
            Published::Overtaken(loaded) => {
                view.replace(loaded);
                Ok(false)
            }
        }
    }

    /// Writes a checkpoint when enough entries have come. Its failure is no failure of the commit: the
    /// next one makes up for it.
    pub(crate) async fn checkpoint_if_due(&self, writer: &mut Writer) {
        if writer.since_checkpoint < self.config.checkpoint_every.max(1) {
            return;
        }
        match self.log.checkpoint().await {
            Ok(()) => writer.since_checkpoint = 0,
            Err(error) => tracing::warn!(%error, "cannot write a checkpoint of the events table"),
        }
    }

    /// Writes `entry` as the next version and returns only when it is known what became of it, or with
    /// [`Error::TableUndecided`], after which the same entry must be published again.
    async fn publish(
        &self,
        mut looked: SystemTime,
        change: &Change,
        entry: &Entry,
    ) -> Result<(SystemTime, Published)> {
        let mut version = self.view.lock().version + 1;
        let mut base: Option<Loaded> = None;
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(BACK_OFF * 2u32.pow(attempt - 1)).await;
            }
            // A clock set back counts as a long time.
            if looked.elapsed().is_ok_and(|age| age < LOOK_AGAIN) {
                match self.attempt(version, entry).await {
                    Ok(true) => {
                        return Ok((SystemTime::now(), Published::As { version, base, included: false }));
                    }
                    Ok(false) => {}
                    Err(error) if is_final(&error) => return Err(error),
                    Err(error) => {
                        reason = error.to_string();
                        continue;
                    }
                }
            }
            match self.look(version, entry).await {
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => reason = error.to_string(),
                Ok((loaded, found)) => {
                    looked = SystemTime::now();
                    let builds_on_others = !change.remove.is_empty() || change.metadata.is_some();
                    if found {
                        let version = loaded.version;
                        return Ok((looked, Published::As { version, base: Some(loaded), included: true }));
                    }
                    if builds_on_others && loaded.version >= version {
                        return Ok((looked, Published::Overtaken(loaded)));
                    }
                    version = loaded.version + 1;
                    base = Some(loaded);
                    reason = "others write to the table".to_owned();
                }
            }
        }
        Err(undecided(&reason))
    }

    /// One try. `true`: the entry is `version`; `false`: another entry is.
    ///
    /// # Errors
    /// Nobody's entry is `version`, or the store does not say.
    async fn attempt(&self, version: u64, entry: &Entry) -> Result<bool> {
        let Err(error) = self.log.put(version, entry).await else { return Ok(true) };
        tracing::debug!(%error, version, "an entry of the Delta log got an error");
        if let Some(reason) = self.disk.as_ref().and_then(|disk| disk.poisoned()) {
            return Err(Error::TablePoisoned { reason: reason.to_owned() });
        }
        match self.log.written(version, entry.id).await? {
            Some(Written::Asked) => Ok(true),
            Some(Written::Rival) => Err(self.fenced()),
            Some(Written::Ours | Written::Foreign) => Ok(false),
            None => Err(error),
        }
    }

    /// Reads the table again; the entries from `version` on are searched for `entry` and for rivals.
    async fn look(&self, version: u64, entry: &Entry) -> Result<(Loaded, bool)> {
        let Some(loaded) = self.log.load().await? else { return Err(undecided("the table is gone")) };
        if loaded.version + 1 < version {
            return Err(self.fenced()); // somebody put an older table in its place
        }
        let mut found = false;
        for between in version..=loaded.version {
            match self.log.written(between, entry.id).await? {
                // Somebody else has written so much that the log was cleaned up behind it.
                None | Some(Written::Rival) => return Err(self.fenced()),
                Some(Written::Asked) => found = true,
                Some(Written::Ours | Written::Foreign) => {}
            }
        }
        Ok((loaded, found))
    }

    fn fenced(&self) -> Error {
        Error::TableFenced { location: self.log.url().to_string() }
    }
}

/// Remembers that another writer has taken over.
fn fence<T>(fenced: &mut bool, error: Error) -> Result<T> {
    *fenced |= matches!(error, Error::TableFenced { .. });
    Err(error)
}

fn is_final(error: &Error) -> bool {
    matches!(error, Error::TablePoisoned { .. } | Error::TableFenced { .. })
}

fn undecided(reason: &str) -> Error {
    Error::TableUndecided { reason: reason.to_owned(), retry_after: RETRY_AFTER }
}
