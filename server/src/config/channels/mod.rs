//! `[[channels]]`: how people are told. Each kind of channel is in a file beside this one: its settings, and how it
//! is opened.

mod chat;
mod kafka;
mod page;
mod ticket;
mod wire;

use std::sync::Arc;

use egress::{Client, EgressPolicy};
use event::Diagnostic;
use ingest::SecretReference;
use notify::Channel;
use notify::channel::{Secret, SettingProblem};
use toml_edit::Table;
use url::Url;

use super::Getter;
use super::entry::Values;
use super::key::{Key, Kind, key};
use super::kinds::{Kinds, TableKind};
use super::load::{Origin, Place};
use super::value::Value;

/// What kinds there are, and how they are read.
pub(crate) const CHANNELS: Kinds<ChannelKind> =
    Kinds { array: "channels", thing: "channel", named_by: "kind", common: COMMON, all: KINDS };

const KINDS: &[&ChannelKind] = &[
    &wire::WEBHOOK,
    &chat::SLACK,
    &chat::TEAMS,
    &page::PAGERDUTY,
    &wire::EMAIL,
    &page::JSM,
    &ticket::JIRA,
    &ticket::SERVICENOW,
    &chat::DISCORD,
    &wire::SYSLOG,
    &wire::OCSF,
    &kafka::KAFKA,
];

/// A kind of channel.
pub(crate) struct ChannelKind {
    /// What `kind` says.
    pub(crate) name: &'static str,
    /// What it is, a sentence.
    pub(crate) doc: &'static str,
    /// Its settings besides [`COMMON`]; one without default must be set.
    pub(crate) keys: &'static [Key],
    /// Opens it; sends nothing.
    open: fn(&ChannelConfig, Client) -> Opened,
}

impl TableKind for ChannelKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn keys(&self) -> &'static [Key] {
        self.keys
    }
}

impl std::fmt::Debug for ChannelKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The settings of every channel.
const COMMON: &[Key] = &[
    key("name", Kind::Text, "", "Its name: what routes send to. 1 to 64 of a-z, 0-9, `.`, `_`, `-`."),
    key("kind", Kind::Text, "", "Its kind, one of those below."),
];

/// A channel, or what is wrong with its settings.
pub(crate) type Opened = Result<Arc<dyn Channel>, SettingProblem>;

/// A channel as it is configured.
#[derive(Debug, Clone)]
pub(crate) struct ChannelConfig {
    pub(crate) name: String,
    pub(crate) kind: &'static ChannelKind,
    values: Values,
}

impl ChannelConfig {
    /// Opens it over `client`; sends nothing.
    ///
    /// # Errors
    /// A setting is wrong.
    pub(crate) fn open(&self, client: Client) -> Opened {
        (self.kind.open)(self, client)
    }

    /// Where the secret lies that signs what its service calls back with; `None` where nothing is called back.
    pub(crate) fn callback_secret(&self) -> Option<SecretReference> {
        SecretReference::parse(&self.get().text("callback_secret"))
    }

    /// Who a user of its service is, by that service's id; `None` for a user who is not listed, where there is a list.
    pub(crate) fn user(&self, id: &str, shown: &str) -> Option<String> {
        let users = self.get().texts("users");
        let listed =
            users.iter().filter_map(|pair| pair.split_once('=')).find(|(known, _)| known.trim() == id);
        match listed {
            Some((_, name)) => Some(name.trim().to_owned()),
            None => users.is_empty().then(|| format!("{}:{shown}", self.kind.name)),
        }
    }

    /// Whether `users` lists this id.
    pub(crate) fn has_user(&self, id: &str) -> bool {
        let users = self.get().texts("users");
        users.iter().filter_map(|pair| pair.split_once('=')).any(|(known, _)| known.trim() == id)
    }

    /// Each setting with its value and where that comes from, in the order of the reference.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&'static str, &Value, &Origin)> {
        CHANNELS.shown(self.kind, &self.values)
    }

    fn get(&self) -> Getter<'_> {
        Getter(&self.values)
    }

    /// The secret of a setting; `None` where it is not set.
    fn secret(&self, field: &'static str) -> Option<Secret> {
        let reference = SecretReference::parse(&self.get().text(field))?;
        Some(Secret::new(move || reference.read().map_err(|error| error.to_string())))
    }

    /// The secret of a setting.
    fn needed_secret(&self, field: &'static str) -> Result<Secret, SettingProblem> {
        self.secret(field)
            .ok_or_else(|| SettingProblem::new(field, "it says nowhere where the secret lies", REFERENCE))
    }

    /// A list of secrets.
    fn secrets(&self, field: &'static str) -> Result<Vec<Secret>, SettingProblem> {
        let mut secrets = Vec::new();
        for text in self.get().texts(field) {
            // What is refused may be the secret itself: it is not repeated.
            let reference = SecretReference::parse(&text).ok_or_else(|| {
                SettingProblem::new(field, "one of these is no reference to a secret", REFERENCE)
            })?;
            secrets.push(Secret::new(move || reference.read().map_err(|error| error.to_string())));
        }
        Ok(secrets)
    }

    /// Headers, each with its secret.
    fn headers(&self) -> Result<Vec<(String, Secret)>, SettingProblem> {
        let mut headers = Vec::new();
        for pair in self.get().texts("headers") {
            let (name, text) = pair.split_once('=').unwrap_or((&pair, ""));
            let reference = SecretReference::parse(text.trim()).ok_or_else(|| {
                SettingProblem::new("headers", "one of these is no reference to a secret", REFERENCE)
            })?;
            let secret = Secret::new(move || reference.read().map_err(|error| error.to_string()));
            headers.push((name.trim().to_owned(), secret));
        }
        Ok(headers)
    }

    /// An address that may be written, or be a secret that is elsewhere.
    fn address(&self, field: &'static str) -> Result<Secret, SettingProblem> {
        let text = self.get().text(field);
        if let Some(secret) = self.secret(field) {
            return Ok(secret);
        }
        let is_address =
            Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        if !is_address {
            return Err(SettingProblem::new(
                field,
                "this is no address and no reference to one",
                format!("write https://…, or {REFERENCE}"),
            ));
        }
        Ok(Secret::new(move || Ok(text.clone())))
    }

    /// An address that holds no secret.
    fn site(&self, field: &'static str) -> Result<String, SettingProblem> {
        let text = self.get().text(field);
        let good = Url::parse(&text).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if good {
            return Ok(text.trim_end_matches('/').to_owned());
        }
        Err(SettingProblem::new(
            field,
            format!("`{text}` is no address"),
            "write it as in https://example.com",
        ))
    }

    /// A server's name and port.
    fn server(&self) -> Result<(String, u16), SettingProblem> {
        let text = self.get().text("server");
        let read = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        read.ok_or_else(|| {
            SettingProblem::new(
                "server",
                format!("`{text}` is no server"),
                "write it as in `smtp.example.com:587`",
            )
        })
    }

    /// The certificates of a file.
    fn certificates(&self) -> Result<Option<Vec<u8>>, SettingProblem> {
        let path = self.get().text("ca_file");
        if path.is_empty() {
            return Ok(None);
        }
        std::fs::read(&path).map(Some).map_err(|error| {
            SettingProblem::new("ca_file", format!("`{path}` cannot be read: {error}"), "name a file in PEM")
        })
    }
}

const REFERENCE: &str = "write `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENT`";

/// The first problem of a channel's settings.
fn first(problems: Vec<SettingProblem>) -> Result<(), SettingProblem> {
    problems.into_iter().next().map_or(Ok(()), Err)
}

/// Reads one table of `[[channels]]`.
pub(super) fn read(
    place: &Place<'_>,
    table: &Table,
    found: &mut Vec<ChannelConfig>,
    problems: &mut Vec<Diagnostic>,
) {
    let before = problems.len();
    let Some((kind, entry)) = CHANNELS.read(place, table, problems) else { return };
    let taken = found.iter().map(|channel| channel.name.as_str());
    let Some(name) = entry.name(taken, problems) else { return };
    if problems.len() > before {
        return;
    }
    let channel = ChannelConfig { name, kind, values: entry.values.clone() };
    let tried = Client::new(EgressPolicy::default())
        .map_err(|error| SettingProblem::new("kind", error.to_string(), "see this machine's certificates"))
        .and_then(|client| channel.open(client));
    match tried {
        Ok(_) => found.push(channel),
        Err(SettingProblem { field, problem, mend }) => entry.refuse(field, problem, &mend, problems),
    }
}

#[cfg(test)]
mod tests;
