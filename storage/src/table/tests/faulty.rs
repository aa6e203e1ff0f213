//! A store that answers wrongly now and then, by a seed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parking_lot::Mutex;

/// The ways in which a put goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// An error, and nothing was written.
    Before,
    /// An error, and the object was written: the reply was lost.
    After,
    /// "Already exists", and nothing was written (a 409 under contention).
    Conflict,
    /// An error, and the object appears later (the request was still on its way).
    Late,
    /// An error on reading.
    Read,
}

#[derive(Debug)]
struct State {
    random: u64,
    /// Of 100 operations so many fail.
    percent: u64,
    injected: Vec<Fault>,
    late: Option<(Path, PutPayload, PutOptions)>,
    /// Entries of the log are refused.
    refuse: bool,
    /// Reads are refused.
    refuse_reads: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl FaultyStore {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            random: seed.wrapping_mul(2) | 1,
            percent: 0,
            injected: Vec::new(),
            late: None,
            refuse: false,
            refuse_reads: false,
        };
        Self { inner: Arc::new(InMemory::new()), state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn set_percent(&self, percent: u64) {
        self.state.lock().percent = percent;
    }

    pub(crate) fn refuse_entries(&self, refuse: bool) {
        self.state.lock().refuse = refuse;
    }

    pub(crate) fn refuse_reads(&self, refuse: bool) {
        self.state.lock().refuse_reads = refuse;
    }

    /// The objects alone.
    pub(crate) fn without_faults(&self) -> Arc<dyn ObjectStore> {
        self.inner.clone()
    }

    pub(crate) fn injected(&self) -> Vec<Fault> {
        self.state.lock().injected.clone()
    }

    /// A number below `below`.
    pub(crate) fn random(&self, below: u64) -> u64 {
        let mut state = self.state.lock();
        next(&mut state.random) % below
    }

    fn draw(&self, of: &[Fault]) -> Option<Fault> {
        let mut state = self.state.lock();
        // There are many more reads than puts.
        let percent = if of == [Fault::Read] { state.percent / 5 } else { state.percent };
        if next(&mut state.random) % 100 >= percent {
            return None;
        }
        let fault = of[(next(&mut state.random) % of.len() as u64) as usize];
        state.injected.push(fault);
        Some(fault)
    }

    /// What was on its way arrives.
    async fn arrive(&self) {
        let late = self.state.lock().late.take();
        if let Some((path, payload, options)) = late {
            drop(self.inner.put_opts(&path, payload, options).await);
        }
    }
}

/// xorshift64*
fn next(random: &mut u64) -> u64 {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}

fn error() -> Error {
    Error::Generic { store: "faulty", source: "injected".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.arrive().await;
        let create = matches!(options.mode, PutMode::Create);
        if create && self.state.lock().refuse {
            return Err(error());
        }
        let faults: &[Fault] = match create {
            true => &[Fault::Before, Fault::After, Fault::Conflict, Fault::Late],
            false => &[Fault::Before, Fault::After],
        };
        match self.draw(faults) {
            None => self.inner.put_opts(path, payload, options).await,
            Some(Fault::After) => {
                self.inner.put_opts(path, payload, options).await?;
                Err(error())
            }
            Some(Fault::Conflict) => {
                Err(Error::AlreadyExists { path: path.to_string(), source: "injected".into() })
            }
            Some(Fault::Late) => {
                self.state.lock().late = Some((path.clone(), payload, options));
                Err(error())
            }
            Some(_) => Err(error()),
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.draw(&[Fault::Before]) {
            None => self.inner.put_multipart_opts(path, options).await,
            Some(_) => Err(error()),
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if self.state.lock().refuse_reads {
            return Err(error());
        }
        // What is late arrives after one look, at the earliest.
        let result = match self.draw(&[Fault::Read]) {
            None => self.inner.get_opts(path, options).await,
            Some(_) => Err(error()),
        };
        self.arrive().await;
        result
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.state.lock().refuse_reads {
            return Err(error());
        }
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.draw(&[Fault::Read]) {
            None => self.inner.list(prefix),
            Some(_) => futures::stream::iter([Err(error())]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
