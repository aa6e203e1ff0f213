//! That a client cannot hold a connection by saying nothing, or half of something.

use std::net::SocketAddr;
use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// Long enough for a busy machine, and short enough to wait for.
const HEAD: Duration = Duration::from_millis(500);

async fn started(connections: usize) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let who = async |ConnectInfo(Peer(peer)): ConnectInfo<Peer>| peer.to_string();
    let slow = async || tokio::time::sleep(HEAD * 3).await;
    let router = Router::new().route("/who", get(who)).route("/slow", get(slow));
    let limits = Limits { head: HEAD, ping: HEAD, connections };
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    (address, stop, tokio::spawn(serve(Listener::new(tcp, None), router, limits, stopped)))
}

/// What comes back until the server ends the connection.
async fn said(address: SocketAddr, text: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    // Cut off with or without a word.
    drop(read.expect("it was not cut off"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn half_of_a_request_is_cut_off() {
    let (address, _stop, _serving) = started(100).await;
    let cut = [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM\r",
        b"GET /who HTTP/1.1\r\n",
        b"GET /who HTTP/1.1\r\nhost: a\r\nx: ",
        // HTTP/2 that never answers a ping.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    let begun = Instant::now();
    let answers = futures::future::join_all(cut.map(|text| said(address, text))).await;
    assert!(begun.elapsed() >= HEAD);
    assert!(answers.iter().all(|answer| !answer.contains("200 OK")), "{answers:?}");
    // One that is idle after an answer, and one whose answer takes longer than a head may.
    let idle = said(address, b"GET /who HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(idle.contains("200 OK") && idle.contains("127.0.0.1:"), "{idle}");
    let slow = said(address, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(slow.contains("200 OK"), "{slow}");
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait() {
    let (address, _stop, _serving) = started(2).await;
    let held = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    // Its turn comes when the silent ones are cut off.
    let answer = said(address, b"GET /who HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("200 OK"), "{answer}");
    drop(held);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_hand() {
    let (address, stop, serving) = started(10).await;
    let asked = tokio::spawn(said(address, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"));
    tokio::time::sleep(HEAD / 2).await;
    drop(stop);
    serving.await.unwrap();
    let answer = asked.await.unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
}
