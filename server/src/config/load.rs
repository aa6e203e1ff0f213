//! From file and environment to settings: every problem is found and told at once.

use std::collections::BTreeMap;
use std::path::Path;

use ::notify::Routing;
use event::{Diagnostic, Level};
use toml_edit::{Document, Item, Table};

use super::auth;
use super::channels::{self, ChannelConfig};
use super::key::{KEYS, Key};
use super::notify;
use super::placeholder::{self, Placeholder};
use super::push;
use super::sources::{self, SourceConfig};
use super::value::{Value, from_text, from_toml};
use crate::auth::{Roles, Token};
use crate::push::{HookConfig, SyslogConfig};

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { line: u32 },
    Environment,
    CommandLine,
}

/// Every setting with its value and origin, and the tokens.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) values: BTreeMap<&'static str, (Value, Origin)>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) roles: Roles,
    pub(crate) placeholders: Vec<Placeholder>,
    pub(crate) sources: Vec<SourceConfig>,
    pub(crate) hooks: Vec<HookConfig>,
    /// The line of the secrets of each hook. It is no part of a hook, which is the same wherever it stands.
    pub(crate) hook_lines: Vec<u32>,
    pub(crate) syslog: Vec<SyslogConfig>,
    pub(crate) routing: Routing,
    pub(crate) channels: Vec<ChannelConfig>,
}

/// Joins defaults, the file's text (named `file` in messages) and the environment.
///
/// # Errors
/// All problems found, each with file, line, key and mend.
pub(crate) fn load(
    file: &str,
    text: Option<&str>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, Vec<Diagnostic>> {
    let mut settings = Settings {
        values: defaults(),
        tokens: Vec::new(),
        roles: Roles::default(),
        placeholders: Vec::new(),
        sources: Vec::new(),
        hooks: Vec::new(),
        hook_lines: Vec::new(),
        syslog: Vec::new(),
        routing: Routing::default(),
        channels: Vec::new(),
    };
    let mut problems = Vec::new();
    if let Some(text) = text {
        read_file(file, text, &mut settings, &mut problems);
    }
    read_environment(environment, &mut settings, &mut problems);
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// Whether the text of a configuration file (named `file` in messages) is right.
///
/// # Errors
/// All problems found.
pub(crate) fn check_text(file: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
    load(file, Some(text), std::iter::empty()).map(drop)
}

fn defaults() -> BTreeMap<&'static str, (Value, Origin)> {
    KEYS.iter()
        .filter_map(|key| {
            let value: toml_edit::Value = key.default.parse().ok()?;
            Some((key.path, (from_toml(key, &value)?, Origin::Default)))
        })
        .collect()
}

fn read_file(file: &str, text: &str, settings: &mut Settings, problems: &mut Vec<Diagnostic>) {
    let place = Place { file, text };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            problems.push(place.problem(
                at,
                "",
                error.message().trim().to_owned(),
                "mend the TOML syntax".into(),
            ));
            return;
        }
    };
    // Tokens name roles, wherever in the file those stand.
    auth::read_roles(&place, document.as_table(), &mut settings.roles, problems);
    read_table(&place, "", document.as_table(), settings, problems);
}

fn read_table(
    place: &Place<'_>,
    prefix: &str,
    table: &Table,
    settings: &mut Settings,
    problems: &mut Vec<Diagnostic>,
) {
    for (name, item) in table.iter() {
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let at = table.key(name).and_then(|key| key.span()).map_or(0, |span| span.start);
        if path == PLACEHOLDERS
            && let Some(table) = item.as_table_like()
        {
            placeholder::read(place, table, &mut settings.placeholders, problems);
            continue;
        }
        match item {
            Item::Table(inner) if is_section(&path) => read_table(place, &path, inner, settings, problems),
            Item::ArrayOfTables(tokens) if path == "auth.tokens" => {
                for token in tokens {
                    auth::read_token(place, token, settings, problems);
                }
            }
            Item::ArrayOfTables(_) if path == "auth.roles" => {}
            Item::ArrayOfTables(tables) if path == "sources" => {
                for table in tables {
                    sources::read(place, table, &mut settings.sources, problems);
                }
            }
            Item::ArrayOfTables(routes) if path == "notify.routes" => {
                for route in routes {
                    notify::read_route(place, route, &mut settings.routing.routes, problems);
                }
            }
            Item::ArrayOfTables(rotas) if path == "notify.rotas" => {
                for rota in rotas {
                    notify::read_rota(place, rota, &mut settings.routing.rotas, problems);
                }
            }
            Item::ArrayOfTables(tables) if path == "channels" => {
                for table in tables {
                    channels::read(place, table, &mut settings.channels, problems);
                }
            }
            Item::ArrayOfTables(hooks) if path == "hooks" => {
                for hook in hooks {
                    let before = settings.hooks.len();
                    push::read_hook(place, hook, &mut settings.hooks, problems);
                    let at = hook.get("secret").and_then(Item::span).or_else(|| hook.span());
                    let line = place.line_column(at.map_or(0, |span| span.start)).0;
                    settings.hook_lines.extend((settings.hooks.len() > before).then_some(line));
                }
            }
            Item::ArrayOfTables(listeners) if path == "syslog" => {
                for listener in listeners {
                    push::read_syslog(place, listener, &mut settings.syslog, problems);
                }
            }
            Item::Value(value) => read_value(place, &path, at, value, settings, problems),
            _ => problems.push(place.unknown(at, &path)),
        }
    }
}

/// The table whose keys are names of the user's own.
const PLACEHOLDERS: &str = "rules.placeholders";

fn is_section(path: &str) -> bool {
    path == "auth"
        || KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn read_value(
    place: &Place<'_>,
    path: &str,
    at: usize,
    value: &toml_edit::Value,
    settings: &mut Settings,
    problems: &mut Vec<Diagnostic>,
) {
    let Some(key) = Key::find(path) else {
        problems.push(place.unknown(at, path));
        return;
    };
    let at = value.span().map_or(at, |span| span.start);
    match from_toml(key, value) {
        Some(read) => {
            settings.values.insert(key.path, (read, Origin::File { line: place.line_column(at).0 }));
        }
        None => {
            problems.push(place.problem(
                at,
                path,
                key.refusal(value.to_string().trim()),
                format!("the default is {}", key.default),
            ));
        }
    }
}

/// Variables of the environment that the command line itself reads.
const COMMAND_LINE_VARIABLES: &[&str] = &[
    "STORMGLASS_CONFIG",
    "STORMGLASS_URL",
    "STORMGLASS_TOKEN",
    "STORMGLASS_CA_FILE",
    "STORMGLASS_CORPUS",
    "STORMGLASS_BLESS",
];

fn read_environment(
    environment: impl Iterator<Item = (String, String)>,
    settings: &mut Settings,
    problems: &mut Vec<Diagnostic>,
) {
    for (name, text) in environment {
        if !name.starts_with("STORMGLASS_") || COMMAND_LINE_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let problem = |problem: String, mend: String| Diagnostic {
            level: Level::Error,
            file: "environment".into(),
            line: 0,
            column: 0,
            field: name.clone(),
            problem,
            mend,
        };
        let Some(key) = KEYS.iter().find(|key| key.env() == name) else {
            let known = nearest(&name, KEYS.iter().map(Key::env));
            problems.push(problem("no setting has this variable".into(), suggestion(known)));
            continue;
        };
        match from_text(key, &text) {
            Some(value) => {
                settings.values.insert(key.path, (value, Origin::Environment));
            }
            None => problems
                .push(problem(key.refusal(&format!("`{text}`")), format!("the default is {}", key.default))),
        }
    }
}

/// The text being read, for the places in messages.
pub(super) struct Place<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Place<'a> {
    /// The text of a file, named `file` in messages.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }
}

impl Place<'_> {
    pub(super) fn line_column(&self, at: usize) -> (u32, u32) {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u32 + 1;
        (line, column)
    }

    pub(super) fn problem(&self, at: usize, field: &str, problem: String, mend: String) -> Diagnostic {
        let (line, column) = self.line_column(at);
        let (file, field) = (self.file.to_owned(), field.to_owned());
        Diagnostic { level: Level::Error, file, line, column, field, problem, mend }
    }

    fn unknown(&self, at: usize, path: &str) -> Diagnostic {
        let known = nearest(path, KEYS.iter().map(|key| key.path.to_owned()));
        self.problem(at, path, "there is no such setting".into(), suggestion(known))
    }
}

fn suggestion(nearest: Option<String>) -> String {
    match nearest {
        Some(name) => format!("did you mean `{name}`? `stormglass config example` lists all"),
        None => "`stormglass config example` lists all".into(),
    }
}

/// The candidate closest to `name`, if any is close.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates
        .map(|candidate| (distance(name, &candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The number of single-character changes between two short texts (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (to, costs) in b.iter().zip(row.windows(2)) {
            let [diagonal, above] = costs else { continue };
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(from != *to)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// The text of the file at `path`.
///
/// # Errors
/// A problem that names the path and what the system says.
pub(crate) fn read(path: &Path) -> Result<String, Vec<Diagnostic>> {
    std::fs::read_to_string(path).map_err(|error| {
        vec![Diagnostic {
            level: Level::Error,
            file: path.display().to_string(),
            line: 0,
            column: 0,
            field: String::new(),
            problem: format!("the configuration cannot be read: {error}"),
            mend: "`stormglass config example > stormglass.toml` writes one".into(),
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        load("s.toml", Some(text), std::iter::empty())
            .map(|_| Vec::new())
            .unwrap_or_else(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_default_reads() {
        assert_eq!(defaults().len(), KEYS.len());
    }

    #[test]
    fn all_problems_are_told_at_once_with_place_and_mend() {
        let found = problems("[server]\nlisten = 7\nlisen = \"x\"\n\n[qery]\nmemory = \"1 GiB\"\n");
        assert_eq!(found.len(), 3, "{found:#?}");
        assert_eq!(
            found[0],
            "s.toml:2:10: error: `server.listen`: 7 is not an address and port, such as \"127.0.0.1:7171\"; the default is \"127.0.0.1:7171\""
        );
        assert!(
            found[1].starts_with(
                "s.toml:3:1: error: `server.lisen`: there is no such setting; did you mean `server.listen`?"
            ),
            "{}",
            found[1]
        );
        assert!(found[2].contains("`qery`"), "{}", found[2]);
    }

    #[test]
    fn broken_toml_has_a_place() {
        let found = problems("data = \n");
        assert!(found[0].starts_with("s.toml:1:"), "{}", found[0]);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let variables =
            [("STORMGLASS_QUERY_CONCURRENT".to_owned(), "9".to_owned()), ("PATH".into(), "x".into())];
        let settings = load("s.toml", Some("[query]\nconcurrent = 2\n"), variables.into_iter()).unwrap();
        assert_eq!(settings.values["query.concurrent"], (Value::Count(9), Origin::Environment));
    }

    #[test]
    fn an_unknown_variable_is_an_error() {
        let variables = [("STORMGLASS_QUERY_CONCURENT".to_owned(), "9".to_owned())];
        let found = load("s.toml", None, variables.into_iter()).unwrap_err();
        assert!(found[0].mend.contains("STORMGLASS_QUERY_CONCURRENT"), "{}", found[0]);
    }

    #[test]
    fn placeholders_are_lists_or_files() {
        let text = "[rules.placeholders]\nbad = [\"a\", 7]\nfeed = \"file:feed.txt\"\n";
        let found = load("s.toml", Some(text), std::iter::empty()).unwrap().placeholders;
        let expected = [("bad", r#"["a", "7"]"#, 2), ("feed", r#""file:feed.txt""#, 3)];
        let found: Vec<_> =
            found.iter().map(|one| (one.name.as_str(), one.values.toml(), one.line)).collect();
        assert_eq!(found, expected.map(|(name, values, line)| (name, values.to_owned(), line)));
        let inline = "[rules]\nplaceholders = { bad = [\"a\"] }\n";
        assert_eq!(load("s.toml", Some(inline), std::iter::empty()).unwrap().placeholders.len(), 1);
        let found = problems("[rules.placeholders]\nbad = \"a\"\n\"b c\" = []\nd = [[1]]\n");
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].starts_with("s.toml:2:1: error: `rules.placeholders.bad`"), "{}", found[0]);
    }

    #[test]
    fn tokens_are_checked() {
        let good = "[[auth.tokens]]\nname = \"a\"\nrole = \"analyst\"\nsha256 = \"".to_owned()
            + &"0f".repeat(32)
            + "\"\n";
        assert_eq!(load("s.toml", Some(&good), std::iter::empty()).unwrap().tokens.len(), 1);
        let found =
            problems("[[auth.tokens]]\nname = \"a\"\nrole = \"boss\"\nsha256 = \"12\"\nsecret = \"x\"\n");
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found.iter().any(|line| line.contains("analyst, responder, auditor")), "{found:#?}");
    }
}
