//! What keeps the table in shape between commits: merging, retention, vacuum.

use std::sync::Arc;

use event::Fate;
use storage::table::EventTable;
use tokio::sync::watch;

use crate::tally::{Tally, add};
use crate::{PipelineConfig, Result};

/// What the upkeep works on.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) table: EventTable,
    pub(crate) config: PipelineConfig,
    pub(crate) tally: Arc<Tally>,
    pub(crate) now_us: fn() -> i64,
}

impl Upkeep {
    /// Works at every `upkeep_every` until `stop` turns true. What fails for a passing reason is done
    /// the next time: nothing depends on it.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<()> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.upkeep_every) => {}
                () = crate::stop::asked(&mut stop) => return Ok(()),
            }
            let done = tokio::select! {
                done = self.once() => done,
                () = crate::stop::asked(&mut stop) => return Ok(()),
            };
            if let Err(error) = done {
                if error.fate() == Fate::Stop {
                    return Err(error);
                }
                tracing::warn!(%error, "the upkeep of the table is put off");
            }
        }
    }

    async fn once(&self) -> Result<()> {
        if let Some(oldest) = oldest_day(self.config.retention_days, (self.now_us)()) {
            let expired = self.table.expire(oldest).await?;
            let rows: u64 = expired.rows.values().sum();
            if rows > 0 {
                tracing::info!(rows, files = expired.files, "days beyond the retention are removed");
                add(&self.tally.expired_rows, rows);
            }
        }
        let merged = self.table.compact().await?;
        add(&self.tally.compacted_files, merged.merged);
        let vacuumed = self.table.vacuum(self.config.keep_removed_files).await?;
        add(&self.tally.vacuumed_files, vacuumed.files);
        Ok(())
    }
}

/// The oldest day that is kept, in days since 1970; `None` keeps all.
pub(crate) fn oldest_day(retention_days: Option<u32>, now_us: i64) -> Option<i32> {
    let today = i32::try_from(now_us.div_euclid(86_400_000_000)).ok()?;
    Some(today.saturating_sub(i32::try_from(retention_days?).unwrap_or(i32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_today() {
        let day_100 = 100 * 86_400_000_000 + 5;
        assert_eq!(oldest_day(Some(7), day_100), Some(93));
        assert_eq!(oldest_day(None, day_100), None);
        assert_eq!(oldest_day(Some(u32::MAX), day_100), Some(100_i32.saturating_sub(i32::MAX)));
    }
}
