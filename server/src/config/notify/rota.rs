//! A table of `[[notify.rotas]]`.

use std::time::Duration;

use event::Diagnostic;
use notify::{Rota, wall_time};
use toml_edit::Table;

use super::zone;
use crate::config::entry::{Entry, Schema, Values};
use crate::config::key::{Key, Kind, key};
use crate::config::load::Place;

/// The settings of a rota.
pub(crate) const KEYS: &[Key] = &[
    key("name", Kind::Text, "", "Its name: 1 to 64 of a-z, 0-9, `.`, `_`, `-`; routes say rota:NAME."),
    key("members", Kind::Texts, "", "The channels of its members, in the order of their turns."),
    key("start", Kind::Text, "", "When the first turn of the first member begins, such as 2026-01-05T09:00."),
    key("every", Kind::Span, r#""7 d""#, "How long a turn is, at least an hour."),
    key("time_zone", Kind::Text, r#""UTC""#, "Whose clock the times are of, such as Europe/Berlin."),
    key(
        "overrides",
        Kind::Texts,
        "[]",
        "Spans in which another channel is on call, such as 2026-12-24T09:00/2026-12-27T09:00 bob.",
    ),
];

/// Reads a table of `[[notify.rotas]]`.
pub(in crate::config) fn read(
    place: &Place<'_>,
    table: &Table,
    found: &mut Vec<Rota>,
    problems: &mut Vec<Diagnostic>,
) {
    let before = problems.len();
    let schema = Schema::of("notify.rotas", "rota", KEYS);
    let entry = Entry::read(place, schema, table, &Values::new(), problems);
    let name = entry.name(found.iter().map(|rota| rota.name.as_str()), problems).unwrap_or_default();
    let members = entry.texts("members");
    if members.is_empty() && problems.len() == before {
        entry.refuse("members", "nobody is a member".into(), "name their channels", problems);
    }
    let start = wall_time(&entry.text("start"));
    if start.is_none() && entry.sets("start") {
        let problem = format!("`{}` is no time", entry.text("start"));
        entry.refuse("start", problem, "write it as 2026-01-05T09:00", problems);
    }
    let every = entry.get().span("every");
    if every < Duration::from_secs(3600) {
        entry.refuse("every", "a turn is shorter than an hour".into(), "make it longer", problems);
    }
    let zone = zone(&entry, problems);
    let mut overrides = Vec::new();
    for text in entry.texts("overrides") {
        match text.parse() {
            Ok(one) => overrides.push(one),
            Err(error) => entry.refuse("overrides", format!("{error}"), "mend it", problems),
        }
    }
    if let Some(start) = start
        && problems.len() == before
    {
        found.push(Rota { name, members, start, every, zone, overrides });
    }
}
