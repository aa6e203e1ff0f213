//! A server of routes on loopback, for as long as a test holds it.

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that ends when it is dropped.
#[derive(Debug)]
pub struct Fake {
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// Serves `routes` on a free port. Call it on a runtime.
    pub async fn start(routes: Router) -> Self {
        let (listener, url) = listen().await;
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                panic!("the fake stopped: {error}");
            }
        });
        Self { url, task }
    }
}

/// A free port of loopback, and its address.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match bound {
        Ok((address, listener)) => (listener, format!("http://{address}")),
        Err(error) => panic!("loopback has no free port: {error}"),
    }
}
