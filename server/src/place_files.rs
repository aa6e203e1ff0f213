//! Files of places that change while the server runs. Where they have become broken, what was read last stays in
//! use, and an alert and `/health` say so.

use std::path::PathBuf;
use std::sync::Arc;

use event::{Diagnostic, Level};
use parking_lot::Mutex;
use pipeline::{Places, place};
use storage::audit::Fact;

use crate::app::App;
use crate::file_stamps::FileStamps;
use crate::reload::When;
use crate::rule_alerts;

/// The rule that alerts about broken files name.
const BROKEN: &str = "stormglass-places-broken";
/// What they are about.
const SETTING: &str = "enrich.places";

/// The files of `enrich.places`, as they were looked at last.
#[derive(Debug)]
pub(crate) struct PlaceFiles {
    paths: Vec<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    stamps: FileStamps,
    /// Why they are not in use as they are.
    problem: Option<String>,
}

impl PlaceFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// Every problem found, with file, line, field and mend.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<(Self, Arc<Places>), Vec<Diagnostic>> {
        let stamps = FileStamps::of(paths);
        let places = Arc::new(read(paths)?);
        let inner = Mutex::new(Inner { stamps, problem: None });
        Ok((Self { paths: paths.to_vec(), inner }, places))
    }

    /// Why what the files say now is not in use.
    pub(crate) fn problem(&self) -> Option<String> {
        self.inner.lock().problem.clone()
    }

    /// Reads the files if one has changed; `None` if none has.
    ///
    /// # Errors
    /// Every problem found, once for each change.
    fn reload(&self, when: When) -> Result<Option<Places>, Vec<Diagnostic>> {
        if !self.inner.lock().stamps.are_due(&self.paths, when) {
            return Ok(None);
        }
        let places = read(&self.paths);
        let mut inner = self.inner.lock();
        inner.problem = places.as_ref().err().and_then(|problems| problems.first()).map(ToString::to_string);
        places.map(Some)
    }
}

/// Puts the files as they are now to use, from the next group of records on, and tells what is wrong.
pub(crate) async fn reload(app: &Arc<App>, when: When) {
    let reading = app.clone();
    match tokio::task::spawn_blocking(move || reading.places.reload(when)).await {
        Ok(Ok(None)) => return,
        Ok(Ok(Some(places))) => {
            tracing::info!("the files of places are reloaded");
            app.audit.later(Fact::of_stormglass("places.changed"));
            app.pipeline.swap_places(Arc::new(places));
        }
        Ok(Err(problems)) => {
            for problem in problems {
                tracing::warn!(%problem, "places are not reloaded; what was read before stays in use");
            }
        }
        Err(error) => return tracing::error!("reading the files of places failed: {error}"),
    }
    if let Err(error) = tell(app).await {
        tracing::warn!("the alert about files of places is not brought up to date: {error:#}");
    }
}

/// Raises the alert about broken files, or closes it.
///
/// # Errors
/// The database refuses.
pub(crate) async fn tell(app: &Arc<App>) -> anyhow::Result<()> {
    let app = app.clone();
    tokio::task::spawn_blocking(move || match app.places.problem() {
        Some(why) => rule_alerts::raise_once(&app.state, &app.alerts, BROKEN, || {
            let description = format!(
                "The places that were read last stay in use until the server stops. {why}. This alert is closed when \
                 the files of `{SETTING}` are mended."
            );
            let mend = "Mend the file, or put the last good one back.";
            rule_alerts::alert(BROKEN, "A File Of Places Is Broken", SETTING, description, mend)
        }),
        None => rule_alerts::close_all(&app.alerts, BROKEN, "the files of places are sound"),
    })
    .await??;
    Ok(())
}

/// Reads the files of `enrich.places`.
///
/// # Errors
/// Every problem found.
fn read(paths: &[PathBuf]) -> Result<Places, Vec<Diagnostic>> {
    let mut files = Vec::with_capacity(paths.len());
    let mut problems = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        // A file that is too large is refused before it fills the memory.
        let bytes = std::fs::metadata(path).and_then(|metadata| match metadata.len() {
            length if length > place::MAX_FILE_BYTES => {
                Err(std::io::Error::other(format!("it has {length} bytes, limit {}", place::MAX_FILE_BYTES)))
            }
            _ => std::fs::read(path),
        });
        match bytes {
            Ok(bytes) => files.push((name, bytes)),
            Err(error) => problems.push(Diagnostic {
                level: Level::Error,
                file: name,
                line: 0,
                column: 0,
                field: SETTING.to_owned(),
                problem: format!("the file of places cannot be read: {error}"),
                mend: "put it there, or name another".to_owned(),
            }),
        }
    }
    match Places::read(files) {
        Ok(places) if problems.is_empty() => Ok(places),
        Ok(_) => Err(problems),
        Err(found) => Err(problems.into_iter().chain(found).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_read_and_what_is_broken_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("places.csv")];
        let missing = PlaceFiles::open(&paths).unwrap_err();
        let said = missing[0].to_string();
        assert!(
            said.contains("places.csv: error: `enrich.places`: the file of places cannot be read"),
            "{said}"
        );
        let write = |text: &str| std::fs::write(&paths[0], text).unwrap();
        let country =
            |places: &Places| places.find("198.51.100.7".parse().unwrap()).unwrap().country.to_owned();
        write("network,country\n198.51.100.0/24,DE\n");
        let (files, places) = PlaceFiles::open(&paths).unwrap();
        assert_eq!(country(&places), "DE");
        assert!(files.reload(When::Now).unwrap().is_none());
        write("network,country\n198.51.100.0/25,FR\n");
        assert_eq!(country(&files.reload(When::Now).unwrap().unwrap()), "FR");
        write("network,country\n198.51.100.0/25,France\n");
        assert!(
            files.reload(When::Now).unwrap_err()[0].to_string().contains("places.csv:2: error: `country`")
        );
        assert!(files.problem().unwrap().contains("`France`"));
        assert!(files.reload(When::Now).unwrap().is_none() && files.problem().is_some());
        std::fs::remove_file(&paths[0]).unwrap();
        assert!(files.reload(When::Now).is_err());
        write("network,country\n198.51.100.0/24,AU\n");
        assert_eq!(country(&files.reload(When::Now).unwrap().unwrap()), "AU");
        assert_eq!(files.problem(), None);
    }
}
