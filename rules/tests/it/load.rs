//! Collections of rules load, or are refused with a reason.

use std::collections::BTreeMap;

use event::{Diagnostic, Level};
use rules::{Counts, Loaded};

use crate::corpus;

fn load(folder: &str) -> Option<Loaded> {
    let loaded = rules::load(&corpus::files(&corpus::folder(folder)?, ".yml"));
    println!("{folder}: {:?}", loaded.counts);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for finding in &loaded.diagnostics {
        *reasons.entry(reason(finding)).or_default() += 1;
    }
    for (reason, count) in reasons {
        println!("  {count:4} {reason}");
    }
    for finding in loaded.diagnostics.iter().filter(|finding| finding.level == Level::Error) {
        println!("  {finding}");
        assert!(finding.line > 0 && !finding.problem.is_empty(), "{finding:?}");
    }
    Some(loaded)
}

/// A finding without its names.
fn reason(finding: &Diagnostic) -> String {
    let words = finding.problem.split('`').step_by(2).collect::<Vec<_>>().join("…");
    format!("{:?}: {words}", finding.level)
}

#[test]
fn sigmahq() {
    let Some(loaded) = load("sigma/sigmahq") else { return };
    let Counts { documents, loaded, refused, .. } = loaded.counts;
    assert_eq!(documents, loaded + refused);
}

#[test]
fn suzaku() {
    load("sigma/suzaku");
}

#[test]
fn specification_examples() {
    load("sigma/specification_examples");
}

#[test]
fn old_dialect() {
    load("sigma/ctid_cloud_analytics");
}

#[test]
fn correlations() {
    load("sigma/correlation");
}
