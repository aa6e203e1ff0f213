//! Dependencies between rooms point down, as the table in ARCHITECTURE.md says.

use std::collections::BTreeSet;

use toml_edit::DocumentMut;

use crate::tree::{files, root};

struct Room {
    name: String,
    /// The rooms that it may use.
    below: BTreeSet<String>,
    /// The heavy libraries that are allowed here and nowhere else.
    heavy: BTreeSet<String>,
}

/// The table of ARCHITECTURE.md, top to bottom. Names stand between back quotes.
fn rooms() -> Vec<Room> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once("\n## Floors\n").expect("the table's heading is gone");
    let section = section.split("\n## ").next().unwrap();
    let named = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let mut rooms = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, below, _, heavy, _] = cells[..] else { panic!("{row}") };
        rooms.push(Room { name: name.trim_matches('`').into(), below: named(below), heavy: named(heavy) });
    }
    assert!(rooms.len() > 10, "the table is gone");
    rooms
}

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
    let rooms = rooms();
    for (floor, room) in rooms.iter().enumerate() {
        for below in &room.below {
            let is_below = rooms[..floor].iter().any(|other| other.name == *below);
            assert!(is_below, "ARCHITECTURE.md: `{below}` does not stand above `{}` in the table", room.name);
        }
        for used in dependencies(&room.name) {
            assert!(
                room.below.contains(&used) || rooms.iter().all(|other| other.name != used),
                "`{used}` is not below `{}`; see ARCHITECTURE.md",
                room.name
            );
        }
    }
}

#[test]
fn heavy_libraries_stay_in_their_rooms() {
    for room in rooms() {
        let used = dependencies(&room.name);
        for used in used.iter().filter(|used| HEAVY.contains(&used.as_str())) {
            assert!(room.heavy.contains(used), "`{used}` is not for `{}`; see ARCHITECTURE.md", room.name);
        }
        for allowed in &room.heavy {
            assert!(HEAVY.contains(&allowed.as_str()), "`{allowed}` is not among the heavy libraries here");
            assert!(used.contains(allowed), "ARCHITECTURE.md: `{}` does not use `{allowed}`", room.name);
        }
    }
}

#[test]
fn every_room_is_in_the_table_and_takes_the_workspaces_versions() {
    let dev_only = ["benches", "cloudfake", "xtask"];
    let rooms = rooms();
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: DocumentMut = text.parse().unwrap();
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        assert!(
            dev_only.contains(&member) || rooms.iter().any(|room| room.name == member),
            "`{member}` has no floor; add it to the table in ARCHITECTURE.md"
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
