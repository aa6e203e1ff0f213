//! Connections become requests.
//!
//! Nothing that a client does holds a connection for ever: what it takes for the head of a request is bounded, by
//! which a connection that is idle ends, too; one of HTTP/2 must answer pings; and connections are bounded in number.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use super::listener::{Listener, Peer, Stream};

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the head of a request, and for the pause before it.
    pub(crate) head: Duration,
    /// How often one of HTTP/2 that is silent is asked whether it is there, and how long it may take to answer.
    pub(crate) ping: Duration,
    /// Connections at once; more wait to be accepted.
    pub(crate) connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let (head, ping) = (Duration::from_secs(30), Duration::from_secs(20));
        Self { head, ping, connections: 4096 }
    }
}

/// Serves `router` until `stopped`, then until the requests in hand are finished.
pub(crate) async fn serve(
    mut listener: Listener,
    router: Router,
    limits: Limits,
    stopped: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopping) = watch::channel(());
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, (stream, address)) = tokio::select! {
            next = next => next,
            () = &mut stopped => break,
        };
        let (router, stopping) = (router.clone(), stopping.clone());
        tokio::spawn(async move {
            connection(stream, Peer(address), router, limits, stopping).await;
            drop(place);
        });
    }
    // Nobody else is let in.
    drop((stop, stopping, listener));
    // All of them are free when the last connection has ended.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    drop(places.acquire_many(all).await);
}

async fn connection(
    stream: Stream,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<()>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(limits.ping).keep_alive_timeout(limits.ping);
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let io = TokioIo::new(stream.opens_within(limits.head));
    let mut served =
        std::pin::pin!(builder.serve_connection_with_upgrades(io, TowerToHyperService::new(service)));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(peer = %peer.0, error = &*error, "a connection broke off");
                }
                return;
            }
            // The sender says nothing; it goes.
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
