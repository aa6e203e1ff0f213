//! Names into addresses, all of them judged.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::policy::{EgressPolicy, Route, plain_name};

/// The addresses of a name, to come.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Who knows the addresses of names.
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of `name`.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The system's resolver.
#[derive(Debug)]
pub(crate) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// What resolves names for connections of one kind: to this port, with or without TLS.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) policy: Arc<EgressPolicy>,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) port: u16,
    pub(crate) plain: bool,
    pub(crate) stream: bool,
}

impl Judge {
    /// The addresses of `host` that may be connected to.
    ///
    /// # Errors
    /// [`Error::Refused`] if there are some and none may; [`Error::Unreachable`] if there are none.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>> {
        let route = Route { host, port: self.port, plain: self.plain, stream: self.stream };
        let unreachable = |problem: String| Error::Unreachable { host: host.to_owned(), problem };
        let found = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| unreachable(error.to_string()))?,
        };
        let mut allowed = Vec::new();
        let mut refusal = None;
        for address in found {
            match self.policy.check(&route, address) {
                Ok(()) => allowed.push(SocketAddr::new(address, self.port)),
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(refusal) if allowed.is_empty() => {
                tracing::warn!(%refusal, "nothing is sent there");
                Err(refusal)
            }
            _ if allowed.is_empty() => Err(unreachable("the name has no address".into())),
            _ => Ok(allowed),
        }
    }
}

impl reqwest::dns::Resolve for Judge {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let judge = self.clone();
        Box::pin(async move {
            // The proxy was configured by whoever makes the policy; it may stand anywhere.
            let proxy = judge.policy.proxy.as_ref().and_then(|proxy| proxy.host_str());
            let addresses = if proxy.is_some_and(|proxy| plain_name(proxy) == plain_name(name.as_str())) {
                let found = judge.resolver.resolve(name.as_str()).await?;
                found.into_iter().map(|address| SocketAddr::new(address, 0)).collect()
            } else {
                judge.addresses(name.as_str()).await?
            };
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
