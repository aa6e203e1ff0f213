//! Whether the secrets that a configuration refers to can be read where it is checked.
//!
//! `serve` reads some at its start and does not start without them: those of hooks, of callbacks and of single
//! sign-on. The others it reads when it needs them, again and again; without one, its source or channel fails.

use std::collections::BTreeMap;

use event::{Diagnostic, Level};
use ingest::SecretReference;

use super::Config;
use super::channels::CHANNELS;
use super::key::{KEYS, Kind};
use super::load::Origin;
use super::sources::SOURCES;
use super::value::Value;

/// Why a secret does not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSecret {
    /// It cannot be read, which [`Config::unreadable_secrets`] tells with its place.
    #[error("{0}")]
    Unread(String),
    /// It can be read, and nothing can be done with it.
    #[error("{0}")]
    Unfit(String),
}

/// A place of the configuration that refers to a secret.
#[derive(Debug)]
struct Referring {
    /// `channels.secrets`
    field: String,
    /// Whose it is: ``of the channel `soc` ``; may be empty.
    whose: String,
    /// 0 where it is not from the file.
    line: u32,
    reference: SecretReference,
    /// Whether `serve` does not start without it.
    is_needed: bool,
}

impl Config {
    /// What is wrong with each secret that cannot be read: an error where `serve` does not start without it, else a
    /// warning. It blocks, a command for 30 seconds at most.
    pub(crate) fn unreadable_secrets(&self) -> Vec<Diagnostic> {
        // Many may refer to the same one, which is read once.
        let mut read: BTreeMap<String, Result<(), String>> = BTreeMap::new();
        let mut found = Vec::new();
        for place in self.referring() {
            let reference = &place.reference;
            let outcome = read
                .entry(reference.to_string())
                .or_insert_with(|| reference.read().map(drop).map_err(|error| error.to_string()));
            let Err(problem) = outcome else { continue };
            let mend = match reference {
                SecretReference::Environment(name) => format!("set `{name}` in the environment of `serve`"),
                SecretReference::File(_) => {
                    "write the file, and let the user read it that `serve` runs as".to_owned()
                }
                SecretReference::Command(_) => "run the command by hand to see what it says".to_owned(),
            };
            let space = if place.whose.is_empty() { "" } else { " " };
            found.push(Diagnostic {
                level: if place.is_needed { Level::Error } else { Level::Warning },
                file: if place.line > 0 { self.given().name() } else { String::new() },
                line: place.line,
                column: 0,
                field: place.field,
                problem: format!("a secret{space}{} cannot be read: {problem}", place.whose),
                mend,
            });
        }
        found
    }

    fn referring(&self) -> Vec<Referring> {
        let mut found = Vec::new();
        for key in KEYS.iter().filter(|key| key.kind == Kind::Secret) {
            let Some((value, origin)) = self.settings.values.get(key.path) else { continue };
            for reference in references(Some(key.kind), value) {
                let (field, line) = (key.path.to_owned(), line(origin));
                found.push(Referring { field, whose: String::new(), line, reference, is_needed: true });
            }
        }
        for (hook, line) in self.hooks.iter().zip(&self.settings.hook_lines) {
            for reference in hook.secrets.iter().cloned() {
                let whose = format!("of the hook `{}`", hook.name);
                let field = "hooks.secret".to_owned();
                found.push(Referring { field, whose, line: *line, reference, is_needed: true });
            }
        }
        for source in &self.sources {
            for (path, value, origin) in source.shown() {
                let kind = SOURCES.settings(source.kind).find(|key| key.path == path).map(|key| key.kind);
                for reference in references(kind, value) {
                    let (field, whose) =
                        (format!("sources.{path}"), format!("of the source `{}`", source.id));
                    found.push(Referring { field, whose, line: line(origin), reference, is_needed: false });
                }
            }
        }
        for channel in &self.channels {
            for (path, value, origin) in channel.shown() {
                let kind = CHANNELS.settings(channel.kind).find(|key| key.path == path).map(|key| key.kind);
                for reference in references(kind, value) {
                    let (field, whose) =
                        (format!("channels.{path}"), format!("of the channel `{}`", channel.name));
                    let is_needed = path == "callback_secret";
                    found.push(Referring { field, whose, line: line(origin), reference, is_needed });
                }
            }
        }
        found
    }
}

fn line(origin: &Origin) -> u32 {
    if let Origin::File { line } = origin { *line } else { 0 }
}

/// The references in a value of a kind that may have some.
fn references(kind: Option<Kind>, value: &Value) -> Vec<SecretReference> {
    match (kind, value) {
        (Some(Kind::Secret | Kind::AddressOrSecret), Value::Text(text)) => {
            SecretReference::parse(text).into_iter().collect()
        }
        (Some(Kind::Secrets), Value::Texts(texts)) => {
            texts.iter().filter_map(|text| SecretReference::parse(text)).collect()
        }
        (Some(Kind::SecretPairs), Value::Texts(texts)) => {
            let values = texts.iter().filter_map(|text| text.split_once('='));
            values.filter_map(|(_, value)| SecretReference::parse(value.trim())).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reference to a secret that there is not, wherever a configuration may have one.
    const EVERYWHERE: &str = r#"server.public_url = "https://siem.example.com"
[oidc]
issuer = "https://login.example.com"
client_id = "sg"
client_secret = "env:STORMGLASS_TEST_NONE_1"

[[hooks]]
name = "app"
scheme = "bearer"
secret = ["file:/dev/null/none", "env:STORMGLASS_TEST_NONE_2"]

[[sources]]
name = "okta"
type = "okta"
url = "https://example.okta.com"
token = "env:STORMGLASS_TEST_NONE_3"

[[channels]]
name = "out"
kind = "webhook"
url = "env:STORMGLASS_TEST_NONE_4"
secrets = ["env:STORMGLASS_TEST_NONE_5",
  "command:/dev/null/none"]
headers = ["X-Key=env:STORMGLASS_TEST_NONE_6", "X-Other = file:/dev/null/none"]

[[channels]]
name = "soc"
kind = "slack"
token = "env:STORMGLASS_TEST_NONE_7"
channel = "C012AB3CD"
callback_secret = "env:STORMGLASS_TEST_NONE_8"
"#;

    #[test]
    fn every_secret_that_cannot_be_read_is_told_with_its_place_and_mend() {
        let config = Config::from_text(EVERYWHERE);
        let found: Vec<_> = config
            .unreadable_secrets()
            .into_iter()
            .map(|one| {
                assert!(one.file.ends_with(".toml") && !one.mend.is_empty(), "{one}");
                let reference = one
                    .problem
                    .split('`')
                    .find(|part| ["env:", "file:", "command:"].iter().any(|begin| part.starts_with(begin)));
                (one.level, one.line, one.field.clone(), reference.unwrap().to_owned())
            })
            .collect();
        let wanted = [
            (Level::Error, 5, "oidc.client_secret", "env:STORMGLASS_TEST_NONE_1"),
            (Level::Error, 10, "hooks.secret", "file:/dev/null/none"),
            (Level::Error, 10, "hooks.secret", "env:STORMGLASS_TEST_NONE_2"),
            (Level::Warning, 16, "sources.token", "env:STORMGLASS_TEST_NONE_3"),
            (Level::Warning, 21, "channels.url", "env:STORMGLASS_TEST_NONE_4"),
            (Level::Warning, 22, "channels.secrets", "env:STORMGLASS_TEST_NONE_5"),
            (Level::Warning, 22, "channels.secrets", "command:/dev/null/none"),
            (Level::Warning, 24, "channels.headers", "env:STORMGLASS_TEST_NONE_6"),
            (Level::Warning, 24, "channels.headers", "file:/dev/null/none"),
            (Level::Warning, 29, "channels.token", "env:STORMGLASS_TEST_NONE_7"),
            (Level::Error, 31, "channels.callback_secret", "env:STORMGLASS_TEST_NONE_8"),
        ];
        let wanted: Vec<_> = wanted
            .map(|(level, line, field, text)| (level, line, field.to_owned(), text.to_owned()))
            .to_vec();
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_can_be_read_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "secret").unwrap();
        let text = format!(
            "[[channels]]\nname = \"out\"\nkind = \"webhook\"\nurl = \"https://example.com\"\nsecrets = [\"file:{}\"]\n",
            path.display()
        );
        assert_eq!(Config::from_text(&text).unreadable_secrets(), []);
        std::fs::write(&path, "").unwrap();
        let found = Config::from_text(&text).unreadable_secrets();
        assert!(found.first().unwrap().to_string().contains("it is empty"), "{found:?}");
    }

    /// A setting that is read as a secret is of a kind that is looked at.
    #[test]
    fn no_setting_refers_to_secrets_unseen() {
        let kinds = CHANNELS.all.iter().flat_map(|kind| CHANNELS.settings(kind));
        let kinds = kinds.chain(SOURCES.all.iter().flat_map(|kind| SOURCES.settings(kind)));
        let mut seen = 0;
        for key in kinds {
            let tells = ["env:", "REFERENCE"].iter().any(|word| key.doc.contains(word));
            let is_seen =
                matches!(key.kind, Kind::Secret | Kind::Secrets | Kind::SecretPairs | Kind::AddressOrSecret);
            assert!(is_seen || !tells, "`{}` tells of references and is {:?}", key.path, key.kind);
            seen += usize::from(is_seen);
        }
        assert!(seen > 20, "{seen}");
    }
}
