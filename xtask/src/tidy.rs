//! File sizes, module docs, names, and words that must not be in the tree.

use crate::tree::files;

/// Files that may pass the limit, each with its reason.
const LONG_FILES: &[&str] = &[];

const LINES: usize = 800;

#[test]
fn files_are_short() {
    for (path, text) in files("rs") {
        let lines = text.lines().count();
        assert!(
            lines <= LINES || LONG_FILES.contains(&path.as_str()),
            "{path} has {lines} lines; split it by subject ({LINES} are the limit)"
        );
    }
}

#[test]
fn every_module_says_what_it_is() {
    for (path, text) in files("rs") {
        if path.contains("/tests") || path.contains("tests.rs") || path.starts_with("fuzz/") {
            continue;
        }
        let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        assert!(first.is_some_and(|line| line.starts_with("//!")), "{path} does not begin with a module doc");
    }
}

#[test]
fn names_say_something() {
    let banned = ["common", "util", "utils", "helper", "helpers", "misc", "types", "shared"];
    for (path, _) in files("rs") {
        for part in path.trim_end_matches(".rs").split('/') {
            assert!(!banned.contains(&part), "{path}: `{part}` names nothing; name the noun that is in it");
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    // Put together here, so that this file does not find itself.
    let words = [["#[ign", "ore"], ["todo!", "("], ["unimpl", "emented!("], ["FIX", "ME"], ["XX", "X "]];
    for (path, text) in files("rs") {
        for word in words {
            let word = word.concat();
            assert!(!text.contains(&word), "{path} contains `{word}`");
        }
    }
}
