//! Tags of an ATT&CK that is no longer.

use crate::attack;
use crate::report::Report;
use crate::sigma::head::Head;

/// Says which tags have a new id.
pub(super) fn check(head: &Head, report: &mut Report) {
    for tag in &head.tags {
        let Some(new) = attack::renamed(tag) else { continue };
        let problem = format!("`{tag}` is no longer in ATT&CK {}", attack::VERSION);
        report.warning(head.at, "tags", problem, format!("use {new}"));
    }
}
