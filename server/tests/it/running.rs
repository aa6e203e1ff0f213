//! A server process on a folder of its own, and one-shot commands.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_stormglass");

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of real logs and rules; `None`, loudly, where there is none.
pub(crate) fn corpus() -> Option<PathBuf> {
    let path =
        std::env::var_os("STORMGLASS_CORPUS").map_or_else(|| root().join("../shared/corpus"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: no corpus at {}", path.display());
    None
}

/// A command of the binary that knows nothing of this machine's configuration.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STORMGLASS_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end and demands that it succeeds; returns standard output.
pub(crate) fn run(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command to its end, whatever that is.
pub(crate) fn outcome(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Runs SQL on a folder and returns the rows as JSON.
pub(crate) fn sql(data: &Path, statement: &str) -> Vec<serde_json::Value> {
    let out = run(&["--data", &data.to_string_lossy(), "sql", "--format", "json", statement]);
    serde_json::from_str(&out).unwrap()
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Its address.
    pub(crate) url: String,
}

impl Server {
    /// Starts one on `data` with `settings` of the environment, and waits until it answers.
    pub(crate) fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_on("127.0.0.1:0", data, settings)
    }

    /// The same on an address of one's own.
    pub(crate) fn start_on(listen: &str, data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = command(&["serve", "--listen", listen, "--data", &data.to_string_lossy()]);
        command.env("STORMGLASS_LOGGING_FILTER", "warn");
        command.envs(settings.iter().copied());
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < deadline, "the server did not say its address within 60 s");
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended at once: {status}");
            }
            // The holder's address appears when the listener and the folder are open.
            if let Some(url) = announced(data, child.id()) {
                return Self { child, url };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGHUP.
    pub(crate) fn hangup(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// SIGTERM, and demands a good end.
    pub(crate) fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }
}

/// The address that the process `pid` has written into the folder's lock file; what a killed process
/// left there does not count.
fn announced(data: &Path, pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(data.join("log/LOCK")).ok()?;
    if !text.lines().any(|line| line == format!("pid {pid}")) {
        return None;
    }
    text.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended where a test ended it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
