//! The segment that is written to.

use std::path::Path;
use std::sync::Arc;

use event::Offset;

use super::fs::{Fs, SegmentFile};
use super::scan::FIRST_FRAME;
use super::segment_header::{Marker, SegmentHeader, segment_name};
use crate::{Error, Result};

/// The newest segment, open for writing.
#[derive(Debug)]
pub(super) struct Active {
    /// The offset that its name says.
    pub(super) first: Offset,
    /// Opens its frames.
    pub(super) marker: Marker,
    /// The file.
    pub(super) file: Arc<dyn SegmentFile>,
    /// Everything below this position is durable; the next frame goes here.
    pub(super) end: u64,
    /// Whether a seal is the last thing in it, or nothing but the header.
    pub(super) sealed: bool,
}

impl Active {
    /// Makes a new segment that survives a power loss. A half-made one is taken away again as far as
    /// the disk allows; what is left of it is recognised at the next opening.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn create(fs: &dyn Fs, dir: &Path, first: Offset) -> Result<Self> {
        let path = dir.join(segment_name(first));
        let failed = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        let file = fs.create(&path).map_err(failed("create"))?;
        let header = SegmentHeader::new(first);
        let written = file
            .write_all_at(&[&header.encode()], 0)
            .map_err(failed("write"))
            .and_then(|()| file.sync_all().map_err(failed("sync")))
            .and_then(|()| {
                fs.sync_dir(dir).map_err(|source| Error::Io { action: "sync", path: dir.to_owned(), source })
            });
        if let Err(error) = written {
            if let Err(error) = fs.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "a half-made segment could not be removed");
            }
            return Err(error);
        }
        Ok(Self { first, marker: header.marker, file, end: FIRST_FRAME, sealed: true })
    }
}
