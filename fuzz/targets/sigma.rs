//! Any text as a rule: rules or diagnostics, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::{RuleSource, load};

fuzz_target!(|text: &str| {
    let loaded = load(&[RuleSource { path: "fuzz.yml".into(), text: text.into() }]);
    for rule in loaded.rules.rules() {
        assert!(!rule.title().is_empty());
    }
    let counts = loaded.counts;
    let fates = counts.loaded + counts.correlations + counts.filters + counts.refused;
    assert_eq!(counts.documents, fates, "every document is loaded or refused");
    assert!(counts.refused == 0 || !loaded.diagnostics.is_empty(), "what is refused is told");
    assert_eq!((counts.loaded, counts.correlations), (loaded.rules.len(), loaded.rules.correlations().len()));
});
