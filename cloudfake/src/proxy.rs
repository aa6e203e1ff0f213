//! The fault layer: a proxy in front of a server, real or fake, that spoils what a test tells it to.
//!
//! Throttling, refusals and expired tokens are [`Fault::Answer`], resets and truncated bodies
//! [`Fault::Cut`], slowness and late visibility [`Fault::Delay`] and [`Fault::Drip`], repeated requests
//! [`Fault::Twice`], and anything else [`Fault::Body`].

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::fake::listen;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The first line and the headers.
    pub head: String,
    /// As text; what is no UTF-8 is replaced here, not on the way.
    pub body: String,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// It is answered with these bytes and goes no further.
    Answer(String),
    /// Half of the answer comes, then the connection is cut.
    Cut,
    /// It goes on with another body.
    Body(String),
    /// It goes on after a while.
    Delay(Duration),
    /// The body of the answer comes byte by byte, with this pause before each.
    Drip(Duration),
    /// It is done twice, as by a balancer that tries again; the second answer counts.
    Twice,
}

/// A proxy on loopback; dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    /// The requests that came.
    pub seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy in front of `target`; `decide` is asked for each request.
    pub async fn start(target: &str, decide: impl FnMut(&Seen) -> Fault + Send + 'static) -> Self {
        let (listener, url) = listen().await;
        let target = target.trim_start_matches("http://").to_owned();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let decide = Arc::new(Mutex::new(decide));
        let log = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, log, decide) = (target.clone(), log.clone(), decide.clone());
                tokio::spawn(async move {
                    let decide = |seen: &Seen| {
                        log.lock().push(seen.clone());
                        (decide.lock())(seen)
                    };
                    // A client that goes away is no matter here.
                    serve(client, &target, decide).await.ok();
                });
            }
        });
        Self { url, seen, task }
    }

    /// How many requests had `text` in their head.
    pub fn count(&self, text: &str) -> usize {
        self.seen.lock().iter().filter(|seen| seen.head.contains(text)).count()
    }
}

async fn serve(
    mut client: TcpStream,
    target: &str,
    decide: impl FnOnce(&Seen) -> Fault,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut body = bytes.split_off(end);
    let mut head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.to_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    while body.len() < length && client.read_buf(&mut body).await? > 0 {}
    let fault = decide(&Seen { head: head.clone(), body: String::from_utf8_lossy(&body).into_owned() });
    match &fault {
        Fault::Answer(answer) => {
            client.write_all(answer.as_bytes()).await?;
            return client.shutdown().await;
        }
        Fault::Body(changed) => {
            let said = format!("content-length: {}", changed.len());
            head = head.replace(&format!("content-length: {length}"), &said);
            body = changed.clone().into_bytes();
        }
        Fault::Delay(span) => tokio::time::sleep(*span).await,
        Fault::Pass | Fault::Cut | Fault::Drip(_) | Fault::Twice => {}
    }
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let times = if matches!(fault, Fault::Twice) { 2 } else { 1 };
    let mut answer = Vec::new();
    for _ in 0..times {
        answer.clear();
        let mut server = TcpStream::connect(target).await?;
        server.write_all(head.as_bytes()).await?;
        server.write_all(&body).await?;
        server.read_to_end(&mut answer).await?;
    }
    if matches!(fault, Fault::Cut) {
        answer.truncate(answer.len() - answer.len() / 4);
    }
    if let Fault::Drip(pause) = fault {
        let end =
            answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let body = answer.split_off(end);
        client.write_all(&answer).await?;
        for byte in body {
            tokio::time::sleep(pause).await;
            client.write_all(&[byte]).await?;
        }
        return client.shutdown().await;
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// An answer with a status such as `429 Too Many Requests`, headers (each with its line end) and a body.
pub fn answer(status: &str, headers: &str, body: &str) -> Fault {
    let length = body.len();
    Fault::Answer(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}
