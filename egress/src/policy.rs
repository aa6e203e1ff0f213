//! What may be sent to.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::address::{Reach, judge};
use crate::error::{Error, Result};

/// Names of metadata services, which a resolver inside a cloud answers.
const METADATA_NAMES: &[&str] =
    &["metadata", "metadata.google.internal", "metadata.goog", "metadata.amazonaws.com", "instance-data"];

/// What may be sent to. The default is the internet, by TLS.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// Destinations that are allowed besides.
    pub allow: Vec<Allow>,
    /// The ports of public addresses that HTTPS may use; 443.
    pub ports: Vec<u16>,
    /// The ports of public addresses that mail and syslog may use: submission and syslog over TLS.
    pub stream_ports: Vec<u16>,
    /// Addresses that Stormglass itself listens on: never a destination.
    pub own: Vec<SocketAddr>,
    /// Certificates in PEM that are trusted besides the system's.
    pub extra_ca: Option<Vec<u8>>,
    /// A proxy that HTTP goes through. It resolves the names, so it must judge what they resolve to.
    pub proxy: Option<Url>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
}

impl Default for EgressPolicy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            ports: vec![443],
            stream_ports: vec![465, 587, 6514],
            own: Vec::new(),
            extra_ca: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// A destination that an administrator allows.
///
/// An address or a network allows whatever name points to it. A name allows the private addresses that it
/// points to, and never loopback, link-local or metadata addresses: who may set a name must not gain those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    host: AllowedHost,
    /// `None`: every port.
    port: Option<u16>,
    /// Whether without TLS as well.
    plain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AllowedHost {
    Net(IpNet),
    Name(String),
}

impl FromStr for Allow {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::BadAllow { entry: text.to_owned() };
        let trimmed = text.trim();
        let (plain, rest) = match trimmed.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix("https://").unwrap_or(trimmed)),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match net(rest) {
            Some(_) => (rest, None),
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port.parse().map_err(|_| refused())?)),
                None => (rest, None),
            },
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match net(bare.unwrap_or(host)) {
            Some(net) => AllowedHost::Net(net),
            None if bare.is_none() && is_name(host) => AllowedHost::Name(plain_name(host)),
            None => return Err(refused()),
        };
        Ok(Self { host, port, plain })
    }
}

impl Allow {
    fn covers(&self, route: &Route<'_>) -> bool {
        self.port.is_none_or(|port| port == route.port) && (self.plain || !route.plain)
    }

    fn names(&self, name: &str) -> bool {
        matches!(&self.host, AllowedHost::Name(allowed) if allowed == name)
    }

    fn contains(&self, address: IpAddr) -> bool {
        matches!(&self.host, AllowedHost::Net(net) if net.contains(&address))
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<'a> {
    /// A name, or an address as text.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// HTTP without TLS.
    pub(crate) plain: bool,
    /// Not HTTP.
    pub(crate) stream: bool,
}

impl EgressPolicy {
    /// Whether a connection to `address` may be made for `route`.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) fn check(&self, route: &Route<'_>, address: IpAddr) -> Result<()> {
        let address = address.to_canonical();
        let own = |own: &SocketAddr| {
            own.port() == route.port
                && (own.ip() == address || own.ip().is_unspecified() && is_local(address))
        };
        if self.own.iter().any(own) {
            return Err(refused(route, address, "Stormglass itself listens there".into()));
        }
        let mut covering = self.allow.iter().filter(|allow| allow.covers(route));
        if covering.clone().any(|allow| allow.contains(address)) {
            return Ok(());
        }
        let name = plain_name(route.host);
        let is_named = covering.any(|allow| allow.names(&name));
        match judge(address) {
            Reach::Forbidden(what) => Err(refused(route, address, format!("{address} is {what}"))),
            Reach::Private(what) if !is_named => Err(refused(route, address, format!("{address} is {what}"))),
            Reach::Private(_) => Ok(()),
            Reach::Public if is_named => Ok(()),
            Reach::Public if METADATA_NAMES.contains(&name.as_str()) => {
                Err(refused(route, address, "it is the name of a cloud's metadata".into()))
            }
            Reach::Public if route.plain => Err(refused(route, address, "it goes without TLS".into())),
            Reach::Public => {
                let ports = if route.stream { &self.stream_ports } else { &self.ports };
                if ports.contains(&route.port) || route.stream && self.ports.contains(&route.port) {
                    return Ok(());
                }
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                let why = format!("port {} is not one of {}", route.port, ports.join(", "));
                Err(refused(route, address, why))
            }
        }
    }
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

fn refused(route: &Route<'_>, address: IpAddr, why: String) -> Error {
    let host = route.host.trim_matches(['[', ']']);
    // A name does not allow what no name may point to, so the entry is the address then.
    let entry = match judge(address) {
        Reach::Forbidden(_) => address.to_string(),
        _ => host.to_owned(),
    };
    let entry = if entry.contains(':') { format!("[{entry}]") } else { entry };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let scheme = if route.plain { "http://" } else { "" };
    let port = route.port;
    Error::Refused { destination: format!("{host}:{port}"), why, allow: format!("{scheme}{entry}:{port}") }
}

/// A name as it is compared: names have no case, and a dot at the end changes nothing.
pub(crate) fn plain_name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    // A name whose last label is a number is an IPv4 address to many readers (WHATWG URL, host parsing).
    let last_is_number =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253 && !last_is_number && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(allow: &[&str]) -> EgressPolicy {
        let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
        EgressPolicy { allow, ..EgressPolicy::default() }
    }

    /// `[http://]name=address:port`.
    #[track_caller]
    fn check(allow: &[&str], route: &str, expected: bool) {
        let (plain, rest) = match route.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, route),
        };
        let (host, address) = rest.split_once('=').unwrap();
        let address: SocketAddr = address.parse().unwrap();
        let route = Route { host, port: address.port(), plain, stream: false };
        let found = policy(allow).check(&route, address.ip());
        assert_eq!(found.is_ok(), expected, "{allow:?} {rest}: {found:?}");
    }

    #[test]
    fn nothing_but_the_internet_by_tls() {
        check(&[], "hooks.example.com=8.8.8.8:443", true);
        check(&[], "hooks.example.com=8.8.8.8:8443", false);
        check(&[], "http://hooks.example.com=8.8.8.8:443", false);
        check(&[], "hooks.example.com=10.0.0.1:443", false);
        check(&[], "metadata.google.internal.=8.8.8.8:443", false);
    }

    #[test]
    fn what_is_allowed_is_allowed_and_no_more() {
        check(&["10.0.0.0/8"], "any.example.com=10.0.0.1:8443", true);
        check(&["10.0.0.0/8"], "any.example.com=[::ffff:10.0.0.1]:8443", true);
        check(&["10.0.0.0/8"], "any.example.com=192.168.0.1:443", false);
        check(&["10.0.0.0/8"], "http://any.example.com=10.0.0.1:80", false);
        check(&["http://10.0.0.0/8"], "http://any.example.com=10.0.0.1:80", true);
        check(&["relay.corp.example"], "RELAY.corp.example.=10.0.0.1:443", true);
        check(&["relay.corp.example"], "other.corp.example=10.0.0.1:443", false);
        check(&["relay.corp.example"], "xrelay.corp.example=10.0.0.1:443", false);
        check(&["relay.corp.example:8443"], "relay.corp.example=10.0.0.1:8443", true);
        check(&["relay.corp.example:8443"], "relay.corp.example=10.0.0.1:443", false);
        check(&["hooks.example.com:8443"], "hooks.example.com=8.8.8.8:8443", true);
        check(&["http://127.0.0.1:8080"], "http://127.0.0.1=127.0.0.1:8080", true);
        check(&["http://127.0.0.1:8080"], "http://127.0.0.1=127.0.0.1:8081", false);
        check(&["[::1]:8443"], "::1=[::1]:8443", true);
    }

    #[test]
    fn a_name_gains_no_loopback_and_no_metadata() {
        for address in ["127.0.0.1:443", "169.254.169.254:443", "[::1]:443", "[fd00:ec2::254]:443"] {
            check(&["relay.corp.example"], &format!("relay.corp.example={address}"), false);
        }
        check(&["169.254.169.254"], "x.example.com=169.254.169.254:443", true);
    }

    #[test]
    fn itself_is_no_destination() {
        let mut policy = policy(&["127.0.0.0/8", "10.0.0.5"]);
        policy.own = vec!["0.0.0.0:7171".parse().unwrap(), "10.0.0.5:7171".parse().unwrap()];
        let route = |port| Route { host: "x.example.com", port, plain: false, stream: false };
        for (address, port, expected) in
            [("127.0.0.1", 7171, false), ("127.0.0.1", 7172, true), ("10.0.0.5", 7171, false)]
        {
            assert_eq!(policy.check(&route(port), address.parse().unwrap()).is_ok(), expected, "{address}");
        }
    }

    #[test]
    fn a_refusal_names_what_would_allow_it() {
        for (host, address, port, plain) in [
            ("relay.corp.example", "10.0.0.1", 443, false),
            ("hooks.example.com", "8.8.8.8", 8443, false),
            ("hooks.example.com", "8.8.8.8", 80, true),
            ("evil.example.com", "127.0.0.1", 80, true),
            ("::1", "::1", 443, false),
        ] {
            let route = Route { host, port, plain, stream: false };
            let address = address.parse().unwrap();
            let Err(Error::Refused { allow, .. }) = policy(&[]).check(&route, address) else {
                panic!("{host} is allowed");
            };
            assert_eq!(policy(&[&allow]).check(&route, address), Ok(()), "{allow}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for entry in [
            "",
            "*",
            "a b",
            "10.0.0.0/33",
            "1.2.3",
            "name:port",
            "name:70000",
            "https://a/b",
            "[relay]",
            "a..b",
            "ü.example",
        ] {
            let told = entry.parse::<Allow>().unwrap_err().to_string();
            assert!(told.contains(&format!("`{entry}`")), "{told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            drop(text.parse::<Allow>());
        }
    }
}
