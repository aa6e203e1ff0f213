//! What handlers tell of a request.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use storage::audit::{self, Detail, Fact, Outcome};
use storage::state::Txn;

use super::{QueryRecord, Recorder};
use crate::api::Problem;
use crate::app::now_us;

tokio::task_local! {
    static CURRENT: Facts;
}

/// Adds a detail to the entry of the request that is worked on; never a secret. Of what is not done for a request,
/// or on another thread for one, nothing is told.
pub(crate) fn tell(name: &str, value: impl Into<Detail>) {
    // Without a request there is no entry to add to.
    if let Ok(facts) = CURRENT.try_with(Clone::clone) {
        facts.tell(name, value);
    }
}

/// Announces a change by somebody whom only the handler knows, such as a person behind a signed callback; durable
/// when this returns.
///
/// # Errors
/// The log cannot be written; the change must not be made then.
pub(crate) async fn announce(actor: &str, role: &str) -> Result<(), Problem> {
    let Ok(facts) = CURRENT.try_with(Clone::clone) else { return Ok(()) };
    act_as(actor, role);
    let seq = facts.recorder.now(Fact { outcome: Outcome::Intended, ..facts.fact() }).await?;
    facts.answers(seq);
    Ok(())
}

/// Names who makes the request, where only the handler knows.
pub(crate) fn act_as(actor: &str, role: &str) {
    if let Ok(facts) = CURRENT.try_with(Clone::clone) {
        let mut told = facts.told.lock();
        (told.fact.actor, told.fact.role) = (actor.to_owned(), role.to_owned());
    }
}

/// A handle on the entry of a request, in the request's extensions.
#[derive(Clone)]
pub(crate) struct Facts {
    recorder: Arc<Recorder>,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug)]
struct Told {
    fact: Fact,
    /// The handler records it itself.
    is_taken: bool,
    /// The outcome was written in the transaction of the change.
    is_within: bool,
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("told", &self.told.lock()).finish_non_exhaustive()
    }
}

impl Facts {
    pub(super) fn new(recorder: Arc<Recorder>, fact: Fact) -> Self {
        let told = Told { fact, is_taken: false, is_within: false };
        Self { recorder, told: Arc::new(Mutex::new(told)) }
    }

    /// Does `work` so that [`tell`] adds to this entry.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }

    /// Adds a detail to the entry; never a secret.
    pub(crate) fn tell(&self, name: &str, value: impl Into<Detail>) {
        self.told.lock().fact.detail.insert(name.to_owned(), value.into());
    }

    /// Writes that the change was done, in its own transaction: the two are one commit.
    ///
    /// # Errors
    /// The database refuses; the transaction must not be committed then.
    pub(crate) fn within(&self, txn: &Txn<'_>) -> storage::Result<()> {
        let mut told = self.told.lock();
        audit::append(txn, &Fact { outcome: Outcome::Done, status: 200, ..told.fact.clone() }, now_us())?;
        told.is_within = true;
        Ok(())
    }

    /// Leaves the entry to whoever answers the query, who knows when it ends.
    pub(crate) fn query(&self, sql: &str) -> QueryRecord {
        let mut told = self.told.lock();
        told.is_taken = true;
        QueryRecord::new(self.recorder.clone(), told.fact.clone(), sql)
    }

    /// The entry as it is known by now.
    pub(super) fn fact(&self) -> Fact {
        self.told.lock().fact.clone()
    }

    /// The entry answers the one numbered `seq`.
    pub(super) fn answers(&self, seq: u64) {
        self.told.lock().fact.of = Some(seq);
    }

    pub(super) fn is_taken(&self) -> bool {
        self.told.lock().is_taken
    }

    pub(super) fn is_within(&self) -> bool {
        self.told.lock().is_within
    }
}
