//! The configuration: as written ([`load`]) and as used ([`Config`]).

mod assets;
mod audit;
mod auth;
mod channels;
mod entry;
mod given;
mod incidents;
mod key;
mod kinds;
mod load;
mod notify;
mod placeholder;
mod push;
mod reference;
mod secrets;
mod sources;
mod value;

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::{Diagnostic, Level};

use crate::auth::{AuthConfig, Roles, Token};
use crate::push::{HookConfig, SyslogConfig};
use crate::tls::TlsFiles;
use load::{Origin, Settings};
use value::Value;

pub(crate) use assets::read_files as read_assets;
pub(crate) use audit::AuditConfig;
pub(crate) use auth::AccessConfig;
pub(crate) use channels::ChannelConfig;
pub(crate) use given::{Given, Stamp, stamp};
pub(crate) use load::{check_text, read as read_text};
pub(crate) use reference::{example, reference_page, show};
pub(crate) use secrets::BadSecret;
pub(crate) use sources::SourceConfig;

/// The name of the configuration file that is read where none is named.
pub(crate) const DEFAULT_FILE: &str = "stormglass.toml";

/// Everything set, of the right type and range.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) max_body: usize,
    pub(crate) body_memory: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) concurrent_requests: usize,
    pub(crate) requests_per_second: u32,
    pub(crate) shutdown_grace: Duration,
    pub(crate) log_segment: u64,
    pub(crate) log_max: u64,
    pub(crate) commit_size: usize,
    pub(crate) commit_after: Duration,
    pub(crate) file_size: u64,
    pub(crate) retention_days: Option<u32>,
    pub(crate) upkeep_every: Duration,
    pub(crate) keep_removed_files: Duration,
    pub(crate) duplicate_memory: usize,
    pub(crate) mappings: Vec<PathBuf>,
    pub(crate) places: Vec<PathBuf>,
    pub(crate) rules_shipped: bool,
    pub(crate) rules_paths: Vec<PathBuf>,
    pub(crate) rules_reload: Duration,
    pub(crate) rules_group: Vec<rules::GroupingFor>,
    pub(crate) identity_clusters: Vec<String>,
    pub(crate) identity_mail_domains: Vec<String>,
    pub(crate) identity_source: bool,
    pub(crate) identity_providers: Vec<String>,
    pub(crate) correlation_delay: Duration,
    pub(crate) correlation_idle: Duration,
    pub(crate) correlation_lateness: Duration,
    pub(crate) correlation_hits: usize,
    pub(crate) correlation_rule_hits: usize,
    pub(crate) correlation_key_hits: usize,
    pub(crate) kept: alerts::Kept,
    pub(crate) incidents: alerts::incident::Settings,
    pub(crate) assets: Vec<PathBuf>,
    pub(crate) limits: ingest::Limits,
    pub(crate) query_memory: usize,
    pub(crate) query_max_rows: usize,
    pub(crate) query_timeout: Duration,
    pub(crate) query_concurrent: usize,
    pub(crate) audit: AuditConfig,
    pub(crate) log_filter: String,
    pub(crate) log_json: bool,
    pub(crate) tokens: Vec<Token>,
    pub(crate) roles: Roles,
    pub(crate) access: AccessConfig,
    pub(crate) sources: Vec<SourceConfig>,
    pub(crate) hooks: Vec<HookConfig>,
    pub(crate) syslog: Vec<SyslogConfig>,
    pub(crate) egress: egress::EgressPolicy,
    pub(crate) routing: ::notify::Routing,
    pub(crate) notify_links: ::notify::Links,
    pub(crate) notify_keep: Duration,
    pub(crate) notify_keep_rows: u64,
    pub(crate) channels: Vec<ChannelConfig>,
    settings: Settings,
    given: Given,
}

impl Config {
    /// What counts as evidence that two names are one person or workload.
    pub(crate) fn identity(&self) -> pipeline::IdentityConfig {
        pipeline::IdentityConfig {
            mail_domains: self.identity_mail_domains.clone(),
            source_identity: self.identity_source,
            cluster_issuers: self.identity_clusters.iter().filter_map(|pair| cluster(pair)).collect(),
            pool_providers: self.identity_providers.iter().filter_map(|pair| provider(pair)).collect(),
        }
    }

    /// What the gate is made of.
    ///
    /// # Errors
    /// There is no TLS.
    pub(crate) fn auth(&self) -> anyhow::Result<AuthConfig> {
        self.access.gate(self.tokens.clone(), self.roles.clone(), self.requests_per_second)
    }

    /// Where this was read.
    pub(crate) fn given(&self) -> &Given {
        &self.given
    }

    /// The settings of `newer` that a server that runs by this one does not take over: all but those of channels,
    /// routes, rotas and of where those may send to.
    pub(crate) fn waiting(&self, newer: &Self) -> Vec<String> {
        let is_taken = |path: &str| path.starts_with("notify.") || path.starts_with("egress.");
        let value =
            |config: &Self, path: &str| config.settings.values.get(path).map(|(value, _)| value.clone());
        let mut waiting: Vec<String> = Vec::new();
        for path in newer.settings.values.keys().filter(|path| !is_taken(path)) {
            if value(self, path) != value(newer, path) {
                waiting.push((*path).to_owned());
            }
        }
        let sources = |config: &Self| -> Vec<(String, Value)> {
            let shown = config.sources.iter().flat_map(|source| {
                source.shown().map(|(path, value, _)| (format!("{} {path}", source.id), value.clone()))
            });
            shown.collect()
        };
        let placeholders = |config: &Self| {
            let named = config.settings.placeholders.iter();
            named.map(|one| (one.name.clone(), one.values.clone())).collect::<Vec<_>>()
        };
        for (table, is_other) in [
            ("sources", sources(self) != sources(newer)),
            ("hooks", self.hooks != newer.hooks),
            ("syslog", self.syslog != newer.syslog),
            ("auth.tokens", self.tokens != newer.tokens),
            ("auth.roles", self.roles != newer.roles),
            ("rules.placeholders", placeholders(self) != placeholders(newer)),
        ] {
            if is_other {
                waiting.push(table.to_owned());
            }
        }
        waiting
    }

    /// Reads the file named, or `stormglass.toml` where there is one, and the environment; `data`
    /// and `listen` of the command line win over both.
    ///
    /// # Errors
    /// Every problem found.
    pub(crate) fn load(
        file: Option<&Path>,
        data: Option<&Path>,
        listen: Option<&str>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let given = Given::new(file, data, listen);
        given.load_text(given.text()?.as_deref())
    }

    /// The configuration of a file of this text, for tests.
    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Self {
        load::load("s.toml", Some(text), std::iter::empty()).and_then(Self::resolve).unwrap()
    }

    /// The values of the placeholders, read from their files now.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn placeholders(&self) -> anyhow::Result<rules::Placeholders> {
        placeholder::resolve(&self.settings.placeholders)
    }

    fn resolve(settings: Settings) -> Result<Self, Vec<Diagnostic>> {
        let get = Getter(&settings.values);
        let listen = get.text("server.listen");
        let groups: Result<Vec<_>, String> =
            get.texts("rules.group").iter().map(|text| text.parse()).collect();
        let rules_group =
            groups.map_err(|problem| vec![refusal("rules.group", problem, "see docs/alerts.md")])?;
        let address = resolve_address(&listen)?;
        let access = auth::resolve(&get, &settings.roles)?;
        let tls = tls_files(&get)?;
        if !address.ip().is_loopback() && tls.is_none() && !get.flag("server.plain_http") {
            return Err(vec![refusal(
                "server.listen",
                format!("`{listen}` is beyond loopback, and tokens would cross the network in the clear"),
                "set `server.tls.certificate` and `server.tls.key`; behind a proxy that speaks TLS, set `server.plain_http = true`",
            )]);
        }
        if get.size("server.body_memory") < get.size("server.max_body") {
            return Err(vec![refusal(
                "server.body_memory",
                "it is smaller than `server.max_body`, so the largest body would never be taken".into(),
                "raise it, or lower `server.max_body`",
            )]);
        }
        let wrong_names = notify::check(&settings.routing, &channel_names(&settings));
        if !wrong_names.is_empty() {
            return Err(wrong_names);
        }
        Ok(Self {
            data: get.text("data").into(),
            listen: address,
            tls,
            max_body: get.size("server.max_body"),
            body_memory: get.size("server.body_memory"),
            request_timeout: get.span("server.request_timeout"),
            concurrent_requests: get.size("server.concurrent_requests"),
            requests_per_second: get.count("server.requests_per_second") as u32,
            shutdown_grace: get.span("server.shutdown_grace"),
            log_segment: get.count("log.segment"),
            log_max: get.count("log.max"),
            commit_size: get.size("table.commit_size"),
            commit_after: get.span("table.commit_after"),
            file_size: get.count("table.file_size"),
            retention_days: u32::try_from(get.count("table.retention_days")).ok().filter(|days| *days > 0),
            upkeep_every: get.span("table.upkeep_every"),
            keep_removed_files: get.span("table.keep_removed_files"),
            duplicate_memory: get.size("table.duplicate_memory"),
            mappings: get.texts("ingest.mappings").into_iter().map(Into::into).collect(),
            places: get.texts("enrich.places").into_iter().map(Into::into).collect(),
            rules_shipped: get.flag("rules.shipped"),
            rules_reload: get.span("rules.reload_every"),
            rules_group,
            identity_clusters: get.texts("identity.cluster_issuers"),
            identity_mail_domains: get.texts("identity.mail_domains"),
            identity_source: get.flag("identity.source_identity"),
            identity_providers: get.texts("identity.pool_providers"),
            correlation_delay: get.span("correlation.delay"),
            correlation_idle: get.span("correlation.idle"),
            correlation_lateness: get.span("correlation.lateness"),
            correlation_hits: usize::try_from(get.count("correlation.events")).unwrap_or(usize::MAX),
            correlation_rule_hits: usize::try_from(get.count("correlation.rule_events"))
                .unwrap_or(usize::MAX),
            correlation_key_hits: usize::try_from(get.count("correlation.key_events")).unwrap_or(usize::MAX),
            rules_paths: get.texts("rules.paths").into_iter().map(Into::into).collect(),
            kept: incidents::kept(&get),
            incidents: incidents::settings(&get),
            assets: get.texts("risk.assets").into_iter().map(Into::into).collect(),
            limits: ingest::Limits {
                record_bytes: get.size("ingest.record"),
                inflated_bytes: get.count("ingest.inflated"),
                inflate_ratio: get.count("ingest.inflate_ratio") as u32,
                ..ingest::Limits::default()
            },
            query_memory: get.size("query.memory"),
            query_max_rows: get.size("query.max_rows"),
            query_timeout: get.span("query.timeout"),
            query_concurrent: get.size("query.concurrent"),
            audit: audit::resolve(&get)?,
            log_filter: get.text("logging.filter"),
            log_json: get.text("logging.format") == "json",
            tokens: settings.tokens.clone(),
            roles: settings.roles.clone(),
            access,
            sources: settings.sources.clone(),
            hooks: settings.hooks.clone(),
            syslog: settings.syslog.clone(),
            egress: notify::egress_policy(&get, address)?,
            routing: settings.routing.clone(),
            notify_links: links(&get)?,
            notify_keep: get.span("notify.keep"),
            notify_keep_rows: get.count("notify.keep_rows"),
            channels: settings.channels.clone(),
            settings,
            given: Given::default(),
        })
    }
}

/// The files that `server.tls` names.
fn tls_files(get: &Getter<'_>) -> Result<Option<TlsFiles>, Vec<Diagnostic>> {
    let path = |key: &str| Some(PathBuf::from(get.text(key))).filter(|path| !path.as_os_str().is_empty());
    let client_ca = path("server.tls.client_ca");
    match (path("server.tls.certificate"), path("server.tls.key")) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key, client_ca })),
        (None, None) if client_ca.is_none() => Ok(None),
        (certificate, _) => Err(vec![refusal(
            if certificate.is_none() { "server.tls.certificate" } else { "server.tls.key" },
            "TLS needs a certificate and its key".into(),
            "set both `server.tls.certificate` and `server.tls.key`, or neither",
        )]),
    }
}

/// The names of the channels that routes may name.
fn channel_names(settings: &Settings) -> Vec<String> {
    settings.channels.iter().map(|channel| channel.name.clone()).collect()
}

/// Where a person reads more.
fn links(get: &Getter<'_>) -> Result<::notify::Links, Vec<Diagnostic>> {
    let template = |field: &'static str, example: &str| {
        let text = get.text(field);
        ::notify::LinkTemplate::new(&text).map_err(|error| {
            let problem = format!("`{text}` does not become an address: {error}");
            vec![refusal(field, problem, &format!("write it as {example}"))]
        })
    };
    Ok(::notify::Links {
        alerts: template("notify.link", "https://siem.example.com/alerts/{id}")?,
        incidents: template("notify.incident_link", "https://siem.example.com/incidents/{id}")?,
    })
}

/// A cluster's source and the issuer of its tokens, from `SOURCE=ISSUER`.
fn cluster(pair: &str) -> Option<pipeline::ClusterIssuer> {
    let (source, issuer) = pair.split_once('=')?;
    Some(pipeline::ClusterIssuer { source: source.trim().into(), issuer: issuer.trim().into() })
}

/// A provider and its issuer, from `PROVIDER=ISSUER`.
fn provider(pair: &str) -> Option<pipeline::PoolProvider> {
    let (resource, issuer) = pair.split_once('=')?;
    Some(pipeline::PoolProvider { resource: resource.into(), issuer: issuer.into() })
}

/// Reads settings by path. A missing one cannot be: `every_default_reads` holds the table to it.
struct Getter<'a>(&'a BTreeMap<&'static str, (Value, Origin)>);

impl Getter<'_> {
    fn value(&self, path: &str) -> Option<&Value> {
        self.0.get(path).map(|(value, _)| value)
    }

    fn text(&self, path: &str) -> String {
        match self.value(path) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    fn texts(&self, path: &str) -> Vec<String> {
        match self.value(path) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    fn count(&self, path: &str) -> u64 {
        match self.value(path) {
            Some(Value::Count(count)) => *count,
            _ => 0,
        }
    }

    fn size(&self, path: &str) -> usize {
        usize::try_from(self.count(path)).unwrap_or(usize::MAX)
    }

    fn span(&self, path: &str) -> Duration {
        match self.value(path) {
            Some(Value::Span(span)) => *span,
            _ => Duration::ZERO,
        }
    }

    fn flag(&self, path: &str) -> bool {
        matches!(self.value(path), Some(Value::Flag(true)))
    }
}

fn resolve_address(listen: &str) -> Result<SocketAddr, Vec<Diagnostic>> {
    let resolved = listen.to_socket_addrs().map(|mut found| found.next());
    match resolved {
        Ok(Some(address)) => Ok(address),
        Ok(None) => {
            Err(vec![refusal("server.listen", format!("`{listen}` names no address"), "use IP:PORT")])
        }
        Err(error) => Err(vec![refusal("server.listen", format!("`{listen}`: {error}"), "use IP:PORT")]),
    }
}

fn refusal(field: &str, problem: String, mend: &str) -> Diagnostic {
    Diagnostic {
        level: Level::Error,
        file: String::new(),
        line: 0,
        column: 0,
        field: field.into(),
        problem,
        mend: mend.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Config, Vec<Diagnostic>> {
        load::load("s.toml", Some(text), std::iter::empty()).and_then(Config::resolve)
    }

    #[test]
    fn defaults_resolve() {
        let config = resolve("").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.retention_days, None);
        assert_eq!(config.max_body, 32 << 20);
    }

    #[test]
    fn nothing_listens_beyond_loopback_in_the_clear() {
        let hash = "0f".repeat(32);
        let with = format!(
            "[server]\nlisten = \"0.0.0.0:7171\"\n[[auth.tokens]]\nname = \"a\"\nrole = \"admin\"\nsha256 = \"{hash}\"\n"
        );
        let found = resolve(&with).unwrap_err();
        assert!(found[0].to_string().contains("in the clear"), "{}", found[0]);
        assert!(resolve(&with.replacen("\n[[", "\nplain_http = true\n[[", 1)).is_ok());
        let tls = "\n[server.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n[[";
        let config = resolve(&with.replacen("\n[[", tls, 1)).unwrap();
        assert_eq!(config.tls.unwrap().key, Path::new("k.pem"));
        let half = resolve("[server.tls]\ncertificate = \"c.pem\"\n").unwrap_err();
        assert!(half[0].to_string().contains("server.tls.key"), "{}", half[0]);
    }

    #[test]
    fn rule_files_need_not_be_looked_after() {
        let every =
            |text: &str| resolve(&format!("[rules]\nreload_every = \"{text}\"\n")).map(|c| c.rules_reload);
        assert_eq!(every("never").unwrap(), Duration::ZERO);
        assert_eq!(every("2 s").unwrap(), Duration::from_secs(2));
        assert!(every("0 s").unwrap_err()[0].to_string().contains("or \"never\""));
        let small = resolve("[server]\nbody_memory = \"31 MiB\"\n").unwrap_err();
        assert!(small[0].to_string().contains("smaller than `server.max_body`"), "{}", small[0]);
    }

    #[test]
    fn issuers_of_clusters_and_pools_are_pairs() {
        let issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
        let text = format!(
            "[identity]\ncluster_issuers = [\"eks-prod = {issuer}\"]\npool_providers = [\"p/1=https://x.example.com/?a=b\"]\n"
        );
        let identity = resolve(&text).unwrap().identity();
        let cluster = &identity.cluster_issuers[0];
        assert_eq!((cluster.source.as_str(), cluster.issuer.as_str()), ("eks-prod", issuer));
        assert_eq!(identity.pool_providers[0].issuer, "https://x.example.com/?a=b");
        let found = resolve("[identity]\ncluster_issuers = [\"eks-prod\"]\n").unwrap_err();
        assert_eq!(found.len(), 1);
        let told = found[0].to_string();
        assert!(told.contains("identity.cluster_issuers") && told.contains("eks-prod=https://"), "{told}");
    }

    #[test]
    fn what_waits_for_the_next_start_is_named() {
        let running = Config::from_text("[query]\nconcurrent = 2\n");
        let waiting = |text: &str| running.waiting(&Config::from_text(text));
        assert!(
            waiting("# moved by a line\n[query]\nconcurrent = 2\n[notify]\nkeep_rows = 7000\n").is_empty()
        );
        let hash = "0f".repeat(32);
        let text = format!(
            "[query]\nconcurrent = 3\n[[sources]]\nname = \"a\"\ntype = \"files\"\npaths = [\"/x/*.log\"]\n\
             [[auth.tokens]]\nname = \"a\"\nrole = \"admin\"\nsha256 = \"{hash}\"\n"
        );
        assert_eq!(waiting(&text), ["query.concurrent", "sources", "auth.tokens"]);
    }

    #[test]
    fn the_example_is_the_default() {
        let config = resolve(&example()).unwrap();
        let default = resolve("").unwrap();
        for (path, (value, _)) in &config.settings.values {
            assert_eq!(value, &default.settings.values[path].0, "{path}");
        }
    }
}
