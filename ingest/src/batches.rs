//! Many inputs as one stream of batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use event::{LogType, RawBatch, SourceId};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::{Error, Input, Limits, RecordReader, Result};

/// How inputs are read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The source that is charged with the records.
    pub source: SourceId,
    /// The log type, where it is known; otherwise each record is asked.
    pub log_type: Option<LogType>,
    /// Bounds for each input.
    pub limits: Limits,
    /// How many inputs are read at a time, at least one. With one, the batches come in the order of the
    /// inputs. Several hide the latency of object stores and inflate on several cores; each holds a
    /// batch or two and, for an object, 16 MiB of it.
    pub readers: usize,
    /// The time of day in microseconds since 1970, asked once a batch.
    pub now_us: fn() -> i64,
}

/// Batches of records, read from a list of inputs in the background.
///
/// Each reader waits while nobody takes its batch. Dropping this stops them; a read from standard
/// input that waits for bytes ends with the process.
///
/// ```
/// # use event::SourceId;
/// # use ingest::{Batches, Limits, ReadOptions, expand};
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("a.json"), r#"{"Records":[{"a":1},{"a":2}]}"#)?;
/// let inputs = expand(&[folder.path().display().to_string()]).await?;
/// let options = ReadOptions {
///     source: SourceId::new("cli"),
///     log_type: None,
///     limits: Limits::default(),
///     readers: 2,
///     now_us: || 1_700_000_000_000_000,
/// };
/// let mut batches = Batches::read(inputs, options);
/// while let Some(batch) = batches.next().await {
///     match batch {
///         Ok(batch) => assert_eq!(batch.len(), 2),
///         Err(failed) => println!("{failed}: {}", failed.error),
///     }
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Batches {
    receiver: mpsc::Receiver<std::result::Result<RawBatch, FailedInput>>,
    shared: Arc<Shared>,
}

/// An input that could not be opened, or not be read to its end. The others go on.
#[derive(Debug, thiserror::Error)]
#[error("`{origin}` was not read to its end")]
pub struct FailedInput {
    /// Which one.
    pub origin: String,
    /// Why. Records before it were handed over.
    #[source]
    pub error: Error,
}

/// How far the reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadProgress {
    /// Inputs read to their end, or failed.
    pub inputs_done: usize,
    /// All inputs.
    pub inputs: usize,
    /// Bytes read, compressed as they are.
    pub bytes_read: u64,
    /// The bytes of all inputs, if all sizes are known.
    pub bytes: Option<u64>,
}

/// What the readers share.
#[derive(Debug)]
struct Shared {
    inputs: Vec<Input>,
    /// The next input that nobody reads yet.
    next: AtomicUsize,
    done: AtomicUsize,
    bytes_read: AtomicU64,
    bytes: Option<u64>,
    options: ReadOptions,
}

impl Batches {
    /// Starts to read `inputs` on the blocking threads of the runtime that this is called on.
    pub fn read(inputs: Vec<Input>, options: ReadOptions) -> Self {
        let readers = options.readers.clamp(1, inputs.len().max(1));
        let (sender, receiver) = mpsc::channel(readers);
        let shared = Arc::new(Shared {
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            bytes_read: AtomicU64::new(0),
            bytes: inputs.iter().map(Input::byte_len).sum(),
            inputs,
            options,
        });
        let runtime = Handle::current();
        // A blocking thread of the runtime that waits for standard input would keep it from ending.
        let is_live = shared.inputs.iter().any(Input::is_live);
        for _ in 0..readers {
            let reader = Reader { shared: shared.clone(), sender: sender.clone(), runtime: runtime.clone() };
            if is_live {
                std::thread::spawn(move || reader.run());
            } else {
                runtime.spawn_blocking(move || reader.run());
            }
        }
        Self { receiver, shared }
    }

    /// The next batch, or an input that failed; `None` after the last.
    pub async fn next(&mut self) -> Option<std::result::Result<RawBatch, FailedInput>> {
        self.receiver.recv().await
    }

    /// How far the reading has come; it is ahead of what was taken by a batch or two for each reader.
    pub fn progress(&self) -> ReadProgress {
        ReadProgress {
            inputs_done: self.shared.done.load(Ordering::Relaxed),
            inputs: self.shared.inputs.len(),
            bytes_read: self.shared.bytes_read.load(Ordering::Relaxed),
            bytes: self.shared.bytes,
        }
    }
}

/// One of the readers.
struct Reader {
    shared: Arc<Shared>,
    sender: mpsc::Sender<std::result::Result<RawBatch, FailedInput>>,
    runtime: Handle,
}

/// Nobody takes batches any more.
struct Unwanted;

impl Reader {
    fn run(&self) {
        while let Some(input) = self.shared.inputs.get(self.shared.next.fetch_add(1, Ordering::Relaxed)) {
            let origin = input.origin();
            // A defect in here must not look like the end of the input.
            let read = catch_unwind(AssertUnwindSafe(|| self.read(input, &origin)))
                .unwrap_or_else(|_| Err(Error::ReaderFailed { origin: origin.clone() }));
            let sent = match read {
                Ok(read) => read,
                Err(error) => {
                    self.sender.blocking_send(Err(FailedInput { origin, error })).map_err(|_| Unwanted)
                }
            };
            if sent.is_err() {
                return;
            }
            self.shared.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self, input: &Input, origin: &str) -> Result<std::result::Result<(), Unwanted>> {
        let options = &self.shared.options;
        let mut reader = RecordReader::new(input.open(&self.runtime)?, options.limits.clone());
        if input.is_live() {
            reader = reader.live();
        }
        let mut counted = 0;
        loop {
            let batch = reader.next_batch()?;
            self.shared.bytes_read.fetch_add(reader.bytes_read() - counted, Ordering::Relaxed);
            counted = reader.bytes_read();
            let Some(batch) = batch else { return Ok(Ok(())) };
            let batch =
                batch.finish(options.source.clone(), options.log_type, origin.to_owned(), (options.now_us)());
            if self.sender.blocking_send(Ok(batch)).is_err() {
                return Ok(Err(Unwanted));
            }
        }
    }
}
