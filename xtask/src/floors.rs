//! Dependencies between rooms point down; the table is the one in ARCHITECTURE.md.

use std::collections::BTreeSet;

use toml_edit::DocumentMut;

use crate::tree::{files, root};

struct Room {
    name: &'static str,
    /// The rooms that it may use.
    below: &'static [&'static str],
    /// The heavy libraries that are allowed here and nowhere else.
    heavy: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { name: "event", below: &[], heavy: &["arrow"] },
    Room { name: "normalize", below: &["event"], heavy: &["sonic-rs", "serde-saphyr"] },
    Room { name: "enrich", below: &["event"], heavy: &["maxminddb"] },
    Room { name: "rules", below: &["event"], heavy: &["sonic-rs", "serde-saphyr", "regex", "aho-corasick"] },
    Room {
        name: "ingest",
        below: &["event"],
        heavy: &["arrow", "parquet", "object_store", "reqwest", "rdkafka", "regex"],
    },
    Room {
        name: "storage",
        below: &["event"],
        heavy: &["arrow", "parquet", "deltalake-core", "rusqlite", "object_store"],
    },
    Room {
        name: "query",
        below: &["event", "storage"],
        heavy: &["arrow", "parquet", "datafusion", "datafusion-functions-json", "object_store"],
    },
    Room { name: "egress", below: &[], heavy: &["reqwest"] },
    Room { name: "alerts", below: &["event", "storage"], heavy: &[] },
    Room { name: "notify", below: &["event", "egress", "storage", "alerts"], heavy: &["lettre"] },
    Room {
        name: "pipeline",
        below: &["event", "ingest", "normalize", "enrich", "rules", "storage", "query", "alerts", "notify"],
        heavy: &["arrow"],
    },
    Room {
        name: "server",
        below: &[
            "event",
            "ingest",
            "normalize",
            "enrich",
            "rules",
            "storage",
            "query",
            "egress",
            "alerts",
            "notify",
            "pipeline",
        ],
        heavy: &["arrow", "axum", "clap", "reqwest"],
    },
];

/// Libraries that cost minutes of building, or that only one room should know.
const HEAVY: &[&str] = &[
    "arrow",
    "parquet",
    "deltalake-core",
    "rusqlite",
    "object_store",
    "datafusion",
    "datafusion-functions-json",
    "sonic-rs",
    "rdkafka",
    "serde-saphyr",
    "regex",
    "aho-corasick",
    "axum",
    "clap",
    "reqwest",
    "lettre",
    "maxminddb",
];

fn dependencies(room: &str) -> BTreeSet<String> {
    let path = root().join(room).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: DocumentMut = text.parse().unwrap();
    manifest["dependencies"]
        .as_table()
        .map(|table| table.iter().map(|(name, _)| name.to_owned()).collect())
        .unwrap_or_default()
}

#[test]
fn dependencies_point_down() {
    let names: Vec<_> = ROOMS.iter().map(|room| room.name).collect();
    for room in ROOMS {
        for used in dependencies(room.name) {
            if names.contains(&used.as_str()) {
                assert!(
                    room.below.contains(&used.as_str()),
                    "`{used}` is not below `{}`; see ARCHITECTURE.md",
                    room.name
                );
            }
        }
    }
}

#[test]
fn heavy_libraries_stay_in_their_rooms() {
    for room in ROOMS {
        for used in dependencies(room.name) {
            if HEAVY.contains(&used.as_str()) {
                assert!(
                    room.heavy.contains(&used.as_str()),
                    "`{used}` is not for `{}`; see ARCHITECTURE.md",
                    room.name
                );
            }
        }
    }
}

#[test]
fn every_room_is_in_the_table_and_takes_the_workspaces_versions() {
    let dev_only = ["benches", "cloudfake", "xtask"];
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: DocumentMut = text.parse().unwrap();
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        assert!(
            dev_only.contains(&member) || ROOMS.iter().any(|room| room.name == member),
            "`{member}` has no floor; add it to the table here and in ARCHITECTURE.md"
        );
    }
    for (path, text) in
        files("toml").iter().filter(|(path, _)| path.ends_with("Cargo.toml") && path != "Cargo.toml")
    {
        if path.starts_with("fuzz/") {
            continue;
        }
        let manifest: DocumentMut = text.parse().unwrap();
        for table in ["dependencies", "dev-dependencies"] {
            let Some(table) = manifest.get(table).and_then(|item| item.as_table()) else { continue };
            for (name, item) in table.iter() {
                let inherits = item.get("workspace").is_some_and(|flag| flag.as_bool() == Some(true));
                assert!(inherits, "{path}: `{name}` must say `workspace = true`");
            }
        }
    }
}

#[test]
fn pure_rooms_are_pure() {
    let banned =
        ["std::fs", "std::net", "std::thread", "std::process", "SystemTime::now", "Instant::now", "tokio::"];
    for (path, text) in files("rs") {
        let pure = ["event/src", "normalize/src", "enrich/src", "rules/src"]
            .iter()
            .any(|room| path.starts_with(room));
        // Compiled only for tests.
        let test_only = ["/tests.rs", "/corpus.rs", "/sample.rs"].iter().any(|name| path.ends_with(name));
        if !pure || test_only || path.contains("/tests/") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in banned {
            assert!(
                !code.contains(word),
                "{path} uses `{word}`; pure rooms have no clock, no I/O, no threads"
            );
        }
    }
}

/// Two versions of these in one binary are strangers to each other, or two copies of the same C code.
#[test]
fn there_is_one_version_of_what_must_be_one() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["arrow", "parquet", "datafusion", "object_store", "libsqlite3-sys", "zstd-sys", "tokio"] {
        let line = format!("name = \"{name}\"");
        assert_eq!(lock.lines().filter(|other| **other == line).count(), 1, "versions of {name}");
    }
}
