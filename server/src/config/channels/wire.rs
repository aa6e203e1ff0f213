//! What is spoken everywhere: webhooks, mail, syslog, OCSF.

use std::sync::Arc;

use notify::channel::{
    CloudEvents, Email, EmailSettings, Ocsf, Security, Syslog, SyslogFormat, SyslogSettings, Webhook,
    WebhookSettings,
};

use super::{ChannelKind, first};
use crate::config::key::{Key, Kind, key};

const WEBHOOK_KEYS: &[Key] = &[
    key(
        "url",
        Kind::AddressOrSecret,
        "",
        "The address, or where it lies: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENT`.",
    ),
    key("method", Kind::Word(&["POST", "PUT"]), r#""POST""#, "The method."),
    key(
        "secrets",
        Kind::Secrets,
        "[]",
        "Where the keys lie that sign (whsec_… or whsk_…): two while one follows the other; none: it is not signed.",
    ),
    key(
        "headers",
        Kind::SecretPairs,
        "[]",
        "More headers, as NAME=REFERENCE: each value is a secret that lies elsewhere.",
    ),
    key(
        "cloudevents",
        Kind::Word(&["off", "structured", "binary"]),
        r#""off""#,
        "Whether it is a CloudEvent, and in which mode.",
    ),
    key("event_source", Kind::Text, r#""/stormglass""#, "The source of CloudEvents, a URI reference."),
    key(
        "origin",
        Kind::Text,
        r#""""#,
        "The DNS name by which the receiver is asked whether it wants CloudEvents, such as siem.example.com; empty: it is not asked.",
    ),
    key(
        "template",
        Kind::Text,
        r#""""#,
        "A body of one's own, with {{ title }} and others in it; empty: JSON. See docs/channels.md.",
    ),
    key(
        "content_type",
        Kind::Text,
        r#""application/json""#,
        "The type of a template's body; texts are escaped for it.",
    ),
];

pub(super) const WEBHOOK: ChannelKind = ChannelKind {
    name: "webhook",
    doc: "Any address that takes JSON: Standard Webhooks, CloudEvents, or a body of one's own.",
    keys: WEBHOOK_KEYS,
    open: |channel, client| {
        let get = channel.get();
        let template = get.text("template");
        let settings = WebhookSettings {
            url: channel.address("url")?,
            method: if get.text("method") == "PUT" { "PUT" } else { "POST" },
            keys: channel.secrets("secrets")?,
            headers: channel.headers()?,
            cloud_events: match get.text("cloudevents").as_str() {
                "structured" => Some(CloudEvents::Structured),
                "binary" => Some(CloudEvents::Binary),
                _ => None,
            },
            source: get.text("event_source"),
            origin: get.text("origin"),
            template: (!template.is_empty()).then_some(template),
            content_type: get.text("content_type"),
        };
        first(settings.problems())?;
        Ok(Arc::new(Webhook::new(client, settings)?))
    },
};

const EMAIL_KEYS: &[Key] = &[
    key("server", Kind::Address, "", "The mail server and its port, such as smtp.example.com:587."),
    key(
        "tls",
        Kind::Word(&["starttls", "implicit", "none"]),
        r#""starttls""#,
        "`starttls` (port 587) and `implicit` (465) are never without TLS; `none` needs `plain_server`.",
    ),
    key(
        "plain_server",
        Kind::Text,
        r#""""#,
        "The name of a server that may be spoken to without TLS, once more.",
    ),
    key(
        "ca_file",
        Kind::Text,
        r#""""#,
        "A file of certificates in PEM to trust besides those of this machine.",
    ),
    key("user", Kind::Text, r#""""#, "The user, where the server wants one."),
    key("password", Kind::Secret, r#""""#, "Where that user's password lies."),
    key("from", Kind::Text, "", "Who it is from, such as `Stormglass <stormglass@example.com>`."),
    key("to", Kind::Texts, "", "Whom it is for."),
];

pub(super) const EMAIL: ChannelKind = ChannelKind {
    name: "email",
    doc: "Mail by SMTP over TLS, as text and HTML, in threads.",
    keys: EMAIL_KEYS,
    open: |channel, client| {
        let get = channel.get();
        let (host, port) = channel.server()?;
        let settings = EmailSettings {
            host,
            port,
            security: match get.text("tls").as_str() {
                "implicit" => Security::Tls,
                "none" => Security::Plain,
                _ => Security::Starttls,
            },
            plain_host: get.text("plain_server"),
            ca: channel.certificates()?,
            user: get.text("user"),
            password: channel.secret("password"),
            from: get.text("from"),
            to: get.texts("to"),
        };
        Ok(Arc::new(Email::new(client, &settings)?))
    },
};

const SYSLOG_KEYS: &[Key] = &[
    key("server", Kind::Address, "", "The syslog server and its port, such as siem.example.com:6514."),
    key("tls", Kind::Flag, "true", "Whether it is spoken to over TLS."),
    key(
        "ca_file",
        Kind::Text,
        r#""""#,
        "A file of certificates in PEM to trust besides those of this machine.",
    ),
    key(
        "format",
        Kind::Word(&["cef", "ocsf"]),
        r#""cef""#,
        "What a message says: CEF, or an OCSF finding as JSON.",
    ),
    key("facility", Kind::Count(0, 23), "4", "The facility; 4 is security."),
    key("hostname", Kind::Text, r#""stormglass""#, "The name of this host in messages."),
];

pub(super) const SYSLOG: ChannelKind = ChannelKind {
    name: "syslog",
    doc: "A syslog server: RFC 5424 over TLS or TCP, with CEF or OCSF.",
    keys: SYSLOG_KEYS,
    open: |channel, client| {
        let get = channel.get();
        let (host, port) = channel.server()?;
        let settings = SyslogSettings {
            host,
            port,
            tls: get.flag("tls"),
            ca: channel.certificates()?,
            format: if get.text("format") == "ocsf" { SyslogFormat::Ocsf } else { SyslogFormat::Cef },
            facility: u8::try_from(get.count("facility")).unwrap_or(u8::MAX),
            hostname: get.text("hostname"),
        };
        Ok(Arc::new(Syslog::new(client, settings)?))
    },
};

const OCSF_KEYS: &[Key] = &[
    key(
        "url",
        Kind::AddressOrSecret,
        "",
        "The address, or where it lies: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENT`.",
    ),
    key(
        "headers",
        Kind::SecretPairs,
        "[]",
        "More headers, as NAME=REFERENCE: each value is a secret that lies elsewhere.",
    ),
];

pub(super) const OCSF: ChannelKind = ChannelKind {
    name: "ocsf",
    doc: "OCSF 1.8.0 findings as JSON, posted one by one: Incident Findings (class 2005) of incidents, Detection Findings (class 2004) of alerts.",
    keys: OCSF_KEYS,
    open: |channel, client| Ok(Arc::new(Ocsf::new(client, channel.address("url")?, channel.headers()?))),
};
