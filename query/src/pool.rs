//! Memory that operators may reserve.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Marks our own words in a `ResourcesExhausted` error.
pub(crate) const LIMIT_WORDS: &str = "memory limit: ";

/// The share of one query in the memory of all.
///
/// Greedy: whoever comes first gets it. DataFusion's fair pool divides by the operators that might spill,
/// idle ones too, and so refuses queries that would fit.
#[derive(Debug)]
pub(crate) struct QueryPool {
    all: Arc<GreedyMemoryPool>,
    used: AtomicUsize,
    limit: usize,
}

impl QueryPool {
    pub(crate) fn new(all: Arc<GreedyMemoryPool>, limit: usize) -> Self {
        Self { all, used: AtomicUsize::new(0), limit }
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DfResult<()> {
        let fits = |used: usize| used.checked_add(additional).filter(|used| *used <= self.limit);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return Err(exhausted(format!("a query may use {} MiB", self.limit >> 20)));
        }
        self.all.try_grow(reservation, additional).map_err(|_| {
            self.used.fetch_sub(additional, Ordering::Relaxed);
            let all = match self.all.memory_limit() {
                MemoryLimit::Finite(bytes) => format!("{} MiB", bytes >> 20),
                _ => "no more".to_owned(),
            };
            exhausted(format!("all running queries together may use {all}"))
        })
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

fn exhausted(what: String) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!("{LIMIT_WORDS}{what}"))
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query pool of {} MiB", self.limit >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_its_share_and_all_have_theirs() {
        let all = Arc::new(GreedyMemoryPool::new(3 << 20));
        let pool = || -> Arc<dyn MemoryPool> { Arc::new(QueryPool::new(all.clone(), 2 << 20)) };
        let (one, two) = (pool(), pool());
        let mine = MemoryConsumer::new("sort").register(&one);
        mine.try_grow(2 << 20).unwrap();
        assert!(mine.try_grow(1).unwrap_err().to_string().contains("a query may use 2 MiB"));
        let other = MemoryConsumer::new("sort").register(&two);
        let error = other.try_grow(2 << 20).unwrap_err();
        assert!(error.to_string().contains("together may use 3 MiB"), "{error}");
        assert_eq!((two.reserved(), all.reserved()), (0, 2 << 20));
        drop(mine);
        other.try_grow(2 << 20).unwrap();
        drop(other);
        assert_eq!(all.reserved(), 0);
    }
}
