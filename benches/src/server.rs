//! The whole binary, started for a bench.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;

/// The binary that `STORMGLASS_BINARY` names, or the one that lies beside the bench (`make bench` builds it).
pub fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("STORMGLASS_BINARY") {
        return Some(path.into());
    }
    let path = std::env::current_exe().ok()?.parent()?.parent()?.join("stormglass");
    path.is_file().then_some(path)
}

/// A server that ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    /// Starts one on a port of its own that takes any number of requests; `arguments` are added.
    ///
    /// # Errors
    /// It does not start, or not within a minute.
    pub fn start(binary: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        // What is set for the bench is not meant for the server, which would refuse it.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STORMGLASS_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .env("STORMGLASS_LOGGING_FILTER", "warn")
            .env("STORMGLASS_SERVER_REQUESTS_PER_SECOND", "1000000")
            .stdin(Stdio::null())
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let text = std::fs::read_to_string(data.join("log/LOCK")).unwrap_or_default();
            if let Some(url) = text.split_whitespace().find(|word| word.starts_with("http://")) {
                return Ok(Self { child, url: url.to_owned() });
            }
            if Instant::now() > deadline || child.try_wait()?.is_some() {
                child.kill().ok();
                bail!("the server does not start");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}
