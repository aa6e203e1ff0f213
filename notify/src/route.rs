//! Which alerts and incidents are told by which channels. An incident goes where one of its alerts would go, with the
//! severity of the incident if that is greater.
//!
//! Routes are a tree. An alert goes down it: of the routes side by side the first that matches takes it, and
//! with `goes_on` the next that match as well; a route hands it to those below it, and keeps it where none of
//! them matches.

use std::time::Duration;

use alerts::{EntityKind, StoredAlert};
use chrono_tz::Tz;

use crate::NotificationKind;
use crate::hours::{Hours, wall};
use crate::rota::Rota;

/// Everything that decides who is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// The tree.
    pub routes: Vec<Route>,
    /// Who is on call.
    pub rotas: Vec<Rota>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name behind those of the routes above it: `security/critical`.
    pub path: String,
    /// Which alerts it takes.
    pub wanted: Wanted,
    /// Who is told.
    pub targets: Vec<Target>,
    /// What is told besides new alerts.
    pub tell: Vec<NotificationKind>,
    /// Who is told when nobody acknowledges it, in order of time.
    pub escalate: Vec<Escalation>,
    /// Alerts are gathered for so long and told together.
    pub digest: Option<Duration>,
    /// How many of one rule are told one by one, and how long is counted before an incident's growth is told.
    pub fold: Option<Fold>,
    /// Whether alerts of an incident are told by themselves as well.
    pub tells_all: bool,
    /// Whether routes beside it that come later take the alert as well.
    pub goes_on: bool,
    /// The routes below it.
    pub routes: Vec<Route>,
}

/// What is told besides new alerts and incidents where nothing else is set.
pub const DEFAULT_TELL: &[NotificationKind] = &[
    NotificationKind::Acknowledged,
    NotificationKind::Closed,
    NotificationKind::Reopened,
    NotificationKind::Risen,
    NotificationKind::Overdue,
    NotificationKind::Commented,
];

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A channel.
    Channel(String),
    /// Whoever is on call.
    Rota(String),
}

impl From<&str> for Target {
    /// `rota:NAME`, or a channel's name.
    fn from(text: &str) -> Self {
        match text.strip_prefix("rota:") {
            Some(rota) => Self::Rota(rota.trim().to_owned()),
            None => Self::Channel(text.to_owned()),
        }
    }
}

/// A step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// How long after the alert was raised.
    pub after: Duration,
    /// Who is told then.
    pub targets: Vec<Target>,
}

/// Alerts of one rule are told one by one up to `burst` in a `window`; the rest is told as a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// How many are told one by one.
    pub burst: u32,
    /// How long is counted; a flood that goes on is told at growing intervals.
    pub window: Duration,
}

/// Which alerts a route takes: all that is set must hold; of a list, one of it. In lists of texts `*` stands
/// for anything, and case does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The least severity, 1 to 5.
    pub severity_id: Option<u8>,
    /// Ids or titles of rules.
    pub rules: Vec<String>,
    /// Tags of the rule.
    pub tags: Vec<String>,
    /// AWS, Azure, GCP.
    pub providers: Vec<String>,
    /// Accounts, subscriptions, projects.
    pub accounts: Vec<String>,
    /// Values or names of anybody and anything it is about.
    pub entities: Vec<String>,
    /// Hours of the week.
    pub hours: Vec<Hours>,
    /// Whose clock.
    pub zone: Tz,
}

/// A route that was asked, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The route.
    pub path: String,
    /// Why it does not take the alert; `None`: it matches.
    pub refusal: Option<String>,
    /// What of the alert it matches by; empty where it does not.
    pub because: String,
}

impl Wanted {
    /// Why the alert is not wanted at this time; `None`: it is.
    pub fn refusal(&self, stored: &StoredAlert, now_us: i64) -> Option<String> {
        let alert = &stored.alert;
        if let Some(least) = self.severity_id
            && alert.severity_id < least
        {
            return Some(format!("its severity {} is below {least}", alert.severity_id));
        }
        let rule = &alert.rule;
        if !any(&self.rules, [rule.id.as_str(), rule.title.as_str()]) {
            return Some(format!("its rule `{}` is not one of `rules`", rule.id));
        }
        if !any(&self.tags, rule.tags.iter().map(String::as_str)) {
            return Some("none of its tags is one of `tags`".into());
        }
        if !any(&self.providers, alert.provider.split(", ")) {
            return Some(format!("its provider `{}` is not one of `providers`", alert.provider));
        }
        let accounts = alert.entities.iter().filter(|entity| entity.kind == EntityKind::Account);
        if !any(&self.accounts, accounts.flat_map(names)) {
            return Some("none of its accounts is one of `accounts`".into());
        }
        if !any(&self.entities, alert.entities.iter().flat_map(names)) {
            return Some("nothing it is about is one of `entities`".into());
        }
        let now = wall(now_us, self.zone);
        if !self.hours.is_empty() && !self.hours.iter().any(|hours| hours.contain(now)) {
            return Some(format!("{} in {} is not within `hours`", now.format("%a %H:%M"), self.zone));
        }
        None
    }

    /// What is set, and holds of an alert that is wanted.
    fn reason(&self, stored: &StoredAlert) -> String {
        let mut reasons = Vec::new();
        if let Some(least) = self.severity_id {
            reasons.push(format!("its severity {} is at least {least}", stored.alert.severity_id));
        }
        for (list, what) in [
            (&self.rules, "its rule is one of `rules`"),
            (&self.tags, "one of its tags is one of `tags`"),
            (&self.providers, "its provider is one of `providers`"),
            (&self.accounts, "one of its accounts is one of `accounts`"),
            (&self.entities, "something it is about is one of `entities`"),
        ] {
            if !list.is_empty() {
                reasons.push(what.to_owned());
            }
        }
        if !self.hours.is_empty() {
            reasons.push("it is within `hours`".to_owned());
        }
        if reasons.is_empty() { "it takes everything".to_owned() } else { reasons.join(", ") }
    }
}

fn names(entity: &alerts::Entity) -> impl Iterator<Item = &str> {
    std::iter::once(entity.value.as_str()).chain(entity.name.as_deref())
}

/// Whether one of the values is like one of the patterns; no patterns are like everything.
fn any<'a>(patterns: &[String], values: impl IntoIterator<Item = &'a str>) -> bool {
    patterns.is_empty()
        || values.into_iter().any(|value| patterns.iter().any(|pattern| is_like(pattern, value)))
}

/// Whether `value` is like `pattern`, in which `*` stands for anything. Time grows with the product of both.
fn is_like(pattern: &str, value: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let value: Vec<char> = value.to_lowercase().chars().collect();
    // Where the last `*` stood, and how much of the value it has taken.
    let (mut p, mut v, mut star) = (0, 0, None);
    while v < value.len() {
        match (pattern.get(p), value.get(v)) {
            (Some('*'), _) => {
                star = Some((p, v));
                p += 1;
            }
            (Some(a), Some(b)) if a == b => {
                p += 1;
                v += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                v = taken + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|left| *left == '*')
}

impl Routing {
    /// The routes that take an alert at this time.
    pub fn decide(&self, stored: &StoredAlert, now_us: i64) -> Vec<&Route> {
        self.explain(stored, now_us).0
    }

    /// The same, and all that was asked on the way.
    pub fn explain(&self, stored: &StoredAlert, now_us: i64) -> (Vec<&Route>, Vec<Considered>) {
        let (mut taken, mut considered) = (Vec::new(), Vec::new());
        descend(&self.routes, stored, now_us, &mut taken, &mut considered);
        (taken, considered)
    }

    /// The route of this path.
    pub fn find(&self, path: &str) -> Option<&Route> {
        find(&self.routes, path)
    }

    /// The channels of targets at a time, each once. A rota of which nobody is on call adds none.
    pub fn channels<'a>(&'a self, targets: &'a [Target], now_us: i64) -> Vec<&'a str> {
        let mut channels: Vec<&str> = Vec::new();
        for target in targets {
            let channel = self.channel(target, now_us);
            channels.extend(channel.filter(|channel| !channels.contains(channel)));
        }
        channels
    }

    /// The channel of a target at a time; `None`: nobody is on call.
    pub fn channel<'a>(&'a self, target: &'a Target, now_us: i64) -> Option<&'a str> {
        match target {
            Target::Channel(name) => Some(name.as_str()),
            Target::Rota(name) => {
                self.rotas.iter().find(|rota| rota.name == *name).and_then(|rota| rota.on_call(now_us))
            }
        }
    }
}

fn descend<'a>(
    routes: &'a [Route],
    stored: &StoredAlert,
    now_us: i64,
    taken: &mut Vec<&'a Route>,
    considered: &mut Vec<Considered>,
) -> bool {
    let mut found = false;
    for route in routes {
        let refusal = route.wanted.refusal(stored, now_us);
        let matches = refusal.is_none();
        let because = if matches { route.wanted.reason(stored) } else { String::new() };
        considered.push(Considered { path: route.path.clone(), refusal, because });
        if !matches {
            continue;
        }
        found = true;
        if !descend(&route.routes, stored, now_us, taken, considered) {
            taken.push(route);
        }
        if !route.goes_on {
            break;
        }
    }
    found
}

fn find<'a>(routes: &'a [Route], path: &str) -> Option<&'a Route> {
    routes.iter().find_map(|route| if route.path == path { Some(route) } else { find(&route.routes, path) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stored;
    use proptest::prelude::*;

    fn route(path: &str, severity_id: u8, routes: Vec<Route>) -> Route {
        Route {
            path: path.into(),
            wanted: Wanted { severity_id: Some(severity_id), ..Wanted::default() },
            routes,
            ..crate::tests::route(path, &[path])
        }
    }

    #[track_caller]
    fn check(routes: &[Route], severity_id: u8, expected: &[&str]) {
        let routing = Routing { routes: routes.to_vec(), rotas: Vec::new() };
        let mut stored = stored("r1", "e1");
        stored.alert.severity_id = severity_id;
        let taken: Vec<_> = routing.decide(&stored, 0).iter().map(|route| route.path.as_str()).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn an_alert_goes_down_the_tree() {
        let tree = [
            route("a", 4, vec![route("a/critical", 5, vec![]), route("a/high", 4, vec![])]),
            route("b", 3, vec![route("b/critical", 5, vec![])]),
            route("c", 1, vec![]),
        ];
        check(&tree, 5, &["a/critical"]);
        check(&tree, 4, &["a/high"]);
        check(&tree, 3, &["b"]);
        check(&tree, 1, &["c"]);
        let mut tree = tree;
        tree[0].goes_on = true;
        tree[0].routes[0].goes_on = true;
        check(&tree, 5, &["a/critical", "a/high", "b/critical"]);
        check(&tree[..2], 1, &[]);
    }

    #[test]
    fn every_condition_must_hold_and_says_why_not() {
        let stored = stored("r1", "e1");
        let list = |text: &str| vec!["nothing".to_owned(), text.to_owned()];
        let good = Wanted {
            severity_id: Some(4),
            rules: list("R*"),
            tags: list("attack.t1562*"),
            providers: list("aws"),
            accounts: list("1111*"),
            entities: list("DANA"),
            hours: vec!["Thu 00:00-01:00".parse().unwrap()],
            zone: Tz::UTC,
        };
        assert_eq!(good.refusal(&stored, 0), None);
        let why = good.reason(&stored);
        for part in [
            "severity 4 is at least 4",
            "`rules`",
            "`tags`",
            "`providers`",
            "`accounts`",
            "`entities`",
            "`hours`",
        ] {
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(Wanted::default().reason(&stored), "it takes everything");
        let bad = [
            (Wanted { severity_id: Some(5), ..good.clone() }, "severity"),
            (Wanted { rules: vec!["r2".into()], ..good.clone() }, "rule `r1`"),
            (Wanted { tags: vec!["attack".into()], ..good.clone() }, "tags"),
            (Wanted { providers: vec!["GCP".into()], ..good.clone() }, "provider `AWS`"),
            (Wanted { accounts: vec!["dana".into()], ..good.clone() }, "accounts"),
            (Wanted { entities: vec!["dan".into()], ..good.clone() }, "entities"),
            (Wanted { hours: vec!["Fri 00:00-01:00".parse().unwrap()], ..good.clone() }, "Thu 00:00 in UTC"),
        ];
        for (wanted, why) in bad {
            let told = wanted.refusal(&stored, 0).unwrap();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn targets_are_channels_and_whoever_is_on_call() {
        let rota = Rota {
            name: "primary".into(),
            members: vec!["ann".into()],
            start: crate::rota::wall_time("2026-01-05T09:00").unwrap(),
            every: Duration::from_secs(86_400),
            zone: Tz::UTC,
            overrides: Vec::new(),
        };
        let routing = Routing { routes: Vec::new(), rotas: vec![rota] };
        let targets = ["slack", "rota:primary", "ann", "rota:unknown", "slack"].map(Target::from);
        assert_eq!(routing.channels(&targets, 0), ["slack", "ann"]);
    }

    proptest! {
        #[test]
        fn patterns_are_like_what_a_regular_expression_says(pattern in "[ab*]{0,8}", value in "[ab]{0,8}") {
            // The same question, answered by trying every split.
            fn slow(pattern: &[u8], value: &[u8]) -> bool {
                match pattern.split_first() {
                    None => value.is_empty(),
                    Some((b'*', rest)) => (0..=value.len()).any(|taken| slow(rest, &value[taken..])),
                    Some((byte, rest)) => value.first() == Some(byte) && slow(rest, &value[1..]),
                }
            }
            prop_assert_eq!(is_like(&pattern, &value), slow(pattern.as_bytes(), value.as_bytes()));
        }
    }
}
