//! Syslog over UDP, TCP and TLS: listeners, each with a batcher of its own.
//!
//! Messages go from the sockets into a bounded queue ([`batch::Sender`]); the batcher makes what has gathered
//! durable with one fsync. While the log is full it waits: then TCP connections are not read any more, and
//! datagrams that find the queue full are dropped and counted.
//!
//! On a stop the sockets are closed to reading first, then the queue is written to its end.

mod batch;
mod datagram;
mod peers;
mod stream;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use event::SourceId;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    /// The name in the configuration and in records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// A listener as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyslogConfig {
    /// The source that is charged with the messages.
    pub(crate) source: SourceId,
    pub(crate) transport: Transport,
    pub(crate) listen: SocketAddr,
    /// The certificate chain and its key, PEM; for TLS.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    /// Whose certificates senders must show, PEM; without it, none is asked for.
    pub(crate) client_ca: Option<PathBuf>,
    /// The longest message in bytes; of a longer one the start is kept.
    pub(crate) message_bytes: usize,
    /// How many connections are open at once.
    pub(crate) connections: usize,
    /// How many messages one address may send in a second.
    pub(crate) per_second: u32,
}

/// The listeners at work.
#[derive(Debug)]
pub(crate) struct Listeners {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Listeners {
    /// Opens every listener of the configuration.
    ///
    /// # Errors
    /// An address is taken, or a certificate or key cannot be read.
    pub(crate) async fn open(app: &Arc<App>) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for config in &app.config.syslog {
            let (kind, listen) = (config.transport.as_str(), config.listen);
            let what = || format!("syslog `{}` cannot listen on {kind} {listen}", config.source);
            let (sender, batcher) = batch::queue(app.clone(), config);
            let stopped = stopped.clone();
            let address = match config.transport {
                Transport::Udp => {
                    let socket = UdpSocket::bind(listen).await.with_context(what)?;
                    let address = socket.local_addr()?;
                    tasks.spawn(datagram::receive(socket, config.clone(), sender, stopped));
                    address
                }
                Transport::Tcp | Transport::Tls => {
                    let tls = tls::acceptor(config).with_context(what)?;
                    let listener = TcpListener::bind(listen).await.with_context(what)?;
                    let address = listener.local_addr()?;
                    tasks.spawn(stream::accept(listener, tls, config.clone(), sender, stopped));
                    address
                }
            };
            tasks.spawn(batcher);
            tracing::info!(source = %config.source, transport = kind, %address, "syslog is received");
        }
        Ok(Self { stop, tasks })
    }

    /// Reads the certificates of the listeners, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// One cannot be read.
    pub(crate) fn check(config: &SyslogConfig) -> anyhow::Result<()> {
        tls::acceptor(config).map(drop).with_context(|| format!("syslog `{}`", config.source))
    }

    /// Stops reading and waits until what was read is durable.
    pub(crate) async fn close(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of syslog failed");
            }
        }
    }
}

/// Waits for the word to stop.
async fn asked(stopped: &mut watch::Receiver<bool>) {
    // A dropped sender means the same.
    drop(stopped.wait_for(|stop| *stop).await);
}
