//! Blocking work of a collector on a thread where blocking is allowed.

use tokio::task::JoinHandle;

use crate::{Error, Result};

/// An engine whose steps block. Dropping the future of a step loses nothing: the step goes on, and the next
/// call gets what it led to.
#[derive(Debug)]
pub(super) struct Background<E, T> {
    name: String,
    /// `None` while a step runs, or after one that panicked.
    engine: Option<E>,
    running: Option<JoinHandle<(E, Result<T>)>>,
}

impl<E: Send + 'static, T: Send + 'static> Background<E, T> {
    pub(super) fn new(name: String, engine: E) -> Self {
        Self { name, engine: Some(engine), running: None }
    }

    /// Runs one step.
    pub(super) async fn step(&mut self, step: fn(&mut E) -> Result<T>) -> Result<T> {
        if self.running.is_none() {
            let Some(mut engine) = self.engine.take() else { return Err(self.lost()) };
            self.running = Some(tokio::task::spawn_blocking(move || {
                let result = step(&mut engine);
                (engine, result)
            }));
        }
        let Some(running) = &mut self.running else { return Err(self.lost()) };
        let ended = running.await;
        self.running = None;
        let (engine, result) = ended.map_err(|_| self.lost())?;
        self.engine = Some(engine);
        result
    }

    fn lost(&self) -> Error {
        Error::ReaderFailed { origin: self.name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(counter: &mut u32) -> Result<u32> {
        std::thread::sleep(std::time::Duration::from_millis(5));
        *counter += 1;
        Ok(*counter)
    }

    #[tokio::test]
    async fn a_dropped_step_is_not_lost() {
        let mut background = Background::new("test".into(), 0);
        for _ in 0..3 {
            // Polled once, then dropped.
            let step = background.step(count);
            tokio::select! { biased; _ = step => {}, () = std::future::ready(()) => {} }
        }
        assert_eq!(background.step(count).await.unwrap(), 1);
        assert_eq!(background.step(count).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_step_that_panics_is_told() {
        let mut background = Background::<u32, u32>::new("test".into(), 0);
        for _ in 0..2 {
            let error = background.step(|_| panic!("a bug")).await.unwrap_err();
            assert!(matches!(error, Error::ReaderFailed { .. }), "{error}");
        }
    }
}
