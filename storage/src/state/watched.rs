//! Numbers in the database that somebody waits for: a follower is woken when there is something for it, and not by
//! every commit of everybody.

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::watch;

use crate::Result;

/// A number that a statement gives, as of the newest commit.
#[derive(Debug, Clone)]
pub struct Watched(watch::Receiver<i64>);

impl Watched {
    /// The number now.
    pub fn number(&self) -> i64 {
        *self.0.borrow()
    }

    /// The number as it is now is known: only what comes later is waited for.
    pub fn mark_known(&mut self) {
        self.0.mark_unchanged();
    }

    /// Whether the number is another than the one known.
    pub fn has_changed(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits until the number is another than the one known; for ever, once the database is closed.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// All numbers that are waited for.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<Vec<Watch>>);

#[derive(Debug)]
struct Watch {
    sql: &'static str,
    number: watch::Sender<i64>,
}

impl Watches {
    /// The number of `sql`; `db` is the writer, so that no commit comes between the reading and the waiting.
    pub(super) fn subscribe(&self, db: &Connection, sql: &'static str) -> Result<Watched> {
        let mut watches = self.0.lock();
        if let Some(known) = watches.iter().find(|known| known.sql == sql) {
            return Ok(Watched(known.number.subscribe()));
        }
        let (number, told) = watch::channel(read(db, sql)?);
        watches.push(Watch { sql, number });
        Ok(Watched(told))
    }

    /// The numbers as they are in the transaction `db`; `None` where one cannot be read.
    pub(super) fn numbers(&self, db: &Connection) -> Vec<Option<i64>> {
        self.0.lock().iter().map(|known| read(db, known.sql).ok()).collect()
    }

    /// Wakes those whose number is another, or not known. The caller still holds the writer: at most some have come
    /// since, at the end.
    pub(super) fn tell(&self, numbers: &[Option<i64>]) {
        for (known, number) in self.0.lock().iter().zip(numbers) {
            known.number.send_if_modified(|told| {
                let is_other = *number != Some(*told);
                *told = number.unwrap_or(*told);
                is_other
            });
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }
}

fn read(db: &Connection, sql: &str) -> Result<i64> {
    let number = db.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0)).optional()?;
    Ok(number.flatten().unwrap_or(0))
}
