//! Nothing that is hostile is connected to: a canary listens and must stay alone.

mod answers;
mod hostile;
mod rebinding;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::{Client, EgressPolicy, Resolve, Resolving};

/// Listens, and counts who comes.
struct Canary {
    address: SocketAddr,
    seen: Arc<AtomicUsize>,
}

impl Canary {
    /// `None` where the machine has no such address.
    async fn at(address: &str) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        Some(Self { address, seen })
    }

    /// How many came. What connects has done so when its future ended, but is counted a moment later: a
    /// visit of our own, waited for, comes behind all others.
    async fn visits(&self) -> usize {
        let before = self.seen.load(Ordering::SeqCst);
        drop(tokio::net::TcpStream::connect(self.address).await.unwrap());
        while self.seen.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
        self.seen.fetch_sub(1, Ordering::SeqCst) - 1
    }
}

/// Answers each question with the next of its script, and the last for ever.
#[derive(Debug)]
struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

impl Resolve for Script {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

/// Answers every request with `answer` and closes.
async fn server(address: &str, answer: String) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let bound = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    drop(stream.write_all(answer.as_bytes()).await);
                    drop(stream.shutdown().await);
                }
            });
        }
    });
    bound
}

fn client(policy: EgressPolicy, answers: &[&[&str]]) -> Client {
    Client::with_resolver(policy, Script::new(answers)).unwrap()
}
