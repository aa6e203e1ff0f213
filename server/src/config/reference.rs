//! The example file, the reference page and the effective settings, printed from the same table.

use std::time::Duration;

use super::Config;
use super::channels::CHANNELS;
use super::key::{KEYS, Key};
use super::kinds::{Kinds, TableKind};
use super::load::Origin;
use super::notify::{ROTA_KEYS, ROUTE_KEYS};
use super::sources::SOURCES;
use super::value::Value;
use crate::auth::{Right, Roles};

const TOKENS_DOC: &str = "\
Who may use the API. While there is neither a token nor a user nor single sign-on, only this machine may,
and as admin. `stormglass token` prints a new token and its entry; only the hash is kept here.";

const ROLES_DOC: &str = "\
Roles of one's own, besides those that docs/access.md lists: what a role does not list is denied.";

const PLACEHOLDERS_DOC: &str = "\
Lists that rules name as `field|expand: '%name%'`, such as indicators: values, or a file with one value a
line (comments begin with #). Files are read again whenever the rules are.";

const SOURCES_DOC: &str = "\
What is pulled, a table each. `stormglass sources add` appends one, `stormglass sources test NAME` tries it
step by step.";
const PUSH_DOC: &str = "\
Webhooks, each with its secret by reference, and listeners for syslog. docs/sources/push.md tells of both.";

const CHANNELS_DOC: &str = "\
How people are told: a table for each channel, which routes name. docs/channels.md tells how each is set up.";

const CHANNELS_EXAMPLE: &str = r#"[[channels]]
name = "soc"
kind = "slack"               # `stormglass config reference` has all kinds and their settings
token = "env:SLACK_TOKEN"    # "file:PATH" or "command:PROGRAM ARGUMENT"; never the secret itself
channel = "C0123456789"
"#;

const PUSH_EXAMPLE: &str = r#"[[hooks]]
name = "github"              # POST /hooks/github
scheme = "github"            # github, standard, slack, pagerduty, hmac, okta, bearer or pubsub
secret = "env:GITHUB_SECRET" # "file:PATH" or "command:PROGRAM ARGUMENT"; never the secret itself

[[syslog]]
transport = "tls"            # udp, tcp or tls
listen = "127.0.0.1:6514"
certificate = "cert.pem"
key = "key.pem"
"#;

const NOTIFY_DOC: &str = "\
Who is told what: the first route that matches takes an alert, and hands it to the first that matches of those
below it, which are written as [[notify.routes.routes]]. docs/notifications.md tells more.";

const NOTIFY_EXAMPLE: &str = r#"[[notify.rotas]]
name = "first"
members = ["ann", "bob"]     # channels, in the order of their turns
start = "2026-01-05T09:00"
time_zone = "Europe/Berlin"

[[notify.routes]]
name = "urgent"
severity = "high"
channels = ["soc", "rota:first"]
escalate = ["15 min: boss"]

[[notify.routes]]
name = "rest"
channels = ["mail"]
digest = "1 h"
"#;

/// A configuration file that sets every setting to its default, with its meaning.
pub(crate) fn example() -> String {
    let mut out = String::from("# Stormglass: every setting, at its default.\n\n");
    let mut section = "";
    for key in KEYS {
        let (table, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if table != section {
            section = table;
            out.push_str(&format!("[{table}]\n"));
        }
        for line in wrap(key.doc, 96) {
            out.push_str(&format!("# {line}\n"));
        }
        out.push_str(&format!("{name} = {}\n\n", key.default));
    }
    for line in PLACEHOLDERS_DOC.lines() {
        out.push_str(&format!("# {line}\n"));
    }
    out.push_str("# [rules.placeholders]\n# admins = [\"ann\", \"bob\"]\n# bad_addresses = \"file:bad_addresses.txt\"\n\n");
    for line in SOURCES_DOC.lines() {
        out.push_str(&format!("# {line}\n"));
    }
    out.push_str("# [[sources]]\n# name = \"app\"\n# type = \"files\"              # or objects; `stormglass config reference` has all settings\n# paths = [\"/var/log/app/*.log*\"]\n\n");
    out.push_str(&format!("# {PUSH_DOC}\n"));
    for line in PUSH_EXAMPLE.lines() {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
    out.push('\n');
    for line in NOTIFY_DOC.lines() {
        out.push_str(&format!("# {line}\n"));
    }
    for line in NOTIFY_EXAMPLE.lines() {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
    out.push_str(&format!("# {CHANNELS_DOC}\n"));
    for line in CHANNELS_EXAMPLE.lines() {
        out.push_str(&format!("# {line}\n"));
    }
    out.push('\n');
    out.push_str(&format!("# {ROLES_DOC}\n"));
    out.push_str("# [[auth.roles]]\n# name = \"scraper\"\n# rights = [\"read\"]\n\n");
    for line in TOKENS_DOC.lines() {
        out.push_str(&format!("# {line}\n"));
    }
    out.push_str(
        "# [[auth.tokens]]\n# name = \"laptop\"\n# role = \"analyst\"           # a role\n# sha256 = \"…\"\n",
    );
    out
}

/// `docs/configuration.md`.
pub(crate) fn reference_page() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         One TOML file: the one named by `--config` or `STORMGLASS_CONFIG`, else `stormglass.toml` in the working \
         directory, else the defaults below. A variable of the environment wins over the file, a flag over both. \
         `stormglass config check` finds every mistake, and says which secrets cannot be read where it runs: an error \
         where `serve` does not start without one (hooks, callbacks, single sign-on), else a warning. \
         `stormglass config show` prints what is in force and where it comes from, `stormglass config example` prints a file to start from.\n\n\
         This page is printed from the program (`stormglass config reference`).\n\n\
         | setting | value | default | environment | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let wanted = key.wanted().replace('|', "\\|");
        let (path, default, variable, doc) = (key.path, key.default, key.env(), key.doc);
        out.push_str(&format!("| `{path}` | {wanted} | `{default}` | `{variable}` | {doc} |\n"));
    }
    out.push_str(
        "\n## Placeholders\n\n```toml\n[rules.placeholders]\nadmins = [\"ann\", \"bob\"]\n\
         bad_addresses = \"file:bad_addresses.txt\"\n```\n\n",
    );
    out.push_str(&PLACEHOLDERS_DOC.replace('\n', " "));
    out.push_str(" How they are used: [rules](rules.md#indicator-match).\n");
    out.push_str(&format!(
        "\n## Webhooks and syslog\n\n```toml\n{PUSH_EXAMPLE}```\n\n{}\n",
        PUSH_DOC.replace("docs/sources/push.md tells", "[Pushed sources](sources/push.md) tells")
    ));
    out.push_str(
        "\n## Sources\n\n```toml\n[[sources]]\nname = \"app\"\ntype = \"files\"\npaths = [\"/var/log/app/*.log*\"]\n```\n\n",
    );
    out.push_str(&SOURCES_DOC.replace('\n', " "));
    out.push_str(" More on each kind: [sources](sources/README.md).\n\n### Every source\n");
    out.push_str(&kinds_tables(&SOURCES));
    out.push_str(&format!("\n## Notifications\n\n```toml\n{NOTIFY_EXAMPLE}```\n\n"));
    let doc = NOTIFY_DOC.replace('\n', " ");
    out.push_str(&doc.replace("docs/notifications.md tells", "[Notifications](notifications.md) tells"));
    out.push_str(
        "\n\n### Every route\n\nWhat a route does not set of `time_zone`, `channels`, `tell`, `escalate`, `digest`, \
         `fold`, `fold_window` and `alerts` it takes over from the route above it.\n",
    );
    out.push_str(&settings_table(ROUTE_KEYS));
    out.push_str("\n### Every rota\n");
    out.push_str(&settings_table(ROTA_KEYS));
    out.push_str(&format!(
        "\n## Channels\n\n```toml\n{CHANNELS_EXAMPLE}```\n\n{}\n\n### Every channel\n",
        CHANNELS_DOC.replace("docs/channels.md tells", "[Channels](channels.md) tells")
    ));
    out.push_str(&kinds_tables(&CHANNELS));
    out.push_str(
        "\n## Tokens\n\n```toml\n[[auth.tokens]]\nname = \"laptop\"\nrole = \"analyst\"\nsha256 = \"…\"\n```\n\n",
    );
    out.push_str(&TOKENS_DOC.replace('\n', " "));
    out.push_str(" Tokens that end, users, sessions and single sign-on: [access](access.md).\n");
    out.push_str("\n## Roles\n\n```toml\n[[auth.roles]]\nname = \"scraper\"\nrights = [\"read\"]\n```\n\n");
    out.push_str(&ROLES_DOC.replace("those that docs/access.md lists", "these"));
    out.push_str("\n\n| role | rights | |\n| --- | --- | --- |\n");
    for role in Roles::default().iter() {
        let is_all = role.rights().names().len() == Right::ALL.len();
        let rights =
            if is_all { "all".to_owned() } else { format!("`{}`", role.rights().names().join("`, `")) };
        out.push_str(&format!("| `{}` | {rights} | {} |\n", role.as_str(), role.doc()));
    }
    out
}

/// The settings of every kind, then each kind.
fn kinds_tables<K: TableKind>(kinds: &Kinds<K>) -> String {
    let mut out = settings_table(kinds.common);
    for kind in kinds.all {
        out.push_str(&format!("\n### {} = \"{}\"\n\n{}\n", kinds.named_by, kind.name(), kind.doc()));
        out.push_str(&settings_table(kind.keys()));
    }
    out
}

/// A table of settings; one without default must be set.
fn settings_table(keys: &[Key]) -> String {
    let mut out = String::from("\n| setting | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let default = if key.default.is_empty() { "–".to_owned() } else { format!("`{}`", key.default) };
        let wanted = key.wanted().replace('|', "\\|");
        out.push_str(&format!("| `{}` | {wanted} | {default} | {} |\n", key.path, key.doc));
    }
    out
}

/// What is in force, as TOML, each line with its origin. Hashes of tokens are not shown.
pub(crate) fn show(config: &Config) -> String {
    let mut out = String::new();
    let mut section = "";
    for key in KEYS {
        let Some((value, origin)) = config.settings.values.get(key.path) else { continue };
        let (table, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if table != section {
            section = table;
            out.push_str(&format!("\n[{table}]\n"));
        }
        let origin = match origin {
            Origin::Environment => key.env(),
            origin => place(origin),
        };
        out.push_str(&format!("{:<40} # {origin}\n", format!("{name} = {}", toml(value))));
    }
    let placeholders = &config.settings.placeholders;
    out.push_str(if placeholders.is_empty() { "" } else { "\n[rules.placeholders]\n" });
    for placeholder in placeholders {
        let setting = format!("{} = {}", placeholder.name, placeholder.values.toml());
        out.push_str(&format!("{setting:<40} # file, line {}\n", placeholder.line));
    }
    for source in &config.sources {
        out.push_str("\n[[sources]]\n");
        for (name, value, origin) in source.shown() {
            out.push_str(&format!("{:<40} # {}\n", format!("{name} = {}", toml(value)), place(origin)));
        }
    }
    for channel in &config.channels {
        out.push_str("\n[[channels]]\n");
        for (name, value, origin) in channel.shown() {
            out.push_str(&format!("{:<40} # {}\n", format!("{name} = {}", toml(value)), place(origin)));
        }
    }
    for hook in &config.hooks {
        let secrets: toml_edit::Array = hook.secrets.iter().map(ToString::to_string).collect();
        let (name, scheme) = (&hook.name, hook.scheme.as_str());
        out.push_str(&format!("\n[[hooks]]\nname = {name:?}\nscheme = {scheme:?}\n"));
        match &hook.identity {
            None => out.push_str(&format!("secret = {secrets}\n")),
            Some(rules) => {
                let (audience, account, keys) = (&rules.audience, &rules.account, &rules.keys);
                out.push_str(&format!(
                    "audience = {audience:?}\naccount = {account:?}\nkeys_url = {keys:?}\n"
                ));
            }
        }
    }
    for listener in &config.syslog {
        let (source, listen) = (listener.source.as_str(), listener.listen);
        let transport = listener.transport.as_str();
        out.push_str(&format!(
            "\n[[syslog]]\nsource = {source:?}\ntransport = {transport:?}\nlisten = \"{listen}\"\n"
        ));
    }
    for role in config.roles.iter().skip(Roles::default().iter().count()) {
        let (name, rights) = (role.as_str(), role.rights().names());
        out.push_str(&format!("\n[[auth.roles]]\nname = {name:?}\nrights = {rights:?}\n"));
    }
    for token in &config.tokens {
        let (name, role) = (&token.name, token.role.as_str());
        out.push_str(&format!("\n[[auth.tokens]]\nname = {name:?}\nrole = {role:?}\n"));
    }
    out
}

fn place(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line } => format!("file, line {line}"),
        Origin::Environment => "environment".to_owned(),
        Origin::CommandLine => "command line".to_owned(),
    }
}

fn toml(value: &Value) -> String {
    match value {
        Value::Text(text) => toml_edit::Value::from(text.as_str()).to_string(),
        Value::Texts(texts) => texts.iter().collect::<toml_edit::Array>().to_string(),
        Value::Count(count) => count.to_string(),
        Value::Span(span) if span.is_zero() => "\"never\"".to_owned(),
        Value::Span(span) => format!("\"{}\"", in_words(*span)),
        Value::Flag(flag) => flag.to_string(),
    }
}

/// A span in the largest unit that says it exactly.
fn in_words(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if millis.is_multiple_of(unit) {
            return format!("{} {name}", millis / unit);
        }
    }
    format!("{millis} ms")
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
                continue;
            }
            if line.len() + word.len() < width {
                line.push(' ');
                line.push_str(word);
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_as_they_are_written() {
        let shown: Vec<_> =
            [43_200_000, 86_400_000, 90_000, 60_000, 250].map(Duration::from_millis).map(in_words).into();
        assert_eq!(shown, ["12 h", "1 d", "90 s", "1 min", "250 ms"]);
    }

    /// The page in the repository is the one that the program prints.
    #[test]
    fn the_reference_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::env::var_os("STORMGLASS_BLESS").is_some() {
            std::fs::write(path, reference_page()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == reference_page(),
            "docs/configuration.md differs; STORMGLASS_BLESS=1 cargo test -p server rewrites it"
        );
    }
}
