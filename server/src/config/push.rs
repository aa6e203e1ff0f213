//! `[[hooks]]` and `[[syslog]]`: who may push, and where it is listened.

use std::net::{SocketAddr, ToSocketAddrs};

use event::{Diagnostic, LogType, SourceId};
use toml_edit::{Item, Table};

use super::key::{Key, Kind};
use super::load::Place;
use super::value::{Value, from_toml};
use crate::api::source_id;
use crate::push::{GOOGLE_KEYS, HookConfig, IdentityRules, Scheme, SecretReference, SyslogConfig, Transport};

const HOOK_KEYS: [&str; 10] =
    ["name", "scheme", "secret", "header", "source", "type", "tolerance", "audience", "account", "keys_url"];
const SYSLOG_KEYS: [&str; 10] = [
    "source",
    "transport",
    "listen",
    "remote",
    "certificate",
    "key",
    "client_ca",
    "max_message",
    "connections",
    "messages_per_second",
];

/// One table of an array, with the problems found in it.
struct Reader<'a> {
    place: &'a Place<'a>,
    array: &'static str,
    table: &'a Table,
    problems: &'a mut Vec<Diagnostic>,
    is_good: bool,
}

impl Reader<'_> {
    fn refuse(&mut self, field: &str, problem: impl Into<String>, mend: impl Into<String>) {
        let whole = self.table.span().map_or(0, |span| span.start);
        let at = self.table.get(field).and_then(Item::span).map_or(whole, |span| span.start);
        let path = format!("{}.{field}", self.array);
        self.problems.push(self.place.problem(at, &path, problem.into(), mend.into()));
        self.is_good = false;
    }

    fn only(&mut self, keys: &[&str]) {
        let unknown: Vec<_> = self.table.iter().map(|(name, _)| name.to_owned()).collect();
        for name in unknown.iter().filter(|name| !keys.contains(&name.as_str())) {
            self.refuse(name, "there is no such setting", format!("choose among {}", keys.join(", ")));
        }
    }

    fn text(&mut self, field: &str) -> Option<String> {
        let item = self.table.get(field)?;
        let text = item.as_str().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.refuse(field, "this is no text", "write it in quotes");
        }
        text.map(str::to_owned)
    }

    fn needed(&mut self, field: &str, mend: &str) -> Option<String> {
        if self.table.get(field).is_none() {
            self.refuse(field, format!("`{field}` is missing"), mend);
        }
        self.text(field)
    }

    /// A value of `kind`, or `default`.
    fn value(&mut self, field: &str, kind: Kind, default: &'static str) -> Option<Value> {
        let key = Key { path: "", kind, default, doc: "" };
        let default: toml_edit::Value = default.parse().ok()?;
        let written = self.table.get(field).and_then(Item::as_value);
        let read = match (self.table.get(field), written) {
            (None, _) => from_toml(&key, &default),
            (Some(_), Some(value)) => from_toml(&key, value),
            (Some(_), None) => None,
        };
        if read.is_none() {
            self.refuse(
                field,
                format!("this is not {}", key.wanted()),
                format!("the default is {}", key.default),
            );
        }
        read
    }

    fn source(&mut self, default: Option<String>) -> Option<SourceId> {
        let name = if self.table.get("source").is_some() { self.text("source") } else { default }?;
        match source_id(&name) {
            Ok(source) => Some(source),
            Err(problem) => {
                self.refuse("source", problem, "rename it");
                None
            }
        }
    }
}

/// Reads an entry of `[[hooks]]`.
pub(super) fn read_hook(
    place: &Place<'_>,
    table: &Table,
    hooks: &mut Vec<HookConfig>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut entry = Reader { place, array: "hooks", table, problems, is_good: true };
    entry.only(&HOOK_KEYS);
    let name = entry.needed("name", "give the hook a name; senders post to /hooks/NAME");
    if let Some(name) = &name {
        if let Err(problem) = source_id(name) {
            entry.refuse("name", problem, "rename it");
        }
        if hooks.iter().any(|hook| hook.name == *name) {
            entry.refuse("name", format!("there are two hooks called `{name}`"), "rename one");
        }
    }
    let scheme = entry
        .needed("scheme", "choose one of github, standard, slack, pagerduty, hmac, okta, bearer, pubsub");
    let scheme = scheme.and_then(|text| match text.parse::<Scheme>() {
        Ok(scheme) => Some(scheme),
        Err(problem) => {
            entry.refuse("scheme", problem, "docs/sources/push.md tells which sender uses which");
            None
        }
    });
    let identity = identity(&mut entry, scheme);
    let secrets = if scheme == Some(Scheme::PubSub) { Vec::new() } else { secrets(&mut entry) };
    let header = entry.text("header").map(|header| header.to_ascii_lowercase());
    if header.as_ref().is_some_and(|header| header.parse::<axum::http::HeaderName>().is_err()) {
        entry.refuse("header", "this is no name of a header", "write it as in `X-Signature`");
    }
    let source = entry.source(name.as_ref().map(|name| name.to_owned()));
    let log_type = entry.text("type").and_then(|text| match text.parse::<LogType>() {
        Ok(log_type) => Some(log_type),
        Err(problem) => {
            entry.refuse("type", problem, "leave it out where the records show it");
            None
        }
    });
    let tolerance = entry.value("tolerance", Kind::Span, r#""5 min""#);
    if let (true, Some(name), Some(scheme), Some(source), Some(Value::Span(tolerance))) =
        (entry.is_good, name, scheme, source, tolerance)
    {
        hooks.push(HookConfig { name, scheme, secrets, header, source, log_type, tolerance, identity });
    }
}

/// Whose tokens the scheme `pubsub` takes; it has no secret.
fn identity(entry: &mut Reader<'_>, scheme: Option<Scheme>) -> Option<IdentityRules> {
    if scheme != Some(Scheme::PubSub) {
        for field in ["audience", "account", "keys_url"] {
            if entry.table.contains_key(field) {
                entry.refuse(field, "it is of the scheme `pubsub`", "leave it out");
            }
        }
        return None;
    }
    for field in ["secret", "header"] {
        if entry.table.contains_key(field) {
            entry.refuse(field, "Google signs with keys that it publishes", "leave it out");
        }
    }
    let audience = entry.needed("audience", "write what the push subscription has as its audience");
    let account =
        entry.needed("account", "write the e-mail address of the push subscription's service account");
    let keys = entry.text("keys_url").unwrap_or_else(|| GOOGLE_KEYS.to_owned());
    if account.as_ref().is_some_and(|account| !account.contains('@')) {
        entry.refuse("account", "this is no e-mail address", "it ends with `.iam.gserviceaccount.com`");
    }
    if !keys.starts_with("https://") && !keys.starts_with("http://127.0.0.1:") {
        entry.refuse("keys_url", "keys come over https:// alone", "leave it out for Google's own");
    }
    Some(IdentityRules { audience: audience?, account: account?, keys })
}

fn secrets(entry: &mut Reader<'_>) -> Vec<SecretReference> {
    const MEND: &str = "write `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENT`, or a list of them while one follows another";
    let texts: Vec<String> = match entry.table.get("secret") {
        None => {
            entry.refuse("secret", "`secret` is missing", MEND);
            return Vec::new();
        }
        Some(item) => match (item.as_str(), item.as_array()) {
            (Some(text), _) => vec![text.to_owned()],
            (None, Some(list)) => {
                list.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
            }
            (None, None) => Vec::new(),
        },
    };
    // What is refused may be a secret: it is not repeated.
    let read: Option<Vec<_>> = texts.iter().map(|text| SecretReference::parse(text)).collect();
    match read.filter(|read| !read.is_empty()) {
        Some(read) => read,
        None => {
            entry.refuse("secret", "this is no reference to a secret", MEND);
            Vec::new()
        }
    }
}

/// Reads an entry of `[[syslog]]`.
pub(super) fn read_syslog(
    place: &Place<'_>,
    table: &Table,
    listeners: &mut Vec<SyslogConfig>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut entry = Reader { place, array: "syslog", table, problems, is_good: true };
    entry.only(&SYSLOG_KEYS);
    let transport = match entry.needed("transport", "choose one of udp, tcp, tls").as_deref() {
        Some("udp") => Some(Transport::Udp),
        Some("tcp") => Some(Transport::Tcp),
        Some("tls") => Some(Transport::Tls),
        Some(other) => {
            entry.refuse("transport", format!("`{other}` carries no syslog"), "choose one of udp, tcp, tls");
            None
        }
        None => None,
    };
    let listen = address(&mut entry);
    let source = entry.source(Some("syslog".into()));
    let (certificate, key) = (entry.text("certificate"), entry.text("key"));
    let client_ca = entry.text("client_ca");
    match (transport, &certificate, &key) {
        (Some(Transport::Tls), None, _) => {
            entry.refuse("certificate", "TLS needs a certificate", "name a file in PEM")
        }
        (Some(Transport::Tls), _, None) => {
            entry.refuse("key", "TLS needs a private key", "name a file in PEM")
        }
        (Some(Transport::Udp | Transport::Tcp), ..)
            if certificate.is_some() || key.is_some() || client_ca.is_some() =>
        {
            entry.refuse("transport", "certificates are for TLS", "set it to \"tls\", or leave them out");
        }
        _ => {}
    }
    let message_bytes = entry.value("max_message", Kind::Bytes, r#""64 KiB""#);
    if let Some(Value::Count(bytes)) = message_bytes
        && !(480..=1 << 20).contains(&bytes)
    {
        entry.refuse("max_message", "a message has 480 bytes to 1 MiB", "the default is \"64 KiB\"");
    }
    let connections = entry.value("connections", Kind::Count(1, 65_000), "1000");
    let per_second = entry.value("messages_per_second", Kind::Count(1, 10_000_000), "20000");
    if let (true, Some(source), Some(transport), Some(listen)) = (entry.is_good, source, transport, listen) {
        let number = |value: Option<Value>| match value {
            Some(Value::Count(count)) => count,
            _ => 0,
        };
        listeners.push(SyslogConfig {
            source,
            transport,
            listen,
            certificate: certificate.zip(key).map(|(certificate, key)| (certificate.into(), key.into())),
            client_ca: client_ca.map(Into::into),
            message_bytes: number(message_bytes) as usize,
            connections: number(connections) as usize,
            per_second: number(per_second) as u32,
        });
    }
}

/// Syslog has no tokens: beyond loopback, the configuration must say that this is meant.
fn address(entry: &mut Reader<'_>) -> Option<SocketAddr> {
    const MEND: &str = "use IP:PORT, such as \"127.0.0.1:5514\"";
    let text = entry.needed("listen", MEND)?;
    let remote = match entry.value("remote", Kind::Flag, "false") {
        Some(Value::Flag(remote)) => remote,
        _ => false,
    };
    let Some(address) = text.to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        entry.refuse("listen", format!("`{text}` names no address"), MEND);
        return None;
    };
    if !address.ip().is_loopback() && !remote {
        let problem = format!("`{text}` is beyond loopback, and syslog asks nobody who they are");
        entry.refuse(
            "listen",
            problem,
            "set `remote = true` if that is meant, best with TLS and `client_ca`",
        );
        return None;
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::super::load::load;

    fn problems(text: &str) -> Vec<String> {
        load("s.toml", Some(text), std::iter::empty())
            .map(|_| Vec::new())
            .unwrap_or_else(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn whole_entries_are_read() {
        let text = r#"
[[hooks]]
name = "github"
scheme = "github"
secret = ["env:OLD", "file:/run/secrets/new"]
[[hooks]]
name = "vendor"
scheme = "hmac"
header = "X-Acme"
secret = "env:ACME"
source = "acme"
type = "aws_cloudtrail"
tolerance = "1 min"
[[hooks]]
name = "google"
scheme = "pubsub"
audience = "https://logs.example.com/hooks/google"
account = "push@p-1.iam.gserviceaccount.com"
[[syslog]]
transport = "udp"
listen = "127.0.0.1:5514"
[[syslog]]
source = "edge"
transport = "tls"
listen = "0.0.0.0:6514"
remote = true
certificate = "cert.pem"
key = "key.pem"
client_ca = "ca.pem"
max_message = "8 KiB"
connections = 10
messages_per_second = 50
"#;
        let settings = load("s.toml", Some(text), std::iter::empty()).unwrap();
        assert_eq!(settings.hooks.len(), 3);
        assert_eq!(settings.hooks[0].source.as_str(), "github");
        assert_eq!(settings.hooks[1].header.as_deref(), Some("x-acme"));
        assert_eq!(settings.hooks[1].tolerance.as_secs(), 60);
        let identity = settings.hooks[2].identity.as_ref().unwrap();
        assert_eq!(identity.keys, "https://www.googleapis.com/oauth2/v3/certs");
        assert_eq!(settings.syslog[0].source.as_str(), "syslog");
        assert_eq!(settings.syslog[0].message_bytes, 65_536);
        assert_eq!(settings.syslog[1].connections, 10);
    }

    #[test]
    fn problems_have_a_place_and_a_mend_and_show_no_secret() {
        let found = problems(
            "[[hooks]]\nname = \"a\"\nscheme = \"gitlab\"\nsecret = \"hunter2\"\nsecrt = 1\n\
             [[hooks]]\nscheme = \"okta\"\n\
             [[hooks]]\nname = \"g\"\nscheme = \"pubsub\"\nsecret = \"env:A\"\naccount = \"x\"\n\
             [[syslog]]\ntransport = \"tcp\"\nlisten = \"0.0.0.0:514\"\n\
             [[syslog]]\ntransport = \"tls\"\nlisten = \"127.0.0.1:6514\"\nconnections = 0\n",
        );
        for part in [
            "s.toml:3:10: error: `hooks.scheme`: `gitlab` is no scheme",
            "s.toml:4:10: error: `hooks.secret`: this is no reference to a secret",
            "`hooks.secrt`: there is no such setting",
            "`hooks.name`: `name` is missing",
            "`hooks.secret`: `secret` is missing",
            "`hooks.secret`: Google signs with keys",
            "`hooks.audience`: `audience` is missing",
            "`hooks.account`: this is no e-mail address",
            "`syslog.listen`: `0.0.0.0:514` is beyond loopback",
            "`syslog.certificate`: TLS needs a certificate",
            "`syslog.connections`: this is not a whole number from 1 to 65000",
        ] {
            assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:#?}");
        }
        assert_eq!(found.len(), 11, "{found:#?}");
        assert!(!found.concat().contains("hunter2"));
    }
}
