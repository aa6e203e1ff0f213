//! A proxy that spoils what a test tells it to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The first line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// It is answered with these bytes and goes no further.
    Answer(String),
    /// Half of the answer comes, then the connection is cut.
    Cut,
    /// It goes on with another body.
    Body(String),
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy in front of `target`; `decide` is asked for each request.
    pub(crate) async fn start(target: &str, decide: impl FnMut(&Seen) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = target.strip_prefix("http://").unwrap().to_owned();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let decide = Arc::new(Mutex::new(decide));
        let log = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, log, decide) = (target.clone(), log.clone(), decide.clone());
                tokio::spawn(async move {
                    let decide = |seen: &Seen| {
                        log.lock().unwrap().push(seen.clone());
                        (decide.lock().unwrap())(seen)
                    };
                    // A client that goes away is no matter here.
                    serve(client, &target, decide).await.ok();
                });
            }
        });
        Self { url, seen, task }
    }

    /// How many requests had `text` in their head.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| seen.head.contains(text)).count()
    }
}

async fn serve(
    mut client: TcpStream,
    target: &str,
    decide: impl FnOnce(&Seen) -> Fault,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut seen = Seen { head: String::from_utf8_lossy(&bytes[..head]).into_owned(), body: String::new() };
    let length = seen.head.to_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + length {
        client.read_buf(&mut bytes).await?;
    }
    seen.body = String::from_utf8_lossy(&bytes[head..]).into_owned();
    let fault = decide(&seen);
    if let Fault::Answer(answer) = &fault {
        client.write_all(answer.as_bytes()).await?;
        return client.shutdown().await;
    }
    if let Fault::Body(body) = &fault {
        let changed = format!("content-length: {}", body.len());
        seen.head = seen.head.replace(&format!("content-length: {length}"), &changed);
        seen.body.clone_from(body);
    }
    let mut server = TcpStream::connect(target).await?;
    let head = seen.head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(format!("{head}{}", seen.body).as_bytes()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    if matches!(fault, Fault::Cut) {
        answer.truncate(answer.len() - answer.len() / 4);
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// An answer with a status, headers and a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Fault {
    let length = body.len();
    Fault::Answer(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}
