//! The threads that run queries.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, Result};

/// Syntax trees and plans are walked recursively; reserved, not used, until a query needs it.
const STACK_BYTES: usize = 32 << 20;

/// A tokio runtime of its own, so that a query that computes holds up nobody but other queries. It is
/// started with the first query.
#[derive(Debug)]
pub(crate) struct Threads {
    count: usize,
    runtime: Mutex<Option<Runtime>>,
}

impl Threads {
    pub(crate) fn new(count: usize) -> Self {
        Self { count, runtime: Mutex::new(None) }
    }

    pub(crate) fn handle(&self) -> Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = runtime.as_ref() {
            return Ok(running.handle().clone());
        }
        let started = Builder::new_multi_thread()
            .worker_threads(self.count.max(1))
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|error| Error::Failed(format!("no threads for queries: {error}")))?;
        Ok(runtime.insert(started).handle().clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for them is neither possible within a runtime nor of use: nobody is left to ask.
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}
