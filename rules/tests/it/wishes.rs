//! What a rule asks for: the fields and values that satisfy its condition, way by way.

use serde_json::{Map, Value};

use crate::native::Wish;

/// The ways to satisfy a rule: each smallest set of its searches, with the first value of every list, and then each
/// other value in its turn.
pub(crate) fn of(rule: &Value) -> Vec<Vec<Wish>> {
    let detection = rule["detection"].as_object().unwrap();
    let names: Vec<&str> = detection.keys().map(String::as_str).filter(|name| *name != "condition").collect();
    let mut ways = Vec::new();
    for chosen in smallest(detection["condition"].as_str().unwrap(), &names) {
        let searches: Vec<_> = chosen.iter().map(|name| search(&detection[*name])).collect();
        for (place, own) in searches.iter().enumerate() {
            for way in own.iter().skip(usize::from(place > 0)) {
                let others = searches.iter().enumerate().filter(|(other, _)| *other != place);
                let others = others.flat_map(|(_, other)| other[0].iter());
                ways.push(joined(way.iter().chain(others)));
            }
        }
        if searches.is_empty() {
            ways.push(Vec::new());
        }
    }
    ways
}

/// Where in a value a text may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stands {
    Start,
    Within,
    End,
    Whole,
}

type Piece = (String, Stands, Value);

/// The ways to satisfy a search: its first values, and then each other value in the place of the first.
fn search(search: &Value) -> Vec<Vec<Piece>> {
    match search {
        Value::Object(items) => map(items),
        Value::Array(members) => members.iter().flat_map(self::search).collect(),
        word => vec![vec![(String::new(), Stands::Within, literal(word))]],
    }
}

fn map(items: &Map<String, Value>) -> Vec<Vec<Piece>> {
    let items: Vec<_> = items.iter().map(|(key, value)| item(key, value)).collect();
    let first: Vec<Piece> = items.iter().flat_map(|ways| ways[0].clone()).collect();
    let mut found = vec![first];
    for (place, ways) in items.iter().enumerate() {
        for way in ways.iter().skip(1) {
            let pick = |(other, ways): (usize, &Vec<Vec<Piece>>)| {
                if other == place { way } else { &ways[0] }.clone()
            };
            found.push(items.iter().enumerate().flat_map(pick).collect());
        }
    }
    found
}

/// The ways to satisfy an item: a value each, or all together.
fn item(key: &str, value: &Value) -> Vec<Vec<Piece>> {
    let (field, modifiers) = key.split_once('|').unwrap_or((key, ""));
    let modifiers: Vec<&str> = modifiers.split('|').collect();
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let piece = |value: &Value| {
        let has = |name| modifiers.contains(&name);
        let value = match value {
            Value::Bool(true) if has("exists") => "x".into(),
            Value::Bool(false) if has("exists") => Value::Null,
            Value::String(pattern) if has("re") => matching(pattern).into(),
            Value::String(text) if has("expand") => crate::sigmahq::placeholder(text).into(),
            other => literal(other),
        };
        let stands = match () {
            () if has("startswith") => Stands::Start,
            () if has("endswith") => Stands::End,
            () if has("contains") => Stands::Within,
            () => Stands::Whole,
        };
        (field.to_owned(), stands, value)
    };
    let pieces = values.iter().map(piece);
    if modifiers.contains(&"all") {
        vec![pieces.collect()]
    } else {
        pieces.map(|piece| vec![piece]).collect()
    }
}

/// A value in which wildcards stand for a character or none.
fn literal(value: &Value) -> Value {
    match value.as_str() {
        Some("*") => "x".into(),
        Some(text) => text.replace('*', "1").into(),
        None => value.clone(),
    }
}

/// A text that a pattern finds.
fn matching(pattern: &str) -> &'static str {
    match pattern {
        ".+:assumed-role/aws:.+" => {
            "arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/i-0123456789abcdef0"
        }
        other => unreachable!("{other}"),
    }
}

/// What is asked of one field becomes one value.
fn joined<'p>(pieces: impl Iterator<Item = &'p Piece>) -> Vec<Wish> {
    let mut pieces: Vec<&Piece> = pieces.collect();
    pieces.sort_by_key(|piece| (piece.0.to_lowercase(), piece.1));
    let mut wishes: Vec<(Wish, Stands)> = Vec::new();
    for (field, stands, value) in pieces {
        match wishes.last_mut() {
            Some(((known, before), last)) if known.eq_ignore_ascii_case(field) => {
                let gap = if *last == Stands::Within && *stands == Stands::Within { " " } else { "" };
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                *before = match stands {
                    Stands::Whole => value.clone(),
                    _ => format!("{}{gap}{}", text(before), text(value)).into(),
                };
                *last = *stands;
            }
            _ => wishes.push(((field.clone(), value.clone()), *stands)),
        }
    }
    wishes.into_iter().map(|(wish, _)| wish).collect()
}

/// The smallest sets of searches that satisfy a condition.
fn smallest<'n>(condition: &str, names: &[&'n str]) -> Vec<Vec<&'n str>> {
    let mut found: Vec<u32> = Vec::new();
    let mut sets: Vec<u32> = (0..1 << names.len()).collect();
    sets.sort_by_key(|set| set.count_ones());
    for set in sets {
        let is_in =
            |name: &str| names.iter().position(|known| *known == name).is_some_and(|at| set >> at & 1 == 1);
        let mut words = condition.replace('(', " ( ").replace(')', " ) ");
        words.push_str(" end");
        let mut words = words.split_whitespace().peekable();
        if any(&mut words, names, &is_in) && !found.iter().any(|smaller| set & smaller == *smaller) {
            found.push(set);
        }
        assert_eq!(words.next(), Some("end"), "{condition}");
    }
    let named = |set: &u32| {
        names.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, name)| *name).collect()
    };
    found.iter().map(named).collect()
}

type Words<'c> = std::iter::Peekable<std::str::SplitWhitespace<'c>>;

fn any(words: &mut Words<'_>, names: &[&str], is_in: &dyn Fn(&str) -> bool) -> bool {
    let mut holds = every(words, names, is_in);
    while words.next_if_eq(&"or").is_some() {
        holds |= every(words, names, is_in);
    }
    holds
}

fn every(words: &mut Words<'_>, names: &[&str], is_in: &dyn Fn(&str) -> bool) -> bool {
    let mut holds = one(words, names, is_in);
    while words.next_if_eq(&"and").is_some() {
        holds &= one(words, names, is_in);
    }
    holds
}

fn one(words: &mut Words<'_>, names: &[&str], is_in: &dyn Fn(&str) -> bool) -> bool {
    let meant = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == "them" || pattern == name,
    };
    match words.next().unwrap() {
        "not" => !one(words, names, is_in),
        "(" => {
            let holds = any(words, names, is_in);
            assert_eq!(words.next(), Some(")"));
            holds
        }
        quantity @ ("1" | "any" | "all") if words.next_if_eq(&"of").is_some() => {
            let pattern = words.next().unwrap();
            let mut of = names.iter().filter(|name| meant(pattern, name));
            if quantity == "all" { of.all(|name| is_in(name)) } else { of.any(|name| is_in(name)) }
        }
        name => is_in(name),
    }
}

#[test]
fn ways_to_satisfy_a_rule() {
    let rule = serde_json::json!({"detection": {
        "selection": {"a|startswith": "v*.", "a|endswith": ["x", "y"], "b": "z"},
        "more": [{"c": null}, {"d|exists": true}],
        "filter_one": {"e": 1},
        "condition": "selection and (more or all of filter_*) and not 1 of filter_none*",
    }});
    let way = |wishes: &[(&str, Value)]| -> Vec<Wish> {
        wishes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let (a, b) = (("a", Value::from("v1.x")), ("b", Value::from("z")));
    let other = ("a", Value::from("v1.y"));
    let (c, d, e) = (("c", Value::Null), ("d", Value::from("x")), ("e", Value::from(1)));
    let expected = [
        way(&[a.clone(), b.clone(), e.clone()]),
        way(&[other.clone(), b.clone(), e]),
        way(&[a.clone(), b.clone(), c.clone()]),
        way(&[other, b.clone(), c]),
        way(&[a, b, d]),
    ];
    let mut found = of(&rule);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    found.retain(|way| !expected.contains(way));
    assert!(found.is_empty(), "{found:#?}");
}
