//! Routes and rotas as they are written.

use std::time::Duration;

use notify::{Fold, NotificationKind, Routing, Target};

use super::check;
use crate::config::load;

fn read(text: &str) -> Result<Routing, Vec<String>> {
    match load::load("s.toml", Some(text), std::iter::empty()) {
        Ok(settings) => Ok(settings.routing),
        Err(found) => Err(found.iter().map(ToString::to_string).collect()),
    }
}

const TREE: &str = r#"
[notify]
keep = "7 d"

[[notify.rotas]]
name = "first"
members = ["ann", "bob"]
start = "2026-01-05T09:00"
every = "1 d"
time_zone = "Europe/Berlin"
overrides = ["2026-12-24T09:00/2026-12-27T09:00 bob"]

[[notify.routes]]
name = "cloud"
severity = "medium"
channels = ["soc"]
fold = 3
fold_window = "2 min"
continue = true

[[notify.routes.routes]]
name = "night"
severity = "high"
hours = ["22:00-06:00", "Sat,Sun 00:00-24:00"]
time_zone = "Europe/Berlin"
channels = ["rota:first"]
escalate = ["15 min: rota:first, soc", "30 min: boss"]
tell = ["closed"]

[[notify.routes.routes]]
name = "aws"
providers = ["aws"]
fold = 0

[[notify.routes]]
name = "low"
channels = ["mail"]
digest = "1 h"
"#;

#[test]
fn a_tree_reads_and_what_is_below_takes_over_what_is_above() {
    let routing = read(TREE).unwrap();
    let night = routing.find("cloud/night").unwrap();
    assert_eq!(night.targets, [Target::Rota("first".into())]);
    assert_eq!(night.fold, Some(Fold { burst: 3, window: Duration::from_secs(120) }));
    assert_eq!((night.wanted.severity_id, night.wanted.hours.len()), (Some(4), 2));
    assert_eq!(night.tell, [NotificationKind::Closed]);
    let steps: Vec<_> =
        night.escalate.iter().map(|step| (step.after.as_secs(), step.targets.len())).collect();
    assert_eq!(steps, [(900, 2), (1800, 1)]);
    let aws = routing.find("cloud/aws").unwrap();
    assert_eq!((aws.fold, &aws.targets), (None, &vec![Target::Channel("soc".into())]));
    assert_eq!((aws.wanted.severity_id, aws.goes_on), (None, false), "what it takes is its own affair");
    assert_eq!(routing.find("low").unwrap().digest, Some(Duration::from_secs(3600)));
    assert_eq!(routing.rotas[0].members, ["ann", "bob"]);
}

#[test]
fn names_that_are_not_there_are_told() {
    let routing = read(TREE).unwrap();
    let known = ["soc", "mail", "ann", "bob", "boss"].map(String::from);
    assert!(check(&routing, &known).is_empty());
    let found: Vec<_> = check(&routing, &known[..1]).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(
        found[0].contains("rota `first`: there is no channel `ann`; add it as [[channels]]"),
        "{}",
        found[0]
    );
    let mut routing = routing;
    routing.rotas.clear();
    let found: Vec<_> = check(&routing, &known).iter().map(ToString::to_string).collect();
    assert!(found[0].contains("route `cloud/night`: there is no rota `first`"), "{}", found[0]);
}

#[test]
fn every_mistake_has_a_place_and_a_mend() {
    let found = read(
        "[[notify.routes]]\nname = \"A b\"\nchanels = [\"x\"]\nseverity = \"urgent\"\nhours = [\"noon\"]\n\
         time_zone = \"Mars\"\ntell = [\"all\"]\nescalate = [\"soon: x\", \"5 min: x\", \"5 min: y\"]\n\n\
         [[notify.routes]]\nchannels = []\n\n[[notify.routes]]\nname = \"c\"\n\n\
         [[notify.routes]]\nname = \"d\"\nchannels = [\"x\"]\ndigest = \"1 h\"\nescalate = [\"5 min: x\"]\n\n\
         [[notify.rotas]]\nname = \"r\"\nmembers = []\nstart = \"monday\"\nevery = \"1 min\"\noverrides = [\"ann\"]\n",
    )
    .unwrap_err();
    let expected = [
        "s.toml:3:1: error: `notify.routes.chanels`: a route has no such setting; did you mean `channels`?",
        "s.toml:4:12: error: `notify.routes.severity`: \"urgent\" is not one of",
        "s.toml:2:8: error: `notify.routes.name`:",
        "s.toml:5:9: error: `notify.routes.hours`: `noon` is no hours of the week",
        "s.toml:6:13: error: `notify.routes.time_zone`: there is no time zone `Mars`",
        "s.toml:7:8: error: `notify.routes.tell`: `all` is nothing that can be told",
        "s.toml:8:12: error: `notify.routes.escalate`: `soon: x` is no step",
        "s.toml:8:12: error: `notify.routes.escalate`: `5 min: y` is not later",
        "s.toml:10:1: error: `notify.routes.name`: a route needs it; set it: Its name",
        "s.toml:13:1: error: `notify.routes.channels`: the route tells nobody",
        "s.toml:19:10: error: `notify.routes.digest`: alerts of a digest",
        "s.toml:24:11: error: `notify.rotas.members`: nobody is a member",
        "s.toml:25:9: error: `notify.rotas.start`: `monday` is no time",
        "s.toml:26:9: error: `notify.rotas.every`: a turn is shorter",
        "s.toml:27:13: error: `notify.rotas.overrides`: `ann` is no override",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for expected in expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn what_may_be_sent_to_is_checked() {
    let resolve = |text: &str| {
        load::load("s.toml", Some(text), std::iter::empty()).and_then(super::super::Config::resolve)
    };
    let policy = resolve("[egress]\nallow = [\"10.0.0.0/8\", \"http://127.0.0.1:8080\"]\n").unwrap().egress;
    assert_eq!((policy.allow.len(), policy.own.len()), (2, 1));
    for (text, expected) in [
        ("[egress]\nallow = [\"*\"]\n", "egress.allow"),
        ("[egress]\nca = \"/nowhere/ca.pem\"\n", "egress.ca"),
        ("[egress]\nproxy = \"proxy\"\n", "egress.proxy"),
        ("[notify]\nlink = \"siem/{id}\"\n", "notify.link"),
    ] {
        let found = resolve(text).unwrap_err();
        assert_eq!(found[0].field, expected, "{}", found[0]);
    }
}
