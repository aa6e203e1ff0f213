//! A table of `[[notify.routes]]`, and those below it.

use std::time::Duration;

use event::Diagnostic;
use notify::{Escalation, Fold, Hours, NotificationKind, Route, Target, Wanted};
use toml_edit::{Item, Table};

use super::zone;
use crate::config::entry::{Entry, Schema, Values};
use crate::config::key::{Key, Kind, key};
use crate::config::load::Place;
use crate::config::value::{Value, from_text};

/// The deepest that routes lie in routes.
const MAX_DEPTH: usize = 8;

/// The most routes.
const MAX_ROUTES: usize = 1000;

/// The settings of a route.
pub(crate) const KEYS: &[Key] = &[
    key("name", Kind::Text, "", "Its name: 1 to 64 of a-z, 0-9, `.`, `_`, `-`."),
    key(
        "severity",
        Kind::Word(&["informational", "low", "medium", "high", "critical"]),
        r#""informational""#,
        "The least severity that it takes.",
    ),
    key(
        "rules",
        Kind::Texts,
        "[]",
        "Only alerts of these rules, and incidents with one, by id or title; `*` stands for anything.",
    ),
    key("tags", Kind::Texts, "[]", "Only alerts with one of these tags, such as attack.t1562*."),
    key("providers", Kind::Texts, "[]", "Only alerts of AWS, Azure or GCP."),
    key("accounts", Kind::Texts, "[]", "Only alerts about one of these accounts, subscriptions or projects."),
    key("entities", Kind::Texts, "[]", "Only alerts about one of these actors, addresses or resources."),
    key("hours", Kind::Texts, "[]", "Only in these hours, such as Mon-Fri 09:00-17:30 or 22:00-06:00."),
    key("time_zone", Kind::Text, r#""UTC""#, "Whose clock the hours are of, such as Europe/Berlin."),
    key("channels", Kind::Texts, "[]", "Who is told: channels, or rota:NAME for whoever is on call."),
    key(
        "tell",
        Kind::Texts,
        r#"["acknowledged", "closed", "reopened", "risen", "overdue", "commented"]"#,
        "What is told besides new alerts and incidents: acknowledged, closed, reopened, assigned, commented; of alerts amended; of incidents risen, overdue, grown. What is not named only changes messages that can be changed, and goes to programs.",
    ),
    key(
        "escalate",
        Kind::Texts,
        "[]",
        "Who is told when nobody acknowledges an alert, by the time since it was raised: 15 min: rota:second, boss.",
    ),
    key(
        "digest",
        Kind::SpanOrNever,
        r#""never""#,
        "Alerts are gathered for so long and told together; not with `escalate`.",
    ),
    key(
        "fold",
        Kind::Count(0, 100_000),
        "1",
        "How many alerts of one rule that belong to no incident are told one by one within `fold_window`; the others are told as a count. 0: all are told one by one, and an incident's growth at once.",
    ),
    key(
        "fold_window",
        Kind::Span,
        r#""1 min""#,
        "How long is counted; a flood, or an incident's growth, that goes on is told at growing intervals, up to an hour.",
    ),
    key(
        "alerts",
        Kind::Word(&["alone", "all"]),
        r#""alone""#,
        "Which alerts are told by themselves: those that belong to no incident, or all, those of an incident in its thread.",
    ),
    key("continue", Kind::Flag, "false", "Whether the routes behind it are asked as well."),
];

/// What a route takes over from the one above it.
const INHERITED: [&str; 8] =
    ["time_zone", "channels", "tell", "escalate", "digest", "fold", "fold_window", "alerts"];

/// Reads a table of `[[notify.routes]]`.
pub(in crate::config) fn read(
    place: &Place<'_>,
    table: &Table,
    found: &mut Vec<Route>,
    problems: &mut Vec<Diagnostic>,
) {
    if let Some(route) = read_below(place, table, "", &Values::new(), 1, problems) {
        add(place, table, route, found, problems);
    }
}

fn add(
    place: &Place<'_>,
    table: &Table,
    route: Route,
    found: &mut Vec<Route>,
    problems: &mut Vec<Diagnostic>,
) {
    let at = table.span().map_or(0, |span| span.start);
    if found.iter().any(|known| known.path == route.path) {
        let problem = format!("there are two routes called `{}`", route.path);
        problems.push(place.problem(at, "notify.routes.name", problem, "rename one".into()));
    }
    if found.len() >= MAX_ROUTES {
        let problem = format!("there are more than {MAX_ROUTES} routes");
        problems.push(place.problem(at, "notify.routes", problem, "join some".into()));
        return;
    }
    found.push(route);
}

fn read_below(
    place: &Place<'_>,
    table: &Table,
    above: &str,
    inherited: &Values,
    depth: usize,
    problems: &mut Vec<Diagnostic>,
) -> Option<Route> {
    let before = problems.len();
    let schema = Schema { below: Some("routes"), ..Schema::of("notify.routes", "route", KEYS) };
    let entry = Entry::read(place, schema, table, inherited, problems);
    // Two of a name in different places are two routes.
    let name = entry.name(std::iter::empty(), problems).unwrap_or_default();
    let path = if above.is_empty() { name } else { format!("{above}/{name}") };
    let (wanted, tell) = (wanted(&entry, problems), tell(&entry, problems));
    let escalate = escalate(&entry, problems);
    let digest = Some(entry.get().span("digest")).filter(|span| !span.is_zero());
    if digest.is_some() && !escalate.is_empty() {
        let problem = "alerts of a digest are not acknowledged one by one".into();
        entry.refuse("digest", problem, "leave out `escalate`, or the digest", problems);
    }
    let fold = u32::try_from(entry.get().count("fold")).ok().filter(|burst| *burst > 0);
    let mut routes = Vec::new();
    let below: Values = entry
        .values
        .iter()
        .filter(|(name, _)| INHERITED.contains(*name))
        .map(|(name, value)| (*name, value.clone()))
        .collect();
    for table in table.get("routes").and_then(Item::as_array_of_tables).into_iter().flatten() {
        if depth >= MAX_DEPTH {
            let problem = format!("routes lie in each other more than {MAX_DEPTH} deep");
            entry.refuse("routes", problem, "put some side by side", problems);
            break;
        }
        if let Some(route) = read_below(place, table, &path, &below, depth + 1, problems) {
            add(place, table, route, &mut routes, problems);
        }
    }
    let targets: Vec<_> = entry.texts("channels").iter().map(|text| Target::from(text.as_str())).collect();
    if targets.is_empty() && problems.len() == before {
        let problem = "the route tells nobody".into();
        entry.refuse("channels", problem, "name channels here or in the route above", problems);
    }
    if problems.len() > before {
        return None;
    }
    Some(Route {
        path,
        wanted,
        targets,
        tell,
        escalate,
        digest,
        fold: fold
            .map(|burst| Fold { burst, window: entry.get().span("fold_window").max(Duration::from_secs(1)) }),
        tells_all: entry.text("alerts") == "all",
        goes_on: entry.get().flag("continue"),
        routes,
    })
}

fn wanted(entry: &Entry<'_>, problems: &mut Vec<Diagnostic>) -> Wanted {
    let severities = ["informational", "low", "medium", "high", "critical"];
    let least = severities.iter().position(|severity| *severity == entry.text("severity"));
    let mut hours = Vec::new();
    for text in entry.texts("hours") {
        match text.parse::<Hours>() {
            Ok(read) => hours.push(read),
            Err(error) => entry.refuse("hours", error.to_string(), "mend it", problems),
        }
    }
    Wanted {
        severity_id: least.and_then(|least| u8::try_from(least + 1).ok()).filter(|least| *least > 1),
        rules: entry.texts("rules"),
        tags: entry.texts("tags"),
        providers: entry.texts("providers"),
        accounts: entry.texts("accounts"),
        entities: entry.texts("entities"),
        hours,
        zone: zone(entry, problems),
    }
}

fn tell(entry: &Entry<'_>, problems: &mut Vec<Diagnostic>) -> Vec<NotificationKind> {
    use NotificationKind::{
        Acknowledged, Amended, Assigned, Closed, Commented, Grown, Overdue, Reopened, Risen,
    };
    const KINDS: [NotificationKind; 9] =
        [Acknowledged, Closed, Reopened, Assigned, Commented, Amended, Risen, Overdue, Grown];
    let mut tell = Vec::new();
    for text in entry.texts("tell") {
        match KINDS.into_iter().find(|kind| kind.as_str() == text) {
            Some(kind) => tell.push(kind),
            None => {
                let problem = format!("`{text}` is nothing that can be told");
                let names: Vec<_> = KINDS.iter().map(|kind| kind.as_str()).collect();
                entry.refuse("tell", problem, &format!("use some of {}", names.join(", ")), problems);
            }
        }
    }
    tell
}

/// Reads `15 min: rota:second, boss`.
fn escalate(entry: &Entry<'_>, problems: &mut Vec<Diagnostic>) -> Vec<Escalation> {
    let span = Key { path: "", kind: Kind::Span, default: "", doc: "" };
    let mut steps: Vec<Escalation> = Vec::new();
    for text in entry.texts("escalate") {
        let read = text.split_once(':').and_then(|(after, channels)| {
            let Some(Value::Span(after)) = from_text(&span, after) else { return None };
            let targets = channels.split(',').map(str::trim).filter(|name| !name.is_empty());
            let targets: Vec<_> = targets.map(Target::from).collect();
            (!targets.is_empty()).then_some(Escalation { after, targets })
        });
        let Some(step) = read else {
            let problem = format!("`{text}` is no step");
            entry.refuse("escalate", problem, "write it as `15 min: rota:second, boss`", problems);
            continue;
        };
        if steps.last().is_some_and(|last| last.after >= step.after) {
            let problem = format!("`{text}` is not later than the step before it");
            entry.refuse("escalate", problem, "times are told from the raising of the alert", problems);
        }
        steps.push(step);
    }
    steps
}
