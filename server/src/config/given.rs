//! Where a configuration is read: the file and what the command line says, kept to read it again.

use std::path::{Path, PathBuf};

use event::Diagnostic;

use super::load::{self, Origin};
use super::value::Value;
use super::{Config, DEFAULT_FILE};

/// The file of a configuration, and the settings of the command line, which win over it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// `None`: there was none.
    file: Option<PathBuf>,
    data: Option<PathBuf>,
    listen: Option<String>,
}

impl Given {
    /// The file named, or `stormglass.toml` where there is one.
    pub(super) fn new(file: Option<&Path>, data: Option<&Path>, listen: Option<&str>) -> Self {
        let default = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default.exists().then_some(default));
        Self {
            file: file.map(Path::to_owned),
            data: data.map(Path::to_owned),
            listen: listen.map(str::to_owned),
        }
    }

    /// The file's name in messages.
    pub(crate) fn name(&self) -> String {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).display().to_string()
    }

    /// The file's text; `None` where there was none at the start.
    ///
    /// # Errors
    /// It cannot be read: one that is gone does not mean that nothing is set.
    pub(crate) fn text(&self) -> Result<Option<String>, Vec<Diagnostic>> {
        self.file.as_deref().map(load::read).transpose()
    }

    /// The configuration of a file of this text, with the environment and the command line.
    ///
    /// # Errors
    /// Every problem found.
    pub(crate) fn load_text(&self, text: Option<&str>) -> Result<Config, Vec<Diagnostic>> {
        let mut settings = load::load(&self.name(), text, std::env::vars())?;
        let mut set =
            |path, text: &str| settings.values.insert(path, (Value::Text(text.into()), Origin::CommandLine));
        if let Some(data) = &self.data {
            set("data", &data.to_string_lossy());
        }
        if let Some(listen) = &self.listen {
            set("server.listen", listen);
        }
        Ok(Config { given: self.clone(), ..Config::resolve(settings)? })
    }
}
