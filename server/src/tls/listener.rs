//! Connections of HTTP, with TLS or without.
//!
//! Handshakes run beside each other, bounded in number and time, so that a client that is slow or says nothing
//! holds up nobody. A client that does not read what it asked for is cut off.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Certificates;

/// How long a client may take for its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; more connections wait to be accepted.
const HANDSHAKES: usize = 256;
/// How long a client may take nothing of what is sent to it.
const UNREAD: Duration = Duration::from_secs(60);

/// What accepts connections.
#[derive(Debug)]
pub(crate) struct Listener {
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl Listener {
    /// Accepts on `tcp`, with TLS where there are certificates.
    pub(crate) fn new(tcp: TcpListener, certificates: Option<Arc<Certificates>>) -> Self {
        let (sender, ready) = mpsc::channel(1);
        tokio::spawn(accept(tcp, certificates, sender));
        Self { ready }
    }
}

/// Until nobody wants connections any more.
async fn accept(
    tcp: TcpListener,
    certificates: Option<Arc<Certificates>>,
    sender: mpsc::Sender<(Stream, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        // It is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = sender.closed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No more file descriptors, most likely: closing connections gives some back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Small answers go out at once.
        drop(stream.set_nodelay(true));
        let Some(certificates) = &certificates else {
            if sender.send((Stream::new(Io::Plain(stream)), peer)).await.is_err() {
                return;
            }
            continue;
        };
        let acceptor = TlsAcceptor::from(certificates.current());
        let sender = sender.clone();
        tokio::spawn(async move {
            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(sender.send((Stream::new(Io::Tls(Box::new(stream))), peer)).await),
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
            drop(place);
        });
    }
}

impl Listener {
    /// The next connection; waits for ever when the process ends.
    pub(super) async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A connection.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Io,
    /// Runs while the client takes nothing.
    unread: Option<Pin<Box<Sleep>>>,
    /// Runs until it is clear which HTTP the client speaks.
    opening: Option<Opening>,
}

/// What every connection of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As long as what a client has sent may be the beginning of [`PREFACE`], nobody else bounds its time.
#[derive(Debug)]
struct Opening {
    deadline: Pin<Box<Sleep>>,
    /// How much of it has come.
    seen: usize,
}

impl Opening {
    /// Whether `bytes`, which come next, decide.
    fn ends_with(&mut self, bytes: &[u8]) -> bool {
        let rest = PREFACE.get(self.seen..).unwrap_or_default();
        self.seen += bytes.len();
        bytes.len() >= rest.len() || !rest.starts_with(bytes)
    }
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn new(io: Io) -> Self {
        Self { io, unread: None, opening: None }
    }

    /// Cuts the connection off where it is not clear within `time` which HTTP the client speaks.
    pub(super) fn opens_within(mut self, time: Duration) -> Self {
        self.opening = Some(Opening { deadline: Box::pin(tokio::time::sleep(time)), seen: 0 });
        self
    }

    /// Passes on what a write says; an error where the client has taken nothing for too long.
    fn watched<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.unread = None;
            return polled;
        }
        let unread = self.unread.get_or_insert_with(|| Box::pin(tokio::time::sleep(UNREAD)));
        match unread.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let Some(opening) = &mut self.opening else { return polled };
        if polled.is_pending() {
            return match opening.deadline.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            };
        }
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() || opening.ends_with(new) {
            self.opening = None;
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.watched(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.watched(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        self.watched(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        };
        self.watched(polled, context)
    }
}
