//! Certificates that change while the server runs.
//!
//! A connection keeps what it began with; the next handshake takes what is newest. A pair of files that does
//! not do, such as a certificate whose key is not written yet, leaves the last good one in use.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::{TlsFiles, server_config};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// SHA-256 of the files as they were read last, whether they did or not.
    contents: Vec<u8>,
    /// Why the newest files are not in use.
    problem: Option<String>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`server_config`].
    pub(crate) fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let contents = contents(&files);
        let current = ArcSwap::from_pointee(http(&files)?);
        Ok(Self { files, current, seen: Mutex::new(Seen { contents, problem: None }) })
    }

    /// What the next handshake takes.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Why the newest files are not in use, if they are not.
    pub(crate) fn problem(&self) -> Option<String> {
        self.seen.lock().problem.clone()
    }

    /// Reads the files again where they have changed, or in any case if they `must` be read. Blocks.
    ///
    /// Gives `None` where nothing was read, else whether they are in use now.
    pub(crate) fn reload(&self, must: bool) -> Option<bool> {
        let mut seen = self.seen.lock();
        let contents = contents(&self.files);
        if contents == seen.contents && !must {
            return None;
        }
        seen.contents = contents;
        match http(&self.files) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                seen.problem = None;
                tracing::info!("the certificate is read again");
                Some(true)
            }
            Err(error) => {
                tracing::error!("the new certificate is refused, the old one stays in use: {error:#}");
                seen.problem = Some(format!("the new certificate is refused: {error:#}"));
                Some(false)
            }
        }
    }

    /// Looks after the files, and reads them on SIGHUP, for as long as the server runs; `told` hears whether
    /// what was read is in use.
    ///
    /// # Errors
    /// The signal cannot be listened to.
    pub(crate) async fn watch(self: Arc<Self>, told: impl Fn(bool)) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            let must = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let this = self.clone();
            let read = tokio::task::spawn_blocking(move || this.reload(must)).await;
            if let Ok(Some(is_used)) = read {
                told(is_used);
            }
        }
    }
}

fn http(files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let mut config = server_config(files)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A file that cannot be read is as one of a certain content.
fn contents(files: &TlsFiles) -> Vec<u8> {
    let mut hash = Sha256::new();
    for path in [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()].into_iter().flatten() {
        let bytes = std::fs::read(path).unwrap_or_default();
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    hash.finalize().to_vec()
}
