//! `[[notify.routes]]` and `[[notify.rotas]]`: who is told what.

mod rota;
mod route;
#[cfg(test)]
mod tests;

use event::Diagnostic;
use notify::{Route, Routing, Target};

use super::Getter;
use super::entry::Entry;
use super::load::nearest;
use super::refusal;

pub(crate) use rota::KEYS as ROTA_KEYS;
pub(super) use rota::read as read_rota;
pub(crate) use route::KEYS as ROUTE_KEYS;
pub(super) use route::read as read_route;

/// A time zone; UTC where none is set or it is none, which is told.
fn zone(entry: &Entry<'_>, problems: &mut Vec<Diagnostic>) -> notify::TimeZone {
    let text = entry.text("time_zone");
    text.parse().unwrap_or_else(|_| {
        let problem = format!("there is no time zone `{text}`");
        let mend = "use a name of the IANA database, such as Europe/Berlin";
        entry.refuse("time_zone", problem, mend, problems);
        notify::TimeZone::UTC
    })
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
