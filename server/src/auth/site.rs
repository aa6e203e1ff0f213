//! What the server looks like from a browser: its address, its cookies, and the address of who asks.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::token::{hex, same};

/// The header that a change by cookie must carry.
pub(crate) const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Site {
    /// `https://logs.example.com`, without a slash at the end; empty where nobody has said it.
    public_url: String,
    /// Those whose `X-Forwarded-For` is believed.
    proxies: Vec<IpNet>,
    /// Whether the server itself speaks TLS, and nothing else.
    speaks_tls: bool,
}

impl Site {
    /// A server behind `public_url`, which may be empty, and behind `proxies`.
    pub(crate) fn new(public_url: &str, proxies: Vec<IpNet>) -> Self {
        Self { public_url: public_url.trim_end_matches('/').to_owned(), proxies, speaks_tls: false }
    }

    /// The same, of a server that speaks TLS itself or does not.
    pub(crate) fn speaking_tls(self, speaks_tls: bool) -> Self {
        Self { speaks_tls, ..self }
    }

    /// Whether browsers reach it over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.speaks_tls || self.public_url.starts_with("https://")
    }

    /// The public address of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// The name of the cookie `name`. `__Host-` makes browsers hold to `Secure`, `Path=/` and this very host,
    /// so that no neighbour under the same domain can set it (RFC 6265bis, 4.1.3.2).
    fn cookie_name(&self, name: &str) -> String {
        if self.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// The value of the cookie `name`; none if it is sent twice, which no browser of ours does.
    pub(crate) fn cookie(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let wanted = self.cookie_name(name);
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then(|| value.to_owned())
    }

    /// The header that sets the cookie `name` until the browser ends, or for `seconds`. `Lax`, not `Strict`: a
    /// browser that comes back from the provider of single sign-on would not send a strict one with the page
    /// that it is sent to next. What changes something asks for more than the cookie ([`CSRF_HEADER`]).
    pub(crate) fn set_cookie(&self, name: &str, value: &str, seconds: Option<u64>) -> Option<HeaderValue> {
        let name = self.cookie_name(name);
        let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let secure = if self.is_secure() { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{age}{secure}")).ok()
    }

    /// Whether the page that sends a request is ours, as far as the browser says what page it is.
    pub(crate) fn is_own_origin(&self, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
        if text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site") {
            return false;
        }
        let Some(origin) = text(header::ORIGIN) else { return true };
        if !self.public_url.is_empty() {
            return origin.eq_ignore_ascii_case(&self.public_url);
        }
        let host = text(header::HOST).unwrap_or_default();
        [format!("http://{host}"), format!("https://{host}")]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(&origin))
    }

    /// Who asks: the peer, or whom a trusted proxy says to speak for. Entries are read from the end, where the
    /// proxies write; what a client wrote before is not believed.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let is_proxy =
            |address: &IpAddr| self.proxies.iter().any(|net| net.contains(&address.to_canonical()));
        let peer = peer?;
        if !is_proxy(&peer) {
            return Some(peer);
        }
        let texts = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let entries: Vec<&str> = texts.flat_map(|text| text.split(',')).map(str::trim).collect();
        let mut client = peer;
        for entry in entries.iter().rev() {
            // What cannot be read ends the chain of those who are believed.
            let Ok(address) = entry.parse::<IpAddr>() else { break };
            client = address;
            if !is_proxy(&address) {
                break;
            }
        }
        Some(client)
    }
}

/// The token that a change by the cookie `secret` must carry. It follows from the secret, which no page can
/// read: nothing needs to be kept, and it ends with the session.
pub(crate) fn csrf_token(secret: &str) -> String {
    hex(&Sha256::digest(format!("stormglass csrf {secret}").as_bytes()))
}

/// Whether the headers carry the token that belongs to `secret`.
pub(crate) fn has_csrf_token(headers: &HeaderMap, secret: &str) -> bool {
    let sent = headers.get(CSRF_HEADER).map(|value| Sha256::digest(value.as_bytes()).into());
    sent.is_some_and(|sent: [u8; 32]| same(&sent, &Sha256::digest(csrf_token(secret).as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn cookies_are_strict_over_tls() {
        let (plain, tls) = (Site::default(), Site::new("https://logs.example.com/", Vec::new()));
        let set = |site: &Site| site.set_cookie("s", "v", None).unwrap().to_str().unwrap().to_owned();
        assert_eq!(set(&plain), "s=v; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(set(&tls), "__Host-s=v; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(set(&Site::default().speaking_tls(true)), set(&tls));
        assert_eq!(tls.url("/x"), "https://logs.example.com/x");
        let sent = headers(&[("cookie", "a=b; s=one; __Host-s=two")]);
        assert_eq!(plain.cookie(&sent, "s").as_deref(), Some("one"));
        assert_eq!(tls.cookie(&sent, "s").as_deref(), Some("two"));
        for twice in
            [&[("cookie", "s=1; s=2")][..], &[("cookie", "s=1"), ("cookie", "s=2")], &[], &[("cookie", "s")]]
        {
            assert_eq!(plain.cookie(&headers(twice), "s"), None);
        }
    }

    #[test]
    fn only_pages_of_ours() {
        let (plain, tls) = (Site::default(), Site::new("https://logs.example.com", Vec::new()));
        let own = |site: &Site, origin: &str| {
            site.is_own_origin(&headers(&[("host", "127.0.0.1:7171"), ("origin", origin)]))
        };
        assert!(own(&plain, "http://127.0.0.1:7171") && own(&tls, "https://logs.example.com"));
        assert!(plain.is_own_origin(&HeaderMap::new()));
        for bad in ["null", "http://127.0.0.1:7172", "https://evil.example.com", ""] {
            assert!(!own(&plain, bad) && !own(&tls, bad), "{bad}");
        }
        assert!(!own(&tls, "http://127.0.0.1:7171"));
        assert!(!plain.is_own_origin(&headers(&[("sec-fetch-site", "cross-site")])));
    }

    #[test]
    fn a_change_carries_the_token_of_its_session() {
        let token = csrf_token("secret");
        assert!(has_csrf_token(&headers(&[("x-csrf-token", &token)]), "secret"));
        assert!(!has_csrf_token(&headers(&[("x-csrf-token", &token)]), "other"));
        assert!(!has_csrf_token(&headers(&[("x-csrf-token", "")]), "secret"));
        assert!(!has_csrf_token(&HeaderMap::new(), "secret"));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let site = Site::new("", vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
        let client = |peer: &str, forwarded: &[(&'static str, &str)]| {
            site.client(Some(peer.parse().unwrap()), &headers(forwarded)).unwrap().to_string()
        };
        assert_eq!(client("192.0.2.1", &[("x-forwarded-for", "198.51.100.7")]), "192.0.2.1");
        assert_eq!(client("127.0.0.1", &[("x-forwarded-for", "198.51.100.7")]), "198.51.100.7");
        assert_eq!(
            client("127.0.0.1", &[("x-forwarded-for", "1.2.3.4, 198.51.100.7, 10.1.1.1")]),
            "198.51.100.7"
        );
        assert_eq!(
            client("127.0.0.1", &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7")]),
            "198.51.100.7"
        );
        assert_eq!(client("127.0.0.1", &[("x-forwarded-for", "1.2.3.4, nonsense")]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(site.client(None, &HeaderMap::new()), None);
    }
}
