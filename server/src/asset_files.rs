//! Files of assets that change while the server runs. Where they have become broken, what was read last stays in use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use alerts::risk::Assets;
use event::Diagnostic;
use parking_lot::Mutex;

use crate::config::read_assets;
use crate::reload::When;

/// The files of `risk.assets` as they were read last.
#[derive(Debug)]
pub(crate) struct AssetFiles {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    assets: Arc<Assets>,
    stamps: Vec<Stamp>,
    /// What the last look saw.
    looked: Vec<Stamp>,
}

/// What tells a file from what it was: length in bytes and time of the last change.
type Stamp = Option<(u64, SystemTime)>;

impl AssetFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// Every problem found, each with file, line, field and mend.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let stamps = stamps(paths);
        let assets = Arc::new(read_assets(paths)?);
        Ok(Self { inner: Mutex::new(Inner { assets, looked: stamps.clone(), stamps }) })
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
        let stamps = stamps(paths);
        let mut inner = self.inner.lock();
        if inner.stamps == stamps {
            return Ok(None);
        }
        if when == When::Steady && inner.looked != stamps {
            inner.looked = stamps;
            return Ok(None);
        }
        inner.stamps = stamps;
        let assets = read_assets(paths)?;
        if assets == *inner.assets {
            return Ok(None);
        }
        inner.assets = Arc::new(assets);
        Ok(Some(inner.assets.clone()))
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    paths.iter().map(stamp).collect()
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
