//! Where a configuration is read: the file and what the command line says, kept to read it again.

use std::path::{Path, PathBuf};

use event::Diagnostic;
use sha2::{Digest, Sha256};

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
    /// What was read of it.
    read: Stamp,
}

/// SHA-256 of a text; `None` where there is no file, or none that can be read.
pub(crate) type Stamp = Option<[u8; 32]>;

/// The stamp of a file's text.
pub(crate) fn stamp(text: Option<&str>) -> Stamp {
    text.map(|text| Sha256::digest(text).into())
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
            read: None,
        }
    }

    /// The file's name in messages.
    pub(crate) fn name(&self) -> String {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).display().to_string()
    }

    /// The stamp of the text that the configuration was made of.
    pub(crate) fn read(&self) -> Stamp {
        self.read
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
        Ok(Config { given: Self { read: stamp(text), ..self.clone() }, ..Config::resolve(settings)? })
    }
}
