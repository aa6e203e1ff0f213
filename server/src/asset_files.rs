//! Files of assets that change while the server runs. Where they have become broken, what was read last stays in use.

use std::path::PathBuf;
use std::sync::Arc;

use alerts::risk::Assets;
use event::Diagnostic;
use parking_lot::Mutex;

use crate::config::read_assets;
use crate::file_stamps::FileStamps;
use crate::reload::When;

/// The files of `risk.assets` as they were read last.
#[derive(Debug)]
pub(crate) struct AssetFiles {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    assets: Arc<Assets>,
    stamps: FileStamps,
}

impl AssetFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// Every problem found, each with file, line, field and mend.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let stamps = FileStamps::of(paths);
        let assets = Arc::new(read_assets(paths)?);
        Ok(Self { inner: Mutex::new(Inner { assets, stamps }) })
    }

    /// What they say.
    pub(crate) fn assets(&self) -> Arc<Assets> {
        self.inner.lock().assets.clone()
    }

    /// Reads files that have changed; `None` if they say what they said.
    ///
    /// # Errors
    /// Every problem found, once for each change; what was read before stays.
    pub(crate) fn reload(
        &self,
        paths: &[PathBuf],
        when: When,
    ) -> Result<Option<Arc<Assets>>, Vec<Diagnostic>> {
        let mut inner = self.inner.lock();
        if !inner.stamps.are_due(paths, when) {
            return Ok(None);
        }
        let assets = read_assets(paths)?;
        if assets == *inner.assets {
            return Ok(None);
        }
        inner.assets = Arc::new(assets);
        Ok(Some(inner.assets.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str = "[[assets]]\nname = \"a\"\npatterns = [\"ana\"]\ncriticality = \"high\"\n";

    #[test]
    fn what_is_changed_is_read_and_what_is_broken_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("assets.toml")];
        let write = |text: &str| std::fs::write(&paths[0], text).unwrap();
        write(ANA);
        let files = AssetFiles::open(&paths).unwrap();
        assert!(files.reload(&paths, When::Now).unwrap().is_none());
        write(&format!("{ANA}owner = \"dana\"\n"));
        assert_eq!(files.reload(&paths, When::Now).unwrap().unwrap().assets[0].owner, "dana");
        write("[[assets]]\nname = ");
        assert!(files.reload(&paths, When::Now).is_err());
        assert!(files.reload(&paths, When::Now).unwrap().is_none());
        assert_eq!(files.assets().assets[0].owner, "dana");
        std::fs::remove_file(&paths[0]).unwrap();
        assert!(files.reload(&paths, When::Now).is_err());
        write(ANA);
        assert_eq!(files.reload(&paths, When::Now).unwrap().unwrap().assets[0].owner, "");
    }
}
