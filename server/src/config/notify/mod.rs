//! `[[notify.routes]]` and `[[notify.rotas]]`: who is told what.

mod rota;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use event::Diagnostic;
use notify::{Route, Routing, Target};
use toml_edit::{Item, Table};

use super::Getter;
use super::key::Key;
use super::load::{Place, nearest};
use super::refusal;
use super::value::{Value, from_toml};

pub(crate) use rota::KEYS as ROTA_KEYS;
pub(super) use rota::read as read_rota;
pub(crate) use route::KEYS as ROUTE_KEYS;
pub(super) use route::read as read_route;

/// A table of an array, as far as its keys read.
struct Entry<'a> {
    place: &'a Place<'a>,
    /// `notify.routes`, in messages.
    array: &'static str,
    table: &'a Table,
    values: BTreeMap<&'static str, Value>,
}

impl<'a> Entry<'a> {
    /// Reads the values of a table; what a table does not set is taken from `above` where that has it, and else
    /// is the default.
    fn read(
        place: &'a Place<'a>,
        array: &'static str,
        table: &'a Table,
        keys: &'static [Key],
        above: &BTreeMap<&'static str, Value>,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut values = BTreeMap::new();
        for key in keys {
            let default: Option<toml_edit::Value> = key.default.parse().ok();
            let value = above.get(key.path).cloned();
            let value = value.or_else(|| default.and_then(|default| from_toml(key, &default)));
            values.extend(value.map(|value| (key.path, value)));
        }
        let mut entry = Self { place, array, table, values };
        for (name, item) in table.iter() {
            if name == "routes" && item.is_array_of_tables() {
                continue;
            }
            let Some(key) = keys.iter().find(|key| key.path == name) else {
                let at = table.key(name).and_then(|key| key.span()).map_or(entry.at(""), |span| span.start);
                let mend = match nearest(name, keys.iter().map(|key| key.path.to_owned())) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "`stormglass config reference` lists all".into(),
                };
                problems.push(place.problem(
                    at,
                    &format!("{array}.{name}"),
                    "there is no such setting".into(),
                    mend,
                ));
                continue;
            };
            match item.as_value().and_then(|value| from_toml(key, value)) {
                Some(value) => {
                    entry.values.insert(key.path, value);
                }
                None => {
                    let problem = format!("{} is not {}", item.to_string().trim(), key.wanted());
                    let mend = match key.default {
                        "" => "it has no default".to_owned(),
                        default => format!("the default is {default}"),
                    };
                    entry.refuse(name, problem, &mend, problems);
                }
            }
        }
        for key in keys.iter().filter(|key| key.default.is_empty() && !table.contains_key(key.path)) {
            let mend = format!("set it: {}", key.doc.trim_end_matches('.'));
            entry.refuse(key.path, "it is needed".into(), &mend, problems);
        }
        entry
    }

    fn at(&self, field: &str) -> usize {
        let whole = self.table.span().map_or(0, |span| span.start);
        self.table.get(field).and_then(Item::span).map_or(whole, |span| span.start)
    }

    fn refuse(&self, field: &str, problem: String, mend: &str, problems: &mut Vec<Diagnostic>) {
        let path = format!("{}.{field}", self.array);
        problems.push(self.place.problem(self.at(field), &path, problem, mend.into()));
    }

    fn text(&self, field: &str) -> String {
        match self.values.get(field) {
            Some(Value::Text(text)) => text.trim().to_owned(),
            _ => String::new(),
        }
    }

    fn texts(&self, field: &str) -> Vec<String> {
        match self.values.get(field) {
            Some(Value::Texts(texts)) => texts.iter().map(|text| text.trim().to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    fn count(&self, field: &str) -> u64 {
        match self.values.get(field) {
            Some(Value::Count(count)) => *count,
            _ => 0,
        }
    }

    fn span(&self, field: &str) -> std::time::Duration {
        match self.values.get(field) {
            Some(Value::Span(span)) => *span,
            _ => std::time::Duration::ZERO,
        }
    }

    fn flag(&self, field: &str) -> bool {
        matches!(self.values.get(field), Some(Value::Flag(true)))
    }

    /// A time zone; UTC where none is set or it is none, which is told.
    fn zone(&self, problems: &mut Vec<Diagnostic>) -> notify::TimeZone {
        let text = self.text("time_zone");
        text.parse().unwrap_or_else(|_| {
            let problem = format!("there is no time zone `{text}`");
            self.refuse(
                "time_zone",
                problem,
                "use a name of the IANA database, such as Europe/Berlin",
                problems,
            );
            notify::TimeZone::UTC
        })
    }

    /// The name: 1 to 64 of a-z, 0-9, `.`, `_`, `-`, as those of sources.
    fn name(&self, problems: &mut Vec<Diagnostic>) -> String {
        let name = self.text("name");
        if self.table.contains_key("name")
            && let Err(problem) = crate::api::source_id(&name)
        {
            self.refuse("name", problem, "rename it", problems);
        }
        name
    }
}

/// What is wrong with routes and rotas that are right one by one: names of channels and rotas that are not there.
pub(super) fn check(routing: &Routing, channels: &[String]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for rota in &routing.rotas {
        let members = rota.members.iter().chain(rota.overrides.iter().map(|one| &one.member));
        for member in members.filter(|member| !channels.contains(member)) {
            problems.push(no_channel(
                "notify.rotas.members",
                &format!("rota `{}`", rota.name),
                member,
                channels,
            ));
        }
    }
    check_routes(&routing.routes, routing, channels, &mut problems);
    problems
}

fn check_routes(routes: &[Route], routing: &Routing, channels: &[String], problems: &mut Vec<Diagnostic>) {
    for route in routes {
        let whose = format!("route `{}`", route.path);
        let steps = route.escalate.iter().flat_map(|step| &step.targets);
        let named = route.targets.iter().map(|target| ("notify.routes.channels", target));
        for (field, target) in named.chain(steps.map(|target| ("notify.routes.escalate", target))) {
            match target {
                Target::Channel(name) if !channels.contains(name) => {
                    problems.push(no_channel(field, &whose, name, channels));
                }
                Target::Rota(name) if !routing.rotas.iter().any(|rota| rota.name == *name) => {
                    let known = nearest(name, routing.rotas.iter().map(|rota| rota.name.clone()));
                    let mend = match known {
                        Some(known) => format!("did you mean `rota:{known}`?"),
                        None => "add it as [[notify.rotas]]".into(),
                    };
                    problems.push(refusal(field, format!("{whose}: there is no rota `{name}`"), &mend));
                }
                Target::Channel(_) | Target::Rota(_) => {}
            }
        }
        check_routes(&route.routes, routing, channels, problems);
    }
}

fn no_channel(field: &str, whose: &str, name: &str, channels: &[String]) -> Diagnostic {
    let mend = match nearest(name, channels.iter().cloned()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "add it as [[channels]]".into(),
    };
    refusal(field, format!("{whose}: there is no channel `{name}`"), &mend)
}

/// What may be sent to, from the section `egress`.
///
/// # Errors
/// An entry is no destination, a file cannot be read, the proxy is no address.
pub(super) fn egress_policy(
    get: &Getter<'_>,
    own: std::net::SocketAddr,
) -> Result<egress::EgressPolicy, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut policy = egress::EgressPolicy { own: vec![own], ..egress::EgressPolicy::default() };
    for entry in get.texts("egress.allow") {
        match entry.parse() {
            Ok(allow) => policy.allow.push(allow),
            Err(error) => problems.push(refusal("egress.allow", error.to_string(), "mend or remove it")),
        }
    }
    let ca = get.text("egress.ca");
    if !ca.is_empty() {
        match std::fs::read(&ca) {
            Ok(pem) => policy.extra_ca = Some(pem),
            Err(error) => {
                let problem = format!("`{ca}` cannot be read: {error}");
                problems.push(refusal("egress.ca", problem, "name a file of certificates in PEM"));
            }
        }
    }
    let proxy = get.text("egress.proxy");
    if !proxy.is_empty() {
        match proxy.parse::<reqwest::Url>() {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => policy.proxy = Some(url),
            // Not quoted: it may hold a password.
            _ => problems.push(refusal("egress.proxy", "it is no proxy".into(), "write http://HOST:PORT")),
        }
    }
    // Certificates that are none are found now and not by the first alert.
    if problems.is_empty()
        && let Err(error) = egress::Client::new(policy.clone())
    {
        problems.push(refusal("egress.ca", error.to_string(), "name a file of certificates in PEM"));
    }
    if problems.is_empty() { Ok(policy) } else { Err(problems) }
}
