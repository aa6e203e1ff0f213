//! Alerts, dead letters, counts and the offset, in one SQLite transaction.

use std::sync::Arc;

use alerts::AlertStore;
use event::Offset;
use storage::state::State;
use storage::{dead_letter, ledger, position};
use tokio::sync::{mpsc, watch};

use crate::progress::advance;
use crate::retry::wait_out;
use crate::tally::{Tally, add};
use crate::turn::Raise;
use crate::{Error, Progress, Result};

/// The consumer's name in the table of positions.
pub(crate) const CONSUMER: &str = "raise";

/// How many turns share a transaction at most; each transaction costs one fsync.
const TURNS: usize = 64;

/// Records turns from `inbox` until it closes. Turns below `from` are recorded already and skipped.
pub(crate) async fn raise(
    state: State,
    from: Offset,
    mut inbox: mpsc::Receiver<Raise>,
    progress: Arc<watch::Sender<Progress>>,
    tally: Arc<Tally>,
    now_us: fn() -> i64,
) -> Result<()> {
    let mut turns = Vec::with_capacity(TURNS);
    while inbox.recv_many(&mut turns, TURNS).await > 0 {
        let batch: Vec<_> = turns.drain(..).filter(|turn| turn.first >= from).collect();
        let Some(next) = batch.last().map(|turn| turn.next) else { continue };
        let batch = Arc::new(batch);
        loop {
            let (state, batch, tally) = (state.clone(), batch.clone(), tally.clone());
            let work = tokio::task::spawn_blocking(move || record(&state, &batch, &tally, now_us()));
            let recorded = work
                .await
                .map_err(|panic| Error::Stopped { reason: format!("recording alerts panicked: {panic}") })?;
            match recorded {
                Ok(()) => break,
                Err(error) => wait_out("recording alerts", error).await?,
            }
        }
        advance(&progress, |mark| mark.raised = next);
    }
    Ok(())
}

fn record(state: &State, turns: &[Raise], tally: &Tally, now_us: i64) -> Result<()> {
    let new = state.write(|txn| {
        let mut new = 0;
        for turn in turns {
            new += AlertStore::record(txn, &turn.alerts, now_us)?;
            dead_letter::insert(txn, &turn.dead_letters)?;
            for (source, counts) in &turn.counts {
                ledger::add(txn, source, counts)?;
            }
        }
        if let Some(last) = turns.last() {
            position::set(txn, CONSUMER, last.next)?;
        }
        Ok::<_, Error>(new)
    })?;
    add(&tally.alerts, new as u64);
    Ok(())
}
