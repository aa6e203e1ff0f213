//! Any text as a rule: rules or diagnostics, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::{RuleSource, load};

fuzz_target!(|text: &str| {
    let loaded = load(&[RuleSource { path: "fuzz.yml".into(), text: text.into() }]);
    for rule in loaded.rules.rules() {
        assert!(!rule.title().is_empty());
    }
    assert!(text.trim().is_empty() || loaded.rules.len() + loaded.diagnostics.len() > 0);
});
