//! The bytes below SMTP: STARTTLS by hand, and what the SMTP client reads from.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::channel::Outcome;

/// A longer answer of a server is none.
const MAX_ANSWER: usize = 8 << 10;

/// A connection to a mail server.
#[derive(Debug)]
pub(super) struct Stream {
    /// What is read before the connection.
    before: &'static [u8],
    way: Way,
}

#[derive(Debug)]
enum Way {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Without TLS.
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { before: b"", way: Way::Plain(stream) }
    }

    /// With TLS; `before` is read first.
    pub(super) fn secure(stream: TlsStream<TcpStream>, before: &'static [u8]) -> Self {
        Self { before, way: Way::Secure(Box::new(stream)) }
    }
}

/// Brings a connection to the point where TLS begins.
///
/// # Errors
/// The outcome of the delivery: the server has no STARTTLS, or says something in the clear after it.
pub(super) async fn starttls(mut stream: TcpStream) -> Result<TcpStream, Outcome> {
    let broken = |_: io::Error| Outcome::Retry {
        after: None,
        reason: "the mail server breaks the connection off before TLS".into(),
    };
    let refused = |what: &str| Outcome::Retry { after: None, reason: format!("the mail server {what}") };
    for (say, wanted) in [("", "220"), ("EHLO stormglass.invalid\r\n", "250"), ("STARTTLS\r\n", "220")] {
        stream.write_all(say.as_bytes()).await.map_err(broken)?;
        let answer = answer(&mut stream).await.map_err(broken)?;
        if !answer.starts_with(wanted) {
            return Err(match say {
                "STARTTLS\r\n" => refused("has no STARTTLS; nothing is sent without TLS"),
                _ => refused("does not greet"),
            });
        }
    }
    // Anything more in the clear could have been slipped in: `answer` has left it unread, and TLS will not take it.
    Ok(stream)
}

/// One answer, of one or more lines, byte by byte: what follows it stays where it is.
async fn answer(stream: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    let mut line = 0;
    while text.len() < MAX_ANSWER {
        let byte = stream.read_u8().await?;
        text.push(byte);
        if byte == b'\n' {
            // The last line has a blank after its code.
            if text.get(line + 3).is_some_and(|mark| *mark != b'-') {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            line = text.len();
        }
    }
    Err(io::Error::other("the answer is too long"))
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.way {
            Way::Plain(stream) => stream.peer_addr(),
            Way::Secure(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.before.is_empty() {
            let (now, later) = this.before.split_at(this.before.len().min(buf.remaining()));
            buf.put_slice(now);
            this.before = later;
            return Poll::Ready(Ok(()));
        }
        match &mut this.way {
            Way::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Way::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().way {
            Way::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Way::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Way::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Way::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
