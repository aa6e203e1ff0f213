//! Syslog over TCP (RFC 6587) and TLS (RFC 5425).
//!
//! A connection is read only as fast as its messages find room, and as its address's rate allows: nothing is
//! dropped, the sender waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ingest::push::syslog::Framer;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::SyslogConfig;
use super::batch::{Received, Sender};
use super::peers::Peers;
use crate::app::now_us;

const READ_BYTES: usize = 64 << 10;
/// How long a sender may take for its part of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may be silent; senders that hold one open for rare messages connect again.
const SILENCE: Duration = Duration::from_secs(3600);
/// How long a connection over its rate waits before the next message.
const OVER_RATE: Duration = Duration::from_millis(20);

/// Accepts connections until told to stop, and waits for those that are open to notice.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    config: SyslogConfig,
    sender: Sender,
    mut stopped: watch::Receiver<bool>,
) {
    let peers = Arc::new(Peers::new(config.per_second));
    let places = Arc::new(Semaphore::new(config.connections));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = open.join_next(), if !open.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection of syslog failed");
                }
                continue;
            }
            () = super::asked(&mut stopped) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No more file descriptors, most likely: closing connections gives some back.
                tracing::warn!(%error, "a connection of syslog could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            sender.refused();
            continue;
        };
        let connection = Connection {
            peer,
            peers: peers.clone(),
            sender: sender.clone(),
            stopped: stopped.clone(),
            message_bytes: config.message_bytes,
        };
        let tls = tls.clone();
        open.spawn(async move {
            connection.serve(stream, tls).await;
            drop(place);
        });
    }
    while open.join_next().await.is_some() {}
}

struct Connection {
    peer: SocketAddr,
    peers: Arc<Peers>,
    sender: Sender,
    stopped: watch::Receiver<bool>,
    message_bytes: usize,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else { return self.read(stream).await };
        match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.read(stream).await,
            Ok(Err(error)) => {
                self.sender.refused();
                tracing::debug!(peer = %self.peer, %error, "TLS of a sender of syslog failed");
            }
            Err(_) => self.sender.refused(),
        }
    }

    async fn read(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut framer = Framer::new(self.message_bytes);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = tokio::select! {
                biased;
                () = super::asked(&mut self.stopped) => break,
                read = timeout(SILENCE, stream.read(&mut buffer)) => read,
            };
            let Ok(Ok(length @ 1..)) = read else { break };
            framer.feed(buffer.get(..length).unwrap_or_default());
            if !self.hand_over(&mut framer).await {
                return;
            }
        }
        framer.finish();
        self.hand_over(&mut framer).await;
    }

    /// Hands over what is whole. `false`: nobody takes it any more.
    async fn hand_over(&mut self, framer: &mut Framer) -> bool {
        while let Some(frame) = framer.next_frame() {
            while !self.peers.admit(self.peer.ip()) && !*self.stopped.borrow() {
                tokio::time::sleep(OVER_RATE).await;
            }
            let received =
                Received { bytes: frame.bytes, is_cut: frame.is_cut, peer: self.peer, at_us: now_us() };
            if !self.sender.send(received).await {
                return false;
            }
        }
        true
    }
}
