//! Every setting, once: key, type, default, meaning. The example file, the reference page, the
//! environment overrides and the error messages are derived from here.

/// What a setting's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Where a secret lies (see `ingest::SecretReference`), or nothing.
    Secret,
    /// A list of where secrets lie.
    Secrets,
    /// A list of `NAME=REFERENCE`, each value a secret that lies elsewhere.
    SecretPairs,
    /// An address, or where it lies that is a secret itself.
    AddressOrSecret,
    /// A path; relative ones are taken from the working directory.
    Path,
    /// The same, or nothing.
    PathOrNone,
    /// A list of paths.
    Paths,
    /// A list of text; in the environment joined by commas.
    Texts,
    /// A list of `NAME=VALUE`.
    Pairs,
    /// `host:port`.
    Address,
    /// A whole number between the two.
    Count(u64, u64),
    /// A number of bytes: `4194304`, `"4 MiB"`.
    Bytes,
    /// The same, or `"unlimited"`, which is kept as none at all.
    BytesOrUnlimited,
    /// A span of time: `"250 ms"`, `"30 s"`, `"5 min"`, `"2 h"`, `"30 d"`.
    Span,
    /// The same, or `"never"`, which is kept as no time at all.
    SpanOrNever,
    /// `true` or `false`.
    Flag,
    /// One of a few words.
    Word(&'static [&'static str]),
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Table and name, `server.listen`.
    pub(crate) path: &'static str,
    /// Its type.
    pub(crate) kind: Kind,
    /// Its default as TOML; empty where there is none.
    pub(crate) default: &'static str,
    /// What it does, whole sentences.
    pub(crate) doc: &'static str,
}

pub(super) const fn key(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { path, kind, default, doc }
}

/// Every setting but the tokens (`[[auth.tokens]]`), roles (`[[auth.roles]]`) and the sources (`[[sources]]`), in the order of the example file.
pub(crate) const KEYS: &[Key] = &[
    key(
        "data",
        Kind::Path,
        r#""./data""#,
        "The folder that holds everything durable: log, table, state. One process uses it at a time.",
    ),
    key(
        "server.listen",
        Kind::Address,
        r#""127.0.0.1:7171""#,
        "Where the HTTP API listens. An address beyond loopback is refused unless somebody may come in (a user, a token or single sign-on), and TLS or `server.plain_http` is set.",
    ),
    key(
        "server.plain_http",
        Kind::Flag,
        "false",
        "Whether HTTP without TLS is spoken beyond loopback; only behind a proxy that speaks TLS.",
    ),
    key(
        "server.tls.certificate",
        Kind::PathOrNone,
        r#""""#,
        "The certificate chain in PEM; with it and `server.tls.key`, only TLS 1.2 and 1.3 are spoken. Read again when a file changes and on SIGHUP; a broken one is refused, and `/health` says so.",
    ),
    key("server.tls.key", Kind::PathOrNone, r#""""#, "The private key of the certificate in PEM."),
    key(
        "server.tls.client_ca",
        Kind::PathOrNone,
        r#""""#,
        "Certificates in PEM of which clients must show one that they have signed; without it, none is asked for.",
    ),
    key(
        "server.public_url",
        Kind::Text,
        r#""""#,
        "How browsers reach the server, such as https://logs.example.com. With https its cookies go over TLS alone, and passwords are taken from beyond this machine.",
    ),
    key(
        "server.trusted_proxies",
        Kind::Texts,
        "[]",
        "Addresses and networks of proxies whose `X-Forwarded-For` tells who asks. Without them, all that comes through a proxy counts as one address.",
    ),
    key("server.max_body", Kind::Bytes, r#""32 MiB""#, "The largest request body, after decompression."),
    key(
        "server.body_memory",
        Kind::Bytes,
        r#""256 MiB""#,
        "How much the bodies of all requests may take while they come in and are worked on, at least `server.max_body`; senders of more are told to come again.",
    ),
    key(
        "server.request_timeout",
        Kind::Span,
        r#""120 s""#,
        "How long a request may take before it is answered with 503; uploads included.",
    ),
    key(
        "server.concurrent_requests",
        Kind::Count(1, 100_000),
        "512",
        "How many requests are worked on at once; more wait.",
    ),
    key(
        "server.requests_per_second",
        Kind::Count(1, 10_000_000),
        "2000",
        "How many requests one token (on loopback without tokens: one address) may make in a second; more get 429.",
    ),
    key(
        "server.shutdown_grace",
        Kind::Span,
        r#""25 s""#,
        "How long a stop waits for work in hand; what is left is done at the next start.",
    ),
    key("auth.session_idle", Kind::Span, r#""30 min""#, "How long a session of a user lasts without use."),
    key("auth.session_absolute", Kind::Span, r#""12 h""#, "How long a session of a user lasts at most."),
    key(
        "auth.landing",
        Kind::Text,
        r#""/api/v1/session""#,
        "The path that a browser is sent to after single sign-on.",
    ),
    key(
        "oidc.issuer",
        Kind::Text,
        r#""""#,
        "The provider of single sign-on (OpenID Connect), to the letter as its discovery document names itself. Empty: there is none.",
    ),
    key("oidc.client_id", Kind::Text, r#""""#, "What the provider calls this server."),
    key(
        "oidc.client_secret",
        Kind::Secret,
        r#""""#,
        "Where the secret lies that the provider has given; empty for a public client.",
    ),
    key(
        "oidc.scopes",
        Kind::Texts,
        r#"["openid", "profile", "email"]"#,
        "What is asked of the provider; some want `groups` too.",
    ),
    key(
        "oidc.hosts",
        Kind::Texts,
        "[]",
        "Other hosts than the issuer's that its endpoints lie on, such as oauth2.googleapis.com and www.googleapis.com.",
    ),
    key(
        "oidc.algorithms",
        Kind::Texts,
        r#"["RS256", "PS256", "ES256", "EdDSA"]"#,
        "How the provider may sign; also RS384, RS512, PS384, PS512, ES384.",
    ),
    key(
        "oidc.name_claim",
        Kind::Text,
        r#""preferred_username""#,
        "The claim that names a user: what the user is called here.",
    ),
    key(
        "oidc.groups_claim",
        Kind::Text,
        r#""groups""#,
        "The claim that lists the groups of a user; dots lead into it, as in realm_access.roles.",
    ),
    key(
        "oidc.group_roles",
        Kind::Pairs,
        "[]",
        "Groups and the role of each, as GROUP=ROLE. The first that a user is in counts, at every sign-in anew.",
    ),
    key(
        "oidc.default_role",
        Kind::Text,
        r#""""#,
        "The role of users in none of these groups. Empty: they stay out.",
    ),
    key("log.segment", Kind::Bytes, r#""64 MiB""#, "The size of a file of the embedded log."),
    key(
        "log.max",
        Kind::Bytes,
        r#""2 GiB""#,
        "How much the embedded log may hold that is not yet in the table; more makes sources wait.",
    ),
    key(
        "table.commit_size",
        Kind::Bytes,
        r#""64 MiB""#,
        "The size of the rows waiting in memory that causes a commit.",
    ),
    key(
        "table.commit_after",
        Kind::Span,
        r#""30 s""#,
        "How long rows wait for a commit at most. They can be queried before it.",
    ),
    key("table.file_size", Kind::Bytes, r#""128 MiB""#, "The size of Parquet file that compaction aims at."),
    key(
        "table.retention_days",
        Kind::Count(0, 36_500),
        "0",
        "How many days of events are kept; 0 keeps all. Older events are removed by day, and dropped and counted when they arrive.",
    ),
    key(
        "table.upkeep_every",
        Kind::Span,
        r#""5 min""#,
        "How often small files are merged, removed files deleted and the retention applied.",
    ),
    key(
        "table.keep_removed_files",
        Kind::Span,
        r#""1 h""#,
        "How long a file that compaction replaced stays for readers that still use it.",
    ),
    key(
        "table.duplicate_memory",
        Kind::Bytes,
        r#""128 MiB""#,
        "Memory for the index that finds events delivered twice; what does not fit is kept on disk.",
    ),
    key("rules.shipped", Kind::Flag, "true", "Whether the rules that come with Stormglass are used."),
    key("rules.paths", Kind::Paths, "[]", "Files and folders of Sigma rules (.yml, .yaml) to use besides."),
    key(
        "rules.reload_every",
        Kind::SpanOrNever,
        r#""5 s""#,
        "How often a server looks whether rule files, files of assets and, for channels, routes and rotas, its configuration have changed; SIGHUP looks at once. A broken file keeps its last good version.",
    ),
    key(
        "rules.group",
        Kind::Texts,
        "[]",
        "Matches of a rule that become one alert with a count, as WHAT=WINDOW by FIELD+FIELD: a rule's id or name, or a level for rules that do not say it themselves; fields are actor, credential, user, account, address, resource, operation, provider.",
    ),
    key(
        "enrich.places",
        Kind::Paths,
        "[]",
        "Files that say where addresses are: MaxMind DB (.mmdb) of cities, countries or networks, or CSV (see places.md). The first that knows an address counts. They fill the place of the source where the record does not say it, and are looked at every `rules.reload_every`.",
    ),
    key(
        "identity.cluster_issuers",
        Kind::Pairs,
        "[]",
        "The issuers of the tokens of Kubernetes clusters, as SOURCE=ISSUER: the source that delivers the cluster's audit log, which does not name it.",
    ),
    key(
        "identity.mail_domains",
        Kind::Texts,
        "[]",
        "Domains, such as example.com, in which one address is one person in every cloud.",
    ),
    key(
        "identity.pool_providers",
        Kind::Pairs,
        "[]",
        "The issuers behind the providers of Google's identity pools, as PROVIDER=ISSUER; audit logs do not name them.",
    ),
    key(
        "identity.source_identity",
        Kind::Flag,
        "false",
        "Whether the source identity of an AWS session tells who is behind it; only where trust policies leave no choice of it.",
    ),
    key(
        "correlation.delay",
        Kind::Span,
        r#""10 min""#,
        "How long after its time an event is still waited for before something counts as missing.",
    ),
    key(
        "correlation.idle",
        Kind::Span,
        r#""2 min""#,
        "A source of which nothing came for so long holds no correlation up: what is absent is decided without it.",
    ),
    key(
        "correlation.lateness",
        Kind::Span,
        r#""24 h""#,
        "When room gets scarce, events that lie so far behind the newest are forgotten; later ones of that age are counted and left to `rules hunt`.",
    ),
    key(
        "correlation.events",
        Kind::Count(1000, 1_000_000_000),
        "500000",
        "How many events all correlations together remember; each takes 40 bytes, and each key about 150.",
    ),
    key(
        "correlation.rule_events",
        Kind::Count(100, 1_000_000_000),
        "200000",
        "How many events one correlation remembers. An alert says when a bound is met.",
    ),
    key(
        "correlation.key_events",
        Kind::Count(10, 1_000_000),
        "10000",
        "How many events of one key a correlation remembers.",
    ),
    key(
        "alerts.keep_feed",
        Kind::Span,
        r#""7 d""#,
        "How long what happened to alerts and incidents can be read from their feeds: so long a client of the live list that was away misses nothing. What notifications and incidents have not read stays in any case.",
    ),
    key(
        "alerts.keep_feed_entries",
        Kind::Count(1000, 1_000_000_000),
        "1000000",
        "How many entries of each feed are kept at most.",
    ),
    key(
        "alerts.keep_matches",
        Kind::Span,
        r#""90 d""#,
        "How long after the last change of a group's alert it is known which matches it counted; one that comes again later is counted twice.",
    ),
    key(
        "incidents.window",
        Kind::Span,
        r#""24 h""#,
        "How long after one alert another may come and still belong to the same incident; the window slides with each alert.",
    ),
    key(
        "incidents.shared_by",
        Kind::Count(1, 1000),
        "3",
        "An address or target that more identities than this share joins no alerts.",
    ),
    key(
        "incidents.shared_addresses",
        Kind::Count(1, 100_000),
        "25",
        "An identity or credential that is used from more addresses than this joins only alerts that also share address or resource.",
    ),
    key(
        "incidents.max_alerts",
        Kind::Count(10, 100_000),
        "500",
        "An incident of more alerts than this is joined anew by identity and credential alone, and if that does not help, day by day.",
    ),
    key(
        "incidents.alone",
        Kind::Word(&["low", "medium", "high", "critical"]),
        r#""high""#,
        "The least severity with which an alert that nothing joins is an incident by itself.",
    ),
    key(
        "incidents.remember",
        Kind::Count(1000, 10_000_000),
        "50000",
        "How many of the newest alerts are joined and weighed; incidents of older ones stay as they are. An alert takes about 5 KiB of memory.",
    ),
    key(
        "incidents.acknowledge_critical",
        Kind::SpanOrNever,
        r#""15 min""#,
        "How soon somebody must take an incident of critical severity.",
    ),
    key("incidents.acknowledge_high", Kind::SpanOrNever, r#""1 h""#, "The same for high severity."),
    key("incidents.acknowledge_medium", Kind::SpanOrNever, r#""8 h""#, "The same for medium severity."),
    key("incidents.acknowledge_low", Kind::SpanOrNever, r#""24 h""#, "The same for low severity."),
    key(
        "incidents.close_critical",
        Kind::SpanOrNever,
        r#""24 h""#,
        "How soon an incident of critical severity must be closed.",
    ),
    key("incidents.close_high", Kind::SpanOrNever, r#""3 d""#, "The same for high severity."),
    key("incidents.close_medium", Kind::SpanOrNever, r#""7 d""#, "The same for medium severity."),
    key("incidents.close_low", Kind::SpanOrNever, r#""14 d""#, "The same for low severity."),
    key(
        "risk.assets",
        Kind::Paths,
        "[]",
        "Files (TOML) that say how critical things and people are, and what is known to be bad.",
    ),
    key(
        "risk.half_life",
        Kind::Span,
        r#""7 d""#,
        "After how long an alert counts half in the risk of an entity.",
    ),
    key(
        "risk.threshold",
        Kind::Count(1, 1_000_000),
        "500",
        "The risk of an entity from which on, if three rules have part in it, an alert of its own is raised.",
    ),
    key(
        "ingest.record",
        Kind::Bytes,
        r#""4 MiB""#,
        "The largest record; a larger one becomes a dead letter.",
    ),
    key(
        "ingest.mappings",
        Kind::Paths,
        "[]",
        "Files and folders of mapping files (.yml, .yaml): JSON of sources that Stormglass does not know.",
    ),
    key("ingest.inflated", Kind::Bytes, r#""16 GiB""#, "How much a compressed file may inflate to."),
    key(
        "ingest.inflate_ratio",
        Kind::Count(2, 10_000),
        "200",
        "How many times its compressed size a file may inflate to, counted after its first mebibyte.",
    ),
    key("query.memory", Kind::Bytes, r#""256 MiB""#, "Memory for all running queries together."),
    key(
        "query.max_rows",
        Kind::Count(1, 100_000_000),
        "100000",
        "How many rows a query answers at most; a request may ask for fewer.",
    ),
    key("query.timeout", Kind::Span, r#""60 s""#, "How long a query may run."),
    key("query.concurrent", Kind::Count(1, 1000), "4", "How many queries run at once; more get 429."),
    key(
        "audit.anchor",
        Kind::Text,
        r#""""#,
        "Where checkpoints of the audit log are kept besides, best on another machine: a file that lines are appended to, or `s3://`, `gs://` or `az://` with a bucket and path. It shows when the log's end is cut off.",
    ),
    key(
        "audit.checkpoint_every",
        Kind::Span,
        r#""1 min""#,
        "How often the audit log is signed, if anything was added; every 1000 entries in any case.",
    ),
    key(
        "audit.failed_changes",
        Kind::Count(1, 1_000_000),
        "100",
        "How many changes of one token may be refused or fail in a minute, as each attempt is written down; more get 429 until it is over.",
    ),
    key(
        "audit.keep",
        Kind::SpanOrNever,
        r#""never""#,
        "How long entries of the audit log are kept, from when they are signed; a day at least, `\"never\"` drops none. They are archived before they go, and the rest is still proved (see audit.md).",
    ),
    key(
        "audit.keep_bytes",
        Kind::BytesOrUnlimited,
        r#""unlimited""#,
        "About how many bytes the audit log may take before its oldest entries go; those of the last 24 hours stay in any case.",
    ),
    key(
        "audit.archive",
        Kind::Text,
        r#""""#,
        "Where entries go before they are dropped: a folder, or `s3://`, `gs://` or `az://` with a bucket and path.",
    ),
    key(
        "audit.drop_unarchived",
        Kind::Flag,
        "false",
        "Whether entries may be dropped that were not archived; whoever can fill the log can push out what is older than a day then.",
    ),
    key(
        "egress.allow",
        Kind::Texts,
        "[]",
        "Where notifications may go besides the internet by HTTPS on port 443: addresses, networks or names, each with :PORT for that port alone, and http:// before it for what goes without TLS.",
    ),
    key(
        "egress.ca",
        Kind::Text,
        r#""""#,
        "A file of certificates in PEM that are trusted besides the system's when something is sent.",
    ),
    key(
        "egress.proxy",
        Kind::Text,
        r#""""#,
        "A proxy, http://HOST:PORT, that what is sent by HTTP goes through. It must judge addresses itself. The environment's proxies are not used.",
    ),
    key(
        "notify.link",
        Kind::Text,
        r#""""#,
        "Where a person reads more of an alert, with {id} for its id: https://siem.example.com/alerts/{id}.",
    ),
    key(
        "notify.incident_link",
        Kind::Text,
        r#""""#,
        "Where a person reads more of an incident, an address with {id} in it; empty: messages about incidents have no link.",
    ),
    key(
        "notify.keep",
        Kind::Span,
        r#""30 d""#,
        "How long deliveries are kept; what could not be delivered for so long is dead.",
    ),
    key(
        "notify.keep_rows",
        Kind::Count(1_000, 100_000_000),
        "200000",
        "How many deliveries that are delivered or dead are kept: the newest.",
    ),
    key(
        "logging.filter",
        Kind::Text,
        r#""info""#,
        "What is logged to standard error: `warn`, `info`, `debug`, or by room, `info,rules=debug`.",
    ),
    key("logging.format", Kind::Word(&["text", "json"]), r#""text""#, "How it is logged."),
];

impl Key {
    /// The environment variable that overrides it: `server.listen` is `STORMGLASS_SERVER_LISTEN`.
    pub(crate) fn env(&self) -> String {
        format!("STORMGLASS_{}", self.path.replace('.', "_").to_uppercase())
    }

    /// The key called `path`.
    pub(crate) fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// Why a value is refused, as it was written. What may be a secret, or an address with one in it, is not quoted:
    /// the words go into logs and alerts.
    pub(crate) fn refusal(&self, written: &str) -> String {
        match self.kind {
            Kind::Secret
            | Kind::Secrets
            | Kind::SecretPairs
            | Kind::AddressOrSecret
            | Kind::Text
            | Kind::Texts
            | Kind::Pairs => format!("it is not {}", self.wanted()),
            _ => format!("{written} is not {}", self.wanted()),
        }
    }

    /// What its value must look like, in words.
    pub(crate) fn wanted(&self) -> String {
        match self.kind {
            Kind::Text => "text".into(),
            Kind::Secret => {
                "where a secret lies: \"env:NAME\", \"file:PATH\" or \"command:PROGRAM ARGUMENT\"".into()
            }
            Kind::Secrets => "a list of where secrets lie, such as [\"env:NAME\", \"file:PATH\"]".into(),
            Kind::SecretPairs => "a list of pairs, such as [\"X-Api-Key=env:NAME\"]".into(),
            Kind::AddressOrSecret => "an address, or where it lies, such as \"env:NAME\"".into(),
            Kind::Path | Kind::PathOrNone => "a path".into(),
            Kind::Paths => "a list of paths, such as [\"rules/\"]".into(),
            Kind::Pairs => match self.path {
                "identity.cluster_issuers" => "a list of pairs, such as [\"eks-prod=https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE\"]".into(),
                "oidc.group_roles" => "a list of pairs, such as [\"soc-analysts=analyst\"]".into(),
                _ => "a list of pairs, such as [\"projects/1/locations/global/workloadIdentityPools/ci/providers/github=https://token.actions.githubusercontent.com\"]".into(),
            },
            Kind::Texts => match self.path {
                "rules.group" => "a list of text, such as [\"low=1h by actor+account\"]".into(),
                _ => "a list of text, such as [\"example.com\"]".into(),
            },
            Kind::Address => "an address and port, such as \"127.0.0.1:7171\"".into(),
            Kind::Count(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Bytes => "a number of bytes, such as \"64 MiB\"".into(),
            Kind::Span => "a span of time, such as \"30 s\", \"5 min\" or \"2 h\"".into(),
            Kind::BytesOrUnlimited => "a number of bytes, such as \"64 MiB\", or \"unlimited\"".into(),
            Kind::SpanOrNever => "a span of time, such as \"5 min\" or \"2 h\", or \"never\"".into(),
            Kind::Flag => "true or false".into(),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}
